//! The records by which alerts outlive the process: one for each alert of a rule, one for each group that was evaluated
//! while an alert was pending.
//!
//! After a restart a rule goes on from exactly the alerts it had. Nothing fires or ends by the restart itself; the next
//! evaluation decides. Time in which the process was down does not count towards a rule's `for`: a pending alert keeps
//! its `active_at` and waits for what was left of `for` (Prometheus shifts `activeAt` instead, to the same effect).

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::number::{format_float, parse_float};
use crate::model::{Labels, sample::NORMAL_NAN};
use crate::state::{Batch, Snapshot, StateError, Table};

use super::alert::{Alert, AlertState, AlertTable};
use super::group::{GroupState, RuleState};
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
    group: &GroupKey,
    rules: &[RuleKey],
    transitions: &[(usize, Transition)],
    at: i64,
    previous: Option<i64>,
) {
    for (index, transition) in transitions {
        if let Some(rule) = rules.get(*index) {
            save_one(batch, group, rule, transition, at, previous);
        }
    }
}

fn save_one(
    batch: &mut Batch,
    group: &GroupKey,
    rule: &RuleKey,
    transition: &Transition,
    at: i64,
    previous: Option<i64>,
) {
    let alert = transition.alert();
    let key = alert_key(group, rule, &alert.labels);
    match transition {
        Transition::Vanished(_) | Transition::Forgotten(_) => batch.delete(Table::RuleAlert, key, true),
        Transition::Refreshed(_) => {
            let slot = |t: i64| t.div_euclid(REFRESH_EVERY);
            if previous.is_none_or(|p| slot(p) != slot(at)) {
                batch.put(Table::RuleAlert, key, &record(group, rule, alert), false);
            }
        }
        Transition::Pending(_) | Transition::Fired(_) | Transition::Resolved(_) | Transition::Held(_) => {
            batch.put(Table::RuleAlert, key, &record(group, rule, alert), true);
        }
    }
}

/// Writes an alert whose times a leap of the clock has changed.
pub fn save_leapt(batch: &mut Batch, group: &GroupKey, rule: &RuleKey, alert: &Alert) {
    batch.put(Table::RuleAlert, alert_key(group, rule, &alert.labels), &record(group, rule, alert), false);
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

/// Removes the record of an alert whose rule is gone.
pub fn forget(batch: &mut Batch, group: &GroupKey, rule: &RuleKey, labels: &Labels) {
    batch.delete(Table::RuleAlert, alert_key(group, rule, labels), true);
}

/// Alerts as they were when the process ended, by rule.
#[derive(Debug, Default)]
pub struct Restored {
    alerts: HashMap<(GroupKey, RuleKey), AlertTable>,
    evaluated: HashMap<GroupKey, i64>,
}

impl Restored {
    /// Reads the records.
    ///
    /// # Errors
    /// A record does not decode.
    pub fn load(snapshot: &Snapshot) -> Result<Self, StateError> {
        let mut restored = Restored::default();
        for (_, r) in snapshot.read::<AlertRecord>(Table::RuleAlert) {
            let alert = alert(&r);
            let table = restored.alerts.entry((r.group, r.rule)).or_default();
            table.insert(alert.labels.clone(), alert);
        }
        for (_, r) in snapshot.read::<GroupRecord>(Table::RuleGroup) {
            restored.evaluated.insert(r.group, r.evaluated_at);
        }
        Ok(restored)
    }

    /// Takes out the state a group starts with.
    pub fn take(&mut self, spec: &GroupSpec) -> GroupState {
        let mut state = GroupState::new(spec.rules.len());
        let evaluated = self.evaluated.get(&spec.key).copied();
        for (rule, key) in state.rules.iter_mut().zip(spec.rule_keys()) {
            let Some(alerts) = self.alerts.remove(&(spec.key.clone(), key)) else { continue };
            // The series were last written by the process before; if they end now, they are to be marked.
            let active = alerts.values().filter(|a| a.is_active());
            rule.written = Arc::new(active.flat_map(series::alert_series).collect());
            rule.restored_from = evaluated.or_else(|| alerts.values().map(|a| a.active_at).max());
            rule.alerts = Arc::new(alerts);
        }
        state
    }

    /// What no rule has taken: alerts of rules that are gone.
    pub fn leftovers(self) -> impl Iterator<Item = (GroupKey, RuleKey, AlertTable)> {
        let mut left: Vec<_> = self.alerts.into_iter().collect();
        left.sort_by(|(a, _), (b, _)| a.cmp(b));
        left.into_iter().map(|((group, rule), table)| (group, rule, table))
    }
}

fn record(group: &GroupKey, rule: &RuleKey, alert: &Alert) -> AlertRecord {
    AlertRecord {
        group: group.clone(),
        rule: rule.clone(),
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
        active_at: r.active_at,
        fired_at: r.fired_at,
        resolved_at: r.resolved_at,
        keep_firing_since: r.keep_firing_since,
        unobserved: r.unobserved,
    }
}

/// A number by which routing remembers which alert of which rule holds an alert firing.
pub fn holder(group: &GroupKey, rule: &RuleKey, labels: &Labels) -> u64 {
    twox_hash::XxHash64::oneshot(0, &alert_key(group, rule, labels))
}

fn group_key(group: &GroupKey) -> Vec<u8> {
    [group.file.as_bytes(), group.name.as_bytes()].join(&0xff)
}

fn alert_key(group: &GroupKey, rule: &RuleKey, labels: &Labels) -> Vec<u8> {
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
