//! The engine's state and what each event does to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::append::Refused;
use crate::alerting::restore;
use crate::alerting::schedule;
use crate::alerting::series::RuleSample;
use crate::alerting::{Alert, Evaluated, Evaluation, GroupSpec, GroupState, Health, RulePlace, Transition};
use crate::model::{Labels, Reading};
use crate::routing::pages::Pages;
use crate::routing::{ReceivedAlert, RoutedAlert, Router, Stored};
use crate::state::Batch;

use super::data::Wait;
use super::deadlines::{Deadline, Deadlines};
use super::event::{Effect, Event, SilenceAnswer, SilenceChange, Ticket};
use super::external::{self, OutgoingAlert, Sent};
use super::failing::Failing;
use super::outbox::{Outbox, OutboxEffects};
use super::setup::{Options, Setup};
use super::slot::{GroupView, Slot};
use super::suppressed::Suppressed;

/// Counts since the engine was made, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rules evaluated.
    pub evaluations: u64,
    /// Rules that failed.
    pub evaluation_failures: u64,
    /// Samples rules wrote.
    pub samples: u64,
    /// Samples of rules that storage refused.
    pub refused: Refused,
    /// Alerts posted.
    pub alerts_received: u64,
    /// Posted alerts that were not valid.
    pub alerts_invalid: u64,
    /// Alerts that groups did not tell of when they flushed, by what kept them from it.
    pub suppressed: Suppressed,
    /// Times the notification log was asked about a group.
    pub log_queries: u64,
    /// Times silences were asked about an alert that was flushed.
    pub silence_queries: u64,
    /// Times what is over was dropped.
    pub maintenances: u64,
    /// Attempts to deliver.
    pub attempts: u64,
    /// Notifications delivered.
    pub delivered: u64,
    /// Attempts that failed and are repeated.
    pub retried: u64,
    /// Notifications that receivers refused for good.
    pub given_up: u64,
    /// Notifications that are decided and not delivered now.
    pub owed: u64,
}

/// What one event brings about, until it is put in order.
#[derive(Debug, Default)]
pub(super) struct TurnEffects {
    pub outbox: OutboxEffects,
    pub answers: Vec<(Ticket, SilenceAnswer)>,
    pub append: Vec<RuleSample>,
    pub evaluate: Vec<Evaluation>,
    pub external: Vec<OutgoingAlert>,
}

impl TurnEffects {
    /// What must be recorded comes first, then what must be stored.
    fn into_effects(self) -> Vec<Effect> {
        let TurnEffects { outbox, answers, append, evaluate, external } = self;
        let mut effects = Vec::with_capacity(2 + evaluate.len() + outbox.deliver.len());
        if !outbox.records.decisions.is_empty() {
            effects.push(Effect::Record(outbox.records.decisions));
        }
        if !outbox.batch.is_empty() {
            effects.push(Effect::Persist(outbox.batch));
        }
        effects.extend(answers.into_iter().map(|(ticket, answer)| Effect::Answer(ticket, answer)));
        if !append.is_empty() {
            effects.push(Effect::Append(append));
        }
        effects.extend(evaluate.into_iter().map(|e| Effect::Evaluate(Box::new(e))));
        effects.extend(outbox.deliver.into_iter().map(|n| Effect::Deliver(Box::new(n))));
        if !external.is_empty() {
            effects.push(Effect::SendToAlertmanagers(external));
        }
        effects
    }
}

/// The engine. See the [module](super).
#[derive(Debug)]
pub struct Engine {
    pub(super) options: Options,
    pub(super) setup: Setup,
    pub(super) slots: BTreeMap<u64, Slot>,
    pub(super) next_slot: u64,
    pub(super) router: Router,
    pub(super) outbox: Outbox,
    pub(super) deadlines: Deadlines,
    pub(super) sent: Sent,
    pub(super) failing: Failing,
    pub(super) counters: Counters,
    pub(super) shown: Pages<GroupView>,
    pub(super) wait: Option<Wait>,
    // The time heard of last.
    pub(super) now: i64,
    // How much has passed since `now` by a clock that nobody sets, where the driver says so, milliseconds.
    pub(super) passed: Option<i64>,
    // Until when a clock that leapt ahead is not believed where it says that something is over for good.
    pub(super) doubted_until: i64,
    // What follows from the start alone. It goes out with the first turn.
    pub(super) at_start: TurnEffects,
}

