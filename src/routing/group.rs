//! Aggregation groups: alerts that one route tells together.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::model::Labels;
use crate::state::{Batch, Snapshot, Table};

use super::alert::{AlertStatus, RoutedAlert};
use super::tree::{RouteIndex, SharedRoute};

/// Which group, for the life of the process.
pub type GroupId = u64;

/// A group of alerts at one route.
#[derive(Clone, Debug)]
pub struct AggregationGroup {
    /// Which.
    pub id: GroupId,
    /// The route's place in the tree.
    pub index: RouteIndex,
    /// The route.
    pub route: SharedRoute,
    /// The labels the alerts share by the route's `group_by`.
    pub labels: Labels,
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// Its alerts.
    pub members: FxHashSet<Labels>,
    /// Alerts that other routes have taken over since the receiver was told of them: it is told of their end alone.
    pub moved: FxHashSet<Labels>,
    /// Whether it has been flushed since it was made.
    pub has_flushed: bool,
    /// When it will be flushed next, milliseconds.
    pub next_flush: i64,
    /// When it should have been flushed, while it waits for the sources of all its alerts to speak.
    pub postponed: Option<i64>,
    /// The time intervals that kept its route mute when it was last looked at, where news of it are told.
    pub muted_by: Vec<String>,
    /// The resolved alerts of the last flush, with their `updated_at` then: they leave when every receiver knows.
    pub leaving: Vec<(Labels, i64)>,
}

/// An alert in a flush.
#[derive(Clone, Debug, PartialEq)]
pub struct FlushedAlert {
    /// The alert.
    pub alert: RoutedAlert,
    /// Whether it has resolved by the time of the flush.
    pub resolved: bool,
    /// The silences and inhibitions that keep it from being told.
    pub status: AlertStatus,
}

/// What a group has to say at its flush.
#[derive(Clone, Debug)]
pub struct Flush {
    /// Which group.
    pub group: GroupId,
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// The labels the alerts share.
    pub labels: Labels,
    /// The route.
    pub route: SharedRoute,
    /// The group's alerts in Alertmanager's order.
    pub alerts: Vec<FlushedAlert>,
    /// The time intervals that keep the route mute.
    pub muting_intervals: Vec<String>,
}

/// A group's timer as it outlives the process, and the labels its alerts share: its route may be gone by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TimerRecord {
    has_flushed: bool,
    next_flush: i64,
    #[serde(default = "Labels::empty")]
    labels: Labels,
}

/// The timers of groups that are to be made again, after a restart or a reload.
#[derive(Debug, Default)]
pub(super) struct Timers {
    records: FxHashMap<Vec<u8>, TimerRecord>,
    /// Groups are made again with timers that begin anew.
    begin_anew: bool,
}

impl Timers {
    pub(super) fn load(snapshot: &Snapshot) -> Self {
        Timers { records: snapshot.read(Table::AggregationGroup).into_iter().collect(), begin_anew: false }
    }

    /// These groups are to be made again, with timers that begin anew.
    pub(super) fn restart(groups: impl Iterator<Item = AggregationGroup>) -> Self {
        let records = groups.map(|group| (group.record_key(), group.timer())).collect();
        Timers { records, begin_anew: true }
    }

    /// Gives a group that is made again the timer it had, if it is to have it. A flush never moves further away by it.
    pub(super) fn resume(&mut self, group: &mut AggregationGroup, now: i64) -> bool {
        let known = self.records.remove(&group.record_key());
        let Some(timer) = known.filter(|_| !self.begin_anew) else { return false };
        group.has_flushed = timer.has_flushed;
        let longest = if timer.has_flushed { group.route.group_interval } else { group.route.group_wait };
        group.next_flush = timer.next_flush.min(now.saturating_add(longest));
        true
    }

    /// The labels of a group that was not made again.
    pub(super) fn labels(&self, key: &str, receiver: &str) -> Option<&Labels> {
        let of_receiver = self.records.get(&record_key(key, receiver));
        // Who stood in for the receiver was told in the same group.
        let of_any =
            || self.records.iter().find(|(record, _)| record.starts_with(&record_key(key, ""))).map(|(_, t)| t);
        of_receiver.or_else(of_any).map(|timer| &timer.labels)
    }

    /// Deletes the records of groups that were not made again.
    pub(super) fn discard(self, batch: &mut Batch) {
        for (key, _) in self.records {
            batch.delete(Table::AggregationGroup, key, false);
        }
    }
}

impl AggregationGroup {
    /// A new group whose first flush is a `group_wait` away.
    pub(super) fn new(id: GroupId, index: RouteIndex, route: SharedRoute, labels: Labels, now: i64) -> Self {
        AggregationGroup {
            id,
            index,
            key: route.group_key(&labels).into(),
            labels,
            members: FxHashSet::default(),
            moved: FxHashSet::default(),
            has_flushed: false,
            next_flush: now.saturating_add(route.group_wait),
            leaving: Vec::new(),
            muted_by: Vec::new(),
            postponed: None,
            route,
        }
    }

    fn timer(&self) -> TimerRecord {
        let next_flush = self.postponed.unwrap_or(self.next_flush);
        TimerRecord { has_flushed: self.has_flushed, next_flush, labels: self.labels.clone() }
    }

    fn record_key(&self) -> Vec<u8> {
        record_key(&self.key, &self.route.receiver)
    }

    pub(super) fn save(&self, batch: &mut Batch, durable: bool) {
        batch.put(Table::AggregationGroup, self.record_key(), &self.timer(), durable);
    }

    pub(super) fn delete(&self, batch: &mut Batch) {
        batch.delete(Table::AggregationGroup, self.record_key(), false);
    }
}

/// Sibling routes may share a key; their receivers tell them apart as far as anything can.
fn record_key(key: &str, receiver: &str) -> Vec<u8> {
    [key.as_bytes(), receiver.as_bytes()].join(&0xff)
}

/// Alertmanager's order of alerts: by `job`, then `instance`, alerts without them last; then fewer labels first; then by
/// the labels.
pub fn order(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for name in ["job", "instance"] {
        let ordering = match (a.get(name), b.get(name)) {
            (None, None) => Equal,
            (None, Some(_)) => Greater,
            (Some(_), None) => Less,
            (Some(x), Some(y)) => x.cmp(y),
        };
        if ordering != Equal {
            return ordering;
        }
    }
    by_size(a, b)
}

/// Alertmanager's order of label sets, which is that of its groups too: fewer labels first, then by the labels.
pub fn by_size(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| by_labels(a, b))
}

/// Sets of one size: at the first name on which they differ, the set without the name comes first, else the lesser
/// value.
fn by_labels(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for ((a_name, a_value), (b_name, b_value)) in a.iter().zip(b.iter()) {
        match a_name.cmp(b_name) {
            // The name that comes first is missing from the other set, which therefore precedes.
            Less => return Greater,
            Greater => return Less,
            Equal if a_value != b_value => return a_value.cmp(b_value),
            Equal => {}
        }
    }
    Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_in_alertmanagers_order() {
        let labels = |text: &str| Labels::from_pairs(text.split(' ').filter_map(|p| p.split_once('=')));
        let sorted = [
            "job=a instance=x z=1",
            "job=a instance=y",
            "job=a zone=1",
            "job=b",
            "instance=x",
            "b=1",
            "b=2",
            "a=1",
            "a=1 b=1",
        ];
        let mut shuffled: Vec<Labels> = sorted.iter().rev().map(|t| labels(t)).collect();
        shuffled.sort_by(order);
        assert_eq!(shuffled, sorted.map(labels));
    }
}
