//! Redirects: followed as Go follows them, with the difference that what proves who we are stays with the server it was
//! meant for.

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION};
use reqwest::header::{HeaderMap, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use reqwest::{Method, Request, RequestBuilder, Response, StatusCode};
use url::Url;

use super::{HttpClient, NetError};
use crate::clock::Stopwatch;
use crate::config::redact::redact_url;

/// How often one request is redirected, as in Go.
const MOST: usize = 10;

impl HttpClient {
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
        if !self.settings.follow_redirects {
            return Ok(self.inner.execute(request).await?);
        }
        let (watch, limit) = (Stopwatch::start(), request.timeout().copied());
        for _ in 0..MOST {
            let again = request.try_clone();
            let response = self.inner.execute(request).await?;
            let Some((again, next)) = again.zip(location(&response)?) else { return Ok(response) };
            request = self.redirected(again, next, response.status(), secret_body)?;
            // The time limit is that of all requests together.
            if let (Some(limit), Some(left)) = (limit, request.timeout_mut()) {
                *left = limit.checked_sub(watch.elapsed()).ok_or(NetError::Timeout)?;
            }
        }
        Err(NetError::Transport(format!("stopped after {MOST} redirects")))
    }

    fn redirected(&self, old: Request, next: Url, status: StatusCode, secret: bool) -> Result<Request, NetError> {
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
        let mut builder = self.inner.request(method, next).headers(headers);
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
}