impl Engine {
    /// Takes in what happened by `now`, then does everything that is due by then, and lets everyone whose turn it is be told
    /// last: what is said heeds all that happened. Without events only what follows from the start alone is done.
    pub(super) fn turn(&mut self, now: i64, events: impl IntoIterator<Item = Event>) -> Vec<Effect> {
        let mut out = std::mem::take(&mut self.at_start);
        out.outbox.records.on = self.options.records;
        let mut events = events.into_iter().peekable();
        if events.peek().is_some() {
            let now = self.at(now, &mut out);
            for event in events {
                self.take_in(event, now, &mut out);
                self.record_routing(now, &mut out);
            }
            self.perform_due(now, &mut out);
            self.take_turns(now, &mut out);
        }
        self.finish(out)
    }

    fn take_in(&mut self, event: Event, now: i64, out: &mut TurnEffects) {
        match event {
            Event::Tick => {}
            Event::Evaluated(evaluated) => self.on_evaluated(*evaluated, now, out),
            Event::AlertsReceived(alerts) => self.on_received(alerts, now, out),
            Event::SilenceChanged(ticket, change) => {
                let answer = self.change_silence(change, now, out);
                out.answers.push((ticket, answer));
            }
            Event::Delivered { id, outcome } => self.on_delivered(id, outcome, now, out),
            Event::DataCame(rounds) => self.data_came(rounds, now),
            Event::Reloaded(setup) => self.reload(*setup, now, out),
        }
    }

    /// The groups, in the order in which they are evaluated at one time.
    pub fn groups(&self) -> Vec<Arc<GroupSpec>> {
        self.slots.values().map(|slot| slot.spec.clone()).collect()
    }

