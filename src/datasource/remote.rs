//! A Prometheus-compatible server as the datasource.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::Handle;

use super::{Querier, QueryError, json};
use crate::config::{QueryMethod, RemoteDatasource};
use crate::net::{HttpClient, HttpSettings, NetError, read_body, redact_url};
use crate::promql::{CancelToken, EvalEnv, Evaluated, Plan, RequestTerms};

/// How to reach a server and what to allow it.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteSettings {
    /// The server.
    pub url: String,
    /// What stands before `/api/v1`.
    pub path_prefix: String,
    /// GET or POST.
    pub method: QueryMethod,
    /// Milliseconds a query may take.
    pub timeout: i64,
    /// Parameters of every query, for instance `nocache=1`.
    pub params: Vec<(String, String)>,
    /// The largest answer that is read, in bytes.
    pub max_answer: u64,
    /// Authentication, TLS, headers such as `X-Scope-OrgID`.
    pub http: HttpSettings,
}

impl RemoteSettings {
    /// Defaults for a server: POST, 30 s, answers up to 256 MiB.
    pub fn new(url: impl Into<String>) -> Self {
        RemoteSettings {
            url: url.into(),
            path_prefix: String::new(),
            method: QueryMethod::Post,
            timeout: 30_000,
            params: Vec::new(),
            max_answer: 256 << 20,
            http: HttpSettings::default(),
        }
    }
}

impl From<&RemoteDatasource> for RemoteSettings {
    fn from(config: &RemoteDatasource) -> Self {
        let mut http = HttpSettings::from(&config.http);
        http.headers.extend(config.headers.iter().map(|(n, v)| (n.clone(), v.expose().into())));
        RemoteSettings {
            path_prefix: config.path_prefix.clone(),
            method: config.method,
            timeout: config.timeout.millis(),
            params: config.params.iter().flat_map(|(n, v)| v.0.iter().map(|v| (n.clone(), v.clone()))).collect(),
            http,
            ..RemoteSettings::new(config.url.as_str())
        }
    }
}

/// How often a waiting query looks whether it was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(50);
/// The most of a failure's body that an error shows, in characters.
const EXCERPT: usize = 200;

/// Queries a Prometheus-compatible server. Calls block the calling thread, which must not be one of the runtime's own:
/// rules are evaluated on threads of their own.
#[derive(Clone, Debug)]
pub struct RemoteQuerier {
    client: HttpClient,
    settings: RemoteSettings,
    /// The server with the prefix.
    root: String,
    handle: Handle,
}

impl RemoteQuerier {
    /// Builds the client; `handle` is the runtime that carries the requests.
    ///
    /// # Errors
    /// The URL or the TLS settings are not usable.
    pub fn new(settings: RemoteSettings, handle: Handle) -> Result<Self, NetError> {
        let bad = |reason: String| NetError::Url { url: redact_url(&settings.url), reason };
        let url = url::Url::parse(&settings.url).map_err(|e| bad(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("the scheme is neither http nor https".into()));
        }
        let prefix = settings.path_prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let root = format!("{}{slash}{prefix}", settings.url.trim_end_matches('/'));
        Ok(RemoteQuerier { client: HttpClient::new(&settings.http)?, settings, root, handle })
    }

    /// The server, without user information.
    pub fn url(&self) -> String {
        redact_url(&self.settings.url)
    }

    /// Evaluates an expression at a time in milliseconds.
    pub fn query(&self, expr: &str, at: i64, cancel: &CancelToken) -> Result<Evaluated, QueryError> {
        self.query_with(expr, at, cancel, None)
    }

    fn query_with(
        &self,
        expr: &str,
        at: i64,
        cancel: &CancelToken,
        terms: Option<&Arc<RequestTerms>>,
    ) -> Result<Evaluated, QueryError> {
        self.ask("query", vec![("query", expr.to_owned()), ("time", seconds(at))], cancel, terms)
    }

    /// Evaluates an expression at steps; milliseconds.
    pub fn query_range(
        &self,
        expr: &str,
        start: i64,
        end: i64,
        step: i64,
        cancel: &CancelToken,
    ) -> Result<Evaluated, QueryError> {
        let times = [("start", seconds(start)), ("end", seconds(end)), ("step", seconds(step))];
        let params = std::iter::once(("query", expr.to_owned())).chain(times).collect();
        self.ask("query_range", params, cancel, None)
    }

