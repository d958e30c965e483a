//! Sending to `remote_write` endpoints what the database logs: bounded queues in memory, shards that keep the order of each
//! series, batches, retries. How far samples have arrived is written down: a restart sends the others, some of them twice.

mod delivery;
mod feed;
mod metadata;
mod metrics;
mod progress;
mod queue;
mod shard;
mod shards;
mod writer;

use crate::config::RelabelConfig;
use crate::config::remote::{RemoteWriteConfig, RemoteWriteMessage};
use crate::ingest::remote_write::Protocol;
use crate::model::Labels;
use crate::net::{Auth, HttpSettings};

pub use delivery::{Backoff, Verdict, reason_of, verdict};
pub use metrics::SendCounters;
pub use writer::{RemoteWriters, StartError};

/// Prometheus' `queue_config`; milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Samples buffered in a shard.
    pub capacity: usize,
    /// The most shards.
    pub max_shards: usize,
    /// The fewest shards.
    pub min_shards: usize,
    /// Samples in a request.
    pub max_samples_per_send: usize,
    /// The longest a sample waits for its batch to fill.
    pub batch_send_deadline: i64,
    /// The first pause before a retry.
    pub min_backoff: i64,
    /// The longest pause before a retry.
    pub max_backoff: i64,
    /// Whether 429 is a passing trouble; otherwise it is final, as Prometheus has it by default.
    pub retry_on_http_429: bool,
    /// Samples older than this are dropped instead of sent; 0 means never.
    pub sample_age_limit: i64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2_000,
            batch_send_deadline: 5_000,
            min_backoff: 30,
            max_backoff: 5_000,
            retry_on_http_429: false,
            sample_age_limit: 0,
        }
    }
}

/// Prometheus' `metadata_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataSettings {
    /// Whether it is sent.
    pub send: bool,
    /// How often, milliseconds. Requests of 2.0 have it with each series.
    pub interval: i64,
    /// Entries in a request.
    pub most: usize,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        MetadataSettings { send: true, interval: 60_000, most: 2_000 }
    }
}

/// One `remote_write` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWriteSettings {
    /// Where to.
    pub url: String,
    /// Names the queue in logs and metrics; the URL, redacted, when empty.
    pub name: String,
    /// Milliseconds a request may take.
    pub remote_timeout: i64,
    /// The version of the protocol.
    pub protocol: Protocol,
    /// Whether native histograms are sent.
    pub send_native_histograms: bool,
    /// Whether exemplars are sent.
    pub send_exemplars: bool,
    /// Whether and how what is known of metrics is sent.
    pub metadata: MetadataSettings,
    /// `write_relabel_configs`.
    pub write_relabel: Vec<RelabelConfig>,
    /// `global.external_labels`, added where a series lacks them.
    pub external_labels: Labels,
    /// How to reach the endpoint.
    pub http: HttpSettings,
    /// Queue and batches.
    pub queue: QueueSettings,
}

impl RemoteWriteSettings {
    /// Prometheus' defaults for an endpoint.
    pub fn new(url: impl Into<String>) -> Self {
        RemoteWriteSettings {
            url: url.into(),
            name: String::new(),
            remote_timeout: 30_000,
            protocol: Protocol::V1,
            send_native_histograms: false,
            send_exemplars: false,
            metadata: MetadataSettings::default(),
            write_relabel: Vec::new(),
            external_labels: Labels::empty(),
            http: HttpSettings::default(),
            queue: QueueSettings::default(),
        }
    }
}

impl RemoteWriteSettings {
    /// The settings a configuration states; `external_labels` are the global section's.
    pub fn from_config(config: &RemoteWriteConfig, external_labels: Labels) -> Self {
        let q = &config.queue_config;
        let mut http = HttpSettings::from(&config.http);
        if let Some(sigv4) = &config.sigv4 {
            http.auth = Some(Auth::SigV4(Box::new(sigv4.clone())));
        }
        if let Some(identity) = &config.azuread {
            http.auth = Some(Auth::AzureAd(Box::new(identity.clone())));
        }
        if let Some(identity) = &config.google_iam {
            http.auth = Some(Auth::GoogleIam(Box::new(identity.clone())));
        }
        http.headers.extend(config.headers.iter().map(|(n, v)| (n.clone(), v.as_str().into())));
        RemoteWriteSettings {
            url: config.url.as_str().to_owned(),
            name: config.name.clone(),
            remote_timeout: config.remote_timeout.millis(),
            protocol: match config.protobuf_message {
                RemoteWriteMessage::V1 => Protocol::V1,
                RemoteWriteMessage::V2 => Protocol::V2,
            },
            send_native_histograms: config.send_native_histograms,
            send_exemplars: config.send_exemplars,
            metadata: MetadataSettings {
                send: config.metadata_config.send,
                interval: config.metadata_config.send_interval.millis(),
                most: config.metadata_config.max_samples_per_send,
            },
            write_relabel: config.write_relabel_configs.clone(),
            external_labels,
            http,
            queue: QueueSettings {
                capacity: q.capacity,
                max_shards: q.max_shards,
                min_shards: q.min_shards,
                max_samples_per_send: q.max_samples_per_send,
                batch_send_deadline: q.batch_send_deadline.millis(),
                min_backoff: q.min_backoff.millis(),
                max_backoff: q.max_backoff.millis(),
                retry_on_http_429: q.retry_on_http_429,
                sample_age_limit: q.sample_age_limit.millis(),
            },
        }
    }
}
