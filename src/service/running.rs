//! The parts of a service, wired together; reloads; the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::alerting::world::StorageWorld;
use crate::clock::{Clock, Stopwatch, WallClock};
use crate::engine::DataAtStart;
use crate::engine::live::{Live, LiveError, Parts as EngineParts};
use crate::history::Unrecorded;
use crate::ingest::otlp::Cumulative;
use crate::ingest::remote_write::send::RemoteWriters;
use crate::ingest::remote_write::{ReceiveLimits, Receiver};
use crate::ingest::scrape::{ScrapeManager, ScrapeSettings};
use crate::instrument::{Collect, Process};
use crate::server::fired::Fired;
use crate::server::history_readers::HistoryReaders;
use crate::server::measured::Measured;
use crate::server::notices::Notices;
use crate::server::plots::AppArtist;
use crate::server::requests::HttpMetrics;
use crate::server::telemetry::AppMetrics;
use crate::server::{self, ApiMetrics, App, ConfigView, Control, ControlRequest, Queries, Tester};

use super::alertmanagers::Alertmanagers;
use super::auto_reload::{self, Watched};
use super::clock_watch::{self, ClockSteps};
use super::configured::{
    alertmanager_sets, apply_storage, beat_as_configured, external_url, history_limits, otlp_settings, registry,
    retention, rule_context, schedule, trace_as_configured, workers,
};
use super::engine_watch;
use super::error::ServiceError;
use super::first_data;
use super::heartbeat::Heartbeat;
use super::listen;
use super::log_files::LogFiles;
use super::notifier::ConfiguredNotifier;
use super::options::{ServiceOptions, Source};
use super::parts::Parts;
use super::prepare::Prepared;
use super::renderer::TemplateRenderer;
use super::shown;
use super::traces::{self, Exporter, TracedWorld};

