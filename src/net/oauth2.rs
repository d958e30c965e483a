//! OAuth 2.0 without a user: tokens for client credentials (RFC 6749, 4.4) or for a signed assertion (RFC 7523), had when
//! one is needed and kept until they expire.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::assertion::Assertion;
use super::body::read_body;
use super::connections::{Connections, Way};
use super::error::NetError;
use super::proxy::ProxySettings;
use super::secret::{Credential, header_value};
use super::tls::TlsSettings;
use super::veil::Veil;
use crate::clock::Stopwatch;
use crate::config::redact::redact_url;

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);
/// How long getting a token may take where the request that waits for it has no limit.
const LONGEST: Duration = Duration::from_secs(30);
/// Most bytes of an answer.
const LONGEST_ANSWER: u64 = 1 << 20;
const FORM: &str = "application/x-www-form-urlencoded";

/// Where tokens are had, and how (Prometheus' `oauth2`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Settings {
    /// Who asks.
    pub client_id: String,
    /// The secret that proves it; of a signed assertion, the key in PEM.
    pub client_secret: Credential,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// Where tokens are had.
    pub token_url: String,
    /// More parameters of that request.
    pub endpoint_params: BTreeMap<String, String>,
    /// TLS towards it.
    pub tls: TlsSettings,
    /// Proxy towards it.
    pub proxy: ProxySettings,
    /// Ask by a signed assertion instead of a secret.
    pub assertion: Option<Assertion>,
    /// Ask by this request instead.
    pub request: Option<TokenRequest>,
}

/// A request for a token: a form that is posted, or a question where there is none.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// What is posted.
    pub form: Vec<(&'static str, Credential)>,
    /// Headers. Their values are not shown.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("TokenRequest").field("form", &self.form).field("headers", &names).finish()
    }
}

/// A token, and of which secret it is.
struct Token {
    /// The value of `Authorization`.
    header: String,
    secret: String,
    since: Stopwatch,
    lasts: Option<Duration>,
}

impl Token {
    fn is_good(&self, secret: &str) -> bool {
        self.secret == secret && self.lasts.is_none_or(|lasts| self.since.elapsed() + MARGIN < lasts)
    }
}

/// What a source remembers. Held while a token is on its way, so that many requests ask once.
#[derive(Default)]
struct Kept {
    token: Option<Token>,
    /// The server does not take the secret in a header but wants it in the form.
    in_form: bool,
}

/// Gives tokens.
pub(super) struct TokenSource {
    settings: OAuth2Settings,
    connections: Connections,
    kept: Mutex<Kept>,
}

