//! What remote write sends, and what it takes in, as metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::ingest::remote_write::send::{RemoteWriters, SendCounters};
use crate::server::App;
use crate::server::metrics::{Collect, Exposition, Kind};

/// Writes what the endpoints of remote write count.
pub struct SendMetrics(pub Arc<RemoteWriters>);

type Figure = (&'static str, Kind, &'static str, fn(&SendCounters) -> &AtomicU64);

/// Those that are counted in milliseconds.
const SECONDS: &str = "_seconds";

/// Prometheus' families, under our prefix.
const FIGURES: [Figure; 12] = [
    ("watchbell_remote_storage_samples_total", Kind::Counter, "Total number of samples sent to remote storage.", |c| {
        &c.samples
    }),
    (
        "watchbell_remote_storage_histograms_total",
        Kind::Counter,
        "Total number of histograms sent to remote storage.",
        |c| &c.histograms,
    ),
    (
        "watchbell_remote_storage_samples_failed_total",
        Kind::Counter,
        "Total number of samples which failed on send to remote storage, non-recoverable errors.",
        |c| &c.failed,
    ),
    (
        "watchbell_remote_storage_samples_retried_total",
        Kind::Counter,
        "Total number of samples which failed on send to remote storage but were retried.",
        |c| &c.retried,
    ),
    (
        "watchbell_remote_storage_samples_dropped_total",
        Kind::Counter,
        "Total number of samples which were dropped before being sent to remote storage.",
        |c| &c.dropped,
    ),
    (
        "watchbell_remote_storage_bytes_total",
        Kind::Counter,
        "The total number of bytes of data (not metadata) sent after compression.",
        |c| &c.bytes,
    ),
    (
        "watchbell_remote_storage_samples_pending",
        Kind::Gauge,
        "The number of samples pending in the queues to be sent to the remote storage.",
        |c| &c.pending,
    ),
    (
        "watchbell_remote_storage_shards",
        Kind::Gauge,
        "The number of shards used for parallel sending to the remote storage.",
        |c| &c.shards,
    ),
    (
        "watchbell_remote_storage_highest_timestamp_in_seconds",
        Kind::Gauge,
        "Highest timestamp that has come into the remote storage, in seconds since epoch.",
        |c| &c.highest,
    ),
    (
        "watchbell_remote_storage_queue_highest_sent_timestamp_seconds",
        Kind::Gauge,
        "Timestamp, in seconds since epoch, of the highest sample that was sent.",
        |c| &c.highest_sent,
    ),
    (
        "watchbell_remote_storage_log_behind_bytes",
        Kind::Gauge,
        "Bytes of the log from the oldest sample on that has not arrived.",
        |c| &c.behind_bytes,
    ),
    ("watchbell_remote_storage_behind", Kind::Gauge, "Whether samples do not arrive as they come.", |c| &c.behind),
];

impl Collect for SendMetrics {
    fn collect(&self, out: &mut Exposition) {
        let endpoints = self.0.counters();
        if endpoints.is_empty() {
            return;
        }
        for (name, kind, help, figure) in FIGURES {
            out.family(name, kind, help, |f| {
                for (remote, url, counters) in &endpoints {
                    let labels = [("remote_name", remote.as_str()), ("url", url.as_str())];
                    let scale = if name.ends_with(SECONDS) { 1000.0 } else { 1.0 };
                    f.sample(&labels, figure(counters).load(Ordering::Relaxed) as f64 / scale);
                }
            });
        }
    }
}

/// Writes how much the requests of remote write that are under way hold.
pub struct ReceiveMetrics(pub Weak<App>);

impl Collect for ReceiveMetrics {
    fn collect(&self, out: &mut Exposition) {
        let Some(app) = self.0.upgrade().filter(|app| app.service.remote_write_receiver) else { return };
        let (held, turned_away) = app.receiver.load();
        let (name, help) = ("watchbell_remote_write_receiver_held_bytes", "Bytes that remote writes under way hold.");
        out.family(name, Kind::Gauge, help, |f| f.sample(&[], held as f64));
        let name = "watchbell_remote_write_receiver_turned_away_total";
        let help = "Remote writes answered 503 because those under way left no room.";
        out.family(name, Kind::Counter, help, |f| f.sample(&[], turned_away as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::ingest::remote_write::send::RemoteWriteSettings;
    use crate::server::metrics::Format;
    use crate::tsdb::{Tsdb, TsdbOptions};

    #[tokio::test]
    async fn every_endpoint_has_its_counters_and_no_secret_is_among_them() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
        let writers = Arc::new(RemoteWriters::new(storage, Arc::new(SystemClock), tokio::runtime::Handle::current()));
        let text = |writers: &Arc<RemoteWriters>| {
            let mut out = Exposition::new(Format::accepted("text/plain"));
            SendMetrics(writers.clone()).collect(&mut out);
            out.finish()
        };
        assert_eq!(text(&writers), "");
        let errors = writers.apply(vec![RemoteWriteSettings::new("http://user:secret@127.0.0.1:9/write")]);
        assert!(errors.is_empty(), "{errors:?}");
        if let Some((_, _, counters)) = writers.counters().first() {
            counters.samples.store(7, Ordering::Relaxed);
        }
        let text = text(&writers);
        let sent = text.lines().find(|l| l.starts_with("watchbell_remote_storage_samples_total{"));
        assert!(sent.is_some_and(|l| l.ends_with(" 7") && l.contains("127.0.0.1:9/write")), "{text}");
        assert_eq!(text.lines().filter(|l| l.starts_with("# TYPE ")).count(), FIGURES.len());
        assert!(!text.contains("secret"), "{text}");
    }
}
