//! From a flush to the attempts it leads to, and from their outcomes back to the group.

use std::sync::Arc;

use crate::model::Labels;
use crate::notify::Outcome;
use crate::notify::log::LogKey;
use crate::routing::group::AggregationGroup;
use crate::routing::{Flush, GroupId};
use crate::state::Batch;

use super::core::{Engine, TurnEffects};
use super::deadlines::Deadline;
use super::outbox::Concluded;

impl Engine {
    /// A group's time has come.
    pub(super) fn flush(&mut self, group: GroupId, now: i64, out: &mut TurnEffects) {
        let (outbox, config) = (&self.outbox, self.router.config().clone());
        let is_told = |group: &AggregationGroup, alert: &Labels| outbox.may_know(group, alert, &config);
        if let Some(flush) = self.router.flush(group, now, is_told, &mut out.outbox.batch) {
            self.counters.suppressed.count(&flush);
            self.counters.silence_queries += flush.alerts.len() as u64;
            self.decide(&flush, true, now, out);
        }
    }

    /// Alerts that are routed elsewhere since receivers were told of them stay where they were until their end is told.
    pub(super) fn keep_for_ends(&mut self, now: i64, out: &mut TurnEffects) {
        let config = self.router.config().clone();
        for told in self.outbox.told(&config) {
            self.router.keep_for_ends(&told, now, &mut out.outbox.batch);
        }
        self.router.forget_timers(&mut out.outbox.batch);
    }

    fn decide(&mut self, flush: &Flush, at_once: bool, now: i64, out: &mut TurnEffects) {
        // What mutes alerts is recorded before what follows from it.
        self.record_routing(now, out);
        let config = self.router.config().clone();
        let receiver = config.receivers.get(&flush.route.receiver);
        self.counters.log_queries += receiver.map_or(0, |receiver| receiver.integrations.len() as u64);
        self.outbox.consider(flush, at_once, &config, now, &mut out.outbox);
        self.settle(flush.group, now, out);
    }

    /// What had resolved at a group's last flush leaves it if everyone knows.
    fn settle(&mut self, id: GroupId, now: i64, out: &mut TurnEffects) {
        let Some(group) = self.router.group(id) else { return };
        let leaving = group.leaving.iter().map(|(labels, _)| labels);
        let told = std::iter::once(&group.route.receiver).chain(&group.route.fallback);
        let config = self.router.config();
        let mut told = told.map(|receiver| self.outbox.all_know(&group.key, receiver, leaving.clone(), config));
        if told.all(|know| know) {
            self.router.settle(id, now, &mut out.outbox.batch);
        }
    }

    /// An attempt has ended.
    pub(super) fn on_delivered(&mut self, id: u64, outcome: Outcome, now: i64, out: &mut TurnEffects) {
        match outcome {
            Outcome::Delivered | Outcome::DeliveredAt(_) => self.counters.delivered += 1,
            Outcome::Retry { .. } => self.counters.retried += 1,
            Outcome::GiveUp { .. } => self.counters.given_up += 1,
        }
        let Some(concluded) = self.outbox.conclude(id, outcome, now, &mut out.outbox) else { return };
        let Concluded { key, group_labels, reconsider, is_failure } = concluded;
        // The configuration may have changed since the attempt began.
        let config = self.router.config().clone();
        if let Some(told) = self.outbox.told_of(&key, group_labels, &config) {
            self.router.keep_for_ends(&told, now, &mut out.outbox.batch);
        }
        for group in self.router.groups_told(&key.group_key, &key.integration.receiver) {
            if reconsider {
                if let Some(flush) = self.router.look(group, now, &mut out.outbox.batch) {
                    self.decide(&flush, false, now, out);
                }
                continue;
            }
            if is_failure {
                self.call_fallback(group, now, out);
            }
            self.settle(group, now, out);
        }
    }

    /// A group's receiver has failed again: who stands in for it may have to be told.
    fn call_fallback(&mut self, id: GroupId, now: i64, out: &mut TurnEffects) {
        let has_fallback = self.router.group(id).is_some_and(|group| group.route.fallback.is_some());
        if has_fallback && let Some(flush) = self.router.look(id, now, &mut out.outbox.batch) {
            self.record_routing(now, out);
            let config = self.router.config().clone();
            self.outbox.consider_fallback(&flush, false, &config, now, &mut out.outbox);
        }
    }

    /// Lets everyone whose turn it is be attempted, each with what there is to say now.
    pub(super) fn take_turns(&mut self, now: i64, out: &mut TurnEffects) {
        let config = self.router.config().clone();
        loop {
            let turns = self.outbox.turns(now);
            if turns.is_empty() {
                break;
            }
            for (id, key) in turns {
                let flush = self.look_by_key(&key, now, &mut out.outbox.batch);
                self.record_routing(now, out);
                self.outbox.take_turn(id, flush.as_ref(), &config, now, &mut out.outbox);
                if let Some(flush) = flush {
                    self.settle(flush.group, now, out);
                }
            }
        }
        if let Some(at) = self.outbox.next_turn_at().filter(|at| *at > now) {
            self.deadlines.add(at, Deadline::Turn);
        }
    }

    /// What the groups of a key would say: one group, unless sibling routes have the same matchers and receiver.
    fn look_by_key(&mut self, key: &LogKey, now: i64, batch: &mut Batch) -> Option<Flush> {
        let receiver: &Arc<str> = &key.integration.receiver;
        let groups = self.router.groups_told(&key.group_key, receiver);
        groups.into_iter().find_map(|group| self.router.look(group, now, batch))
    }
}
