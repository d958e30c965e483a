//! What the endpoints of remote write count, under Prometheus' names with our prefix.

use crate::instrument::{Counter, Figure, Gauge, counter, gauge};

/// Counters of one endpoint.
#[derive(Debug, Default)]
pub struct SendCounters {
    /// Float samples sent.
    pub samples: Counter,
    /// Native histograms sent.
    pub histograms: Counter,
    /// Samples refused for good.
    pub failed: Counter,
    /// Samples sent again.
    pub retried: Counter,
    /// Samples dropped: by relabelling or age, or because the log no longer has them.
    pub dropped: Counter,
    /// Bytes sent, compressed.
    pub bytes: Counter,
    /// Exemplars sent.
    pub exemplars: Counter,
    /// Entries of metadata sent.
    pub metadata: Counter,
    /// Entries of metadata that were not taken.
    pub metadata_failed: Counter,
    /// Samples read from the log.
    pub came: Counter,
    /// Microseconds spent sending, by all shards together.
    pub send_micros: Counter,
    /// Shards there should be.
    pub shards_desired: Gauge,
    /// Samples in the queues.
    pub pending: Gauge,
    /// Shards.
    pub shards: Gauge,
    /// The most shards there may be, and the fewest.
    pub shards_max: Gauge,
    /// See `shards_max`.
    pub shards_min: Gauge,
    /// Samples that a shard holds.
    pub shard_capacity: Gauge,
    /// Samples of a request, at most.
    pub max_samples_per_send: Gauge,
    /// The newest sample read from the log, seconds.
    pub highest: Gauge,
    /// The newest sample sent, seconds.
    pub highest_sent: Gauge,
    /// Bytes of the log from the oldest sample that has not arrived on.
    pub behind_bytes: Gauge,
    /// 1 while samples do not arrive as they come.
    pub behind: Gauge,
}

/// What is shown of an endpoint.
pub(super) const ENDPOINT: [Figure<SendCounters>; 21] = [
    counter("watchbell_remote_storage_samples_total", "Total number of samples sent to remote storage.", |c| {
        c.samples.get() as f64
    }),
    counter("watchbell_remote_storage_histograms_total", "Total number of histograms sent to remote storage.", |c| {
        c.histograms.get() as f64
    }),
    counter("watchbell_remote_storage_exemplars_total", "Total number of exemplars sent to remote storage.", |c| {
        c.exemplars.get() as f64
    }),
    counter(
        "watchbell_remote_storage_metadata_total",
        "Total number of metadata entries sent to remote storage.",
        |c| c.metadata.get() as f64,
    ),
    counter(
        "watchbell_remote_storage_metadata_failed_total",
        "Total number of metadata entries which failed on send to remote storage, non-recoverable errors.",
        |c| c.metadata_failed.get() as f64,
    ),
    gauge(
        "watchbell_remote_storage_shards_desired",
        "The number of shards that the queues shard calculation wants to run based on the rate of samples in vs. samples out.",
        |c| c.shards_desired.get(),
    ),
    counter(
        "watchbell_remote_storage_samples_failed_total",
        "Total number of samples which failed on send to remote storage, non-recoverable errors.",
        |c| c.failed.get() as f64,
    ),
    counter(
        "watchbell_remote_storage_samples_retried_total",
        "Total number of samples which failed on send to remote storage but were retried.",
        |c| c.retried.get() as f64,
    ),
    counter(
        "watchbell_remote_storage_samples_dropped_total",
        "Total number of samples which were dropped before being sent to remote storage.",
        |c| c.dropped.get() as f64,
    ),
    counter(
        "watchbell_remote_storage_bytes_total",
        "The total number of bytes of data (not metadata) sent after compression.",
        |c| c.bytes.get() as f64,
    ),
    gauge(
        "watchbell_remote_storage_samples_pending",
        "The number of samples pending in the queues to be sent to the remote storage.",
        |c| c.pending.get(),
    ),
    gauge(
        "watchbell_remote_storage_shards",
        "The number of shards used for parallel sending to the remote storage.",
        |c| c.shards.get(),
    ),
    gauge(
        "watchbell_remote_storage_shards_max",
        "The maximum number of shards that the queue is allowed to run.",
        |c| c.shards_max.get(),
    ),
    gauge(
        "watchbell_remote_storage_shards_min",
        "The minimum number of shards that the queue is allowed to run.",
        |c| c.shards_min.get(),
    ),
    gauge("watchbell_remote_storage_shard_capacity", "The samples that each shard holds at most.", |c| {
        c.shard_capacity.get()
    }),
    gauge("watchbell_remote_storage_max_samples_per_send", "The samples of a request at most.", |c| {
        c.max_samples_per_send.get()
    }),
    gauge(
        "watchbell_remote_storage_queue_highest_timestamp_seconds",
        "Timestamp, in seconds since epoch, of the highest sample that was read for this queue.",
        |c| c.highest.get(),
    ),
    gauge(
        "watchbell_remote_storage_highest_timestamp_in_seconds",
        "Highest timestamp that has come into the remote storage, in seconds since epoch.",
        |c| c.highest.get(),
    ),
    gauge(
        "watchbell_remote_storage_queue_highest_sent_timestamp_seconds",
        "Timestamp, in seconds since epoch, of the highest sample that was sent.",
        |c| c.highest_sent.get(),
    ),
    gauge(
        "watchbell_remote_storage_log_behind_bytes",
        "Bytes of the log from the oldest sample on that has not arrived.",
        |c| c.behind_bytes.get(),
    ),
    gauge("watchbell_remote_storage_behind", "Whether samples do not arrive as they come.", |c| c.behind.get()),
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{RemoteWriteSettings, RemoteWriters};
    use super::*;
    use crate::clock::SystemClock;
    use crate::instrument::{Collect, Exposition, Format};
    use crate::tsdb::{Tsdb, TsdbOptions};

    #[tokio::test]
    async fn every_endpoint_has_its_counters_and_no_secret_is_among_them() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
        let writers = RemoteWriters::new(storage, Arc::new(SystemClock), tokio::runtime::Handle::current());
        let text = || {
            let mut out = Exposition::new(Format::accepted("text/plain"));
            writers.collect(&mut out);
            out.finish()
        };
        assert_eq!(text(), "");
        let errors = writers.apply(vec![RemoteWriteSettings::new("http://user:secret@127.0.0.1:9/write")]);
        assert!(errors.is_empty(), "{errors:?}");
        if let Some((_, _, counters)) = writers.counters().first() {
            counters.samples.add(7);
        }
        let text = text();
        let sent = text.lines().find(|l| l.starts_with("watchbell_remote_storage_samples_total{"));
        assert!(sent.is_some_and(|l| l.ends_with(" 7") && l.contains("127.0.0.1:9/write")), "{text}");
        assert_eq!(text.lines().filter(|l| l.starts_with("# TYPE ")).count(), ENDPOINT.len());
        assert!(!text.contains("secret"), "{text}");
    }
}
