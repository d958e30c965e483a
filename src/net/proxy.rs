//! Which requests go through which proxy, by the rules of Go's clients, for which `no_proxy` lists are written.

use std::net::IpAddr;

use url::{Host, Url};

use super::error::NetError;
use super::secret::header_value;
use crate::config::redact::redact_url;
use crate::config::secret::Secret;

/// Which proxy, for which requests (Prometheus' `proxy_url` and its companions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// A proxy for all requests: `http`, `https`, `socks5` or `socks5h`.
    pub url: Option<Secret>,
    /// Hosts that are reached without it, separated by commas.
    pub no_proxy: String,
    /// Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in capitals or not.
    pub from_environment: bool,
    /// Headers of CONNECT, by which a proxy is asked for a tunnel.
    pub connect_headers: Vec<(String, Secret)>,
}

/// The proxies of requests by scheme, and what goes without.
#[derive(Clone, Debug, Default)]
struct Selection {
    http: Option<Url>,
    https: Option<Url>,
    /// `None`: there is no list, and even this host is reached through the proxy.
    except: Option<Vec<Exception>>,
}

/// What is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    /// An address and how many of its bits count.
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    /// What ends in `.suffix`, and `suffix` itself where `alone` says so.
    Domain {
        suffix: String,
        alone: bool,
        port: Option<u16>,
    },
}

/// The proxies as reqwest wants them, the first that takes a request being the one.
///
/// # Errors
/// A proxy's URL cannot be used, or a header of CONNECT is none.
pub(super) fn proxies(settings: &ProxySettings) -> Result<Vec<reqwest::Proxy>, NetError> {
    let selection = match (&settings.url, settings.from_environment) {
        (Some(proxy), _) => Selection::configured(proxy.expose(), &settings.no_proxy)?,
        (None, true) => Selection::from_environment(&|name| std::env::var(name).ok()),
        (None, false) => return Ok(Vec::new()),
    };
    let mut headers = reqwest::header::HeaderMap::new();
    for (name, value) in &settings.connect_headers {
        let header = reqwest::header::HeaderName::try_from(name.as_str());
        let header = header.map_err(|_| NetError::Header(name.clone()))?;
        headers.append(header, header_value(name, value.expose())?);
    }
    // Headers of CONNECT are for tunnels: a plain request, which the proxy passes on, would carry them to its server.
    let (tunnels, plain) = (selection.clone(), selection);
    let tunnels = reqwest::Proxy::custom(move |url| tunnels.of(url).filter(|_| url.scheme() == "https").cloned());
    let plain = reqwest::Proxy::custom(move |url| plain.of(url).filter(|_| url.scheme() != "https").cloned());
    Ok(vec![if headers.is_empty() { tunnels } else { tunnels.headers(headers) }, plain])
}

impl Selection {
    fn configured(proxy: &str, no_proxy: &str) -> Result<Self, NetError> {
        let bad = |reason: String| NetError::Url { url: redact_url(proxy), reason };
        let url = usable(Url::parse(proxy).map_err(|e| bad(e.to_string()))?);
        let url = url.ok_or_else(|| bad("expected a proxy's scheme: http, https, socks5 or socks5h".into()))?;
        let except = (!no_proxy.is_empty()).then(|| exceptions(no_proxy));
        Ok(Selection { http: Some(url.clone()), https: Some(url), except })
    }

    /// What is not a URL is a host, as in curl; what is neither counts for nothing, as in Go.
    fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| {
            let either = variable(name).filter(|v| !v.is_empty());
            either.or_else(|| variable(&name.to_ascii_lowercase())).filter(|v| !v.is_empty())
        };
        let proxy = |name: &str| {
            let text = named(name)?;
            let url = Url::parse(&text).ok().and_then(usable);
            url.or_else(|| Url::parse(&format!("http://{text}")).ok().and_then(usable))
        };
        let except = Some(exceptions(&named("NO_PROXY").unwrap_or_default()));
        Selection { http: proxy("HTTP_PROXY"), https: proxy("HTTPS_PROXY"), except }
    }

    fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() };
        proxy.filter(|_| !self.except.as_ref().is_some_and(|list| goes_without(url, list)))
    }
}

/// A proxy's URL. A SOCKS proxy is asked for names, as Go asks it, under either name of the scheme.
fn usable(mut url: Url) -> Option<Url> {
    url.host_str().filter(|host| !host.is_empty())?;
    match url.scheme() {
        "http" | "https" | "socks5h" => Some(url),
        "socks5" => url.set_scheme("socks5h").ok().map(|()| url),
        _ => None,
    }
}

