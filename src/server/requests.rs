//! What the server counts of its clients' requests.

use std::time::Duration;

use crate::instrument::{Collect, Counter, CounterVec, Exposition, HistogramVec};

/// Requests and how long they took, by handler.
pub struct HttpMetrics {
    requests: CounterVec,
    durations: HistogramVec,
    cut: CounterVec,
    /// Federations that failed.
    pub federation_errors: Counter,
}

const DURATIONS: [f64; 10] = [0.1, 0.2, 0.4, 1.0, 3.0, 8.0, 20.0, 60.0, 120.0, 300.0];

impl Default for HttpMetrics {
    fn default() -> Self {
        HttpMetrics {
            federation_errors: Counter::default(),
            requests: CounterVec::new(
                "watchbell_http_requests_total",
                "Counter of HTTP requests.",
                &["code", "handler"],
            ),
            durations: HistogramVec::new(
                "watchbell_http_request_duration_seconds",
                "Histogram of latencies for HTTP requests.",
                &DURATIONS,
                &["handler"],
            ),
            cut: CounterVec::new(
                "watchbell_http_connections_cut_total",
                "Connections that were cut: for want of a request, of the rest of one, of a reader, or to make room.",
                &["reason"],
            ),
        }
    }
}

impl HttpMetrics {
    /// Counts a request that was answered.
    pub fn count(&self, code: &str, handler: &str, took: Duration) {
        self.requests.with(&[code, handler]).inc();
        self.durations.with(&[handler]).observe(took.as_secs_f64());
    }

    /// Counts a connection that was cut.
    pub fn connection_cut(&self, reason: &str) {
        self.cut.with(&[reason]).inc();
    }
}

impl Collect for HttpMetrics {
    fn collect(&self, out: &mut Exposition) {
        self.requests.expose(out);
        self.durations.expose(out);
        self.cut.expose(out);
    }
}
