//! The fault simulator: the production engine, driven through [`turn`] with the live driver's policy for what could not be
//! stored, under crashes at every effect, sources, receivers and disks that fail or lie, reloads, silences and leaping
//! clocks. One seed, one run: the mix of faults, their intensity and every moment follow from it.

mod checker;
mod chronicle;
pub mod dice;
mod hands;
mod scenario;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use watchbell::alerting::series::RuleSample;
use watchbell::alerting::{Alert, AlertState, Evaluation};
use watchbell::engine::drive::{Hands, turn};
use watchbell::engine::{DataAtStart, Engine, Event, Options, OutgoingAlert, Setup, SilenceChange};
use watchbell::history::Decision;
use watchbell::model::{Labels, Matcher};
use watchbell::notify::{IntegrationId, Notification};
use watchbell::routing::group::AggregationGroup;
use watchbell::routing::{Acknowledgement, NewSilence, ReceivedAlert};
use watchbell::state::{Batch, StateError, StateStore, Table};

use checker::{Moment, Origin, Quiet};
pub use hands::Sabotage;
use hands::{LOOKBACK, Mood, PATIENCE, SCRAPE, SimHands};
use scenario::{Dice, INSTANCES, M, Mix, PosterShape, S, Scenario, Shape};
use world::Fault;

/// The driver lets the engine know the time at least this often.
const HEARTBEAT: i64 = M;
/// Turns at one moment after which the engine turns for nothing.
const TURNS_AT_ONCE: u32 = 1000;

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub turns: u64,
    pub crashes: u64,
    pub messages: u64,
}

impl Stats {
    pub fn add(&mut self, other: Stats) {
        self.turns += other.turns;
        self.crashes += other.crashes;
        self.messages += other.messages;
    }
}

/// Runs one seed; with `narrate`, tells every step; with `sabotage`, the hands do something wrong.
///
/// # Errors
/// Which property did not hold, when and why.
pub fn run(seed: u64, narrate: bool, sabotage: Option<Sabotage>) -> Result<Stats, String> {
    let mut simulation = Simulation::new(seed, narrate, sabotage)?;
    simulation.play().map(|()| simulation.stats).map_err(|e| format!("seed {seed}, {}: {e}", simulation.time()))
}

struct Poster {
    shape: PosterShape,
    up: bool,
    next: i64,
}

struct Simulation {
    dice: Dice,
    mix: Mix,
    shape: Shape,
    setup: Setup,
    posters: Vec<Poster>,
    steps: u64,
    engine: Engine,
    hands: SimHands,
    calm: bool,
    at_once: u32,
    tickets: u64,
    /// How many batches were stored when a restart was last looked at.
    looked_at: u64,
    stats: Stats,
}

const BEGIN: i64 = 1_700_000_000_000;

impl Simulation {
    fn new(seed: u64, narrate: bool, sabotage: Option<Sabotage>) -> Result<Self, String> {
        let mut dice = Dice(seed);
        let scenario = Scenario::of(&mut dice);
        let mut hands = SimHands::new(Dice(!seed), &scenario, narrate);
        hands.sabotage = sabotage;
        let Scenario { mix, shape, posters, steps } = scenario;
        hands.say(|| format!("seed {seed}: {mix:?}\n{shape:#?}\n{posters:#?}"));
        let setup = configure(&shape, sabotage);
        let options = options(&mix, &hands);
        let engine = Engine::start(options, setup.clone(), &Default::default(), BEGIN);
        let poster = |shape| Poster { shape, up: false, next: 0 };
        let posters = posters.into_iter().map(poster).collect();
        let (calm, at_once, tickets, looked_at, stats) = (false, 0, 0, 0, Stats::default());
        let simulation = Simulation {
            dice,
            mix,
            shape,
            setup,
            posters,
            steps,
            engine,
            hands,
            calm,
            at_once,
            tickets,
            looked_at,
            stats,
        };
        Ok(simulation)
    }

    fn time(&self) -> String {
        format!("{:.3} s", self.hands.now as f64 / 1000.0)
    }

