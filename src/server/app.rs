//! What the handlers share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::datasource::Querier;
use crate::datasource::query_log::QueryLog;
use crate::engine::live::Live;
use crate::ingest::admission::Admission;
use crate::ingest::otlp::{Cumulative, OtlpSettings};
use crate::ingest::remote_write::send::RemoteWriters;
use crate::ingest::remote_write::{Protocol, Receiver};
use crate::ingest::scrape::ScrapeManager;
use crate::model::Labels;
use crate::notify::alertmanagers::Forwarder;
use crate::notify::drill::Drills;
use crate::notify::plots::Plots;
use crate::notify::status::Statuses;
use crate::notify::{IntegrationId, Notification, Outcome};
use crate::template::alertmanager::Templates;
use crate::tsdb::Tsdb;

use super::api_metrics::{ApiMetrics, MetricLabels};
use super::error::ApiError;
use super::fired::Fired;
use super::history_readers::HistoryReaders;
use super::limits::ReadLimits;
use super::measured::Measured;
use super::notices::Notices;
use super::origins::Origins;
use super::queries::Queries;
use super::requests::HttpMetrics;
use super::rule_tests::RuleTests;
use super::web::WebAccess;
use crate::instrument::Registry;
use crate::instrument::spans::Tracer;

/// A running service, as its handlers see it.
pub struct App {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Our series.
    pub storage: Tsdb,
    /// Answers queries: over our series, or over those of the configured datasource.
    pub querier: ArcSwap<Arc<dyn Querier>>,
    /// Takes remote write.
    pub receiver: Receiver,
    /// How OpenTelemetry's metrics are stored.
    pub otlp: ArcSwap<OtlpSettings>,
    /// OpenTelemetry's deltas, added up.
    pub cumulative: Cumulative,
    /// How much memory the bodies that are posted to Alertmanager's API may hold.
    pub posts: Admission,
    /// Where queries are noted.
    pub query_log: Arc<QueryLog>,
    /// What rules measured lately, for pages.
    pub measured: Measured,
    /// Queries of clients.
    pub queries: Queries,
    /// Rules, alerts, routing.
    pub engine: Live,
    /// What was decided; nothing where no history is kept.
    pub history: Option<Arc<HistoryReaders>>,
    /// Why no decisions are recorded, where they should be.
    pub unrecorded: Option<String>,
    /// How often rules fired.
    pub fired: Fired,
    /// Tells receivers of tests.
    pub tester: Tester,
    /// How deliveries stand.
    pub deliveries: Arc<Statuses>,
    /// Sends alerts to external Alertmanagers.
    pub forwarder: Arc<Forwarder>,
    /// Sends samples on.
    pub writers: Arc<RemoteWriters>,
    /// What was told in drills.
    pub drills: Arc<Drills>,
    /// The plots of messages.
    pub plots: Arc<Plots>,
    /// Scrape pools.
    pub scrapes: Arc<ScrapeManager>,
    /// What does not change while the service runs.
    pub service: Service,
    /// The configuration in force, for display.
    pub config: ArcSwap<ConfigView>,
    /// Asks the service to do something.
    pub control: Control,
    /// Everything that is exposed.
    pub registry: Registry,
    /// Who may connect, and how; anyone over plain HTTP where nothing is said.
    pub web: Option<Arc<WebAccess>>,
    /// What Alertmanager's API counts.
    pub api_metrics: ApiMetrics,
    /// What handlers count.
    pub http: HttpMetrics,
    /// Where spans of requests are noted.
    pub tracer: Tracer,
    /// Places for remote reads.
    pub reads: Arc<Semaphore>,
    /// What users of the API should know.
    pub notices: Notices,
}

/// One attempt to deliver a notification.
pub type Deliver = Arc<dyn Fn(Notification) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// Delivers test messages, for one client at a time.
pub struct Tester {
    /// How one is delivered.
    pub deliver: Deliver,
    /// Whose turn it is.
    pub turn: Semaphore,
}

impl Tester {
    /// Delivers by `deliver`.
    pub fn new(deliver: Deliver) -> Self {
        Tester { deliver, turn: Semaphore::new(1) }
    }
}