    /// When the engine next has something to do by itself, milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadlines.next()
    }

    fn change_silence(&mut self, change: SilenceChange, now: i64, out: &mut TurnEffects) -> SilenceAnswer {
        match change {
            SilenceChange::Set(new) => self.router.silences.set(new, now, &mut out.outbox.batch),
            SilenceChange::Expire(id) => {
                self.router.silences.expire(&id, now, &mut out.outbox.batch)?;
                Ok(id)
            }
            SilenceChange::Acknowledge(new) => self.router.acknowledge(new, now, &mut out.outbox.batch),
        }
    }

    pub(super) fn set_deadlines(&mut self, outbox: &mut OutboxEffects) {
        for (at, group) in self.router.take_armed() {
            self.deadlines.add(at, Deadline::Flush(group));
        }
        for (at, id) in std::mem::take(&mut outbox.retries) {
            self.deadlines.add(at, Deadline::Retry(id));
        }
    }

    fn finish(&mut self, mut out: TurnEffects) -> Vec<Effect> {
        self.record_routing(self.now, &mut out);
        self.set_deadlines(&mut out.outbox);
        self.tell_values(&mut out.outbox.deliver);
        self.counters.attempts += out.outbox.deliver.len() as u64;
        out.into_effects()
    }

    fn perform_due(&mut self, now: i64, out: &mut TurnEffects) {
        loop {
            // What the router armed meanwhile may be due at once.
            for (at, group) in self.router.take_armed() {
                self.deadlines.add(at, Deadline::Flush(group));
            }
            let Some((at, deadline)) = self.deadlines.take_due(now) else { break };
            match deadline {
                Deadline::Evaluate(slot) => self.evaluate(slot, at, now, out),
                Deadline::Retry(id) => self.outbox.retry(id, now),
                // Whose turn it is, is looked at below in any case.
                Deadline::Turn => {}
                Deadline::Flush(group) => self.flush(group, now, out),
                Deadline::Data => self.data_overdue(now),
                Deadline::Housekeeping => self.keep_house(now, out),
            }
        }
    }

    /// Adds a group and sets its first evaluation.
    pub(super) fn add_slot(&mut self, spec: Arc<GroupSpec>, state: GroupState, next_at: i64) -> u64 {
        let id = self.next_slot;
        self.next_slot += 1;
        self.deadlines.add(next_at, Deadline::Evaluate(id));
        let (places, state) = (spec.places().into(), Arc::new(state));
        let slot = Slot {
            spec,
            places,
            state,
            next_at,
            idle_since: None,
            awaited: None,
            rounds: 0,
            postponed: false,
            catches_up: false,
            in_flight: false,
            leaps: Vec::new(),
            iterations: 0,
            missed: 0,
            evaluations: 0,
            failures: 0,
        };
        self.slots.insert(id, slot);
        id
    }

    /// The first time after `now` at which a group is evaluated.
    pub(super) fn first_evaluation(&self, spec: &GroupSpec, now: i64) -> i64 {
        spec.first_slot(self.options.schedule, now)
    }

    /// A group's time has come. One that is still being evaluated misses the iteration; it delays nobody else.
    fn evaluate(&mut self, id: u64, due: i64, now: i64, out: &mut TurnEffects) {
        let Some(slot) = self.slots.get_mut(&id).filter(|s| s.next_at == due) else { return };
        let (at, mut next, missed) = schedule::due(due, slot.spec.interval, now);
        if std::mem::take(&mut slot.catches_up) {
            next = slot.spec.first_slot(self.options.schedule, at + 1);
        }
        slot.next_at = next;
        if slot.rounds > 0 {
            slot.postponed = true;
            self.deadlines.add(next, Deadline::Evaluate(id));
            return;
        }
        if let Some(since) = slot.idle_since.take() {
            let passed = ((due - since) / slot.spec.interval.max(1)).max(0).unsigned_abs();
            let rules = passed * slot.spec.rules.len() as u64;
            slot.iterations += passed;
            slot.evaluations += rules;
            self.counters.evaluations += rules;
        }
        slot.iterations += 1 + missed;
        slot.missed += missed;
        self.deadlines.add(next, Deadline::Evaluate(id));
        if slot.in_flight {
            slot.missed += 1;
            return;
        }
        slot.in_flight = true;
        out.evaluate.push(Evaluation { slot: id, spec: slot.spec.clone(), state: slot.state.clone(), at });
    }

    fn on_evaluated(&mut self, mut evaluated: Evaluated, now: i64, out: &mut TurnEffects) {
        let id = evaluated.slot;
        // A group that a reload replaced meanwhile goes on from the state before.
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.in_flight = false;
        let mut leapt = Vec::new();
        let leaps = std::mem::take(&mut slot.leaps);
        for (by, at) in &leaps {
            leapt.extend(evaluated.leap(*by, *at));
        }
        let Evaluated { at, state, transitions, samples, refused, failures, idle_until, .. } = evaluated;
        slot.evaluations += slot.spec.rules.len() as u64;
        slot.failures += failures;
        let before = std::mem::replace(&mut slot.state, Arc::new(state));
        let previous = before.evaluated_at;
        let first_word = slot.awaited.take().is_some();
        let (spec, places, state) = (slot.spec.clone(), slot.places.clone(), slot.state.clone());
        self.counters.evaluations += spec.rules.len() as u64;
        self.counters.evaluation_failures += failures;
        self.counters.samples += samples;
        self.counters.refused.add(refused);
        for (index, alert) in &leapt {
            if let Some(place) = places.get(*index) {
                restore::save_leapt(&mut out.outbox.batch, place, alert);
            }
        }
        if let Some(until) = idle_until {
            self.pass_by(id, until);
        }
        self.tell(id, &spec, &state, now);
        self.record_evaluation(&spec, &before, &state, &transitions, now, out);
        restore::save(&mut out.outbox.batch, &places, &transitions, at, previous);
        // What was leapt over has been counted as not watched: a restart does not count it again.
        let watched_until = leaps.last().map_or(at, |(_, leapt_to)| at.max(*leapt_to));
        restore::save_evaluated(&mut out.outbox.batch, &spec.key, &state, watched_until);
        for (index, transition) in &transitions {
            self.route(&spec, &places, *index, transition, now, &mut out.outbox.batch);
        }
        if first_word {
            self.spoken(&state, now);
        }
        if self.setup.external_alertmanagers {
            let terms = external::Terms {
                resend_delay: self.options.resend_delay,
                outgoing: &self.setup.outgoing,
                external_url: &self.setup.external_url,
            };
            out.external.extend(self.sent.due(id, &spec, &state, at, &terms));
        }
    }

    /// What the log says of an evaluation.
    fn tell(&mut self, id: u64, spec: &GroupSpec, state: &GroupState, now: i64) {
        self.failing.evaluated(id, spec, state, now);
        tracing::debug!(
            group = spec.key.to_label(),
            seconds = state.duration,
            rules = spec.rules.len(),
            failed = state.rules.iter().filter(|r| r.health == Health::Bad).count(),
            alerts = state.rules.iter().flat_map(|r| r.alerts.values()).filter(|a| a.is_active()).count(),
            "group evaluated",
        );
    }

    /// Lets routing know what became of an alert of a rule.
    fn route(
        &mut self,
        spec: &GroupSpec,
        places: &[RulePlace],
        index: usize,
        transition: &Transition,
        now: i64,
        batch: &mut Batch,
    ) {
        if self.setup.routing.is_none() {
            return;
        }
        let alert = transition.alert();
        let (Some(rule), Some(place)) = (spec.rules.get(index), places.get(index)) else { return };
        let Some(routed) = self.routed(alert, &rule.expr, now) else { return };
        let holder = restore::holder(place, &alert.labels);
        match transition {
            Transition::Fired(_) | Transition::Refreshed(_) | Transition::Held(_) => {
                self.router.hold(holder, routed, now, batch);
            }
            Transition::Resolved(_) => self.router.release(holder, routed, now, batch),
            Transition::Pending(_) | Transition::Vanished(_) | Transition::Forgotten(_) => {}
        }
    }

    /// An alert of a rule as routing sees it; `None` when relabelling drops it.
    pub(super) fn routed(&self, alert: &Alert, expr: &str, now: i64) -> Option<RoutedAlert> {
        Some(RoutedAlert {
            labels: self.setup.outgoing.apply(&alert.labels)?,
            annotations: alert.annotations.clone(),
            starts_at: alert.fired_at.unwrap_or(alert.active_at),
            ends_at: alert.resolved_at,
            timeout: false,
            updated_at: now,
            generator_url: external::generator_url(&self.setup.external_url, expr).into(),
            holders: Vec::new(),
            over: false,
            value: Some(Reading::of(alert.value)),
            resolved_value: alert.resolved_at.and(alert.resolved_value).map(Reading::of),
            stored: Stored::default(),
        })
    }

    fn on_received(&mut self, alerts: Vec<ReceivedAlert>, now: i64, out: &mut TurnEffects) {
        for alert in alerts {
            self.counters.alerts_received += 1;
            let is_invalid = self.receive(alert, now, out).is_err();
            self.counters.alerts_invalid += u64::from(is_invalid);
        }
    }

    /// Tells of silences of the configuration that end soon.
    pub(super) fn give_notice(&mut self, now: i64, out: &mut TurnEffects) {
        // Until it has been looked twice.
        let until = now.saturating_add(self.options.housekeeping.saturating_mul(2));
        for notice in self.router.silences.expiry_notices(now, until) {
            // They are ours, and valid.
            let _ = self.receive(notice, now, out);
        }
    }

    fn keep_house(&mut self, now: i64, out: &mut TurnEffects) {
        self.deadlines.add(now.saturating_add(self.options.housekeeping), Deadline::Housekeeping);
        self.give_notice(now, out);
        if now < self.doubted_until {
            return;
        }
        self.counters.maintenances += 1;
        let batch = &mut out.outbox.batch;
        self.router.collect_garbage(now, batch);
        let keys: rustc_hash::FxHashSet<&str> = self.router.group_keys().map(|(key, _)| &**key).collect();
        let is_known = |labels: &Labels| self.router.alert(labels).is_some();
        self.outbox.collect_garbage(now, &keys, is_known, batch);
    }
}
