//! What a leap of the clock means for alerts: the time that was leapt over counts for nothing. `for` and
//! `keep_firing_for` go on from where they stood, neither satisfied nor begun again by it.

use std::sync::Arc;

use super::alert::{Alert, AlertState, AlertTable};
use super::group::{Evaluated, GroupState};

impl Alert {
    /// The clock leapt by `by` milliseconds (back when negative) and says `now`. Whether anything changed.
    pub fn leap(&mut self, by: i64, now: i64) -> bool {
        let before = (self.active_at, self.unobserved, self.fired_at, self.resolved_at, self.keep_firing_since);
        if self.state == AlertState::Pending {
            // What was watched stays what it is: `now - active_at - unobserved`.
            let unobserved = self.unobserved.saturating_add(by);
            self.active_at = self.active_at.saturating_add(unobserved.min(0));
            self.unobserved = unobserved.max(0);
        }
        self.active_at = self.active_at.min(now);
        self.fired_at = self.fired_at.map(|t| t.min(now));
        self.resolved_at = self.resolved_at.map(|t| t.min(now));
        self.keep_firing_since = self.keep_firing_since.map(|t| t.saturating_add(by).min(now));
        before != (self.active_at, self.unobserved, self.fired_at, self.resolved_at, self.keep_firing_since)
    }
}

impl GroupState {
    /// The clock leapt. The alerts that changed by it, with the index of their rule.
    pub fn leap(&mut self, by: i64, now: i64) -> Vec<(usize, Alert)> {
        let mut changed = Vec::new();
        self.evaluated_at = self.evaluated_at.map(|t| t.min(now));
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.evaluated_at = rule.evaluated_at.map(|t| t.min(now));
            rule.restored_from = rule.restored_from.map(|t| t.saturating_add(by));
            if rule.alerts.is_empty() {
                continue;
            }
            let mut table: AlertTable = (*rule.alerts).clone();
            let leapt = table.values_mut().filter_map(|a| a.leap(by, now).then(|| (index, a.clone())));
            changed.extend(leapt);
            rule.alerts = Arc::new(table);
        }
        changed.sort_by(|(i, a), (j, b)| i.cmp(j).then_with(|| a.labels.cmp(&b.labels)));
        changed
    }
}

impl Evaluated {
    /// The clock leapt while the evaluation was under way. The alerts that changed by it, with the index of their rule.
    pub fn leap(&mut self, by: i64, now: i64) -> Vec<(usize, Alert)> {
        self.at = self.at.min(now);
        for (_, transition) in &mut self.transitions {
            transition.alert_mut().leap(by, now);
        }
        self.state.leap(by, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    fn pending(active_at: i64, unobserved: i64) -> Alert {
        Alert { unobserved, ..Alert::begin(Labels::empty(), Labels::empty(), 1.0, active_at) }
    }

    #[test]
    fn what_was_watched_of_for_stays_through_leaps_either_way() {
        let watched = |a: &Alert, now: i64| now - a.active_at - a.unobserved;
        for (active, unobserved) in [(0, 0), (0, 30), (60, 0), (95, 5)] {
            for by in [-10_000, -50, -10, 0, 7, 50, 10_000] {
                let mut alert = pending(active, unobserved);
                alert.leap(by, 100 + by);
                assert_eq!(watched(&alert, 100 + by), watched(&pending(active, unobserved), 100), "{active} {by}");
                assert!(alert.unobserved >= 0 && alert.active_at <= 100 + by);
            }
        }
        // There and back again leaves nothing behind.
        let mut alert = pending(40, 3);
        alert.leap(7_200_000, 7_200_100);
        alert.leap(-7_200_000, 100);
        assert_eq!(alert, pending(40, 3));
    }

    #[test]
    fn what_happened_in_a_future_that_is_not_happened_by_now() {
        let mut alert =
            Alert { state: AlertState::Inactive, fired_at: Some(50), resolved_at: Some(90), ..pending(10, 0) };
        alert.leap(-60, 40);
        assert_eq!((alert.active_at, alert.fired_at, alert.resolved_at), (10, Some(40), Some(40)));
        let mut held = Alert { state: AlertState::Firing, keep_firing_since: Some(70), ..pending(10, 0) };
        held.leap(1000, 1100);
        assert_eq!(held.keep_firing_since, Some(1070), "keep_firing_for is not over by a leap");
    }
}
