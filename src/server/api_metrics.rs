//! What Alertmanager's API counts of its clients, under Alertmanager's names.

use std::sync::Arc;
use std::time::Duration;

use crate::instrument::{Collect, Counter, Exposition, HistogramVec, Kind};
use crate::routing::ReceivedAlert;

/// Bounds of histograms of durations, seconds.
pub(super) const DURATIONS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const SIZES: [f64; 7] = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// Which labels metrics have beyond their usual ones: features of Alertmanager's `--enable-feature`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricLabels {
    /// `alert-names-in-metrics`
    pub alert_names: bool,
    /// `receiver-name-in-metrics`
    pub receiver_names: bool,
    /// `group-key-in-metrics`
    pub group_keys: bool,
}

/// What the API counts.
pub struct ApiMetrics {
    firing: Counter,
    resolved: Counter,
    invalid: Counter,
    taken: Counter,
    /// GET requests that were refused because too many were being answered.
    pub gets_refused: Arc<Counter>,
    /// Requests begun and answered: the difference is under way.
    begun: Counter,
    ended: Counter,
    requests: HistogramVec,
    sizes: HistogramVec,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        ApiMetrics {
            firing: Counter::default(),
            resolved: Counter::default(),
            invalid: Counter::default(),
            taken: Counter::default(),
            gets_refused: Arc::default(),
            begun: Counter::default(),
            ended: Counter::default(),
            requests: HistogramVec::new(
                "alertmanager_http_request_duration_seconds",
                "Histogram of latencies for HTTP requests.",
                &DURATIONS,
                &["code", "handler", "method"],
            ),
            sizes: HistogramVec::new(
                "alertmanager_http_response_size_bytes",
                "Histogram of the sizes of answers, where they are known beforehand.",
                &SIZES,
                &["handler", "method"],
            ),
        }
    }
}

impl ApiMetrics {
    /// Counts a posted alert, valid or not.
    pub fn posted(&self, alert: &ReceivedAlert, is_valid: bool, now: i64) {
        let resolved = alert.ends_at.is_some_and(|end| end <= now);
        if resolved { &self.resolved } else { &self.firing }.inc();
        if is_valid { &self.taken } else { &self.invalid }.inc();
    }

    /// Valid alerts that were posted.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// A request begins.
    pub fn begin(&self, method: &str) {
        if method == "GET" {
            self.begun.inc();
        }
    }

    /// A request was answered. `handler` is the pattern of its path, `size` the bytes of the answer if they are known.
    pub fn end(&self, (code, handler, method): (&str, &str, &str), took: Duration, size: Option<u64>) {
        if method == "GET" {
            self.ended.inc();
        }
        let handler = if handler.starts_with("/api/v2/silence/") { "/api/v2/silence/{silenceID}" } else { handler };
        let method = method.to_ascii_lowercase();
        self.requests.with(&[code, handler, &method]).observe(took.as_secs_f64());
        if let Some(size) = size {
            self.sizes.with(&[handler, &method]).observe(size as f64);
        }
    }
}

impl Collect for ApiMetrics {
    fn collect(&self, out: &mut Exposition) {
        out.family("alertmanager_alerts_received_total", Kind::Counter, "The total number of received alerts.", |f| {
            for (status, counter) in [("firing", &self.firing), ("resolved", &self.resolved)] {
                f.sample(&[("status", status), ("version", "v2")], counter.get() as f64);
            }
        });
        let help = "The total number of received alerts that were invalid.";
        out.family("alertmanager_alerts_invalid_total", Kind::Counter, help, |f| {
            f.sample(&[("version", "v2")], self.invalid.get() as f64);
        });
        let help = "Total number of times an HTTP request failed because the concurrency limit was reached.";
        out.family("alertmanager_http_concurrency_limit_exceeded_total", Kind::Counter, help, |f| {
            f.sample(&[("method", "get")], self.gets_refused.get() as f64);
        });
        let help = "Current number of HTTP requests being processed.";
        out.family("alertmanager_http_requests_in_flight", Kind::Gauge, help, |f| {
            let ended = self.ended.get();
            f.sample(&[("method", "get")], self.begun.get().saturating_sub(ended) as f64);
        });
        self.requests.expose(out);
        self.sizes.expose(out);
    }
}
