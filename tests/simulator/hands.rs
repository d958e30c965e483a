//! The hands of the simulation: they perform effects until a crash stops them.

use std::collections::BTreeMap;

use watchbell::alerting::Evaluation;
use watchbell::alerting::series::RuleSample;
use watchbell::engine::drive::Hands;
use watchbell::engine::{Backlog, Event, OutgoingAlert, SilenceAnswer};
use watchbell::history::Decision;
use watchbell::notify::{IntegrationId, Notification, Outcome};
use watchbell::rules::PartialResponse;
use watchbell::state::{Batch, StateError};

use super::BEGIN;
use super::checker::{Answer, Checker, Moment, Quiet};
use super::chronicle::Chronicle;
use super::scenario::{Dice, M, S, Scenario, Shape};
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
    /// The message arrives at once, the answer late: the process may have died meanwhile.
    Slow,
}

/// What the hands may do wrong, to see that the checker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing is stored, and it is said that it is.
    Forget,
    /// Pages are lost on the way.
    LosePages,
    /// Resolves are lost on the way.
    LoseEnds,
    /// What was delivered is sent again.
    SendTwice,
    /// Silences are answered, and not set.
    IgnoreSilences,
    /// Time intervals are left out of the configuration.
    IgnoreIntervals,
    /// Inhibition rules are left out of the configuration.
    IgnoreInhibition,
    /// Rules are now and then told that nothing is true.
    Lie,
    /// `keep_firing_for` is left out of the rules.
    LetGo,
    /// Evaluations take hours.
    Dawdle,
    /// Rules do not wait for data.
    RunBlind,
    /// A restart forgets what receivers were told.
    ForgetTold,
    /// Some decisions are not recorded.
    ForgetDecisions,
}

impl Sabotage {
    /// All of them, each with what the checker says of it.
    pub const ALL: [(Sabotage, &str); 13] = [
        (Sabotage::Forget, "a restart would change state"),
        (Sabotage::LosePages, "waits longer than its intervals say"),
        (Sabotage::LoseEnds, "waits longer than its intervals say"),
        (Sabotage::SendTwice, "told twice"),
        (Sabotage::IgnoreSilences, "muted, and sent"),
        (Sabotage::IgnoreIntervals, "muted, and sent"),
        (Sabotage::IgnoreInhibition, "muted, and sent"),
        (Sabotage::Lie, "resolved before its source said so"),
        (Sabotage::LetGo, "resolved before its source said so"),
        (Sabotage::Dawdle, "waits longer than its intervals say"),
        (Sabotage::RunBlind, "evaluated before the data could be there"),
        (Sabotage::ForgetTold, "told twice"),
        (Sabotage::ForgetDecisions, "not in the history"),
    ];
}

/// Rules that find nothing though this little has passed since the last scrape look at nothing but the newest sample.
pub const LOOKBACK: i64 = 5 * M;
/// How often data is scraped.
pub const SCRAPE: i64 = 15 * S;
/// How long rules wait for data.
pub const PATIENCE: i64 = 75 * S;

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
    pub moods: BTreeMap<IntegrationId, Mood>,
    pub sabotage: Option<Sabotage>,
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
    local: bool,
    /// The newest sample there is, by the wall clock, while nothing is scraped.
    pub newest: i64,
    /// Until when rules have to wait for data.
    pub waits_until: i64,
    narrate: bool,
    delivered: BTreeMap<u64, Notification>,
    chronicle: Chronicle,
}