    fn play(&mut self) -> Result<(), String> {
        for _ in 0..self.steps {
            self.change_the_world()?;
            self.step()?;
        }
        // Calm: nothing fires, then everything does for long enough, then nothing again.
        self.be_calm()?;
        for up in [false, true, false] {
            self.set_all(up);
            let until = self.hands.now + self.hands.checker.longest(&self.shape) + self.silent_for() + S;
            while self.hands.now < until {
                self.step()?;
            }
            self.hands.checker.healed();
        }
        let (owed, groups) = (self.engine.owed(), self.engine.router().groups().count());
        self.hands.checker.nothing_is_left(&owed, groups);
        self.verdict()
    }

    /// How long quiet hours and silences may go on.
    fn silent_for(&self) -> i64 {
        let wall = self.hands.wall();
        let silences = self.hands.checker.silences.iter().map(|s| s.ends_at - wall).max().unwrap_or(0).max(0);
        // They may yet begin.
        let spans = [self.shape.mute, self.shape.inactive].into_iter().flatten();
        let quiet = spans.map(|(from, to)| i64::from(to - from) * M).max().unwrap_or(0);
        silences + quiet
    }

    fn be_calm(&mut self) -> Result<(), String> {
        self.hands.say(|| "calm".into());
        self.calm = true;
        self.hands.be_calm();
        // Rules and receivers that were taken out come back, so that there is something to tell.
        self.shape.rules.iter_mut().for_each(|r| r.present = true);
        self.reload()
    }

    fn set_all(&mut self, up: bool) {
        self.hands.say(|| format!("everything is {}", if up { "true" } else { "over" }));
        for rule in &self.shape.rules {
            (0..INSTANCES.len()).for_each(|i| self.hands.sources.set(rule.source, i, up));
        }
        for index in 0..self.posters.len() {
            self.let_post(index, up);
        }
    }

    fn let_post(&mut self, index: usize, up: bool) {
        let now = self.hands.now;
        let Some(poster) = self.posters.get_mut(index).filter(|p| p.up != up) else { return };
        poster.up = up;
        poster.next = now;
        if up {
            self.hands.checker.posted(index);
        } else {
            self.hands.checker.ended(|o| o == Origin::Poster(index), now);
        }
    }

    fn verdict(&mut self) -> Result<(), String> {
        self.hands.checker.take_failure().map_or(Ok(()), Err)
    }

    /// Lets time pass to the next thing that happens, and it happen.
    fn step(&mut self) -> Result<(), String> {
        let wall = self.hands.wall();
        let posts = self.posters.iter().filter(|p| p.up).map(|p| p.next);
        let own = self.hands.next_pending().into_iter().chain(posts).min().map(|t| t - self.hands.now);
        let engine = self.engine.next_deadline().map(|t| t - wall);
        let wait = own.into_iter().chain(engine).min().unwrap_or(HEARTBEAT).clamp(0, HEARTBEAT);
        self.hands.now += wait;
        self.at_once = if wait == 0 { self.at_once + 1 } else { 0 };
        if self.at_once > TURNS_AT_ONCE {
            return Err("the engine turns for nothing".into());
        }
        let mut events = self.hands.take_due();
        events.extend(self.posts());
        events.push(Event::Tick);
        self.turn(events)?;
        self.look();
        self.verdict()
    }

    fn look(&mut self) {
        let SimHands { checker, sources, moods, now, offset, .. } = &mut self.hands;
        checker.acknowledged = self.engine.router().silences.acknowledged().cloned().collect();
        checker.look(&Moment {
            now: *now,
            wall: BEGIN + *now + *offset,
            shape: &self.shape,
            is_up: &|origin| match origin {
                Origin::Rule(rule, i) => {
                    let rule = &self.shape.rules[rule];
                    rule.present && sources.is_up(rule.source, i)
                }
                Origin::Poster(i) => self.posters[i].up,
            },
            source_is_well: &|origin| match origin {
                Origin::Rule(rule, _) => {
                    // Rules of a group wait for each other, here as in Prometheus.
                    let rule = &self.shape.rules[rule];
                    if sources.is_blind() {
                        return false;
                    }
                    let mut beside = self.shape.rules.iter().filter(|r| r.present && r.group == rule.group);
                    sources.fault(rule.source).is_none()
                        && !beside.any(|r| sources.fault(r.source) == Some(Fault::Hanging))
                }
                Origin::Poster(_) => true,
            },
            receiver_is_well: &|id| moods.get(id).is_none_or(|mood| *mood == Mood::Slow),
        });
    }