/// How long deliveries under way have to end when the service does.
const GRACE: Duration = Duration::from_secs(5);
/// Templates that fail on samples, of which the log tells when a configuration is read.
const MAX_WARNINGS: usize = 20;
/// How often the database is maintained.
const MAINTENANCE: Duration = Duration::from_secs(60);

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
    log_files: Arc<LogFiles>,
    watched: Arc<ArcSwap<Watched>>,
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
        let (web, listeners, address) = listen::open(&options, &prepared).await?;
        let external_url = external_url(&options, &prepared, address);
        let clock: Arc<dyn Clock> = Arc::new(WallClock::start());
        warn(&prepared, &options.source);
        options.notes.iter().for_each(|note| tracing::warn!("{note}"));

        let Parts { storage, store, history, unrecorded } = parts;
        let log_files = Arc::new(LogFiles::new(clock.clone())?);
        log_files.put_in_force(log_files.open(&prepared)?);
        let context = rule_context(&options, &prepared, &storage, (&external_url, &clock))?;
        let querier = ArcSwap::from_pointee(context.querier.clone());
        let world = StorageWorld::new(context, storage.clone(), Box::new(TemplateRenderer::default()));
        let world = Arc::new(world.with_log(log_files.queries.clone()));
        let traces = Arc::new(Exporter::default());
        trace_as_configured(&traces, &prepared)?;
        let tracer = traces.tracer.clone();
        let notifier = ConfiguredNotifier::new(&options, &external_url, clock.clone(), tracer.clone());
        let notifier = begin_notifier(notifier.recording(history.clone()), &prepared)?;
        let scrapes = ScrapeManager::new(Arc::new(storage.clone()), clock.clone(), Handle::current());
        let scrapes = Arc::new(scrapes.with_failure_logs(log_files.scrapes.clone()));
        let alertmanagers = Arc::new(Alertmanagers::new(scrapes.discoveries(), notifier.clone()));
        alertmanagers.apply(alertmanager_sets(&prepared)?).await;
        let heartbeat = Arc::new(Heartbeat::default());
        beat_as_configured(&heartbeat, &prepared)?;
        let data = first_data::at_start(&options, &prepared, &storage, clock.now());
        let engine_parts = EngineParts {
            world: Arc::new(TracedWorld { world: world.clone(), tracer: tracer.clone(), clock: clock.clone() }),
            store,
            history: history.clone(),
            notifier: notifier.clone(),
            runtime: Handle::current(),
            workers: workers(&options),
            clock: clock.clone(),
        };
        // Before anything is stored: who sends samples on follows what is stored from then on.
        let writers = Arc::new(RemoteWriters::new(storage.clone(), clock.clone(), Handle::current()));
        apply_storage(&storage, &writers, &prepared);
        let engine =
            Live::start(engine_parts, options.engine(schedule(&prepared), data), prepared.setup(&external_url))?;

        let (control, requests) = Control::channel();
        let app = Arc::new(App {
            service: shown::describe(&options, &external_url, Some(address.port()), clock.now()),
            config: ArcSwap::from_pointee(shown::view(&prepared, alertmanagers.known.clone(), clock.now())),
            measured: Measured::default(),
            queries: Queries::new(options.query.clone()),
            query_log: log_files.queries.clone(),
            posts: server::alertmanager::body::admission(),
            otlp: ArcSwap::from_pointee(otlp_settings(&options, &prepared)),
            cumulative: Cumulative::default(),
            receiver: Receiver::new(storage.clone(), ReceiveLimits::default(), clock.clone()),
            scrapes,
            storage,
            querier,
            registry: registry(&options),
            web,
            api_metrics: ApiMetrics::default(),
            http: HttpMetrics::default(),
            tracer: tracer.clone(),
            reads: Arc::new(Semaphore::new(options.reads.places())),
            notices: Notices::new(options.live_subscribers),
            clock,
            engine,
            history: history.map(|history| Arc::new(HistoryReaders::new(history))),
            fired: Fired::default(),
            unrecorded,
            deliveries: notifier.statuses.clone(),
            forwarder: notifier.forwarder.clone(),
            writers: writers.clone(),
            drills: notifier.drills.clone(),
            plots: notifier.plots.clone(),
            tester: tester(&notifier),
            control,
        });
        app.plots.set_artist(Arc::new(AppArtist::of(&app)));
        let (end, ended) = watch::channel(false);
        let server = serve(listeners, &app, &options, &ended);
        let (tasks, watched) = (Vec::new(), Arc::new(ArcSwap::from_pointee(Watched::of(&options.source, &prepared))));
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
            log_files,
            watched,
            requests,
            end,
            server,
            tasks,
        };
        service.apply_ingest(&prepared);
        service.begin_tasks(data, &ended);
        tracing::info!(address = %service.address, "server is ready to receive web requests");
        Ok(service)
    }

    /// Makes known who counts.
    fn register(&self, steps: Arc<ClockSteps>) {
        let app = &self.app;
        let counting: [Arc<dyn Collect>; 7] = [
            Arc::new(Process { started_at: app.service.started_at }),
            Arc::new(AppMetrics(Arc::downgrade(app))),
            self.notifier.clone(),
            self.writers.clone(),
            steps,
            self.heartbeat.clone(),
            Arc::new(app.tracer.clone()),
        ];
        counting.into_iter().for_each(|counts| app.registry.register(counts));
        match &app.history {
            Some(readers) => app.registry.register(Arc::new(readers.history.clone())),
            None if app.unrecorded.is_some() => app.registry.register(Arc::new(Unrecorded)),
            None => {}
        }
    }

    /// Starts what goes on beside requests until the service ends.
    fn begin_tasks(&mut self, data: Option<DataAtStart>, ended: &watch::Receiver<bool>) {
        let steps = Arc::new(ClockSteps::default());
        self.register(steps.clone());
        let (app, notifier, heartbeat) = (self.app.clone(), self.notifier.clone(), self.heartbeat.clone());
        // Until the clock has been looked at.
        app.storage.hold_retention(true);
        let clock_watch = clock_watch::run(app.clock.clone(), app.storage.clone(), steps, ended.clone());
        let (beaten, ends) = (app.clone(), ended.clone());
        self.tasks = vec![
            tokio::spawn(async move { notifier.forwarder.run().await }),
            tokio::spawn(maintain(app.clone(), ended.clone())),
            tokio::spawn(maintain_history(app.clone(), ended.clone())),
            tokio::spawn(clock_watch),
            tokio::spawn(engine_watch::run(app.clone(), ended.clone())),
            tokio::spawn(async move { heartbeat.run(beaten, ends).await }),
            tokio::spawn(self.traces.clone().run(ended.clone())),
        ];
        let look = self.options.auto_reload.map(|interval| Duration::from_millis(interval.unsigned_abs()));
        let (watched, ends) = (self.watched.clone(), ended.clone());
        self.tasks.extend(look.map(|interval| tokio::spawn(auto_reload::run(app.clone(), watched, interval, ends))));
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
    ///
    /// # Errors
    /// The engine has ended by a defect. Whoever watches the process starts it again.
    pub async fn run(
        mut self,
        end: impl Future<Output = ()>,
        mut reload: mpsc::Receiver<()>,
    ) -> Result<(), ServiceError> {
        tokio::pin!(end);
        let engine = self.app.engine.clone();
        let mut result = Ok(());
        loop {
            tokio::select! {
                () = &mut end => break,
                () = engine.death() => {
                    result = Err(ServiceError::Engine);
                    break;
                }
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
        result
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
        let log_files = self.log_files.open(&prepared)?;
        if let Some(tracing) = prepared.tracing().filter(|t| t.refused().is_none()) {
            traces::check(tracing).map_err(|d| ServiceError::Config(vec![d]))?;
        }
        beat_as_configured(&self.heartbeat, &prepared)?;
        trace_as_configured(&self.traces, &prepared)?;
        self.log_files.put_in_force(log_files);
        self.app.querier.store(Arc::new(context.querier.clone()));
        self.world.set_context(context);
        self.alertmanagers.apply(sets).await;
        self.notifier.put_in_force(receivers);
        apply_storage(&self.app.storage, &self.writers, &prepared);
        self.app.otlp.store(Arc::new(otlp_settings(&self.options, &prepared)));
        self.app.storage.set_retention(retention(&self.options, &prepared));
        if let Some(readers) = &self.app.history {
            readers.history.limit(history_limits(&prepared));
        }
        self.watched.store(Arc::new(Watched::of(&self.options.source, &prepared)));
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
        let (app, log_files) = (self.app.clone(), self.log_files.clone());
        let stopped = tokio::task::spawn_blocking(move || {
            app.engine.stop(GRACE);
            if let Some(readers) = &app.history {
                if !readers.history.finish(GRACE) {
                    tracing::warn!("decisions that waited for the history's disk are lost");
                }
                readers.history.maintain(app.clock.now(), app.storage.is_retention_held());
            }
            log_files.finish();
            app.storage.close()
        });
        // What is not sent in time is sent after the next start.
        let (stopped, ()) = tokio::join!(stopped, self.writers.shutdown(GRACE));
        if let Ok(Err(e)) = stopped {
            tracing::error!(error = %e, "storage was not closed cleanly");
        }
        // The engine sends no more by now.
        let drain = self.notifier.forwarder.drain();
        if self.options.drain_queue && tokio::time::timeout(GRACE, drain).await.is_err() {
            tracing::warn!("alerts that waited for external Alertmanagers were not all sent before the end");
        }
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Tells what will cost something though the configuration can be used.
fn warn(prepared: &Prepared, source: &Source) {
    for warning in prepared.warnings(source).iter().take(MAX_WARNINGS) {
        tracing::warn!(warning = %warning, "the configuration says something that has no effect or will fail");
    }
}

/// Tries receivers by the way that notifications take.
fn tester(notifier: &Arc<ConfiguredNotifier>) -> Tester {
    let notifier = notifier.clone();
    Tester::new(Arc::new(move |notification| notifier.deliver_test(notification)))
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

async fn until(mut ended: watch::Receiver<bool>) {
    // The sender goes away only when the service has ended.
    let _ = ended.wait_for(|e| *e).await;
}

/// Maintains the storage.
async fn maintain(app: Arc<App>, mut ended: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(MAINTENANCE);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            _ = interval.tick() => {}
        }
        let (app, now) = (app.clone(), app.clock.now());
        // Failures are told by the storage, once each.
        let _ = tokio::task::spawn_blocking(move || app.storage.maintain(now)).await;
    }
}

/// What delivers, to the receivers of the configuration.
fn begin_notifier(notifier: ConfiguredNotifier, prepared: &Prepared) -> Result<Arc<ConfiguredNotifier>, ServiceError> {
    notifier.put_in_force(notifier.set_up(prepared).map_err(ServiceError::Receivers)?);
    Ok(Arc::new(notifier))
}

/// Maintains the history: a disk that hangs under it keeps the storage from nothing.
async fn maintain_history(app: Arc<App>, mut ended: watch::Receiver<bool>) {
    let Some(readers) = app.history.clone() else { return };
    let mut interval = tokio::time::interval(MAINTENANCE);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = (app.clock.now(), Stopwatch::start());
    loop {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            _ = interval.tick() => {}
        }
        let (now, (before, since)) = (app.clock.now(), last);
        last = (now, Stopwatch::start());
        // Whoever watches the clock may not have looked at it since it leapt.
        let passed = now.saturating_sub(before).saturating_sub(since.elapsed().as_millis() as i64);
        let is_held = app.storage.is_retention_held() || passed > MAINTENANCE.as_millis() as i64;
        let history = readers.history.clone();
        let _ = tokio::task::spawn_blocking(move || history.maintain(now, is_held)).await;
    }
}
