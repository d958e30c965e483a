//! The hands of the simulation: they perform effects until a crash stops them.

use std::collections::BTreeMap;

use watchbell::alerting::Evaluation;
use watchbell::alerting::series::RuleSample;
use watchbell::engine::drive::Hands;
use watchbell::engine::{Backlog, Event, OutgoingAlert, SilenceAnswer};
use watchbell::notify::{Notification, Outcome};
use watchbell::state::{Batch, StateError};

use super::BEGIN;
use super::checker::{Answer, Checker, Moment, Quiet};
use super::scenario::{Dice, INSTANCES, S, Scenario, Shape};
use super::world::{Disk, Fault, Sources, source_of};

/// How a receiver fares. One that is not named is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// No answer, and the message is lost.
    Hanging,
    /// No answer, though the message arrived.
    Mute,
    /// 400
    Refusing,
    /// 429, with a wish
    Busy,
    /// 503
    Down,
}

/// How long a query hangs.
pub const HANG: i64 = 30 * S;

/// Something on its way back to the engine.
pub struct Pending {
    at: i64,
    event: Event,
    answers: Vec<Answer>,
}

pub struct SimHands {
    pub dice: Dice,
    pub checker: Checker,
    pub sources: Sources,
    pub disk: Disk,
    pub moods: BTreeMap<String, Mood>,
    /// The silence that is asked for in this turn.
    pub asked: Option<Quiet>,
    /// Time since the beginning, by a clock that nobody sets.
    pub now: i64,
    /// How far the wall clock is from it.
    pub offset: i64,
    pub crashed: bool,
    pub messages: u64,
    backlog: Backlog,
    /// The store took the last batch.
    stored: bool,
    pending: Vec<Pending>,
    /// Effects left until the process dies.
    lives: Option<u64>,
    shape: Shape,
    latency: bool,
    narrate: bool,
}

impl SimHands {
    pub fn new(dice: Dice, scenario: &Scenario, narrate: bool) -> Self {
        SimHands {
            dice,
            checker: Checker::new(scenario),
            sources: Sources::default(),
            disk: Disk::default(),
            moods: BTreeMap::new(),
            asked: None,
            now: 0,
            offset: 0,
            crashed: false,
            messages: 0,
            backlog: Backlog::default(),
            stored: true,
            pending: Vec::new(),
            lives: None,
            shape: scenario.shape.clone(),
            latency: scenario.mix.latency,
            narrate,
        }
    }

    pub fn wall(&self) -> i64 {
        BEGIN + self.now + self.offset
    }

    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.narrate {
            println!("{:>12.3}  {}", self.now as f64 / 1000.0, what());
        }
    }

    pub fn begin_turn(&mut self, events: &[Event], permille: u64, shape: &Shape) {
        self.lives = self.dice.chance(permille).then(|| self.dice.below(6));
        self.shape.clone_from(shape);
        for event in events {
            if let Event::Delivered { id, outcome } = event {
                self.checker.concluded(*id, *outcome == Outcome::Delivered);
            }
        }
    }

    /// Whether the process dies before the next effect.
    fn dies(&mut self) -> bool {
        match &mut self.lives {
            Some(0) => self.crashed = true,
            Some(lives) => *lives -= 1,
            None => {}
        }
        self.crashed
    }

    pub fn die(&mut self) {
        self.say(|| "the process dies".into());
        self.crashed = false;
        self.lives = None;
        self.asked = None;
        self.backlog = Backlog::default();
        self.pending.clear();
        self.disk.crash(&mut self.dice);
        self.checker.crashed();
    }

    pub fn be_calm(&mut self) {
        self.moods.clear();
        self.disk.set_full(false);
        for source in 0..self.shape.rules.len() {
            self.sources.set_fault(source, None);
        }
    }

    pub fn change_mood(&mut self, receiver: &str) {
        use Mood::{Busy, Down, Hanging, Mute, Refusing};
        let mood = self.dice.pick(&[None, None, Some(Hanging), Some(Mute), Some(Refusing), Some(Busy), Some(Down)]);
        self.say(|| format!("{receiver}: {mood:?}"));
        match mood {
            Some(mood) => self.moods.insert(receiver.into(), mood),
            None => self.moods.remove(receiver),
        };
    }

    /// Whoever asked for a silence learns what became of it.
    pub fn answered(&mut self, answer: SilenceAnswer, stored: bool) {
        self.say(|| format!("answer: {answer:?}{}", if stored { "" } else { ", not stored" }));
        match (self.asked.take(), answer) {
            (Some(quiet), Ok(id)) => self.checker.silences.push(Quiet { id, certain: stored, ..quiet }),
            // One that was ended is over.
            (None, Ok(id)) if stored => self.checker.silences.retain(|s| s.id != id),
            _ => {}
        }
    }

    pub fn next_pending(&self) -> Option<i64> {
        self.pending.iter().map(|p| p.at).min()
    }

    pub fn take_due(&mut self) -> Vec<Event> {
        let now = self.now;
        let due: Vec<Pending> = self.pending.extract_if(.., |p| p.at <= now).collect();
        due.iter().flat_map(|p| &p.answers).for_each(|answer| self.checker.answered(answer, now));
        due.into_iter().map(|p| p.event).collect()
    }

    fn later(&mut self, after: i64, event: Event, answers: Vec<Answer>) {
        self.pending.push(Pending { at: self.now + after, event, answers });
    }

    fn latency(&mut self) -> i64 {
        if self.latency { self.dice.pick(&[0, 0, 50, 500, 2 * S]) } else { 0 }
    }

    /// Whether the message arrives, what is heard of it, and when.
    fn attempt(&mut self, receiver: &str) -> (bool, Outcome, i64) {
        let retry = |after| Outcome::Retry { after, reason: "503".into() };
        let quick = self.latency();
        match self.moods.get(receiver) {
            None => (true, Outcome::Delivered, quick),
            Some(Mood::Hanging) => (false, retry(None), 10 * S),
            Some(Mood::Mute) => (true, retry(None), 10 * S),
            Some(Mood::Refusing) => (false, Outcome::GiveUp { reason: "400".into() }, quick),
            Some(Mood::Busy) => (false, retry(Some(30 * S)), quick),
            Some(Mood::Down) => (false, retry(None), quick),
        }
    }
}

