//! Another configuration while the engine runs. Unchanged groups keep everything. Rules that stay, by name and labels and
//! wherever they stand now, keep their alerts and series; what is gone resolves and is marked stale.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::alerting::identity::{moved, successors};
use crate::alerting::rule::GroupKey;
use crate::alerting::series::RuleSample;
use crate::alerting::{AlertState, GroupSpec, GroupState, RulePlace, RuleState, restore};
use crate::history::{Decision, Number, Time, What};
use crate::model::Labels;
use crate::routing::RoutedAlert;

use super::core::{Engine, TurnEffects};
use super::setup::Setup;
use super::slot::Slot;

/// The groups that a reload ends or changes, and what of their rules is free to be taken over.
struct ReplacedGroups {
    slots: Vec<(u64, Slot)>,
    places: Vec<RulePlace>,
    /// Of each rule the index of its slot, and its state until it is taken.
    rules: Vec<(usize, Option<RuleState>)>,
}

impl ReplacedGroups {
    fn of(mut slots: Vec<(u64, Slot)>) -> Self {
        slots.sort_by_key(|(id, _)| *id);
        let (mut places, mut rules) = (Vec::new(), Vec::new());
        for (index, (_, slot)) in slots.iter().enumerate() {
            places.extend(slot.places.iter().cloned());
            rules.extend(slot.state.rules.iter().map(|rule| (index, Some(rule.clone()))));
        }
        ReplacedGroups { slots, places, rules }
    }

    fn slot(&self, key: &GroupKey) -> Option<&Slot> {
        self.slots.iter().map(|(_, slot)| slot).find(|slot| slot.spec.key == *key)
    }

    /// Takes a rule's state.
    fn take(&mut self, index: usize) -> Option<RuleState> {
        self.rules.get_mut(index)?.1.take()
    }

    /// Whether the group of a rule is still waited for.
    fn is_awaited(&self, index: usize) -> bool {
        let slot = self.rules.get(index).and_then(|(slot, _)| self.slots.get(*slot));
        slot.is_some_and(|(_, slot)| slot.awaited.is_some())
    }

    /// The series that nobody took over, by the index of the slot they were written in.
    fn orphans(&self) -> Vec<(usize, Labels)> {
        let of_rule = |(slot, rule): &(usize, Option<RuleState>)| {
            let written = rule.iter().flat_map(|r| r.written.iter().cloned()).collect::<Vec<_>>();
            let slot = *slot;
            written.into_iter().map(move |labels| (slot, labels))
        };
        let of_group = |(index, (_, slot)): (usize, &(u64, Slot))| {
            let orphans = slot.state.orphans.clone();
            orphans.into_iter().map(move |labels| (index, labels))
        };
        self.rules.iter().flat_map(of_rule).chain(self.slots.iter().enumerate().flat_map(of_group)).collect()
    }
}

impl Engine {
    pub(super) fn reload(&mut self, setup: Setup, now: i64, out: &mut TurnEffects) {
        self.wake(now);
        let slots = std::mem::take(&mut self.slots);
        let mut old: HashMap<GroupKey, (u64, Slot)> =
            slots.into_iter().map(|(id, slot)| (slot.spec.key.clone(), (id, slot))).collect();
        let mut coming: Vec<Arc<GroupSpec>> = Vec::new();
        for spec in &setup.groups {
            match old.remove(&spec.key) {
                Some((id, slot)) if *slot.spec == **spec => {
                    self.slots.insert(id, slot);
                }
                changed => {
                    old.extend(changed.map(|(id, slot)| (spec.key.clone(), (id, slot))));
                    coming.push(spec.clone());
                }
            }
        }
        let replaced = ReplacedGroups::of(old.into_values().collect());
        self.replace(replaced, &coming, &setup.groups, now, out);
        let (groups, rules) = self.sizes();
        out.outbox.records.push(|| Decision::new(now, What::Reloaded { groups, rules }));
        self.failing.retain(|id| self.slots.contains_key(&id));
        let routing = setup.routing.clone().unwrap_or_default();
        self.setup = setup;
        self.outbox.reconfigure(&routing, now, &mut out.outbox);
        self.router.reconfigure(routing, self.options.restart_groups, now, &mut out.outbox.batch);
        self.router.silences.configure(&self.setup.silences, now);
        self.keep_for_ends(now, out);
        self.reconcile(now, out);
        self.give_notice(now, out);
    }

