//! The start, and the first word of every source after it: nothing has resolved, and nothing new is told of an alert,
//! before its source has spoken or had the time to. The source of an alert is a rule group, or whoever posted it.

use crate::alerting::restore::Restored;
use crate::alerting::{AlertState, GroupState};
use crate::history::{Decision, What};
use crate::routing::Router;
use crate::routing::pages::Pages;
use crate::state::Snapshot;

use super::core::{Counters, Engine, TurnEffects};
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
    pub fn start(options: Options, setup: Setup, state: &Snapshot, now: i64) -> Engine {
        let mut out = TurnEffects::default();
        out.outbox.records.on = options.records;
        let routing = setup.routing.clone().unwrap_or_default();
        let restored = Restored::load(state);
        let mut engine = Engine {
            router: Router::restore(routing.clone(), state, now, &mut out.outbox.batch),
            outbox: Outbox::load(state, now, &mut out.outbox),
            options,
            slots: Default::default(),
            next_slot: 0,
            deadlines: Deadlines::default(),
            sent: Sent::default(),
            failing: Failing::default(),
            counters: Counters::default(),
            shown: Pages::default(),
            wait: None,
            now,
            passed: None,
            doubted_until: i64::MIN,
            at_start: TurnEffects::default(),
            setup,
        };
        engine.router.tell_news(options.records);
        if options.start_delay > 0 {
            engine.router.hold_until(now.saturating_add(options.start_delay));
        }
        engine.router.silences.keep_for(options.retention);
        engine.router.silences.configure(&engine.setup.silences, now);
        engine.router.limit_names(options.alerts_per_name);
        engine.outbox.log.keep_for(options.retention);
        let groups = engine.setup.groups.clone();
        let states = restored.take_over(&groups, &mut out.outbox.batch);
        for (spec, state) in groups.into_iter().zip(states) {
            let first = engine.first_evaluation(&spec, now);
            engine.add_slot(spec, state, first);
        }
        let ((groups, rules), owed) = (engine.sizes(), engine.outbox.count_owed() as u64);
        out.outbox.records.push(|| Decision::new(now, What::Started { groups, rules, owed }));
        engine.await_data(now);
        let ids: Vec<u64> = engine.slots.keys().copied().collect();
        ids.into_iter().for_each(|id| engine.await_first_word(id));
        engine.settle_stored_future(&mut out);
        engine.outbox.reconfigure(&routing, now, &mut out.outbox);
        engine.keep_for_ends(now, &mut out);
        engine.reconcile(now, &mut out);
        engine.give_notice(now, &mut out);
        engine.deadlines.add(now.saturating_add(options.housekeeping), Deadline::Housekeeping);
        engine.set_deadlines(&mut out.outbox);
        engine.at_start = out;
        engine
    }

    /// A group that has not been evaluated since the start is to be waited for, if it fires anything: that may be over. One
    /// whose time is far off is evaluated sooner: a page that was owed at the crash, or an end, does not wait for an hour.
    pub(super) fn await_first_word(&mut self, id: u64) {
        let Some(group) = self.slots.get_mut(&id) else { return };
        if firing(&group.state).next().is_none() {
            return;
        }
        let until = match self.wait.filter(|_| group.rounds > 0) {
            Some(wait) => wait.until,
            None => {
                let soon = group.spec.soon(self.options.schedule, self.now);
                if soon < group.next_at {
                    group.next_at = soon;
                    group.catches_up = true;
                    self.deadlines.add(soon, Deadline::Evaluate(id));
                }
                group.next_at
            }
        };
        group.awaited = Some(until.max(self.now) + ALLOWANCE);
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
}

/// The firing alerts of a group.
pub(super) fn firing(state: &GroupState) -> impl Iterator<Item = &crate::alerting::Alert> {
    state.rules.iter().flat_map(|r| r.alerts.values()).filter(|a| a.state == AlertState::Firing)
}
