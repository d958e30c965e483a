//! The live driver: one thread owns the turns, a pool evaluates, tasks deliver. Real time, real disk, the same
//! [`turn`](super::drive::turn) as everywhere.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::alerting::Evaluation;
use crate::alerting::group::World;
use crate::alerting::series::RuleSample;
use crate::clock::{Clock, Stopwatch};
use crate::history::{Decision, History};
use crate::instrument::{Fails, Trouble, WorksAgain};
use crate::notify::{Notification, Outcome};
use crate::routing::{Acknowledgement, NewSilence, ReceivedAlert, SilenceError};
use crate::state::{Batch, StateError, StateStore};

use super::drive::{Hands, Turned, turn};
use super::keeper::{Keeper, StoreView};
use super::leap::LATE;
use super::pool::Pool;
use super::pulse::Pulse;
use super::{Engine, Event, Options, OutgoingAlert, Setup, SilenceChange, Ticket, View};

/// Most events taken into one turn, and so into one write to disk.
const EVENTS_A_TURN: usize = 1024;
/// The longest the driver sleeps: a machine that wakes from suspension finds its deadlines within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Delivers notifications.
pub trait Notifier: Send + Sync {
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
    /// Where decisions are recorded; nowhere where there is none.
    pub history: Option<History>,
    /// Who delivers.
    pub notifier: Arc<dyn Notifier>,
    /// Where deliveries run.
    pub runtime: tokio::runtime::Handle,
    /// How many evaluations usually run side by side.
    pub workers: usize,
    /// The one clock of the service.
    pub clock: Arc<dyn Clock>,
}

/// Why something did not come about, or may not outlive the process.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LiveError {
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
    /// It is in force, but a crash would lose it: the store did not take it. It is tried again.
    #[error("in force, but not stored: {0}")]
    NotStored(#[from] StateError),
}

