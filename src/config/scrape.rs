//! What to scrape, how and how often.

use std::collections::BTreeMap;
use std::path::Path;

use super::discovery::Discoveries;
use super::global::GlobalConfig;
use super::http::HttpClientConfig;
use super::protocol::{ALLOW_UTF8, NameScheme, ScrapeProtocol, check_protocols};
use super::relabel::{RelabelConfig, check_names};
use super::secret::join_dir;
use super::yaml::{ByteSize, Decoder, Duration, MapReader, Node};
use crate::section;

section! {
    /// One job: targets and how they are scraped. Settings of [`GlobalConfig`] fill what the job leaves out.
    pub struct ScrapeConfig as "scrape config" with check {
        /// The label `job`.
        job_name: String,
        /// How often; zero until filled from the global section.
        scrape_interval: Duration,
        /// How long one scrape may take; zero until filled.
        scrape_timeout: Duration,
        /// Exposition formats, in order of preference; empty until filled.
        scrape_protocols: Vec<ScrapeProtocol>,
        /// The format taken when a target does not say.
        fallback_scrape_protocol: Option<ScrapeProtocol>,
        /// The target's labels win over the scrape's.
        honor_labels: bool,
        /// The target's timestamps count.
        honor_timestamps: bool = true,
        /// Samples with their own timestamps go stale too.
        track_timestamps_staleness: bool,
        /// Path of the page.
        metrics_path: String = "/metrics".into(),
        /// Parameters of the request.
        params: BTreeMap<String, Vec<String>>,
        /// `http` or `https`.
        scheme: String = "http".into(),
        /// Ask for gzip.
        enable_compression: bool = true,
        /// Longest page in bytes, 0 for no limit.
        body_size_limit: ByteSize,
        /// Most samples after relabelling, 0 for no limit.
        sample_limit: u64,
        /// Most targets, 0 for no limit.
        target_limit: u64,
        /// Most labels of a series, 0 for no limit.
        label_limit: u64,
        /// Longest name of a label in bytes, 0 for no limit.
        label_name_length_limit: u64,
        /// Longest value of a label in bytes, 0 for no limit.
        label_value_length_limit: u64,
        /// Most buckets of a native histogram, 0 for no limit.
        native_histogram_bucket_limit: u64,
        /// Native histograms grow no finer than this.
        native_histogram_min_bucket_factor: f64,
        /// Most dropped targets kept for display, 0 for no limit.
        keep_dropped_targets: u64,
        /// Scrape native histograms; the default is the global section's.
        scrape_native_histograms: Option<bool>,
        /// Scrape classic buckets also where there is a native histogram; the default is the global section's.
        always_scrape_classic_histograms: Option<bool>,
        /// The former name of that.
        scrape_classic_histograms: Option<bool>,
        /// Turn classic histograms into native ones with custom buckets; the default is the global section's.
        convert_classic_histograms_to_nhcb: Option<bool>,
        /// Write more metrics about each scrape; the default is the global section's.
        extra_scrape_metrics: Option<bool>,
        /// `utf8` or `legacy`; the default is the global section's.
        metric_name_validation_scheme: Option<NameScheme>,
        /// How names are escaped for targets that cannot take them.
        metric_name_escaping_scheme: String,
        /// A file that failed scrapes are logged to; the default is the global section's.
        scrape_failure_log_file: String,
        /// Steps over a target's labels.
        relabel_configs: Vec<RelabelConfig>,
        /// Steps over every sample's labels.
        metric_relabel_configs: Vec<RelabelConfig>,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
        /// Where targets are found.
        discovery: Discoveries,
    }
}