    /// Puts groups in place of others.
    fn replace(
        &mut self,
        mut replaced: ReplacedGroups,
        coming: &[Arc<GroupSpec>],
        all: &[Arc<GroupSpec>],
        now: i64,
        out: &mut TurnEffects,
    ) {
        replaced.slots.iter().for_each(|(id, _)| self.sent.forget(*id));
        let batch = &mut out.outbox.batch;
        let new: Vec<RulePlace> = coming.iter().flat_map(|spec| spec.places()).collect();
        let successors = successors(&replaced.places, &new);
        let moved = moved(&replaced.places, &new, &successors);
        // What is removed comes first: a rule may stand where another one stood.
        for (place, (_, rule)) in
            moved.left.iter().filter_map(|i| Some((replaced.places.get(*i)?, replaced.rules.get(*i)?)))
        {
            rule.iter().for_each(|rule| restore::forget_all(batch, place, &rule.alerts));
        }
        let mut places = new.iter().zip(successors).enumerate();
        let mut added = Vec::with_capacity(coming.len());
        for spec in coming {
            let mut state = GroupState::new(spec.rules.len());
            let mut awaited = false;
            for (rule, (index, (place, successor))) in state.rules.iter_mut().zip(&mut places) {
                let Some((old, inherited)) = successor.and_then(|i| Some((i, replaced.take(i)?))) else { continue };
                if moved.came.contains(&index) {
                    restore::save_all(batch, place, &inherited.alerts);
                }
                awaited |= replaced.is_awaited(old);
                *rule = inherited;
            }
            let before = replaced.slot(&spec.key);
            state.evaluated_at = before.and_then(|slot| slot.state.evaluated_at);
            if let Some(at) = state.rules.iter().filter_map(|r| r.evaluated_at.or(r.restored_from)).max() {
                restore::save_evaluated(batch, &spec.key, &state, at);
            }
            // An evaluation that is due right now is not lost by the reload.
            let due = before.filter(|slot| slot.next_at <= now && slot.spec.interval == spec.interval);
            let next_at = due.map_or_else(|| self.first_evaluation(spec, now), |slot| slot.next_at);
            let id = self.add_slot(spec.clone(), state, next_at);
            let rounds = self.rounds_of_new(spec, all);
            if let Some(slot) = self.slots.get_mut(&id) {
                (slot.rounds, slot.postponed) = (rounds, rounds > 0);
            }
            if awaited {
                self.await_first_word(id);
            }
            added.push(id);
        }
        self.end_series(&replaced, &added, now, out);
        for (_, slot) in replaced.slots.iter().filter(|(_, slot)| coming.iter().all(|spec| spec.key != slot.spec.key)) {
            restore::forget_group(&mut out.outbox.batch, &slot.spec.key);
        }
    }

    /// Series that no rule goes on writing are marked stale: by their group at its next evaluation, which may yet write
    /// them, or at once if it is gone.
    fn end_series(&mut self, replaced: &ReplacedGroups, added: &[u64], now: i64, out: &mut TurnEffects) {
        let mut orphans = replaced.orphans();
        if orphans.is_empty() {
            return;
        }
        let alive: FxHashSet<&Labels> =
            self.slots.values().flat_map(|slot| &slot.state.rules).flat_map(|rule| rule.written.iter()).collect();
        orphans.retain(|(_, labels)| !alive.contains(labels));
        let mut successors: FxHashMap<GroupKey, u64> = FxHashMap::default();
        for id in added {
            successors.extend(self.slots.get(id).map(|slot| (slot.spec.key.clone(), *id)));
        }
        for (index, labels) in orphans {
            let Some((_, old)) = replaced.slots.get(index) else { continue };
            match successors.get(&old.spec.key).and_then(|id| self.slots.get_mut(id)) {
                Some(slot) => Arc::make_mut(&mut slot.state).orphans.push(labels),
                None => out.append.push(RuleSample::stale(labels, now - old.spec.query_offset)),
            }
        }
    }

