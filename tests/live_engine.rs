//! The live driver in real time: threads, a disk, and deliveries that hang or panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use watchbell::alerting::group::{Appended, RuleResult, TemplateInput, World};
use watchbell::alerting::series::RuleSample;
use watchbell::alerting::{GroupSpec, Health, RuleSpec};
use watchbell::clock::WallClock;
use watchbell::engine::live::{Live, LiveError, LiveSilenceError, Notifier, Parts};
use watchbell::engine::{Options, OutgoingAlert, Setup};
use watchbell::model::Matcher;
use watchbell::notify::{Notification, Outcome};
use watchbell::routing::{NewSilence, RouteSpec, RoutingConfig, SilenceError};
use watchbell::state::{Batch, DiskStore, MemoryStore, Snapshot, StateError, StateStore, Table};

use crate::stage::{Stage, group, routing, rule, setup};

/// Shows every notification to the test, which answers with the outcome.
struct Window {
    out: Mutex<Sender<(Notification, tokio::sync::oneshot::Sender<Outcome>)>>,
}

type Shown = Receiver<(Notification, tokio::sync::oneshot::Sender<Outcome>)>;

impl Notifier for Window {
    fn deliver(&self, notification: Notification) -> BoxFuture<'static, Outcome> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let _ = self.out.lock().send((notification, answer));
        async move { answered.await.unwrap_or(Outcome::GiveUp { reason: "nobody answers".into() }) }.boxed()
    }

    fn send(&self, _alerts: Vec<OutgoingAlert>) {}
}

fn quick(names: &[&str]) -> Setup {
    let quick_group = |name: &&str| {
        let of_one = group(name, vec![rule(name, 0, "critical")]);
        Arc::new(GroupSpec { interval: 20, ..(*of_one).clone() })
    };
    let mut config: RoutingConfig = (*routing()).clone();
    config.route = RouteSpec {
        receiver: Some("pager".into()),
        group_wait: Some(0),
        group_interval: Some(20),
        ..RouteSpec::default()
    };
    Setup { routing: Some(Arc::new(config)), ..setup(names.iter().map(quick_group).collect()) }
}

fn start(world: Arc<dyn World>, store: Arc<dyn StateStore>, names: &[&str]) -> (Live, Shown, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (out, shown) = channel();
    let notifier = Arc::new(Window { out: Mutex::new(out) });
    let parts = Parts {
        world,
        store,
        history: None,
        notifier,
        runtime: runtime.handle().clone(),
        workers: 1,
        clock: Arc::new(WallClock::start()),
    };
    let live = Live::start(parts, Options::default(), quick(names)).unwrap();
    (live, shown, runtime)
}

/// The next notification: `+` fires, `-` resolved.
fn next(shown: &Shown, outcome: Outcome) -> String {
    let (n, answer) = shown.recv_timeout(Duration::from_secs(60)).unwrap();
    let _ = answer.send(outcome);
    let mark = |resolved: bool| if resolved { "-" } else { "+" };
    n.alerts.iter().map(|a| format!("{}{}", mark(a.is_resolved()), a.labels.value("instance"))).collect()
}

const GRACE: Duration = Duration::from_secs(30);

#[test]
fn a_stopped_engine_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let stage = Arc::new(Stage::default());
    stage.set("Down", &["a"]);
    let open = || Arc::new(DiskStore::open(dir.path()).unwrap());
    let (live, shown, runtime) = start(stage.clone(), open(), &["Down"]);
    assert_eq!(next(&shown, Outcome::Delivered), "+a");
    live.stop(GRACE);
    assert_eq!(
        runtime.block_on(live.receive_alerts(vec![])).map_err(|e| e.to_string()),
        Err("the engine has stopped".into())
    );
    drop((live, shown, runtime));
    stage.set("Down", &["a", "b"]);
    let (live, shown, _runtime) = start(stage.clone(), open(), &["Down"]);
    assert_eq!(next(&shown, Outcome::Delivered), "+a+b", "a alone is not told again");
    stage.set("Down", &[]);
    assert_eq!(next(&shown, Outcome::Delivered), "-a-b");
    live.stop(GRACE);
    assert_eq!(live.store().failed_writes(), 0);
}

