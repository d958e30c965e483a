//! A client: requests that say who they are from, and their way to the answer. Redirects are followed as Go follows them,
//! with the difference that what proves who we are stays with the server it was meant for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION};
use reqwest::header::{HeaderMap, HeaderName, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use reqwest::{Method, Request, RequestBuilder, Response, StatusCode};
use url::Url;

use super::aws;
use super::cloud;
use super::connections::{Connections, Way};
use super::error::NetError;
use super::oauth2::TokenSource;
use super::secret::header_value;
use super::settings::{Auth, HttpSettings};
use super::signer::Signer;
use super::veil::Veil;
use crate::clock::Stopwatch;
use crate::config::redact::redact_url;

/// How often one request is redirected, as in Go.
const MOST: usize = 10;

/// A client for one set of [`HttpSettings`]. Cloning shares connections.
#[derive(Clone)]
pub struct HttpClient {
    connections: Arc<Connections>,
    tokens: Option<Arc<TokenSource>>,
    signer: Option<Arc<Signer>>,
    settings: Arc<HttpSettings>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.settings).finish()
    }
}

impl HttpClient {
    /// Builds a client.
    ///
    /// # Errors
    /// A file that TLS or an identity needs cannot be read, a proxy cannot be used, a secret stands in a secret manager.
    pub fn new(settings: &HttpSettings) -> Result<Self, NetError> {
        if let Some(key) = settings.secret_reference {
            return Err(NetError::SecretReference(key));
        }
        for (name, _) in &settings.headers {
            HeaderName::try_from(name.as_str()).map_err(|_| NetError::Header(name.clone()))?;
        }
        let way = Way {
            tls: settings.tls.clone(),
            proxy: settings.proxy.clone(),
            http2: settings.enable_http2,
            unix_socket: settings.unix_socket.clone(),
        };
        let connections = Arc::new(Connections::new(way)?);
        let tokens = match &settings.auth {
            Some(Auth::OAuth2(oauth2)) => Some(Arc::new(TokenSource::new(oauth2)?)),
            Some(Auth::AzureAd(identity)) => {
                Some(Arc::new(TokenSource::new(&cloud::azure_ad(identity, &aws::variable)?)?))
            }
            Some(Auth::GoogleIam(identity)) => {
                let found = cloud::google(&identity.credentials_file, cloud::MONITORING, &aws::variable)?;
                Some(Arc::new(TokenSource::new(&found)?))
            }
            _ => None,
        };
        let signer = match &settings.auth {
            Some(Auth::SigV4(sigv4)) => Some(Arc::new(Signer::new(sigv4))),
            _ => None,
        };
        Ok(HttpClient { connections, tokens, signer, settings: Arc::new(settings.clone()) })
    }

    /// The connections alone: nothing is added to requests, and no redirect is followed.
    pub fn plain(&self) -> reqwest::Client {
        self.connections.client()
    }

    /// A request with authentication and the configured headers, for [`HttpClient::send`]. Credentials kept in files are
    /// read anew each time, so that they can be rotated.
    ///
    /// # Errors
    /// The URL or a header is none, or a file cannot be read.
    pub fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, NetError> {
        let parsed = Url::parse(url).map_err(|e| NetError::Url { url: redact_url(url), reason: e.to_string() })?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.settings.headers {
            let header = HeaderName::try_from(name.as_str()).map_err(|_| NetError::Header(name.clone()))?;
            headers.append(header, header_value(name, &value.read()?)?);
        }
        let request = self.connections.as_built().request(method, parsed);
        let request = match &self.settings.auth {
            None | Some(Auth::OAuth2(_) | Auth::SigV4(_) | Auth::AzureAd(_) | Auth::GoogleIam(_)) => request,
            Some(Auth::Basic { username, password }) => request.basic_auth(username.read()?, Some(password.read()?)),
            Some(Auth::Authorization { scheme, credentials }) => {
                let value = format!("{scheme} {}", credentials.read()?);
                headers.insert(AUTHORIZATION, header_value("Authorization", &value)?);
                request
            }
        };
        Ok(request.headers(headers))
    }

