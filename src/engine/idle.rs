//! Evaluations that are known to change nothing are passed by: a replay over data that is there already leaps from one
//! evaluation that matters to the next. A world that cannot know (a server's) has none of them.

use super::core::Engine;
use super::deadlines::Deadline;

impl Engine {
    /// Passes by the evaluations of a group before `until`.
    pub(super) fn pass_by(&mut self, id: u64, until: i64) {
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.next_at < until) else { return };
        let interval = slot.spec.interval.max(1);
        let (before, passed) = (slot.next_at, (until - slot.next_at + interval - 1) / interval);
        slot.next_at = before.saturating_add(passed.saturating_mul(interval));
        slot.idle_since = Some(before);
        self.deadlines.remove(before, Deadline::Evaluate(id));
        self.deadlines.add(slot.next_at, Deadline::Evaluate(id));
    }

    /// What was known holds no longer: every group is evaluated at its next slot after `now` again.
    pub(super) fn wake(&mut self, now: i64) {
        for (id, slot) in &mut self.slots {
            let Some(since) = slot.idle_since.filter(|_| slot.next_at > now) else { continue };
            let interval = slot.spec.interval.max(1);
            let passed = (now.saturating_sub(since).div_euclid(interval) + 1).max(0);
            self.deadlines.remove(slot.next_at, Deadline::Evaluate(*id));
            slot.next_at = since.saturating_add(passed.saturating_mul(interval));
            self.deadlines.add(slot.next_at, Deadline::Evaluate(*id));
        }
    }
}