#[test]
fn what_was_not_delivered_is_delivered_after_the_next_start() {
    let (stage, store) = (Arc::new(Stage::default()), Arc::new(MemoryStore::default()));
    stage.set("Down", &["a"]);
    let (live, shown, _runtime) = start(stage.clone(), store.clone(), &["Down"]);
    let (_, unanswered) = shown.recv_timeout(GRACE).unwrap();
    live.stop(Duration::ZERO);
    stage.set("Down", &["error"]);
    let (live, shown, _runtime) = start(stage, store, &["Down"]);
    assert_eq!(next(&shown, Outcome::Delivered), "+a", "though no rule says so any more");
    drop(unanswered);
    live.stop(GRACE);
}

/// A world in which one rule's query hangs until the test lets go, and another panics.
struct Troubled {
    stage: Stage,
    hang: Mutex<Receiver<()>>,
}

impl World for Troubled {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        match &*rule.name {
            "Hangs" => {
                let _ = self.hang.lock().recv();
            }
            "Panics" => panic!("as the test wants"),
            _ => {}
        }
        self.stage.query(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.stage.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        self.stage.append(samples)
    }
}

#[test]
fn a_group_that_hangs_or_panics_delays_no_other() {
    let (release, hang) = channel();
    let world = Arc::new(Troubled { stage: Stage::default(), hang: Mutex::new(hang) });
    world.stage.set("Down", &["a"]);
    let (live, shown, _runtime) = start(world.clone(), Arc::new(MemoryStore::default()), &["Hangs", "Panics", "Down"]);
    assert_eq!(next(&shown, Outcome::Delivered), "+a");
    world.stage.set("Down", &[]);
    assert_eq!(next(&shown, Outcome::Delivered), "-a");
    let of = |name: &str| live.with(|e| e.rule_groups().into_iter().find(|g| &*g.spec.key.name == name)).unwrap();
    // Both have missed or failed iterations by the time anyone else has gone through its life; wait for the count.
    while of("Hangs").missed == 0 || of("Panics").state.rules[0].health != Health::Bad {
        std::thread::yield_now();
    }
    assert!(of("Hangs").state.evaluated_at.is_none());
    assert!(of("Panics").state.rules[0].last_error.as_deref().unwrap().contains("panicked"));
    drop(release);
    live.stop(GRACE);
}

/// A world that only answers in ticks, and counts them.
#[derive(Default)]
struct Ticking {
    stage: Stage,
    ticks: AtomicUsize,
    queries: AtomicUsize,
}

struct InTick(Arc<Ticking>);

impl World for Ticking {
    fn query(&self, _rule: &RuleSpec, _at: i64) -> Result<RuleResult, String> {
        Err("asked outside of a tick".into())
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.stage.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        self.stage.append(samples)
    }

    fn tick(self: Arc<Self>) -> Option<Arc<dyn World>> {
        self.ticks.fetch_add(1, Ordering::SeqCst);
        Some(Arc::new(InTick(self)))
    }
}

impl World for InTick {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        self.0.queries.fetch_add(1, Ordering::SeqCst);
        self.0.stage.query(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.0.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        self.0.append(samples)
    }
}

#[test]
fn groups_that_are_due_together_are_evaluated_in_one_tick() {
    let world = Arc::new(Ticking::default());
    world.stage.set("Down", &["a"]);
    let (live, shown, _runtime) = start(world.clone(), Arc::new(MemoryStore::default()), &["One", "Two", "Down"]);
    assert_eq!(next(&shown, Outcome::Delivered), "+a");
    live.stop(GRACE);
    let (ticks, queries) = (world.ticks.load(Ordering::SeqCst), world.queries.load(Ordering::SeqCst));
    assert!(ticks < queries && queries <= 3 * ticks, "{queries} queries in {ticks} ticks");
    // Nothing is kept of a tick that is over.
    assert_eq!(Arc::strong_count(&world), 1);
}

