//! The records by which alerts outlive the process: one for each alert of a rule, one for each group that was evaluated
//! while an alert was pending.
//!
//! After a restart a rule goes on from exactly the alerts it had, wherever it stands now (see [`super::identity`]).
//! Nothing fires or ends by the restart itself; the next evaluation decides. Time in which the process was down does not count towards a rule's `for`: a pending alert keeps
//! its `active_at` and waits for what was left of `for` (Prometheus shifts `activeAt` instead, to the same effect).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::number::{format_float, parse_float};
use crate::model::{Labels, stale::NORMAL_NAN};
use crate::state::{Batch, Snapshot, Table};

use super::alert::{Alert, AlertState, AlertTable};
use super::group::{GroupState, RuleState};
use super::identity::{RulePlace, moved, successors};
use super::machine::Transition;
use super::rule::{GroupKey, GroupSpec, RuleKey};
use super::series;

/// New annotations of firing alerts are written once in this many milliseconds, which is how often Prometheus would
/// send them to an Alertmanager.
const REFRESH_EVERY: i64 = 60_000;

#[derive(Serialize, Deserialize)]
struct AlertRecord {
    group: GroupKey,
    rule: RuleKey,
    #[serde(default)]
    expr: u64,
    labels: Labels,
    annotations: Labels,
    state: AlertState,
    // As text: JSON has no NaN and no infinities.
    value: String,
    active_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fired_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolved_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<i64>,
    #[serde(default)]
    unobserved: i64,
}

#[derive(Serialize, Deserialize)]
struct GroupRecord {
    group: GroupKey,
    evaluated_at: i64,
}

/// Writes what an evaluation at `at` changed. `previous` is the evaluation before it.
pub fn save(
    batch: &mut Batch,
    rules: &[RulePlace],
    transitions: &[(usize, Transition)],
    at: i64,
    previous: Option<i64>,
) {
    for (index, transition) in transitions {
        if let Some(place) = rules.get(*index) {
            save_one(batch, place, transition, at, previous);
        }
    }
}

fn save_one(batch: &mut Batch, place: &RulePlace, transition: &Transition, at: i64, previous: Option<i64>) {
    let alert = transition.alert();
    match transition {
        Transition::Vanished(_) | Transition::Forgotten(_) => forget(batch, place, &alert.labels),
        Transition::Refreshed(_) => {
            let slot = |t: i64| t.div_euclid(REFRESH_EVERY);
            if previous.is_none_or(|p| slot(p) != slot(at)) {
                batch.put(Table::RuleAlert, alert_key(place, &alert.labels), &record(place, alert), false);
            }
        }
        Transition::Pending(_) | Transition::Fired(_) | Transition::Resolved(_) | Transition::Held(_) => {
            batch.put(Table::RuleAlert, alert_key(place, &alert.labels), &record(place, alert), true);
        }
    }
}

/// Writes an alert whose times a leap of the clock has changed.
pub fn save_leapt(batch: &mut Batch, place: &RulePlace, alert: &Alert) {
    batch.put(Table::RuleAlert, alert_key(place, &alert.labels), &record(place, alert), false);
}

/// Notes when a group with pending alerts was evaluated, so that an outage can be told from watching. May be lost by a
/// crash: the outage then seems longer by an evaluation, which [`super::group`] tolerates.
pub fn save_evaluated(batch: &mut Batch, group: &GroupKey, state: &GroupState, at: i64) {
    let pending = |rule: &RuleState| rule.alerts.values().any(|a| a.state == AlertState::Pending);
    if state.rules.iter().any(pending) {
        let record = GroupRecord { group: group.clone(), evaluated_at: at };
        batch.put(Table::RuleGroup, group_key(group), &record, false);
    }
}

/// Removes the record of a group that is gone.
pub fn forget_group(batch: &mut Batch, group: &GroupKey) {
    batch.delete(Table::RuleGroup, group_key(group), false);
}

/// Removes the record of an alert whose rule is gone.
pub fn forget(batch: &mut Batch, place: &RulePlace, labels: &Labels) {
    batch.delete(Table::RuleAlert, alert_key(place, labels), true);
}

/// Removes the records of all alerts of a rule at a place.
pub fn forget_all(batch: &mut Batch, place: &RulePlace, alerts: &AlertTable) {
    alerts.keys().for_each(|labels| forget(batch, place, labels));
}

/// Writes all alerts of a rule that goes on at another place.
pub fn save_all(batch: &mut Batch, place: &RulePlace, alerts: &AlertTable) {
    for alert in alerts.values() {
        batch.put(Table::RuleAlert, alert_key(place, &alert.labels), &record(place, alert), true);
    }
}

/// Alerts as they were when the process ended, by rule.
#[derive(Debug, Default)]
pub struct Restored {
    rules: BTreeMap<(GroupKey, RuleKey), (u64, AlertTable)>,
    evaluated: HashMap<GroupKey, i64>,
}

