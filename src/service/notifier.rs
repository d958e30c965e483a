//! Delivers notifications: to the configured receivers, or to whoever reads our standard output.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::clock::{Clock, Stopwatch};
use crate::engine::OutgoingAlert;
use crate::engine::live::Notifier;
use crate::history::History;
use crate::instrument::spans::{Span, SpanKind, Tracer};
use crate::instrument::{Collect, Exposition};
use crate::notify::alertmanagers::Forwarder;
use crate::notify::drill::Drills;
use crate::notify::metrics::AttemptMetrics;
use crate::notify::plots::{Illustration, Plots};
use crate::notify::receivers::{Attempt, Integrations, SetupError};
use crate::notify::said::{self, Said};
use crate::notify::status::Statuses;
use crate::notify::{IntegrationId, Notification, Outcome};

use super::options::{Delivery, ServiceOptions};
use super::prepare::Prepared;

/// Delivers as the configuration in force says.
pub struct ConfiguredNotifier {
    delivery: Delivery,
    external_url: Arc<str>,
    clock: Arc<dyn Clock>,
    receivers: ArcSwapOption<Integrations>,
    /// The queue in front of external Alertmanagers.
    pub forwarder: Arc<Forwarder>,
    attempts: Arc<AttemptMetrics>,
    /// How it stands with every integration.
    pub statuses: Arc<Statuses>,
    /// What was told in drills.
    pub drills: Arc<Drills>,
    /// The plots of messages.
    pub plots: Arc<Plots>,
    tracer: Tracer,
    /// Where what messages said is recorded.
    history: Option<History>,
}

impl ConfiguredNotifier {
    /// A notifier that has no receivers yet.
    pub fn new(options: &ServiceOptions, external_url: &str, clock: Arc<dyn Clock>, tracer: Tracer) -> Self {
        ConfiguredNotifier {
            delivery: options.delivery,
            external_url: external_url.into(),
            plots: Arc::new(Plots::new(clock.clone())),
            clock,
            receivers: ArcSwapOption::default(),
            forwarder: Arc::new(Forwarder::new(options.queue_capacity, options.batch)),
            attempts: Arc::new(AttemptMetrics::new(options.metric_labels.receiver_names)),
            statuses: Arc::default(),
            drills: Arc::default(),
            tracer,
            history: None,
        }
    }

    /// Records what messages say.
    #[must_use]
    pub fn recording(self, history: Option<History>) -> Self {
        ConfiguredNotifier { history, ..self }
    }

    /// One attempt to deliver a test message, of which nothing is recorded.
    pub fn deliver_test(&self, notification: Notification) -> BoxFuture<'static, Outcome> {
        self.attempt(notification, None)
    }

    /// Sets a configuration's receivers up; [`ConfiguredNotifier::put_in_force`] takes them.
    ///
    /// # Errors
    /// Every integration that cannot be set up.
    pub fn set_up(&self, prepared: &Prepared) -> Result<Option<Integrations>, Vec<SetupError>> {
        let Some((config, _)) = &prepared.alertmanager else { return Ok(None) };
        let templates = (*prepared.templates).clone();
        let receivers = Integrations::new(config, templates, &self.external_url, self.clock.clone())?;
        for receiver in config.receivers.iter() {
            for (kind, ..) in receiver.integrations() {
                self.attempts.begin(kind, &receiver.name);
            }
        }
        Ok(Some(receivers))
    }

    /// Delivers to these receivers from now on.
    pub fn put_in_force(&self, receivers: Option<Integrations>) {
        let known: HashSet<&IntegrationId> = receivers.iter().flat_map(Integrations::ids).collect();
        self.statuses.retain(|integration| known.contains(integration));
        let counted: HashSet<(&str, &str)> = known.iter().map(|id| (&*id.kind, &*id.receiver)).collect();
        self.attempts.retain(|kind, receiver| counted.contains(&(kind, receiver)));
        self.receivers.store(receivers.map(Arc::new));
    }
}

