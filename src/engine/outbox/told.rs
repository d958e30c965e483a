//! What is known of telling one group: what each integration was told, decided and owed. For those who look.

use std::sync::Arc;

use crate::notify::IntegrationId;
use crate::notify::dedup::Decision;
use crate::routing::RoutingConfig;

use super::{Outbox, integrations_of};
use crate::engine::Engine;

/// How it stands with telling a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telling {
    /// When the group is looked at next, milliseconds; `None` for one that routing does not know.
    pub next_flush: Option<i64>,
    /// Each integration of its receiver, and of the one that stands in where that has heard of the group.
    pub integrations: Vec<ToldIntegration>,
}

/// How it stands with telling a group to an integration. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldIntegration {
    /// Which.
    pub integration: IntegrationId,
    /// When it was last told of the group.
    pub told_at: Option<i64>,
    /// The last decision: why it is told, or why not.
    pub decision: Option<Decision>,
    /// Why the last attempt to tell what is owed failed.
    pub error: Option<String>,
    /// When that is tried again, where it is known.
    pub due: Option<i64>,
}

impl Outbox {
    fn tellings(&self, config: &RoutingConfig, receiver: &Arc<str>, group_key: &Arc<str>) -> Vec<ToldIntegration> {
        let told = integrations_of(config, receiver, group_key).map(|(_, key)| {
            let owed = self.by_key.get(&key).and_then(|id| self.owed.get(id));
            ToldIntegration {
                told_at: self.log.get(&key).and_then(|entry| entry.at),
                decision: self.decisions.get(&key).cloned(),
                error: owed.and_then(|o| o.last_error.clone()),
                due: owed.and_then(|o| o.due()),
                integration: key.integration,
            }
        });
        told.collect()
    }
}

impl Engine {
    /// How it stands with telling the group of a key to a receiver. Costs a look-up an integration.
    pub fn telling(&self, group_key: &str, receiver: &Arc<str>) -> Telling {
        let (config, key) = (self.router.config(), Arc::<str>::from(group_key));
        let groups = self.router.groups_of(&key, receiver);
        let groups: Vec<_> = groups.into_iter().filter_map(|id| self.router.group(id)).collect();
        let mut integrations = self.outbox.tellings(config, receiver, &key);
        if let Some(fallback) = groups.iter().find_map(|g| g.route.fallback.as_ref()) {
            let told = self.outbox.tellings(config, fallback, &key);
            integrations.extend(told.into_iter().filter(|t| t.told_at.is_some() || t.error.is_some()));
        }
        Telling { next_flush: groups.iter().map(|g| g.next_flush).min(), integrations }
    }
}
