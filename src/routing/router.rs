//! The dispatcher: alerts in, flushes out.

mod awaited;
mod leap;
mod moved;
mod readers;
mod shown;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::Labels;
use crate::state::{Batch, Snapshot};

use super::alert::RoutedAlert;
use super::alerts::{AlertRow, Alerts, Known};
use super::config::RoutingConfig;
use super::group::{AggregationGroup, Flush, FlushedAlert, GroupId, Timers, order};
use super::inhibit::Inhibitor;
pub use super::marks::Marks;
use super::muters::SilenceMemo;
use super::muting::muting_intervals;
use super::name_limit::NameLimit;
use super::news::{self, RoutingNews};
use super::silence::SilenceError;
use super::silences::{Acknowledgement, Silences};
use super::timer::GroupTimer;
use super::tree::{RouteIndex, RouteTree, SharedRoute};
use super::watched::Watched;
pub use moved::ToldOf;

const DEFAULT_RESOLVE_TIMEOUT: i64 = 5 * 60_000;

/// Holds the alerts, the groups they form, and all that mutes them.
#[derive(Debug)]
pub struct Router {
    config: Arc<RoutingConfig>,
    tree: Arc<RouteTree>,
    alerts: Alerts,
    groups: FxHashMap<GroupId, AggregationGroup>,
    by_labels: FxHashMap<(RouteIndex, Labels), GroupId>,
    by_key: FxHashMap<(Arc<str>, Arc<str>), Vec<GroupId>>,
    inhibitor: Inhibitor,
    timers: Timers,
    next_group: GroupId,
    marks: Marks,
    armed: Vec<(i64, GroupId)>,
    // The groups that are being made again, with the timers they had.
    resumed: FxHashSet<GroupId>,
    // The groups that keep an alert only to tell its end.
    moved: FxHashMap<Labels, Vec<GroupId>>,
    // Whether all alerts join groups anew.
    is_rejoining: bool,
    // Before this nothing is flushed.
    held_until: i64,
    // Alerts whose sources have not spoken since the start, and until when that is waited for.
    awaited: FxHashMap<Labels, i64>,
    limit: NameLimit,
    // What is decided here, where anybody asks for it.
    news: Option<Vec<RoutingNews>>,
    // What changes a group's timer arms it.
    shown: Watched<GroupId, GroupTimer>,
    /// The silences.
    pub silences: Silences,
}

/// Whether and how a change of an alert is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Save {
    No,
    Eventually,
    Durably,
}

impl Router {
    /// A router that knows no alerts.
    pub fn new(config: Arc<RoutingConfig>) -> Self {
        Router {
            tree: Arc::new(RouteTree::new(&config.route)),
            inhibitor: Inhibitor::new(&config.inhibit_rules),
            config,
            alerts: Alerts::default(),
            groups: FxHashMap::default(),
            by_labels: FxHashMap::default(),
            by_key: FxHashMap::default(),
            timers: Timers::default(),
            next_group: 0,
            marks: Marks::default(),
            armed: Vec::new(),
            resumed: FxHashSet::default(),
            moved: FxHashMap::default(),
            is_rejoining: false,
            held_until: i64::MIN,
            limit: NameLimit::default(),
            news: None,
            awaited: FxHashMap::default(),
            shown: Watched::default(),
            silences: Silences::default(),
        }
    }

    /// A router that goes on where a stored one ended. Groups are made again from the alerts; a resolved alert is kept
    /// until its group has told of it, so all of them join. A posted alert ends no sooner than its poster had time to
    /// speak again. [`Router::keep_for_ends`] and [`Router::forget_timers`] complete it.
    pub fn restore(config: Arc<RoutingConfig>, state: &Snapshot, now: i64, batch: &mut Batch) -> Self {
        let mut router = Router::new(config);
        router.silences = Silences::load(state);
        router.timers = Timers::load(state);
        let mut alerts = RoutedAlert::load(state);
        let resolve_timeout = router.resolve_timeout();
        for alert in &mut alerts {
            if alert.wait_for_poster(now, resolve_timeout) {
                router.awaited.extend(alert.ends_at.map(|until| (alert.labels.clone(), until)));
            }
        }
        router.rejoin(alerts, now, batch);
        router
    }

