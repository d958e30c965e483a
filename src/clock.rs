//! Time as an interface: the operating system's clock, or a virtual one that a driver moves.
//!
//! Only this file reads the system's clock (clippy's `disallowed-methods` holds that), so everything above runs the
//! same in real time, in a backtest and in a test.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// The time of day for someone who must not see it go back: runs with the monotonic clock, and leaps ahead when the
/// operating system's clock is ahead (it was set, or the machine was asleep).
#[derive(Debug)]
pub struct SteadyClock {
    watch: Stopwatch,
    // What the time of day was when the stopwatch stood at 0; only ever grows.
    start: AtomicI64,
}

impl SteadyClock {
    /// A clock that agrees with the operating system's now.
    pub fn start() -> Self {
        SteadyClock { watch: Stopwatch::start(), start: AtomicI64::new(SystemClock.now()) }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.watch.elapsed().as_millis()).unwrap_or(i64::MAX);
        let start = SystemClock.now().saturating_sub(elapsed);
        self.start.fetch_max(start, Ordering::SeqCst).max(start).saturating_add(elapsed)
    }
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
}

impl Clock for VirtualClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
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