    fn ask<'a>(
        &self,
        path: &str,
        mut params: Vec<(&'a str, String)>,
        cancel: &CancelToken,
        terms: Option<&'a Arc<RequestTerms>>,
    ) -> Result<Evaluated, QueryError> {
        let this = self.clone();
        let url = self.url_of(path, terms);
        params.extend(terms.into_iter().flat_map(|t| &t.params).map(|(n, v)| (n.as_str(), v.clone())));
        let query = self.encoded(&params);
        let terms = terms.cloned();
        let (send, receive) = sync_channel(1);
        let task = self.handle.spawn(async move {
            // The receiver is gone when the query was cancelled meanwhile.
            let _ = send.send(this.exchange(&url, query, terms.as_deref()).await);
        });
        let outcome = loop {
            match receive.recv_timeout(CANCEL_CHECK) {
                Ok(outcome) => break outcome,
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(e) = cancel.check() {
                        task.abort();
                        return Err(e.into());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failed("the process is shutting down"));
                }
            }
        };
        let (status, body) = outcome?;
        self.read(status, &body)
    }

    /// Where a tenant of a VictoriaMetrics cluster is queried, as vmalert does: `/select/0:0/prometheus/api/v1/query`.
    fn url_of(&self, path: &str, terms: Option<&Arc<RequestTerms>>) -> String {
        match terms.and_then(|t| t.tenant.as_deref()) {
            Some(tenant) => format!("{}/select/{tenant}/prometheus/api/v1/{path}", self.root),
            None => format!("{}/api/v1/{path}", self.root),
        }
    }

    fn failed(&self, why: impl std::fmt::Display) -> QueryError {
        QueryError::Transport(format!("{}: {why}", self.url()))
    }

    fn encoded(&self, params: &[(&str, String)]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(params.iter().map(|(n, v)| (*n, v.as_str())));
        form.extend_pairs(&self.settings.params);
        form.append_pair("timeout", &crate::model::duration::format(self.settings.timeout));
        form.finish()
    }

    async fn exchange(
        &self,
        url: &str,
        query: String,
        terms: Option<&RequestTerms>,
    ) -> Result<(u16, Vec<u8>), QueryError> {
        let transport = |e: NetError| self.failed(e);
        let request = match self.settings.method {
            QueryMethod::Get => self.client.request(Method::GET, &format!("{url}?{query}")),
            QueryMethod::Post => self
                .client
                .request(Method::POST, url)
                .map(|r| r.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(query)),
        };
        // A second header of one name takes the place of the first.
        let mut headers = HeaderMap::new();
        for (name, value) in terms.map(|t| &t.headers).into_iter().flatten() {
            let name = HeaderName::try_from(name).map_err(|e| self.failed(e))?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|e| self.failed(e))?);
        }
        let request = request
            .map_err(transport)?
            .headers(headers)
            .timeout(Duration::from_millis(self.settings.timeout.max(1).unsigned_abs()))
            .header(ACCEPT_ENCODING, "gzip");
        let response = self.client.send(request).await.map_err(transport)?;
        let status = response.status().as_u16();
        match read_body(response, self.settings.max_answer).await {
            Ok(body) => Ok((status, body)),
            Err(e) => Err(self.failed(e)),
        }
    }

    fn read(&self, status: u16, body: &[u8]) -> Result<Evaluated, QueryError> {
        let envelope = match json::parse(body) {
            Ok(envelope) => envelope,
            Err(reason) if (200..300).contains(&status) => {
                return Err(self.failed(format!("unexpected answer: {reason}")));
            }
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let line: String = text.lines().next().unwrap_or("").chars().take(EXCERPT).collect();
                return Err(self.failed(format!("server returned HTTP status {status}: {line}")));
            }
        };
        if envelope.status != "success" {
            return Err(QueryError::Remote { kind: envelope.error_type, message: envelope.error });
        }
        let mut answer = envelope.answer().map_err(|reason| self.failed(format!("unexpected answer: {reason}")))?;
        // A second look at the body costs something, so only where the server was asked.
        if self.settings.params.iter().any(|(name, _)| name == "stats") {
            answer.stats = json::stats(body);
        }
        Ok(answer)
    }
}

/// The server evaluates by its own settings: of `env` only the cancellation reaches it.
impl Querier for RemoteQuerier {
    fn instant(&self, plan: &Plan, at: i64, env: &EvalEnv) -> Result<Evaluated, QueryError> {
        self.query_with(plan.source(), at, &env.cancel, env.terms.as_ref())
    }

    fn range(&self, plan: &Plan, start: i64, end: i64, step: i64, env: &EvalEnv) -> Result<Evaluated, QueryError> {
        self.query_range(plan.source(), start, end, step, &env.cancel)
    }
}

/// Milliseconds as seconds with three decimals.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sent_to_the_millisecond() {
        for (millis, want) in [(0, "0.000"), (1_435_781_451_781, "1435781451.781"), (-5, "-0.005"), (15_000, "15.000")]
        {
            assert_eq!(seconds(millis), want);
        }
    }

    #[test]
    fn unusable_urls_are_refused_without_their_secrets() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for url in ["ftp://me:hunter2@host", "me:hunter2@host:9090", "http://me:hunter2@"] {
            let error = RemoteQuerier::new(RemoteSettings::new(url), runtime.handle().clone()).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let mut settings = RemoteSettings::new("http://h:9090/");
        settings.path_prefix = "/prometheus/".into();
        let querier = RemoteQuerier::new(settings, runtime.handle().clone()).unwrap();
        assert_eq!(querier.url_of("query", None), "http://h:9090/prometheus/api/v1/query");
        let terms = Arc::new(RequestTerms { tenant: Some("1:2".into()), ..RequestTerms::default() });
        let tenant = querier.url_of("query", Some(&terms));
        assert_eq!(tenant, "http://h:9090/prometheus/select/1:2/prometheus/api/v1/query");
    }
}