    /// At most so many posted alerts of one name are taken in; 0 for any number. Those that are known stay.
    pub fn limit_names(&mut self, most: usize) {
        self.limit = NameLimit::new(most);
        for row in self.alerts.iter().filter(|row| row.alert.holders.is_empty()) {
            self.limit.count(&row.alert.labels, row.alert.ends_at);
        }
    }

    /// How many alerts of one name may be posted, and how many were refused.
    pub fn name_limit(&self) -> &NameLimit {
        &self.limit
    }

    /// Nothing is flushed before this time: sources may speak first.
    pub fn hold_until(&mut self, until: i64) {
        self.held_until = until;
    }

    /// Puts another configuration in force. As at Alertmanager's reload all groups are made anew and their timers start now:
    /// a group with an alert that has fired for longer than new groups wait is flushed at once. The same configuration
    /// again changes nothing unless it is to `restart`. [`Router::keep_for_ends`] and [`Router::forget_timers`] complete it.
    pub fn reconfigure(&mut self, config: Arc<RoutingConfig>, restart: bool, now: i64, batch: &mut Batch) {
        if !restart && *self.config == *config {
            return;
        }
        self.tree = Arc::new(RouteTree::new(&config.route));
        self.marks = Marks::default();
        self.inhibitor = Inhibitor::new(&config.inhibit_rules);
        self.config = config;
        self.by_labels.clear();
        self.by_key.clear();
        self.moved.clear();
        self.shown.touch_all();
        self.timers = Timers::restart(self.groups.drain().map(|(_, group)| group));
        let alerts = self.alerts.drain();
        self.rejoin(alerts, now, batch);
    }

