//! What a kind of integration is, and the table of kinds.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::http::{Link, Reply};
use super::message::Message;
use super::rendering::{RenderError, Rendering};
use crate::config::alertmanager::receivers::Receiver;
use crate::config::http::HttpClientConfig;
use crate::notify::Outcome;
use crate::notify::plots::Illustration;

/// A kind of integration: what it makes of a notification, and how it reads the answers.
pub(super) trait Kind: Send + Sync {
    /// The message, complete but for secrets.
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError>;

    /// The HTTP client's settings.
    fn http(&self) -> Option<&HttpClientConfig>;

    /// How long one attempt may take, milliseconds; 0: no limit of its own.
    fn timeout(&self) -> i64 {
        0
    }

    /// What an answer means.
    fn judge(&self, reply: &Reply) -> Outcome {
        reply.judge(&[])
    }

    /// Whether a plot is sent after the message, by [`Kind::follow`].
    fn sends_plot_apart(&self) -> bool {
        false
    }

    /// Sends the plot of a message that was delivered.
    fn follow<'a>(&'a self, _plot: &'a Illustration, _link: &'a Link<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    /// One attempt. The default makes the message's requests one after another, and stops at the first that fails.
    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            for request in message.requests() {
                let outcome = match link.call(request).await {
                    Ok(reply) => self.judge(&reply),
                    Err(failed) => failed,
                };
                if !outcome.is_delivered() {
                    return outcome;
                }
            }
            Outcome::Delivered
        })
    }
}

/// The table: the lists of a receiver, one row a kind.
macro_rules! kinds {
    ($receiver:ident, $visit:ident: $($list:ident),* $(,)?) => {
        $(for (index, config) in $receiver.$list.iter().enumerate() {
            $visit(kind_of(config), index, Arc::new(config.clone()));
        })*
    };
}

fn kind_of<I: crate::config::alertmanager::receivers::Integration>(_: &I) -> &'static str {
    I::KIND
}

/// Hands every integration of a receiver to `visit`, with the name of its kind and its place among its kind.
pub(super) fn for_each_kind(receiver: &Receiver, mut visit: impl FnMut(&'static str, usize, Arc<dyn Kind>)) {
    kinds!(receiver, visit:
        webhook_configs,
        email_configs,
        pagerduty_configs,
        opsgenie_configs,
        wechat_configs,
        slack_configs,
        victorops_configs,
        pushover_configs,
        sns_configs,
        telegram_configs,
        discord_configs,
        webex_configs,
        msteams_configs,
        msteamsv2_configs,
        jira_configs,
        rocketchat_configs,
        mattermost_configs,
        incidentio_configs,
        googlechat_configs,
    );
}
