//! HTTP out: one way to build clients, with TLS by rustls and ring, and one way to authenticate, for scrapes, remote
//! write, remote datasources and receivers. No error and no `Debug` text of this module shows a secret.

mod body;
pub mod descriptors;
mod error;
mod redirect;
mod secret;
mod tls;

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};

use crate::config::HttpClientConfig;

pub use crate::config::redact::redact_url;
pub use body::{BodyError, Unpacker, read_body};
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

#[cfg(test)]
mod tests {
    use super::*;

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
