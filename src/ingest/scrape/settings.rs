//! What a scrape pool is told: Prometheus' `scrape_config`, checked and compiled.

use crate::config::protocol::{ALLOW_UTF8, DEFAULT_PROTOCOLS, NameScheme};
use crate::config::{RelabelConfig, ScrapeConfig, ScrapeProtocol};
use crate::ingest::discovery::Source;
use crate::ingest::exposition::Format;
use crate::net::HttpSettings;

/// The longest line of a text, and the longest metric family of protobuf, bytes: what can be read only as a whole.
pub const LONGEST_ITEM: usize = 64 << 20;
/// What scrapes under way may hold together, bytes: windows of bodies, samples on their way, series that are new.
pub const MOST_HELD: usize = 1 << 30;

/// What a protocol is called in `Accept`, and the format of its bodies.
fn media_type(protocol: ScrapeProtocol) -> (&'static str, Format) {
    match protocol {
        ScrapeProtocol::PrometheusProto => (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            Format::Protobuf,
        ),
        ScrapeProtocol::PrometheusText004 => ("text/plain;version=0.0.4", Format::Text),
        ScrapeProtocol::PrometheusText100 => ("text/plain;version=1.0.0;escaping=allow-utf-8", Format::Text),
        ScrapeProtocol::OpenMetricsText001 => ("application/openmetrics-text;version=0.0.1", Format::OpenMetrics),
        ScrapeProtocol::OpenMetricsText100 => {
            ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", Format::OpenMetrics)
        }
    }
}

/// The format of bodies in a protocol.
pub fn format_of(protocol: ScrapeProtocol) -> Format {
    media_type(protocol).1
}

/// The `Accept` header that asks for these protocols, the first one most, with names escaped in this way.
pub fn accept_header(protocols: &[ScrapeProtocol], escaping: &str) -> String {
    let mut weight = protocols.len() + 1;
    let mut parts = Vec::new();
    for protocol in protocols {
        let media = media_type(*protocol).0.replace(ALLOW_UTF8, escaping);
        parts.push(format!("{media};q=0.{weight}"));
        weight = weight.saturating_sub(1);
    }
    parts.push(format!("*/*;q=0.{weight}"));
    parts.join(",")
}

/// The largest body after decompression, bytes, when the configuration sets no `body_size_limit`.
pub const MOST_BODY: u64 = 256 << 20;
/// The most samples of a body when the configuration sets no `sample_limit`. The buckets of a native histogram count too.
pub const MOST_SAMPLES: u64 = 2_000_000;

/// Limits of a scrape; 0 means none, or where there is one, the default that protects us.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// The least growth from bucket to bucket of a native histogram.
    pub min_bucket_factor: f64,
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
    /// Ingest native histograms; protobuf is then asked for first.
    pub scrape_native_histograms: bool,
    /// Feature `created-timestamp-zero-ingestion`: created timestamps become start timestamps.
    pub start_timestamps: bool,
    /// Feature `type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// Feature `extra-scrape-metrics`: also write timeout, sample limit and body size.
    pub extra_metrics: bool,
    /// Which names are valid.
    pub names: NameScheme,
    /// How targets are asked to escape names: `allow-utf-8`, `underscores`, `dots`, `values`.
    pub escaping: String,
    /// `scrape_failure_log_file`: where scrapes that fail are noted; nowhere when empty.
    pub failure_log: String,
    /// Limits.
    pub limits: ScrapeLimits,
    /// How to reach the targets.
    pub http: HttpSettings,
    /// `relabel_configs`.
    pub relabel: Vec<RelabelConfig>,
    /// `metric_relabel_configs`.
    pub metric_relabel: Vec<RelabelConfig>,
    /// Where targets are found.
    pub discovery: Vec<Source>,
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
            protocols: DEFAULT_PROTOCOLS.to_vec(),
            fallback_protocol: None,
            enable_compression: true,
            always_scrape_classic_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            scrape_native_histograms: true,
            start_timestamps: false,
            type_and_unit_labels: false,
            extra_metrics: false,
            names: NameScheme::Utf8,
            escaping: ALLOW_UTF8.into(),
            failure_log: String::new(),
            limits: ScrapeLimits::default(),
            http: HttpSettings::default(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            discovery: Vec::new(),
        }
    }
}

/// What becomes of histograms. Relabelling may decide it for a target of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Histograms {
    /// Ingest native histograms.
    pub native: bool,
    /// Scrape the classic series of histograms that also have a native part.
    pub always_classic: bool,
    /// Turn classic histograms into custom-bucket native ones.
    pub to_custom_buckets: bool,
}

impl ScrapeSettings {
    /// What becomes of histograms where relabelling decides nothing.
    pub fn histograms(&self) -> Histograms {
        Histograms {
            native: self.scrape_native_histograms,
            always_classic: self.always_scrape_classic_histograms,
            to_custom_buckets: self.convert_classic_histograms_to_nhcb,
        }
    }

