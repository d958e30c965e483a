//! How it stands with telling groups, to be looked up in a view for as long as one answer takes to make.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::notify::log::LogKey;
use crate::routing::tree::Route;
use crate::routing::{GroupTimer, IntegrationSpec};

use super::outbox::{TellingView, integrations_of};
use super::view::View;

/// An index of a view. Making it costs a step a group and an integration that knows of one.
pub struct Tellings<'v> {
    view: &'v View,
    timers: FxHashMap<(Arc<str>, Arc<str>), Vec<&'v GroupTimer>>,
    known: FxHashMap<&'v LogKey, &'v TellingView>,
}

/// An integration that is told of a group.
pub struct Told<'v> {
    /// As it is configured.
    pub spec: &'v IntegrationSpec,
    /// Which it is.
    pub key: LogKey,
    /// Whether it stands in for the route's receiver.
    pub stands_in: bool,
    /// How it stands between the two, once there is something to say.
    pub telling: Option<&'v TellingView>,
}

impl<'v> Tellings<'v> {
    /// Of a view.
    pub fn of(view: &'v View) -> Self {
        let mut timers: FxHashMap<_, Vec<&GroupTimer>> = FxHashMap::default();
        for timer in view.timers() {
            timers.entry((timer.key.clone(), timer.route.receiver.clone())).or_default().push(timer);
        }
        Tellings { view, timers, known: view.tellings().map(|telling| (&telling.key, &**telling)).collect() }
    }

    /// The groups of a key and a receiver: one, unless sibling routes have the same matchers and receiver.
    pub fn timers(&self, key: &Arc<str>, receiver: &Arc<str>) -> &[&'v GroupTimer] {
        self.timers.get(&(key.clone(), receiver.clone())).map(Vec::as_slice).unwrap_or_default()
    }

    /// The integrations of a route's receiver, and of the one that stands in where that knows of the group.
    pub fn integrations(&self, route: &Route, group_key: &Arc<str>) -> Vec<Told<'v>> {
        let receivers = std::iter::once((&route.receiver, false)).chain(route.fallback.iter().map(|f| (f, true)));
        let of = |(receiver, stands_in)| {
            let all = integrations_of(self.view.routing(), receiver, group_key);
            all.map(move |(spec, key)| Told { spec, telling: self.known.get(&key).copied(), key, stands_in })
        };
        receivers.flat_map(of).filter(|told| told.telling.is_some() || !told.stands_in).collect()
    }
}
