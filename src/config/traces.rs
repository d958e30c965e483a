//! `tracing`: where spans go. Prometheus' section and Alertmanager's are one.

use std::collections::BTreeMap;
use std::path::Path;

use super::http::{HeaderConfig, TlsConfig};
use super::secret::{Secret, join_dir};
use super::yaml::{Decode, Decoder, Duration, MapReader, Node, Place, Shape};
use crate::model::Diagnostic;
use crate::section;

const WITHOUT_GRPC: &str =
    "tracing over grpc is not supported: set client_type to http, and endpoint to the collector's HTTP port";

/// Headers that an exporter of spans sets itself.
const RESERVED_HEADERS: [&str; 7] = [
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "x-prometheus-remote-write-version",
    "accept-encoding",
];

section! {
    /// An OTLP collector.
    pub struct TracingConfig as "tracing config" with check {
        /// `grpc` or `http`.
        client_type: String = "grpc".into(),
        /// The collector: a host and a port.
        endpoint: String,
        /// Which part of all traces is sent; none by default.
        sampling_fraction: f64,
        /// Without TLS.
        insecure: bool,
        /// TLS.
        tls_config: Option<TlsConfig>,
        /// Headers of requests.
        headers: BTreeMap<String, TracingHeader>,
        /// `gzip` or nothing.
        compression: String,
        /// How long one request may take.
        timeout: Duration,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

/// The values of a header: one, as Prometheus has it, or values, secrets and files, as Alertmanager has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TracingHeader(pub HeaderConfig);

impl Decode for TracingHeader {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        if node.entries().is_some() {
            return HeaderConfig::decode(node, d).map(TracingHeader);
        }
        let secrets = vec![Secret::decode(node, d)?];
        Some(TracingHeader(HeaderConfig { secrets, ..HeaderConfig::default() }))
    }

    fn shape() -> Shape {
        Shape::Either(Box::new(Secret::shape()), Box::new(HeaderConfig::shape()))
    }
}

impl TracingConfig {
    fn check(&mut self, m: &MapReader) {
        if self.endpoint.is_empty() {
            m.error("endpoint", "tracing endpoint must be set");
        }
        if !["grpc", "http"].contains(&self.client_type.as_str()) {
            m.error(
                "client_type",
                format!("expected tracing client type to be http or grpc, found {}", self.client_type),
            );
        }
        if !["", "gzip"].contains(&self.compression.as_str()) {
            m.error(
                "compression",
                format!("invalid compression type {} provided, valid options: gzip", self.compression),
            );
        }
    }

    /// What Prometheus refuses besides, and what has no effect here: a Prometheus' file is put in force all the same.
    pub(super) fn check_of_prometheus(&self, m: &MapReader) {
        if self.client_type == "grpc" {
            m.warn("tracing", WITHOUT_GRPC);
        }
        for name in self.headers.keys() {
            let lower = name.to_ascii_lowercase();
            if lower == "authorization" {
                m.error("tracing", "authorization header configuration is not yet supported");
            } else if RESERVED_HEADERS.contains(&lower.as_str()) {
                m.error("tracing", format!("{name} is a reserved header. It must not be changed"));
            }
        }
    }

    /// Why a service does not start with it: spans are sent over HTTP alone.
    pub fn refused(&self) -> Option<Diagnostic> {
        (self.client_type == "grpc").then(|| self.place.error("client_type", WITHOUT_GRPC))
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        if let Some(tls) = &mut self.tls_config {
            tls.resolve_paths(dir);
        }
        let files = self.headers.values_mut().flat_map(|h| &mut h.0.files);
        files.for_each(|file| *file = join_dir(dir, file));
    }
}
