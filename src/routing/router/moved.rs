//! Alerts that a configuration sends elsewhere while receivers believe them firing: who was told of an alert is told of its
//! end, wherever the alert is routed by then. Alertmanager leaves such a receiver in its belief for ever.

use std::sync::Arc;

use crate::model::Labels;
use crate::routing::group::GroupId;
use crate::routing::tree::{RouteIndex, SharedRoute};
use crate::state::Batch;

use super::Router;

/// Of a group whose route is gone.
const NOWHERE: RouteIndex = RouteIndex::MAX;

/// What a receiver was told of a group, and not yet the end of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldOf {
    /// The group's key.
    pub group_key: Arc<str>,
    /// The labels its alerts share, where they are known.
    pub group_labels: Option<Labels>,
    /// The receiver.
    pub receiver: Arc<str>,
    /// The alerts it may believe to fire.
    pub alerts: Vec<Labels>,
}

impl Router {
    /// Has a group keep what its receiver was told of and is not routed there: found after a start, after a change of the
    /// configuration, and when an attempt ends that began before it.
    pub fn keep_for_ends(&mut self, told: &ToldOf, now: i64, batch: &mut Batch) {
        let ToldOf { group_key, receiver, alerts, .. } = told;
        let groups = self.groups_told(group_key, receiver);
        let stays = |labels: &Labels| {
            let has = |id: &GroupId| self.groups.get(id).is_some_and(|group| group.members.contains(labels));
            groups.iter().any(has)
        };
        let moved: Vec<&Labels> = alerts.iter().filter(|l| self.alerts.contains(l) && !stays(l)).collect();
        if moved.is_empty() || !self.config.receivers.contains_key(receiver) {
            return;
        }
        let group = groups.first().copied().or_else(|| self.group_for_ends(told, now, batch));
        let Some(group) = group.and_then(|id| self.groups.get_mut(&id)) else { return };
        for labels in moved {
            if group.moved.insert(labels.clone()) {
                self.moved.entry(labels.clone()).or_default().push(group.id);
            }
        }
    }

    /// The groups that were there before a start or a change of the configuration have all been made again that are.
    pub fn forget_timers(&mut self, batch: &mut Batch) {
        std::mem::take(&mut self.timers).discard(batch);
        self.resumed.clear();
    }

    /// The group of a key and a receiver that no alert is routed to: at its route, if that is there, else at none, with the
    /// root's timers.
    fn group_for_ends(&mut self, told: &ToldOf, now: i64, batch: &mut Batch) -> Option<GroupId> {
        let ToldOf { group_key: key, group_labels, receiver, .. } = told;
        let labels = group_labels.as_ref().or_else(|| self.timers.labels(key, receiver))?.clone();
        let is_it = |route: &SharedRoute| route.receiver == *receiver && *route.group_key(&labels) == **key;
        let tree = self.tree.clone();
        if let Some((index, route)) = tree.routes().enumerate().find(|(_, route)| is_it(route)) {
            return Some(self.group_at(index, route, labels, now, batch));
        }
        let route = tree.route(0)?.in_place_of(key, &labels, receiver.clone())?;
        Some(self.add_group(NOWHERE, &route.into(), labels, now, batch))
    }

    /// A group has told the end of an alert.
    pub(super) fn forget_moved(&mut self, labels: &Labels, id: GroupId) {
        if let Some(groups) = self.moved.get_mut(labels) {
            groups.retain(|other| *other != id);
            if groups.is_empty() {
                self.moved.remove(labels);
            }
        }
    }
}
