//! What is counted of notifications, apart by integration and receiver.

use std::time::Duration;

use crate::instrument::{Collect, CounterVec, Exposition, HistogramVec};

use super::notification::IntegrationId;

const LABELS: &[&str] = &["integration", "receiver_name"];
const LATENCIES: [f64; 7] = [0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0];

/// Attempts to notify.
#[derive(Debug)]
pub struct AttemptMetrics {
    made: CounterVec,
    failed: CounterVec,
    latency: HistogramVec,
    problems: CounterVec,
}

impl Default for AttemptMetrics {
    fn default() -> Self {
        AttemptMetrics {
            made: CounterVec::new(
                "watchbell_notifications_total",
                "The total number of attempted notifications.",
                LABELS,
            ),
            failed: CounterVec::new(
                "watchbell_notifications_failed_total",
                "The total number of failed notifications.",
                LABELS,
            ),
            latency: HistogramVec::new(
                "watchbell_notification_latency_seconds",
                "The latency of notifications in seconds.",
                &LATENCIES,
                LABELS,
            ),
            problems: CounterVec::new(
                "watchbell_notification_field_errors_total",
                "Fields of notifications that are not what the configuration says: their templates failed, or an address was refused.",
                LABELS,
            ),
        }
    }
}

impl AttemptMetrics {
    /// Shows an integration's counters at 0, so that a first failure is an increase.
    pub fn begin(&self, kind: &str, receiver: &str) {
        self.made.with(&[kind, receiver]);
        self.failed.with(&[kind, receiver]);
        self.problems.with(&[kind, receiver]);
    }

    /// Counts an attempt.
    pub fn count(&self, integration: &IntegrationId, delivered: bool, took: Duration) {
        let labels = [&*integration.kind, &*integration.receiver];
        self.made.with(&labels).inc();
        self.latency.with(&labels).observe(took.as_secs_f64());
        if !delivered {
            self.failed.with(&labels).inc();
        }
    }

    /// Counts the fields of a notification that are not as they should be.
    pub fn count_problems(&self, integration: &IntegrationId, problems: usize) {
        if problems > 0 {
            self.problems.with(&[&*integration.kind, &*integration.receiver]).add(problems as u64);
        }
    }
}

impl Collect for AttemptMetrics {
    fn collect(&self, out: &mut Exposition) {
        self.made.expose(out);
        self.failed.expose(out);
        self.latency.expose(out);
        self.problems.expose(out);
    }
}
