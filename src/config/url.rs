//! URLs of configuration files, with the checks of Go's `net/url` that Prometheus and Alertmanager rely on.

use std::fmt;

use super::redact::MASK;
use super::secret::Secret;
use super::yaml::{Decode, Decoder, Node, shown_text};

/// An absolute `http` or `https` URL, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// A URL that is known to be well formed, for defaults.
    pub fn constant(url: &'static str) -> Self {
        HttpUrl(url.to_owned())
    }

    /// Checks a URL: scheme http or https, and a host.
    ///
    /// # Errors
    /// What is wrong with it, in Alertmanager's words.
    pub fn parse(url: &str) -> Result<Self, String> {
        check_http(url).map(|()| HttpUrl(url.to_owned()))
    }

    /// The URL as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL with exactly one slash at its end: Alertmanager's API URLs are prefixes.
    #[must_use]
    pub fn with_trailing_slash(&self) -> Self {
        HttpUrl(format!("{}/", self.0.trim_end_matches('/')))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decode for HttpUrl {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a URL") };
        HttpUrl::parse(text).map_err(|e| d.error(node.position, untelling(text, e))).ok()
    }

    fn shown_default(&self) -> Option<Node> {
        shown_text(&self.0)
    }
}

/// What Go takes for a URL, for keys of which Prometheus asks no more; a warning where nothing can be sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoUrl(String);

impl GoUrl {
    /// The URL as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decode for GoUrl {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a URL") };
        if let Err(e) = check(text) {
            d.error(node.position, untelling(text, e));
            return None;
        }
        if let Err(e) = check_http(text) {
            d.warn(node.position, format!("{}: no request can be made", untelling(text, e)));
        }
        Some(GoUrl(text.to_owned()))
    }
}

/// A URL that carries a secret, such as a webhook's: shown as `<secret>`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretUrl(Secret);

impl SecretUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        SecretUrl(Secret::new(url))
    }

    /// The URL, for the wire.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A masked configuration may be read again, so `<secret>` itself is let through. Errors do not show the URL.
impl Decode for SecretUrl {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a URL") };
        if text != MASK
            && let Err(e) = check_http(text)
        {
            d.error(node.position, if e.contains(text) { "not a valid URL".to_owned() } else { untelling(text, e) });
            return None;
        }
        d.note_secret(node);
        Some(SecretUrl::new(text))
    }
}

/// A URL that may hold templates; only one without templates is checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TemplateUrl(Secret);

impl TemplateUrl {
    /// The template, to be rendered and then checked with [`HttpUrl::parse`].
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for TemplateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Decode for TemplateUrl {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some(text) if text.contains("{{") => Secret::decode(node, d).map(TemplateUrl),
            _ => SecretUrl::decode(node, d).map(|url| TemplateUrl(url.0)),
        }
    }
}

/// A defect of a URL: where the URL has user information, which part of it is wrong would tell the password.
fn untelling(url: &str, defect: String) -> String {
    if url.contains('@') { "not a valid URL".to_owned() } else { defect }
}

fn check_http(url: &str) -> Result<(), String> {
    let (scheme, rest) = split_scheme(url)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("unsupported scheme {scheme:?} for URL"));
    }
    if authority(rest).is_none_or(str::is_empty) {
        return Err("missing host for URL".into());
    }
    check(url)
}

/// Whether Go's `url.Parse` takes the text: relative references included.
///
/// # Errors
/// What is wrong with it.
pub fn check(url: &str) -> Result<(), String> {
    if url.chars().any(|c| c.is_ascii_control()) {
        return Err("invalid control character in URL".into());
    }
    let (scheme, rest) = split_scheme(url)?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() && !rest.starts_with('/') && path.split('/').next().is_some_and(|s| s.contains(':')) {
        return Err("first path segment in URL cannot contain colon".into());
    }
    if let Some(authority) = authority(rest) {
        check_authority(authority)?;
    }
    check_escapes(path)
}

/// `scheme` and what follows its colon; no scheme is empty.
fn split_scheme(url: &str) -> Result<(&str, &str), String> {
    let Some((scheme, rest)) = url.split_once(':') else { return Ok(("", url)) };
    if scheme.is_empty() {
        return Err("missing protocol scheme".into());
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    match scheme.chars().all(letters) && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => Ok((scheme, rest)),
        false => Ok(("", url)),
    }
}

fn authority(rest: &str) -> Option<&str> {
    rest.strip_prefix("//").map(|r| r.split(['/', '?', '#']).next().unwrap_or_default())
}

fn check_authority(authority: &str) -> Result<(), String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.rfind(':').and_then(|i| host.get(i..)).unwrap_or_default(),
    };
    if let Some(digits) = port.strip_prefix(':')
        && !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(format!("invalid port {port:?} after host"));
    }
    if let Some(c) = host.chars().find(|c| " <>\"{}|\\^`".contains(*c)) {
        return Err(format!("invalid character {:?} in host name", c.to_string()));
    }
    check_escapes(host)
}

fn check_escapes(text: &str) -> Result<(), String> {
    for after in text.split('%').skip(1) {
        let hex = after.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
        if hex < 2 {
            let shown: String = after.chars().take(2).collect();
            return Err(format!("invalid URL escape {:?}", format!("%{shown}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_need_scheme_and_host() {
        for good in
            ["http://a", "https://a:80/b?c#d", "http://u:p@[::1]:9090/", "HTTPS://a", "http://a/%20", "http://زمن/"]
        {
            assert_eq!(HttpUrl::parse(good).map(|u| u.0), Ok(good.to_owned()));
        }
        for (bad, want) in [
            ("", "unsupported scheme \"\" for URL"),
            ("a.example", "unsupported scheme \"\" for URL"),
            ("ftp://a", "unsupported scheme \"ftp\" for URL"),
            ("http://", "missing host for URL"),
            ("http:///x", "missing host for URL"),
            ("http:a", "missing host for URL"),
            ("://a", "missing protocol scheme"),
            ("http://a:b", "invalid port \":b\" after host"),
            ("http://a b", "invalid character \" \" in host name"),
            ("http://a/%zz", "invalid URL escape \"%zz\""),
        ] {
            assert_eq!(HttpUrl::parse(bad), Err(want.to_owned()), "{bad:?}");
        }
        assert!(check("foo").is_ok());
        assert!(check("1:2").is_err());
    }
}
