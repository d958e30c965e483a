//! What integrations may believe to fire, so that they can be told of its end.

use crate::model::Labels;
use crate::notify::dedup::LogEntry;
use crate::notify::log::LogKey;
use crate::routing::{RoutingConfig, ToldOf};

use super::Outbox;
use super::integrations::spec_of;

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

    /// What integrations that want to hear of ends may believe to fire.
    pub(in crate::engine) fn told(&self, config: &RoutingConfig) -> Vec<ToldOf> {
        self.log.iter().filter_map(|(key, entry, _)| told(key, None, entry, config)).collect()
    }
}

/// What an integration may believe to fire, if it wants to hear of ends.
fn told(key: &LogKey, group_labels: Option<Labels>, entry: &LogEntry, config: &RoutingConfig) -> Option<ToldOf> {
    let alerts: Vec<Labels> = entry.firing.iter().chain(entry.in_doubt.iter()).cloned().collect();
    let (group_key, receiver) = (key.group_key.clone(), key.integration.receiver.clone());
    let wants_ends = !alerts.is_empty() && spec_of(config, &key.integration).is_some_and(|spec| spec.send_resolved);
    wants_ends.then_some(ToldOf { group_key, group_labels, receiver, alerts })
}
