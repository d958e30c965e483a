//! The wait for data: at a start, when the machine slept or the clock was set ahead, and for groups that a reload brings.

use std::sync::Arc;

use crate::alerting::GroupSpec;

use super::core::Engine;
use super::data::{MOST_ROUNDS, Wait, recorded, rounds};
use super::deadlines::Deadline;

impl Engine {
    /// Has groups wait for data after a start, as far as they need it.
    pub(super) fn await_data(&mut self, now: i64) {
        if let Some(data) = self.options.data {
            self.await_data_after(now.saturating_sub(data.newest), now);
        }
    }

    /// The machine slept for `by` milliseconds, or the clock was set ahead: nothing was scraped in that time, as if the
    /// process had been down.
    pub(super) fn await_data_again(&mut self, by: i64, now: i64) {
        // Scrapes were made until the leap, unless the first ones were waited for.
        let before = self.wait.filter(|wait| wait.rounds == 0).map_or(0, |wait| wait.gap);
        self.await_data_after(before.saturating_add(by), now);
        for slot in self.slots.values_mut().filter(|slot| slot.rounds > 0) {
            let rules = &mut Arc::make_mut(&mut slot.state).rules;
            // As after a start: the wait does not count towards `for`.
            rules.iter_mut().for_each(|rule| rule.restored_from = rule.restored_from.or(Some(now)));
        }
    }

    fn await_data_after(&mut self, gap: i64, now: i64) {
        let Some(data) = self.options.data.filter(|data| data.patience > 0) else { return };
        let wait = Wait { since: now, until: now.saturating_add(data.patience), gap, rounds: 0 };
        let groups = self.setup.groups.clone();
        let recorded = recorded(&groups);
        for slot in self.slots.values_mut() {
            slot.rounds = rounds(&slot.spec, &data, &wait, &recorded);
        }
        // Also when no group waits: a reload may bring one that has to.
        self.wait = Some(wait);
        self.deadlines.add(wait.until, Deadline::Data);
    }

    /// How many rounds of scrapes a group that a reload brings has to wait for.
    pub(super) fn rounds_of_new(&self, spec: &GroupSpec, groups: &[Arc<GroupSpec>]) -> u8 {
        let (Some(data), Some(wait)) = (self.options.data, self.wait) else { return 0 };
        let rounds = rounds(spec, &data, &wait, &recorded(groups));
        if rounds > wait.rounds { rounds } else { 0 }
    }

    /// How many groups wait for data.
    pub fn groups_without_data(&self) -> usize {
        self.slots.values().filter(|slot| slot.rounds > 0).count()
    }

    /// So many rounds of scrapes have come since data is waited for. Groups that waited for them are evaluated now, if they
    /// would have been meanwhile, or if somebody waits for their word.
    pub(super) fn data_came(&mut self, rounds: u8, now: i64) {
        for (id, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.rounds > 0 && slot.rounds <= rounds) {
            slot.rounds = 0;
            if std::mem::take(&mut slot.postponed) || slot.awaited.is_some() {
                slot.next_at = now;
                slot.catches_up = true;
                self.deadlines.add(now, Deadline::Evaluate(*id));
            }
        }
        if let Some(wait) = &mut self.wait {
            wait.rounds = wait.rounds.max(rounds);
        }
        self.wait = self.wait.filter(|wait| wait.rounds < MOST_ROUNDS);
    }

    /// Data is waited for no longer, if that is what the deadline was for.
    pub(super) fn data_overdue(&mut self, now: i64) {
        if self.wait.is_some_and(|wait| wait.until <= now) {
            self.data_came(u8::MAX, now);
        }
    }
}
