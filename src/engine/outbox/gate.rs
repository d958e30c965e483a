//! Whose turn it is: attempts wait here, not in a queue of the driver's, so that what they say is decided when they begin.
//!
//! - An integration that answers is attempted for every group at once, up to a bound. A group for which it hangs takes
//!   one place of many, so it keeps no other from being told.
//! - An integration that fails is asked carefully: over all its groups, what failed before goes out one at a time with
//!   growing pauses, what was never attempted a little more often. No pause is longer than one group alone would make.
//! - One that answers again is told everything at once, what has failed least first, then the newest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::notify::IntegrationId;

/// Most attempts under way to one integration.
const OF_ONE: usize = 128;
/// Most attempts under way to all; each takes a file descriptor.
const OF_ALL: usize = 512;
/// So many an integration may have under way whatever the others take.
const GUARANTEED: usize = 4;
/// Between what was attempted before, after the first failure: the shortest pause of one group alone.
const FIRST_PAUSE: f64 = 250.0;
const FACTOR: f64 = 1.5;
const LONGEST_PAUSE: f64 = 10_000.0;
/// Between what was never attempted, while the integration fails.
const PAUSE_OF_NEW: i64 = 500;
/// An integration that has failed in so many rounds is told all that waits as soon as it answers.
const ROUNDS_OF_OUTAGE: u32 = 3;
/// Not more often than this, milliseconds: it may answer for some groups only.
const BETWEEN_RELEASES: i64 = 30_000;

/// A notification that waits for its turn. What comes first in this order goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// How often it failed.
    pub attempts: u32,
    /// When it was decided.
    pub decided_at: Reverse<i64>,
    /// Its id.
    pub id: u64,
}

/// What an answer, or none, means for the others that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The integration answered.
    Some,
    /// It is to be tried again.
    None,
}

/// The gates of all integrations.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: BTreeMap<IntegrationId, Gate>,
    under_way: FxHashMap<u64, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    integration: IntegrationId,
    began: i64,
}

#[derive(Debug, Default)]
struct Gate {
    waiting: BTreeSet<Turn>,
    under_way: usize,
    failing: Option<Failing>,
    released_at: Option<i64>,
}

/// What is known of an integration since it last answered.
#[derive(Debug)]
struct Failing {
    // Failures of attempts that began after the failure before.
    rounds: u32,
    last: i64,
    again_at: i64,
    new_at: i64,
}

impl Failing {
    fn pause(&self) -> i64 {
        let grown = FIRST_PAUSE * FACTOR.powi(self.rounds.saturating_sub(1).min(30) as i32);
        grown.min(LONGEST_PAUSE) as i64
    }
}

impl Gates {
    /// Lets a notification wait for its turn.
    pub fn queue(&mut self, integration: &IntegrationId, turn: Turn) {
        if let Some(gate) = self.gates.get_mut(integration) {
            gate.waiting.insert(turn);
        } else {
            let gate = Gate { waiting: [turn].into(), ..Gate::default() };
            self.gates.insert(integration.clone(), gate);
        }
    }

    /// It no longer waits.
    pub fn withdraw(&mut self, integration: &IntegrationId, turn: Turn) {
        if let Some(gate) = self.gates.get_mut(integration) {
            gate.waiting.remove(&turn);
        }
    }

    /// Whose turn it is with this integration.
    pub fn next_of(&self, integration: &IntegrationId, now: i64) -> Option<u64> {
        let gate = self.gates.get(integration)?;
        let has_place = gate.under_way < OF_ONE && (gate.under_way < GUARANTEED || self.under_way.len() < OF_ALL);
        gate.next(now).filter(|_| has_place).map(|turn| turn.id)
    }

    /// Whose turns it is, one of each integration.
    pub fn next_of_each(&self, now: i64) -> Vec<u64> {
        let waiting = self.gates.iter().filter(|(_, gate)| !gate.waiting.is_empty());
        waiting.filter_map(|(integration, _)| self.next_of(integration, now)).collect()
    }

