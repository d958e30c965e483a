//! What is asked of the router: alerts, groups, why an alert is not told.

use std::sync::Arc;

use crate::model::Labels;
use crate::routing::alert::{AlertStatus, RoutedAlert};
use crate::routing::alerts::AlertRow;
use crate::routing::group::{AggregationGroup, GroupId};
use crate::routing::pages::Pages;
use crate::routing::tree::SharedRoute;

use super::{Marks, Router};

impl Router {
    /// How many alerts there are, by what was found when their groups last flushed.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// All alerts known, in no order.
    pub fn alerts(&self) -> impl Iterator<Item = &RoutedAlert> {
        self.alerts.iter().map(|row| &row.alert)
    }

    /// All alerts as readers see them.
    pub fn rows(&self) -> &Pages<AlertRow> {
        self.alerts.rows()
    }

    /// One alert.
    pub fn alert(&self, labels: &Labels) -> Option<&RoutedAlert> {
        self.alerts.get(labels)
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// All groups, in no order.
    pub fn groups(&self) -> impl Iterator<Item = &AggregationGroup> {
        self.groups.values()
    }

    /// The groups of a key and a receiver: one, unless sibling routes have the same matchers and receiver.
    fn groups_of(&self, key: &Arc<str>, receiver: &Arc<str>) -> Vec<GroupId> {
        self.by_key.get(&(key.clone(), receiver.clone())).cloned().unwrap_or_default()
    }

    /// The groups of a key whose route has this receiver as its fallback.
    fn groups_with_fallback(&self, key: &Arc<str>, fallback: &Arc<str>) -> Vec<GroupId> {
        let stands_in = |route: &SharedRoute| route.fallback.as_ref() == Some(fallback);
        let mut receivers: Vec<&Arc<str>> = self.tree.routes().filter(|r| stands_in(r)).map(|r| &r.receiver).collect();
        receivers.sort_unstable();
        receivers.dedup();
        let groups = receivers.into_iter().flat_map(|receiver| self.groups_of(key, receiver));
        groups.filter(|id| self.groups.get(id).is_some_and(|group| stands_in(&group.route))).collect()
    }

    /// The groups of a key that tell a receiver, be it that it stands in.
    pub fn groups_told(&self, key: &Arc<str>, receiver: &Arc<str>) -> Vec<GroupId> {
        let mut groups = self.groups_of(key, receiver);
        groups.extend(self.groups_with_fallback(key, receiver));
        groups
    }

    /// The keys of all groups, with their receivers.
    pub fn group_keys(&self) -> impl Iterator<Item = &(Arc<str>, Arc<str>)> {
        self.by_key.keys()
    }

    /// One group.
    pub fn group(&self, id: GroupId) -> Option<&AggregationGroup> {
        self.groups.get(&id)
    }

    /// Why an alert that is known is or is not told, time intervals aside.
    pub fn status(&self, labels: &Labels, now: i64) -> Option<AlertStatus> {
        Some(self.alerts.row(labels)?.status(self.silences.set_in_force(), now))
    }
}