impl SimHands {
    pub fn new(dice: Dice, scenario: &Scenario, narrate: bool) -> Self {
        SimHands {
            dice,
            checker: Checker::new(scenario),
            sources: Sources::default(),
            disk: Disk::default(),
            moods: BTreeMap::new(),
            sabotage: None,
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
            local: scenario.mix.local,
            newest: BEGIN,
            waits_until: 0,
            narrate,
            delivered: BTreeMap::new(),
            chronicle: Chronicle::default(),
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
                if let Some(again) = self.delivered.remove(id).filter(|_| self.sabotage == Some(Sabotage::SendTwice)) {
                    self.deliver(again);
                }
            }
        }
    }

    /// Whether the process dies before the next effect, or before the turn returns.
    pub fn dies(&mut self) -> bool {
        match &mut self.lives {
            Some(0) => self.crashed = true,
            Some(lives) => *lives -= 1,
            None => {}
        }
        self.crashed
    }

    /// The process dies; what it was storing may be `torn`.
    pub fn die(&mut self, torn: bool) {
        self.say(|| "the process dies".into());
        self.crashed = false;
        self.lives = None;
        // It may have been stored before the answer was lost.
        self.checker.silences.extend(self.asked.take());
        self.backlog = Backlog::default();
        self.pending.clear();
        if self.disk.crash(&mut self.dice, torn) {
            self.say(|| "the disk tore what was being written".into());
            self.checker.amnesia = true;
        }
        self.checker.crashed(self.stored);
        if !self.sources.is_blind() {
            self.newest = self.wall();
        }
    }

    /// Nothing was scraped for `gap` milliseconds: after a start, or a leap of the clock. If rules find nothing now, the
    /// first scrapes are made within an interval each; now and then they fail for longer than anyone waits.
    pub fn scrape_again(&mut self, gap: i64) {
        if !self.local {
            return;
        }
        self.pending.retain(|p| !matches!(p.event, Event::DataCame(_)));
        self.sources.set_blind(gap + SCRAPE >= LOOKBACK);
        self.waits_until = self.now + PATIENCE;
        let mut after = self.dice.below(SCRAPE as u64) as i64;
        if self.dice.chance(200) {
            after += PATIENCE + 20 * S;
        }
        for rounds in 1..=3 {
            self.later(after, Event::DataCame(rounds), Vec::new());
            after += SCRAPE;
        }
    }

    pub fn be_calm(&mut self) {
        self.moods.clear();
        self.disk.set_full(false);
        for source in 0..self.shape.rules.len() {
            self.sources.set_fault(source, None);
        }
    }

    pub fn change_mood(&mut self, integration: IntegrationId) {
        use Mood::{Busy, Down, Hanging, Mute, Refusing, Slow};
        let moods = [Hanging, Mute, Refusing, Busy, Down, Slow];
        let mood = if self.dice.chance(300) { None } else { Some(self.dice.pick(&moods)) };
        self.say(|| format!("{integration:?}: {mood:?}"));
        match mood {
            Some(mood) => self.moods.insert(integration, mood),
            None => self.moods.remove(&integration),
        };
    }

    /// Whoever asked for a silence learns what became of it.
    pub fn answered(&mut self, answer: SilenceAnswer, stored: bool) {
        self.say(|| format!("answer: {answer:?}{}", if stored { "" } else { ", not stored" }));
        match (self.asked.take(), answer) {
            (Some(quiet), Ok(id)) => self.checker.silences.push(Quiet { id, certain: stored, ..quiet }),
            // One that was ended is over, also when the clock is set back into its time.
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
        if due.iter().any(|p| matches!(p.event, Event::DataCame(_))) {
            self.sources.set_blind(false);
        }
        due.into_iter().map(|p| p.event).collect()
    }

    fn later(&mut self, after: i64, event: Event, answers: Vec<Answer>) {
        self.pending.push(Pending { at: self.now + after, event, answers });
    }

    fn latency(&mut self) -> i64 {
        if self.latency { self.dice.pick(&[0, 0, 50, 500, 2 * S]) } else { 0 }
    }

    /// Whether the message arrives, what is heard of it, and when.
    fn attempt(&mut self, integration: &IntegrationId) -> (bool, Outcome, i64) {
        let retry = |after| Outcome::Retry { after, reason: "503".into() };
        let quick = self.latency();
        match self.moods.get(integration) {
            None => (true, Outcome::Delivered, quick),
            Some(Mood::Hanging) => (false, retry(None), 10 * S),
            Some(Mood::Mute) => (true, retry(None), 10 * S),
            Some(Mood::Refusing) => (false, Outcome::GiveUp { reason: "400".into() }, quick),
            Some(Mood::Busy) => (false, retry(Some(30 * S)), quick),
            Some(Mood::Down) => (false, retry(None), quick),
            Some(Mood::Slow) => (true, Outcome::Delivered, 8 * S),
        }
    }
}

impl Hands for SimHands {
    fn record(&mut self, decisions: Vec<Decision>) {
        // What was recorded is in the kernel, and outlives the process.
        if self.dies() || self.sabotage == Some(Sabotage::ForgetDecisions) && self.dice.chance(100) {
            return;
        }
        self.chronicle.take_in(&decisions);
    }

    fn persist(&mut self, batch: Batch) -> Result<(), StateError> {
        if self.dies() {
            return Ok(());
        }
        if self.sabotage == Some(Sabotage::Forget) {
            self.checker.stored(true);
            return Ok(());
        }
        let stored = self.backlog.write(&self.disk, batch);
        self.stored = stored.is_ok();
        if self.stored {
            self.checker.stored(self.disk.is_flushed());
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
        if self.sources.is_blind() && self.now < self.waits_until {
            let group = evaluation.spec.key.to_label();
            self.checker.fail("evaluated before the data could be there", group);
        }
        let evaluated = match self.sabotage {
            Some(Sabotage::Lie) if self.dice.chance(100) => evaluation.run(&Sources::default()),
            _ => evaluation.run(&self.sources),
        };
        let mut latency = self.latency().min(evaluation.spec.interval / 2);
        let mut answers = Vec::new();
        for rule in &evaluation.spec.rules {
            let source = source_of(rule);
            if self.sources.fault(source) == Some(Fault::Hanging) {
                latency = HANG;
            }
            if let Some((up, is_partial)) = self.sources.answer(source)
                && !(is_partial && evaluation.spec.partial_response == PartialResponse::Abort)
            {
                answers.push(Answer { rule: rule.name.clone(), up, asked: self.now });
            }
        }
        if self.sabotage == Some(Sabotage::Dawdle) {
            latency += 5 * 60 * M;
        }
        self.later(latency, Event::Evaluated(Box::new(evaluated)), answers);
    }

    fn deliver(&mut self, n: Notification) {
        if self.dies() {
            return;
        }
        self.messages += 1;
        let (arrives, outcome, after) = self.attempt(&n.integration);
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
        let is_lost = match self.sabotage {
            Some(Sabotage::LosePages) => !n.is_resolved(),
            Some(Sabotage::LoseEnds) => n.alerts.iter().any(|a| a.is_resolved()),
            _ => false,
        };
        if let Err(what) = self.chronicle.explains(&n) {
            self.checker.fail_unless_forgotten("not in the history", what);
        }
        if !is_lost {
            self.checker.attempted(&n, (arrives, self.stored), &moment);
        }
        if self.sabotage == Some(Sabotage::SendTwice) && outcome == Outcome::Delivered {
            self.delivered.insert(n.id, n.clone());
        }
        self.later(after, Event::Delivered { id: n.id, outcome }, Vec::new());
    }

    fn send(&mut self, _alerts: Vec<OutgoingAlert>) {
        self.dies();
    }
}
