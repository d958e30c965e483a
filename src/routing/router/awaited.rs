//! The first word of sources after a start: groups wait for those of whose alerts nobody has spoken yet.

use crate::model::Labels;
use crate::routing::group::{AggregationGroup, GroupId};

use super::Router;

impl Router {
    /// The source of an alert has not spoken since the start: what depends on it alone waits, but not after `until`.
    pub fn await_word(&mut self, alert: &Labels, until: i64) {
        if self.alerts.contains(alert) {
            self.awaited.insert(alert.clone(), until);
        }
    }

    /// If its source has not spoken yet, it is waited for until `until`.
    pub fn await_word_again(&mut self, alert: &Labels, until: i64) {
        self.awaited.entry(alert.clone()).and_modify(|at| *at = until);
    }

    /// The source of an alert has spoken: groups that waited for it flush.
    pub fn heard(&mut self, alert: &Labels, now: i64) {
        if self.awaited.remove(alert).is_none() {
            return;
        }
        for id in self.groups_with(alert) {
            self.resume(id, now);
        }
    }

    /// A group need not wait for the sources of its alerts any longer.
    pub(super) fn resume(&mut self, id: GroupId, now: i64) {
        if let Some(group) = self.groups.get_mut(&id)
            && group.postponed.take().is_some()
        {
            group.next_flush = now;
            self.armed.push((now, id));
        }
    }

    /// Until when a group waits because none of the sources of its alerts has spoken.
    pub(super) fn awaits(&self, group: &AggregationGroup, now: i64) -> Option<i64> {
        if self.awaited.is_empty() {
            return None;
        }
        let until = |labels: &Labels| self.awaited.get(labels).copied().filter(|until| *until > now);
        group.members.iter().map(until).reduce(|a, b| Some(a?.min(b?))).flatten()
    }
}
