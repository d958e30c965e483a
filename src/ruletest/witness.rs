//! Who watches a test: keeps of its evaluations what assertions ask for, and takes what receivers are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::append::Refused;
use crate::alerting::rule::GroupSpec;
use crate::alerting::{Alert, Evaluated};
use crate::clock::{Clock, VirtualClock};
use crate::config::yaml::Duration;
use crate::engine::drive::Audience;
use crate::history::Decision;
use crate::notify::receivers::messages::Messages;
use crate::notify::{Notification, Outcome};

use super::case::TestGroup;
use super::coverage::Seen;
use super::delivery::ReceiverDown;
use super::told::{TemplateProblem, Told};

/// The most notifications of a test. More of them are no test that a person could read.
pub const MOST_NOTIFICATIONS: usize = 10_000;

/// Sees the evaluations of a test, and keeps what assertions ask for.
pub struct Witness {
    start: i64,
    interval: i64,
    /// Ticks that assertions look at.
    looked_at: Vec<usize>,
    /// Alerts at those ticks, by tick and alert name; those that resolved of late too.
    pub seen: FxHashMap<(usize, String), Vec<Alert>>,
    /// Why rules failed at those ticks, by tick and name.
    pub errors: FxHashMap<(usize, String), Arc<str>>,
    /// Rules that failed, by group and place in it.
    pub broken: BTreeMap<(u64, usize), Broken>,
    /// What receivers were told.
    pub mailbox: Mailbox,
    /// What was reached, where that is asked for.
    pub coverage: Option<Seen>,
}

/// A rule that failed.
pub struct Broken {
    /// Its name.
    pub rule: Arc<str>,
    /// The first time, as a tick.
    pub tick: usize,
    /// Why.
    pub error: Arc<str>,
    /// How often.
    pub times: usize,
}

impl Witness {
    /// One who watches a test that is evaluated at this interval.
    pub fn new(test: &TestGroup, interval: i64, mailbox: Mailbox) -> Self {
        let tick_of = |eval_time: i64| usize::try_from(eval_time / interval).unwrap_or(0);
        let mut looked_at: Vec<usize> = test.alert_tests.iter().map(|t| tick_of(t.eval_time)).collect();
        looked_at.sort_unstable();
        looked_at.dedup();
        let (seen, errors, broken) = (FxHashMap::default(), FxHashMap::default(), BTreeMap::new());
        Witness { start: test.start, interval, looked_at, seen, errors, broken, mailbox, coverage: None }
    }
}

impl Audience for Witness {
    fn evaluated(&mut self, evaluated: &Evaluated, spec: &GroupSpec) {
        if let Some(coverage) = &mut self.coverage {
            coverage.evaluated(evaluated, spec);
        }
        let tick = usize::try_from((evaluated.at - self.start) / self.interval).unwrap_or(0);
        let is_looked_at = self.looked_at.binary_search(&tick).is_ok();
        if !is_looked_at && evaluated.failures == 0 && evaluated.refused == Refused::default() {
            return;
        }
        for (place, (rule, after)) in spec.rules.iter().zip(&evaluated.state.rules).enumerate() {
            if let Some(error) = &after.last_error {
                let first = || Broken { rule: rule.name.clone(), tick, error: error.clone(), times: 0 };
                self.broken.entry((evaluated.slot, place)).or_insert_with(first).times += 1;
                if is_looked_at {
                    self.errors.insert((tick, rule.name.to_string()), error.clone());
                }
            }
            if is_looked_at && !after.alerts.is_empty() {
                let alerts = after.alerts.values().cloned();
                self.seen.entry((tick, rule.name.to_string())).or_default().extend(alerts);
            }
        }
    }

    fn record(&mut self, decisions: Vec<Decision>) {
        if let Some(coverage) = &mut self.coverage {
            coverage.record(decisions);
        }
    }

    fn deliver(&mut self, notification: &Notification) -> Outcome {
        let outcome = self.mailbox.deliver(notification);
        if let Some(coverage) = self.coverage.as_mut().filter(|_| matches!(outcome, Outcome::Delivered)) {
            coverage.told.insert(notification.integration.clone());
        }
        outcome
    }
}

/// Takes what receivers are told, where they are not down.
pub struct Mailbox {
    clock: VirtualClock,
    start: i64,
    messages: Option<Messages>,
    down: Vec<ReceiverDown>,
    /// The first attempt to tell a receiver, milliseconds after the test's start.
    tried: FxHashMap<Arc<str>, i64>,
    /// What arrived, in the order of time.
    pub told: Vec<Told>,
    /// Templates that failed.
    pub problems: BTreeSet<TemplateProblem>,
    /// Notifications that arrived beyond the most that are kept.
    pub beyond: usize,
}

impl Mailbox {
    /// A mailbox at this clock, that renders with `messages`; without them nothing is kept.
    pub fn new(clock: VirtualClock, test: &TestGroup, messages: Option<Messages>) -> Self {
        Mailbox {
            clock,
            start: test.start,
            messages,
            down: test.receiver_down.clone(),
            tried: FxHashMap::default(),
            told: Vec::new(),
            problems: BTreeSet::new(),
            beyond: 0,
        }
    }

    fn deliver(&mut self, notification: &Notification) -> Outcome {
        let now = self.clock.now();
        let at = now - self.start;
        let receiver = &notification.integration.receiver;
        let first = *self.tried.entry(receiver.clone()).or_insert(at);
        if self.down.iter().any(|down| is_down(down, receiver, first, at)) {
            return Outcome::Retry { after: None, reason: "receiver_down".to_owned() };
        }
        let Some(messages) = &self.messages else { return Outcome::Delivered };
        if self.told.len() >= MOST_NOTIFICATIONS {
            self.beyond += 1;
            return Outcome::Delivered;
        }
        let (told, problems) = Told::new(at, notification, messages.render(notification, None, now));
        // Nobody could be told: that is no notification, and is reported as a problem.
        if told.payload.is_some() {
            self.told.push(told);
        }
        self.problems.extend(problems);
        Outcome::Delivered
    }
}

fn is_down(down: &ReceiverDown, receiver: &str, first: i64, at: i64) -> bool {
    let from = down.from.map_or(first, Duration::millis);
    down.receiver.as_ref().is_none_or(|r| r == receiver)
        && (from..from.saturating_add(down.lasts.millis())).contains(&at)
}