    /// Sends a request and follows redirects where the settings say so. To another server (host, port, or from https to
    /// http) no credentials go: no authorization, no configured header, no header that is marked sensitive.
    ///
    /// # Errors
    /// The request failed on its way.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, NetError> {
        self.exchange(request, false).await
    }

    /// As [`HttpClient::send`], for a request whose body holds a secret: a redirect that would take it to another
    /// server is an error.
    ///
    /// # Errors
    /// The request failed on its way, or would leave it.
    pub async fn send_secret(&self, request: RequestBuilder) -> Result<Response, NetError> {
        self.exchange(request, true).await
    }

    async fn exchange(&self, request: RequestBuilder, secret_body: bool) -> Result<Response, NetError> {
        let mut request = request.build()?;
        only_own_authorization(request.headers_mut());
        let clock = TimeLimit { watch: Stopwatch::start(), limit: request.timeout().copied() };
        if let Some(signer) = &self.signer {
            // Where a signed request is redirected to, the signature does not hold.
            let plain = self.plain();
            let signing = signer.sign(&mut request, &plain);
            match clock.limit {
                Some(limit) => tokio::time::timeout(limit, signing).await.map_err(|_| NetError::Timeout)??,
                None => signing.await?,
            }
            clock.set(&mut request)?;
        }
        let Some(tokens) = &self.tokens else { return self.follow(request, secret_body, &clock).await };
        let (url, again) = (request.url().clone(), request.try_clone());
        let (token, fresh) = tokens.authorization(clock.limit).await?;
        authorize(&mut request, &token)?;
        clock.set(&mut request)?;
        let response = self.follow(request, secret_body, &clock).await?;
        let refused = response.status() == StatusCode::UNAUTHORIZED && same_server(&url, response.url());
        // A token that was had just now would be no better had again.
        let Some(mut request) = again.filter(|_| refused && !fresh) else { return Ok(response) };
        tokens.forget(&token).await;
        let (token, _) = tokens.authorization(clock.left()?).await?;
        authorize(&mut request, &token)?;
        clock.set(&mut request)?;
        self.follow(request, secret_body, &clock).await
    }

    /// Executes a request and those it is redirected to. The answer carries a [`Veil`] of the request's credentials.
    async fn follow(&self, request: Request, secret: bool, clock: &TimeLimit) -> Result<Response, NetError> {
        let mut veil = Veil::default();
        veil.hide_headers(request.headers());
        let mut response = self.followed(request, secret, clock).await?;
        response.extensions_mut().insert(veil);
        Ok(response)
    }

    async fn followed(&self, mut request: Request, secret: bool, clock: &TimeLimit) -> Result<Response, NetError> {
        let client = self.connections.client();
        if !self.settings.follow_redirects {
            return Ok(client.execute(request).await?);
        }
        for _ in 0..MOST {
            let again = request.try_clone();
            let response = client.execute(request).await?;
            let Some((again, next)) = again.zip(location(&response)?) else { return Ok(response) };
            request = self.redirected(&client, again, next, response.status(), secret)?;
            clock.set(&mut request)?;
        }
        Err(NetError::Transport(format!("stopped after {MOST} redirects")))
    }

    fn redirected(
        &self,
        client: &reqwest::Client,
        old: Request,
        next: Url,
        status: StatusCode,
        secret: bool,
    ) -> Result<Request, NetError> {
        let same = same_server(old.url(), &next);
        let mut headers = old.headers().clone();
        if !same {
            self.drop_credentials(&mut headers);
        }
        let keeps_body = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let reads = matches!(*old.method(), Method::GET | Method::HEAD);
        let method = if keeps_body || reads { old.method().clone() } else { Method::GET };
        let body = old.body().filter(|_| keeps_body).and_then(|b| b.as_bytes()).map(<[u8]>::to_vec);
        if body.is_none() {
            for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
                headers.remove(name);
            }
        } else if secret && !same {
            let host = redact_url(next.as_str());
            return Err(NetError::Transport(format!("redirected to {host:?}: a secret does not go to another server")));
        }
        let mut builder = client.request(method, next).headers(headers);
        builder = match body {
            Some(body) => builder.body(body),
            None => builder,
        };
        builder = match old.timeout() {
            Some(timeout) => builder.timeout(*timeout),
            None => builder,
        };
        Ok(builder.build()?)
    }

    fn drop_credentials(&self, headers: &mut HeaderMap) {
        let sensitive: Vec<_> = headers.iter().filter(|(_, v)| v.is_sensitive()).map(|(n, _)| n.clone()).collect();
        sensitive.into_iter().chain([AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION]).for_each(|name| {
            headers.remove(name);
        });
        for (name, _) in &self.settings.headers {
            headers.remove(name.as_str());
        }
    }
}

