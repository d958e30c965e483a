//! A synthetic machine-learning fleet: what a company's GPU cluster exposes, and an incident in it, from a seed.
//!
//! Every series is a pure function of `(seed, series, time)`: any value can be computed without those before it, so
//! days of history are filled in columns by several threads and the same fleet goes on live, one row at a time.
//! Nothing here draws from a shared random source; noise is a hash of what it belongs to.

mod build;
mod gpu;
mod incident;
mod inference;
mod kube;
mod node;
mod noise;
mod shape;
mod signal;

pub use build::{FleetSeries, SCRAPE_INTERVAL};
pub use incident::{Act, Incident};

use build::Builder;

/// The fleet: its series, ready to be computed at any time.
pub struct Fleet {
    series: Vec<FleetSeries>,
    incident: Incident,
}

impl Fleet {
    /// The fleet of `seed`. Counters begin at `origin` (milliseconds); the incident's acts are relative to `incident`.
    pub fn new(seed: u64, origin: i64, incident: i64) -> Fleet {
        Fleet::with(seed, origin, Incident::at(incident))
    }

    /// The same fleet, whose incident goes on for ever from its height.
    pub fn held(seed: u64, origin: i64, incident: i64) -> Fleet {
        Fleet::with(seed, origin, Incident::at(incident).held_from(incident + Incident::HEIGHT))
    }

    fn with(seed: u64, origin: i64, incident: Incident) -> Fleet {
        let mut build = Builder { seed, origin, incident: &incident, series: Vec::with_capacity(2_200) };
        inference::describe(&mut build);
        gpu::describe(&mut build);
        node::describe(&mut build);
        kube::describe(&mut build);
        let series = build.series;
        Fleet { series, incident }
    }

    /// All series.
    pub fn series(&self) -> &[FleetSeries] {
        &self.series
    }

    /// What goes wrong, and when.
    pub fn incident(&self) -> &Incident {
        &self.incident
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::Labels;

    const ORIGIN: i64 = 1_768_000_000_000;
    const DAY: i64 = 86_400_000;

    fn fleet() -> Fleet {
        Fleet::new(7, ORIGIN, ORIGIN + 8 * DAY)
    }

    #[test]
    fn a_fleet_has_two_thousand_distinct_series_and_every_promised_metric() {
        let fleet = fleet();
        let distinct: HashSet<&Labels> = fleet.series().iter().map(|s| &s.labels).collect();
        assert_eq!(distinct.len(), fleet.series().len());
        assert!(distinct.len() >= 2_000, "{}", distinct.len());
        let count = |name: &str| distinct.iter().filter(|l| l.metric_name() == name).count();
        assert_eq!(count("DCGM_FI_DEV_FB_USED"), 64);
        assert_eq!(count("DCGM_FI_DEV_FB_FREE"), 64);
        assert_eq!(count("DCGM_FI_DEV_GPU_TEMP"), 64);
        assert_eq!(count("DCGM_FI_DEV_XID_ERRORS"), 64);
        assert_eq!(count("model_accuracy"), 8);
        assert_eq!(count("prediction_mean"), 8);
        assert_eq!(count("inference_latency_seconds_count"), 48);
        assert!(count("node_cpu_seconds_total") > 0 && count("kube_pod_info") > 0);
    }

    #[test]
    fn a_value_is_the_same_whether_filled_in_a_column_or_asked_alone() {
        let fleet = fleet();
        let mut column = vec![0.0; 400];
        let start = ORIGIN + 8 * DAY;
        for series in fleet.series().iter().step_by(13) {
            series.fill(start, SCRAPE_INTERVAL, &mut column);
            for (i, v) in column.iter().enumerate().step_by(37) {
                let alone = series.value(start + i as i64 * SCRAPE_INTERVAL);
                assert_eq!(alone.to_bits(), v.to_bits(), "{} at {i}", series.labels);
            }
        }
    }

    #[test]
    fn counters_never_fall_and_buckets_ascend() {
        let fleet = fleet();
        let mut column = vec![0.0; 1_200];
        let start = ORIGIN + 8 * DAY - 3_600_000;
        for series in fleet.series() {
            series.fill(start, SCRAPE_INTERVAL, &mut column);
            let name = series.labels.metric_name();
            if ["_total", "_bucket", "_count", "_sum"].iter().any(|s| name.ends_with(s)) {
                assert!(column.is_sorted(), "{}", series.labels);
            }
        }
        let pod = fleet.series().iter().find(|s| s.labels.metric_name() == "inference_latency_seconds_count").unwrap();
        let t = start + 2 * 3_600_000;
        let buckets = fleet.series().iter().filter(|s| {
            s.labels.metric_name() == "inference_latency_seconds_bucket"
                && s.labels.value("pod") == pod.labels.value("pod")
        });
        let counts: Vec<f64> = buckets.map(|s| s.value(t)).collect();
        assert!(counts.is_sorted(), "{counts:?}");
        assert_eq!(counts.last().copied(), Some(pod.value(t)));
    }

    #[test]
    fn another_seed_is_another_fleet_of_the_same_shape() {
        let (a, b) = (Fleet::new(1, ORIGIN, ORIGIN), Fleet::new(2, ORIGIN, ORIGIN));
        assert_eq!(a.series().len(), b.series().len());
        let differ = a.series().iter().zip(b.series()).filter(|(a, b)| a.value(ORIGIN + DAY) != b.value(ORIGIN + DAY));
        assert!(differ.count() > 1_000);
    }
}
