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
    /// The receiver.
    pub receiver: Arc<str>,
    /// The alerts it may believe to fire.
    pub alerts: Vec<Labels>,
}

impl Router {
    /// Has groups keep what `told` says receivers were told of and is no longer routed there. It is called once after a start
    /// and after each change of the configuration; what is left of groups that were not made again is deleted then.
    pub fn keep_for_ends(&mut self, told: impl IntoIterator<Item = ToldOf>, now: i64, batch: &mut Batch) {
        for ToldOf { group_key, receiver, alerts } in told {
            let groups = self.groups_of(&group_key, &receiver);
            let stays = |labels: &Labels| {
                let has = |id: &GroupId| self.groups.get(id).is_some_and(|group| group.members.contains(labels));
                groups.iter().any(has)
            };
            let moved: Vec<Labels> = alerts.into_iter().filter(|l| self.alerts.contains(l) && !stays(l)).collect();
            if moved.is_empty() || !self.config.receivers.contains_key(&receiver) {
                continue;
            }
            let group = groups.first().copied().or_else(|| self.group_for_ends(&group_key, &receiver, now, batch));
            let Some(id) = group else { continue };
            for labels in moved {
                let Some(group) = self.groups.get_mut(&id) else { continue };
                if group.moved.insert(labels.clone()) {
                    self.moved.entry(labels).or_default().push(id);
                }
            }
        }
        std::mem::take(&mut self.timers).discard(batch);
        self.resumed.clear();
    }

    /// The group of a key and a receiver that no alert is routed to: at its route, if that is there, else at none, with the
    /// root's timers.
    fn group_for_ends(&mut self, key: &str, receiver: &Arc<str>, now: i64, batch: &mut Batch) -> Option<GroupId> {
        let labels = self.timers.labels(key, receiver)?.clone();
        let is_it = |route: &SharedRoute| route.receiver == *receiver && route.group_key(&labels) == key;
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