/// Bounds of what Alertmanager's clients may ask; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertmanagerLimits {
    /// `--silences.max-silences`: silences that are kept, expired ones included.
    pub silences: usize,
    /// `--silences.max-silence-size-bytes`
    pub silence_bytes: usize,
    /// `--log.silences`: whether changes of silences are logged.
    pub log_silences: bool,
    /// `--web.get-concurrency`: GET requests that are answered at once.
    pub gets: usize,
    /// `--web.timeout`: how long an answer may take, milliseconds.
    pub timeout: u64,
}

/// What does not change while the service runs.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// When it started, milliseconds.
    pub started_at: i64,
    /// Flags and their values, ascending by name.
    pub flags: Vec<(String, String)>,
    /// Where users reach the server, without a slash at the end.
    pub external_url: String,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// What stands before every path: empty, or a slash and a path without a slash at its end.
    pub route_prefix: String,
    /// Whether only Alertmanager's half of the service is there, and Prometheus' API is not.
    pub alertmanager_alone: bool,
    /// The one member of the cluster that Alertmanager's clients look for: its name and its address. Empty: no cluster.
    pub cluster: Option<(String, String)>,
    /// Bounds of what Alertmanager's clients may ask.
    pub limits: AlertmanagerLimits,
    /// Which labels Alertmanager's metrics have beyond their usual ones.
    pub metric_labels: MetricLabels,
    /// What pages in browsers may do.
    pub origins: Origins,
    /// Whether the configuration is read again when its files change.
    pub auto_reload: bool,
    /// Whether `/api/v1/admin` may be used.
    pub admin_api: bool,
    /// How many clients may follow notifications.
    pub live_subscribers: usize,
    /// Bounds of remote reads.
    pub reads: ReadLimits,
    /// Messages of remote write that are taken in; all when empty.
    pub write_protocols: Vec<Protocol>,
    /// Whether `/-/reload` and `/-/quit` may be used.
    pub lifecycle: bool,
    /// Whether remote writes are taken in.
    pub remote_write_receiver: bool,
    /// Whether OTLP is taken.
    pub otlp_receiver: bool,
}

/// The configuration in force, for display: secrets are masked.
#[derive(Clone, Debug, Default)]
pub struct ConfigView {
    /// The configuration file's text.
    pub yaml: String,
    /// The routing configuration's text.
    pub alertmanager_yaml: String,
    /// The receivers, in the order of the configuration.
    pub receivers: Vec<ReceiverView>,
    /// URLs of external Alertmanagers, without secrets.
    pub alertmanagers: Arc<ArcSwap<Vec<String>>>,
    /// Labels of everything that leaves this instance.
    pub external_labels: Labels,
    /// Message templates.
    pub templates: Arc<Templates>,
    /// Where rules are tested.
    pub tests: Arc<RuleTests>,
    /// When it was put in force, milliseconds.
    pub loaded_at: i64,
    /// Whether the last attempt to reload succeeded.
    pub reload_succeeded: bool,
}

/// A receiver, for display.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverView {
    /// Its name.
    pub name: String,
    /// Its labels, its name among them as `name` unless it says otherwise.
    pub labels: Labels,
    /// Its integrations.
    pub integrations: Vec<IntegrationId>,
}

/// A request to the service's main task.
#[derive(Debug)]
pub enum ControlRequest {
    /// Read the configuration again. The answer tells what was wrong with it.
    Reload(oneshot::Sender<Result<(), String>>),
    /// End.
    Quit,
}

/// Sends requests to the service's main task.
#[derive(Clone, Debug)]
pub struct Control(mpsc::Sender<ControlRequest>);

impl Control {
    /// A handle and the end where requests arrive.
    pub fn channel() -> (Control, mpsc::Receiver<ControlRequest>) {
        let (sender, receiver) = mpsc::channel(16);
        (Control(sender), receiver)
    }

    /// Reads the configuration again.
    ///
    /// # Errors
    /// What is wrong with it; the last good one stays in force.
    pub async fn reload(&self) -> Result<(), ApiError> {
        let gone = || ApiError::Unavailable("the server is shutting down".into());
        let (answer, answered) = oneshot::channel();
        self.0.send(ControlRequest::Reload(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(ApiError::Internal)
    }

    /// Ends the service.
    pub async fn quit(&self) {
        // When nobody listens, the service is ending already.
        let _ = self.0.send(ControlRequest::Quit).await;
    }
}
