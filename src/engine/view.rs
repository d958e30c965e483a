//! What the engine shows: after each turn a view is published, which shares with the engine what did not change.
//! Whoever looks never waits for the engine, and holds it up never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::Labels;
use crate::notify::IntegrationId;
use crate::notify::dedup::{Decision, LogEntry};
use crate::notify::log::LogKey;
use crate::routing::alerts::AlertRow;
use crate::routing::muters::{SilenceCounts, SilenceSet};
use crate::routing::name_limit::NameLimitView;
use crate::routing::pages::Pages;
use crate::routing::router::Marks;
use crate::routing::tree::{RouteIndex, RouteTree};
use crate::routing::{
    AlertStatus, GroupTimer, ReceiverSpec, Router, RoutingConfig, SharedRoute, Silence, alert_order, by_size,
    muting_intervals,
};

use super::core::{Counters, Engine};
use super::outbox::{OwedView, Tallies, TellingView};
use super::setup::Outgoing;
use super::slot::GroupView;

/// A group of alerts at a route.
#[derive(Clone, Debug)]
pub struct AlertGroupView {
    /// The labels the alerts share.
    pub labels: Labels,
    /// The route.
    pub route: SharedRoute,
    /// Its alerts, in Alertmanager's order.
    pub alerts: Vec<Arc<AlertRow>>,
}

/// The engine as it was after a turn. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    rule_groups: Pages<GroupView>,
    alerts: Pages<AlertRow>,
    timers: Pages<GroupTimer>,
    tellings: Pages<TellingView>,
    silences: SilenceSet,
    tree: Arc<RouteTree>,
    config: Arc<RoutingConfig>,
    resolve_timeout: i64,
    marks: Marks,
    counters: Counters,
    tallies: Tallies,
    groups: usize,
    notification_log: usize,
    name_limit: NameLimitView,
    waits_for_data_since: Option<i64>,
    outgoing: Outgoing,
}

impl View {
    /// Since when rules over local data wait for it, if they do. Another time is another wait.
    pub fn waits_for_data_since(&self) -> Option<i64> {
        self.waits_for_data_since
    }

    /// The rule groups, ordered by file and name.
    pub fn rule_groups(&self) -> Vec<Arc<GroupView>> {
        let mut groups: Vec<Arc<GroupView>> = self.rule_groups.iter().cloned().collect();
        groups.sort_by(|a, b| a.spec.key.cmp(&b.spec.key));
        groups
    }

    /// All alerts known to routing, in no order.
    pub fn alerts(&self) -> impl Iterator<Item = &Arc<AlertRow>> {
        self.alerts.iter()
    }

    /// The aggregation groups with their timers, in no order.
    pub fn timers(&self) -> impl Iterator<Item = &Arc<GroupTimer>> {
        self.timers.iter()
    }

    /// How it stands between groups and integrations, in no order: the last decision, what was told, what is owed.
    pub fn tellings(&self) -> impl Iterator<Item = &Arc<TellingView>> {
        self.tellings.iter()
    }

    /// The route tree in force.
    pub fn tree(&self) -> &Arc<RouteTree> {
        &self.tree
    }

    /// The name of the inhibition rule that mutes an alert, when it has one.
    pub fn inhibited_by_rule(&self, status: &AlertStatus) -> Option<&str> {
        let rule = self.config.inhibit_rules.get(usize::try_from(status.inhibited_rule?).ok()?)?;
        Some(rule.name.as_str()).filter(|name| !name.is_empty())
    }

    /// What happens to alerts' labels before they leave.
    pub fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// The silences that are kept, in the order in which they were made.
    pub fn silences(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.silences.iter()
    }

    /// The silence of an id.
    pub fn silence(&self, id: &str) -> Option<&Arc<Silence>> {
        self.silences.find(id)
    }

    /// How many silences are in each state.
    pub fn silence_counts(&self, now: i64) -> SilenceCounts {
        self.silences.counts(now)
    }

    /// After how long a posted alert without an end resolves, milliseconds.
    pub fn resolve_timeout(&self) -> i64 {
        self.resolve_timeout
    }

    /// How many alerts there are, as they were when their groups last flushed.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// Counts for metrics.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What became of notifications since the start.
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// How many aggregation groups there are.
    pub fn group_count(&self) -> usize {
        self.groups
    }

    /// How many entries the notification log has.
    pub fn notification_log_len(&self) -> usize {
        self.notification_log
    }

    /// How many alerts of one name may be posted, and how many were refused.
    pub fn name_limit(&self) -> &NameLimitView {
        &self.name_limit
    }

    /// The receivers that a route names.
    pub fn receivers_in_use(&self) -> impl Iterator<Item = &ReceiverSpec> {
        let named: BTreeSet<&Arc<str>> = self.tree.routes().map(|route| &route.receiver).collect();
        named.into_iter().filter_map(|name| self.config.receivers.get(name))
    }

    /// The routing configuration in force.
    pub fn routing(&self) -> &Arc<RoutingConfig> {
        &self.config
    }

    /// Why an alert is or is not told, time intervals aside.
    pub fn status(&self, row: &AlertRow, now: i64) -> AlertStatus {
        row.status(&self.silences, now)
    }

