//! Traces: spans of notifications, rules and requests go to a collector by OTLP over HTTP, as `tracing` says.

mod otlp;
mod world;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::config::TracingConfig;
use crate::config::traces::TracingHeader;
use crate::instrument::spans::Tracer;
use crate::model::Diagnostic;
use crate::net::{Credential, HttpClient, HttpSettings, TlsSettings};

pub(super) use world::TracedWorld;

/// Between two looks whether spans wait.
const PAUSE: Duration = Duration::from_secs(1);
/// Most spans of a request.
const BATCH: usize = 512;
/// That spans cannot be exported is logged at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// What a request may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where a collector takes spans.
const PATH: &str = "/v1/traces";

/// Sends spans to where the configuration says.
#[derive(Default)]
pub(super) struct Exporter {
    /// Where spans are noted.
    pub tracer: Tracer,
    collector: ArcSwapOption<Collector>,
}

struct Collector {
    client: HttpClient,
    url: String,
    gzip: bool,
    timeout: Duration,
}

impl Exporter {
    /// Sends spans to where a configuration says from now on; nowhere without one.
    ///
    /// # Errors
    /// A client cannot be built; where the section is wrong.
    pub fn apply(&self, config: Option<&TracingConfig>) -> Result<(), Diagnostic> {
        // What cannot be spoken was told when the configuration was read.
        let config = config.filter(|c| c.refused().is_none());
        let collector = config.map(Collector::of).transpose()?;
        self.tracer.sample(config.map_or(0.0, |c| c.sampling_fraction));
        self.collector.store(collector.map(Arc::new));
        Ok(())
    }

    /// Sends what waits, until the service ends; then what is left, once.
    pub async fn run(self: Arc<Self>, mut ended: watch::Receiver<bool>) {
        let mut told: Option<Stopwatch> = None;
        loop {
            let over = tokio::select! {
                _ = ended.changed() => true,
                () = tokio::time::sleep(PAUSE) => false,
            };
            while let Some(collector) = self.collector.load_full() {
                let spans = self.tracer.take(BATCH);
                if spans.is_empty() {
                    break;
                }
                let sent = collector.send(&otlp::request(&spans)).await;
                self.tracer.count(spans.len(), sent.is_ok());
                if let Err(error) = sent {
                    if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                        told = Some(Stopwatch::start());
                        tracing::warn!(error, spans = spans.len(), "spans could not be exported and are dropped");
                    }
                    break;
                }
            }
            if over {
                return;
            }
        }
    }
}

impl Collector {
    fn of(config: &TracingConfig) -> Result<Self, Diagnostic> {
        let tls = config.tls_config.as_ref().map(TlsSettings::from).unwrap_or_default();
        let settings = HttpSettings { headers: headers(config), tls, ..HttpSettings::default() };
        let client = HttpClient::new(&settings).map_err(|e| config.place.error("tls_config", e.to_string()))?;
        let timeout = u64::try_from(config.timeout.0).ok().filter(|ms| *ms > 0).map_or(TIMEOUT, Duration::from_millis);
        Ok(Collector { client, url: url(config), gzip: config.compression == "gzip", timeout })
    }

    async fn send(&self, body: &[u8]) -> Result<(), String> {
        let request = self.client.request(Method::POST, &self.url).map_err(|e| e.to_string())?;
        let request = request.header("content-type", "application/x-protobuf").timeout(self.timeout);
        let request = match self.gzip {
            false => request.body(body.to_vec()),
            true => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                let packed = encoder.write_all(body).and_then(|()| encoder.finish());
                request.header("content-encoding", "gzip").body(packed.map_err(|e| e.to_string())?)
            }
        };
        let answer = self.client.send(request).await.map_err(|e| e.to_string())?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(format!("the collector answers {}", answer.status())),
        }
    }
}

fn headers(config: &TracingConfig) -> Vec<(String, Credential)> {
    let mut headers = Vec::new();
    for (name, TracingHeader(header)) in &config.headers {
        let values = header.values.iter().map(|v| Credential::Inline(v.clone()));
        let secrets = header.secrets.iter().map(|s| Credential::Inline(s.expose().to_owned()));
        let files = header.files.iter().map(|path| Credential::File(path.into()));
        headers.extend(values.chain(secrets).chain(files).map(|value| (name.clone(), value)));
    }
    headers
}

/// What a service that is to send spans could not build.
///
/// # Errors
/// The place and the reason.
pub(super) fn check(config: &TracingConfig) -> Result<(), Diagnostic> {
    match config.refused() {
        Some(refused) => Err(refused),
        None => Collector::of(config).map(|_| ()),
    }
}

/// The collector's URL: `endpoint` is a host and a port, as for Prometheus; a whole URL is taken as it is.
fn url(config: &TracingConfig) -> String {
    let endpoint = config.endpoint.trim_end_matches('/');
    let whole = match endpoint.contains("://") {
        true => endpoint.to_owned(),
        false => format!("{}://{endpoint}", if config.insecure { "http" } else { "https" }),
    };
    let has_path = whole.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { whole } else { whole + PATH }
}
