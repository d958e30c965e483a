//! Remote write and remote read.

use std::collections::BTreeMap;
use std::path::Path;

use super::http::HttpClientConfig;
use super::identity::{AzureAdConfig, GoogleIamConfig, SigV4Config};
use super::relabel::RelabelConfig;
use super::url::GoUrl;
use super::yaml::{Decode, Decoder, Duration, MapReader, Node};
use crate::section;

section! {
    /// Where samples are sent on to.
    pub struct RemoteWriteConfig as "remote write config" with check {
        /// The endpoint.
        url: GoUrl,
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
        /// Signed as AWS asks for.
        sigv4: Option<SigV4Config>,
        /// With a token of Azure.
        azuread: Option<AzureAdConfig>,
        /// With a token of Google Cloud.
        google_iam: Option<GoogleIamConfig>,
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
        url: GoUrl,
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
        if !m.has("url") {
            m.error("url", "url for remote_read is empty");
        }
        check_headers(&self.headers, m);
    }
}

section! {
    /// How samples are queued for a remote endpoint.
    pub struct QueueConfig as "queue config" with check {
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

impl QueueConfig {
    /// What Prometheus refuses since 3.12: nothing could be sent.
    fn check(&mut self, m: &MapReader) {
        for (key, n) in [
            ("capacity", self.capacity),
            ("max_shards", self.max_shards),
            ("max_samples_per_send", self.max_samples_per_send),
        ] {
            if n == 0 {
                m.error(key, format!("{key} must be greater than 0"));
            }
        }
        if self.max_shards > 0 && self.max_shards < self.min_shards {
            let message = format!("max_shards ({}) must be at least min_shards ({})", self.max_shards, self.min_shards);
            m.error(if m.has("max_shards") { "max_shards" } else { "min_shards" }, message);
        }
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
        check_headers(&self.headers, m);
        // As in Prometheus: one connection a shard.
        self.http.enable_http2 &= m.has("enable_http2");
        let http = &self.http;
        let own = [http.basic_auth.is_some(), http.authorization.is_some(), http.oauth2.is_some()];
        let clouds = [self.sigv4.is_some(), self.azuread.is_some(), self.google_iam.is_some()];
        if clouds.contains(&true) && own.iter().chain(&clouds).filter(|set| **set).count() > 1 {
            let message =
                "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured";
            m.decoder().error(m.node().position, message);
        }
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        self.http.resolve_paths(dir);
        if let Some(google) = &mut self.google_iam {
            google.credentials_file = super::secret::join_dir(dir, &google.credentials_file);
        }
    }
}

/// Headers that remote write and read set themselves.
fn check_headers(headers: &BTreeMap<String, String>, m: &MapReader) {
    for name in headers.keys() {
        let lower = name.to_ascii_lowercase();
        if lower == "authorization" {
            m.error("headers", "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter");
        } else if RESERVED_HEADERS.contains(&lower.as_str()) {
            m.error("headers", format!("{name} is a reserved header. It must not be changed"));
        }
    }
}
