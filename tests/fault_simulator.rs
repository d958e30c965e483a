//! The fault simulator: the production engine under crashes at every effect, receivers that fail or lie, lost writes and
//! leaping clocks, from a seed. What must hold, holds for every seed; a failure names its seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use watchbell::alerting::{Alert, AlertState, Evaluation};
use watchbell::engine::{Effect, Engine, Event, Options, Setup, SilenceChange};
use watchbell::model::{Labels, Matcher};
use watchbell::notify::{IntegrationId, Notification, Outcome, Reason};
use watchbell::routing::NewSilence;
use watchbell::state::{Batch, MemoryStore, StateStore};

use crate::stage::{M, S, Stage, group, rule, setup};

const RULES: [(&str, i64); 3] = [("Down", 0), ("Slow", M), ("Full", 4 * M)];
const INSTANCES: [&str; 3] = ["a", "b", "c"];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A disk: what is flushed stays; what is not may be lost by a crash, the newest first.
#[derive(Default)]
struct Disk {
    flushed: MemoryStore,
    unflushed: Vec<Batch>,
}

impl Disk {
    fn write(&mut self, batch: Batch) {
        let durable = batch.is_durable();
        self.unflushed.push(batch);
        if durable {
            self.flush(self.unflushed.len());
        }
    }

    fn flush(&mut self, count: usize) {
        for batch in self.unflushed.drain(..count) {
            self.flushed.apply(&batch).unwrap();
        }
    }

    fn crash(&mut self, dice: &mut Dice) {
        let kept = dice.below(self.unflushed.len() as u64 + 1) as usize;
        self.flush(kept);
        self.unflushed.clear();
    }
}

/// What a receiver has heard of a group.
#[derive(Default, Debug)]
struct Heard {
    firing: BTreeSet<Labels>,
    resolved: BTreeSet<Labels>,
    /// Whether the engine knows that the last message arrived.
    acknowledged: bool,
}

struct Simulation {
    seed: u64,
    dice: Dice,
    now: i64,
    stage: Stage,
    up: BTreeMap<&'static str, BTreeSet<&'static str>>,
    disk: Disk,
    engine: Option<Engine>,
    effects: VecDeque<Effect>,
    /// Deliveries under way: when their outcome is known, and whether the message arrived.
    under_way: Vec<(i64, u64, Outcome)>,
    heard: BTreeMap<(IntegrationId, Arc<str>), Heard>,
    /// Which message is of which conversation, to acknowledge it.
    sent: BTreeMap<u64, (IntegrationId, Arc<str>)>,
    faults: bool,
    crashes: u64,
    messages: u64,
}

fn the_setup() -> Setup {
    let rules = RULES.iter().map(|(name, hold)| rule(name, *hold, "critical")).collect();
    setup(vec![group("g", rules)])
}

/// The alerts of the rules, without what is not stored at every change.
type Remembered = BTreeMap<Labels, (AlertState, i64, Option<i64>, Option<i64>)>;