    /// An attempt begins.
    pub fn begin(&mut self, integration: &IntegrationId, turn: Turn, now: i64) {
        let gate = self.gates.entry(integration.clone()).or_default();
        gate.waiting.remove(&turn);
        gate.under_way += 1;
        if let Some(failing) = &mut gate.failing {
            match turn.attempts {
                0 => failing.new_at = now.saturating_add(PAUSE_OF_NEW),
                _ => failing.again_at = now.saturating_add(failing.pause()),
            }
        }
        self.under_way.insert(turn.id, UnderWay { integration: integration.clone(), began: now });
    }

    /// When an attempt under way began.
    pub fn began(&self, id: u64) -> Option<i64> {
        self.under_way.get(&id).map(|attempt| attempt.began)
    }

    /// An attempt has ended. Returns the integration if all that waits for another attempt is to be told now.
    pub fn end(&mut self, id: u64, answer: Answer, now: i64) -> Option<IntegrationId> {
        let UnderWay { integration, began } = self.under_way.remove(&id)?;
        let gate = self.gates.get_mut(&integration)?;
        gate.under_way = gate.under_way.saturating_sub(1);
        match answer {
            Answer::None => {
                gate.fail(began, now);
                None
            }
            Answer::Some => gate.recover(now).then_some(integration),
        }
    }

    /// When someone's turn comes by time alone, if anyone waits.
    pub fn next_at(&self) -> Option<i64> {
        self.gates.values().filter_map(Gate::next_at).min()
    }

    /// Everyone may be asked at once: the configuration is another one.
    pub fn forgive(&mut self, now: i64) {
        for failing in self.gates.values_mut().filter_map(|gate| gate.failing.as_mut()) {
            failing.again_at = now;
            failing.new_at = now;
        }
    }

    /// Forgets integrations that are not configured and that nothing is under way to.
    pub fn retain(&mut self, is_known: impl Fn(&IntegrationId) -> bool) {
        self.gates.retain(|integration, gate| gate.under_way > 0 || is_known(integration));
    }

    /// The clock leapt by `by` milliseconds and says `now`.
    pub fn leap(&mut self, by: i64, now: i64) {
        let moved = |at: &mut i64| *at = at.saturating_add(by);
        for gate in self.gates.values_mut() {
            gate.released_at = gate.released_at.map(|at| at.saturating_add(by).min(now));
            if let Some(failing) = &mut gate.failing {
                [&mut failing.last, &mut failing.again_at, &mut failing.new_at].into_iter().for_each(moved);
            }
        }
        self.under_way.values_mut().for_each(|attempt| moved(&mut attempt.began));
    }
}

impl Gate {
    fn next(&self, now: i64) -> Option<Turn> {
        let Some(failing) = &self.failing else { return self.waiting.first().copied() };
        let new = self.first_new().filter(|_| failing.new_at <= now);
        new.or_else(|| self.first_again().filter(|_| failing.again_at <= now))
    }

    fn next_at(&self) -> Option<i64> {
        let failing = self.failing.as_ref()?;
        let new = self.first_new().map(|_| failing.new_at);
        let again = self.first_again().map(|_| failing.again_at);
        new.into_iter().chain(again).min()
    }

    fn first_new(&self) -> Option<Turn> {
        self.waiting.first().filter(|turn| turn.attempts == 0).copied()
    }

    fn first_again(&self) -> Option<Turn> {
        let from = Turn { attempts: 1, decided_at: Reverse(i64::MAX), id: 0 };
        self.waiting.range(from..).next().copied()
    }

    fn fail(&mut self, began: i64, now: i64) {
        let first = Failing { rounds: 0, last: began, again_at: now, new_at: now };
        let failing = self.failing.get_or_insert(first);
        // What failed together says no more than one.
        if failing.rounds == 0 || began > failing.last {
            failing.rounds = failing.rounds.saturating_add(1);
            failing.last = now;
            // A pause counts from the beginning of what failed.
            failing.again_at = failing.again_at.max(began.saturating_add(failing.pause()));
        }
    }

    fn recover(&mut self, now: i64) -> bool {
        let Some(failing) = self.failing.take() else { return false };
        let lately = self.released_at.is_some_and(|at| now.saturating_sub(at) < BETWEEN_RELEASES);
        let is_back = failing.rounds >= ROUNDS_OF_OUTAGE && !lately;
        if is_back {
            self.released_at = Some(now);
        }
        is_back
    }
}
