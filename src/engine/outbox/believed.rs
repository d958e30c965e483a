//! What integrations may believe to fire, so that they can be told of its end.

use crate::model::Labels;
use crate::notify::dedup::LogEntry;
use crate::notify::log::LogKey;
use crate::routing::{RoutingConfig, ToldOf};

use super::Outbox;
use super::integrations::spec_of;
use super::owed::{Owed, Stage};

impl Outbox {
    /// What an integration may believe to fire of a group, if it wants to hear of ends.
    pub(in crate::engine) fn told_of(
        &self,
        key: &LogKey,
        group_labels: Labels,
        config: &RoutingConfig,
    ) -> Option<ToldOf> {
        told(key, Some(group_labels), self.log.get(key)?, config)
    }

    /// What integrations that want to hear of ends may believe to fire: what they were told, and what an attempt under way
    /// tells them.
    pub(in crate::engine) fn told(&self, config: &RoutingConfig) -> Vec<ToldOf> {
        let told_of = |(key, entry, _): (&LogKey, &LogEntry, i64)| told(key, None, entry, config);
        let under_way = self.owed.values().filter(|owed| matches!(owed.stage, Stage::UnderWay { .. }));
        let telling_of = |owed: &Owed| {
            let firing = owed.notification.alerts.iter().filter(|a| !a.is_resolved()).map(|a| a.labels.clone());
            wanted(&owed.key(), Some(owed.notification.group_labels.clone()), firing.collect(), config)
        };
        self.log.iter().filter_map(told_of).chain(under_way.filter_map(telling_of)).collect()
    }
}

/// What an integration may believe to fire, if it wants to hear of ends.
fn told(key: &LogKey, group_labels: Option<Labels>, entry: &LogEntry, config: &RoutingConfig) -> Option<ToldOf> {
    wanted(key, group_labels, entry.firing.iter().chain(entry.in_doubt.iter()).cloned().collect(), config)
}

/// Alerts whose end an integration wants to hear of.
fn wanted(key: &LogKey, group_labels: Option<Labels>, alerts: Vec<Labels>, config: &RoutingConfig) -> Option<ToldOf> {
    let (group_key, receiver) = (key.group_key.clone(), key.integration.receiver.clone());
    let wants_ends = !alerts.is_empty() && spec_of(config, &key.integration).is_some_and(|spec| spec.send_resolved);
    wants_ends.then_some(ToldOf { group_key, group_labels, receiver, alerts })
}
