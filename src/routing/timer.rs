//! The groups' timers as readers see them.

use std::sync::Arc;

use super::group::AggregationGroup;
use super::tree::{RouteIndex, SharedRoute};

/// An aggregation group and when it flushes. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupTimer {
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// The route's place in the tree.
    pub index: RouteIndex,
    /// The route.
    pub route: SharedRoute,
    /// Whether it has been flushed since it was made.
    pub has_flushed: bool,
    /// When it will be flushed next.
    pub next_flush: i64,
    /// When it should have been flushed, while it waits for the sources of all its alerts to speak.
    pub postponed: Option<i64>,
}

impl GroupTimer {
    pub(super) fn of(group: &AggregationGroup) -> Self {
        GroupTimer {
            key: group.key.clone(),
            index: group.index,
            route: group.route.clone(),
            has_flushed: group.has_flushed,
            next_flush: group.next_flush,
            postponed: group.postponed,
        }
    }
}