    /// Makes routing hold exactly the alerts that rules fire. After a restart or a reload the two may disagree: a rule is
    /// gone or stands elsewhere, or alerts leave with other labels. Whoever holds an alert comes before who lets go, so
    /// that one that only changes hands never ends.
    pub(super) fn reconcile(&mut self, now: i64, out: &mut TurnEffects) {
        let wanted = self.wanted(now);
        let held = |a: &RoutedAlert| a.holders.iter().map(|h| (*h, a.labels.clone())).collect::<Vec<_>>();
        let held: FxHashSet<(u64, Labels)> = self.router.alerts().flat_map(held).collect();
        let mut spoken: FxHashSet<&Labels> = FxHashSet::default();
        for Wanted { holder, alert, awaited } in &wanted {
            if !held.contains(&(*holder, alert.labels.clone())) {
                if self.router.alert(&alert.labels).is_none_or(|known| known.is_resolved(now)) {
                    // It fires under other labels from now on, or routing has lost it.
                    let (value, active_at) = (alert.value.map(|v| Number(v.get())), Time(alert.starts_at));
                    let what = What::Firing { rule: None, value, active_at };
                    out.outbox.records.push(|| Decision::about(now, alert.labels.clone(), what));
                }
                self.router.hold(*holder, alert.clone(), now, &mut out.outbox.batch);
            }
            if awaited.is_none() {
                spoken.insert(&alert.labels);
            }
        }
        let stays: FxHashSet<(u64, &Labels)> = wanted.iter().map(|w| (w.holder, &w.alert.labels)).collect();
        let mut leaves: Vec<&(u64, Labels)> = held.iter().filter(|(h, l)| !stays.contains(&(*h, l))).collect();
        leaves.sort();
        for (holder, labels) in leaves {
            if let Some(alert) = self.router.alert(labels).cloned() {
                let fired_at = Time(alert.starts_at);
                let ended = RoutedAlert { ends_at: Some(now), updated_at: now, ..alert };
                self.router.release(*holder, ended, now, &mut out.outbox.batch);
                if self.router.alert(labels).is_some_and(|alert| alert.is_resolved(now)) {
                    // Its rule is gone, or fires it under other labels.
                    let what = What::Resolved { rule: None, value: None, fired_at, timed_out: false };
                    out.outbox.records.push(|| Decision::about(now, labels.clone(), what));
                }
            }
        }
        for Wanted { alert, awaited, .. } in wanted.iter().filter(|w| !spoken.contains(&w.alert.labels)) {
            if let Some(until) = awaited {
                self.router.await_word(&alert.labels, *until);
            }
        }
    }

    /// The alerts that rules fire, in the order of their holders.
    fn wanted(&self, now: i64) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        if self.setup.routing.is_none() {
            return wanted;
        }
        for slot in self.slots.values() {
            for ((place, rule), state) in slot.places.iter().zip(&slot.spec.rules).zip(&slot.state.rules) {
                let firing = state.alerts.values().filter(|a| a.state == AlertState::Firing);
                wanted.extend(firing.filter_map(|alert| {
                    let holder = restore::holder(place, &alert.labels);
                    let awaited = slot.awaited;
                    self.routed(alert, &rule.expr, now).map(|alert| Wanted { holder, alert, awaited })
                }));
            }
        }
        wanted.sort_by_key(|w| w.holder);
        wanted
    }
}

/// An alert that a rule fires.
struct Wanted {
    holder: u64,
    alert: RoutedAlert,
    /// Until when the rule's first word since the start is waited for.
    awaited: Option<i64>,
}
