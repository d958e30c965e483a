//! The series a scrape writes about itself.

use crate::model::{Labels, METRIC_NAME};

/// Names, in the order of [`Report::values`].
pub(super) const NAMES: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// What a scrape came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Report {
    pub up: bool,
    pub seconds: f64,
    pub scraped: usize,
    pub kept: usize,
    pub added: usize,
}

impl Report {
    pub fn values(&self) -> [f64; 5] {
        [f64::from(u8::from(self.up)), self.seconds, self.scraped as f64, self.kept as f64, self.added as f64]
    }
}

/// The labels of a target's report series.
pub(super) fn series(target: &Labels) -> [Labels; 5] {
    NAMES.map(|name| {
        let mut labels = target.to_builder();
        labels.set(METRIC_NAME, name);
        labels.build()
    })
}