/// Whether a list takes a request from the proxy; where there is a list, this host always is.
fn goes_without(url: &Url, list: &[Exception]) -> bool {
    let port = url.port_or_known_default();
    let (address, name) = match url.host() {
        None => return false,
        Some(Host::Ipv4(ip)) => (Some(IpAddr::V4(ip)), ip.to_string()),
        Some(Host::Ipv6(ip)) => (Some(IpAddr::V6(ip)), ip.to_string()),
        Some(Host::Domain(name)) => (None, name.to_ascii_lowercase()),
    };
    if name == "localhost" || address.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    list.iter().any(|exception| match exception {
        Exception::Everything => true,
        Exception::Network(network, bits) => address.is_some_and(|ip| same_bits(*network, ip, *bits)),
        Exception::Address(ip, of) => address == Some(*ip) && (of.is_none() || *of == port),
        Exception::Domain { suffix, alone, port: of } => {
            let head = name.strip_suffix(suffix.as_str());
            let fits = head.is_some_and(|head| head.ends_with('.') || (head.is_empty() && *alone));
            fits && (of.is_none() || *of == port)
        }
    })
}

fn same_bits(network: IpAddr, ip: IpAddr, bits: u8) -> bool {
    let (a, b, length) = match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    (a ^ b).checked_shr(length - u32::from(bits).min(length)).unwrap_or(0) == 0
}

/// Reads a `no_proxy` list; entries that mean nothing are left out, as in Go.
fn exceptions(list: &str) -> Vec<Exception> {
    list.split(',').filter_map(|entry| exception(&entry.trim().to_ascii_lowercase())).collect()
}

fn exception(entry: &str) -> Option<Exception> {
    if entry == "*" {
        return Some(Exception::Everything);
    }
    if let Some((address, bits)) = entry.split_once('/') {
        let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse().ok()?);
        return (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(Exception::Network(address, bits));
    }
    if let Ok(address) = entry.parse() {
        return Some(Exception::Address(address, None));
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = host.parse() {
        return Some(Exception::Address(address, port));
    }
    let host = host.strip_prefix('*').filter(|h| h.starts_with('.')).unwrap_or(host);
    let suffix = host.strip_prefix('.').unwrap_or(host);
    (!suffix.is_empty()).then(|| Exception::Domain { suffix: suffix.to_owned(), alone: !host.starts_with('.'), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(selection: &Selection, url: &str) -> bool {
        selection.of(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn exceptions_are_those_of_go() {
        let list = "foo.com, .bar.com,*.baz.com:8080,10.1.0.0/16,192.168.1.1:81,[::2]:82,2001:db8::/32,x.test:80,";
        let selection = Selection::configured("http://proxy:3128", list).unwrap();
        for (url, through) in [
            ("http://foo.com", false),
            ("http://a.foo.com:99", false),
            ("http://afoo.com", true),
            ("http://bar.com", true),
            ("http://a.bar.com", false),
            ("http://a.baz.com:8080", false),
            ("http://a.baz.com", true),
            ("http://baz.com:8080", true),
            ("http://10.1.200.3", false),
            ("http://10.2.0.1", true),
            ("http://192.168.1.1:81", false),
            ("http://192.168.1.1", true),
            ("http://[::2]:82", false),
            ("http://[::2]", true),
            ("http://[2001:db8::9]", false),
            ("http://[2001:db9::9]", true),
            ("http://x.test", false),
            ("https://x.test", true),
            ("http://localhost", false),
            ("http://127.0.0.1:9093", false),
            ("http://[::1]", false),
            ("http://other.test", true),
        ] {
            assert_eq!(proxied(&selection, url), through, "{url}");
        }
        let none = Selection::configured("http://proxy:3128", "*").unwrap();
        assert!(!proxied(&none, "http://other.test"));
        // Without a list nothing goes without.
        assert!(proxied(&Selection::configured("http://proxy:3128", "").unwrap(), "http://127.0.0.1"));
    }

    #[test]
    fn the_environment_names_proxies_by_scheme() {
        let variables = [("HTTP_PROXY", "plain:1"), ("https_proxy", "socks5://tunnel:2"), ("NO_PROXY", "a.test")];
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let selection = Selection::from_environment(&variable);
        let of = |url: &str| selection.of(&Url::parse(url).unwrap()).map(Url::to_string);
        assert_eq!(of("http://b.test").as_deref(), Some("http://plain:1/"));
        assert_eq!(of("https://b.test").as_deref(), Some("socks5h://tunnel:2"));
        assert_eq!((of("http://a.test"), of("http://localhost")), (None, None));
        assert_eq!(Selection::from_environment(&|_| None).http, None);
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for url in ["ftp://me:hunter2@proxy", "proxy:3128", "http://"] {
            let error = Selection::configured(url, "").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
