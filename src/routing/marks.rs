//! What was found of each alert when its group last flushed, counted: nobody has to look at all alerts to count them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How many alerts there are, as they were when their groups last flushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// DeliveredNotification, or to be told.
    pub active: u64,
    /// Silenced or inhibited.
    pub suppressed: u64,
    /// Of groups that have not flushed yet.
    pub unprocessed: u64,
    // Resolved: they are not counted.
    over: u64,
}

/// What was found of one alert. Written by the dispatcher alone.
#[derive(Debug, Default)]
pub struct Mark {
    found: AtomicU8,
    // A sign of what muted it.
    mutes: AtomicU64,
}

const UNPROCESSED: u8 = 0;
const ACTIVE: u8 = 1;
const SUPPRESSED: u8 = 2;
const OVER: u8 = 3;

impl Mark {
    /// Alertmanager's word for it; none for what has resolved.
    pub fn as_str(&self) -> Option<&'static str> {
        match self.found.load(Ordering::Relaxed) {
            UNPROCESSED => Some("unprocessed"),
            ACTIVE => Some("active"),
            SUPPRESSED => Some("suppressed"),
            _ => None,
        }
    }

    /// Takes note of what mutes the alert, by a sign of it. Whether it is not what it was.
    pub(super) fn note_mutes(&self, sign: u64) -> bool {
        self.mutes.swap(sign, Ordering::Relaxed) != sign
    }
}

impl Marks {
    /// Counts a new alert.
    pub(super) fn begin(&mut self) -> Mark {
        self.unprocessed += 1;
        Mark::default()
    }

    /// Takes note of what was found of an alert.
    pub(super) fn set(&mut self, alert: &Mark, resolved: bool, muted: bool) {
        let mark = match (resolved, muted) {
            (true, _) => OVER,
            (false, true) => SUPPRESSED,
            (false, false) => ACTIVE,
        };
        let before = alert.found.swap(mark, Ordering::Relaxed);
        self.drop_one(before);
        *self.count(mark) += 1;
    }

    /// Counts an alert no longer.
    pub(super) fn end(&mut self, alert: &Mark) {
        self.drop_one(alert.found.load(Ordering::Relaxed));
    }

    fn drop_one(&mut self, mark: u8) {
        let count = self.count(mark);
        *count = count.saturating_sub(1);
    }

    fn count(&mut self, mark: u8) -> &mut u64 {
        match mark {
            UNPROCESSED => &mut self.unprocessed,
            ACTIVE => &mut self.active,
            SUPPRESSED => &mut self.suppressed,
            _ => &mut self.over,
        }
    }
}
