//! What the server counts of its own requests, and the families of the rooms below.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::clock::Stopwatch;

use super::app::App;
use super::metrics::{Collect, Exposition, Kind};

/// Counts every request under its route's pattern, so that labels stay few.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let handler = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let watch = Stopwatch::start();
    let response = next.run(request).await;
    app.http.requests.with(&[response.status().as_str(), &handler]).inc();
    app.http.durations.with(&[&handler]).observe(watch.elapsed().as_secs_f64());
    response
}

/// Writes what the service's rooms count.
pub struct AppMetrics(pub std::sync::Weak<App>);

impl Collect for AppMetrics {
    fn collect(&self, out: &mut Exposition) {
        let Some(app) = self.0.upgrade() else { return };
        build_info(out);
        config(&app, out);
        groups(&app, out);
        counters(&app, out);
        state(&app, out);
        alerts(&app, out);
        storage(&app, out);
        scrapes(&app, out);
        let options = app.queries.options();
        let running = options.concurrency.saturating_sub(app.queries.free());
        out.single(
            "watchbell_engine_queries",
            Kind::Gauge,
            "The current number of queries being executed or waiting.",
            running as f64,
        );
        out.single(
            "watchbell_engine_queries_concurrent_max",
            Kind::Gauge,
            "The max number of concurrent queries.",
            options.concurrency as f64,
        );
        app.http.requests.expose(out);
        app.http.durations.expose(out);
        app.http.cut.expose(out);
    }
}

fn build_info(out: &mut Exposition) {
    let help = "A metric with a constant '1' value labeled by version.";
    out.family("watchbell_build_info", Kind::Gauge, help, |f| {
        f.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    });
}

fn config(app: &App, out: &mut Exposition) {
    let view = app.config.load();
    out.single(
        "watchbell_config_last_reload_successful",
        Kind::Gauge,
        "Whether the last configuration reload attempt was successful.",
        f64::from(u8::from(view.reload_succeeded)),
    );
    out.single(
        "watchbell_config_last_reload_success_timestamp_seconds",
        Kind::Gauge,
        "Timestamp of the last successful configuration reload.",
        view.loaded_at as f64 / 1_000.0,
    );
}

/// The families of rule groups: every group a sample, labelled `rule_group` as Prometheus labels it.
fn groups(app: &App, out: &mut Exposition) {
    use crate::engine::GroupView;
    type Figure = (&'static str, Kind, &'static str, fn(&GroupView) -> f64);
    const FIGURES: [Figure; 8] = [
        ("watchbell_rule_group_interval_seconds", Kind::Gauge, "The interval of a rule group.", |g| {
            g.spec.interval as f64 / 1_000.0
        }),
        (
            "watchbell_rule_group_last_duration_seconds",
            Kind::Gauge,
            "The duration of the last rule group evaluation.",
            |g| g.state.duration,
        ),
        (
            "watchbell_rule_group_last_evaluation_timestamp_seconds",
            Kind::Gauge,
            "The timestamp of the last rule group evaluation in seconds.",
            |g| g.state.evaluated_at.unwrap_or(0) as f64 / 1_000.0,
        ),
        ("watchbell_rule_group_rules", Kind::Gauge, "The number of rules.", |g| g.spec.rules.len() as f64),
        (
            "watchbell_rule_group_iterations_total",
            Kind::Counter,
            "The total number of scheduled rule group evaluations, whether executed or missed.",
            |g| g.iterations as f64,
        ),
        (
            "watchbell_rule_group_iterations_missed_total",
            Kind::Counter,
            "The total number of rule group evaluations missed due to slow rule group evaluation.",
            |g| g.missed as f64,
        ),
        ("watchbell_rule_evaluations_total", Kind::Counter, "The total number of rule evaluations.", |g| {
            g.evaluations as f64
        }),
        (
            "watchbell_rule_evaluation_failures_total",
            Kind::Counter,
            "The total number of rule evaluation failures.",
            |g| g.failures as f64,
        ),
    ];
    let views = app.engine.view().rule_groups();
    for (name, kind, help, figure) in FIGURES {
        out.family(name, kind, help, |f| {
            for group in &views {
                f.sample(&[("rule_group", &group.spec.key.to_label())], figure(group));
            }
        });
    }
}

