//! The `watchbell` section: what Prometheus' configuration has no place for.

use std::collections::BTreeMap;
use std::path::Path;

use super::heartbeat::HeartbeatConfig;
use super::history::HistoryConfig;
use super::http::HttpClientConfig;
use super::secret::{Secret, join_dir};
use super::url::HttpUrl;
use super::yaml::{Decode, Decoder, Duration, MapReader, Node, Shape};
use crate::section;

section! {
    /// Watchbell's own settings.
    pub struct WatchbellConfig as "watchbell config" with check {
        /// What rules query: `local`, or a remote Prometheus.
        datasource: Datasource,
        /// The Alertmanager configuration: a plain `alertmanager.yml`, a Kubernetes Secret that carries one, or
        /// AlertmanagerConfig objects. Empty: alerts go to `alerting.alertmanagers` only.
        alertmanager_config: String,
        /// Where data is kept.
        data_dir: String = "data".into(),
        /// How long samples are kept; where nothing says how much, 15d.
        retention: Option<Duration>,
        /// Where HTTP is served. Only this machine by default: the API has no authorization of its own.
        listen_address: String = DEFAULT_LISTEN_ADDRESS.into(),
        /// An outside watch that is called while everything works.
        heartbeat: Option<HeartbeatConfig>,
        /// How much of the history of decisions is kept.
        history: HistoryConfig,
        /// Globs of files of silences.
        silences: Vec<String>,
        /// Globs of test files of rules: the page of rules links to them, and says which rules have no test.
        test_files: Vec<String>,
        /// The URL by which links in notifications lead back; derived from the listen address when empty.
        external_url: String,
    }
}

section! {
    /// What of the section may stand in an `alertmanager.yml` too: a server that routes alone has no other place for it.
    pub struct RoutingExtras as "watchbell section" {
        /// An outside watch that is called while everything works.
        heartbeat: Option<HeartbeatConfig>,
        /// Globs of files of silences.
        silences: Vec<String>,
    }
}

/// Beside Prometheus' 9090 and Alertmanager's 9093, so that all three run on one machine.
pub const DEFAULT_LISTEN_ADDRESS: &str = "127.0.0.1:9095";

/// What rules query.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Datasource {
    /// The in-process time series database.
    #[default]
    Local,
    /// A Prometheus-compatible HTTP API.
    Remote(Box<RemoteDatasource>),
}

section! {
    /// A Prometheus-compatible HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics.
    pub struct RemoteDatasource as "datasource" with check {
        /// The server.
        url: HttpUrl,
        /// What stands before `/api/v1`.
        path_prefix: String,
        /// More headers, such as `X-Scope-OrgID`.
        headers: BTreeMap<String, Secret>,
        /// How long one query may take.
        timeout: Duration = Duration::seconds(30),
        /// `POST` or `GET`.
        method: QueryMethod,
        /// Parameters of every query, such as `deny_partial_response`.
        params: BTreeMap<String, ParamValues>,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

/// The values of a query parameter: one, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ParamValues(pub Vec<String>);

impl Decode for ParamValues {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.items() {
            Some(_) => Vec::decode(node, d).map(ParamValues),
            None if node.text().is_some() => String::decode(node, d).map(|value| ParamValues(vec![value])),
            None => d.mismatch(node, "a string or a list of strings"),
        }
    }

    fn shape() -> Shape {
        Shape::Value("a string or a list of strings".into())
    }
}

/// What every query says itself.
const OWN_PARAMS: [&str; 6] = ["query", "time", "start", "end", "step", "timeout"];

/// How queries are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum QueryMethod {
    /// As a form: no limit on a query's length.
    #[default]
    Post,
    /// In the URL: caches on the way see it.
    Get,
}

impl Decode for QueryMethod {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some("POST" | "post") => Some(QueryMethod::Post),
            Some("GET" | "get") => Some(QueryMethod::Get),
            _ => d.mismatch(node, "GET or POST"),
        }
    }
}

impl Decode for Datasource {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some("local") => Some(Datasource::Local),
            Some(_) => d.mismatch(node, "local, or a mapping with url"),
            None => RemoteDatasource::decode(node, d).map(|r| Datasource::Remote(Box::new(r))),
        }
    }

    fn shape() -> Shape {
        Shape::Either(Box::new(Shape::Value("`local`".into())), Box::new(RemoteDatasource::shape()))
    }
}

impl RemoteDatasource {
    fn check(&mut self, m: &MapReader) {
        if !m.has("url") {
            m.error("url", "datasource needs a url");
        }
        if self.url.as_str().contains(['?', '#']) {
            m.error("url", "a datasource's url cannot hold a query; parameters of every query go under params");
        }
        if let Some(name) = OWN_PARAMS.iter().find(|name| self.params.contains_key(**name)) {
            m.error("params", format!("params cannot set {name}: each query has its own"));
        }
        if self.timeout.0 == 0 {
            m.error("timeout", "timeout cannot be zero");
        }
    }
}

impl WatchbellConfig {
    fn check(&mut self, m: &MapReader) {
        if self.retention == Some(Duration(0)) {
            m.error("retention", "retention cannot be zero");
        }
        if self.listen_address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            m.error("listen_address", format!("expected host:port, found {:?}", self.listen_address));
        }
        if !self.external_url.is_empty()
            && let Err(e) = HttpUrl::parse(&self.external_url)
        {
            m.error("external_url", e);
        }
    }

    /// Adds what the routing configuration says; a heartbeat of its own stays.
    pub fn adopt(&mut self, extras: &RoutingExtras) {
        self.silences.extend(extras.silences.iter().cloned());
        if self.heartbeat.is_none() {
            self.heartbeat.clone_from(&extras.heartbeat);
        }
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        self.alertmanager_config = join_dir(dir, &self.alertmanager_config);
        self.data_dir = join_dir(dir, &self.data_dir);
        self.test_files.iter_mut().for_each(|pattern| *pattern = join_dir(dir, pattern));
        self.silences.iter_mut().for_each(|pattern| *pattern = join_dir(dir, pattern));
        if let Datasource::Remote(remote) = &mut self.datasource {
            remote.http.resolve_paths(dir);
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.http.resolve_paths(dir);
        }
    }
}

impl RoutingExtras {
    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        self.silences.iter_mut().for_each(|pattern| *pattern = join_dir(dir, pattern));
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.http.resolve_paths(dir);
        }
    }
}
