//! Whether a metric is a counter or a gauge, by its name.

use std::fmt;

/// What is known of a metric's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, but for resets.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It holds the code of the last event: neither its size nor its difference means anything.
    Code,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetricKind::Counter => "a counter",
            MetricKind::Gauge => "a gauge",
            MetricKind::Code => "a gauge that holds the code of the last event",
        })
    }
}

/// Metrics that hold the code of the last event.
const CODES: [&str; 3] = ["DCGM_FI_DEV_XID_ERRORS", "dcgm_xid_errors", "nvidia_gpu_xid_errors"];

/// What DCGM's exporter gives as gauges.
const DCGM_GAUGES: [&str; 24] = [
    "APP_MEM_CLOCK",
    "APP_SM_CLOCK",
    "CLOCKS_EVENT_REASONS",
    "CLOCK_THROTTLE_REASONS",
    "DEC_UTIL",
    "ENC_UTIL",
    "FAN_SPEED",
    "FB_FREE",
    "FB_RESERVED",
    "FB_TOTAL",
    "FB_USED",
    "FB_USED_PERCENT",
    "GPU_TEMP",
    "GPU_UTIL",
    "MAX_MEM_CLOCK",
    "MAX_SM_CLOCK",
    "MEMORY_TEMP",
    "MEM_CLOCK",
    "MEM_COPY_UTIL",
    "POWER_MGMT_LIMIT",
    "POWER_USAGE",
    "PSTATE",
    "ROW_REMAP_FAILURE",
    "SM_CLOCK",
];

/// Names that end so are gauges by the conventions that exporters follow.
const GAUGE_SUFFIXES: [&str; 11] = [
    "_ratio",
    "_percent",
    "_percentage",
    "_celsius",
    "_timestamp_seconds",
    "_timestamp",
    "_info",
    "_temperature",
    "_utilization",
    "_temp",
    "_free_bytes",
];

/// Gauges that everyone has.
const GAUGES: [&str; 9] = [
    "up",
    "ALERTS",
    "node_load1",
    "node_load5",
    "node_load15",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemFree_bytes",
    "node_filesystem_avail_bytes",
    "container_memory_working_set_bytes",
];

/// The type that a metric's name tells.
pub fn of_name(name: &str) -> Option<MetricKind> {
    if CODES.contains(&name) {
        return Some(MetricKind::Code);
    }
    // What a rule records has its operations behind its last colon, and they decide.
    if name.contains(':') {
        let is_gauge = ["_ratio", "_percent"].iter().any(|suffix| name.ends_with(suffix));
        return is_gauge.then_some(MetricKind::Gauge);
    }
    let dcgm = ["DCGM_FI_DEV_", "DCGM_FI_PROF_"].iter().find_map(|prefix| name.strip_prefix(prefix));
    if dcgm.is_some_and(|field| DCGM_GAUGES.contains(&field)) {
        return Some(MetricKind::Gauge);
    }
    if GAUGES.contains(&name) || GAUGE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        return Some(MetricKind::Gauge);
    }
    let is_counter = ["_total", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
    is_counter.then_some(MetricKind::Counter)
}