    fn posts(&mut self) -> Option<Event> {
        let (now, wall) = (self.hands.now, self.hands.wall());
        let due = self.posters.iter_mut().filter(|p| p.up && p.next <= now);
        let one = |p: &mut Poster| {
            p.next = now + p.shape.every;
            let ends_at = p.shape.ends_in.map(|ahead| wall + ahead);
            ReceivedAlert { labels: p.shape.labels.clone(), ends_at, ..ReceivedAlert::default() }
        };
        let alerts: Vec<ReceivedAlert> = due.map(one).collect();
        (!alerts.is_empty()).then(|| Event::AlertsReceived(alerts))
    }

    /// One turn of the engine, which a crash may cut short.
    fn turn(&mut self, events: Vec<Event>) -> Result<(), String> {
        self.stats.turns += 1;
        let permille = if self.calm { 0 } else { self.mix.crash };
        self.hands.begin_turn(&events, permille, &self.shape);
        // A start alone looks at no deadline.
        let is_start = events.is_empty();
        let turned = turn(&mut self.engine, self.hands.wall(), events, &mut self.hands);
        self.stats.messages += std::mem::take(&mut self.hands.messages);
        if self.hands.dies() {
            return self.crash();
        }
        for (_, answer) in turned.answers {
            self.hands.answered(answer, turned.stored.is_ok());
        }
        if turned.stored.is_ok() && self.hands.disk.is_flushed() && !is_start && self.looks_at_a_restart() {
            self.restart_would_change_nothing()?;
        }
        self.verdict()
    }

    /// Where nothing was stored since the last look, there is less to see.
    fn looks_at_a_restart(&mut self) -> bool {
        let stored = self.hands.disk.batches();
        let permille = if stored == self.looked_at { 10 } else { 100 };
        let looks = self.dice.chance(permille);
        if looks {
            self.looked_at = stored;
        }
        looks
    }

    /// State in memory equals state restored from the store, and a restart tells nobody anything that is not owed.
    fn restart_would_change_nothing(&self) -> Result<(), String> {
        let (wall, state) = (self.hands.wall(), self.hands.disk.load().map_err(|e| e.to_string())?);
        let options = Options { heartbeat: HEARTBEAT, ..Options::default() };
        let mut next = Engine::start(options, self.setup.clone(), &state, wall);
        if self.hands.checker.amnesia {
            return Ok(());
        }
        let is_up = |l: &Labels| self.engine.router().alert(l).is_some_and(|a| !a.is_resolved(wall));
        let (this, mut restarted) = (Remembered::of(&self.engine, wall, is_up), Remembered::of(&next, wall, is_up));
        // What an attempt under way may have told, the next process keeps for its end too.
        restarted.moved.retain(|moved| this.moved.contains(moved));
        if this != restarted {
            return Err(format!("a restart would change state:\n{}", this.difference(&restarted)));
        }
        let mut audience = Listener::default();
        turn(&mut next, wall, [Event::Tick], &mut audience).stored.map_err(|e| e.to_string())?;
        let is_owed =
            |n: &Notification| this.owed.iter().any(|(id, group, _)| (id, group) == (&n.integration, &n.group_key));
        match audience.0.iter().find(|n| !is_owed(n)) {
            Some(n) => Err(format!("a restart would tell what is not owed: {n:?}")),
            None => Ok(()),
        }
    }

