//! What kept alerts from being told, counted.

use crate::routing::{Flush, FlushedAlert};

/// Alerts that were not told of, by what kept them from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suppressed {
    /// A silence.
    pub silence: u64,
    /// An alert that inhibits them.
    pub inhibition: u64,
    /// A time interval in which the route is mute.
    pub mute_time_interval: u64,
    /// That no time interval was in which the route is active.
    pub active_time_interval: u64,
}

impl Suppressed {
    /// Takes in a flush: each alert is counted once, in the order in which Alertmanager asks.
    pub(super) fn count(&mut self, flush: &Flush) {
        let inhibited = flush.alerts.iter().filter(|a| !a.status.inhibited_by.is_empty()).count();
        let rest = (flush.alerts.len() - inhibited) as u64;
        self.inhibition += inhibited as u64;
        let mutes = &flush.route.mute_time_intervals;
        if flush.muting_intervals.iter().any(|name| !mutes.contains(name)) {
            self.active_time_interval += rest;
        } else if !flush.muting_intervals.is_empty() {
            self.mute_time_interval += rest;
        } else {
            let silenced = |a: &&FlushedAlert| a.status.inhibited_by.is_empty() && !a.status.silenced_by.is_empty();
            self.silence += flush.alerts.iter().filter(silenced).count() as u64;
        }
    }
}