impl TokenSource {
    /// # Errors
    /// A file that TLS needs cannot be read, or the URL is none.
    pub fn new(settings: &OAuth2Settings) -> Result<Self, NetError> {
        let bad = |reason: String| NetError::Url { url: redact_url(&settings.token_url), reason };
        let url = url::Url::parse(&settings.token_url).map_err(|e| bad(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("unsupported scheme {:?}", url.scheme())));
        }
        if let Some(assertion) = &settings.assertion {
            assertion.check()?;
        }
        let way = Way { tls: settings.tls.clone(), proxy: settings.proxy.clone(), http2: true, unix_socket: None };
        Ok(TokenSource { settings: settings.clone(), connections: Connections::new(way)?, kept: Mutex::default() })
    }

    /// The value of `Authorization`, and whether it was had just now.
    ///
    /// # Errors
    /// No token could be had.
    pub async fn authorization(&self, limit: Option<Duration>) -> Result<(String, bool), NetError> {
        let secret = self.settings.client_secret.read()?;
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.token.as_ref().filter(|t| t.is_good(&secret)) {
            return Ok((token.header.clone(), false));
        }
        kept.token = None;
        let fetched = tokio::time::timeout(limit.unwrap_or(LONGEST), self.fetch(secret, &mut kept));
        let token = fetched.await.map_err(|_| self.failed(NetError::Timeout))??;
        let header = token.header.clone();
        kept.token = Some(token);
        Ok((header, true))
    }

    /// Forgets a token that was refused.
    pub async fn forget(&self, header: &str) {
        let mut kept = self.kept.lock().await;
        kept.token = kept.token.take().filter(|token| token.header != header);
    }

    async fn fetch(&self, secret: String, kept: &mut Kept) -> Result<Token, NetError> {
        if let Some(request) = &self.settings.request {
            return self.ask_directly(request, secret).await?.map_err(refused);
        }
        if let Some(assertion) = &self.settings.assertion {
            let OAuth2Settings { client_id, scopes, token_url, .. } = &self.settings;
            let mut form = assertion.form(&secret, client_id, scopes, token_url)?;
            form.extend(self.form().into_iter().filter(|(name, _)| name != "grant_type"));
            return self.ask(form, None, secret).await?.map_err(refused);
        }
        if !kept.in_form {
            match self.ask(self.form(), Some(self.basic(&secret)), secret.clone()).await? {
                Ok(token) => return Ok(token),
                Err(_) => kept.in_form = true,
            }
        }
        let mut form = self.form();
        form.push(("client_id".into(), self.settings.client_id.clone()));
        if !secret.is_empty() {
            form.push(("client_secret".into(), secret.clone()));
        }
        self.ask(form, None, secret).await?.map_err(|reason| {
            // The next attempt tries both ways again.
            kept.in_form = false;
            refused(reason)
        })
    }

    fn form(&self) -> Vec<(String, String)> {
        let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        if !self.settings.scopes.is_empty() {
            form.push(("scope".into(), self.settings.scopes.join(" ")));
        }
        let given = &self.settings.endpoint_params;
        form.retain(|(name, _)| !given.contains_key(name));
        form.extend(given.iter().map(|(n, v)| (n.clone(), v.clone())));
        form
    }

    /// Name and secret as a form writes them, then as basic authentication does (RFC 6749, 2.3.1).
    fn basic(&self, secret: &str) -> String {
        let escaped = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", BASE64.encode(format!("{}:{}", escaped(&self.settings.client_id), escaped(secret))))
    }

    /// One request as it was given. The inner error is the server's refusal.
    async fn ask_directly(&self, given: &TokenRequest, secret: String) -> Result<Result<Token, String>, NetError> {
        let (client, url) = (self.connections.client(), &self.settings.token_url);
        let mut request = match given.form.is_empty() {
            true => client.get(url),
            false => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in &given.form {
                    form.append_pair(name, &value.read()?);
                }
                client.post(url).header(CONTENT_TYPE, FORM).body(form.finish())
            }
        };
        for (name, value) in &given.headers {
            request = request.header(*name, header_value(name, value)?);
        }
        self.answer(request, secret).await
    }

    /// One request. The inner error is the server's refusal.
    async fn ask(
        &self,
        form: Vec<(String, String)>,
        authorization: Option<String>,
        secret: String,
    ) -> Result<Result<Token, String>, NetError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request =
            self.connections.client().post(&self.settings.token_url).header(CONTENT_TYPE, FORM).body(body);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, header_value("Authorization", &value)?);
        }
        self.answer(request, secret).await
    }

    async fn answer(&self, request: RequestBuilder, secret: String) -> Result<Result<Token, String>, NetError> {
        let since = Stopwatch::start();
        let response = request.send().await.map_err(|e| self.failed(e.into()))?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let answer = match read_body(response, LONGEST_ANSWER).await {
            Ok(answer) => answer,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let fields = fields(&kind, &answer);
        if !status.is_success() {
            let mut veil = Veil::default();
            veil.hide(&secret);
            let why = fields.get("error").map(|e| format!(": {}", veil.cover(e))).unwrap_or_default();
            return Ok(Err(format!("unexpected status code {}{why}", status.as_u16())));
        }
        let Some(token) = fields.get("access_token").filter(|t| !t.is_empty()) else {
            return Ok(Err("server response missing access_token".into()));
        };
        let scheme = scheme(fields.get("token_type").map_or("", String::as_str));
        let seconds = fields.get("expires_in").and_then(|s| s.parse::<f64>().ok()).filter(|s| *s >= 1.0);
        let lasts = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        Ok(Ok(Token { header: format!("{scheme} {token}"), secret, since, lasts }))
    }

    /// Of two requests, which one it was that did not come through: the caller names the other.
    fn failed(&self, error: NetError) -> NetError {
        let is_question = self.settings.request.as_ref().is_some_and(|request| request.form.is_empty());
        let method = if is_question { "Get" } else { "Post" };
        NetError::Transport(format!("{method} {:?}: {error}", redact_url(&self.settings.token_url)))
    }
}

fn refused(reason: String) -> NetError {
    NetError::Transport(format!("oauth2: cannot fetch token: {reason}"))
}

/// The scheme of `Authorization` for a type of token; those that Go knows are written as it writes them.
fn scheme(token_type: &str) -> String {
    match token_type.to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer".into(),
        "basic" => "Basic".into(),
        "mac" => "MAC".into(),
        _ => token_type.to_owned(),
    }
}

/// The fields of an answer, which is JSON, or a form where it says so.
fn fields(content_type: &str, answer: &[u8]) -> BTreeMap<String, String> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if matches!(kind, FORM | "text/plain") {
        return url::form_urlencoded::parse(answer).into_owned().collect();
    }
    let Ok(Json::Object(fields)) = serde_json::from_slice(answer) else { return BTreeMap::new() };
    let text = |value: Json| match value {
        Json::String(text) => Some(text),
        Json::Number(n) => Some(n.to_string()),
        _ => None,
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_or_forms() {
        let json = fields("application/json; charset=utf-8", br#"{"access_token":"a","expires_in":"60","x":null}"#);
        assert_eq!((json["access_token"].as_str(), json["expires_in"].as_str()), ("a", "60"));
        assert_eq!(fields("", br#"{"expires_in":3600}"#)["expires_in"], "3600");
        let form = fields("application/x-www-form-urlencoded", b"access_token=a%20b&token_type=bearer");
        assert_eq!(form["access_token"], "a b");
        assert!(fields("text/html", b"<html>").is_empty());
        assert_eq!([scheme(""), scheme("bearer"), scheme("mac"), scheme("Own")], ["Bearer", "Bearer", "MAC", "Own"]);
    }

    #[test]
    fn a_token_is_left_ten_seconds_before_its_end_and_with_its_secret() {
        let token = |lasts: Option<u64>| Token {
            header: "Bearer t".into(),
            secret: "s".into(),
            since: Stopwatch::start(),
            lasts: lasts.map(Duration::from_secs),
        };
        assert!(token(None).is_good("s") && token(Some(3600)).is_good("s"));
        assert!(!token(Some(10)).is_good("s") && !token(None).is_good("other"));
    }
}