#[test]
fn silences_are_answered_when_they_are_stored() {
    let store = Arc::new(MemoryStore::default());
    let (live, _shown, runtime) = start(Arc::new(Stage::default()), store.clone(), &[]);
    let now = live.now();
    let matchers = vec![Matcher::equal("a", "b")];
    let new = NewSilence { matchers, starts_at: now, ends_at: now + 3_600_000, ..NewSilence::default() };
    let id = runtime.block_on(live.set_silence(new)).unwrap();
    assert_eq!(store.load().unwrap().len(), 1);
    runtime.block_on(live.expire_silence(id.clone())).unwrap();
    let again = runtime.block_on(live.expire_silence(id.clone()));
    let over =
        |e: &LiveSilenceError| matches!(e, LiveSilenceError::Refused(SilenceError::AlreadyExpired(i)) if *i == id);
    assert!(again.as_ref().is_err_and(over), "{again:?}");
    live.stop(GRACE);
}

/// A store that is full until it is told otherwise.
#[derive(Default)]
struct Full {
    records: MemoryStore,
    has_room: AtomicBool,
}

impl StateStore for Full {
    fn load(&self) -> Result<Snapshot, StateError> {
        self.records.load()
    }

    fn apply(&self, batch: &Batch) -> Result<(), StateError> {
        match self.has_room.load(Ordering::SeqCst) {
            true => self.records.apply(batch),
            false => Err(StateError::Store("no space left on device".into())),
        }
    }
}

#[test]
fn who_asks_for_something_learns_that_it_was_not_stored_and_pages_go_out_all_the_same() {
    let (stage, store) = (Arc::new(Stage::default()), Arc::new(Full::default()));
    stage.set("Down", &["a"]);
    let (live, shown, runtime) = start(stage, store.clone(), &["Down"]);
    assert_eq!(next(&shown, Outcome::Delivered), "+a");
    let new = |value: &str| NewSilence {
        matchers: vec![Matcher::equal("a", value)],
        starts_at: live.now(),
        ends_at: live.now() + 3_600_000,
        ..NewSilence::default()
    };
    let refused = runtime.block_on(live.set_silence(new("b")));
    assert!(matches!(refused, Err(LiveSilenceError::Failed(LiveError::NotStored(_)))), "{refused:?}");
    let refused = runtime.block_on(live.receive_alerts(vec![]));
    assert!(matches!(refused, Err(LiveError::NotStored(_))), "what came before is not stored: {refused:?}");
    let trouble = live.store().trouble().unwrap();
    assert!(trouble.contains("no space left on device") && live.store().unstored() > 0, "{trouble}");
    store.has_room.store(true, Ordering::SeqCst);
    runtime.block_on(live.set_silence(new("c"))).unwrap();
    let silences = store.load().unwrap().read::<serde_json::Value>(Table::Silence);
    assert_eq!(silences.len(), 2, "what was not stored is stored with what follows");
    assert!(live.store().failed_writes() > 0);
    assert_eq!((live.store().trouble(), live.store().unstored()), (None, 0), "the trouble is over");
    live.stop(GRACE);
}

/// A store whose defect ends whoever uses it.
struct Broken;

impl StateStore for Broken {
    fn load(&self) -> Result<Snapshot, StateError> {
        Ok(Snapshot::default())
    }

    fn apply(&self, _batch: &Batch) -> Result<(), StateError> {
        panic!("a defect of the test's own");
    }
}

#[test]
fn an_engine_that_ends_by_a_defect_says_so() {
    let stage = Arc::new(Stage::default());
    stage.set("Down", &["a"]);
    let (live, _shown, runtime) = start(stage, Arc::new(Broken), &["Down"]);
    runtime.block_on(live.death());
    assert!(live.trouble().is_some_and(|why| why.contains("stopped after a defect")), "{:?}", live.trouble());
    assert!(runtime.block_on(live.receive_alerts(vec![])).is_err());
    live.stop(GRACE);
}
