//! The parts of a service, wired together; reloads; the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::alerting::schedule::Schedule;
use crate::alerting::world::{RuleContext, StorageWorld};
use crate::clock::{Clock, WallClock};
use crate::config::{Datasource, redact};
use crate::datasource::{
    FanoutQuerier, FanoutStorage, LocalQuerier, Querier, RemoteQuerier, RemoteReadSettings, RemoteSettings,
};
use crate::engine::DataAtStart;
use crate::engine::live::{Live, LiveError, Notifier as _, Parts as EngineParts};
use crate::ingest::otlp::OtlpSettings;
use crate::ingest::remote_write::send::{RemoteWriteSettings, RemoteWriters};
use crate::ingest::remote_write::{ReceiveLimits, Receiver};
use crate::ingest::scrape::{ScrapeManager, ScrapeSettings};
use crate::instrument::{Collect, Process, Registry};
use crate::model::Diagnostic;
use crate::net;
use crate::notify::receivers::SetupError;
use crate::promql::{Common, CompileOptions, EvalEnv, Limits};
use crate::server::requests::HttpMetrics;
use crate::server::telemetry::AppMetrics;
use crate::server::{self, ApiMetrics, App, ConfigView, Control, ControlRequest, Queries, Tester, WebAccess};
use crate::state::{DiskStore, StateError, StateStore};
use crate::tsdb::{Tsdb, TsdbError, TsdbOptions};

use super::alertmanagers::{self, Alertmanagers};
use super::clock_watch::{self, ClockSteps};
use super::first_data;
use super::heartbeat::Heartbeat;
use super::notifier::ConfiguredNotifier;
use super::options::{ServiceOptions, Source};
use super::owner;
use super::prepare::Prepared;
use super::renderer::TemplateRenderer;
use super::shown;
use super::traces::{Exporter, TracedWorld};

/// How long deliveries under way have to end when the service does.
const GRACE: Duration = Duration::from_secs(5);
/// Damaged places that are logged when storage is opened.
const MAX_DAMAGES_TOLD: usize = 20;
/// Templates that fail on samples, of which the log tells when a configuration is read.
const MAX_WARNINGS: usize = 20;
/// How often the database is maintained.
const MAINTENANCE: Duration = Duration::from_secs(60);

/// Why a service did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration is not good.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Diagnostic>),
    /// Receivers cannot be set up.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Receivers(Vec<SetupError>),
    /// The database cannot be opened.
    #[error(transparent)]
    Storage(#[from] TsdbError),
    /// The state store cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The web configuration is not good.
    #[error("web configuration: {0}")]
    Web(String),
    /// The address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The operating system refused something.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// Storage that a service goes on with: of its data directory, or what a demo has filled.
pub struct Parts {
    /// Series.
    pub storage: Tsdb,
    /// Alerts, silences, notifications.
    pub store: Arc<dyn StateStore>,
}

impl Parts {
    /// Opens the storage in a data directory; reports what a crash has damaged.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(dir: &Path, retention: i64) -> Result<Parts, ServiceError> {
        let dirs = ["tsdb", "state", "state.rescue"].map(|name| dir.join(name));
        owner::claim(dir, &dirs)?;
        let (storage, recovery) = Tsdb::open(dir.join("tsdb"), TsdbOptions { retention_ms: retention })?;
        for damage in recovery.damages.iter().take(MAX_DAMAGES_TOLD) {
            tracing::error!(damage = %damage, "storage is damaged; everything else is kept");
        }
        let more = recovery.damages.len().saturating_sub(MAX_DAMAGES_TOLD);
        if more > 0 {
            tracing::error!(more, "storage is damaged in more places; `watchbell tsdb verify` names them");
        }
        tracing::info!(
            series = recovery.series,
            samples = recovery.samples,
            blocks = recovery.blocks,
            "storage opened"
        );
        Ok(Parts { storage, store: Arc::new(DiskStore::open(dir)?) })
    }

    /// Opens the state in a data directory, without series.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_state(dir: &Path) -> Result<Parts, ServiceError> {
        owner::claim(dir, &["state", "state.rescue"].map(|name| dir.join(name)))?;
        Ok(Parts { storage: Tsdb::in_memory(), store: Arc::new(DiskStore::open(dir)?) })
    }
}

