//! A rule group in the engine, and as it is shown.

use std::sync::Arc;

use crate::alerting::{GroupSpec, GroupState, RulePlace};

/// One rule group in the engine.
#[derive(Debug)]
pub(super) struct Slot {
    pub spec: Arc<GroupSpec>,
    pub places: Arc<[RulePlace]>,
    pub state: Arc<GroupState>,
    pub next_at: i64,
    /// The first of the evaluations that are passed by before `next_at`.
    pub idle_since: Option<i64>,
    /// Until it is first evaluated after a start: until when those who tell of its alerts wait for that.
    pub awaited: Option<i64>,
    /// How many rounds of scrapes it waits for, and whether an evaluation fell into the wait.
    pub rounds: u8,
    pub postponed: bool,
    /// The next evaluation is out of its turn.
    pub catches_up: bool,
    pub in_flight: bool,
    /// How far the clock has leapt since the evaluation under way began, each time with what it said then.
    pub leaps: Vec<(i64, i64)>,
    pub iterations: u64,
    pub missed: u64,
    pub evaluations: u64,
    pub failures: u64,
}

/// A rule group and its state.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The group as configured.
    pub spec: Arc<GroupSpec>,
    /// Its state after the last evaluation; rules in the order of `spec.rules`.
    pub state: Arc<GroupState>,
    /// Evaluations that were to be made.
    pub iterations: u64,
    /// Evaluations that were missed.
    pub missed: u64,
    /// Rules evaluated.
    pub evaluations: u64,
    /// Rules that failed.
    pub failures: u64,
    /// The next evaluation, milliseconds.
    pub next_at: i64,
}

impl GroupView {
    pub(super) fn of(slot: &Slot) -> Self {
        GroupView {
            spec: slot.spec.clone(),
            state: slot.state.clone(),
            iterations: slot.iterations,
            missed: slot.missed,
            evaluations: slot.evaluations,
            failures: slot.failures,
            next_at: slot.next_at,
        }
    }

    pub(super) fn shows(&self, slot: &Slot) -> bool {
        Arc::ptr_eq(&self.state, &slot.state)
            && Arc::ptr_eq(&self.spec, &slot.spec)
            && (self.iterations, self.missed, self.next_at) == (slot.iterations, slot.missed, slot.next_at)
            && (self.evaluations, self.failures) == (slot.evaluations, slot.failures)
    }
}
