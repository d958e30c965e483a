//! What is counted of notifications, apart by integration and receiver.

use std::time::Duration;

use crate::instrument::{Collect, CounterVec, Exposition, HistogramVec};

use super::notification::IntegrationId;

const LABELS: &[&str] = &["integration", "receiver_name"];
const LATENCIES: [f64; 7] = [0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0];

/// Alertmanager's labels, without the receiver's name and with it.
const KIND: &[&str] = &["integration"];
const LATENCIES_OF_REQUESTS: [f64; 5] = [1.0, 5.0, 10.0, 15.0, 20.0];

/// The kinds of integrations that Alertmanager knows: each has its counters from the start.
pub const INTEGRATIONS: [&str; 18] = [
    "discord",
    "email",
    "incidentio",
    "jira",
    "mattermost",
    "msteams",
    "msteamsv2",
    "opsgenie",
    "pagerduty",
    "pushover",
    "rocketchat",
    "slack",
    "sns",
    "telegram",
    "victorops",
    "webex",
    "webhook",
    "wechat",
];

/// Attempts to notify, under our own names and under Alertmanager's.
#[derive(Debug)]
pub struct AttemptMetrics {
    made: CounterVec,
    failed: CounterVec,
    latency: HistogramVec,
    problems: CounterVec,
    receiver_names: bool,
    requests: CounterVec,
    failed_requests: CounterVec,
    request_latency: HistogramVec,
    stand_ins: CounterVec,
}

impl AttemptMetrics {
    /// `receiver_names`: whether Alertmanager's families are apart by receiver too.
    pub fn new(receiver_names: bool) -> Self {
        let labels = if receiver_names { LABELS } else { KIND };
        let metrics = AttemptMetrics {
            receiver_names,
            requests: CounterVec::new(
                "alertmanager_notification_requests_total",
                "The total number of attempted notification requests.",
                labels,
            ),
            failed_requests: CounterVec::new(
                "alertmanager_notification_requests_failed_total",
                "The total number of failed notification requests.",
                labels,
            ),
            request_latency: HistogramVec::new(
                "alertmanager_notification_latency_seconds",
                "The latency of notifications in seconds.",
                &LATENCIES_OF_REQUESTS,
                labels,
            ),
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
            stand_ins: CounterVec::new(
                "watchbell_notifications_by_fallback_total",
                "Attempted notifications of receivers that stood in for another one.",
                LABELS,
            ),
        };
        if !receiver_names {
            INTEGRATIONS.iter().for_each(|kind| metrics.begin_requests(&[kind]));
        }
        metrics
    }

    /// The values of Alertmanager's labels.
    fn short<'a>(&self, both: &'a [&'a str; 2]) -> &'a [&'a str] {
        both.get(..if self.receiver_names { 2 } else { 1 }).unwrap_or(both)
    }

    /// Shows an integration's counters at 0, so that a first failure is an increase.
    pub fn begin(&self, kind: &str, receiver: &str) {
        let labels = [kind, receiver];
        self.made.with(&labels);
        self.failed.with(&labels);
        self.problems.with(&labels);
        self.stand_ins.with(&labels);
        self.begin_requests(self.short(&labels));
    }

    /// Forgets receivers that are not configured any more.
    pub fn retain(&self, is_known: impl Fn(&str, &str) -> bool) {
        let is_wanted = |values: &[String]| match values {
            [kind, receiver] => is_known(kind, receiver),
            _ => true,
        };
        for counters in
            [&self.made, &self.failed, &self.problems, &self.stand_ins, &self.requests, &self.failed_requests]
        {
            counters.retain(is_wanted);
        }
        self.latency.retain(is_wanted);
        self.request_latency.retain(is_wanted);
    }

    /// Counts an attempt in which an integration stands in for another receiver.
    pub fn count_stand_in(&self, integration: &IntegrationId) {
        self.stand_ins.with(&[&*integration.kind, &*integration.receiver]).inc();
    }

    fn begin_requests(&self, labels: &[&str]) {
        self.requests.with(labels);
        self.failed_requests.with(labels);
        self.request_latency.with(labels);
    }

    /// Counts an attempt.
    pub fn count(&self, integration: &IntegrationId, delivered: bool, took: Duration) {
        let labels = [&*integration.kind, &*integration.receiver];
        self.made.with(&labels).inc();
        self.latency.with(&labels).observe(took.as_secs_f64());
        let short = self.short(&labels);
        self.requests.with(short).inc();
        self.request_latency.with(short).observe(took.as_secs_f64());
        if !delivered {
            self.failed.with(&labels).inc();
            self.failed_requests.with(short).inc();
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
        self.requests.expose(out);
        self.failed_requests.expose(out);
        self.request_latency.expose(out);
        self.stand_ins.expose(out);
    }
}
