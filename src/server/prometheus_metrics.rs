//! Prometheus' own metric families that are not ours under another prefix: what is said here in other units or with other
//! labels, and what is never anything but 0, because there is nothing of the kind. Rules and dashboards that are written
//! for Prometheus go on working with them.

use crate::instrument::{Exposition, Figure, Kind, counter, gauge};
use crate::tsdb::TsdbStats;

use super::api::COMPATIBLE_VERSION;
use super::app::App;

fn seconds(t: Option<i64>) -> f64 {
    t.unwrap_or(0) as f64 / 1_000.0
}

const STORAGE: [Figure<TsdbStats>; 9] = [
    gauge("prometheus_tsdb_head_min_time_seconds", "Minimum time bound of the head block.", |s| seconds(s.head_mint)),
    gauge("prometheus_tsdb_head_max_time_seconds", "Maximum timestamp of the head block.", |s| seconds(s.head_maxt)),
    gauge("prometheus_tsdb_lowest_timestamp_seconds", "Lowest timestamp value stored.", |s| seconds(s.mint)),
    // Blocks are written by maintenance, as one of its steps.
    counter("prometheus_tsdb_compactions_failed_total", "Steps of maintenance that failed.", |s| {
        s.maintenance_failures as f64
    }),
    counter("prometheus_tsdb_compactions_triggered_total", "Total number of blocks written.", |s| s.flushes as f64),
    counter("prometheus_tsdb_wal_truncations_total", "Times that the write log was replaced by a checkpoint.", |s| {
        s.checkpoints as f64
    }),
    counter("prometheus_tsdb_checkpoint_creations_failed_total", "Checkpoints that could not be written.", |s| {
        s.checkpoint_failures as f64
    }),
    // The log is cut where a checkpoint takes its place.
    counter("prometheus_tsdb_wal_truncations_failed_total", "Checkpoints that could not be written.", |s| {
        s.checkpoint_failures as f64
    }),
    counter("prometheus_remote_storage_samples_in_total", "Samples that can be sent to remote storage.", |s| {
        (s.floats_appended + s.histograms_appended) as f64
    }),
];

/// Families of which there is nothing: where Prometheus counts something at work, nothing of the kind is at work here.
const NOTHING: [(&str, Kind); 12] = [
    ("prometheus_target_scrape_pool_reloads_failed_total", Kind::Counter),
    ("prometheus_target_scrapes_cache_flush_forced_total", Kind::Counter),
    ("prometheus_tsdb_checkpoint_deletions_failed_total", Kind::Counter),
    ("prometheus_tsdb_compactions_skipped_total", Kind::Counter),
    ("prometheus_tsdb_head_series_not_found_total", Kind::Counter),
    ("prometheus_tsdb_head_truncations_failed_total", Kind::Counter),
    ("prometheus_tsdb_mmap_chunk_corruptions_total", Kind::Counter),
    ("prometheus_tsdb_reloads_failures_total", Kind::Counter),
    ("prometheus_tsdb_reloads_total", Kind::Counter),
    ("prometheus_tsdb_snapshot_replay_error_total", Kind::Counter),
    ("prometheus_tsdb_vertical_compactions_total", Kind::Counter),
    ("prometheus_web_federation_warnings_total", Kind::Counter),
];

const OF_NOTHING: &str = "There is nothing of the kind here: always 0.";

/// Writes them.
pub(super) fn collect(app: &App, out: &mut Exposition) {
    out.family("prometheus_build_info", Kind::Gauge, "What clients may take this for, and what it is.", |f| {
        let none = ["branch", "goversion", "revision", "tags"].map(|name| (name, ""));
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let own = env!("CARGO_PKG_VERSION");
        let labels = [("goarch", arch), ("goos", os), ("version", COMPATIBLE_VERSION), ("watchbell", own)];
        f.sample(&[&none[..], &labels[..]].concat(), 1.0);
    });
    out.single("prometheus_ready", Kind::Gauge, "Whether the service is ready.", f64::from(u8::from(is_ready(app))));
    let stats = app.storage.figures();
    out.figures(&STORAGE, &stats);
    let rejected = &stats.rejected;
    for (name, help, count) in [
        ("prometheus_tsdb_out_of_order_samples_total", "Samples refused: out of order.", rejected.out_of_order),
        ("prometheus_tsdb_out_of_bound_samples_total", "Samples refused: out of bounds.", rejected.out_of_bounds),
        ("prometheus_tsdb_too_old_samples_total", "Samples refused: too old.", rejected.too_old),
    ] {
        out.family(name, Kind::Counter, help, |f| f.sample(&[("type", "float")], count as f64));
    }
    let help = "Federations that failed.";
    out.single("prometheus_web_federation_errors_total", Kind::Counter, help, app.http.federation_errors.get() as f64);
    let followers = app.notices.followers();
    let help = "Clients that follow notifications.";
    out.single("prometheus_api_notification_active_subscribers", Kind::Gauge, help, followers as f64);
    for (name, kind) in NOTHING {
        out.single(name, kind, OF_NOTHING, 0.0);
    }
}

fn is_ready(app: &App) -> bool {
    app.engine.trouble().is_none() && app.engine.store().trouble().is_none() && app.storage.trouble().is_none()
}
