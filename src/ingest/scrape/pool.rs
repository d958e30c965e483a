//! The loops: a task for each scrape pool that follows service discovery, a task for each target that scrapes it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::PoolClient;
use super::failures::FailureLogs;
use super::fetch::{Answer, fetch};
use super::metrics::ScrapeCounters;
use super::run::{ScrapeState, TargetHealth, TargetRun};
use super::schedule::{aligned, awaited, following, next_scrape};
use super::settings::{Histograms, MOST_HELD, ScrapeSettings};
use super::target::{Resolved, Target, resolve};
use crate::clock::{Clock, Stopwatch};
use crate::config::RelabelConfig;
use crate::ingest::admission::Admission;
use crate::ingest::discovery::{DiscoveryManager, Groups, Subscription};
use crate::ingest::store::{SampleStore, StoreCounts};
use crate::instrument::{Collect, Exposition, Figure, Kind, gauge};
use crate::model::{Labels, duration};
use crate::net::redact_url;

/// The longest a target's loop sleeps without a look at the clock, which may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// A target and how its last scrape went, for the targets API.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// The pool's name.
    pub scrape_pool: String,
    /// The target.
    pub target: Arc<Target>,
    /// Its last scrape.
    pub state: ScrapeState,
}

/// The targets of a pool.
#[derive(Clone, Debug, Default)]
pub struct PoolStatus {
    /// The pool's name.
    pub scrape_pool: String,
    /// Targets that are scraped.
    pub active: Vec<TargetStatus>,
    /// Discovered labels of targets that relabelling dropped.
    pub dropped: Vec<Labels>,
}

/// What all loops share.
struct Shared {
    store: Arc<dyn SampleStore>,
    clock: Arc<dyn Clock>,
    handle: Handle,
    counters: Arc<ScrapeCounters>,
    discoveries: Arc<DiscoveryManager>,
    /// Where scrapes that fail are noted.
    failure_logs: Arc<FailureLogs>,
    /// What all scrapes under way may hold together.
    admission: Admission,
}

/// Runs the scrape pools of a configuration.
pub struct ScrapeManager {
    shared: Arc<Shared>,
    pools: Mutex<Vec<Pool>>,
}

struct Pool {
    settings: Arc<ScrapeSettings>,
    view: Arc<Mutex<PoolView>>,
    stop: watch::Sender<Stop>,
    task: JoinHandle<Ended>,
}

/// What the successor of a pool that is replaced goes on with.
#[derive(Default)]
struct Ended {
    /// Its runs, by the labels of their targets.
    runs: HashMap<Labels, TargetRun>,
    /// Its discoveries, which go on where the successor has the same.
    discovery: Subscription,
}

/// Whether a loop goes on, and whether its series end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Run,
    /// The target went: its series get staleness markers.
    Gone,
    /// The pool's settings changed: its successor takes the series over.
    Replaced,
    /// The process ends: another one goes on with the series.
    Shutdown,
}

#[derive(Default)]
struct PoolView {
    /// Whether it is known which targets there are.
    discovered: bool,
    targets: Vec<(Arc<Target>, Arc<Mutex<ScrapeState>>)>,
    dropped: Vec<Labels>,
    /// How many targets were found, before relabelling.
    found: usize,
}

impl ScrapeManager {
    /// A manager without pools; its loops run on `handle`.
    pub fn new(store: Arc<dyn SampleStore>, clock: Arc<dyn Clock>, handle: Handle) -> Self {
        let admission = Admission::new(MOST_HELD);
        let discoveries = Arc::new(DiscoveryManager::new(handle.clone()));
        let (counters, failure_logs) = (Arc::default(), Arc::default());
        let shared = Shared { store, clock, handle, counters, discoveries, failure_logs, admission };
        ScrapeManager { shared: Arc::new(shared), pools: Mutex::default() }
    }

