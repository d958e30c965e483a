//! Storage and OTLP. What of them has no effect is told.

use super::yaml::{ByteSize, Duration, MapReader};
use crate::section;

section! {
    /// Storage settings of Prometheus that mean something here too.
    pub struct StorageConfig as "storage config" {
        /// Of the time series database.
        tsdb: TsdbConfig,
        /// Of exemplars.
        exemplars: ExemplarsConfig,
    }
}

section! {
    /// Settings of the time series database.
    pub struct TsdbConfig as "storage.tsdb" with check {
        /// How much older than the newest of all a sample may be that is older than the newest of its series.
        out_of_order_time_window: Duration,
        /// Accepted and without effect: series that ended leave memory by themselves.
        stale_series_compaction_threshold: f64,
        /// Accepted and without effect: the storage chooses how each chunk is written.
        chunk_encoding: ChunkEncoding,
        /// How much is kept; what it does not say, flags and `watchbell.retention` say.
        retention: TsdbRetention,
    }
}

section! {
    /// How samples are written in Prometheus' blocks.
    pub struct ChunkEncoding as "storage.tsdb.chunk_encoding" with check {
        /// `xor` or `xor2`
        floats: String,
    }
}

section! {
    /// How long samples are kept.
    pub struct TsdbRetention as "storage.tsdb.retention" with check {
        /// By age.
        time: Option<Duration>,
        /// By the size of all files: the oldest blocks go while they hold more.
        size: ByteSize,
        /// By the share of the disk that all files hold, per cent.
        percentage: f64,
    }
}

section! {
    /// How many exemplars are kept.
    pub struct ExemplarsConfig as "storage.exemplars" {
        /// Most exemplars kept, the newest of all series; 0 or less: none.
        max_exemplars: i64 = 100_000,
    }
}

impl TsdbConfig {
    fn check(&mut self, m: &MapReader) {
        let message = "stale_series_compaction_threshold has no effect: series that ended leave memory by themselves";
        m.warn("stale_series_compaction_threshold", message);
        m.warn("chunk_encoding", "chunk_encoding has no effect: the storage chooses how each chunk is written");
    }
}

impl ChunkEncoding {
    fn check(&mut self, m: &MapReader) {
        if m.has("floats") && !["xor", "xor2"].contains(&self.floats.as_str()) {
            m.error("floats", format!("unknown encoding {:?} of floats, expected xor or xor2", self.floats));
        }
    }
}

impl TsdbRetention {
    fn check(&mut self, m: &MapReader) {
        if !(0.0..=100.0).contains(&self.percentage) {
            m.error("percentage", "percentage must be between 0 and 100");
        }
    }
}

section! {
    /// How OpenTelemetry's metrics are stored.
    pub struct OtlpConfig as "otlp config" with check {
        /// Attributes of resources that become labels.
        promote_resource_attributes: Vec<String>,
        /// All of them do.
        promote_all_resource_attributes: bool,
        /// Attributes that do not.
        ignore_resource_attributes: Vec<String>,
        /// How names are written.
        translation_strategy: String = "UnderscoreEscapingWithSuffixes".into(),
        /// `target_info` keeps the attributes that `job` and `instance` are made of.
        keep_identifying_resource_attributes: bool,
        /// Histograms with bounds become native ones with custom buckets.
        convert_histograms_to_nhcb: bool,
        /// The scope becomes labels.
        promote_scope_metadata: bool,
        /// Label names that begin with an underscore get `key` in front.
        label_name_underscore_sanitization: bool = true,
        /// Underscores in a row are kept.
        label_name_preserve_multiple_underscores: bool = true,
    }
}

/// Prometheus' names of strategies.
const STRATEGIES: [&str; 4] = [
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
];

impl OtlpConfig {
    fn check(&mut self, m: &MapReader) {
        let strategy = &self.translation_strategy;
        if !STRATEGIES.contains(&strategy.as_str()) {
            let text = format!(
                "unsupported OTLP translation strategy {strategy:?}, expected one of {}",
                STRATEGIES.join(", ")
            );
            m.error("translation_strategy", text);
        }
        let all = self.promote_all_resource_attributes;
        if all && !self.promote_resource_attributes.is_empty() {
            let text = "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously";
            m.error("promote_resource_attributes", text);
        }
        if !all && !self.ignore_resource_attributes.is_empty() {
            let text =
                "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true";
            m.error("ignore_resource_attributes", text);
        }
        for (key, names) in [
            ("promote_resource_attributes", &self.promote_resource_attributes),
            ("ignore_resource_attributes", &self.ignore_resource_attributes),
        ] {
            let repeated =
                names.iter().enumerate().find(|(i, name)| names.iter().take(*i).any(|n| n.trim() == name.trim()));
            if names.iter().any(|name| name.trim().is_empty()) {
                m.error(key, "empty resource attribute");
            } else if let Some((_, name)) = repeated {
                m.error(key, format!("duplicated resource attribute {name:?}"));
            }
        }
    }
}
