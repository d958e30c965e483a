//! Leaps of the clock while the engine runs: someone sets it, a time server corrects it, the machine was asleep.
//!
//! - A step back restarts schedules: evaluations find their slots anew, whatever was due in some time is due in that
//!   time still, and what lies in a future that is not (an end, a log entry) happened now.
//! - A leap forward is an outage of that length: what is due is done once, missed iterations are counted.
//! - Neither counts towards a rule's `for`, `keep_firing_for` or a repeat interval. Silences and time intervals go by the
//!   clock alone.
//! - Time that did pass while the engine was held up, by a disk that did not answer or a process that was stopped, is no
//!   leap: it counts as it would have. But nobody was heard meanwhile.

use crate::alerting::restore;
use crate::clock::SLEW;
use crate::history::{Decision, What};

use super::core::{Engine, TurnEffects};
use super::deadlines::{Deadline, Deadlines};
use super::external::Sent;
use super::startup::firing;

/// A driver may be late by this much, milliseconds, before its lateness is taken for a leap.
pub(super) const LATE: i64 = 5_000;
/// What was only over by a clock that leapt ahead is kept for so long, milliseconds: the clock may be set right.
const DOUBTED: i64 = 3_600_000;

impl Engine {
    /// So many milliseconds have passed since this was said last, by a clock that nobody sets. To be said before each turn by
    /// a driver that lives in real time.
    pub fn have_passed(&mut self, elapsed: i64) {
        self.passed = Some(self.passed.unwrap_or(0).saturating_add(elapsed));
    }

    /// The time to go on with when a driver says `now`.
    pub(super) fn at(&mut self, now: i64, out: &mut TurnEffects) -> i64 {
        if now < self.now.saturating_sub(SLEW) {
            self.step_back(now, out);
            self.now = now;
        } else {
            // A driver comes back in time for every deadline, and at its heartbeat: what is beyond both nobody watched.
            let heard = self.now.saturating_add(self.options.heartbeat);
            let expected = self.deadlines.next().map_or(heard, |due| due.max(self.now).min(heard));
            let late = now.saturating_sub(expected);
            let leapt = match self.passed {
                Some(passed) => late.min(now.saturating_sub(self.now).saturating_sub(passed)),
                None => late,
            };
            if leapt > LATE {
                self.leap_ahead(leapt, late, now, out);
            } else if late > LATE {
                self.was_held_up(late, now, out);
            }
            self.now = self.now.max(now);
        }
        self.passed = self.passed.map(|_| 0);
        self.now
    }

    /// The engine was held up: whoever wanted to speak meanwhile gets time to, and data that may not have come may come.
    fn was_held_up(&mut self, by: i64, now: i64, out: &mut TurnEffects) {
        self.router.leap_ahead(by, now, &mut out.outbox.batch);
        if self.options.data.is_some_and(|data| by > data.interval) {
            self.await_data_again(by, now);
        }
    }

    /// The clock leapt, and for so long, `late`, nobody was heard.
    fn leap_ahead(&mut self, by: i64, late: i64, now: i64, out: &mut TurnEffects) {
        out.outbox.records.push(|| Decision::new(now, What::ClockStepped { by_ms: by }));
        if by > self.options.housekeeping {
            self.doubted_until = now.saturating_add(DOUBTED);
        }
        self.router.leap_ahead(late, now, &mut out.outbox.batch);
        let ids: Vec<u64> = self.slots.keys().copied().collect();
        for id in ids {
            // One missed evaluation is no outage.
            if self.slots.get(&id).is_some_and(|slot| by > slot.spec.interval) {
                self.leap_slot(id, by, now, out);
            }
        }
        self.outbox.leap(by, now, &mut out.outbox);
        self.failing.leap(by);
        // One missed scrape is no outage either.
        if self.options.data.is_some_and(|data| late > data.interval) {
            self.await_data_again(late, now);
        } else if let Some(wait) = &mut self.wait {
            wait.leap(by);
            self.deadlines.add(wait.until.max(now), Deadline::Data);
        }
    }

    fn step_back(&mut self, now: i64, out: &mut TurnEffects) {
        let by = now.saturating_sub(self.now);
        out.outbox.records.push(|| Decision::new(now, What::ClockStepped { by_ms: by }));
        self.doubted_until = i64::MIN;
        self.deadlines = Deadlines::default();
        self.deadlines.add(now.saturating_add(self.options.housekeeping), Deadline::Housekeeping);
        if let Some(wait) = &mut self.wait {
            wait.leap(by);
            self.deadlines.add(wait.until.max(now), Deadline::Data);
        }
        let ids: Vec<u64> = self.slots.keys().copied().collect();
        for id in ids {
            self.leap_slot(id, by, now, out);
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.idle_since = None;
                slot.next_at = slot.spec.first_slot(self.options.schedule, now);
                self.deadlines.add(slot.next_at, Deadline::Evaluate(id));
            }
        }
        self.router.step_back(by, now, &mut out.outbox.batch);
        self.await_first_words_again(now);
        self.outbox.leap(by, now, &mut out.outbox);
        self.failing.leap(by);
        // External Alertmanagers are sent everything again, which changes nothing.
        self.sent = Sent::default();
    }

    /// Groups that are waited for have other slots now.
    fn await_first_words_again(&mut self, now: i64) {
        self.now = now;
        let awaited: Vec<u64> = self.slots.iter().filter(|(_, s)| s.awaited.is_some()).map(|(id, _)| *id).collect();
        for id in awaited {
            self.await_first_word(id);
            let Some((until, state)) = self.slots.get(&id).and_then(|s| Some((s.awaited?, s.state.clone()))) else {
                continue;
            };
            for alert in firing(&state) {
                if let Some(labels) = self.setup.outgoing.apply(&alert.labels) {
                    self.router.await_word_again(&labels, until);
                }
            }
        }
    }

    /// What was stored by a clock that was ahead of this one, made to fit: after a start.
    pub(super) fn settle_stored_future(&mut self, out: &mut TurnEffects) {
        let now = self.now;
        let ids: Vec<u64> = self.slots.keys().copied().collect();
        for id in ids {
            let Some(slot) = self.slots.get(&id) else { continue };
            let watched = slot.state.rules.iter().filter_map(|r| r.restored_from).max();
            if let Some(ahead) = watched.map(|t| t.saturating_sub(now)).filter(|ahead| *ahead > 0) {
                self.leap_slot(id, -ahead, now, out);
            }
        }
        self.router.step_back(0, now, &mut out.outbox.batch);
        self.outbox.leap(0, now, &mut out.outbox);
    }

    /// The alerts of one group after a leap; an evaluation under way is told when it ends.
    fn leap_slot(&mut self, id: u64, by: i64, now: i64, out: &mut TurnEffects) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.in_flight {
            slot.leaps.push((by, now));
        }
        let mut state = (*slot.state).clone();
        for (index, alert) in state.leap(by, now) {
            if let Some(place) = slot.places.get(index) {
                restore::save_leapt(&mut out.outbox.batch, place, &alert);
            }
        }
        restore::save_evaluated(&mut out.outbox.batch, &slot.spec.key, &state, now);
        slot.state = state.into();
    }
}