    fn rejoin(&mut self, mut alerts: Vec<RoutedAlert>, now: i64, batch: &mut Batch) {
        alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.is_rejoining = true;
        for alert in alerts {
            self.take_in(alert, now, batch);
        }
        self.is_rejoining = false;
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<RoutingConfig> {
        &self.config
    }

    /// The route tree in force.
    pub fn tree(&self) -> &Arc<RouteTree> {
        &self.tree
    }

    /// After how long a received alert without an end resolves, milliseconds.
    pub fn resolve_timeout(&self) -> i64 {
        if self.config.resolve_timeout > 0 { self.config.resolve_timeout } else { DEFAULT_RESOLVE_TIMEOUT }
    }

    /// A rule of ours fires an alert, or goes on firing it with other annotations.
    pub fn hold(&mut self, holder: u64, mut alert: RoutedAlert, now: i64, batch: &mut Batch) {
        self.heard(&alert.labels, now);
        let known = self.alerts.get(&alert.labels).filter(|k| !k.is_resolved(now));
        alert.ends_at = None;
        if let Some(known) = known {
            alert.starts_at = alert.starts_at.min(known.starts_at);
            alert.holders.clone_from(&known.holders);
        }
        let durable = !alert.holders.contains(&holder);
        if durable {
            alert.holders.push(holder);
        }
        // Annotations that change with every evaluation are stored once a minute.
        let minute = |t: i64| t.div_euclid(60_000);
        let save = match known {
            Some(known) if !durable && minute(known.updated_at) == minute(now) => Save::No,
            _ if durable => Save::Durably,
            _ => Save::Eventually,
        };
        self.put(alert, save, now, batch);
    }

    /// A rule of ours no longer fires an alert. It resolves when no other rule holds it.
    pub fn release(&mut self, holder: u64, mut alert: RoutedAlert, now: i64, batch: &mut Batch) {
        if let Some(known) = self.alerts.get(&alert.labels) {
            alert.starts_at = alert.starts_at.min(known.starts_at);
            alert.holders = known.holders.iter().copied().filter(|h| *h != holder).collect();
            if !alert.holders.is_empty() {
                alert.ends_at = None;
                alert.annotations = known.annotations.clone();
            }
        }
        if alert.holders.is_empty() {
            self.heard(&alert.labels, now);
        }
        self.put(alert, Save::Durably, now, batch);
    }

    /// Someone posted an alert. Whether it was taken in: there may be too many of its name.
    pub fn receive(&mut self, mut alert: RoutedAlert, now: i64, batch: &mut Batch) -> bool {
        let end_of = |labels: &Labels| self.alerts.get(labels).map(|a| a.ends_at.unwrap_or(i64::MAX));
        if !self.limit.admits(&alert.labels, now, end_of) {
            return false;
        }
        self.heard(&alert.labels, now);
        let mut save = Save::Durably;
        if let Some(known) = self.alerts.get(&alert.labels) {
            alert = match known.holders.is_empty() {
                true => known.merge_into(alert, now),
                // What a rule of ours holds, nobody else can end.
                false => RoutedAlert { ends_at: None, holders: known.holders.clone(), value: known.value, ..alert },
            };
            if known.is_resolved(now) == alert.is_resolved(now) {
                let worth = alert.is_worth_storing(known, now, self.resolve_timeout());
                save = if worth { Save::Eventually } else { Save::No };
            }
        }
        self.limit.count(&alert.labels, alert.ends_at);
        self.put(alert, save, now, batch);
        true
    }

    fn put(&mut self, mut alert: RoutedAlert, save: Save, now: i64, batch: &mut Batch) {
        // What was over and fires again is another occurrence.
        let was_over = self.alerts.get(&alert.labels).is_some_and(|known| known.is_resolved(now));
        if was_over || alert.is_resolved(now) {
            self.silences.alert_ended(&alert.labels, now, batch);
        }
        if save != Save::No {
            alert.save(batch, save == Save::Durably);
        }
        self.take_in(alert, now, batch);
    }

    fn take_in(&mut self, alert: RoutedAlert, now: i64, batch: &mut Batch) {
        let known = match self.alerts.row(&alert.labels) {
            Some(row) => row.known.clone(),
            None => Arc::new(Known {
                routes: self.tree.matching(&alert.labels).into(),
                inhibition: self.inhibitor.inhibition(&alert.labels),
                silences: SilenceMemo::default(),
                fingerprint: alert.labels.fingerprint(),
                mark: self.marks.begin(),
            }),
        };
        self.join(&alert, &known, now, batch);
        self.replace(alert, known);
    }

    fn replace(&mut self, alert: RoutedAlert, known: Arc<Known>) {
        let end = |a: &RoutedAlert| a.ends_at.unwrap_or(i64::MAX);
        let before = self.alerts.get(&alert.labels).map(end);
        self.inhibitor.moved(&alert.labels, &known.inhibition, before, Some(end(&alert)));
        self.alerts.insert(alert, known);
    }

    fn remove(&mut self, labels: &Labels, batch: &mut Batch) {
        if let Some(row) = self.alerts.remove(labels) {
            let end = row.alert.ends_at.unwrap_or(i64::MAX);
            self.inhibitor.moved(labels, &row.known.inhibition, Some(end), None);
            self.marks.end(&row.known.mark);
            self.limit.forget(labels);
            RoutedAlert::delete(labels, batch);
        }
    }

    /// Puts an alert into its group at every route it ends at.
    fn join(&mut self, alert: &RoutedAlert, known: &Known, now: i64, batch: &mut Batch) {
        for index in known.routes.iter().copied() {
            let Some(route) = self.tree.route(index).cloned() else { continue };
            let groups_before = self.next_group;
            let id = self.group_for(index, &route, &alert.labels, now, batch);
            let Some(group) = self.groups.get_mut(&id) else { continue };
            if group.members.insert(alert.labels.clone())
                && !self.is_rejoining
                && let Some(news) = &mut self.news
            {
                news.push(RoutingNews::Joined { alert: alert.labels.clone(), group: id });
            }
            // One whose source has spoken is told in time, whoever else it is waited for.
            if group.postponed.is_some() && !self.awaited.contains_key(&alert.labels) {
                self.resume(id, now);
                continue;
            }
            // An alert that has fired for longer than a new group waits need not wait for company again. One that comes
            // later waits with those that wait already.
            let is_new = id > groups_before || self.is_rejoining && !group.has_flushed;
            if is_new
                && !self.resumed.contains(&id)
                && alert.starts_at.saturating_add(route.group_wait) < now
                && group.next_flush > now
            {
                group.next_flush = now;
                self.armed.push((now, id));
            }
        }
    }

    fn group_for(
        &mut self,
        index: RouteIndex,
        route: &SharedRoute,
        alert: &Labels,
        now: i64,
        batch: &mut Batch,
    ) -> GroupId {
        self.group_at(index, route, route.group_labels(alert), now, batch)
    }

    fn group_at(
        &mut self,
        index: RouteIndex,
        route: &SharedRoute,
        labels: Labels,
        now: i64,
        batch: &mut Batch,
    ) -> GroupId {
        let place = (index, labels);
        if let Some(id) = self.by_labels.get(&place) {
            return *id;
        }
        let id = self.add_group(index, route, place.1.clone(), now, batch);
        self.by_labels.insert(place, id);
        id
    }

    fn add_group(
        &mut self,
        index: RouteIndex,
        route: &SharedRoute,
        labels: Labels,
        now: i64,
        batch: &mut Batch,
    ) -> GroupId {
        self.next_group += 1;
        let id = self.next_group;
        let mut group = AggregationGroup::new(id, index, route.clone(), labels, now);
        if self.timers.resume(&mut group, now) {
            self.resumed.insert(id);
        } else {
            group.save(batch, true);
        }
        self.armed.push((group.next_flush, id));
        self.by_key.entry((group.key.clone(), group.route.receiver.clone())).or_default().push(id);
        self.groups.insert(id, group);
        id
    }

    /// From now on what is decided here is kept until it is [taken](Router::take_news), or is not.
    pub fn tell_news(&mut self, on: bool) {
        self.news = on.then(Vec::new);
    }

    /// What was decided here since the last call.
    pub fn take_news(&mut self) -> Vec<RoutingNews> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The routes at which an alert that is known ends.
    pub fn routes_of(&self, labels: &Labels) -> impl Iterator<Item = &SharedRoute> {
        let known = self.alerts.row(labels).map(|row| &row.known.routes);
        known.into_iter().flatten().filter_map(|index| self.tree.route(*index))
    }

    /// Flush times set since the last call, to be called back at with [`Router::flush`].
    pub fn take_armed(&mut self) -> Vec<(i64, GroupId)> {
        self.armed.iter().for_each(|(_, id)| self.shown.touch(id));
        std::mem::take(&mut self.armed)
    }

    /// Flushes a group if its time has come, and sets the time of the next flush. One of whose alerts no source has spoken
    /// since the start waits, unless a posted one is among them of which no receiver has heard by what `is_told` says: its
    /// poster may have been there once and for all, and nobody would ever hear of it.
    pub fn flush(
        &mut self,
        id: GroupId,
        now: i64,
        is_told: impl Fn(&AggregationGroup, &Labels) -> bool,
        batch: &mut Batch,
    ) -> Option<Flush> {
        let group = self.groups.get(&id).filter(|g| g.next_flush <= now)?;
        let is_posted = |labels: &Labels| self.alerts.get(labels).is_some_and(|alert| alert.holders.is_empty());
        let is_news = || group.members.iter().any(|labels| is_posted(labels) && !is_told(group, labels));
        let awaits = self.awaits(group, now).filter(|_| !is_news());
        let group = self.groups.get_mut(&id)?;
        if self.held_until > now {
            group.next_flush = self.held_until;
            self.armed.push((self.held_until, id));
            return None;
        }
        if let Some(until) = awaits {
            group.postponed.get_or_insert(group.next_flush);
            group.next_flush = until;
            self.armed.push((until, id));
            return None;
        }
        group.postponed = None;
        group.has_flushed = true;
        group.next_flush = now.saturating_add(group.route.group_interval);
        // Losing this by a crash means a flush too early, which decides to say nothing new.
        group.save(batch, false);
        self.armed.push((group.next_flush, id));
        let resolved = |l: &&Labels| self.alerts.get(l).is_some_and(|a| a.is_resolved(now));
        group.leaving = group.members.iter().chain(&group.moved).filter(resolved).map(|l| (l.clone(), 0)).collect();
        for (labels, updated_at) in &mut group.leaving {
            *updated_at = self.alerts.get(labels).map_or(0, |a| a.updated_at);
            self.silences.alert_ended(labels, now, batch);
        }
        self.look(id, now, batch)
    }

    /// What a group would say at `now`. Who is said to have resolved because its poster fell silent has, for good: that
    /// is stored with what is said.
    pub fn look(&mut self, id: GroupId, now: i64, batch: &mut Batch) -> Option<Flush> {
        let group = self.groups.get(&id)?;
        let over = |row: &&Arc<AlertRow>| row.alert.is_resolved(now) && row.alert.ends_by_silence();
        let over = group.members.iter().chain(&group.moved).filter_map(|l| self.alerts.row(l)).filter(over).cloned();
        for row in over.collect::<Vec<_>>() {
            let mut alert = RoutedAlert { over: true, ..row.alert.clone() };
            alert.save(batch, true);
            if let Some(news) = &mut self.news {
                news.push(RoutingNews::FellSilent { alert: alert.labels.clone(), starts_at: alert.starts_at });
            }
            self.alerts.insert(alert, row.known.clone());
        }
        let silences = self.silences.set_in_force();
        let group = self.groups.get_mut(&id)?;
        let marks = &mut self.marks;
        let news = &mut self.news;
        let one = |labels: &Labels| {
            let row = self.alerts.row(labels)?;
            let status = row.status(silences, now);
            let alert = row.alert.clone();
            let resolved = alert.is_resolved(now);
            marks.set(&row.known.mark, resolved, status.is_muted());
            if let Some(news) = &mut *news
                && row.known.mark.note_mutes(if resolved { 0 } else { news::sign(&status) })
                && !resolved
            {
                news.push(RoutingNews::Muted { alert: alert.labels.clone(), status: status.clone() });
            }
            Some(FlushedAlert { resolved, status, alert })
        };
        let ended = |l: &&Labels| self.alerts.get(l).is_some_and(|a| a.is_resolved(now));
        let told_of = group.members.iter().chain(group.moved.iter().filter(ended));
        let mut alerts: Vec<FlushedAlert> = told_of.filter_map(one).collect();
        alerts.sort_by(|a, b| order(&a.alert.labels, &b.alert.labels));
        let muting_intervals = muting_intervals(&self.config, &group.route, now);
        if let Some(news) = &mut self.news
            && muting_intervals != group.muted_by
        {
            group.muted_by.clone_from(&muting_intervals);
            news.push(RoutingNews::RouteMuted {
                group_key: group.key.clone(),
                receiver: group.route.receiver.clone(),
                by: muting_intervals.clone(),
                alerts: alerts.iter().map(|a| a.alert.labels.clone()).collect(),
            });
        }
        Some(Flush {
            group: id,
            key: group.key.clone(),
            labels: group.labels.clone(),
            route: group.route.clone(),
            alerts,
            muting_intervals,
        })
    }

    /// Every receiver of a group knows of its last flush: what had resolved by then leaves the group, and the store
    /// once no group has it.
    pub fn settle(&mut self, id: GroupId, now: i64, batch: &mut Batch) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let leaving = std::mem::take(&mut group.leaving);
        let (mut left, mut told) = (Vec::new(), Vec::new());
        for (labels, updated_at) in leaving {
            // Of what is routed elsewhere the group has told all it had to, though it may fire there again by now.
            if group.moved.remove(&labels) {
                told.push(labels.clone());
            }
            let unchanged = |a: &&RoutedAlert| a.updated_at == updated_at && a.is_resolved(now);
            if self.alerts.get(&labels).filter(unchanged).is_some() {
                group.members.remove(&labels);
                left.push(labels);
            }
        }
        if group.members.is_empty() && group.moved.is_empty() {
            self.remove_group(id, batch);
        }
        told.iter().for_each(|labels| self.forget_moved(labels, id));
        for labels in left {
            if !self.is_grouped(&labels) {
                self.remove(&labels, batch);
            }
        }
    }