/// A running service.
pub struct Service {
    options: ServiceOptions,
    app: Arc<App>,
    address: SocketAddr,
    world: Arc<StorageWorld>,
    notifier: Arc<ConfiguredNotifier>,
    alertmanagers: Arc<Alertmanagers>,
    writers: Arc<RemoteWriters>,
    heartbeat: Arc<Heartbeat>,
    traces: Arc<Exporter>,
    requests: mpsc::Receiver<ControlRequest>,
    end: watch::Sender<bool>,
    server: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Service {
    /// Builds and starts everything. Returns when the service can be used.
    ///
    /// # Errors
    /// What could not be started.
    pub async fn start(options: ServiceOptions, prepared: Prepared, parts: Parts) -> Result<Service, ServiceError> {
        let web = options.web_config.as_deref().map(WebAccess::load).transpose();
        let web = web.map_err(ServiceError::Web)?.map(Arc::new);
        let (listeners, address) = listen(&options, &prepared).await?;
        let is_tls = web.as_ref().is_some_and(|web| web.is_tls());
        tracing::info!("TLS is {}.", if is_tls { "enabled" } else { "disabled" });
        let external_url = external_url(&options, &prepared, address);
        let clock: Arc<dyn Clock> = Arc::new(WallClock::start());
        warn(&prepared, &options.source);
        options.notes.iter().for_each(|note| tracing::warn!("{note}"));

        let Parts { storage, store } = parts;
        let context = rule_context(&options, &prepared, &storage, (&external_url, &clock))?;
        let querier = ArcSwap::from_pointee(context.querier.clone());
        let world = Arc::new(StorageWorld::new(context, storage.clone(), Box::new(TemplateRenderer::default())));
        let traces = Arc::new(Exporter::default());
        trace_as_configured(&traces, &prepared)?;
        let tracer = traces.tracer.clone();
        let notifier = Arc::new(ConfiguredNotifier::new(&options, &external_url, clock.clone(), tracer.clone()));
        notifier.put_in_force(notifier.set_up(&prepared).map_err(ServiceError::Receivers)?);
        let scrapes = Arc::new(ScrapeManager::new(Arc::new(storage.clone()), clock.clone(), Handle::current()));
        let alertmanagers = Arc::new(Alertmanagers::new(scrapes.discoveries(), notifier.clone()));
        alertmanagers.apply(alertmanager_sets(&prepared)?).await;
        let heartbeat = Arc::new(Heartbeat::default());
        beat_as_configured(&heartbeat, &prepared)?;
        let data = first_data::at_start(&options, &prepared, &storage, clock.now());
        let engine_parts = EngineParts {
            world: Arc::new(TracedWorld { world: world.clone(), tracer: tracer.clone(), clock: clock.clone() }),
            store,
            notifier: notifier.clone(),
            runtime: Handle::current(),
            workers: workers(&options),
            clock: clock.clone(),
        };
        let engine_options = options.engine(schedule(&prepared), data);
        // Before anything is stored: who sends samples on follows what is stored from then on.
        let writers = Arc::new(RemoteWriters::new(storage.clone(), clock.clone(), Handle::current()));
        apply_storage(&storage, &writers, &prepared);
        let engine = Live::start(engine_parts, engine_options, prepared.setup(&external_url))?;

        let (control, requests) = Control::channel();
        let app = Arc::new(App {
            service: shown::describe(&options, retention(&options, &prepared), &external_url, clock.now()),
            config: ArcSwap::from_pointee(shown::view(&prepared, alertmanagers.known.clone(), clock.now())),
            queries: Queries::new(options.query.clone()),
            posts: server::alertmanager::body::admission(),
            otlp: ArcSwap::from_pointee(otlp_settings(&prepared)),
            receiver: Receiver::new(storage.clone(), ReceiveLimits::default(), clock.clone()),
            scrapes,
            storage,
            querier,
            registry: Registry::new(),
            web,
            api_metrics: ApiMetrics::default(),
            http: HttpMetrics::default(),
            tracer: tracer.clone(),
            clock,
            engine,
            deliveries: notifier.statuses.clone(),
            drills: notifier.drills.clone(),
            tester: tester(&notifier),
            control,
        });
        let steps = Arc::new(ClockSteps::default());
        let counting: [Arc<dyn Collect>; 7] = [
            Arc::new(Process { started_at: app.service.started_at }),
            Arc::new(AppMetrics(Arc::downgrade(&app))),
            notifier.clone(),
            writers.clone(),
            steps.clone(),
            heartbeat.clone(),
            Arc::new(tracer),
        ];
        counting.into_iter().for_each(|counts| app.registry.register(counts));
        let (end, ended) = watch::channel(false);
        let server = serve(listeners, &app, &options, &ended);
        let tasks = Vec::new();
        let mut service = Service {
            options,
            app,
            address,
            world,
            notifier,
            alertmanagers,
            writers,
            heartbeat,
            traces,
            requests,
            end,
            server,
            tasks,
        };
        service.apply_ingest(&prepared);
        service.begin_tasks(data, steps, &ended);
        tracing::info!(address = %service.address, "server is ready to receive web requests");
        Ok(service)
    }

    /// Starts what goes on beside requests until the service ends.
    fn begin_tasks(&mut self, data: Option<DataAtStart>, steps: Arc<ClockSteps>, ended: &watch::Receiver<bool>) {
        let (app, notifier, heartbeat) = (self.app.clone(), self.notifier.clone(), self.heartbeat.clone());
        let clock_watch = clock_watch::run(app.clock.clone(), app.storage.clone(), steps, ended.clone());
        let (beaten, ends) = (app.clone(), ended.clone());
        self.tasks = vec![
            tokio::spawn(async move { notifier.forwarder.run().await }),
            tokio::spawn(maintain(app.clone(), ended.clone())),
            tokio::spawn(clock_watch),
            tokio::spawn(async move { heartbeat.run(beaten, ends).await }),
            tokio::spawn(self.traces.clone().run(ended.clone())),
        ];
        let watch = |data| tokio::spawn(first_data::watch(app, data, self.options.clone(), ended.clone()));
        self.tasks.extend(data.map(watch));
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What handlers share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Runs until `end` completes or someone asks over the API. `reload` yields when the configuration is to be read
    /// again.
    pub async fn run(mut self, end: impl Future<Output = ()>, mut reload: mpsc::Receiver<()>) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = &mut self.server => break,
                Some(()) = reload.recv() => {
                    // What was wrong has been logged; the last good configuration stays in force.
                    let _ = self.reload().await;
                }
                Some(request) = self.requests.recv() => match request {
                    ControlRequest::Quit => break,
                    ControlRequest::Reload(answer) => {
                        let result = self.reload().await;
                        // Whoever asked may have gone away.
                        let _ = answer.send(result);
                    }
                },
            }
        }
        self.stop().await;
    }

    /// Reads the configuration again and puts it in force; a bad one changes nothing.
    async fn reload(&self) -> Result<(), String> {
        let (source, features) = (self.options.source.clone(), self.options.query.features);
        let listen = self.address.to_string();
        let read = move || Prepared::read(&source, features, Some(&listen)).inspect(|prepared| warn(prepared, &source));
        let read = tokio::task::spawn_blocking(read).await;
        let prepared = match read {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(defects)) => return Err(self.refuse(&ServiceError::Config(defects))),
            Err(_) => return Err("reading the configuration panicked; this is a defect".into()),
        };
        match self.put_in_force(prepared).await {
            Ok(()) => {
                tracing::info!("configuration reloaded");
                Ok(())
            }
            Err(e) => Err(self.refuse(&e)),
        }
    }

    async fn put_in_force(&self, prepared: Prepared) -> Result<(), ServiceError> {
        let external_url = &self.app.service.external_url;
        // What can fail comes first.
        let context = rule_context(&self.options, &prepared, &self.app.storage, (external_url, &self.app.clock))?;
        let sets = alertmanager_sets(&prepared)?;
        let receivers = self.notifier.set_up(&prepared).map_err(ServiceError::Receivers)?;
        beat_as_configured(&self.heartbeat, &prepared)?;
        trace_as_configured(&self.traces, &prepared)?;
        self.app.querier.store(Arc::new(context.querier.clone()));
        self.world.set_context(context);
        self.alertmanagers.apply(sets).await;
        self.notifier.put_in_force(receivers);
        apply_storage(&self.app.storage, &self.writers, &prepared);
        self.app.otlp.store(Arc::new(otlp_settings(&prepared)));
        self.apply_ingest(&prepared);
        match self.app.engine.reload(prepared.setup(external_url)).await {
            Err(LiveError::Stopped) => {
                tracing::warn!("the engine has stopped; the configuration was not put in force");
            }
            // It is in force, and what follows from it is stored as soon as the store takes it; the store's failure is told.
            Ok(()) | Err(LiveError::NotStored(_)) => {}
        }
        let known = self.alertmanagers.known.clone();
        self.app.config.store(Arc::new(shown::view(&prepared, known, self.app.clock.now())));
        Ok(())
    }

    fn refuse(&self, error: &ServiceError) -> String {
        match error {
            ServiceError::Config(defects) => {
                for defect in defects {
                    tracing::error!(error = %defect, "configuration is not good");
                }
            }
            other => tracing::error!(error = %other, "configuration cannot be put in force"),
        }
        let last = self.app.config.load_full();
        self.app.config.store(Arc::new(ConfigView { reload_succeeded: false, ..(*last).clone() }));
        error.to_string()
    }

    /// Scrape pools and queries, as a configuration states them.
    fn apply_ingest(&self, prepared: &Prepared) {
        let config = &prepared.config;
        let jobs = config.scrape_configs.iter();
        let scrapes = jobs.map(|c| ScrapeSettings::from_config(c, self.options.scrape_features)).collect();
        self.app.scrapes.apply(scrapes);
        self.app.queries.set_default_step(config.global.evaluation_interval.millis());
    }

    /// Ends cleanly: no request, scrape or evaluation begins any more; what is under way ends; all is on disk.
    async fn stop(self) {
        tracing::info!("shutting down");
        self.end.send_replace(true);
        self.app.scrapes.shutdown().await;
        let app = self.app.clone();
        let stopped = tokio::task::spawn_blocking(move || {
            app.engine.stop(GRACE);
            app.storage.close()
        });
        // What is not sent in time is sent after the next start.
        let (stopped, ()) = tokio::join!(stopped, self.writers.shutdown(GRACE));
        if let Ok(Err(e)) = stopped {
            tracing::error!(error = %e, "storage was not closed cleanly");
        }
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What storage takes and where it is sent on to, as a configuration states it.
fn apply_storage(storage: &Tsdb, writers: &RemoteWriters, prepared: &Prepared) {
    let config = &prepared.config;
    storage.set_out_of_order_window(config.storage.tsdb.out_of_order_time_window.millis());
    storage.set_max_exemplars(usize::try_from(config.storage.exemplars.max_exemplars).unwrap_or(0));
    let labels = prepared.external_labels();
    let remotes = config.remote_write.iter().map(|c| RemoteWriteSettings::from_config(c, labels.clone())).collect();
    for error in writers.apply(remotes) {
        tracing::error!(error = %error, "a remote write endpoint cannot be started");
    }
}

fn otlp_settings(prepared: &Prepared) -> OtlpSettings {
    prepared.config.otlp.as_ref().map_or_else(OtlpSettings::default, OtlpSettings::from_config)
}

/// Tells what will cost something though the configuration can be used.
fn warn(prepared: &Prepared, source: &Source) {
    for warning in prepared.warnings(source).iter().take(MAX_WARNINGS) {
        tracing::warn!(warning = %warning, "the configuration says something that has no effect or will fail");
    }
}

/// An address as Go writes it: `:9090` is every interface.
fn listen_on(address: &str) -> String {
    match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    }
}