    /// The process has died; another one starts after a while.
    fn crash(&mut self) -> Result<(), String> {
        self.stats.crashes += 1;
        let torn = self.mix.damage > 0 && self.dice.chance(self.mix.damage);
        self.hands.die(torn);
        let down = [0, S, 20 * S, 2 * M, 10 * M, 3 * 60 * M];
        let down = self.dice.pick(&down);
        self.hands.now += down;
        if self.dice.chance(100) {
            self.hands.offset -= 5 * S;
        }
        if self.dice.chance(self.mix.damage) {
            let damage = self.hands.disk.damage(&mut self.dice);
            self.hands.say(|| damage.into());
            self.hands.checker.amnesia = true;
        }
        if self.mix.source > 0 && self.dice.chance(300) {
            let source = self.dice.index(self.shape.rules.len());
            let fault = self.dice.pick(&[Fault::Failing, Fault::Failing, Fault::Empty, Fault::Partial]);
            self.hands.sources.set_fault(source, Some(fault));
        }
        self.hands.say(|| format!("starts again after {} s", down / S));
        let state = match self.hands.sabotage {
            Some(Sabotage::ForgetTold) => self.hands.disk.without(&[Table::NotificationLog, Table::Owed]),
            _ => self.hands.disk.load(),
        };
        let state = state.map_err(|e| e.to_string())?;
        let wall = self.hands.wall();
        self.hands.scrape_again(wall - self.hands.newest);
        self.engine = Engine::start(options(&self.mix, &self.hands), self.setup.clone(), &state, wall);
        let silences = &self.engine.router().silences;
        self.hands.checker.silences_outlive_the_process(|id| silences.get(id).is_some(), wall);
        self.turn(Vec::new())
    }

    fn change_the_world(&mut self) -> Result<(), String> {
        if self.mix.damage > 0 && self.dice.chance(100) {
            self.hands.disk.write_rescue();
        }
        if self.dice.chance(150) {
            let (rule, i) = (self.dice.index(self.shape.rules.len()), self.dice.index(INSTANCES.len()));
            let source = self.shape.rules[rule].source;
            let up = !self.hands.sources.is_up(source, i);
            self.hands.say(|| format!("R{rule} is {} for {}", if up { "true" } else { "over" }, INSTANCES[i]));
            self.hands.sources.set(source, i, up);
        }
        if !self.posters.is_empty() && self.dice.chance(50) {
            let index = self.dice.index(self.posters.len());
            let up = !self.posters[index].up;
            self.hands.say(|| format!("Posted{index} is {}", if up { "posted" } else { "posted no more" }));
            self.let_post(index, up);
            if !up && self.dice.chance(500) {
                let (labels, wall) = (self.posters[index].shape.labels.clone(), self.hands.wall());
                let over = ReceivedAlert { labels, ends_at: Some(wall), ..ReceivedAlert::default() };
                self.turn(vec![Event::AlertsReceived(vec![over])])?;
            }
        }
        if self.dice.chance(self.mix.source) {
            let source = self.dice.index(self.shape.rules.len());
            let faults =
                [None, None, Some(Fault::Failing), Some(Fault::Empty), Some(Fault::Hanging), Some(Fault::Partial)];
            let fault = self.dice.pick(&faults);
            self.hands.say(|| format!("source{source}: {fault:?}"));
            self.hands.sources.set_fault(source, fault);
        }
        if self.dice.chance(self.mix.receiver) {
            let receiver = &self.shape.receivers[self.dice.index(scenario::TEAMS)];
            let ids: Vec<IntegrationId> = receiver.ids().collect();
            let id = ids[self.dice.index(ids.len())].clone();
            self.hands.change_mood(id);
        }
        if self.dice.chance(self.mix.store) {
            let full = self.dice.chance(500);
            self.hands.say(|| format!("the disk is {}", if full { "full" } else { "well" }));
            self.hands.disk.set_full(full);
        }
        if self.dice.chance(200) {
            self.hands.disk.flush();
        }
        if self.dice.chance(self.mix.leap) {
            self.leap();
        }
        if self.dice.chance(self.mix.reload) {
            let what = self.shape.edit(&mut self.dice);
            self.hands.say(|| format!("reload: {what}"));
            self.reload()?;
        }
        if self.dice.chance(self.mix.silence) {
            self.change_silences()?;
        }
        Ok(())
    }

