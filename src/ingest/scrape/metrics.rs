//! What scraping counts, as metrics.

use std::time::Duration;

use crate::ingest::store::StoreCounts;
use crate::instrument::{Collect, Counter, CounterVec, Exposition, Figure, SummaryVec, counter};

/// Counters over all pools.
#[derive(Debug, Default)]
pub struct ScrapeCounters {
    /// Samples older than the newest of their series.
    pub out_of_order: Counter,
    /// Exemplars older than the newest of their series.
    pub exemplars_out_of_order: Counter,
    /// Samples at the time of another with another value.
    pub duplicate: Counter,
    /// Samples at times that are not accepted.
    pub out_of_bounds: Counter,
    /// Pools that could not be started.
    pub pools_failed: Counter,
    /// Times a pool had more targets than it may.
    pub target_limit_exceeded: Counter,
    /// Scrape pools that were to be started.
    pub pools_begun: Counter,
    /// Scrapes that failed because a limit was exceeded.
    pub exceeded: ExceededLimits,
    /// What happened at targets and pools, and how long it took.
    pub times: ScrapeTimes,
}

/// Scrapes that failed because a limit was exceeded.
#[derive(Debug, Default)]
pub struct ExceededLimits {
    samples: Counter,
    body: Counter,
    buckets: Counter,
    labels: Counter,
}

/// A limit of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `sample_limit`
    Samples,
    /// `body_size_limit`
    Body,
    /// `native_histogram_bucket_limit`
    Buckets,
    /// `label_limit`, `label_name_length_limit`, `label_value_length_limit`
    Labels,
}

impl ExceededLimits {
    /// Counts a scrape that failed because of a limit.
    pub(super) fn count(&self, limit: Limit) {
        match limit {
            Limit::Samples => &self.samples,
            Limit::Body => &self.body,
            Limit::Buckets => &self.buckets,
            Limit::Labels => &self.labels,
        }
        .inc();
    }
}

/// Intervals between scrapes and how long pools took to take over what was discovered.
#[derive(Debug)]
pub struct ScrapeTimes {
    /// By the interval that was asked for.
    pub intervals: SummaryVec,
    /// By pool.
    pub syncs: SummaryVec,
    /// Times that a pool took over what was discovered.
    pub synced: CounterVec,
    /// Targets that could not be made of what was discovered.
    pub failed: CounterVec,
}

impl Default for ScrapeTimes {
    fn default() -> Self {
        let pool = &["scrape_job"];
        ScrapeTimes {
            intervals: SummaryVec::new(
                "watchbell_target_interval_length_seconds",
                "Actual intervals between scrapes.",
                &["interval"],
            ),
            syncs: SummaryVec::new(
                "watchbell_target_sync_length_seconds",
                "Actual interval to sync the scrape pool.",
                pool,
            ),
            synced: CounterVec::new(
                "watchbell_target_scrape_pool_sync_total",
                "Total number of syncs that were executed on a scrape pool.",
                pool,
            ),
            failed: CounterVec::new(
                "watchbell_target_sync_failed_total",
                "Total number of target sync failures.",
                pool,
            ),
        }
    }
}

impl ScrapeTimes {
    /// Shows a pool from now on.
    pub(super) fn begin(&self, pool: &str) {
        drop((self.syncs.with(&[pool]), self.synced.with(&[pool]), self.failed.with(&[pool])));
    }

    /// Forgets pools that are not configured any more.
    pub(super) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        let is_wanted = |values: &[String]| values.iter().all(|pool| is_known(pool));
        self.syncs.retain(is_wanted);
        self.synced.retain(is_wanted);
        self.failed.retain(is_wanted);
    }

    /// Counts that a pool took over what was discovered, some of which made no targets.
    pub(super) fn synced(&self, pool: &str, failed: usize, took: Duration) {
        self.syncs.with(&[pool]).observe(took.as_secs_f64());
        self.synced.with(&[pool]).inc();
        self.failed.with(&[pool]).add(failed as u64);
    }
}

impl Collect for ScrapeTimes {
    fn collect(&self, out: &mut Exposition) {
        self.intervals.expose(out);
        self.syncs.expose(out);
        self.synced.expose(out);
        self.failed.expose(out);
    }
}

const COUNTERS: [Figure<ScrapeCounters>; 11] = [
    counter(
        "watchbell_target_scrapes_sample_out_of_order_total",
        "Total number of samples rejected due to not being in the expected order.",
        |c| c.out_of_order.get() as f64,
    ),
    counter(
        "watchbell_target_scrapes_sample_duplicate_timestamp_total",
        "Total number of samples rejected due to duplicate timestamps but different values.",
        |c| c.duplicate.get() as f64,
    ),
    counter(
        "watchbell_target_scrapes_sample_out_of_bounds_total",
        "Total number of samples rejected due to timestamp falling outside of the time bounds.",
        |c| c.out_of_bounds.get() as f64,
    ),
    counter(
        "watchbell_target_scrapes_exemplar_out_of_order_total",
        "Total number of exemplar rejected due to not being out of the expected order.",
        |c| c.exemplars_out_of_order.get() as f64,
    ),
    counter("watchbell_target_scrape_pools_failed_total", "Total number of scrape pool creations that failed.", |c| {
        c.pools_failed.get() as f64
    }),
    counter(
        "watchbell_target_scrape_pool_exceeded_target_limit_total",
        "Total number of times scrape pools hit the target limit, during sync or config reload.",
        |c| c.target_limit_exceeded.get() as f64,
    ),
    counter("watchbell_target_scrape_pools_total", "Total number of scrape pool creation attempts.", |c| {
        c.pools_begun.get() as f64
    }),
    counter(
        "watchbell_target_scrapes_exceeded_sample_limit_total",
        "Total number of scrapes that hit the sample limit and were rejected.",
        |c| c.exceeded.samples.get() as f64,
    ),
    counter(
        "watchbell_target_scrapes_exceeded_body_size_limit_total",
        "Total number of scrapes that hit the body size limit.",
        |c| c.exceeded.body.get() as f64,
    ),
    counter(
        "watchbell_target_scrapes_exceeded_native_histogram_bucket_limit_total",
        "Total number of scrapes that hit the native histogram bucket limit and were rejected.",
        |c| c.exceeded.buckets.get() as f64,
    ),
    counter(
        "watchbell_target_scrape_pool_exceeded_label_limits_total",
        "Total number of times scrapes hit the label limits.",
        |c| c.exceeded.labels.get() as f64,
    ),
];

impl Collect for ScrapeCounters {
    fn collect(&self, out: &mut Exposition) {
        out.figures(&COUNTERS, self);
        self.times.collect(out);
    }
}

impl ScrapeCounters {
    /// Counts what storage said of a scrape.
    pub(super) fn count(&self, counts: &StoreCounts) {
        self.out_of_order.add(counts.out_of_order as u64);
        self.exemplars_out_of_order.add(counts.exemplars_out_of_order as u64);
        self.duplicate.add(counts.duplicate as u64);
        self.out_of_bounds.add(counts.out_of_bounds as u64);
        if let Some(failure) = &counts.failure {
            // Each target says so for itself, and the storage once for all.
            tracing::debug!(error = failure, "scrape could not be stored");
        }
    }
}