    /// The same, that notes scrapes that fail in these logs. To be said before there are pools.
    #[must_use]
    pub fn with_failure_logs(mut self, logs: Arc<FailureLogs>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.failure_logs = logs;
        }
        self
    }

    /// The discoveries of all pools, which others may join.
    pub fn discoveries(&self) -> Arc<DiscoveryManager> {
        self.shared.discoveries.clone()
    }

    /// Takes a configuration into force: unchanged pools go on, others end or start.
    pub fn apply(&self, configuration: Vec<ScrapeSettings>) {
        let mut pools = self.pools.lock();
        let mut old = std::mem::take(&mut *pools);
        let mut fresh = Vec::new();
        for settings in configuration {
            match old.iter().position(|pool| *pool.settings == settings) {
                Some(i) => pools.push(old.swap_remove(i)),
                None => fresh.push(settings),
            }
        }
        for settings in fresh {
            let previous = old.iter().position(|pool| pool.settings.job_name == settings.job_name).map(|i| {
                let pool = old.swap_remove(i);
                pool.stop.send_replace(Stop::Replaced);
                pool.task
            });
            pools.push(self.start(settings, previous));
        }
        for pool in old {
            pool.stop.send_replace(Stop::Gone);
        }
        let known: HashSet<&str> = pools.iter().map(|pool| pool.settings.job_name.as_str()).collect();
        self.shared.counters.times.retain(|pool| known.contains(pool));
    }

    fn start(&self, settings: ScrapeSettings, previous: Option<JoinHandle<Ended>>) -> Pool {
        self.shared.counters.pools_begun.inc();
        self.shared.counters.times.begin(&settings.job_name);
        let client = PoolClient::new(settings.http.clone());
        if let Err(e) = client.get() {
            self.shared.counters.pools_failed.inc();
            tracing::error!(scrape_pool = settings.job_name, error = %e, "Scrape pool cannot be started: its targets are down");
        }
        let settings = Arc::new(settings);
        let view = Arc::new(Mutex::new(PoolView::default()));
        let (stop, stopped) = watch::channel(Stop::Run);
        let pool = PoolLoop {
            shared: self.shared.clone(),
            settings: settings.clone(),
            variants: HashMap::new(),
            client: Arc::new(client),
            view: view.clone(),
            running: HashMap::new(),
            inherited: HashMap::new(),
        };
        let task = self.shared.handle.spawn(pool.run(stopped, previous));
        Pool { settings, view, stop, task }
    }

    /// Ends all loops and waits for them. Series are not marked stale: the next process goes on with them.
    pub async fn shutdown(&self) {
        let pools = std::mem::take(&mut *self.pools.lock());
        for pool in &pools {
            pool.stop.send_replace(Stop::Shutdown);
        }
        for pool in pools {
            if let Err(e) = pool.task.await {
                tracing::error!(error = %e, "Scrape pool ended badly");
            }
        }
    }

    /// All targets, pool by pool in the order of the configuration.
    pub fn status(&self) -> Vec<PoolStatus> {
        let status = |pool: &Pool| {
            let view = pool.view.lock();
            let scrape_pool = pool.settings.job_name.clone();
            let active = view.targets.iter().map(|(target, state)| TargetStatus {
                scrape_pool: scrape_pool.clone(),
                target: target.clone(),
                state: state.lock().clone(),
            });
            PoolStatus { active: active.collect(), dropped: view.dropped.clone(), scrape_pool: scrape_pool.clone() }
        };
        self.pools.lock().iter().map(status).collect()
    }

    /// The relabelling rules of a pool's targets; `None` when there is no such pool.
    pub fn relabelling(&self, pool: &str) -> Option<Vec<RelabelConfig>> {
        let pools = self.pools.lock();
        let settings = pools.iter().map(|pool| &pool.settings).find(|settings| settings.job_name == pool)?;
        Some(settings.relabel.clone())
    }

    /// Counts [rounds](Self::rounds) from now on.
    pub fn count_rounds_anew(&self) {
        for pool in self.pools.lock().iter() {
            for (_, state) in &pool.view.lock().targets {
                let mut state = state.lock();
                state.old_scrapes = state.scrapes;
            }
        }
    }

    /// How many targets each pool has, in the order of the configuration.
    pub fn target_counts(&self) -> Vec<(String, usize)> {
        let count = |pool: &Pool| (pool.settings.job_name.clone(), pool.view.lock().targets.len());
        self.pools.lock().iter().map(count).collect()
    }

    /// How many times at least every target was scraped. Pools scraped less often than every `slowest` milliseconds do not
    /// count.
    pub fn rounds(&self, slowest: i64) -> u64 {
        let of_pool = |pool: &Pool| {
            let view = pool.view.lock();
            let made = |state: &ScrapeState| state.scrapes.saturating_sub(state.old_scrapes);
            let least = view.targets.iter().map(|(_, state)| made(&state.lock())).min().unwrap_or(u64::MAX);
            if view.discovered { least } else { 0 }
        };
        let pools = self.pools.lock();
        pools.iter().filter(|pool| pool.settings.scrape_interval <= slowest).map(of_pool).min().unwrap_or(u64::MAX)
    }
}

