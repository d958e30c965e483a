//! From a flush to the attempts it leads to, and from their outcomes back to the group.

use std::sync::Arc;

use crate::notify::Outcome;
use crate::notify::log::LogKey;
use crate::routing::{Flush, GroupId};
use crate::state::Batch;

use super::core::{Engine, TurnEffects};
use super::deadlines::Deadline;

impl Engine {
    /// A group's time has come.
    pub(super) fn flush(&mut self, group: GroupId, now: i64, out: &mut TurnEffects) {
        if let Some(flush) = self.router.flush(group, now, &mut out.outbox.batch) {
            self.counters.suppressed.count(&flush);
            self.counters.silence_queries += flush.alerts.len() as u64;
            self.decide(&flush, true, now, out);
        }
    }

    fn decide(&mut self, flush: &Flush, at_once: bool, now: i64, out: &mut TurnEffects) {
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
        for group in self.groups_told(&concluded.group_key, &concluded.receiver) {
            if concluded.reconsider {
                if let Some(flush) = self.router.look(group, now, &mut out.outbox.batch) {
                    self.decide(&flush, false, now, out);
                }
                continue;
            }
            if concluded.is_failure {
                self.call_fallback(group, now, out);
            }
            self.settle(group, now, out);
        }
    }

    /// The groups of a key that tell a receiver, be it that it stands in.
    fn groups_told(&self, key: &Arc<str>, receiver: &Arc<str>) -> Vec<GroupId> {
        let mut groups = self.router.groups_of(key, receiver);
        groups.extend(self.router.groups_with_fallback(key, receiver));
        groups
    }

    /// A group's receiver has failed again: who stands in for it may have to be told.
    fn call_fallback(&mut self, id: GroupId, now: i64, out: &mut TurnEffects) {
        let has_fallback = self.router.group(id).is_some_and(|group| group.route.fallback.is_some());
        if has_fallback && let Some(flush) = self.router.look(id, now, &mut out.outbox.batch) {
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
        let groups = self.groups_told(&key.group_key, receiver);
        groups.into_iter().find_map(|group| self.router.look(group, now, batch))
    }
}