    /// The receivers an alert goes to, in order of the routes.
    pub fn receivers(&self, row: &AlertRow) -> Vec<&Arc<str>> {
        let mut receivers = Vec::new();
        for route in row.known.routes.iter().filter_map(|i| self.tree.route(*i)) {
            if !receivers.contains(&&route.receiver) {
                receivers.push(&route.receiver);
            }
        }
        receivers
    }

    /// The routes that an alert ends at.
    pub fn routes(&self, row: &AlertRow) -> Vec<&SharedRoute> {
        row.known.routes.iter().filter_map(|index| self.tree.route(*index)).collect()
    }

    /// The time intervals that keep a route mute at `now`.
    pub fn muting_intervals(&self, route: &SharedRoute, now: i64) -> Vec<String> {
        muting_intervals(&self.config, route, now)
    }

    /// The aggregation groups that the alerts for which `wanted` holds form, ordered by labels and receiver.
    pub fn alert_groups(
        &self,
        wanted: impl Fn(&AlertRow) -> bool,
        at: impl Fn(&SharedRoute) -> bool,
    ) -> Vec<AlertGroupView> {
        let routes: BTreeMap<RouteIndex, &SharedRoute> =
            self.tree.routes().enumerate().filter(|(_, r)| at(r)).collect();
        let mut groups: FxHashMap<(RouteIndex, Labels), Vec<Arc<AlertRow>>> = FxHashMap::default();
        for row in self.alerts.iter().filter(|row| wanted(row)) {
            for index in &row.known.routes {
                if let Some(route) = routes.get(index) {
                    let labels = route.group_labels(&row.alert.labels);
                    groups.entry((*index, labels)).or_default().push(row.clone());
                }
            }
        }
        let view = |((index, labels), mut alerts): ((RouteIndex, Labels), Vec<Arc<AlertRow>>)| {
            alerts.sort_by(|a, b| alert_order(&a.alert.labels, &b.alert.labels));
            let route = (*routes.get(&index)?).clone();
            Some((index, AlertGroupView { labels, route, alerts }))
        };
        let mut groups: Vec<(RouteIndex, AlertGroupView)> = groups.into_iter().filter_map(view).collect();
        groups.sort_by(|(i, a), (j, b)| {
            let by_receiver = || a.route.receiver.cmp(&b.route.receiver);
            by_size(&a.labels, &b.labels).then_with(by_receiver).then(i.cmp(j))
        });
        groups.into_iter().map(|(_, group)| group).collect()
    }
}

impl Engine {
    /// What there is to see now. Costs as much as changed since it was last asked for.
    pub fn view(&mut self) -> View {
        for (place, slot) in self.slots.values().enumerate() {
            if !self.shown.get(place).is_some_and(|shown| shown.shows(slot)) {
                self.shown.set(place, Some(Arc::new(GroupView::of(slot))));
            }
        }
        for place in self.slots.len()..self.shown.len() {
            self.shown.set(place, None);
        }
        View {
            rule_groups: self.shown.clone(),
            alerts: self.router.rows().clone(),
            timers: self.router.timers_shown().clone(),
            tellings: self.outbox.shown().clone(),
            silences: self.router.silences.set_in_force().clone(),
            tree: self.router.tree().clone(),
            config: self.router.config().clone(),
            resolve_timeout: self.router.resolve_timeout(),
            marks: self.router.marks(),
            counters: self.counters(),
            tallies: self.outbox.tallies().clone(),
            groups: self.router.group_count(),
            notification_log: self.outbox.log.len(),
            name_limit: self.router.name_limit().shown(),
            waits_for_data_since: self.wait.map(|wait| wait.since),
            outgoing: self.setup.outgoing.clone(),
        }
    }

    /// The rule groups, ordered by file and name.
    pub fn rule_groups(&self) -> Vec<GroupView> {
        let mut groups: Vec<GroupView> = self.slots.values().map(GroupView::of).collect();
        groups.sort_by(|a, b| a.spec.key.cmp(&b.spec.key));
        groups
    }

    /// What became of notifications since the start.
    pub fn tallies(&self) -> &Tallies {
        self.outbox.tallies()
    }

    /// Routing, to look at.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// What is decided and not yet delivered, oldest first.
    pub fn owed(&self) -> Vec<OwedView> {
        self.outbox.owed().collect()
    }

    /// The integration that is owed a notification for longest, and since when, milliseconds.
    pub fn owed_longest(&self) -> Option<(IntegrationId, i64)> {
        self.outbox.owed_longest()
    }

    /// The last decision about each group and integration, in no order: why it was told, or why not.
    pub fn decisions(&self) -> impl Iterator<Item = (&LogKey, &Decision)> {
        self.outbox.decisions()
    }

    /// The notification log: what each integration knows about each group.
    pub fn notification_log(&self) -> impl Iterator<Item = (&LogKey, &LogEntry)> {
        self.outbox.log.iter().map(|(key, entry, _)| (key, entry))
    }

    /// Counts for metrics.
    pub fn counters(&self) -> Counters {
        Counters { owed: self.outbox.count_owed() as u64, ..self.counters }
    }
}
