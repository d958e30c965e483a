//! What a scrape pool is told: Prometheus' `scrape_config`, checked and compiled.

use crate::ingest::discovery::TargetGroup;
use crate::ingest::exposition::Format;
use crate::ingest::relabel::Rule;
use crate::net::HttpSettings;

/// A way a target may be asked to expose its metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeProtocol {
    /// `PrometheusProto`
    PrometheusProto,
    /// `PrometheusText0.0.4`
    PrometheusText0_0_4,
    /// `PrometheusText1.0.0`
    PrometheusText1_0_0,
    /// `OpenMetricsText0.0.1`
    OpenMetricsText0_0_1,
    /// `OpenMetricsText1.0.0`
    OpenMetricsText1_0_0,
}

const PROTOCOLS: [(&str, ScrapeProtocol, &str, Format); 5] = [
    (
        "PrometheusProto",
        ScrapeProtocol::PrometheusProto,
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        Format::Protobuf,
    ),
    ("PrometheusText0.0.4", ScrapeProtocol::PrometheusText0_0_4, "text/plain;version=0.0.4", Format::Text),
    (
        "PrometheusText1.0.0",
        ScrapeProtocol::PrometheusText1_0_0,
        "text/plain;version=1.0.0;escaping=allow-utf-8",
        Format::Text,
    ),
    (
        "OpenMetricsText0.0.1",
        ScrapeProtocol::OpenMetricsText0_0_1,
        "application/openmetrics-text;version=0.0.1",
        Format::OpenMetrics,
    ),
    (
        "OpenMetricsText1.0.0",
        ScrapeProtocol::OpenMetricsText1_0_0,
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
        Format::OpenMetrics,
    ),
];

impl ScrapeProtocol {
    /// Reads a protocol's name in a configuration.
    pub fn parse(name: &str) -> Option<Self> {
        PROTOCOLS.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    fn row(self) -> Option<&'static (&'static str, ScrapeProtocol, &'static str, Format)> {
        PROTOCOLS.iter().find(|row| row.1 == self)
    }

    /// The protocol's name in a configuration.
    pub fn as_str(self) -> &'static str {
        self.row().map_or("", |row| row.0)
    }

    /// The format of bodies in this protocol.
    pub fn format(self) -> Format {
        self.row().map_or(Format::Text, |row| row.3)
    }

    /// The protocols asked for when a configuration names none; protobuf first when native histograms are wanted.
    pub fn defaults(native_histograms: bool) -> Vec<Self> {
        use ScrapeProtocol::*;
        let text = [OpenMetricsText1_0_0, OpenMetricsText0_0_1, PrometheusText1_0_0, PrometheusText0_0_4];
        native_histograms.then_some(PrometheusProto).into_iter().chain(text).collect()
    }

    /// The `Accept` header that asks for these protocols, the first one most.
    pub fn accept_header(protocols: &[Self]) -> String {
        let mut weight = protocols.len() + 1;
        let mut parts = Vec::new();
        for row in protocols.iter().filter_map(|p| p.row()) {
            parts.push(format!("{};q=0.{weight}", row.2));
            weight = weight.saturating_sub(1);
        }
        parts.push(format!("*/*;q=0.{weight}"));
        parts.join(",")
    }
}

/// Limits of a scrape; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Bytes of a body after decompression.
    pub body_size: u64,
    /// Samples after metric relabelling.
    pub samples: u64,
    /// Labels of a series.
    pub labels: u64,
    /// Bytes of a label's name.
    pub label_name_length: u64,
    /// Bytes of a label's value.
    pub label_value_length: u64,
    /// Targets of a pool after relabelling.
    pub targets: u64,
    /// Targets dropped by relabelling that are remembered for the API.
    pub keep_dropped_targets: u64,
    /// Buckets of a native histogram.
    pub buckets: u64,
}

/// One `scrape_configs` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeSettings {
    /// The pool's name and the default `job` label.
    pub job_name: String,
    /// Keep labels of the target where they conflict with those of its address.
    pub honor_labels: bool,
    /// Use timestamps that the target gives.
    pub honor_timestamps: bool,
    /// Also write staleness markers for series with timestamps of their own.
    pub track_timestamps_staleness: bool,
    /// URL parameters.
    pub params: Vec<(String, Vec<String>)>,
    /// Milliseconds between scrapes.
    pub scrape_interval: i64,
    /// Milliseconds a scrape may take.
    pub scrape_timeout: i64,
    /// Path of the URL.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// What to ask for.
    pub protocols: Vec<ScrapeProtocol>,
    /// What to assume of a body whose type is unknown.
    pub fallback_protocol: Option<ScrapeProtocol>,
    /// Whether gzip is asked for.
    pub enable_compression: bool,
    /// Scrape the classic series of histograms that also have a native part.
    pub always_scrape_classic_histograms: bool,
    /// Turn classic histograms into custom-bucket native ones.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Ingest native histograms.
    pub scrape_native_histograms: bool,
    /// Feature `created-timestamp-zero-ingestion`: created timestamps become start timestamps.
    pub start_timestamps: bool,
    /// Feature `type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// Limits.
    pub limits: ScrapeLimits,
    /// How to reach the targets.
    pub http: HttpSettings,
    /// `relabel_configs`.
    pub relabel: Vec<Rule>,
    /// `metric_relabel_configs`.
    pub metric_relabel: Vec<Rule>,
    /// `static_configs`.
    pub static_groups: Vec<TargetGroup>,
    /// `file_sd_configs`.
    pub file_sd: Vec<FileSdSettings>,
}

/// One `file_sd_configs` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSdSettings {
    /// Globs.
    pub files: Vec<String>,
    /// Milliseconds between readings; default 5 minutes.
    pub refresh_interval: i64,
}

impl ScrapeSettings {
    /// Prometheus' defaults for a job of this name: every minute, `http`, `/metrics`.
    pub fn new(job_name: impl Into<String>) -> Self {
        ScrapeSettings {
            job_name: job_name.into(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            params: Vec::new(),
            scrape_interval: 60_000,
            scrape_timeout: 10_000,
            metrics_path: "/metrics".into(),
            scheme: "http".into(),
            protocols: ScrapeProtocol::defaults(false),
            fallback_protocol: None,
            enable_compression: true,
            always_scrape_classic_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            scrape_native_histograms: true,
            start_timestamps: false,
            type_and_unit_labels: false,
            limits: ScrapeLimits::default(),
            http: HttpSettings::default(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            static_groups: Vec::new(),
            file_sd: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_protocol_is_asked_for_most() {
        assert_eq!(
            ScrapeProtocol::accept_header(&ScrapeProtocol::defaults(false)),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        for (name, protocol, ..) in PROTOCOLS {
            assert_eq!(ScrapeProtocol::parse(name), Some(protocol));
            assert_eq!(protocol.as_str(), name);
        }
    }
}
