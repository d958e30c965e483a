//! The series a scrape writes about itself.

use super::settings::ScrapeSettings;
use crate::model::{Labels, METRIC_NAME};

/// Names, in the order of [`Report::values`]. The last three are written on demand.
const NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
const USUAL: usize = 5;

/// What a scrape came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Report {
    pub up: bool,
    pub seconds: f64,
    pub scraped: usize,
    pub kept: usize,
    pub added: usize,
    pub timeout: i64,
    pub sample_limit: u64,
    pub body_size: u64,
}

impl Report {
    pub fn values(&self) -> [f64; 8] {
        [
            f64::from(u8::from(self.up)),
            self.seconds,
            self.scraped as f64,
            self.kept as f64,
            self.added as f64,
            self.timeout as f64 / 1000.0,
            self.sample_limit as f64,
            self.body_size as f64,
        ]
    }
}

/// The labels of a target's report series.
pub(super) fn series(settings: &ScrapeSettings, target: &Labels) -> Vec<Labels> {
    let names = NAMES.iter().take(if settings.extra_metrics { NAMES.len() } else { USUAL });
    let labels = names.map(|name| {
        let mut labels = target.to_builder();
        labels.set(METRIC_NAME, *name);
        labels.build()
    });
    labels.collect()
}
