//! What is known of metrics besides their samples: type, help and unit. Kept in memory only: sources repeat it.

use std::collections::BTreeMap;

use parking_lot::RwLock;

/// The type of a metric, by OpenMetrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MetricType {
    /// Goes up, or starts over.
    Counter,
    /// Any value.
    Gauge,
    /// Distribution in buckets.
    Histogram,
    /// Distribution in buckets that may go down.
    GaugeHistogram,
    /// Distribution in quantiles.
    Summary,
    /// Facts as labels.
    Info,
    /// A set of states.
    StateSet,
    /// Not said.
    #[default]
    Unknown,
}

impl MetricType {
    /// The name the exposition formats and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::GaugeHistogram => "gaugehistogram",
            MetricType::Summary => "summary",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
            MetricType::Unknown => "unknown",
        }
    }
}

/// Type, help and unit of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Metadata {
    /// Its type.
    pub kind: MetricType,
    /// Its description.
    pub help: String,
    /// Its unit, may be empty.
    pub unit: String,
}

/// Metrics known at most, and different accounts of one metric.
const MAX_METRICS: usize = 100_000;
const MAX_PER_METRIC: usize = 10;

/// The metadata of all metrics. Sources may disagree, so a metric can have several.
#[derive(Debug, Default)]
pub(super) struct MetadataStore {
    metrics: RwLock<BTreeMap<String, Vec<Metadata>>>,
}

impl MetadataStore {
    pub(super) fn set(&self, metric: &str, metadata: Metadata) {
        if self.metrics.read().get(metric).is_some_and(|known| known.contains(&metadata)) {
            return;
        }
        let mut metrics = self.metrics.write();
        if metrics.len() >= MAX_METRICS && !metrics.contains_key(metric) {
            return;
        }
        let known = metrics.entry(metric.to_owned()).or_default();
        if known.contains(&metadata) {
            return;
        }
        if known.len() >= MAX_PER_METRIC {
            known.remove(0);
        }
        known.push(metadata);
    }

    pub(super) fn of(&self, metric: &str) -> Vec<Metadata> {
        self.metrics.read().get(metric).cloned().unwrap_or_default()
    }

    pub(super) fn all(&self) -> Vec<(String, Vec<Metadata>)> {
        self.metrics.read().iter().map(|(n, m)| (n.clone(), m.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_accounts_of_a_metric_are_kept_side_by_side() {
        let store = MetadataStore::default();
        let one = Metadata { kind: MetricType::Counter, help: "عدد الطلبات".into(), unit: String::new() };
        let two = Metadata { help: "Requests.".into(), ..one.clone() };
        for m in [&one, &two, &one] {
            store.set("requests_total", m.clone());
        }
        assert_eq!(store.all(), [("requests_total".to_owned(), vec![one, two])]);
        assert_eq!(store.of("none"), []);
    }
}
