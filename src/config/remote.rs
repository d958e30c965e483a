//! Remote write, and the other sections of a Prometheus configuration that Watchbell reads past.

use std::collections::BTreeMap;

use super::http::HttpClientConfig;
use super::relabel::RelabelConfig;
use super::url::HttpUrl;
use super::yaml::{Decode, Decoder, Duration, MapReader, Node};
use crate::section;

section! {
    /// Where samples are sent on to.
    pub struct RemoteWriteConfig as "remote write config" with check {
        /// The endpoint.
        url: HttpUrl,
        /// A name for metrics and logs.
        name: String,
        /// How long one request may take.
        remote_timeout: Duration = Duration::seconds(30),
        /// More headers.
        headers: BTreeMap<String, String>,
        /// Which message is sent.
        protobuf_message: RemoteWriteMessage,
        /// Send exemplars.
        send_exemplars: bool,
        /// Send native histograms.
        send_native_histograms: bool,
        /// Resolve the host for every connection.
        round_robin_dns: bool,
        /// Steps over every series' labels.
        write_relabel_configs: Vec<RelabelConfig>,
        /// How samples are queued.
        queue_config: QueueConfig,
        /// Whether and how metadata is sent.
        metadata_config: MetadataConfig,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

section! {
    /// Where samples are read from besides our own.
    pub struct RemoteReadConfig as "remote read config" with check {
        /// The endpoint.
        url: HttpUrl,
        /// A name for messages.
        name: String,
        /// How long one request may take.
        remote_timeout: Duration = Duration::seconds(60),
        /// More headers.
        headers: BTreeMap<String, String>,
        /// Ask for times of which local storage should have everything.
        read_recent: bool,
        /// Ask only for selectors that have all of these.
        required_matchers: BTreeMap<String, String>,
        /// Take the external labels off what is read.
        filter_external_labels: bool = true,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

impl RemoteReadConfig {
    fn check(&mut self, m: &MapReader) {
        if self.url.as_str().is_empty() {
            m.error("url", "url for remote_read is empty");
        }
        for name in self.headers.keys().filter(|name| name.eq_ignore_ascii_case("authorization")) {
            m.error(
                "headers",
                format!("{name} must be changed via the basic_auth, authorization, or oauth2 parameter"),
            );
        }
    }
}

section! {
    /// How samples are queued for a remote endpoint.
    pub struct QueueConfig as "queue config" {
        /// Samples buffered by a shard.
        capacity: usize = 10_000,
        /// Most shards.
        max_shards: usize = 50,
        /// Fewest shards.
        min_shards: usize = 1,
        /// Most samples of a request.
        max_samples_per_send: usize = 2_000,
        /// How long a sample waits for company.
        batch_send_deadline: Duration = Duration::seconds(5),
        /// First pause before a retry.
        min_backoff: Duration = Duration(30),
        /// Longest pause before a retry.
        max_backoff: Duration = Duration::seconds(5),
        /// Retry when told to slow down.
        retry_on_http_429: bool,
        /// Samples older than this are dropped, 0 for none.
        sample_age_limit: Duration,
    }
}

section! {
    /// Whether and how metadata is sent.
    pub struct MetadataConfig as "metadata config" {
        /// Send it.
        send: bool = true,
        /// How often.
        send_interval: Duration = Duration::seconds(60),
        /// Most entries of a request.
        max_samples_per_send: usize = 2_000,
    }
}

/// Which message remote write sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RemoteWriteMessage {
    /// Remote write 1.0.
    #[default]
    V1,
    /// Remote write 2.0.
    V2,
}

impl Decode for RemoteWriteMessage {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some("prometheus.WriteRequest") => Some(RemoteWriteMessage::V1),
            Some("io.prometheus.write.v2.Request") => Some(RemoteWriteMessage::V2),
            _ => d.mismatch(node, "prometheus.WriteRequest or io.prometheus.write.v2.Request"),
        }
    }
}

const RESERVED_HEADERS: [&str; 8] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "x-prometheus-remote-write-version",
    "accept-encoding",
];

impl RemoteWriteConfig {
    fn check(&mut self, m: &MapReader) {
        if !m.has("url") {
            m.error("url", "url for remote_write is empty");
        }
        for name in self.headers.keys() {
            let lower = name.to_ascii_lowercase();
            if lower == "authorization" {
                m.error("headers", "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter");
            } else if RESERVED_HEADERS.contains(&lower.as_str()) {
                m.error("headers", format!("{name} is a reserved header. It must not be changed"));
            }
        }
        for cloud in ["sigv4", "azuread", "google_iam"] {
            if let Some(node) = m.raw(cloud) {
                m.decoder().error(node.position, format!("{cloud} is not supported for remote_write"));
            }
        }
    }
}

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
    pub struct TsdbConfig as "storage.tsdb" {
        /// How much older than the newest of all a sample may be that is older than the newest of its series.
        out_of_order_time_window: Duration,
        /// How long samples are kept; `watchbell.retention` when absent.
        retention: Option<TsdbRetention>,
    }
}

section! {
    /// How long samples are kept.
    pub struct TsdbRetention as "storage.tsdb.retention" {
        /// By age.
        time: Option<Duration>,
    }
}

section! {
    /// How many exemplars are kept.
    pub struct ExemplarsConfig as "storage.exemplars" {
        /// Most exemplars kept, the newest of all series; 0 or less: none.
        max_exemplars: i64 = 100_000,
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
    }
}
