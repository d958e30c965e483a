//! The values that alerts of our rules have now, for messages that tell them.

use rustc_hash::FxHashMap;

use crate::alerting::AlertState;
use crate::model::{Labels, Reading};
use crate::notify::Notification;

use super::core::Engine;

impl Engine {
    /// Puts the values that firing alerts have now into what is about to be delivered. Routing hears of an alert when
    /// something about it changes, which its value does at every evaluation; so it is looked up, if anybody tells it.
    pub(super) fn tell_values(&self, deliver: &mut [Notification]) {
        let is_asked = |n: &Notification| n.alerts.iter().any(|a| a.value.is_some() && !a.is_resolved());
        if !self.setup.tells_values || !deliver.iter().any(is_asked) {
            return;
        }
        let values = self.values();
        for alert in deliver.iter_mut().flat_map(|n| &mut n.alerts).filter(|a| !a.is_resolved()) {
            if let Some(value) = values.get(&alert.labels) {
                alert.value = Some(*value);
            }
        }
    }

    /// The values of all firing alerts, by the labels with which they leave the rules.
    fn values(&self) -> FxHashMap<Labels, Reading> {
        let states = self.slots.values().flat_map(|slot| &slot.state.rules);
        let firing = states.flat_map(|rule| rule.alerts.values()).filter(|a| a.state == AlertState::Firing);
        firing.filter_map(|a| Some((self.setup.outgoing.apply(&a.labels)?, Reading::of(a.value)))).collect()
    }
}
