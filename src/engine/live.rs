//! The live driver: one thread owns the turns, a pool evaluates, tasks deliver. Real time, real disk, the same
//! [`turn`](super::drive::turn) as everywhere.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::alerting::Evaluation;
use crate::alerting::group::World;
use crate::alerting::series::RuleSample;
use crate::clock::{Clock, Stopwatch};
use crate::notify::{IntegrationId, Notification, Outcome};
use crate::routing::{NewSilence, ReceivedAlert, SilenceError};
use crate::state::{Batch, StateError, StateStore};

use super::drive::{Hands, perform, turn};
use super::pool::Pool;
use super::{Engine, Event, Options, OutgoingAlert, Setup};

/// Most deliveries under way to one integration.
const DELIVERIES_AT_ONCE: usize = 16;
/// Most events taken into one turn, and so into one write to disk.
const EVENTS_A_TURN: usize = 1024;
/// The longest the driver sleeps: a machine that wakes from suspension finds its deadlines within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Delivers notifications.
pub trait Courier: Send + Sync {
    /// One attempt. Ends within the receiver's timeout.
    fn deliver(&self, notification: Notification) -> BoxFuture<'static, Outcome>;

    /// Takes alerts for the external Alertmanagers; never blocks.
    fn send(&self, alerts: Vec<OutgoingAlert>);
}

/// What a live engine works with.
pub struct Parts {
    /// What rules query and write to.
    pub world: Arc<dyn World>,
    /// Where state is kept.
    pub store: Arc<dyn StateStore>,
    /// Who delivers.
    pub courier: Arc<dyn Courier>,
    /// Where deliveries run.
    pub runtime: tokio::runtime::Handle,
    /// How many evaluations usually run side by side.
    pub workers: usize,
    /// The one clock of the service.
    pub clock: Arc<dyn Clock>,
}

/// The engine has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has stopped")]
pub struct Stopped;