impl ScrapeConfig {
    fn check(&mut self, m: &MapReader) {
        if self.relabel_configs.is_empty() {
            Discoveries::check_unrelabelled(m);
        }
        if self.job_name.is_empty() {
            m.error("job_name", "job_name is empty");
        }
        if self.scheme.is_empty() {
            self.scheme = "http".into();
        }
        if !["http", "https"].contains(&self.scheme.as_str()) {
            let message = format!("unsupported scheme {:?}, expected http or https: targets will be down", self.scheme);
            m.warn("scheme", message);
        }
        if m.has("scrape_protocols") {
            check_protocols(&self.scrape_protocols, m);
        }
        self.always_scrape_classic_histograms =
            self.always_scrape_classic_histograms.or(self.scrape_classic_histograms);
    }

    /// Fills what the job leaves out. `timeout_at` and the like are the places that defects are reported at.
    pub(super) fn inherit(&mut self, global: &GlobalConfig, m: &Node, d: &Decoder) {
        let or = |own: &mut Duration, global: Duration| *own = if own.0 == 0 { global } else { *own };
        or(&mut self.scrape_interval, global.scrape_interval);
        if self.scrape_timeout > self.scrape_interval {
            let message = format!(
                "scrape timeout greater than scrape interval for scrape config with job name {:?}",
                self.job_name
            );
            d.error(m.get("scrape_timeout").unwrap_or(m).position, message);
        }
        or(&mut self.scrape_timeout, global.scrape_timeout.min(self.scrape_interval));
        if self.scrape_protocols.is_empty() {
            self.scrape_protocols.clone_from(&global.scrape_protocols);
        }
        if self.scrape_failure_log_file.is_empty() {
            self.scrape_failure_log_file.clone_from(&global.scrape_failure_log_file);
        }
        if self.body_size_limit.0 == 0 {
            self.body_size_limit = global.body_size_limit;
        }
        for (own, global) in [
            (&mut self.sample_limit, global.sample_limit),
            (&mut self.target_limit, global.target_limit),
            (&mut self.label_limit, global.label_limit),
            (&mut self.label_name_length_limit, global.label_name_length_limit),
            (&mut self.label_value_length_limit, global.label_value_length_limit),
            (&mut self.keep_dropped_targets, global.keep_dropped_targets),
        ] {
            *own = if *own == 0 { global } else { *own };
        }
        for (own, global) in [
            (&mut self.scrape_native_histograms, global.scrape_native_histograms),
            (&mut self.always_scrape_classic_histograms, global.always_scrape_classic_histograms),
            (&mut self.convert_classic_histograms_to_nhcb, global.convert_classic_histograms_to_nhcb),
            (&mut self.extra_scrape_metrics, global.extra_scrape_metrics),
        ] {
            *own = own.or(Some(global));
        }
        let names = *self.metric_name_validation_scheme.get_or_insert(global.metric_name_validation_scheme);
        self.settle_escaping(names, global, m, d);
        check_names(&self.relabel_configs, m.get("relabel_configs"), names, d);
        check_names(&self.metric_relabel_configs, m.get("metric_relabel_configs"), names, d);
    }

    /// Names are escaped as the job or the global section says, else as the valid names need it.
    fn settle_escaping(&mut self, names: NameScheme, global: &GlobalConfig, m: &Node, d: &Decoder) {
        let at = |node: &Node| node.get("metric_name_escaping_scheme").map_or(node.position, |n| n.position);
        if self.metric_name_escaping_scheme.is_empty() {
            self.metric_name_escaping_scheme.clone_from(&global.metric_name_escaping_scheme);
        }
        match (self.metric_name_escaping_scheme.as_str(), names) {
            ("", NameScheme::Utf8) => self.metric_name_escaping_scheme = ALLOW_UTF8.into(),
            ("", NameScheme::Legacy) => self.metric_name_escaping_scheme = "underscores".into(),
            (ALLOW_UTF8, NameScheme::Legacy) => {
                d.error(at(m), "utf8 metric names requested but validation scheme is not set to UTF8");
            }
            _ => {}
        }
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        self.http.resolve_paths(dir);
        self.discovery.resolve_paths(dir);
        self.scrape_failure_log_file = join_dir(dir, &self.scrape_failure_log_file);
    }
}
