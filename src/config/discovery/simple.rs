//! `http_sd_configs` and `dns_sd_configs`.

use crate::config::http::HttpClientConfig;
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node};
use crate::section;

section! {
    /// Target groups from a server, as JSON.
    pub struct HttpSdConfig as "http_sd config" with check {
        /// Where they are.
        url: String,
        /// How often they are asked for.
        refresh_interval: Duration = Duration::seconds(60),
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

impl HttpSdConfig {
    fn check(&mut self, m: &MapReader) {
        if self.url.is_empty() {
            m.error("url", "URL is missing");
        } else {
            check_http_url(m, "url", &self.url);
        }
    }
}

/// A URL that is asked for targets: http or https, and a host.
pub(super) fn check_http_url(m: &MapReader, key: &str, url: &str) {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let host = url.split_once("//").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    if scheme != "http" && scheme != "https" {
        m.error(key, "URL scheme must be 'http' or 'https'");
    } else if host.is_empty() {
        m.error(key, "host is missing in URL");
    } else if let Err(e) = crate::config::url::check(url) {
        m.error(key, e);
    }
}

section! {
    /// Targets from records of DNS.
    pub struct DnsSdConfig as "dns_sd config" with check {
        /// Names that are looked up.
        names: Vec<String>,
        /// Which records.
        record as "type": DnsRecord,
        /// The targets' port, for records that have none.
        port: i64,
        /// How often they are looked up.
        refresh_interval: Duration = Duration::seconds(30),
    }
}

/// A type of DNS record that names targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DnsRecord {
    /// Services: host and port.
    #[default]
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
}

impl Decode for DnsRecord {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text().unwrap_or_default().to_ascii_uppercase().as_str() {
            "SRV" => Some(DnsRecord::Srv),
            "A" => Some(DnsRecord::A),
            "AAAA" => Some(DnsRecord::Aaaa),
            "MX" => Some(DnsRecord::Mx),
            "NS" => Some(DnsRecord::Ns),
            _ => d.mismatch(node, "a type of DNS record (SRV, A, AAAA, MX, NS)"),
        }
    }
}

impl DnsSdConfig {
    fn check(&mut self, m: &MapReader) {
        if self.names.is_empty() {
            m.error("names", "DNS-SD config must contain at least one SRV record name");
        }
        if self.record != DnsRecord::Srv && self.port == 0 {
            m.error("port", "a port is required in DNS-SD configs for all record types except SRV");
        }
    }
}