/// Why a silence was not set or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveSilenceError {
    /// It was not accepted.
    #[error(transparent)]
    Refused(#[from] SilenceError),
    /// The engine has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

type Call = Box<dyn FnOnce(&mut Engine, i64) -> Vec<super::Effect> + Send>;

enum Command {
    // With whom to tell when its effects have been performed.
    Event(Box<Event>, Option<oneshot::Sender<()>>),
    Call(Call, oneshot::Sender<()>),
    Stop(Duration),
}

/// A running engine. Clones share it.
#[derive(Clone)]
pub struct Live {
    engine: Arc<Mutex<Engine>>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Sender<Command>,
    failed_writes: Arc<AtomicU64>,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Live {
    /// Starts an engine that goes on from what the store holds.
    ///
    /// # Errors
    /// The store cannot be read, or no thread can be started.
    pub fn start(parts: Parts, options: Options, setup: Setup) -> Result<Live, StateError> {
        let clock = parts.clock.clone();
        let options = Options { heartbeat: LONGEST_SLEEP.as_millis() as i64, ..options };
        let (engine, effects) = Engine::start(options, setup, &parts.store.load()?, clock.now())?;
        let engine = Arc::new(Mutex::new(engine));
        let (commands, inbox) = mpsc::channel();
        let failed_writes = Arc::new(AtomicU64::new(0));
        let hands = LiveHands {
            pool: Pool::new(parts.workers),
            unstored: Batch::default(),
            failed_writes: failed_writes.clone(),
            evaluating: 0,
            delivering: 0,
            stopping: false,
            permits: HashMap::new(),
            commands: commands.clone(),
            tick: None,
            parts,
        };
        let mut driver = Driver { engine: engine.clone(), clock: clock.clone(), inbox, hands, deadline: None };
        let body = move || {
            perform(effects, &mut driver.hands);
            driver.run();
        };
        let thread = std::thread::Builder::new().name("engine".into()).spawn(body);
        let thread = thread.map_err(|e| StateError::Store(format!("cannot start the engine's thread: {e}")))?;
        Ok(Live { engine, clock, commands, failed_writes, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Looks at the engine. Keep it short: evaluation results wait meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&self.engine.lock())
    }

    /// The engine's time, milliseconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// How many batches could not be written to the store when they should have been.
    pub fn failed_writes(&self) -> u64 {
        self.failed_writes.load(Ordering::Relaxed)
    }

    /// Takes in posted alerts; returns when they are stored.
    ///
    /// # Errors
    /// The engine has stopped.
    pub async fn receive_alerts(&self, alerts: Vec<ReceivedAlert>) -> Result<(), Stopped> {
        self.happen(Event::AlertsReceived(alerts)).await
    }

    /// Puts another configuration in force; returns when it is.
    ///
    /// # Errors
    /// The engine has stopped.
    pub async fn reload(&self, setup: Setup) -> Result<(), Stopped> {
        self.happen(Event::Reloaded(Box::new(setup))).await
    }

    async fn happen(&self, event: Event) -> Result<(), Stopped> {
        let (done, performed) = oneshot::channel();
        self.commands.send(Command::Event(Box::new(event), Some(done))).map_err(|_| Stopped)?;
        performed.await.map_err(|_| Stopped)
    }

    /// Makes or changes a silence; returns its id when it is stored.
    ///
    /// # Errors
    /// It was not accepted.
    pub async fn set_silence(&self, new: NewSilence) -> Result<String, LiveSilenceError> {
        self.call(move |engine, now| match engine.set_silence(new, now) {
            Ok((id, effects)) => (Ok(id), effects),
            Err(e) => (Err(e.into()), Vec::new()),
        })
        .await?
    }

    /// Ends a silence; returns when that is stored.
    ///
    /// # Errors
    /// There is no such silence, or it is over.
    pub async fn expire_silence(&self, id: String) -> Result<(), LiveSilenceError> {
        self.call(move |engine, now| match engine.expire_silence(&id, now) {
            Ok(effects) => (Ok(()), effects),
            Err(e) => (Err(e.into()), Vec::new()),
        })
        .await?
    }

    async fn call<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, i64) -> (T, Vec<super::Effect>) + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let (done, performed) = oneshot::channel();
        let call: Call = Box::new(move |engine, now| {
            let (value, effects) = change(engine, now);
            // Whoever asked may have gone away.
            let _ = answer.send(value);
            effects
        });
        self.commands.send(Command::Call(call, done)).map_err(|_| Stopped)?;
        performed.await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Stops: no evaluation and no delivery begins any more; those under way have `grace` to end, so that what was
    /// delivered is not delivered again. Blocks until the engine's thread has ended.
    pub fn stop(&self, grace: Duration) {
        if self.commands.send(Command::Stop(grace)).is_ok()
            && let Some(thread) = self.thread.lock().take()
        {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

struct Driver {
    engine: Arc<Mutex<Engine>>,
    clock: Arc<dyn Clock>,
    inbox: mpsc::Receiver<Command>,
    hands: LiveHands,
    deadline: Option<(Stopwatch, Duration)>,
}

impl Driver {
    fn run(&mut self) {
        loop {
            let command = match self.inbox.recv_timeout(self.sleep()) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.take_in(command);
            let over = self.deadline.is_some_and(|(since, grace)| since.elapsed() >= grace);
            if self.hands.stopping && (over || self.hands.is_idle()) {
                break;
            }
        }
        self.hands.persist(Batch::default());
    }

    fn sleep(&self) -> Duration {
        let relief = self.hands.pool.relieve();
        let mut sleep = relief.map_or(LONGEST_SLEEP, |r| r.min(LONGEST_SLEEP));
        if self.hands.stopping {
            return sleep.min(Duration::from_millis(50));
        }
        if let Some(at) = self.engine.lock().next_deadline() {
            let until = u64::try_from(at - self.clock.now()).unwrap_or(0);
            sleep = sleep.min(Duration::from_millis(until));
        }
        sleep
    }

    /// Takes in what waits, as one turn.
    fn take_in(&mut self, first: Option<Command>) {
        let mut events = Vec::new();
        let mut told = Vec::new();
        let mut next = first;
        while let Some(command) = next {
            match command {
                Command::Event(event, done) => {
                    self.hands.note_end(&event);
                    events.push(*event);
                    told.extend(done);
                }
                Command::Call(call, done) => {
                    // What was asked for later must not overtake what happened before.
                    self.turn(std::mem::take(&mut events));
                    let effects = call(&mut self.engine.lock(), self.clock.now());
                    perform(effects, &mut self.hands);
                    told.push(done);
                }
                Command::Stop(grace) => {
                    self.hands.stopping = true;
                    self.deadline = Some((Stopwatch::start(), grace));
                }
            }
            next = match self.inbox.try_recv() {
                Ok(command) if events.len() < EVENTS_A_TURN => Some(command),
                Ok(command) => {
                    self.turn(std::mem::take(&mut events));
                    Some(command)
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
            };
        }
        if !self.hands.stopping {
            events.push(Event::Tick);
        }
        self.turn(events);
        for done in told {
            let _ = done.send(());
        }
    }

    fn turn(&mut self, events: Vec<Event>) {
        turn(|| self.engine.lock(), self.clock.now(), events, &mut self.hands);
        self.hands.tick = None;
    }
}

struct LiveHands {
    parts: Parts,
    pool: Pool,
    commands: mpsc::Sender<Command>,
    // What a failing disk has not taken yet.
    unstored: Batch,
    failed_writes: Arc<AtomicU64>,
    evaluating: usize,
    delivering: usize,
    stopping: bool,
    permits: HashMap<IntegrationId, Arc<Semaphore>>,
    // The world of the evaluations that begin in this turn, and their time.
    tick: Option<(i64, Arc<dyn World>)>,
}

impl LiveHands {
    /// The world for an evaluation at a time. Those of one time that begin in one turn share theirs.
    fn world(&mut self, at: i64) -> Arc<dyn World> {
        match &self.tick {
            Some((t, world)) if *t == at => world.clone(),
            _ => {
                let world = self.parts.world.clone();
                let world = world.clone().tick().unwrap_or(world);
                self.tick = Some((at, world.clone()));
                world
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.evaluating == 0 && self.delivering == 0
    }

    fn note_end(&mut self, event: &Event) {
        match event {
            Event::Evaluated(_) => self.evaluating = self.evaluating.saturating_sub(1),
            Event::Delivered { .. } => self.delivering = self.delivering.saturating_sub(1),
            _ => {}
        }
    }
}

impl Hands for LiveHands {
    /// A disk that fails must not keep a page from going out: what could not be stored is kept and tried again with the
    /// next batch, and the failure is logged and counted.
    fn persist(&mut self, batch: Batch) {
        self.unstored.merge(batch);
        if self.unstored.is_empty() {
            return;
        }
        match self.parts.store.apply(&self.unstored) {
            Ok(()) => self.unstored = Batch::default(),
            Err(e) => {
                self.failed_writes.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = %e, records = self.unstored.len(), "state was not stored");
            }
        }
    }

    fn append(&mut self, samples: Vec<RuleSample>) {
        if let Err(e) = self.parts.world.append(&samples) {
            tracing::warn!(error = %e, "staleness markers were not written");
        }
    }

    fn evaluate(&mut self, evaluation: Evaluation) {
        if self.stopping {
            return;
        }
        self.evaluating += 1;
        let (world, commands) = (self.world(evaluation.at), self.commands.clone());
        self.pool.submit(Box::new(move || {
            let run = std::panic::catch_unwind(AssertUnwindSafe(|| evaluation.run(&*world)));
            drop(world);
            let evaluated = run.unwrap_or_else(|_| evaluation.failed("the evaluation panicked; this is a defect"));
            // A driver that has ended no longer needs to know.
            let _ = commands.send(Command::Event(Box::new(Event::Evaluated(Box::new(evaluated))), None));
        }));
    }

    fn deliver(&mut self, notification: Notification) {
        // What is not delivered now is owed, and goes out after the next start.
        if self.stopping {
            return;
        }
        self.delivering += 1;
        let permits = self.permits.entry(notification.integration.clone());
        let permits = permits.or_insert_with(|| Arc::new(Semaphore::new(DELIVERIES_AT_ONCE))).clone();
        let (id, commands) = (notification.id, self.commands.clone());
        let attempt = self.parts.courier.clone();
        let runtime = self.parts.runtime.clone();
        self.parts.runtime.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let outcome = runtime.spawn(async move { attempt.deliver(notification).await }).await;
            let outcome = outcome.unwrap_or_else(|_| Outcome::Retry {
                after: None,
                reason: "the attempt panicked; this is a defect".into(),
            });
            let _ = commands.send(Command::Event(Box::new(Event::Delivered { id, outcome }), None));
        });
    }

    fn send(&mut self, alerts: Vec<OutgoingAlert>) {
        self.parts.courier.send(alerts);
    }
}
