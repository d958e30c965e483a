//! Time as an interface: the operating system's clock, or a virtual one that a driver moves.
//!
//! Only this file reads the system's clock (clippy's `disallowed-methods` holds that), so everything above runs the
//! same in real time, in a backtest and in a test.
#![allow(clippy::disallowed_methods)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono_tz::Tz;
use parking_lot::Mutex;

/// Tells the time of day, in milliseconds since the Unix epoch.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> i64;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        }
    }
}

/// How far the time of day may go back and is only waited for, milliseconds: a correction, not a step.
pub const SLEW: i64 = 1000;

/// The time of day as a running service lives by it: engine, scrapes, storage and API share one. Where the operating
/// system's clock goes back by no more than [`SLEW`], time stands still until it has caught up; a larger step back is
/// followed, as every step forward is.
#[derive(Debug)]
pub struct WallClock {
    // Held for one reading, so that who reads a moment earlier does not answer a moment later.
    last: Mutex<i64>,
}

impl WallClock {
    /// A clock that agrees with the operating system's now.
    pub fn start() -> Self {
        WallClock { last: Mutex::new(SystemClock.now()) }
    }
}

impl Clock for WallClock {
    fn now(&self) -> i64 {
        let mut last = self.last.lock();
        *last = settle(*last, SystemClock.now());
        *last
    }
}

/// The time to go on with when a clock that said `last` says `now`.
fn settle(last: i64, now: i64) -> i64 {
    if now < last && last.saturating_sub(now) <= SLEW { last } else { now }
}

/// A clock that stands still until it is moved. Clones share one time.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<AtomicI64>);

impl VirtualClock {
    /// A clock that stands at `now`.
    pub fn at(now: i64) -> Self {
        VirtualClock(Arc::new(AtomicI64::new(now)))
    }

    /// Moves the clock, never backwards.
    pub fn advance_to(&self, now: i64) {
        self.0.fetch_max(now, Ordering::SeqCst);
    }

    /// Sets the clock, back too: someone corrects it, or it leaps.
    pub fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The server's zone: `TZ`, else what `/etc/localtime` points to, else UTC.
pub static ZONE: LazyLock<Tz> = LazyLock::new(|| {
    let said = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    let link = || std::fs::read_link("/etc/localtime").ok().map(|path| path.to_string_lossy().into_owned());
    said.or_else(link).and_then(|name| named(&name)).unwrap_or(Tz::UTC)
});

/// The zone of a name, or of a file of the zone database.
fn named(name: &str) -> Option<Tz> {
    let name = name.trim_start_matches(':');
    name.split_once("zoneinfo/").map_or(name, |(_, name)| name).parse().ok()
}

/// Measures elapsed time for metrics and deadlines, monotonic.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_back_are_waited_for_and_larger_ones_followed() {
        for (last, now, want) in [(5000, 5001, 5001), (5000, 4999, 5000), (5000, 4000, 5000), (5000, 3999, 3999)] {
            assert_eq!(settle(last, now), want, "{last} -> {now}");
        }
    }

    #[test]
    fn zones_have_names_and_files() {
        assert_eq!(named(":/usr/share/zoneinfo/Asia/Riyadh"), Some(Tz::Asia__Riyadh));
        assert_eq!(named("/etc/elsewhere"), None);
    }
}