impl Restored {
    /// Reads the records.
    pub fn load(snapshot: &Snapshot) -> Self {
        let mut restored = Restored::default();
        for (_, r) in snapshot.read::<AlertRecord>(Table::RuleAlert) {
            let (alert, expr) = (alert(&r), r.expr);
            let (known, table) = restored.rules.entry((r.group, r.rule)).or_default();
            *known = (*known).max(expr);
            table.insert(alert.labels.clone(), alert);
        }
        for (_, r) in snapshot.read::<GroupRecord>(Table::RuleGroup) {
            restored.evaluated.insert(r.group, r.evaluated_at);
        }
        restored
    }

    /// The states that groups start with. Alerts of rules that stand elsewhere now are stored anew, those of rules that
    /// are gone are removed from the store.
    pub fn take_over(self, specs: &[Arc<GroupSpec>], batch: &mut Batch) -> Vec<GroupState> {
        let (mut old, mut tables) = (Vec::new(), Vec::new());
        for ((group, rule), (expr, table)) in self.rules {
            old.push(RulePlace { group, rule, expr });
            tables.push(Some(table));
        }
        let new: Vec<RulePlace> = specs.iter().flat_map(|spec| spec.places()).collect();
        let successors = successors(&old, &new);
        let moved = moved(&old, &new, &successors);
        // What is removed comes first: a rule may stand where another one stood.
        for (place, table) in moved.left.iter().filter_map(|i| Some((old.get(*i)?, tables.get(*i)?.as_ref()?))) {
            forget_all(batch, place, table);
        }
        let mut places = new.iter().zip(successors).enumerate();
        let mut states = Vec::with_capacity(specs.len());
        for spec in specs {
            let mut state = GroupState::new(spec.rules.len());
            for (rule, (index, (place, heir))) in state.rules.iter_mut().zip(&mut places) {
                let Some(from) = heir.and_then(|i| old.get(i)) else { continue };
                let Some(table) = heir.and_then(|i| tables.get_mut(i)).and_then(Option::take) else { continue };
                if moved.came.contains(&index) {
                    save_all(batch, place, &table);
                }
                *rule = restored(table, self.evaluated.get(&from.group).copied());
            }
            if let Some(at) = state.rules.iter().filter_map(|r| r.restored_from).max()
                && !self.evaluated.contains_key(&spec.key)
            {
                save_evaluated(batch, &spec.key, &state, at);
            }
            states.push(state);
        }
        let kept: HashSet<&GroupKey> = specs.iter().map(|spec| &spec.key).collect();
        self.evaluated.keys().filter(|key| !kept.contains(key)).for_each(|key| forget_group(batch, key));
        states
    }
}

/// A rule that goes on with its alerts after a restart.
fn restored(alerts: AlertTable, evaluated: Option<i64>) -> RuleState {
    // The series were last written by the process before; if they end now, they are to be marked.
    let active = alerts.values().filter(|a| a.is_active());
    RuleState {
        written: Arc::new(active.flat_map(series::alert_series).collect()),
        restored_from: evaluated.or_else(|| alerts.values().map(|a| a.active_at).max()),
        alerts: Arc::new(alerts),
        ..RuleState::default()
    }
}

fn record(place: &RulePlace, alert: &Alert) -> AlertRecord {
    AlertRecord {
        group: place.group.clone(),
        rule: place.rule.clone(),
        expr: place.expr,
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        state: alert.state,
        value: format_float(alert.value),
        active_at: alert.active_at,
        fired_at: alert.fired_at,
        resolved_at: alert.resolved_at,
        keep_firing_since: alert.keep_firing_since,
        unobserved: alert.unobserved,
    }
}

fn alert(r: &AlertRecord) -> Alert {
    Alert {
        labels: r.labels.clone(),
        annotations: r.annotations.clone(),
        state: r.state,
        value: parse_float(&r.value).unwrap_or(NORMAL_NAN),
        resolved_value: None,
        active_at: r.active_at,
        fired_at: r.fired_at,
        resolved_at: r.resolved_at,
        keep_firing_since: r.keep_firing_since,
        unobserved: r.unobserved,
    }
}

/// A number by which routing remembers which alert of which rule holds an alert firing.
pub fn holder(place: &RulePlace, labels: &Labels) -> u64 {
    twox_hash::XxHash64::oneshot(0, &alert_key(place, labels))
}

fn group_key(group: &GroupKey) -> Vec<u8> {
    [group.file.as_bytes(), group.name.as_bytes()].join(&0xff)
}

fn alert_key(place: &RulePlace, labels: &Labels) -> Vec<u8> {
    let RulePlace { group, rule, .. } = place;
    let mut key = group_key(group);
    let rule_labels = rule.labels.iter().flat_map(|(n, v)| [n.as_bytes(), v.as_bytes()]);
    let parts = [rule.kind.as_bytes(), rule.name.as_bytes()].into_iter().chain(rule_labels);
    for part in parts {
        // 0xff does not occur in UTF-8.
        key.push(0xff);
        key.extend_from_slice(part);
    }
    key.push(0xff);
    key.extend_from_slice(&rule.ordinal.to_be_bytes());
    key.extend_from_slice(labels.as_bytes());
    key
}