    fn is_grouped(&self, labels: &Labels) -> bool {
        !self.groups_with(labels).is_empty()
    }

    /// The groups that have an alert.
    fn groups_with(&self, labels: &Labels) -> Vec<GroupId> {
        let in_group = |index| {
            let group_labels = self.tree.route(index)?.group_labels(labels);
            let id = self.by_labels.get(&(index, group_labels))?;
            self.groups.get(id).filter(|g| g.members.contains(labels)).map(|g| g.id)
        };
        let known = self.alerts.row(labels).map(|row| row.known.clone());
        let at_routes = known.iter().flat_map(|known| known.routes.iter().copied()).filter_map(in_group);
        at_routes.chain(self.moved.get(labels).into_iter().flatten().copied()).collect()
    }

    fn remove_group(&mut self, id: GroupId, batch: &mut Batch) {
        if let Some(group) = self.groups.remove(&id) {
            group.delete(batch);
            self.shown.touch(&id);
            self.by_labels.remove(&(group.index, group.labels));
            let key = (group.key, group.route.receiver.clone());
            if let Some(ids) = self.by_key.get_mut(&key) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }

    /// Acknowledges an alert that fires. Returns the id of the silence that this makes.
    ///
    /// # Errors
    /// It does not fire, or [`Silences::acknowledge`] has something against it.
    pub fn acknowledge(&mut self, new: Acknowledgement, now: i64, batch: &mut Batch) -> Result<String, SilenceError> {
        match self.alerts.get(&new.alert).is_some_and(|a| !a.is_resolved(now)) {
            true => self.silences.acknowledge(new, now, batch),
            false => Err(SilenceError::NotFiring),
        }
    }

    /// Drops silences whose retention is over, and resolved alerts that no group has.
    pub fn collect_garbage(&mut self, now: i64, batch: &mut Batch) {
        let over = |labels: &&Labels| self.alerts.get(labels).is_none_or(|a| a.is_resolved(now));
        let over: Vec<Labels> = self.silences.acknowledged().filter(over).cloned().collect();
        over.iter().for_each(|labels| self.silences.alert_ended(labels, now, batch));
        self.silences.collect_garbage(now, batch);
        self.awaited.retain(|_, until| *until > now);
        let dead = |a: &&RoutedAlert| a.is_resolved(now) && !self.is_grouped(&a.labels);
        let dead: Vec<Labels> = self.alerts().filter(dead).map(|a| a.labels.clone()).collect();
        for labels in dead {
            self.remove(&labels, batch);
        }
        self.inhibitor.collect_garbage();
        for row in self.alerts.iter() {
            self.silences.set_in_force().tidy(&row.known.silences);
        }
    }
}

#[cfg(test)]
mod tests;
