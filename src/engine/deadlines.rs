//! The one heap of deadlines.

use std::collections::BTreeSet;

use crate::routing::GroupId;

/// What is due. At one time, evaluations come first, then retries, then flushes; attempts begin after all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Deadline {
    /// Data that rules wait for after a start is waited for no longer.
    Data,
    /// A rule group, by its slot.
    Evaluate(u64),
    /// A notification that failed, by its id.
    Retry(u64),
    /// An aggregation group.
    Flush(GroupId),
    /// Someone's turn may come to be attempted again.
    Turn,
    /// Expired silences and log entries.
    Housekeeping,
}

/// Deadlines in order. One that no longer means anything is left to be found out when it is due.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(i64, Deadline)>);

impl Deadlines {
    pub(super) fn add(&mut self, at: i64, deadline: Deadline) {
        self.0.insert((at, deadline));
    }

    pub(super) fn remove(&mut self, at: i64, deadline: Deadline) {
        self.0.remove(&(at, deadline));
    }

    pub(super) fn next(&self) -> Option<i64> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(super) fn take_due(&mut self, now: i64) -> Option<(i64, Deadline)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first()
    }
}
