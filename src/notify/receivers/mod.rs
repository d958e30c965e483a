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
mod kind;
mod mattermost;
mod message;
pub mod messages;
mod mrkdwn;
mod msteams;
mod msteamsv2;
mod multipart;
mod opsgenie;
mod pagerduty;
mod plain;
mod pushover;
mod rendering;
mod rocketchat;
mod slack;
mod slack_file;
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

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::alertmanager::AlertmanagerConfig;
use crate::config::http::HttpClientConfig;
use crate::model::Diagnostic;
use crate::net::{self, HttpClient, HttpSettings, aws};
use crate::notify::plots::Illustration;
use crate::notify::said::Said;
use crate::notify::{IntegrationId, Notification, Outcome};
use crate::template::alertmanager::Templates;

pub use message::{Mail, Message};
pub use messages::Rendered;
pub use rendering::{Problem, RenderError, common};

use http::Link;
use kind::{Kind, for_each_kind};
use messages::{Messages, unknown};

/// Says in a message which notification it is: what the history knows of it goes by this id.
const NOTIFICATION_HEADER: &str = "X-Watchbell-Notification";
/// The longest an attempt may take where the configuration sets no limit.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);
/// The longest that a plot may take that is sent after its message.
const LONGEST_PLOT: Duration = Duration::from_secs(10);

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
    /// How much time the plots of messages show, milliseconds.
    plots: HashMap<IntegrationId, i64>,
    messages: Messages,
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
        let messages = Messages::of(config, templates, external_url);
        let plots = plots(config);
        if errors.is_empty() { Ok(Integrations { all, plots, messages, clock }) } else { Err(errors) }
    }

    /// The message an integration would get, without sending it.
    ///
    /// # Errors
    /// Nobody can be told: the template of an address failed, or the configuration no longer knows the integration.
    pub fn render(&self, notification: &Notification) -> Result<Message, RenderError> {
        self.prepare(notification, None).message
    }

    /// How much time the plot of an integration's messages shows, milliseconds; nothing where they have none.
    pub fn plot_range(&self, integration: &IntegrationId) -> Option<i64> {
        self.plots.get(integration).copied()
    }

    /// Renders a notification, with its plot where it has one. It takes processor time: much, where thousands of alerts
    /// are to be told.
    pub fn prepare(&self, notification: &Notification, plot: Option<Illustration>) -> Rendered {
        self.messages.render(notification, plot, self.clock.now())
    }

    /// One attempt to deliver.
    pub async fn deliver(&self, notification: &Notification) -> Outcome {
        self.attempt(notification, self.prepare(notification, None)).await.outcome
    }

    /// One attempt to deliver what was rendered. What is refused with a plot goes again at once without it.
    pub async fn attempt(&self, notification: &Notification, rendered: Rendered) -> Attempt {
        let integration = self.all.get(&notification.integration);
        let in_message = rendered.plot.is_some() && integration.is_some_and(|i| !i.kind.sends_plot_apart());
        let attempt = self.attempt_as_rendered(notification, rendered).await;
        match &attempt.outcome {
            Outcome::GiveUp { reason } if in_message => {
                let error = format!("refused, and sent without it: {reason}");
                let mut plain = self.attempt_as_rendered(notification, self.prepare(notification, None)).await;
                plain.problems.push(Problem { field: "plot".into(), error });
                plain
            }
            _ => attempt,
        }
    }

    async fn attempt_as_rendered(&self, notification: &Notification, rendered: Rendered) -> Attempt {
        let Rendered { message, problems, plot } = rendered;
        let given_up =
            |reason: String, problems| Attempt { outcome: Outcome::GiveUp { reason }, problems, said: Said::default() };
        let message = match message {
            Ok(message) => message,
            Err(error) => return given_up(error.to_string(), problems),
        };
        let Some(integration) = self.all.get(&notification.integration) else {
            return given_up(unknown(notification).to_string(), problems);
        };
        let (problems, sent) = (Mutex::new(problems), Mutex::new(None));
        let link = Link {
            client: &integration.client,
            clock: &*self.clock,
            group_key: &notification.group_key,
            firing: !notification.is_resolved(),
            place: notification.place.as_deref(),
            problems: &problems,
            role: &integration.role,
            sent: &sent,
        };
        let sending = integration.kind.send(&message, &link);
        let outcome = match tokio::time::timeout(integration.timeout, sending).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Retry {
                after: None,
                reason: format!("no answer within {} s: context deadline exceeded", integration.timeout.as_secs_f64()),
            },
        };
        if outcome.is_delivered()
            && let Some(plot) = plot
        {
            integration.follow(&plot, &link).await;
        }
        let said = match outcome.is_delivered() {
            true => Said::of(&notification.integration.kind, &message.payload()),
            false => Said::default(),
        };
        Attempt { outcome, problems: problems.into_inner(), said }
    }

    /// All integrations, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &IntegrationId> {
        self.all.keys()
    }
}

fn plots(config: &AlertmanagerConfig) -> HashMap<IntegrationId, i64> {
    let of_receiver = |receiver: &crate::config::alertmanager::Receiver| {
        let id =
            |kind: &str, index| IntegrationId { receiver: receiver.name.as_str().into(), kind: kind.into(), index };
        receiver.plots().into_iter().map(|(kind, index, plot)| (id(kind, index), plot.0)).collect::<Vec<_>>()
    };
    config.receivers.iter().flat_map(of_receiver).collect()
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Whether the message was delivered.
    pub outcome: Outcome,
    /// What else went wrong: the message says less than it should, or not to all.
    pub problems: Vec<Problem>,
    /// What the message said that was delivered.
    pub said: Said,
}

impl Integration {
    /// Sends the plot of a message that was delivered, where it is not in the message. That it fails is no failure of the
    /// message.
    async fn follow(&self, plot: &Illustration, link: &Link<'_>) {
        if !self.kind.sends_plot_apart() {
            return;
        }
        match tokio::time::timeout(LONGEST_PLOT, self.kind.follow(plot, link)).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => link.complain("plot", reason),
            Err(_) => link.complain("plot", format!("not taken within {} s", LONGEST_PLOT.as_secs())),
        }
    }

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
