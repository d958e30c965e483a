//! Another configuration while the engine runs. Unchanged groups keep everything; of a changed group, rules that stay
//! (by name and labels) keep their alerts and series; what is gone resolves and is marked stale.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::restore;
use crate::alerting::rule::GroupKey;
use crate::alerting::series::RuleSample;
use crate::alerting::{Alert, AlertState, GroupSpec, GroupState, RuleKey, RuleState};
use crate::model::Labels;
use crate::routing::RoutedAlert;
use crate::state::Batch;

use super::Setup;
use super::core::{Engine, Out, Slot};

/// Rules of a group that are free to be taken over, by identity.
type Heirlooms = HashMap<RuleKey, RuleState>;

impl Engine {
    pub(super) fn reload(&mut self, setup: Setup, now: i64, out: &mut Out) {
        let slots = std::mem::take(&mut self.slots);
        let mut old: HashMap<GroupKey, (u64, Slot)> =
            slots.into_iter().map(|(id, slot)| (slot.spec.key.clone(), (id, slot))).collect();
        for spec in &setup.groups {
            match old.remove(&spec.key) {
                Some((id, slot)) if *slot.spec == **spec => {
                    self.slots.insert(id, slot);
                }
                Some((id, slot)) => {
                    self.sent.forget(id);
                    let state = inherit(spec, &slot, &mut out.outgo.batch);
                    self.add_slot(spec.clone(), state, now);
                }
                None => self.add_slot(spec.clone(), GroupState::new(spec.rules.len()), now),
            }
        }
        let mut gone: Vec<(u64, Slot)> = old.into_values().collect();
        gone.sort_by_key(|(id, _)| *id);
        for (id, slot) in gone {
            self.sent.forget(id);
            for (key, rule) in slot.rule_keys.iter().zip(&slot.state.rules) {
                forget(&slot.spec.key, key, rule, &mut out.outgo.batch);
                let t = now - slot.spec.query_offset;
                out.append.extend(rule.written.iter().map(|l| RuleSample::stale(l.clone(), t)));
            }
        }
        let routing = setup.routing.clone().unwrap_or_default();
        self.setup = setup;
        self.outbox.drop_unknown(&routing, &mut out.outgo.batch);
        self.router.reconfigure(routing, now, &mut out.outgo.batch);
        self.reconcile(now, out);
    }

    /// Makes routing hold exactly the alerts that rules fire. After a restart or a reload the two may disagree: a rule is
    /// gone, or alerts leave with other labels.
    pub(super) fn reconcile(&mut self, now: i64, out: &mut Out) {
        let mut wanted: FxHashMap<u64, RoutedAlert> = FxHashMap::default();
        if self.setup.routing.is_some() {
            for slot in self.slots.values() {
                for ((key, rule), state) in slot.rule_keys.iter().zip(&slot.spec.rules).zip(&slot.state.rules) {
                    let firing = state.alerts.values().filter(|a| a.state == AlertState::Firing);
                    for alert in firing {
                        let holder = restore::holder(&slot.spec.key, key, &alert.labels);
                        wanted.extend(self.routed(alert, &rule.expr, now).map(|routed| (holder, routed)));
                    }
                }
            }
        }
        let held = |a: &RoutedAlert| a.holders.iter().map(|h| (*h, a.labels.clone())).collect::<Vec<_>>();
        let mut held: Vec<(u64, Labels)> = self.router.alerts().flat_map(held).collect();
        held.sort();
        for (holder, labels) in held {
            if wanted.get(&holder).is_some_and(|w| w.labels == labels) {
                wanted.remove(&holder);
            } else if let Some(alert) = self.router.alert(&labels).cloned() {
                let ended = RoutedAlert { ends_at: Some(now), updated_at: now, ..alert };
                self.router.release(holder, ended, now, &mut out.outgo.batch);
            }
        }
        let mut missing: Vec<(u64, RoutedAlert)> = wanted.into_iter().collect();
        missing.sort_by_key(|(holder, _)| *holder);
        for (holder, alert) in missing {
            self.router.hold(holder, alert, now, &mut out.outgo.batch);
        }
    }
}

/// The state a changed group begins with.
fn inherit(spec: &Arc<GroupSpec>, slot: &Slot, batch: &mut Batch) -> GroupState {
    let old_rules = slot.rule_keys.iter().cloned().zip(slot.state.rules.iter().cloned());
    let mut heirlooms: Heirlooms = old_rules.collect();
    let mut state = GroupState::new(spec.rules.len());
    state.evaluated_at = slot.state.evaluated_at;
    state.orphans.clone_from(&slot.state.orphans);
    for (rule, key) in state.rules.iter_mut().zip(spec.rule_keys()) {
        if let Some(old) = heirlooms.remove(&key) {
            *rule = old;
        }
    }
    let mut gone: Vec<(RuleKey, RuleState)> = heirlooms.into_iter().collect();
    gone.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (key, rule) in gone {
        forget(&spec.key, &key, &rule, batch);
        state.orphans.extend(rule.written.iter().cloned());
    }
    state
}

fn forget(group: &GroupKey, key: &RuleKey, rule: &RuleState, batch: &mut Batch) {
    let mut alerts: Vec<&Alert> = rule.alerts.values().collect();
    alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
    for alert in alerts {
        restore::forget(batch, group, key, &alert.labels);
    }
}