/// The time limit of a request, which is that of all requests it leads to together.
struct TimeLimit {
    watch: Stopwatch,
    limit: Option<Duration>,
}

impl TimeLimit {
    fn left(&self) -> Result<Option<Duration>, NetError> {
        self.limit.map(|limit| limit.checked_sub(self.watch.elapsed()).ok_or(NetError::Timeout)).transpose()
    }

    fn set(&self, request: &mut Request) -> Result<(), NetError> {
        *request.timeout_mut() = self.left()?;
        Ok(())
    }
}

/// What a receiver says of itself stands last, and goes before what its `http_config` says.
fn only_own_authorization(headers: &mut HeaderMap) {
    let own = headers.get_all(AUTHORIZATION).iter().next_back().cloned();
    own.into_iter().for_each(|own| drop(headers.insert(AUTHORIZATION, own)));
}

fn authorize(request: &mut Request, token: &str) -> Result<(), NetError> {
    request.headers_mut().insert(AUTHORIZATION, header_value("Authorization", token)?);
    Ok(())
}

/// Where an answer sends its reader.
fn location(response: &Response) -> Result<Option<Url>, NetError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(to) = response.headers().get(LOCATION) else { return Ok(None) };
    let bad = |url: &str, reason: String| NetError::Url { url: redact_url(url), reason };
    let to = to.to_str().map_err(|e| bad("", e.to_string()))?;
    let next = response.url().join(to).map_err(|e| bad(to, e.to_string()))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(bad(next.as_str(), "unsupported protocol scheme".into()));
    }
    Ok(Some(next))
}

/// Whether two URLs lead to one server by a way that is no less safe: the same port, or from http to https with the
/// usual ports.
fn same_server(from: &Url, to: &Url) -> bool {
    let port = |url: &Url| url.port_or_known_default();
    let upgraded = from.scheme() == "http" && to.scheme() == "https" && port(from) == Some(80) && port(to) == Some(443);
    from.host() == to.host() && (upgraded || (from.scheme() == to.scheme() && port(from) == port(to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;
    use crate::net::{Credential, ProxySettings};

    #[test]
    fn a_server_is_host_and_port_and_no_less_safe() {
        let same = |a: &str, b: &str| same_server(&Url::parse(a).unwrap(), &Url::parse(b).unwrap());
        assert!(same("http://a/x", "http://a:80/y"));
        assert!(same("http://a/x", "https://a/x"));
        assert!(!same("https://a/x", "http://a/x"));
        assert!(!same("http://a/x", "http://b/x"));
        assert!(!same("http://a/x", "http://a:81/x"));
        assert!(!same("http://a:81/x", "https://a:82/x"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = HttpSettings {
            auth: Some(Auth::Basic { username: "me".into(), password: "hunter2".into() }),
            headers: vec![("X-Token".into(), "hunter2".into())],
            proxy: ProxySettings { url: Some(Secret::new("http://me:hunter2@proxy:3128")), ..ProxySettings::default() },
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
