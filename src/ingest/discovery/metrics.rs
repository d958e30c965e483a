//! What discovery counts, under Prometheus' names.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::instrument::{Counter, CounterVec, Exposition, Kind};

/// Counts of one discovery.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Times that targets could not be looked for.
    pub failures: Counter,
    /// How many refreshes there were, and how many seconds they took.
    refreshes: Mutex<(u64, f64)>,
}

/// The counts of all discoveries of one mechanism and job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    failures: u64,
    refreshes: u64,
    seconds: f64,
}

impl Sums {
    pub fn add(&mut self, counts: &Counts) {
        let (refreshes, seconds) = *counts.refreshes.lock();
        self.failures += counts.failures.get();
        self.refreshes += refreshes;
        self.seconds += seconds;
    }
}

impl Counts {
    pub fn refreshed(&self, took: Duration) {
        let mut refreshes = self.refreshes.lock();
        *refreshes = (refreshes.0 + 1, refreshes.1 + took.as_secs_f64());
    }
}

/// Counters that one mechanism has for itself.
pub(super) struct MechanismCounters {
    pub file_read_errors: Counter,
    /// Times that groups were handed on.
    pub updates: Counter,
    pub http_failures: Counter,
    pub dns_lookups: Counter,
    pub dns_lookup_failures: Counter,
    pub consul_rpc_failures: Counter,
    pub azure_failures: Counter,
    pub kubernetes_failures: Counter,
    pub kubernetes_events: CounterVec,
}

impl Default for MechanismCounters {
    fn default() -> Self {
        MechanismCounters {
            file_read_errors: Counter::default(),
            updates: Counter::default(),
            http_failures: Counter::default(),
            dns_lookups: Counter::default(),
            dns_lookup_failures: Counter::default(),
            consul_rpc_failures: Counter::default(),
            azure_failures: Counter::default(),
            kubernetes_failures: Counter::default(),
            kubernetes_events: kubernetes_events(),
        }
    }
}

/// Counts of what the API server tells, each of which begins at 0, as in Prometheus.
fn kubernetes_events() -> CounterVec {
    let help = "The number of Kubernetes events handled.";
    let counters = CounterVec::new("prometheus_sd_kubernetes_events_total", help, &["role", "event"]);
    for role in ["endpoints", "endpointslice", "ingress", "node", "pod", "service"] {
        for event in ["add", "delete", "update"] {
            counters.with(&[role, event]);
        }
    }
    counters
}

impl MechanismCounters {
    pub fn collect(&self, out: &mut Exposition) {
        for (name, help, counter) in [
            ("watchbell_sd_file_read_errors_total", "The number of File-SD read errors.", &self.file_read_errors),
            (
                "prometheus_sd_http_failures_total",
                "Number of HTTP service discovery refresh failures.",
                &self.http_failures,
            ),
            ("prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups.", &self.dns_lookups),
            (
                "prometheus_sd_dns_lookup_failures_total",
                "The number of DNS-SD lookup failures.",
                &self.dns_lookup_failures,
            ),
            (
                "prometheus_sd_consul_rpc_failures_total",
                "The number of Consul RPC call failures.",
                &self.consul_rpc_failures,
            ),
            (
                "prometheus_sd_azure_failures_total",
                "Number of Azure service discovery refresh failures.",
                &self.azure_failures,
            ),
            (
                "prometheus_sd_kubernetes_failures_total",
                "The number of failed WATCH/LIST requests.",
                &self.kubernetes_failures,
            ),
        ] {
            out.single(name, Kind::Counter, help, counter.get() as f64);
        }
        let help = "Total number of update events received from the SD providers.";
        out.family("prometheus_sd_received_updates_total", Kind::Counter, help, |f| {
            f.sample(&[("name", "scrape")], self.updates.get() as f64);
        });
        self.kubernetes_events.expose(out);
    }
}

/// Writes the counts of discoveries, by mechanism and by the job that asked first.
pub(super) fn collect(all: &BTreeMap<(&'static str, &str), Sums>, out: &mut Exposition) {
    let help = "Number of refresh failures for the given SD mechanism.";
    out.family("prometheus_sd_refresh_failures_total", Kind::Counter, help, |f| {
        for ((mechanism, config), sums) in all {
            f.sample(&[("mechanism", mechanism), ("config", config)], sums.failures as f64);
        }
    });
    let help = "The duration of a refresh in seconds for the given SD mechanism.";
    out.family("prometheus_sd_refresh_duration_seconds", Kind::Summary, help, |f| {
        for ((mechanism, config), sums) in all {
            f.summary(&[("mechanism", mechanism), ("config", config)], sums.seconds, sums.refreshes);
        }
    });
}
