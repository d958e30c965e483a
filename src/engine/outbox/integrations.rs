//! Integrations as they are configured.

use std::sync::Arc;

use crate::notify::IntegrationId;
use crate::notify::log::LogKey;
use crate::routing::{IntegrationSpec, RoutingConfig};

/// The integrations of a receiver, each with the key of what it knows of a group.
pub(in crate::engine) fn integrations_of<'c>(
    config: &'c RoutingConfig,
    receiver: &Arc<str>,
    group_key: &Arc<str>,
) -> impl Iterator<Item = (&'c IntegrationSpec, LogKey)> {
    let (receiver, group_key) = (receiver.clone(), group_key.clone());
    let integrations = config.receivers.get(&receiver).map(|r| r.integrations.as_slice()).unwrap_or_default();
    integrations.iter().map(move |spec| {
        let integration = IntegrationId { receiver: receiver.clone(), kind: spec.kind.clone(), index: spec.index };
        (spec, LogKey { group_key: group_key.clone(), integration })
    })
}

/// The integration of an id, if it is configured.
pub(super) fn spec_of<'a>(config: &'a RoutingConfig, id: &IntegrationId) -> Option<&'a IntegrationSpec> {
    let specs = &config.receivers.get(&id.receiver)?.integrations;
    specs.iter().find(|s| s.kind == id.kind && s.index == id.index)
}