/// What is shown of a pool.
struct PoolFigures {
    targets: usize,
    target_limit: u64,
    metadata: usize,
}

const POOL: [Figure<PoolFigures>; 3] = [
    gauge("watchbell_target_scrape_pool_targets", "Current number of targets in this scrape pool.", |p| {
        p.targets as f64
    }),
    gauge("watchbell_target_scrape_pool_target_limit", "Maximum number of targets allowed in this scrape pool.", |p| {
        p.target_limit as f64
    }),
    gauge("watchbell_target_metadata_cache_entries", "Total number of metric metadata entries in the cache.", |p| {
        p.metadata as f64
    }),
];

impl ScrapeManager {
    fn figures(&self) -> Vec<(String, PoolFigures)> {
        let of = |pool: &Pool| {
            let view = pool.view.lock();
            let figures = PoolFigures {
                targets: view.targets.len(),
                target_limit: pool.settings.limits.targets,
                metadata: view.targets.iter().map(|(_, state)| state.lock().metadata.len()).sum(),
            };
            (pool.settings.job_name.clone(), figures)
        };
        self.pools.lock().iter().map(of).collect()
    }
}

impl Collect for ScrapeManager {
    fn collect(&self, out: &mut Exposition) {
        let pools = self.figures();
        let named = pools.iter().map(|(pool, figures)| (vec![("scrape_job", pool.as_str())], figures));
        out.figures_by(&POOL, &named.collect::<Vec<_>>());
        let help = "Current number of discovered targets.";
        let found = |pool: &Pool| (pool.settings.job_name.clone(), pool.view.lock().found);
        let found: Vec<(String, usize)> = self.pools.lock().iter().map(found).collect();
        out.family("prometheus_sd_discovered_targets", Kind::Gauge, help, |f| {
            for (pool, targets) in &found {
                f.sample(&[("config", pool), ("name", "scrape")], *targets as f64);
            }
        });
        let (help, lost) = ("Failed scrapes that could not be logged.", self.shared.failure_logs.failures.get());
        out.single("watchbell_scrape_failure_log_failures_total", Kind::Counter, help, lost as f64);
        self.shared.counters.collect(out);
        self.shared.discoveries.collect(out);
    }
}

struct PoolLoop {
    shared: Arc<Shared>,
    settings: Arc<ScrapeSettings>,
    /// Settings of targets whose relabelling decides about their histograms.
    variants: HashMap<Histograms, Arc<ScrapeSettings>>,
    client: Arc<PoolClient>,
    view: Arc<Mutex<PoolView>>,
    running: HashMap<(Labels, String), Running>,
    /// Runs of the pool this one replaces, until the targets are known.
    inherited: HashMap<Labels, TargetRun>,
}

struct Running {
    target: Arc<Target>,
    state: Arc<Mutex<ScrapeState>>,
    stop: watch::Sender<Stop>,
    /// A failure of the whole pool, which every scrape then reports.
    forced_error: watch::Sender<Option<Arc<str>>>,
    task: JoinHandle<Option<TargetRun>>,
}

impl PoolLoop {
    async fn run(mut self, mut stop: watch::Receiver<Stop>, previous: Option<JoinHandle<Ended>>) -> Ended {
        // What the predecessor follows is held until we follow it, so that what goes on is not begun anew.
        let mut former = Subscription::default();
        if let Some(previous) = previous {
            let ended = previous.await.unwrap_or_default();
            (self.inherited, former) = (ended.runs, ended.discovery);
        }
        let mut discovery = self.shared.discoveries.subscribe(&self.settings.discovery, &self.settings.job_name);
        drop(former);
        if self.settings.discovery.is_empty() {
            self.discovered(&discovery);
        }
        loop {
            tokio::select! {
                () = discovery.changed() => self.discovered(&discovery),
                changed = stop.changed() => {
                    let why = if changed.is_ok() { *stop.borrow_and_update() } else { Stop::Shutdown };
                    if why != Stop::Run {
                        return self.end(why, discovery).await;
                    }
                }
            }
        }
    }