/// Why a silence was not set or ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LiveSilenceError {
    /// It was not accepted.
    #[error(transparent)]
    Refused(#[from] SilenceError),
    /// It was accepted, or never seen.
    #[error(transparent)]
    Failed(#[from] LiveError),
}

enum Command {
    // With whom to tell when its effects have been performed.
    Event(Box<Event>, Option<Acknowledge>),
    Silence(SilenceChange, Asked),
    Stop(Duration),
}

type Acknowledge = oneshot::Sender<Result<(), StateError>>;
type Asked = oneshot::Sender<Result<String, LiveSilenceError>>;

/// A running engine. Clones share it.
#[derive(Clone)]
pub struct Live {
    engine: Arc<Mutex<Engine>>,
    view: Arc<ArcSwap<View>>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Sender<Command>,
    store: StoreView,
    pulse: Pulse,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Live {
    /// Starts an engine that goes on from what the store holds.
    ///
    /// # Errors
    /// The store cannot be read, or no thread can be started.
    pub fn start(parts: Parts, options: Options, setup: Setup) -> Result<Live, StateError> {
        let clock = parts.clock.clone();
        let options =
            Options { heartbeat: LONGEST_SLEEP.as_millis() as i64, records: parts.history.is_some(), ..options };
        let stored = parts.store.load()?;
        // What the start takes has passed, too.
        let pulse = Pulse::start();
        let mut engine = Engine::start(options, setup, &stored, clock.now());
        let view = Arc::new(ArcSwap::from_pointee(engine.view()));
        let engine = Arc::new(Mutex::new(engine));
        let (commands, inbox) = mpsc::channel();
        let keeper = Keeper::new(parts.store.clone());
        let store = keeper.view();
        let hands = LiveHands {
            pool: Pool::new(parts.workers),
            keeper,
            evaluating: 0,
            delivering: 0,
            stopping: false,
            commands: commands.clone(),
            tick: None,
            begun: Stopwatch::start(),
            markers: Trouble::default(),
            parts,
        };
        let mut driver = Driver {
            engine: engine.clone(),
            view: view.clone(),
            clock: clock.clone(),
            inbox,
            hands,
            pulse: pulse.clone(),
            deadline: None,
        };
        let shown = pulse.clone();
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
            // Nothing of it is used afterwards but to be looked at.
            if std::panic::catch_unwind(AssertUnwindSafe(|| driver.run())).is_err() {
                shown.die();
            }
        });
        let thread = thread.map_err(|e| StateError::Store(format!("cannot start the engine's thread: {e}")))?;
        Ok(Live { engine, view, clock, commands, store, pulse, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Looks at the engine. Keep it short: evaluation results wait meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&self.engine.lock())
    }

    /// What there was to see after the last turn. Nobody waits for anybody here.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The engine's time, milliseconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// What keeps rules from being evaluated and pages from being sent: the engine is held up, or has stopped.
    pub fn trouble(&self) -> Option<String> {
        self.pulse.trouble()
    }

    /// How long the engine's last turn is ago; one begins each second at least.
    pub fn since_last_turn(&self) -> Duration {
        self.pulse.silence()
    }

    /// Returns when the engine has stopped and nobody asked it to.
    pub async fn death(&self) {
        self.pulse.death().await;
    }

    /// How the store takes what it is given.
    pub fn store(&self) -> &StoreView {
        &self.store
    }

    /// Takes in posted alerts; returns when they are stored.
    ///
    /// # Errors
    /// The engine has stopped, or they could not be stored.
    pub async fn receive_alerts(&self, alerts: Vec<ReceivedAlert>) -> Result<(), LiveError> {
        self.happen(Event::AlertsReceived(alerts)).await
    }

    /// Puts another configuration in force; returns when it is.
    ///
    /// # Errors
    /// The engine has stopped, or what follows from the change could not be stored.
    pub async fn reload(&self, setup: Setup) -> Result<(), LiveError> {
        self.happen(Event::Reloaded(Box::new(setup))).await
    }

    /// Lets the engine know that so many rounds of scrapes have been made since the start.
    pub fn data_came(&self, rounds: u8) {
        // An engine that has stopped waits for nothing.
        let _ = self.commands.send(Command::Event(Box::new(Event::DataCame(rounds)), None));
    }

    /// Lets the engine take a turn; returns when it has.
    ///
    /// # Errors
    /// It has stopped, or what followed could not be stored.
    pub async fn turn(&self) -> Result<(), LiveError> {
        self.happen(Event::Tick).await
    }

    async fn happen(&self, event: Event) -> Result<(), LiveError> {
        let (done, performed) = oneshot::channel();
        self.commands.send(Command::Event(Box::new(event), Some(done))).map_err(|_| LiveError::Stopped)?;
        performed.await.map_err(|_| LiveError::Stopped)?.map_err(LiveError::NotStored)
    }

    /// Makes or changes a silence; returns its id when it is stored.
    ///
    /// # Errors
    /// It was not accepted, or could not be stored.
    pub async fn set_silence(&self, new: NewSilence) -> Result<String, LiveSilenceError> {
        self.change_silence(SilenceChange::Set(new)).await
    }

    /// Ends a silence; returns when that is stored.
    ///
    /// # Errors
    /// There is no such silence, it is over, or its end could not be stored.
    pub async fn expire_silence(&self, id: String) -> Result<(), LiveSilenceError> {
        self.change_silence(SilenceChange::Expire(id)).await.map(|_| ())
    }

    /// Acknowledges an alert that fires; returns the id of the silence that this makes when it is stored.
    ///
    /// # Errors
    /// It does not fire, or could not be stored.
    pub async fn acknowledge(&self, new: Acknowledgement) -> Result<String, LiveSilenceError> {
        self.change_silence(SilenceChange::Acknowledge(new)).await
    }

    async fn change_silence(&self, change: SilenceChange) -> Result<String, LiveSilenceError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Silence(change, answer)).map_err(|_| LiveError::Stopped)?;
        answered.await.map_err(|_| LiveError::Stopped)?
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
    view: Arc<ArcSwap<View>>,
    clock: Arc<dyn Clock>,
    inbox: mpsc::Receiver<Command>,
    hands: LiveHands,
    pulse: Pulse,
    deadline: Option<(Stopwatch, Duration)>,
}

/// What goes into one turn, and who waits for it. The place in `asked` is the ticket.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    told: Vec<Acknowledge>,
    asked: Vec<Asked>,
}