    /// The same settings for targets whose histograms are treated otherwise.
    #[must_use]
    pub fn with_histograms(&self, histograms: Histograms) -> Self {
        let Histograms { native, always_classic, to_custom_buckets } = histograms;
        let mut settings = ScrapeSettings {
            scrape_native_histograms: native,
            always_scrape_classic_histograms: always_classic,
            convert_classic_histograms_to_nhcb: to_custom_buckets,
            ..self.clone()
        };
        settings.ask_for_native_histograms();
        settings
    }

    /// Only protobuf has them.
    fn ask_for_native_histograms(&mut self) {
        if self.scrape_native_histograms && !self.protocols.contains(&ScrapeProtocol::PrometheusProto) {
            self.protocols.insert(0, ScrapeProtocol::PrometheusProto);
        }
    }
}

/// Switches that Prometheus keeps behind `--enable-feature`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeFeatures {
    /// `created-timestamp-zero-ingestion` or `st-storage`
    pub start_timestamps: bool,
    /// `type-and-unit-labels`
    pub type_and_unit_labels: bool,
    /// `extra-scrape-metrics`: on for jobs that do not say otherwise.
    pub extra_metrics: bool,
}

impl ScrapeSettings {
    /// The settings a configuration states. Its defaults from the global section are settled already.
    pub fn from_config(config: &ScrapeConfig, features: ScrapeFeatures) -> Self {
        let mut settings = ScrapeSettings {
            honor_labels: config.honor_labels,
            honor_timestamps: config.honor_timestamps,
            track_timestamps_staleness: config.track_timestamps_staleness,
            params: config.params.clone().into_iter().collect(),
            scrape_interval: config.scrape_interval.millis(),
            scrape_timeout: config.scrape_timeout.millis(),
            metrics_path: config.metrics_path.clone(),
            scheme: config.scheme.clone(),
            protocols: config.scrape_protocols.clone(),
            fallback_protocol: config.fallback_scrape_protocol,
            enable_compression: config.enable_compression,
            always_scrape_classic_histograms: config.always_scrape_classic_histograms.unwrap_or(false),
            convert_classic_histograms_to_nhcb: config.convert_classic_histograms_to_nhcb.unwrap_or(false),
            scrape_native_histograms: config.scrape_native_histograms.unwrap_or(false),
            start_timestamps: features.start_timestamps,
            type_and_unit_labels: features.type_and_unit_labels,
            extra_metrics: config.extra_scrape_metrics.unwrap_or(features.extra_metrics),
            names: config.metric_name_validation_scheme.unwrap_or_default(),
            escaping: config.metric_name_escaping_scheme.clone(),
            failure_log: config.scrape_failure_log_file.clone(),
            limits: ScrapeLimits {
                body_size: config.body_size_limit.0,
                samples: config.sample_limit,
                labels: config.label_limit,
                label_name_length: config.label_name_length_limit,
                label_value_length: config.label_value_length_limit,
                targets: config.target_limit,
                keep_dropped_targets: config.keep_dropped_targets,
                buckets: config.native_histogram_bucket_limit,
                min_bucket_factor: config.native_histogram_min_bucket_factor,
            },
            http: HttpSettings::from(&config.http),
            relabel: config.relabel_configs.clone(),
            metric_relabel: config.metric_relabel_configs.clone(),
            discovery: Source::of(&config.discovery),
            ..ScrapeSettings::new(&config.job_name)
        };
        settings.ask_for_native_histograms();
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_protocol_is_asked_for_most() {
        assert_eq!(
            accept_header(&DEFAULT_PROTOCOLS, ALLOW_UTF8),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        let legacy = accept_header(&[ScrapeProtocol::PrometheusText100], "underscores");
        assert_eq!(legacy, "text/plain;version=1.0.0;escaping=underscores;q=0.2,*/*;q=0.1");
    }

    #[test]
    fn native_histograms_are_asked_for_in_protobuf() {
        let mut config = ScrapeConfig { scrape_native_histograms: Some(true), ..ScrapeConfig::default() };
        config.scrape_protocols = DEFAULT_PROTOCOLS.to_vec();
        let settings = ScrapeSettings::from_config(&config, ScrapeFeatures::default());
        assert_eq!(settings.protocols.first(), Some(&ScrapeProtocol::PrometheusProto));
        assert_eq!(settings.metrics_path, "/metrics");
        // So are those of a target whose relabelling says so.
        config.scrape_native_histograms = None;
        let of_job = ScrapeSettings::from_config(&config, ScrapeFeatures::default());
        assert!(!of_job.protocols.contains(&ScrapeProtocol::PrometheusProto));
        let of_target = of_job.with_histograms(Histograms { native: true, ..of_job.histograms() });
        assert_eq!(of_target, ScrapeSettings { scrape_native_histograms: true, ..settings });
    }
}
