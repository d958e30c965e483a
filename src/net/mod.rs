//! HTTP out: one way to build clients, with TLS by rustls and ring, and one way to authenticate, for scrapes, remote
//! write, remote datasources and receivers. No error and no `Debug` text of this module shows a secret.

pub mod descriptors;
mod error;
mod redirect;
mod secret;
mod tls;

use std::fmt;
use std::io::Write;
use std::time::Duration;

use flate2::write::MultiGzDecoder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};

use crate::config::HttpClientConfig;

pub use crate::config::redact::redact_url;
pub use error::NetError;
pub use secret::Credential;
pub use tls::{TlsSettings, TlsVersion};

/// How requests are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `basic_auth`.
    Basic {
        /// The user's name.
        username: Credential,
        /// The password.
        password: Credential,
    },
    /// `authorization`, and `bearer_token` as its old form.
    Authorization {
        /// `Bearer` unless stated otherwise.
        scheme: String,
        /// What follows the scheme.
        credentials: Credential,
    },
}

/// How to reach a server (Prometheus' `HTTPClientConfig`).
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Authentication, if any.
    pub auth: Option<Auth>,
    /// TLS.
    pub tls: TlsSettings,
    /// Further headers, for instance `X-Scope-OrgID`. Their values are not shown.
    pub headers: Vec<(String, Credential)>,
    /// Whether redirects are followed; default true.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered over TLS; default true.
    pub enable_http2: bool,
    /// A proxy for all requests.
    pub proxy_url: Option<String>,
    /// Hosts that are reached without it, separated by commas.
    pub no_proxy: String,
    /// Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy_from_environment: bool,
    /// A setting that is accepted in a configuration and cannot be carried out: building a client fails on it.
    pub unsupported: Option<&'static str>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            auth: None,
            tls: TlsSettings::default(),
            headers: Vec::new(),
            follow_redirects: true,
            enable_http2: true,
            proxy_url: None,
            no_proxy: String::new(),
            proxy_from_environment: false,
            unsupported: None,
        }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("headers", &self.headers)
            .field("follow_redirects", &self.follow_redirects)
            .field("enable_http2", &self.enable_http2)
            .field("proxy_url", &self.proxy_url.as_deref().map(redact_url))
            .finish()
    }
}

impl From<&HttpClientConfig> for HttpSettings {
    fn from(config: &HttpClientConfig) -> Self {
        let mut headers = Vec::new();
        for (name, header) in &config.http_headers {
            let values = header.values.iter().map(|v| Credential::Inline(v.clone()));
            let secrets = header.secrets.iter().map(|s| Credential::Inline(s.expose().to_owned()));
            let files = header.files.iter().map(|path| Credential::File(path.into()));
            headers.extend(values.chain(secrets).chain(files).map(|value| (name.clone(), value)));
        }
        let basic = config.basic_auth.as_ref().map(|b| Auth::Basic {
            username: Credential::given(&b.username, &b.username_file).unwrap_or_else(|| "".into()),
            password: Credential::given(b.password.expose(), &b.password_file).unwrap_or_else(|| "".into()),
        });
        let authorization = config.authorization.as_ref().map(|a| Auth::Authorization {
            scheme: if a.auth_type.is_empty() { "Bearer".into() } else { a.auth_type.clone() },
            credentials: Credential::given(a.credentials.expose(), &a.credentials_file).unwrap_or_else(|| "".into()),
        });
        HttpSettings {
            auth: basic.or(authorization),
            tls: TlsSettings::from(&config.tls_config),
            headers,
            follow_redirects: config.follow_redirects,
            enable_http2: config.enable_http2,
            proxy_url: Some(config.proxy.proxy_url.clone()).filter(|url| !url.is_empty()),
            no_proxy: config.proxy.no_proxy.clone(),
            proxy_from_environment: config.proxy.proxy_from_environment,
            unsupported: unsupported(config),
        }
    }
}

