//! AWS' Signature Version 4.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::config::secret::Secret;

/// The type of a form that is posted, which is signed too.
pub const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Names the key.
    pub access_key: String,
    /// The key.
    pub secret_key: Secret,
    /// Comes with keys that end.
    pub session_token: Option<Secret>,
}

/// A request to be signed.
pub struct Signed<'a> {
    /// Who signs.
    pub credentials: &'a Credentials,
    /// Of the service.
    pub region: &'a str,
    /// Which is asked.
    pub service: &'a str,
    /// How.
    pub method: &'a str,
    /// Where.
    pub url: &'a url::Url,
    /// Headers that are signed besides host and date, by name in lower case.
    pub more: Vec<(&'a str, &'a str)>,
    /// What is sent.
    pub body: &'a [u8],
    /// When, milliseconds.
    pub now: i64,
}

impl<'a> Signed<'a> {
    /// A form that is posted.
    pub fn form(
        credentials: &'a Credentials,
        region: &'a str,
        service: &'a str,
        url: &'a url::Url,
        body: &'a str,
        now: i64,
    ) -> Self {
        let more = vec![("content-type", FORM)];
        Signed { credentials, region, service, method: "POST", url, more, body: body.as_bytes(), now }
    }

    /// The headers that make the request a signed one.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let at = self.at();
        let mut headers = vec![("Authorization", self.authorization(&at)), ("X-Amz-Date", at)];
        headers.extend(self.credentials.session_token.iter().map(|t| ("X-Amz-Security-Token", t.expose().to_owned())));
        headers
    }

    /// `20060102T150405Z`
    fn at(&self) -> String {
        let at = chrono::DateTime::from_timestamp_millis(self.now).unwrap_or_default();
        at.format("%Y%m%dT%H%M%SZ").to_string()
    }

    fn authorization(&self, at: &str) -> String {
        let host = match (self.url.host_str().unwrap_or_default(), self.url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let mut headers = self.more.clone();
        headers.extend([("host", host.as_str()), ("x-amz-date", at)]);
        if let Some(token) = &self.credentials.session_token {
            headers.push(("x-amz-security-token", token.expose()));
        }
        headers.sort();
        let names = headers.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(n, v)| format!("{n}:{}\n", v.trim())).collect();
        let (path, query) = (canonical_path(self.url.path()), canonical_query(self.url));
        let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{}", self.method, digest(self.body));
        let day = at.get(..8).unwrap_or("");
        let Signed { region, service, .. } = self;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", digest(canonical.as_bytes()));
        let first = format!("AWS4{}", self.credentials.secret_key.expose()).into_bytes();
        let key = [day, region, service, "aws4_request"].iter().fold(first, |key, part| hmac(&key, part));
        let signature: String = hmac(&key, &text).iter().map(|b| format!("{b:02x}")).collect();
        let who = &self.credentials.access_key;
        format!("AWS4-HMAC-SHA256 Credential={who}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

/// Letters, digits and `-._~` stay; everything else is escaped.
fn escaped(text: &str, also: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b) || also.as_bytes().contains(&b);
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A path as it is on the wire, escaped once more: every service but S3 wants it so.
fn canonical_path(path: &str) -> String {
    match path {
        "" => "/".into(),
        path => escaped(path, "/"),
    }
}

fn canonical_query(url: &url::Url) -> String {
    let mut pairs: Vec<(String, String)> = url.query_pairs().map(|(n, v)| (escaped(&n, ""), escaped(&v, ""))).collect();
    pairs.sort();
    pairs.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("&")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is accepted; the type says otherwise.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS' documentation: a list of users.
    #[test]
    fn a_signature_is_that_of_the_documentation() {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let url = url::Url::parse("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08").unwrap();
        let signed = Signed {
            credentials: &credentials,
            region: "us-east-1",
            service: "iam",
            method: "GET",
            url: &url,
            more: vec![("content-type", FORM)],
            body: b"",
            now: 1_440_938_160_000,
        };
        let headers = signed.headers();
        assert_eq!(headers[1], ("X-Amz-Date", "20150830T123600Z".to_owned()));
        assert!(headers[0].1.ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"));
    }
}
