//! What sending counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one endpoint, under Prometheus' names without `prometheus_remote_storage_`.
#[derive(Debug, Default)]
pub struct SendCounters {
    /// `samples_total`: float samples sent.
    pub samples: AtomicU64,
    /// `histograms_total`: native histograms sent.
    pub histograms: AtomicU64,
    /// `samples_failed_total`: refused for good.
    pub failed: AtomicU64,
    /// `samples_retried_total`
    pub retried: AtomicU64,
    /// `samples_dropped_total`: by relabelling or age, or because the log no longer has them.
    pub dropped: AtomicU64,
    /// `bytes_total`: compressed.
    pub bytes: AtomicU64,
    /// `samples_pending`
    pub pending: AtomicU64,
    /// `shards`
    pub shards: AtomicU64,
    /// `highest_timestamp_in_seconds`, in milliseconds: of the samples read from the log.
    pub highest: AtomicU64,
    /// `queue_highest_sent_timestamp_seconds`, in milliseconds.
    pub highest_sent: AtomicU64,
    /// Bytes of the log from the oldest sample that has not arrived on.
    pub behind_bytes: AtomicU64,
    /// 1 while samples do not arrive as they come.
    pub behind: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}