/// The first setting of a configuration that no client here can honour.
fn unsupported(config: &HttpClientConfig) -> Option<&'static str> {
    let (basic, authorization, tls) = (&config.basic_auth, &config.authorization, &config.tls_config);
    let basic_ref = basic.as_ref().is_some_and(|b| !b.username_ref.is_empty() || !b.password_ref.is_empty());
    let authorization_ref = authorization.as_ref().is_some_and(|a| !a.credentials_ref.is_empty());
    let tls_ref = [&tls.ca_ref, &tls.cert_ref, &tls.key_ref].iter().any(|r| !r.is_empty());
    [
        (config.oauth2.is_some(), "oauth2"),
        (basic_ref || authorization_ref || tls_ref, "a secret manager (*_ref)"),
        (!config.proxy.proxy_connect_header.is_empty(), "proxy_connect_header"),
    ]
    .into_iter()
    .find_map(|(set, name)| set.then_some(name))
}

/// A client for one set of [`HttpSettings`]. Cloning shares connections.
#[derive(Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    settings: HttpSettings,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.settings).finish()
    }
}

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

impl HttpClient {
    /// Builds a client.
    ///
    /// # Errors
    /// A file that TLS needs cannot be read, or a proxy's URL is not one.
    pub fn new(settings: &HttpSettings) -> Result<Self, NetError> {
        if let Some(name) = settings.unsupported {
            return Err(NetError::Unsupported(name));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("Watchbell/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // Redirects are followed by `send`, which knows what must not go along.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Bodies are decompressed by us, so that limits hold for what comes out.
            .no_gzip()
            .tls_backend_preconfigured(tls::client_config(&settings.tls, settings.enable_http2)?);
        if !settings.enable_http2 {
            builder = builder.http1_only();
        }
        if !settings.proxy_from_environment {
            builder = builder.no_proxy();
        }
        if let Some(proxy) = &settings.proxy_url {
            let proxy = reqwest::Proxy::all(proxy)
                .map_err(|e| NetError::Url { url: redact_url(proxy), reason: e.without_url().to_string() })?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string(&settings.no_proxy)));
        }
        Ok(HttpClient { inner: builder.build()?, settings: settings.clone() })
    }

