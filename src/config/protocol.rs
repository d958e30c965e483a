//! What a target is asked to answer in, and how it may name metrics.

use super::yaml::{Decode, Decoder, MapReader, Node};
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name};

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// Protocol buffers.
    PrometheusProto,
    /// The text format 0.0.4.
    PrometheusText004,
    /// The text format with quoted names.
    PrometheusText100,
    /// OpenMetrics 0.0.1.
    OpenMetricsText001,
    /// OpenMetrics 1.0.0.
    OpenMetricsText100,
}

const PROTOCOLS: [(&str, ScrapeProtocol); 5] = [
    ("PrometheusProto", ScrapeProtocol::PrometheusProto),
    ("PrometheusText0.0.4", ScrapeProtocol::PrometheusText004),
    ("PrometheusText1.0.0", ScrapeProtocol::PrometheusText100),
    ("OpenMetricsText0.0.1", ScrapeProtocol::OpenMetricsText001),
    ("OpenMetricsText1.0.0", ScrapeProtocol::OpenMetricsText100),
];

/// The formats asked for unless a configuration says otherwise, best first.
pub const DEFAULT_PROTOCOLS: [ScrapeProtocol; 4] = [
    ScrapeProtocol::OpenMetricsText100,
    ScrapeProtocol::OpenMetricsText001,
    ScrapeProtocol::PrometheusText100,
    ScrapeProtocol::PrometheusText004,
];

impl Decode for ScrapeProtocol {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match PROTOCOLS.iter().find(|(name, _)| Some(*name) == node.text()) {
            Some((_, protocol)) => Some(*protocol),
            None => {
                let names: Vec<&str> = PROTOCOLS.iter().map(|(n, _)| *n).collect();
                let found = node.describe();
                d.error(
                    node.position,
                    format!("unknown scrape protocol {found}, expected one of {}", names.join(", ")),
                );
                None
            }
        }
    }
}

/// The escaping of names that leaves them as they are.
pub const ALLOW_UTF8: &str = "allow-utf-8";

/// Which names of metrics and labels are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NameScheme {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// Letters, digits and underscores.
    Legacy,
}

impl NameScheme {
    /// Whether a metric may have this name.
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            NameScheme::Utf8 => !name.is_empty(),
            NameScheme::Legacy => is_legacy_metric_name(name),
        }
    }

    /// Whether a label may have this name.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            NameScheme::Utf8 => !name.is_empty(),
            NameScheme::Legacy => is_legacy_label_name(name),
        }
    }
}

impl Decode for NameScheme {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some("utf8") => Some(NameScheme::Utf8),
            Some("legacy") => Some(NameScheme::Legacy),
            _ => d.mismatch(node, "utf8 or legacy"),
        }
    }
}

/// Each protocol once, and at least one.
pub(super) fn check_protocols(protocols: &[ScrapeProtocol], m: &MapReader) {
    let repeated = protocols.iter().enumerate().any(|(i, p)| protocols.iter().take(i).any(|q| q == p));
    if repeated {
        m.error("scrape_protocols", "duplicated protocol in scrape_protocols");
    }
    if m.node_at("scrape_protocols").and_then(Node::items).is_some_and(<[Node]>::is_empty) {
        m.error("scrape_protocols", "scrape_protocols cannot be empty");
    }
}