impl Waiting {
    fn answer(self, turned: Turned) {
        let Turned { stored, answers } = turned;
        // Whoever asked may have gone away.
        for told in self.told {
            let _ = told.send(stored.clone());
        }
        for (asked, (_, answer)) in self.asked.into_iter().zip(answers) {
            let answer = answer.map_err(LiveSilenceError::Refused);
            let _ = asked.send(answer.and_then(|id| match &stored {
                Ok(()) => Ok(id),
                Err(e) => Err(LiveError::NotStored(e.clone()).into()),
            }));
        }
    }
}

impl Driver {
    fn run(&mut self) {
        self.take_in(None);
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
        self.hands.keeper.finish();
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
        let mut waiting = Waiting::default();
        let mut next = first;
        while let Some(command) = next {
            match command {
                Command::Event(event, done) => {
                    self.hands.note_end(&event);
                    waiting.events.push(*event);
                    waiting.told.extend(done);
                }
                Command::Silence(change, answer) => {
                    waiting.events.push(Event::SilenceChanged(waiting.asked.len() as Ticket, change));
                    waiting.asked.push(answer);
                }
                Command::Stop(grace) => {
                    self.hands.stopping = true;
                    self.deadline = Some((Stopwatch::start(), grace));
                }
            }
            next = match self.inbox.try_recv() {
                Ok(command) if waiting.events.len() < EVENTS_A_TURN => Some(command),
                Ok(command) => {
                    self.turn(std::mem::take(&mut waiting));
                    Some(command)
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
            };
        }
        if !self.hands.stopping {
            waiting.events.push(Event::Tick);
        }
        self.turn(waiting);
    }

    fn turn(&mut self, mut waiting: Waiting) {
        let events = std::mem::take(&mut waiting.events);
        let passed = i64::try_from(self.pulse.beat()).unwrap_or(i64::MAX);
        if passed > LATE {
            tracing::warn!(seconds = passed / 1_000, "the engine was held up: nothing was evaluated or sent meanwhile");
        }
        self.engine.lock().have_passed(passed);
        let turned = turn(&mut self.engine, self.clock.now(), events, &mut self.hands);
        self.hands.tick = None;
        self.view.store(Arc::new(self.engine.lock().view()));
        waiting.answer(turned);
    }
}

struct LiveHands {
    parts: Parts,
    pool: Pool,
    commands: mpsc::Sender<Command>,
    keeper: Keeper,
    evaluating: usize,
    delivering: usize,
    stopping: bool,
    // The world of the evaluations that begin in this turn, and their time.
    tick: Option<(i64, Arc<dyn World>)>,
    begun: Stopwatch,
    /// Markers that cannot be written.
    markers: Trouble,
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
    fn record(&mut self, decisions: Vec<Decision>) {
        if let Some(history) = &self.parts.history {
            history.record(decisions);
        }
    }

    fn persist(&mut self, batch: Batch) -> Result<(), StateError> {
        self.keeper.persist(batch)
    }

    fn append(&mut self, samples: Vec<RuleSample>) {
        let now = self.begun.elapsed();
        match self.parts.world.append(&samples) {
            Ok(_) => {
                if let Some(WorksAgain { failures, seconds }) = self.markers.all_work(now) {
                    tracing::info!(failures, after_seconds = seconds, "staleness markers are written again");
                }
            }
            Err(error) => {
                if let Some(Fails { failures, seconds, .. }) = self.markers.failed("", &error, now) {
                    tracing::warn!(error, failures, for_seconds = seconds, "staleness markers were not written");
                }
            }
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
        let (id, commands) = (notification.id, self.commands.clone());
        let attempt = self.parts.notifier.clone();
        let runtime = self.parts.runtime.clone();
        self.parts.runtime.spawn(async move {
            let outcome = runtime.spawn(async move { attempt.deliver(notification).await }).await;
            let outcome = outcome.unwrap_or_else(|_| Outcome::Retry {
                after: None,
                reason: "the attempt panicked; this is a defect".into(),
            });
            let _ = commands.send(Command::Event(Box::new(Event::Delivered { id, outcome }), None));
        });
    }

    fn send(&mut self, alerts: Vec<OutgoingAlert>) {
        self.parts.notifier.send(alerts);
    }
}
