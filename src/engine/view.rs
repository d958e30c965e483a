//! What the engine shows: cheap copies, so that whoever looks does not hold the engine up.

use std::sync::Arc;

use crate::alerting::{GroupSpec, GroupState};
use crate::model::Labels;
use crate::notify::decision::{Decision, LogEntry};
use crate::notify::log::LogKey;
use crate::routing::{AlertStatus, GroupId, RoutedAlert, Router, Silence};

use super::OwedView;
use super::core::{Counters, Engine};

/// A rule group and its state.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The group as configured.
    pub spec: Arc<GroupSpec>,
    /// Its state after the last evaluation; rules in the order of `spec.rules`.
    pub state: Arc<GroupState>,
    /// Evaluations that were to be made.
    pub iterations: u64,
    /// Evaluations that were missed.
    pub missed: u64,
    /// Rules evaluated.
    pub evaluations: u64,
    /// Rules that failed.
    pub failures: u64,
    /// The next evaluation, milliseconds.
    pub next_at: i64,
}

/// An alert known to routing.
#[derive(Clone, Debug)]
pub struct RoutedAlertView {
    /// The alert.
    pub alert: RoutedAlert,
    /// Whether it has resolved.
    pub resolved: bool,
    /// Why it is or is not told.
    pub status: AlertStatus,
    /// The receivers it goes to, in order of the routes.
    pub receivers: Vec<Arc<str>>,
}

/// A group of alerts at a route.
#[derive(Clone, Debug)]
pub struct AlertGroupView {
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// The labels the alerts share.
    pub labels: Labels,
    /// Whom it tells.
    pub receiver: Arc<str>,
    /// When it is flushed next, milliseconds.
    pub next_flush: i64,
    /// Its alerts, ascending by labels; of each the status tells of the route's time intervals too.
    pub alerts: Vec<RoutedAlertView>,
}

impl Engine {
    /// The rule groups, ordered by file and name.
    pub fn rule_groups(&self) -> Vec<GroupView> {
        let view = |slot: &super::core::Slot| GroupView {
            spec: slot.spec.clone(),
            state: slot.state.clone(),
            iterations: slot.iterations,
            missed: slot.missed,
            evaluations: slot.evaluations,
            failures: slot.failures,
            next_at: slot.next_at,
        };
        let mut groups: Vec<GroupView> = self.slots.values().map(view).collect();
        groups.sort_by(|a, b| a.spec.key.cmp(&b.spec.key));
        groups
    }

    /// Routing, to look at.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// All alerts known to routing, ascending by labels.
    pub fn routed_alerts(&self, now: i64) -> Vec<RoutedAlertView> {
        let mut alerts: Vec<RoutedAlertView> = self.router.alerts().map(|a| self.alert_view(a, now)).collect();
        alerts.sort_by(|a, b| a.alert.labels.cmp(&b.alert.labels));
        alerts
    }

    fn alert_view(&self, alert: &RoutedAlert, now: i64) -> RoutedAlertView {
        let tree = self.router.tree();
        let mut receivers: Vec<Arc<str>> = Vec::new();
        for route in tree.matching(&alert.labels).into_iter().filter_map(|i| tree.route(i)) {
            if !receivers.contains(&route.receiver) {
                receivers.push(route.receiver.clone());
            }
        }
        RoutedAlertView {
            alert: alert.clone(),
            resolved: alert.is_resolved(now),
            status: self.router.status(&alert.labels, now),
            receivers,
        }
    }

    /// The aggregation groups, ordered by labels and receiver.
    pub fn alert_groups(&self, now: i64) -> Vec<AlertGroupView> {
        let mut ids: Vec<GroupId> = self.router.groups().map(|g| g.id).collect();
        ids.sort_unstable();
        let mut groups: Vec<AlertGroupView> = ids.into_iter().filter_map(|id| self.alert_group(id, now)).collect();
        groups.sort_by(|a, b| a.labels.cmp(&b.labels).then_with(|| a.receiver.cmp(&b.receiver)));
        groups
    }

    fn alert_group(&self, id: GroupId, now: i64) -> Option<AlertGroupView> {
        let group = self.router.group(id)?;
        let muted_by = self.router.muting_intervals(&group.route, now);
        let mut members: Vec<&Labels> = group.members.iter().collect();
        members.sort();
        let view = |labels: &Labels| {
            let mut view = self.alert_view(self.router.alert(labels)?, now);
            view.status.muted_by.clone_from(&muted_by);
            Some(view)
        };
        Some(AlertGroupView {
            key: group.key.clone(),
            labels: group.labels.clone(),
            receiver: group.route.receiver.clone(),
            next_flush: group.next_flush,
            alerts: members.into_iter().filter_map(view).collect(),
        })
    }

    /// The silences that are kept, ascending by id.
    pub fn silences(&self) -> Vec<Silence> {
        self.router.silences.iter().cloned().collect()
    }

    /// What is decided and not yet delivered, oldest first.
    pub fn owed(&self) -> Vec<OwedView> {
        self.outbox.owed().collect()
    }

    /// The last decision about each group and integration, in no order: why it was told, or why not.
    pub fn decisions(&self) -> impl Iterator<Item = (&LogKey, &Decision)> {
        self.outbox.decisions()
    }

    /// The notification log: what each integration knows about each group.
    pub fn told(&self) -> impl Iterator<Item = (&LogKey, &LogEntry)> {
        self.outbox.log.iter().map(|(key, entry, _)| (key, entry))
    }

    /// Counts for metrics.
    pub fn counters(&self) -> Counters {
        Counters { owed: self.outbox.count_owed() as u64, ..self.counters }
    }
}
