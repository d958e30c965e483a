//! The groups' timers as readers see them.

use std::sync::Arc;

use crate::model::Labels;
use crate::routing::group::{AggregationGroup, GroupId};
use crate::routing::pages::Pages;
use crate::routing::tree::{RouteIndex, SharedRoute};

use super::Router;

/// An aggregation group and when it flushes. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupTimer {
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// The route's place in the tree.
    pub index: RouteIndex,
    /// The route.
    pub route: SharedRoute,
    /// The labels the group's alerts share.
    pub labels: Labels,
    /// Whether it has been flushed since it was made.
    pub has_flushed: bool,
    /// When it will be flushed next.
    pub next_flush: i64,
    /// When it should have been flushed, while it waits for the sources of all its alerts to speak.
    pub postponed: Option<i64>,
}

impl GroupTimer {
    fn of(group: &AggregationGroup) -> Self {
        GroupTimer {
            key: group.key.clone(),
            index: group.index,
            route: group.route.clone(),
            labels: group.labels.clone(),
            has_flushed: group.has_flushed,
            next_flush: group.next_flush,
            postponed: group.postponed,
        }
    }
}

impl Router {
    /// The groups with their timers, to be shown. Costs as much as changed since it was last asked for.
    pub fn timers_shown(&mut self) -> &Pages<GroupTimer> {
        // What is armed and not yet taken has changed as well.
        self.armed.iter().for_each(|(_, id)| self.shown.touch(id));
        let groups = &self.groups;
        let row = |id: &GroupId| groups.get(id).map(GroupTimer::of);
        self.shown.look(|| groups.keys().copied().collect(), row)
    }
}