    /// A request with authentication and the configured headers, for [`HttpClient::send`]. Credentials kept in files are read anew each time, so
    /// that they can be rotated.
    pub fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, NetError> {
        let parsed = url::Url::parse(url).map_err(|e| NetError::Url { url: redact_url(url), reason: e.to_string() })?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.settings.headers {
            let header = HeaderName::try_from(name.as_str()).map_err(|_| NetError::Header(name.clone()))?;
            headers.append(header, header_value(name, &value.read()?)?);
        }
        let request = self.inner.request(method, parsed);
        let request = match &self.settings.auth {
            None => request,
            Some(Auth::Basic { username, password }) => request.basic_auth(username.read()?, Some(password.read()?)),
            Some(Auth::Authorization { scheme, credentials }) => {
                let value = format!("{scheme} {}", credentials.read()?);
                headers.insert(AUTHORIZATION, header_value("Authorization", &value)?);
                request
            }
        };
        Ok(request.headers(headers))
    }
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, NetError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| NetError::Header(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// It is longer than the limit, before or after decompression.
    #[error("body size limit exceeded")]
    TooLarge,
    /// It is not what its `Content-Encoding` says.
    #[error("gzip: {0}")]
    Gzip(std::io::Error),
}

/// Reads a body, decompressing it as it comes if its `Content-Encoding` is gzip. The limit in bytes holds for both
/// forms; what the sender says of its length counts for nothing.
pub async fn read_body(mut response: reqwest::Response, limit: u64) -> Result<Vec<u8>, BodyError> {
    let encoding = response.headers().get(CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    let mut body = Unpacker::new(encoding.eq_ignore_ascii_case("gzip"), limit);
    while let Some(chunk) = response.chunk().await.map_err(NetError::from)? {
        body.take(&chunk)?;
    }
    body.finish()
}

/// Takes a body piece by piece.
struct Unpacker {
    limit: u64,
    received: u64,
    form: Form,
}

enum Form {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Unpacker {
    fn new(gzip: bool, limit: u64) -> Self {
        let out = Bounded { bytes: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX), full: false };
        let form = if gzip { Form::Gzip(Box::new(MultiGzDecoder::new(out))) } else { Form::Plain(out) };
        Unpacker { limit, received: 0, form }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.received = self.received.saturating_add(piece.len() as u64);
        if self.received > self.limit {
            return Err(BodyError::TooLarge);
        }
        match &mut self.form {
            Form::Plain(out) => out.write_all(piece).map_err(|_| BodyError::TooLarge),
            Form::Gzip(gz) => gz.write_all(piece).map_err(|e| why(gz.get_ref().full, e)),
        }
    }

    fn finish(self) -> Result<Vec<u8>, BodyError> {
        match self.form {
            Form::Plain(out) => Ok(out.bytes),
            Form::Gzip(mut gz) => {
                gz.try_finish().map_err(|e| why(gz.get_ref().full, e))?;
                let out = gz.finish().map_err(BodyError::Gzip)?;
                Ok(out.bytes)
            }
        }
    }
}

fn why(full: bool, error: std::io::Error) -> BodyError {
    if full { BodyError::TooLarge } else { BodyError::Gzip(error) }
}

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        if piece.len() > self.limit.saturating_sub(self.bytes.len()) {
            self.full = true;
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unpacks what comes in pieces of seven bytes.
    fn gunzip(body: &[u8], limit: u64) -> Result<Vec<u8>, BodyError> {
        let mut unpacker = Unpacker::new(true, limit);
        body.chunks(7).try_for_each(|piece| unpacker.take(piece))?;
        unpacker.finish()
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = HttpSettings {
            auth: Some(Auth::Basic { username: "me".into(), password: "hunter2".into() }),
            headers: vec![("X-Token".into(), "hunter2".into())],
            proxy_url: Some("http://me:hunter2@proxy:3128".into()),
            ..HttpSettings::default()
        };
        let client = HttpClient::new(&settings).unwrap();
        assert!(!format!("{settings:?}{client:?}").contains("hunter2"));
        let request = client.request(Method::GET, "http://127.0.0.1/").unwrap();
        assert!(!format!("{request:?}").contains("hunter2"));
        let bad = client.request(Method::GET, "ht tp://me:hunter2@host/").unwrap_err();
        assert!(!bad.to_string().contains("hunter2"), "{bad}");
    }

    #[test]
    fn a_body_may_not_grow_past_the_limit() {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(&[b'a'; 5000]).unwrap();
        let gz = writer.finish().unwrap();
        assert_eq!(gunzip(&gz, 5000).unwrap().len(), 5000);
        assert!(matches!(gunzip(&gz, 4999), Err(BodyError::TooLarge)));
        assert!(matches!(gunzip(b"plain, not compressed", 100), Err(BodyError::Gzip(_))));
        assert!(matches!(gunzip(&gz[..gz.len() - 9], 5000), Err(BodyError::Gzip(_))));
        // Several members are one body.
        let mut plain = Unpacker::new(false, 10);
        assert!(plain.take(b"0123456789").is_ok() && matches!(plain.take(b"x"), Err(BodyError::TooLarge)));
        assert_eq!(gunzip(&[&gz[..], &gz[..]].concat(), 10_000).unwrap().len(), 10_000);
    }

    #[test]
    fn credentials_in_files_are_read_at_each_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let settings = HttpSettings {
            auth: Some(Auth::Authorization { scheme: "Bearer".into(), credentials: Credential::File(path.clone()) }),
            ..HttpSettings::default()
        };
        let client = HttpClient::new(&settings).unwrap();
        let sent = |client: &HttpClient| {
            let request = client.request(Method::GET, "http://127.0.0.1/").unwrap().build().unwrap();
            request.headers()[AUTHORIZATION].to_str().unwrap().to_owned()
        };
        assert_eq!(sent(&client), "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(sent(&client), "Bearer two");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(client.request(Method::GET, "http://127.0.0.1/"), Err(NetError::File { .. })));
    }
}