fn remembered(engine: &Engine) -> Remembered {
    let one = |a: &Alert| (a.labels.clone(), (a.state, a.active_at, a.fired_at, a.resolved_at));
    let groups = engine.rule_groups();
    groups.iter().flat_map(|g| &g.state.rules).flat_map(|r| r.alerts.values().map(one)).collect()
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut simulation = Simulation {
            seed,
            dice: Dice(seed),
            now: 1_700_000_000_000,
            stage: Stage::default(),
            up: BTreeMap::new(),
            disk: Disk::default(),
            engine: None,
            effects: VecDeque::new(),
            under_way: Vec::new(),
            heard: BTreeMap::new(),
            sent: BTreeMap::new(),
            faults: true,
            crashes: 0,
            messages: 0,
        };
        simulation.start();
        simulation
    }

    fn start(&mut self) {
        let state = self.disk.flushed.load().unwrap();
        let mut engine = Engine::start(Options::default(), the_setup(), &state, self.now).unwrap();
        let effects = engine.begin();
        self.engine = Some(engine);
        self.effects = effects.into();
    }

    /// Kills the process and starts it again after a while.
    fn crash(&mut self) {
        self.crashes += 1;
        self.disk.crash(&mut self.dice);
        self.effects.clear();
        // Whoever was being told may or may not have heard; nobody knows now.
        self.under_way.clear();
        self.sent.clear();
        let down = [0, S, 20 * S, 10 * M, 3 * 60 * M];
        self.now += down[self.dice.below(down.len() as u64) as usize];
        if self.dice.chance(10) {
            self.now -= 5 * S;
        }
        self.start();
    }

    fn change_the_world(&mut self) {
        let rule = RULES[self.dice.below(3) as usize].0;
        let instance = INSTANCES[self.dice.below(3) as usize];
        let up = self.up.entry(rule).or_default();
        if !up.remove(instance) {
            up.insert(instance);
        }
        let list: Vec<&str> = up.iter().copied().collect();
        self.stage.set(rule, &list);
    }

    fn silence_something(&mut self) {
        let instance = INSTANCES[self.dice.below(3) as usize];
        let ends_at = self.now + M + self.dice.below(40) as i64 * M;
        let matchers = vec![Matcher::equal("instance", instance)];
        let new = NewSilence { matchers, starts_at: self.now, ends_at, ..NewSilence::default() };
        self.happen(Event::SilenceChanged(0, SilenceChange::Set(new)));
    }

    fn happen(&mut self, event: Event) {
        let effects = self.engine.as_mut().unwrap().handle(self.now, event);
        self.effects.extend(effects);
        self.perform_all();
    }

    /// Performs effects in order; a crash may come before any of them. Once all are performed, the disk has what the
    /// engine knows: a process that starts now goes on with the same alerts.
    fn perform_all(&mut self) {
        let mut wrote = false;
        while let Some(effect) = self.effects.pop_front() {
            if self.faults && self.dice.chance(1) {
                self.crash();
                continue;
            }
            match effect {
                Effect::Persist(batch) => {
                    wrote = true;
                    self.disk.write(batch);
                }
                Effect::Evaluate(evaluation) => self.evaluate(*evaluation),
                Effect::Deliver(notification) => self.deliver(*notification),
                Effect::Append(_) | Effect::Answer(..) | Effect::SendToAlertmanagers(_) => {}
            }
        }
        if wrote {
            let state = self.disk.flushed.load().unwrap();
            let next = Engine::start(Options::default(), the_setup(), &state, self.now).unwrap();
            let (next, this) = (remembered(&next), remembered(self.engine.as_ref().unwrap()));
            assert_eq!(next, this, "seed {}: a restart would change alerts", self.seed);
        }
    }

    fn evaluate(&mut self, evaluation: Evaluation) {
        let evaluated = evaluation.run(&self.stage);
        let effects = self.engine.as_mut().unwrap().handle(self.now, Event::Evaluated(Box::new(evaluated)));
        self.effects.extend(effects);
    }

    fn deliver(&mut self, n: Notification) {
        self.messages += 1;
        let retry = || Outcome::Retry { after: None, reason: "timeout".into() };
        let (arrives, outcome) = match self.dice.below(if self.faults { 10 } else { 1 }) {
            0..=5 => (true, Outcome::Delivered),
            6 | 7 => (false, retry()),
            8 => (true, retry()),
            _ => (false, Outcome::GiveUp { reason: "400".into() }),
        };
        if arrives {
            self.hear(&n);
        } else {
            // The engine cannot tell whether it arrived, so it may well speak again of what it may have said.
            let key = (n.integration.clone(), n.group_key.clone());
            self.heard.entry(key).or_default().acknowledged = false;
        }
        let latency = self.dice.below(3) as i64 * S;
        self.under_way.push((self.now + latency, n.id, outcome));
    }

    /// A message arrives. One that says what the last one said, which the engine knows arrived, must be a repetition
    /// (but for those who are not told of resolves: to them an alert that fires again looks the same).
    fn hear(&mut self, n: &Notification) {
        let of = |resolved: bool| {
            n.alerts.iter().filter(|a| a.is_resolved() == resolved).map(|a| a.labels.clone()).collect::<BTreeSet<_>>()
        };
        let key = (n.integration.clone(), n.group_key.clone());
        let heard = self.heard.entry(key.clone()).or_default();
        let same = heard.firing == of(false) && heard.resolved == of(true);
        assert!(
            !(same && heard.acknowledged)
                || n.reason == Reason::RepeatIntervalElapsed
                || &*n.integration.receiver == "chat",
            "seed {}: told again for nothing at {}: {n:?}",
            self.seed,
            self.now,
        );
        *heard = Heard { firing: of(false), resolved: of(true), acknowledged: false };
        self.sent.insert(n.id, key);
    }

    fn outcomes_due(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.under_way.extract_if(.., |(at, _, _)| *at <= now).collect();
        for (_, id, outcome) in due {
            let key = self.sent.remove(&id).filter(|_| outcome == Outcome::Delivered);
            self.acknowledge(key.as_ref(), true);
            let crashes = self.crashes;
            self.happen(Event::Delivered { id, outcome });
            if self.crashes > crashes {
                // It may not have been stored; the engine may tell it again.
                self.acknowledge(key.as_ref(), false);
            }
        }
    }

    fn acknowledge(&mut self, key: Option<&(IntegrationId, Arc<str>)>, known: bool) {
        if let Some(heard) = key.and_then(|key| self.heard.get_mut(key)) {
            heard.acknowledged = known;
        }
    }

    /// Lets time pass to the next thing that happens, or a bit.
    fn step(&mut self) {
        let engine = self.engine.as_ref().unwrap();
        let outcome = self.under_way.iter().map(|(at, _, _)| *at).min();
        let next = engine.next_deadline().into_iter().chain(outcome).min().unwrap_or(self.now + S);
        self.now = self.now.max(next);
        if self.faults && self.dice.chance(3) {
            // The machine was asleep, or its clock was set.
            self.now += self.dice.below(20) as i64 * M;
        }
        self.outcomes_due();
        self.happen(Event::Tick);
    }

    fn run_for(&mut self, duration: i64) {
        let until = self.now + duration;
        while self.now < until {
            if self.faults {
                if self.dice.chance(10) {
                    self.change_the_world();
                }
                if self.dice.chance(2) {
                    self.silence_something();
                }
            }
            self.step();
        }
    }

    fn set_all(&mut self, instances: &[&'static str]) {
        for (rule, _) in RULES {
            self.up.insert(rule, instances.iter().copied().collect());
            self.stage.set(rule, instances);
        }
    }
}

