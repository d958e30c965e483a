//! The start, and the first word of every source after it: nothing has resolved, and nothing new is told of an alert,
//! before its source has spoken or had the time to. The source of an alert is a rule group, or whoever posted it.

use crate::alerting::restore::Restored;
use crate::alerting::{AlertState, GroupState};
use crate::routing::Router;
use crate::routing::pages::Pages;
use crate::state::{Snapshot, StateError};

use super::core::{Counters, Engine, HOUSEKEEPING, Out};
use super::data::recorded;
use super::deadlines::{Deadline, Deadlines};
use super::external::Sent;
use super::failing::Failing;
use super::outbox::Outbox;
use super::setup::{Options, Setup};

/// How long the first evaluation of a group may take before those who tell of its alerts no longer wait for it.
const ALLOWANCE: i64 = 10_000;

impl Engine {
    /// An engine that goes on from what was stored. What follows from the restart alone comes with the first turn: what
    /// was owed is delivered, alerts whose rules are gone resolve.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn start(options: Options, setup: Setup, state: &Snapshot, now: i64) -> Result<Engine, StateError> {
        let mut out = Out::default();
        let routing = setup.routing.clone().unwrap_or_default();
        let restored = Restored::load(state)?;
        let mut engine = Engine {
            router: Router::restore(routing.clone(), state, now, &mut out.outgo.batch)?,
            outbox: Outbox::load(state, now, &mut out.outgo)?,
            options,
            slots: Default::default(),
            next_slot: 0,
            deadlines: Deadlines::default(),
            sent: Sent::default(),
            failing: Failing::default(),
            counters: Counters::default(),
            shown: Pages::default(),
            now,
            at_start: Out::default(),
            setup,
        };
        let groups = engine.setup.groups.clone();
        let states = restored.take_over(&groups, &mut out.outgo.batch);
        for (spec, state) in groups.into_iter().zip(states) {
            let first = engine.first_evaluation(&spec, now);
            engine.add_slot(spec, state, first);
        }
        engine.await_data(now);
        let ids: Vec<u64> = engine.slots.keys().copied().collect();
        ids.into_iter().for_each(|id| engine.await_first_word(id));
        engine.settle_stored_future(&mut out);
        engine.outbox.reconfigure(&routing, now, &mut out.outgo);
        engine.reconcile(now, &mut out);
        engine.deadlines.add(now + HOUSEKEEPING, Deadline::Housekeeping);
        engine.set_deadlines(&mut out.outgo);
        engine.at_start = out;
        Ok(engine)
    }

    /// A group that has not been evaluated since the start is to be waited for, if it fires anything: that may be over.
    pub(super) fn await_first_word(&mut self, slot: u64) {
        if let Some(slot) = self.slots.get_mut(&slot)
            && firing(&slot.state).next().is_some()
        {
            let data = self.options.data.filter(|_| slot.rounds > 0).map_or(slot.next_at, |data| data.until);
            slot.awaited = Some(slot.next_at.max(data) + ALLOWANCE);
        }
    }

    /// A group was evaluated for the first time since the start. What it goes on firing has been spoken of; what it
    /// resolved was [released](Router::release). Rules that failed had their chance.
    pub(super) fn spoken(&mut self, state: &GroupState, now: i64) {
        for alert in firing(state) {
            if let Some(labels) = self.setup.outgoing.apply(&alert.labels) {
                self.router.heard(&labels, now);
            }
        }
    }

    /// Has groups wait for data after a start, as far as they need it.
    pub(super) fn await_data(&mut self, now: i64) {
        let Some(data) = self.options.data.filter(|data| data.until > now) else { return };
        let groups = self.setup.groups.clone();
        let recorded = recorded(&groups);
        let mut waits = false;
        for slot in self.slots.values_mut() {
            slot.rounds = data.rounds(&slot.spec, &recorded, now);
            waits |= slot.rounds > 0;
        }
        if waits {
            self.deadlines.add(data.until, Deadline::Data);
        }
    }

    /// How many groups wait for data.
    pub fn groups_without_data(&self) -> usize {
        self.slots.values().filter(|slot| slot.rounds > 0).count()
    }

    /// So many rounds of scrapes have come since the start. Groups that waited for them and would have been evaluated
    /// meanwhile are evaluated now.
    pub(super) fn data_came(&mut self, rounds: u8, now: i64) {
        for (id, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.rounds > 0 && slot.rounds <= rounds) {
            slot.rounds = 0;
            if std::mem::take(&mut slot.postponed) {
                slot.next_at = now;
                slot.catches_up = true;
                self.deadlines.add(now, Deadline::Evaluate(*id));
            }
        }
    }
}

/// The firing alerts of a group.
pub(super) fn firing(state: &GroupState) -> impl Iterator<Item = &crate::alerting::Alert> {
    state.rules.iter().flat_map(|r| r.alerts.values()).filter(|a| a.state == AlertState::Firing)
}