    /// The clock is set, or the machine was asleep.
    fn leap(&mut self) {
        let by = self.dice.pick(&[-2 * 60 * M, -5 * M, -20 * S, 20 * S, 10 * M, 2 * 60 * M]);
        self.hands.say(|| format!("the clock leaps by {} s", by / S));
        self.hands.offset += by;
        self.hands.checker.leapt(by, self.hands.now);
        // As much of a leap may pass for time.
        self.hands.waits_until -= by.clamp(0, HEARTBEAT + 5 * S);
        if by > LOOKBACK {
            self.hands.scrape_again(by);
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        self.setup = configure(&self.shape, self.hands.sabotage);
        let (now, rules) = (self.hands.now, &self.shape.rules);
        self.hands.checker.ended(|o| matches!(o, Origin::Rule(rule, _) if !rules[rule].present), now);
        self.hands.checker.disturbed();
        self.turn(vec![Event::Reloaded(Box::new(self.setup.clone()))])
    }

    fn change_silences(&mut self) -> Result<(), String> {
        let wall = self.hands.wall();
        self.tickets += 1;
        if self.dice.chance(250) {
            return self.acknowledge();
        }
        let live = self.hands.checker.silences.iter().filter(|s| s.certain && s.ends_at > wall);
        let ids: Vec<String> = live.map(|s| s.id.clone()).collect();
        let change = if !ids.is_empty() && self.dice.chance(400) {
            let id = ids[self.dice.index(ids.len())].clone();
            // From here on nobody can be sure.
            let ended = self.hands.checker.silences.iter_mut().filter(|s| s.id == id);
            ended.for_each(|s| s.certain = false);
            self.hands.asked = None;
            self.hands.say(|| format!("silence {id} is ended"));
            SilenceChange::Expire(id)
        } else {
            let instance = self.dice.pick(&[INSTANCES[0], INSTANCES[1], "p"]);
            let starts_at = wall + self.dice.pick(&[0, 0, 20 * S, 2 * M]);
            let ends_at = starts_at + self.dice.pick(&[10 * S, M, 10 * M, 20 * M]);
            self.hands.asked = Some(Quiet { id: String::new(), instance, starts_at, ends_at, certain: false });
            let matchers = vec![Matcher::equal("instance", instance)];
            self.hands.say(|| format!("a silence of {instance} for {} s", (ends_at - starts_at) / S));
            if self.hands.sabotage == Some(Sabotage::IgnoreSilences) {
                self.hands.answered(Ok(format!("made up {}", self.tickets)), true);
                return Ok(());
            }
            SilenceChange::Set(NewSilence { matchers, starts_at, ends_at, ..NewSilence::default() })
        };
        self.turn(vec![Event::SilenceChanged(self.tickets, change), Event::Tick])
    }

    /// Somebody looks after an alert that fires.
    fn acknowledge(&mut self) -> Result<(), String> {
        let wall = self.hands.wall();
        let firing = self.engine.router().alerts().filter(|a| !a.is_resolved(wall));
        let firing: BTreeSet<Labels> = firing.map(|a| a.labels.clone()).collect();
        let Some(alert) = firing.into_iter().nth(self.dice.index(4)) else { return Ok(()) };
        self.hands.say(|| format!("{alert} is acknowledged"));
        self.hands.asked = None;
        let new = Acknowledgement { alert, created_by: "sim".into(), comment: String::new(), ends_at: None };
        self.turn(vec![Event::SilenceChanged(self.tickets, SilenceChange::Acknowledge(new)), Event::Tick])
    }
}

/// How an engine is started now.
fn options(mix: &Mix, hands: &SimHands) -> Options {
    let data = DataAtStart { newest: hands.newest, lookback: LOOKBACK, interval: SCRAPE, patience: PATIENCE };
    let waits = mix.local && hands.sabotage != Some(Sabotage::RunBlind);
    Options { heartbeat: HEARTBEAT, records: true, data: waits.then_some(data), ..Options::default() }
}

/// The configuration the engine is given.
fn configure(shape: &Shape, sabotage: Option<Sabotage>) -> Setup {
    let mut shape = shape.clone();
    match sabotage {
        Some(Sabotage::IgnoreIntervals) => (shape.mute, shape.inactive) = (None, None),
        Some(Sabotage::IgnoreInhibition) => shape.inhibits = false,
        Some(Sabotage::LetGo) => shape.rules.iter_mut().for_each(|r| r.keep_firing = 0),
        _ => {}
    }
    shape.setup()
}

/// Hears what an engine would say, and does nothing.
#[derive(Default)]
struct Listener(Vec<Notification>);

impl Hands for Listener {
    fn record(&mut self, _decisions: Vec<Decision>) {}

    fn persist(&mut self, _batch: Batch) -> Result<(), StateError> {
        Ok(())
    }

    fn append(&mut self, _samples: Vec<RuleSample>) {}

    fn evaluate(&mut self, _evaluation: Evaluation) {}