fn counters(app: &App, out: &mut Exposition) {
    let c = app.engine.view().counters();
    for (name, help, value) in [
        ("watchbell_rule_samples_total", "The total number of samples written by rules.", c.samples),
        ("watchbell_alerts_received_total", "The total number of received alerts.", c.alerts_received),
        ("watchbell_alerts_invalid_total", "The total number of received alerts that were invalid.", c.alerts_invalid),
    ] {
        out.single(name, Kind::Counter, help, value as f64);
    }
    let help = "Notifications decided and not yet delivered.";
    out.single("watchbell_notifications_owed", Kind::Gauge, help, c.owed as f64);
}

fn state(app: &App, out: &mut Exposition) {
    let (view, health) = (app.engine.store(), app.engine.store().health());
    let help = "Batches of state that could not be stored in time.";
    out.single("watchbell_state_write_failures_total", Kind::Counter, help, view.failed_writes() as f64);
    let truth = |is: bool| f64::from(u8::from(is));
    let unreadable = health.unreadable.load(std::sync::atomic::Ordering::Relaxed);
    for (name, help, value) in [
        ("watchbell_state_store_healthy", "Whether state is being stored.", truth(view.trouble().is_none())),
        ("watchbell_state_unstored_records", "Records that wait to be stored.", view.unstored() as f64),
        (
            "watchbell_state_rescue_copy_healthy",
            "Whether the rescue copy of state is being written.",
            truth(health.rescue_failure.is_none()),
        ),
        (
            "watchbell_state_damaged_stores",
            "Damaged state stores that were set aside and still lie in the data directory.",
            health.set_aside as f64,
        ),
        (
            "watchbell_state_rescued_records",
            "Records that the rescue copy gave back since the process started.",
            health.rescued as f64,
        ),
        ("watchbell_state_unreadable_records", "Records that did not decode and are left out.", unreadable as f64),
    ] {
        out.single(name, Kind::Gauge, help, value);
    }
}

fn alerts(app: &App, out: &mut Exposition) {
    let (view, now) = (app.engine.view(), app.engine.now());
    let marks = view.marks();
    let help = "How many alerts by state, as they were when their groups last flushed.";
    out.family("watchbell_alerts", Kind::Gauge, help, |f| {
        for (state, count) in
            [("active", marks.active), ("suppressed", marks.suppressed), ("unprocessed", marks.unprocessed)]
        {
            f.sample(&[("state", state)], count as f64);
        }
    });
    let mut silences = [("active", 0u64), ("expired", 0), ("pending", 0)];
    for state in view.silences().map(|s| s.state(now).as_str()) {
        silences.iter_mut().filter(|(name, _)| *name == state).for_each(|(_, count)| *count += 1);
    }
    out.family("watchbell_silences", Kind::Gauge, "How many silences by state.", |f| {
        for (state, count) in silences {
            f.sample(&[("state", state)], count as f64);
        }
    });
}

/// Damaged blocks that are named at most.
const MAX_DAMAGED: usize = 100;

