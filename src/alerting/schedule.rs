//! When a group is evaluated: at every multiple of its interval, shifted by an offset that its name and file give, so
//! that groups spread over the interval and keep their times over restarts.
//!
//! Groups meet in ticks: their offsets are whole multiples of one. What meets is evaluated at one time, and what its rules
//! have in common once; what does not meet spreads the load.

/// How evaluation times are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every group on its own offset, as a server does.
    Spread {
        /// Offsets are multiples of this, milliseconds: [`TICK`], or 1 to spread groups as far as can be.
        tick: i64,
    },
    /// Every group at `start` and every interval after it, in the order of the configuration: for unit tests, backtests
    /// and replays, whose times a person computes by hand.
    Aligned {
        /// The first evaluation.
        start: i64,
    },
}

/// The usual distance of ticks, milliseconds: an interval of a minute has four, the usual one of 15 s has one. What a tick
/// reads costs as much for many groups as for one, so fewer ticks are less work.
pub const TICK: i64 = 15_000;

impl Default for Schedule {
    fn default() -> Self {
        Schedule::Spread { tick: TICK }
    }
}

/// A group that is waited for after a start is evaluated within this time, milliseconds.
const SOON: i64 = 30_000;

impl Schedule {
    /// When to evaluate a group whose word is waited for: at its slot or sooner, spread as groups always are. Times that a
    /// person computes by hand stay what they are.
    pub fn soon(self, group_hash: u64, interval: i64, now: i64) -> i64 {
        match self {
            Schedule::Spread { .. } => self.first_slot(group_hash, interval.min(SOON), now),
            Schedule::Aligned { .. } => self.first_slot(group_hash, interval, now),
        }
    }

    /// The first slot of a group at or after `now` (for a spread schedule: strictly after).
    pub fn first_slot(self, group_hash: u64, interval: i64, now: i64) -> i64 {
        let interval = interval.max(1);
        match self {
            Schedule::Spread { tick } => {
                let offset = (group_hash % interval.unsigned_abs()) as i64;
                slot_at(offset - offset % tick.max(1), interval, now) + interval
            }
            Schedule::Aligned { start } if now <= start => start,
            Schedule::Aligned { start } => start + (now - start + interval - 1) / interval * interval,
        }
    }

    /// The first slot of a group that says itself when within its interval it is evaluated.
    pub fn slot_at_offset(self, offset: i64, interval: i64, now: i64) -> i64 {
        match self {
            Schedule::Spread { .. } => slot_at(offset, interval.max(1), now) + interval.max(1),
            Schedule::Aligned { .. } => self.first_slot(0, interval, now),
        }
    }
}

/// The last slot of a group at or before `now`.
fn slot_at(offset: i64, interval: i64, now: i64) -> i64 {
    now - (now - offset).rem_euclid(interval)
}

/// The slot to evaluate at `now` for a group whose next slot was `slot`, the slot after it, and how many slots passed
/// unevaluated.
pub fn due(slot: i64, interval: i64, now: i64) -> (i64, i64, u64) {
    let interval = interval.max(1);
    let missed = ((now - slot) / interval).max(0);
    let at = slot + missed * interval;
    (at, at + interval, missed.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_their_offset_and_late_ones_are_counted() {
        let spread = Schedule::Spread { tick: 1 };
        let first = spread.first_slot(1_000_007, 15_000, 1_000_000);
        assert_eq!(first % 15_000, 1_000_007 % 15_000);
        assert!(first > 1_000_000 && first <= 1_015_000);
        assert_eq!(spread.first_slot(1_000_007, 15_000, first), first + 15_000);
        assert_eq!(due(first, 15_000, first), (first, first + 15_000, 0));
        assert_eq!(due(first, 15_000, first + 14_999), (first, first + 15_000, 0));
        assert_eq!(due(first, 15_000, first + 31_000), (first + 30_000, first + 45_000, 2));
    }

    #[test]
    fn groups_meet_in_ticks_and_still_spread() {
        let slots: std::collections::BTreeSet<i64> =
            (0..60_000).map(|hash| Schedule::default().first_slot(hash, 60_000, 1_000_000) % 60_000).collect();
        assert_eq!(slots.into_iter().collect::<Vec<_>>(), [0, 15_000, 30_000, 45_000]);
        // Whoever says when is evaluated then.
        assert_eq!(Schedule::default().slot_at_offset(7_000, 60_000, 1_000_000), 1_027_000);
        assert_eq!(Schedule::default().slot_at_offset(7_000, 60_000, 1_027_000), 1_087_000);
        // An interval shorter than a tick has one.
        assert_eq!(Schedule::default().first_slot(1_700, 2_000, 1_000_000), 1_002_000);
    }

    #[test]
    fn aligned_slots_start_where_they_are_told() {
        let aligned = Schedule::Aligned { start: 100 };
        for (now, want) in [(0, 100), (100, 100), (101, 160), (160, 160), (161, 220)] {
            assert_eq!(aligned.first_slot(12_345, 60, now), want, "at {now}");
        }
    }
}
