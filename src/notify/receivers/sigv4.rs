//! AWS' Signature Version 4 of a form that is posted.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::config::secret::Secret;

/// The form's type, which is signed too.
pub(super) const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub access_key: String,
    pub secret_key: Secret,
    pub session_token: Option<Secret>,
}

/// Credentials that end.
pub(super) struct Taken {
    pub credentials: Credentials,
    /// Milliseconds.
    pub until: i64,
}

/// The role an integration has taken. Held while it is taken, so that messages side by side take it once.
#[derive(Default)]
pub(super) struct Role(pub Mutex<Option<Taken>>);

/// A request to be signed.
pub(super) struct Signed<'a> {
    pub credentials: &'a Credentials,
    pub region: &'a str,
    pub service: &'a str,
    pub url: &'a url::Url,
    pub body: &'a str,
    /// `20060102T150405Z`
    pub at: &'a str,
}

impl Signed<'_> {
    /// The `Authorization` header's value.
    pub fn authorization(&self) -> String {
        let host = match (self.url.host_str().unwrap_or_default(), self.url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let mut headers = vec![("content-type", FORM), ("host", &host), ("x-amz-date", self.at)];
        if let Some(token) = &self.credentials.session_token {
            headers.push(("x-amz-security-token", token.expose()));
        }
        let names = headers.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let canonical = format!("POST\n{}\n\n{lines}\n{names}\n{}", self.url.path(), digest(self.body));
        let day = self.at.get(..8).unwrap_or("");
        let Signed { region, service, .. } = self;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", self.at, digest(&canonical));
        let first = format!("AWS4{}", self.credentials.secret_key.expose()).into_bytes();
        let key = [day, region, service, "aws4_request"].iter().fold(first, |key, part| hmac(&key, part));
        let signature: String = hmac(&key, &text).iter().map(|b| format!("{b:02x}")).collect();
        let who = &self.credentials.access_key;
        format!("AWS4-HMAC-SHA256 Credential={who}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is accepted; the type says otherwise.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