fn storage(app: &App, out: &mut Exposition) {
    let s = app.storage.stats();
    let time = |t: Option<i64>| t.unwrap_or(0) as f64;
    for (name, help, value) in [
        ("watchbell_tsdb_head_series", "Total number of series in the head block.", s.series as f64),
        ("watchbell_tsdb_head_chunks", "Total number of chunks in the head block.", s.chunks as f64),
        ("watchbell_tsdb_head_min_time", "Minimum time bound of the head block, milliseconds.", time(s.head_mint)),
        ("watchbell_tsdb_head_max_time", "Maximum timestamp of the head block, milliseconds.", time(s.head_maxt)),
        ("watchbell_tsdb_lowest_timestamp", "Lowest timestamp value stored in the database.", time(s.mint)),
        ("watchbell_tsdb_blocks_loaded", "Number of currently loaded data blocks.", s.blocks as f64),
        (
            "watchbell_tsdb_storage_blocks_bytes",
            "The number of bytes that are currently used for local storage by all blocks.",
            s.block_bytes as f64,
        ),
        ("watchbell_tsdb_blocks_damaged", "Blocks in which something was found damaged.", s.damaged_blocks as f64),
        (
            "watchbell_tsdb_writable",
            "Whether samples are written to the log and maintenance succeeds.",
            f64::from(u8::from(app.storage.trouble().is_none())),
        ),
        ("watchbell_tsdb_wal_storage_size_bytes", "Size of the write log directory.", s.wal_bytes as f64),
        ("watchbell_tsdb_head_chunks_storage_size_bytes", "Bytes of chunks in memory.", s.head_chunk_bytes as f64),
    ] {
        out.single(name, Kind::Gauge, help, value);
    }
    for (name, help, value) in [
        ("watchbell_tsdb_head_series_created_total", "Total number of series created in the head.", s.series_created),
        ("watchbell_tsdb_head_series_removed_total", "Total number of series removed in the head.", s.series_removed),
        ("watchbell_tsdb_wal_corruptions_total", "Total number of write log corruptions.", s.wal_corruptions),
        ("watchbell_tsdb_wal_writes_failed_total", "Total number of write log writes that failed.", s.wal_failures),
        ("watchbell_tsdb_maintenance_failures_total", "Failed steps of maintenance.", s.maintenance_failures),
        (
            "watchbell_tsdb_damaged_chunks_left_out_total",
            "Damaged chunks that merged blocks go without.",
            s.damaged_chunks,
        ),
        ("watchbell_tsdb_checkpoint_creations_total", "Total number of checkpoints.", s.checkpoints),
        (
            "watchbell_tsdb_samples_set_aside_total",
            "Samples set aside because they lay in the future.",
            s.samples_set_aside,
        ),
        ("watchbell_tsdb_compactions_total", "Total number of blocks written.", s.flushes),
    ] {
        out.single(name, Kind::Counter, help, value as f64);
    }
    out.family("watchbell_tsdb_head_samples_appended_total", Kind::Counter, "Total number of appended samples.", |f| {
        f.sample(&[("type", "float")], s.floats_appended as f64);
        f.sample(&[("type", "histogram")], s.histograms_appended as f64);
    });
    let damaged = app.storage.damaged_blocks();
    if !damaged.is_empty() {
        out.family("watchbell_tsdb_block_damaged", Kind::Gauge, "Blocks in which something was found damaged.", |f| {
            damaged.iter().take(MAX_DAMAGED).for_each(|block| f.sample(&[("block", block)], 1.0));
        });
    }
    out.family("watchbell_tsdb_samples_rejected_total", Kind::Counter, "Samples refused, by reason.", |f| {
        for (reason, count) in s.rejected.by_reason() {
            f.sample(&[("reason", reason)], count as f64);
        }
    });
}

fn scrapes(app: &App, out: &mut Exposition) {
    let pools = app.scrapes.status();
    out.family(
        "watchbell_target_scrape_pool_targets",
        Kind::Gauge,
        "Current number of targets in this scrape pool.",
        |f| {
            for pool in &pools {
                f.sample(&[("scrape_job", &pool.scrape_pool)], pool.active.len() as f64);
            }
        },
    );
    let c = app.scrapes.counters();
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed) as f64;
    for (name, help, value) in [
        (
            "watchbell_target_scrapes_sample_out_of_order_total",
            "Total number of samples rejected due to not being in the expected order.",
            get(&c.out_of_order),
        ),
        (
            "watchbell_target_scrapes_sample_duplicate_timestamp_total",
            "Total number of samples rejected due to duplicate timestamps but different values.",
            get(&c.duplicate),
        ),
        (
            "watchbell_target_scrapes_sample_out_of_bounds_total",
            "Total number of samples rejected due to timestamp falling outside of the time bounds.",
            get(&c.out_of_bounds),
        ),
    ] {
        out.single(name, Kind::Counter, help, value);
    }
}