impl ConfiguredNotifier {
    fn attempt(&self, notification: Notification, history: Option<History>) -> BoxFuture<'static, Outcome> {
        let (delivery, receivers, attempts) = (self.delivery, self.receivers.load_full(), self.attempts.clone());
        let (statuses, drills, clock) = (self.statuses.clone(), self.drills.clone(), self.clock.clone());
        let (notification, tracer, plots) = (Arc::new(notification), self.tracer.clone(), self.plots.clone());
        async move {
            let watch = Stopwatch::start();
            let attempt = match (delivery, receivers) {
                (Delivery::Print, _) => printed(&notification),
                (Delivery::Receivers, Some(receivers)) => {
                    let plot = match receivers.plot_range(&notification.integration) {
                        Some(range) => plots.of(&notification, range).await,
                        None => None,
                    };
                    attempt(receivers, notification.clone(), plot).await
                }
                (Delivery::Receivers, None) => given_up("no receivers are configured"),
            };
            let took = watch.elapsed();
            statuses.record(&notification, &attempt, clock.now());
            record(history, &notification, &attempt, clock.now()).await;
            drills.record(&notification, &attempt.outcome, clock.now());
            if notification.instead_of.is_some() {
                attempts.count_stand_in(&notification.integration);
            }
            attempts.count_problems(&notification.integration, attempt.problems.len());
            let outcome = attempt.outcome;
            note(&tracer, &notification, &outcome, (clock.now(), took));
            attempts.count(&notification.integration, outcome.is_delivered(), took);
            // That a receiver fails the engine tells, at a bounded rate; this is each attempt.
            let Notification { integration, group_key, alerts, reason, .. } = &*notification;
            let id = format_args!("{}[{}]", integration.kind, integration.index);
            tracing::debug!(
                receiver = &*integration.receiver, integration = %id, group = &**group_key, alerts = alerts.len(), ?reason, ?outcome,
                seconds = took.as_secs_f64(), "attempt to notify",
            );
            outcome
        }
        .boxed()
    }
}

impl Notifier for ConfiguredNotifier {
    fn deliver(&self, notification: Notification) -> BoxFuture<'static, Outcome> {
        self.attempt(notification, self.history.clone())
    }

    fn send(&self, alerts: Vec<OutgoingAlert>) {
        self.forwarder.send(alerts);
    }
}

/// Records what a message said that was delivered, before the engine hears that it was.
async fn record(history: Option<History>, notification: &Notification, attempt: &Attempt, now: i64) {
    let Some(history) = history.filter(|_| attempt.outcome.is_delivered()) else { return };
    if let Some(decision) = said::rendered(notification, attempt.said.clone(), &attempt.problems, now) {
        // A disk may take its time. What is lost the history counts and tells.
        let _ = tokio::task::spawn_blocking(move || history.record(vec![decision])).await;
    }
}

/// Notes an attempt as a span. The attempts to deliver one notification are one trace.
fn note(tracer: &Tracer, notification: &Notification, outcome: &Outcome, (ended_at, took): (i64, Duration)) {
    let Notification { id, integration, group_key, alerts, reason, decided_at, .. } = notification;
    let Some(span) = tracer.within(format!("{id} {decided_at} {group_key}").as_bytes()) else { return };
    tracer.note(Span {
        id: span,
        parent: None,
        name: format!("notify {}", integration.kind),
        kind: SpanKind::Client,
        ended_at,
        took,
        attributes: vec![
            ("receiver", integration.receiver.to_string()),
            ("integration", format!("{}[{}]", integration.kind, integration.index)),
            ("group_key", group_key.to_string()),
            ("alerts", alerts.len().to_string()),
            ("reason", format!("{reason:?}")),
            ("status", notification.status().into()),
        ],
        error: match outcome {
            Outcome::Delivered | Outcome::DeliveredAt(_) => None,
            Outcome::Retry { reason, .. } | Outcome::GiveUp { reason } => Some(reason.clone()),
        },
    });
}

/// Most alerts that are rendered beside other work; more go to a thread of their own.
const FEW_ALERTS: usize = 32;

async fn attempt(receivers: Arc<Integrations>, notification: Arc<Notification>, plot: Option<Illustration>) -> Attempt {
    let rendered = if notification.alerts.len() <= FEW_ALERTS {
        receivers.prepare(&notification, plot)
    } else {
        let (to, of) = (receivers.clone(), notification.clone());
        match tokio::task::spawn_blocking(move || to.prepare(&of, plot)).await {
            Ok(rendered) => rendered,
            Err(_) => return given_up("rendering the notification panicked; this is a defect"),
        }
    };
    receivers.attempt(&notification, rendered).await
}

fn given_up(reason: &str) -> Attempt {
    Attempt { outcome: Outcome::GiveUp { reason: reason.into() }, problems: Vec::new(), said: Said::default() }
}

/// A receiver for whoever has none yet.
fn printed(notification: &Notification) -> Attempt {
    let text = lines(notification);
    let outcome = print(&text);
    Attempt { outcome, problems: Vec::new(), said: Said::plain(&text) }
}

/// A line an alert.
fn lines(notification: &Notification) -> String {
    let mut text = String::new();
    for alert in &notification.alerts {
        let state = if alert.is_resolved() { "resolved" } else { "firing" };
        let integration = &notification.integration;
        text.push_str(&format!("{state}  {}/{}  {}", integration.receiver, integration.kind, alert.labels));
        if let Some(summary) = alert.annotations.get("summary") {
            text.push_str(&format!("  {summary}"));
        }
        text.push('\n');
    }
    text
}

fn print(text: &str) -> Outcome {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Outcome::Delivered,
        Err(e) => Outcome::GiveUp { reason: e.to_string() },
    }
}

impl Collect for ConfiguredNotifier {
    fn collect(&self, out: &mut Exposition) {
        self.attempts.collect(out);
        self.forwarder.collect(out);
        self.plots.collect(out);
    }
}
