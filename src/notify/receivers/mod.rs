//! Receivers: what each kind of integration is told, and how it is told. One file a kind, one row a kind in the table.
//!
//! Rendering is pure: [`Integrations::render`] gives the message a receiver would get, without a network and without
//! its secrets. [`Integrations::deliver`] renders, sends, and says what became of it.

mod addresses;
pub mod check;
mod discord;
mod email;
mod fit;
mod googlechat;
mod http;
mod incidentio;
mod jira;
mod mattermost;
mod message;
mod mrkdwn;
mod msteams;
mod msteamsv2;
mod opsgenie;
mod pagerduty;
mod plain;
mod pushover;
mod rendering;
mod rocketchat;
mod slack;
mod smtp;
mod smtp_stream;
mod sns;
mod telegram;
mod victorops;
mod webex;
mod webhook;
mod wechat;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::alertmanager::AlertmanagerConfig;
use crate::config::alertmanager::receivers::Receiver;
use crate::config::http::HttpClientConfig;
use crate::model::Diagnostic;
use crate::net::{self, HttpClient, HttpSettings, aws};
use crate::notify::route_labels::RouteLabels;
use crate::notify::{IntegrationId, Notification, Outcome};
use crate::template::alertmanager::Templates;

pub use message::{Mail, Message};
pub use rendering::{Problem, RenderError, common};

use http::{Link, Reply};
use rendering::Rendering;

/// The longest an attempt may take where the configuration sets no limit.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);

/// A kind of integration: what it makes of a notification, and how it reads the answers.
trait Kind: Send + Sync {
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

fn for_each_kind(receiver: &Receiver, mut visit: impl FnMut(&'static str, usize, Arc<dyn Kind>)) {
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

/// One integration of a receiver, ready to be used.
struct Integration {
    kind: Arc<dyn Kind>,
    client: HttpClient,
    timeout: Duration,
    role: aws::Role,
}

/// All integrations of a configuration.
pub struct Integrations {
    all: HashMap<IntegrationId, Integration>,
    templates: Templates,
    routes: RouteLabels,
    external_url: String,
    clock: Arc<dyn Clock>,
}

/// An integration that cannot be set up: TLS files that cannot be read, settings that contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("{}", located(.defect, .receiver, .kind, *.index))]
pub struct SetupError {
    /// The receiver's name.
    pub receiver: String,
    /// The integration's kind.
    pub kind: &'static str,
    /// Its place among its kind.
    pub index: usize,
    /// What is wrong, and where.
    pub defect: Diagnostic,
}

/// The defect, and whose it is.
fn located(defect: &Diagnostic, receiver: &str, kind: &str, index: usize) -> Diagnostic {
    let message = format!("receiver {receiver:?}: {kind}[{index}]: {}", defect.message);
    Diagnostic { message, ..defect.clone() }
}

impl Integrations {
    /// Sets up what a configuration names. `external_url` is the server's address as users reach it.
    ///
    /// # Errors
    /// Every integration that cannot be set up.
    pub fn new(
        config: &AlertmanagerConfig,
        templates: Templates,
        external_url: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<SetupError>> {
        let mut all = HashMap::new();
        let mut errors = Vec::new();
        for receiver in &config.receivers.0 {
            for_each_kind(receiver, |name, index, kind| {
                let id = IntegrationId { receiver: receiver.name.as_str().into(), kind: name.into(), index };
                match Integration::new(kind) {
                    Ok(integration) => drop(all.insert(id, integration)),
                    Err(defect) => {
                        errors.push(SetupError { receiver: receiver.name.clone(), kind: name, index, defect });
                    }
                }
            });
        }
        let external_url = external_url.trim_end_matches('/').to_owned();
        let routes = RouteLabels::of(config);
        if errors.is_empty() { Ok(Integrations { all, templates, routes, external_url, clock }) } else { Err(errors) }
    }

    /// The message an integration would get, without sending it.
    ///
    /// # Errors
    /// Nobody can be told: the template of an address failed, or the configuration no longer knows the integration.
    pub fn render(&self, notification: &Notification) -> Result<Message, RenderError> {
        self.prepare(notification).message
    }

    /// Renders a notification. It takes processor time: much, where thousands of alerts are to be told.
    pub fn prepare(&self, notification: &Notification) -> Rendered {
        let Some(integration) = self.all.get(&notification.integration) else {
            return Rendered { message: Err(unknown(notification)), problems: Vec::new() };
        };
        let with = Rendering::new(notification, &self.templates, &self.routes, &self.external_url, self.clock.now());
        let message = integration.kind.render(&with);
        Rendered { message, problems: with.into_problems() }
    }

    /// One attempt to deliver.
    pub async fn deliver(&self, notification: &Notification) -> Outcome {
        self.attempt(notification, self.prepare(notification)).await.outcome
    }

    /// One attempt to deliver what was rendered.
    pub async fn attempt(&self, notification: &Notification, rendered: Rendered) -> Attempt {
        let Rendered { message, problems } = rendered;
        let given_up = |reason: String, problems| Attempt { outcome: Outcome::GiveUp { reason }, problems };
        let message = match message {
            Ok(message) => message,
            Err(error) => return given_up(error.to_string(), problems),
        };
        let Some(integration) = self.all.get(&notification.integration) else {
            return given_up(unknown(notification).to_string(), problems);
        };
        let problems = Mutex::new(problems);
        let link = Link {
            client: &integration.client,
            clock: &*self.clock,
            group_key: &notification.group_key,
            firing: !notification.is_resolved(),
            place: notification.place.as_deref(),
            problems: &problems,
            role: &integration.role,
        };
        let sending = integration.kind.send(&message, &link);
        let outcome = match tokio::time::timeout(integration.timeout, sending).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Retry {
                after: None,
                reason: format!("no answer within {} s: context deadline exceeded", integration.timeout.as_secs_f64()),
            },
        };
        Attempt { outcome, problems: problems.into_inner() }
    }

    /// All integrations, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &IntegrationId> {
        self.all.keys()
    }
}

/// A message, and what is wrong with the templates of its fields.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The message, unless nobody can be told.
    pub message: Result<Message, RenderError>,
    /// The fields whose templates failed; the message has something else there.
    pub problems: Vec<Problem>,
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Whether the message was delivered.
    pub outcome: Outcome,
    /// What else went wrong: the message says less than it should, or not to all.
    pub problems: Vec<Problem>,
}

fn unknown(notification: &Notification) -> RenderError {
    let IntegrationId { receiver, kind, index } = &notification.integration;
    RenderError::new(format!("receiver {receiver:?} has no {kind}[{index}]"))
}

impl Integration {
    fn new(kind: Arc<dyn Kind>) -> Result<Self, Diagnostic> {
        let default = HttpClientConfig::default();
        let config = kind.http().unwrap_or(&default);
        let client = HttpClient::new(&HttpSettings::from(config)).map_err(|e| net::describe(config, &e))?;
        let timeout = match u64::try_from(kind.timeout()) {
            Ok(0) | Err(_) => LONGEST_ATTEMPT,
            Ok(ms) => Duration::from_millis(ms),
        };
        Ok(Integration { kind, client, timeout, role: aws::Role::default() })
    }
}
