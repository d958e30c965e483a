//! Delivers notifications: to the configured receivers, or to whoever reads our standard output.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::clock::{Clock, Stopwatch};
use crate::engine::OutgoingAlert;
use crate::engine::live::Courier;
use crate::notify::alertmanagers::{DestinationCounts, Forwarder};
use crate::notify::receivers::{Integrations, SetupError};
use crate::notify::{Notification, Outcome};
use crate::server::metrics::{Collect, CounterVec, Exposition, HistogramVec, Kind};

use super::options::Delivery;
use super::prepare::Prepared;

/// Alerts of one request to an external Alertmanager, at most.
const BATCH: usize = 256;
const LATENCIES: [f64; 7] = [0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0];

/// Delivers as the configuration in force says.
pub struct ConfiguredCourier {
    delivery: Delivery,
    external_url: Arc<str>,
    clock: Arc<dyn Clock>,
    receivers: ArcSwapOption<Integrations>,
    /// The queue in front of external Alertmanagers.
    pub forwarder: Forwarder,
    counts: Arc<Counts>,
}

struct Counts {
    sent: CounterVec,
    failed: CounterVec,
    latency: HistogramVec,
}

impl ConfiguredCourier {
    /// A courier that has no receivers yet. `queue_capacity` bounds the queue in front of external Alertmanagers.
    pub fn new(delivery: Delivery, external_url: &str, queue_capacity: usize, clock: Arc<dyn Clock>) -> Self {
        let labels: &[&str] = &["integration", "receiver_name"];
        ConfiguredCourier {
            delivery,
            external_url: external_url.into(),
            clock,
            receivers: ArcSwapOption::default(),
            forwarder: Forwarder::new(queue_capacity, BATCH),
            counts: Arc::new(Counts {
                sent: CounterVec::new(
                    "watchbell_notifications_total",
                    "The total number of attempted notifications.",
                    labels,
                ),
                failed: CounterVec::new(
                    "watchbell_notifications_failed_total",
                    "The total number of failed notifications.",
                    labels,
                ),
                latency: HistogramVec::new(
                    "watchbell_notification_latency_seconds",
                    "The latency of notifications in seconds.",
                    &LATENCIES,
                    labels,
                ),
            }),
        }
    }

    /// Sets a configuration's receivers up; [`ConfiguredCourier::put_in_force`] takes them.
    ///
    /// # Errors
    /// Every integration that cannot be set up.
    pub fn set_up(&self, prepared: &Prepared) -> Result<Option<Integrations>, Vec<SetupError>> {
        let Some((config, _)) = &prepared.alertmanager else { return Ok(None) };
        let templates = (*prepared.templates).clone();
        let receivers = Integrations::new(config, templates, &self.external_url, self.clock.clone())?;
        // Counters begin at 0, so that a first failure is an increase.
        for receiver in config.receivers.iter() {
            for (kind, ..) in receiver.integrations() {
                self.counts.sent.with(&[kind, &receiver.name]);
                self.counts.failed.with(&[kind, &receiver.name]);
            }
        }
        Ok(Some(receivers))
    }

    /// Delivers to these receivers from now on.
    pub fn put_in_force(&self, receivers: Option<Integrations>) {
        self.receivers.store(receivers.map(Arc::new));
    }
}

impl Courier for ConfiguredCourier {
    fn deliver(&self, notification: Notification) -> BoxFuture<'static, Outcome> {
        let (delivery, receivers, counts) = (self.delivery, self.receivers.load_full(), self.counts.clone());
        async move {
            let labels = [&*notification.integration.kind, &*notification.integration.receiver].map(str::to_owned);
            let labels = [labels[0].as_str(), labels[1].as_str()];
            let watch = Stopwatch::start();
            let outcome = match delivery {
                Delivery::Print => print(&notification),
                Delivery::Receivers => match receivers {
                    Some(receivers) => receivers.deliver(&notification).await,
                    None => Outcome::GiveUp { reason: "no receivers are configured".into() },
                },
            };
            counts.sent.with(&labels).inc();
            counts.latency.with(&labels).observe(watch.elapsed().as_secs_f64());
            if outcome != Outcome::Delivered {
                counts.failed.with(&labels).inc();
            }
            // That a receiver fails the engine tells, at a bounded rate; this is each attempt.
            let Notification { integration, group_key, alerts, reason, .. } = &notification;
            let id = format_args!("{}[{}]", integration.kind, integration.index);
            tracing::debug!(
                receiver = labels[1], integration = %id, group = &**group_key, alerts = alerts.len(), ?reason, ?outcome,
                seconds = watch.elapsed().as_secs_f64(), "attempt to notify",
            );
            outcome
        }
        .boxed()
    }

    fn send(&self, alerts: Vec<OutgoingAlert>) {
        self.forwarder.send(alerts);
    }
}

/// A receiver for whoever has none yet: a line an alert.
fn print(notification: &Notification) -> Outcome {
    use std::io::Write;
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
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Outcome::Delivered,
        Err(e) => Outcome::GiveUp { reason: e.to_string() },
    }
}

impl Collect for ConfiguredCourier {
    fn collect(&self, out: &mut Exposition) {
        self.counts.sent.expose(out);
        self.counts.failed.expose(out);
        self.counts.latency.expose(out);
        let forwarded = self.forwarder.counts();
        let per = |out: &mut Exposition, name: &str, help: &str, of: fn(&DestinationCounts) -> u64| {
            out.family(name, Kind::Counter, help, |f| {
                for (url, counts) in &forwarded.destinations {
                    f.sample(&[("alertmanager", url)], of(counts) as f64);
                }
            });
        };
        per(out, "watchbell_notifications_sent_total", "Total number of alerts sent.", |c| c.sent);
        per(out, "watchbell_notifications_errors_total", "Total number of sent alerts affected by errors.", |c| {
            c.errors
        });
        out.single(
            "watchbell_notifications_dropped_total",
            Kind::Counter,
            "Total number of alerts dropped due to errors when sending to Alertmanager.",
            forwarded.dropped as f64,
        );
        out.single(
            "watchbell_notifications_queue_length",
            Kind::Gauge,
            "The number of alert notifications in the queue.",
            forwarded.queued as f64,
        );
    }
}