/// Opens the sockets; the first one's address is the service's.
async fn listen(options: &ServiceOptions, prepared: &Prepared) -> Result<(Vec<TcpListener>, SocketAddr), ServiceError> {
    let configured = &prepared.config.watchbell.listen_address;
    if options.systemd_socket {
        return inherited();
    }
    let asked =
        if options.listen_addresses.is_empty() { std::slice::from_ref(configured) } else { &options.listen_addresses };
    let mut listeners = Vec::with_capacity(asked.len());
    for address in asked {
        let bound = TcpListener::bind(listen_on(address)).await;
        listeners.push(bound.map_err(|source| ServiceError::Listen { address: address.clone(), source })?);
    }
    let none = || std::io::Error::other("no address to listen on");
    let first = listeners.first().ok_or_else(none)?.local_addr()?;
    announce(&listeners)?;
    Ok((listeners, first))
}

/// The sockets that systemd has opened and hands over.
fn inherited() -> Result<(Vec<TcpListener>, SocketAddr), ServiceError> {
    let mut handed_over = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed_over.len() {
        if let Some(listener) = handed_over.take_tcp_listener(index)? {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
    }
    let none = || std::io::Error::other("no socket activation file descriptors found");
    let first = listeners.first().ok_or_else(none)?.local_addr()?;
    announce(&listeners)?;
    Ok((listeners, first))
}

/// Says where the service listens, in Alertmanager's words: tools read the port from them.
fn announce(listeners: &[TcpListener]) -> Result<(), ServiceError> {
    for listener in listeners {
        tracing::info!(address = %listener.local_addr()?, "Listening on");
    }
    Ok(())
}

fn external_url(options: &ServiceOptions, prepared: &Prepared, listen: SocketAddr) -> String {
    let configured = Some(&prepared.config.watchbell.external_url).filter(|url| !url.is_empty());
    let url = options.external_url.as_ref().or(configured).cloned();
    let url = url.unwrap_or_else(|| format!("http://{}", listen.to_string().replacen("0.0.0.0", "localhost", 1)));
    redact::without_user(url.trim_end_matches('/'))
}

fn beat_as_configured(heartbeat: &Heartbeat, prepared: &Prepared) -> Result<(), ServiceError> {
    heartbeat.apply(prepared.config.watchbell.heartbeat.as_ref()).map_err(|d| ServiceError::Config(vec![d]))
}

fn trace_as_configured(traces: &Exporter, prepared: &Prepared) -> Result<(), ServiceError> {
    traces.apply(prepared.tracing()).map_err(|d| ServiceError::Config(vec![d]))
}

fn schedule(prepared: &Prepared) -> Schedule {
    match prepared.config.watchbell.datasource {
        Datasource::Local => Schedule::default(),
        // Nothing is shared, and a remote server is asked evenly.
        Datasource::Remote(_) => Schedule::Spread { tick: 1 },
    }
}

/// Tries receivers by the way that notifications take.
fn tester(notifier: &Arc<ConfiguredNotifier>) -> Tester {
    let notifier = notifier.clone();
    Tester::new(Arc::new(move |notification| notifier.deliver(notification)))
}

/// Answers requests at every address until the service ends.
fn serve(
    listeners: Vec<TcpListener>,
    app: &Arc<App>,
    options: &ServiceOptions,
    ended: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let serve = |listener| server::serve(listener, app.clone(), options.connections, until(ended.clone()));
    let servers: Vec<_> = listeners.into_iter().map(serve).collect();
    tokio::spawn(async move {
        futures::future::join_all(servers).await;
    })
}

fn workers(options: &ServiceOptions) -> usize {
    match options.workers {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        n => n,
    }
}

fn rule_context(
    options: &ServiceOptions,
    prepared: &Prepared,
    storage: &Tsdb,
    (external_url, clock): (&str, &Arc<dyn Clock>),
) -> Result<RuleContext, ServiceError> {
    let (querier, common): (Arc<dyn Querier>, _) = match &prepared.config.watchbell.datasource {
        Datasource::Local => {
            let plans = prepared.groups.iter().flat_map(|g| &g.rules).map(|r| &*r.plan);
            (local_querier(prepared, storage, clock)?, Some(Arc::new(Common::of(plans))))
        }
        Datasource::Remote(remote) => {
            let runtime = Handle::current();
            let querier = RemoteQuerier::new(RemoteSettings::from(&**remote), runtime);
            let querier = querier.map_err(|e| ServiceError::Config(vec![net::describe(&remote.http, &e)]))?;
            (Arc::new(querier), None)
        }
    };
    let env = EvalEnv {
        lookback_ms: options.query.lookback,
        default_step_ms: prepared.config.global.evaluation_interval.millis(),
        limits: Limits { max_samples: options.query.max_samples, ..Limits::default() },
        ..EvalEnv::default()
    };
    Ok(RuleContext {
        querier,
        env,
        timeout: Duration::from_millis(u64::try_from(options.query.timeout).unwrap_or(0)),
        options: CompileOptions { features: options.query.features },
        external_labels: prepared.external_labels(),
        external_url: external_url.into(),
        common,
    })
}

/// Answers from our own series, and from those that are read from elsewhere.
fn local_querier(
    prepared: &Prepared,
    storage: &Tsdb,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Querier>, ServiceError> {
    let endpoints = &prepared.config.remote_read;
    if endpoints.is_empty() {
        return Ok(Arc::new(LocalQuerier::new(Arc::new(storage.clone()))));
    }
    let labels = prepared.external_labels();
    let settings = endpoints.iter().map(|c| RemoteReadSettings::from_config(c, labels.clone())).collect();
    let fanout = FanoutStorage::new(storage.clone(), settings, clock.clone(), &Handle::current());
    let fanout = fanout.map_err(|(i, e)| {
        let defect = endpoints.get(i).map(|endpoint| net::describe(&endpoint.http, &e));
        ServiceError::Config(defect.into_iter().collect())
    })?;
    Ok(Arc::new(FanoutQuerier::new(fanout)))
}

fn alertmanager_sets(prepared: &Prepared) -> Result<Vec<alertmanagers::Set>, ServiceError> {
    alertmanagers::sets(&prepared.config.alerting.alertmanagers).map_err(|d| ServiceError::Config(vec![d]))
}

/// How long samples are kept, milliseconds.
pub fn retention(options: &ServiceOptions, prepared: &Prepared) -> i64 {
    let of_file = prepared.config.storage.tsdb.retention.as_ref().and_then(|r| r.time).map(|time| time.millis());
    options.retention.or(of_file).unwrap_or(prepared.config.watchbell.retention.millis())
}

/// The data directory.
pub fn data_dir(options: &ServiceOptions, prepared: &Prepared) -> PathBuf {
    options.data_dir.clone().unwrap_or_else(|| PathBuf::from(&prepared.config.watchbell.data_dir))
}

async fn until(mut ended: watch::Receiver<bool>) {
    // The sender goes away only when the service has ended.
    let _ = ended.wait_for(|e| *e).await;
}

async fn maintain(app: Arc<App>, mut ended: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(MAINTENANCE);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            _ = interval.tick() => {}
        }
        let (storage, now) = (app.storage.clone(), app.clock.now());
        // Failures are told by the storage, once each.
        let _ = tokio::task::spawn_blocking(move || storage.maintain(now)).await;
    }
}