    fn deliver(&mut self, notification: Notification) {
        self.0.push(notification);
    }

    fn send(&mut self, _alerts: Vec<OutgoingAlert>) {}
}

/// An alert of a rule: its labels, state, and when it became active, fired and resolved.
type RememberedAlert = (Labels, AlertState, i64, Option<i64>, Option<i64>);

/// An aggregation group: its key and receiver, and its alerts.
type RememberedGroup = (Arc<str>, Arc<str>, BTreeSet<Labels>);

/// An alert that moved away from a group: the group's key and receiver, and the alert.
type RememberedMove = (Arc<str>, Arc<str>, Labels);

/// What must be the same after a restart.
#[derive(PartialEq, Debug)]
struct Remembered {
    alerts: Vec<RememberedAlert>,
    routed: Vec<(Labels, bool, usize)>,
    silences: Vec<(String, i64, i64)>,
    owed: Vec<(IntegrationId, Arc<str>, usize)>,
    told: Vec<(IntegrationId, Arc<str>, i64)>,
    groups: Vec<RememberedGroup>,
    moved: Vec<RememberedMove>,
}

impl Remembered {
    /// `is_up`: which alerts fire in the process before the restart. What is over joins all its groups again, and leaves them
    /// when they flush next.
    fn of(engine: &Engine, wall: i64, is_up: impl Fn(&Labels) -> bool) -> Self {
        let one = |a: &Alert| (a.labels.clone(), a.state, a.active_at, a.fired_at, a.resolved_at);
        let groups = engine.rule_groups();
        let mut alerts: Vec<_> =
            groups.iter().flat_map(|g| &g.state.rules).flat_map(|r| r.alerts.values().map(one)).collect();
        alerts.sort();
        // What was posted ends no sooner than its poster had time to speak after a start: there the two may differ.
        let routed = engine.router().alerts();
        let routed = routed.map(|a| (a.labels.clone(), !a.holders.is_empty() && a.is_resolved(wall), a.holders.len()));
        let mut routed: Vec<_> = routed.collect();
        routed.sort();
        let mut silences: Vec<_> =
            engine.router().silences.iter().map(|s| (s.id.clone(), s.starts_at, s.ends_at)).collect();
        silences.sort();
        let owed = engine.owed().into_iter().map(|o| o.notification);
        let owed = owed.map(|n| (n.integration, n.group_key, n.alerts.len())).collect();
        let told = engine
            .notification_log()
            .filter_map(|(k, t)| Some((k.integration.clone(), k.group_key.clone(), t.at?)))
            .collect();
        let of = |alerts: &FxHashSet<Labels>| alerts.iter().filter(|l| is_up(l)).cloned().collect::<BTreeSet<_>>();
        let group = |g: &AggregationGroup| (g.key.clone(), g.route.receiver.clone(), of(&g.members));
        let mut groups: Vec<RememberedGroup> = engine.router().groups().map(group).collect();
        groups.retain(|(_, _, members)| !members.is_empty());
        groups.sort();
        let moves = |g: &AggregationGroup| {
            let (key, receiver) = (g.key.clone(), g.route.receiver.clone());
            of(&g.moved).into_iter().map(move |labels| (key.clone(), receiver.clone(), labels)).collect::<Vec<_>>()
        };
        let mut moved: Vec<RememberedMove> = engine.router().groups().flat_map(moves).collect();
        moved.sort();
        Remembered { alerts, routed, silences, owed, told, groups, moved }
    }

    /// Only what differs: it is long enough.
    fn difference(&self, next: &Self) -> String {
        fn only<T: std::fmt::Debug + PartialEq>(this: &[T], next: &[T]) -> String {
            let lines = |of: &[T], than: &[T], mark: &str| {
                of.iter().filter(|one| !than.contains(one)).map(|one| format!("{mark}{one:?}\n")).collect::<String>()
            };
            lines(this, next, "-") + &lines(next, this, "+")
        }
        [
            only(&self.alerts, &next.alerts),
            only(&self.routed, &next.routed),
            only(&self.silences, &next.silences),
            only(&self.owed, &next.owed),
            only(&self.told, &next.told),
            only(&self.groups, &next.groups),
            only(&self.moved, &next.moved),
        ]
        .concat()
    }
}
