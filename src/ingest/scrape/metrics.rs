//! What scraping counts, as metrics.

use crate::ingest::store::StoreCounts;
use crate::instrument::{Collect, Counter, Exposition, Figure, counter};

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
}

const COUNTERS: [Figure<ScrapeCounters>; 6] = [
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
];

impl Collect for ScrapeCounters {
    fn collect(&self, out: &mut Exposition) {
        out.figures(&COUNTERS, self);
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
