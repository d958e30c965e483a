//! What the fleet is made of, and what its exporters' descriptions add their series to.

use super::incident::Incident;
use super::noise;
use super::signal::Signal;
use crate::model::Labels;

/// How often the fleet's exporters are scraped, milliseconds.
pub const SCRAPE_INTERVAL: i64 = 30_000;

/// One series of the fleet.
pub struct FleetSeries {
    /// The series' labels, metric name included.
    pub labels: Labels,
    signal: Signal,
}

impl FleetSeries {
    /// Computes the values at `start`, `start + step`, ... into `out`.
    pub fn fill(&self, start: i64, step: i64, out: &mut [f64]) {
        self.signal.fill(start, step, out);
    }

    /// The value at one time.
    pub fn value(&self, t: i64) -> f64 {
        let mut out = [0.0];
        self.fill(t, SCRAPE_INTERVAL, &mut out);
        let [v] = out;
        v
    }
}

/// What the exporters' descriptions add their series to.
pub(super) struct Builder<'a> {
    pub seed: u64,
    pub origin: i64,
    pub incident: &'a Incident,
    pub series: Vec<FleetSeries>,
}

impl Builder<'_> {
    /// The seed of one subject (a pod, a GPU): series that describe one thing share its noise.
    pub fn seed_of(&self, subject: &str) -> u64 {
        noise::seed(self.seed, subject)
    }

    pub fn add(&mut self, target: &Target<'_>, name: &str, labels: &[(&str, &str)], signal: Signal) {
        let own = labels.iter().copied();
        let all = [("__name__", name), ("job", target.job), ("instance", target.instance)].into_iter().chain(own);
        self.series.push(FleetSeries { labels: Labels::from_pairs(all), signal });
    }
}

/// Where a series is scraped: the labels a scrape attaches.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub job: &'a str,
    pub instance: &'a str,
}

/// The models that serve, and how many requests a second one pod of each takes on average.
pub(super) const MODELS: [(&str, f64); 8] = [
    ("fraud-detector", 42.0),
    ("product-recommender", 65.0),
    ("search-ranker", 88.0),
    ("churn-predictor", 9.0),
    ("arabic-sentiment", 27.0),
    ("image-moderation", 33.0),
    ("demand-forecast", 6.0),
    ("speech-to-text", 14.0),
];

pub(super) const PODS_PER_MODEL: usize = 6;

pub(super) const GPU_NODES: usize = 8;

pub(super) const GPUS_PER_NODE: usize = 8;

pub(super) const CPU_NODES: usize = 4;

/// A pod's name, as a Deployment would make it.
pub(super) fn pod_name(seed: u64, model: &str, ordinal: usize) -> String {
    let set = noise::suffix(noise::seed(seed, model), 9);
    let pod = noise::suffix(noise::seed(seed, &format!("{model}/{ordinal}")), 5);
    format!("{model}-{set}-{pod}")
}

pub(super) fn node_name(index: usize) -> String {
    match index.checked_sub(GPU_NODES) {
        None => format!("gpu-node-{:02}", index + 1),
        Some(cpu) => format!("cpu-node-{:02}", cpu + 1),
    }
}