impl Simulation {
    /// Every group that the pager heard of fires no more, as far as it heard.
    fn assert_all_resolved(&self) {
        let pager = self.heard.iter().filter(|((i, _), _)| &*i.receiver == "pager");
        for ((_, key), heard) in pager {
            assert!(heard.firing.is_empty(), "seed {}: {key} was never resolved: {heard:?}", self.seed);
        }
        let (engine, seed) = (self.engine.as_ref().unwrap(), self.seed);
        assert!(engine.owed().is_empty() && engine.alert_groups(self.now).is_empty(), "seed {seed}: something is left");
    }

    fn assert_all_told(&self) {
        for (rule, _) in RULES {
            for receiver in ["pager", "chat"] {
                let told = self.heard.iter().filter(|((i, key), _)| &*i.receiver == receiver && key.contains(rule));
                let firing: usize = told.map(|(_, heard)| heard.firing.len()).sum();
                assert_eq!(firing, INSTANCES.len(), "seed {}: {receiver} does not know all of {rule}", self.seed);
            }
        }
    }
}

fn simulate(seed: u64) -> (u64, u64) {
    let mut simulation = Simulation::new(seed);
    simulation.run_for(8 * 60 * M);
    // Calm: nothing fires, then everything does for long enough, then nothing again. Silences run out meanwhile.
    simulation.faults = false;
    simulation.set_all(&[]);
    simulation.run_for(60 * M);
    simulation.assert_all_resolved();
    simulation.set_all(&INSTANCES);
    simulation.run_for(60 * M);
    simulation.assert_all_told();
    simulation.set_all(&[]);
    simulation.run_for(30 * M);
    simulation.assert_all_resolved();
    (simulation.crashes, simulation.messages)
}

#[test]
fn whatever_fails_every_page_goes_out_and_every_page_is_resolved() {
    let (mut crashes, mut messages) = (0, 0);
    for seed in 0..20 {
        let (c, m) = simulate(seed);
        crashes += c;
        messages += m;
    }
    assert!(crashes > 50 && messages > 500, "the simulation must do something: {crashes} crashes, {messages} messages");
}
