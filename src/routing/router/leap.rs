//! What leaps of the clock mean for routing.

use crate::state::Batch;

use super::Router;
use crate::routing::alert::RoutedAlert;

impl Router {
    /// The clock leapt ahead by `by` milliseconds and says `now`. Nobody has fallen silent by that: alerts that had not ended
    /// wait for their posters as after a start.
    pub fn leap_ahead(&mut self, by: i64, now: i64, batch: &mut Batch) {
        let resolve_timeout = self.resolve_timeout();
        let before = now.saturating_sub(by);
        let mut waiting = Vec::new();
        self.change_alerts(batch, |alert| {
            let waits = !alert.is_resolved(before) && alert.wait_for_poster(now, resolve_timeout);
            if waits {
                waiting.extend(alert.ends_at.map(|until| (alert.labels.clone(), until)));
            }
            waits
        });
        for (labels, until) in waiting {
            self.await_word(&labels, until);
        }
    }

    /// The clock was set back by `-by` milliseconds and says `now`. What is due in some time is due in that time still.
    /// What ended by what was said of it has ended; an end that is only expected stays where it is.
    pub fn step_back(&mut self, by: i64, now: i64, batch: &mut Batch) {
        for group in self.groups.values_mut() {
            let longest = if group.has_flushed { group.route.group_interval } else { group.route.group_wait };
            let next = group.next_flush.saturating_add(by).max(now).min(now.saturating_add(longest));
            if next != group.next_flush {
                group.next_flush = next;
                group.save(batch, false);
            }
            for (_, updated_at) in &mut group.leaving {
                *updated_at = (*updated_at).min(now);
            }
            self.armed.push((group.next_flush, group.id));
        }
        self.armed.sort_unstable();
        self.held_until = self.held_until.saturating_add(by);
        self.awaited.values_mut().for_each(|until| *until = until.saturating_add(by));
        let longest = now.saturating_add(self.resolve_timeout());
        self.change_alerts(batch, |alert| {
            // Whether it has ended is asked of times by one clock: first.
            let was_timeout = alert.timeout;
            let stepped = alert.step_back(now);
            // A timeout that a clock ahead has set, and nobody asked for.
            let beyond = was_timeout && alert.ends_at.is_some_and(|end| end > longest);
            if beyond {
                (alert.starts_at, alert.ends_at) = (alert.starts_at.min(now), Some(longest));
            }
            stepped || beyond
        });
    }

    /// `change` says of each alert whether it changed it.
    fn change_alerts(&mut self, batch: &mut Batch, mut change: impl FnMut(&mut RoutedAlert) -> bool) {
        for row in self.alerts.iter().cloned().collect::<Vec<_>>() {
            let mut alert = row.alert.clone();
            if change(&mut alert) {
                alert.save(batch, false);
                self.replace(alert, row.known.clone());
            }
        }
    }
}

impl RoutedAlert {
    /// Whether anything changed.
    fn step_back(&mut self, now: i64) -> bool {
        if self.updated_at <= now && !(self.over && self.ends_at.is_some_and(|end| end > now)) {
            return false;
        }
        // An end that lay ahead when it was said is a promise of the alert's source, which keeps it by the same clock.
        let ended = self.over || self.ends_at.is_some_and(|end| end <= self.updated_at);
        if ended || self.ends_at.is_none() {
            self.ends_at = self.ends_at.map(|end| end.min(now));
            self.starts_at = self.starts_at.min(now);
        }
        // Whoever posts it again says by this clock when it ends: that counts, though it be sooner.
        self.timeout |= !ended && self.ends_at.is_some();
        self.updated_at = self.updated_at.min(now);
        true
    }
}