    /// Starts and ends targets as they were found.
    fn discovered(&mut self, discovery: &Subscription) {
        let groups: Vec<Groups> = discovery.groups();
        let watch = Stopwatch::start();
        let resolved = resolve(&self.settings, groups.iter().flat_map(|groups| groups.iter()));
        let failed = resolved.errors.len();
        for error in &resolved.errors {
            tracing::error!(scrape_pool = self.settings.job_name, error, "Creating target failed");
        }
        self.sync(resolved, discovery);
        self.shared.counters.times.synced(&self.settings.job_name, failed, watch.elapsed());
        if discovery.is_complete() {
            // What the new settings have no target for is gone.
            let gone = std::mem::take(&mut self.inherited);
            let now = self.shared.clock.now();
            gone.into_values().for_each(|mut run| run.end(now));
        }
    }

    fn sync(&mut self, mut resolved: Resolved, discovery: &Subscription) {
        let limit = self.settings.limits.targets;
        let forced: Option<Arc<str>> = (limit > 0 && resolved.active.len() as u64 > limit).then(|| {
            self.shared.counters.target_limit_exceeded.inc();
            format!("target_limit exceeded (number of targets: {}, limit: {limit})", resolved.active.len()).into()
        });
        let mut old = std::mem::take(&mut self.running);
        let mut view = Vec::new();
        for target in resolved.active {
            let key = (target.labels.clone(), target.url.clone());
            let kept = old.remove(&key).filter(|r| r.target.is_scraped_as(&target));
            let running = kept.unwrap_or_else(|| self.start(target));
            running.forced_error.send_replace(forced.clone());
            view.push((running.target.clone(), running.state.clone()));
            self.running.insert(key, running);
        }
        for gone in old.into_values() {
            gone.stop.send_replace(Stop::Gone);
        }
        let keep = self.settings.limits.keep_dropped_targets;
        if keep > 0 {
            resolved.dropped.truncate(keep as usize);
        }
        *self.view.lock() = PoolView {
            discovered: discovery.is_complete(),
            targets: view,
            dropped: resolved.dropped,
            found: discovery.target_count(),
        };
    }

    /// The settings by which a target is scraped.
    fn settings_of(&mut self, target: &Target) -> Arc<ScrapeSettings> {
        if target.histograms == self.settings.histograms() {
            return self.settings.clone();
        }
        let of_pool = &self.settings;
        let variant = || Arc::new(of_pool.with_histograms(target.histograms));
        self.variants.entry(target.histograms).or_insert_with(variant).clone()
    }

    fn start(&mut self, target: Arc<Target>) -> Running {
        let mut run = TargetRun::new(target.clone(), self.settings_of(&target), self.shared.store.clone());
        if let Some(previous) = self.inherited.remove(&target.labels) {
            run.inherit(previous);
        }
        let state = run.state.clone();
        let (stop, stopped) = watch::channel(Stop::Run);
        let (forced_error, forced) = watch::channel(None);
        let task = TargetLoop { shared: self.shared.clone(), client: self.client.clone(), stopped, forced };
        Running { target, state, stop, forced_error, task: self.shared.handle.spawn(task.run(run)) }
    }

    async fn end(self, why: Stop, discovery: Subscription) -> Ended {
        for running in self.running.values() {
            running.stop.send_replace(why);
        }
        let mut ended = Ended { runs: self.inherited, discovery };
        for running in self.running.into_values() {
            match running.task.await {
                Ok(run) => ended.runs.extend(run.map(|run| (run.target.labels.clone(), run))),
                Err(e) => tracing::error!(error = %e, "Scrape loop ended badly"),
            }
        }
        ended
    }
}

struct TargetLoop {
    shared: Arc<Shared>,
    client: Arc<PoolClient>,
    stopped: watch::Receiver<Stop>,
    forced: watch::Receiver<Option<Arc<str>>>,
}