impl Hands for SimHands {
    fn persist(&mut self, batch: Batch) -> Result<(), StateError> {
        if self.dies() {
            return Ok(());
        }
        let stored = self.backlog.write(&self.disk, batch);
        self.stored = stored.is_ok();
        if self.stored {
            self.checker.stored();
        }
        stored
    }

    fn append(&mut self, _samples: Vec<RuleSample>) {
        self.dies();
    }

    fn evaluate(&mut self, evaluation: Evaluation) {
        if self.dies() {
            return;
        }
        let evaluated = evaluation.run(&self.sources);
        let mut latency = self.latency().min(evaluation.spec.interval / 2);
        let mut answers = Vec::new();
        for rule in &evaluation.spec.rules {
            let source = source_of(rule);
            let up = match self.sources.fault(source) {
                None => (0..INSTANCES.len()).filter(|i| self.sources.is_up(source, *i)).collect(),
                Some(Fault::Empty) => Vec::new(),
                Some(Fault::Failing) => continue,
                Some(Fault::Hanging) => {
                    latency = HANG;
                    continue;
                }
            };
            answers.push(Answer { rule: rule.name.clone(), up });
        }
        self.later(latency, Event::Evaluated(Box::new(evaluated)), answers);
    }

    fn deliver(&mut self, n: Notification) {
        if self.dies() {
            return;
        }
        self.messages += 1;
        let (arrives, outcome, after) = self.attempt(&n.integration.receiver);
        self.say(|| {
            let one = |a: &watchbell::notify::NotifiedAlert| {
                format!("{}{}", if a.is_resolved() { "-" } else { "+" }, a.labels)
            };
            let alerts: Vec<String> = n.alerts.iter().map(one).collect();
            let (to, group, why) = (&n.integration.receiver, &n.group_key, n.reason);
            format!("{to} <- {} of {group}, {why:?}: {outcome:?} in {after} ms", alerts.join(" "))
        });
        let moment = Moment {
            now: self.now,
            wall: self.wall(),
            shape: &self.shape,
            // Whoever inhibits was told of, and is not over: that is enough here.
            is_up: &|_| true,
            source_is_well: &|_| true,
            receiver_is_well: &|_| true,
        };
        self.checker.attempted(&n, (arrives, self.stored), &moment);
        self.later(after, Event::Delivered { id: n.id, outcome }, Vec::new());
    }

    fn send(&mut self, _alerts: Vec<OutgoingAlert>) {
        self.dies();
    }
}