impl TargetLoop {
    /// Scrapes until told to stop; gives back what a successor goes on with.
    async fn run(self, mut run: TargetRun) -> Option<TargetRun> {
        let (target, settings) = (run.target.clone(), run.settings.clone());
        let hash = target.hash();
        let mut due = next_scrape(self.shared.clock.now(), target.interval, hash);
        let intervals = self.shared.counters.times.intervals.with(&[&duration::format(target.interval)]);
        let mut before: Option<Stopwatch> = None;
        loop {
            tokio::select! {
                at = self.wait(due, target.interval, hash) => due = at,
                () = self.stops() => break,
            }
            let at = aligned(due, self.shared.clock.now(), target.interval);
            let watch = Stopwatch::start();
            if let Some(before) = before.replace(watch) {
                intervals.observe(before.elapsed().as_secs_f64());
            }
            let forced = self.forced.borrow().clone();
            let answer = match forced {
                Some(error) => Err(error.to_string()),
                None => tokio::select! {
                    answer = fetch(&self.client, &settings, &target, self.shared.admission.enter()) => {
                        answer.map_err(|e| e.to_string())
                    }
                    () = self.stops() => break,
                },
            };
            let answer = answer.map(|(answer, opening)| {
                run.begin(opening, at);
                answer
            });
            let counts;
            (run, counts) = self.read(run, answer, at, &watch).await?;
            let Some(counts) = counts else { break };
            self.note_failure(&run, at);
            self.shared.counters.count(&counts);
            if let Some(limit) = run.exceeded.take() {
                self.shared.counters.exceeded.count(limit);
            }
            due = following(due, self.shared.clock.now(), target.interval, hash);
        }
        if *self.stopped.borrow() == Stop::Gone {
            run.end(self.shared.clock.now());
        }
        Some(run)
    }

    /// Reads an answer as it comes in, or notes that there is none. Without counts when the loop has to end meanwhile.
    async fn read(
        &self,
        mut run: TargetRun,
        answer: Result<Answer, String>,
        at: i64,
        watch: &Stopwatch,
    ) -> Option<(TargetRun, Option<StoreCounts>)> {
        let (mut answer, mut failure) = match answer {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(error)),
        };
        loop {
            let pieces = match (&mut answer, failure.take()) {
                (Some(answer), _) => tokio::select! {
                    pieces = answer.pieces() => pieces.map_err(|e| e.to_string()),
                    () = self.stops() => return Some((run, None)),
                },
                (None, failure) => Err(failure.unwrap_or_default()),
            };
            let seconds = watch.elapsed().as_secs_f64();
            // Parsing and storing is work for a thread that may be busy for a while.
            let read = tokio::task::spawn_blocking(move || {
                let counts = run.take_guarded(pieces, at, seconds);
                (run, counts)
            });
            let counts;
            // An error means that the process ends.
            (run, counts) = read.await.ok()?;
            if counts.is_some() {
                return Some((run, counts));
            }
        }
    }

    /// Notes a scrape that failed where the job says.
    fn note_failure(&self, run: &TargetRun, at: i64) {
        let file = &run.settings.failure_log;
        let state = run.state.lock();
        if !file.is_empty() && state.health == TargetHealth::Down {
            let (job, target) = (&run.settings.job_name, redact_url(&run.target.url));
            self.shared.failure_logs.note(file, job, &target, at, &state.last_error);
        }
    }

    /// Waits until the target is due; when that was, should the clock have been set meanwhile.
    async fn wait(&self, mut due: i64, interval: i64, hash: u64) -> i64 {
        loop {
            let now = self.shared.clock.now();
            due = awaited(due, now, interval, hash);
            let left = Duration::from_millis(due.saturating_sub(now).max(0).unsigned_abs());
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            // The rest of a wait is not measured again: the clock may stand still for a moment, and a scrape is due.
            if left <= LONGEST_SLEEP {
                return due;
            }
        }
    }

    /// Returns when the loop has to end.
    async fn stops(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the pool is gone without a word: the process ends.
        let _ = stopped.wait_for(|stop| *stop != Stop::Run).await;
    }
}
