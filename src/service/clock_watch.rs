//! Watches the service's clock against one that only runs: steps are told and counted, and storage is freed of what a
//! clock let in that was ahead.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, Stopwatch};
use crate::instrument::{Collect, Counter, Exposition, Kind};
use crate::model::duration;
use crate::tsdb::Tsdb;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A clock is off by this much, milliseconds, before it has stepped: less is drift, or a look that came late.
const STEP: i64 = 1500;
/// Clocks that differ by less are the same.
const SAME: i64 = 5_000;
/// After so long the word of a clock that was set back is taken, and after so long what was under way has ended.
const SETTLED: i64 = 60_000;
/// Retention trusts a clock that leapt ahead after so long.
const TRUSTED: i64 = 3_600_000;
/// Samples may be this far ahead, as Prometheus has it; more than this forward is a leap.
const AHEAD: i64 = 600_000;
/// Steps are logged no more often.
const TOLD: i64 = 10_000;
/// Earlier settings of the clock that are remembered.
const REMEMBERED: usize = 16;

/// What a look at the clock calls for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    /// By how much the clock stepped, milliseconds; back when negative.
    step: i64,
    /// Samples of the future are to be set aside now.
    set_aside: bool,
    /// Whether retention is to stand still.
    hold_retention: bool,
}

/// Tells steps from time that passes. Times are milliseconds, `elapsed` since the watch began.
#[derive(Debug)]
struct Steps {
    // What the time of day was when the watch stood at 0, by the clock's settings until now, the newest last.
    settings: VecDeque<i64>,
    set_aside_at: Option<i64>,
    trusted_at: i64,
}

impl Steps {
    /// `stored`: the time of the oldest and of the newest sample.
    fn begin(now: i64, stored: Option<(i64, i64)>) -> Self {
        let (oldest, newest) = stored.unwrap_or((now, now));
        // Where nothing is older than now, it is the clock that is wrong, not what is stored.
        let ahead = newest > now.saturating_add(AHEAD) && oldest <= now;
        let leapt = now.saturating_sub(newest) > 24 * TRUSTED;
        Steps {
            settings: VecDeque::from([now]),
            set_aside_at: ahead.then_some(SETTLED),
            trusted_at: if leapt { TRUSTED } else { 0 },
        }
    }

    fn look(&mut self, now: i64, elapsed: i64) -> Found {
        let setting = now.saturating_sub(elapsed);
        let step = self.settings.back().map_or(0, |last| setting.saturating_sub(*last));
        let mut found = Found::default();
        if step.abs() >= STEP {
            found.step = step;
            let returned = self.settings.iter().any(|earlier| earlier.abs_diff(setting) <= SAME.unsigned_abs());
            if step < 0 {
                // A clock that is back where it was before has been wrong meanwhile. One that goes where it never was
                // may be wrong itself: it gets time to come back.
                found.set_aside = returned;
                self.set_aside_at = Some(elapsed.saturating_add(SETTLED));
            } else {
                if returned {
                    self.set_aside_at = None;
                }
                if step > AHEAD {
                    self.trusted_at = elapsed.saturating_add(TRUSTED);
                }
            }
            self.settings.push_back(setting);
            if self.settings.len() > REMEMBERED {
                self.settings.pop_front();
            }
        } else if let Some(last) = self.settings.back_mut() {
            *last = setting;
        }
        if self.set_aside_at.is_some_and(|at| at <= elapsed) {
            self.set_aside_at = None;
            found.set_aside = true;
        }
        found.hold_retention = elapsed < self.trusted_at;
        found
    }
}

/// Steps of the clock since the start, for metrics.
#[derive(Debug, Default)]
pub struct ClockSteps {
    back: Counter,
    ahead: Counter,
}

impl Collect for ClockSteps {
    fn collect(&self, out: &mut Exposition) {
        let help = "Steps of the system's clock, by direction.";
        out.family("watchbell_clock_steps_total", Kind::Counter, help, |f| {
            for (direction, count) in [("back", &self.back), ("ahead", &self.ahead)] {
                f.sample(&[("direction", direction)], count.get() as f64);
            }
        });
    }
}

/// Watches until the service ends.
pub async fn run(clock: Arc<dyn Clock>, storage: Tsdb, counts: Arc<ClockSteps>, mut ended: watch::Receiver<bool>) {
    let stopwatch = Stopwatch::start();
    let stats = storage.stats();
    let mut steps = Steps::begin(clock.now(), stats.mint.zip(stats.head_maxt.or(stats.mint)));
    let (mut told_at, mut untold) = (None::<i64>, 0u64);
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            _ = looks.tick() => {}
        }
        let elapsed = i64::try_from(stopwatch.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = clock.now();
        let found = steps.look(now, elapsed);
        storage.hold_retention(found.hold_retention);
        if found.step != 0 {
            let counter = if found.step < 0 { &counts.back } else { &counts.ahead };
            counter.inc();
            if told_at.is_none_or(|at| elapsed - at >= TOLD) {
                tell(found.step, std::mem::take(&mut untold));
                told_at = Some(elapsed);
            } else {
                untold += 1;
            }
        }
        if found.set_aside {
            set_aside(storage.clone(), now).await;
        }
    }
}

fn tell(step: i64, untold: u64) {
    let by = duration::format(step.saturating_abs() / 100 * 100);
    let direction = if step < 0 { "back" } else { "ahead" };
    tracing::warn!(earlier_steps_not_logged = untold, "the clock stepped {direction} by {by}");
}

async fn set_aside(storage: Tsdb, now: i64) {
    let done = tokio::task::spawn_blocking(move || storage.set_future_aside(now)).await;
    match done {
        Ok(Ok(done)) if done.samples > 0 => tracing::warn!(
            samples = done.samples,
            series = done.series,
            files = ?done.files,
            "samples lay in the future and were set aside"
        ),
        Ok(Err(e)) => tracing::error!(error = %e, "samples of the future could not be set aside"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_000_000 * HOUR;

    /// The looks at which something was found, a look a second, the clock being off by what `off` says.
    fn watch(stored: Option<(i64, i64)>, seconds: i64, off: impl Fn(i64) -> i64) -> Vec<(i64, Found)> {
        let mut steps = Steps::begin(NOW, stored);
        let look = |s| (s, steps.look(NOW + s * 1000 + off(s), s * 1000));
        (0..seconds).map(look).filter(|(_, f)| f.step != 0 || f.set_aside).collect()
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_back_leaves_no_future() {
        let found = watch(None, 200, |s| if (5..8).contains(&s) { 2 * HOUR } else { 0 });
        let held = Found { hold_retention: true, ..Found::default() };
        let want = [
            (5, Found { step: 2 * HOUR, ..held }),
            (8, Found { step: -2 * HOUR, set_aside: true, ..held }),
            (68, Found { set_aside: true, ..held }),
        ];
        assert_eq!(found, want, "once at once, once when what was under way has ended");
    }

    #[test]
    fn a_clock_that_goes_back_where_it_never_was_is_given_a_minute() {
        let asides = |found: Vec<(i64, Found)>| found.iter().filter(|f| f.1.set_aside).map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(asides(watch(None, 200, |s| if s >= 5 { -2 * HOUR } else { 0 })), [65]);
        assert_eq!(asides(watch(None, 200, |s| if (5..8).contains(&s) { -2 * HOUR } else { 0 })), [0; 0]);
    }

    #[test]
    fn drift_is_no_step() {
        assert_eq!(watch(None, 20_000, |s| s / 2), []);
        assert_eq!(watch(None, 20_000, |s| -s / 2), []);
    }

    #[test]
    fn a_start_judges_what_is_stored() {
        let asides = |oldest: i64, newest: i64| watch(Some((NOW + oldest, NOW + newest)), 100, |_| 0).len();
        assert_eq!(asides(-HOUR, 0), 0);
        assert_eq!(asides(-HOUR, 2 * HOUR), 1, "the end of it lies in the future");
        assert_eq!(asides(HOUR, 2 * HOUR), 0, "all of it does: the clock is wrong");
        let held = |newest: i64| Steps::begin(NOW, Some((NOW + newest, NOW + newest))).look(NOW, 0).hold_retention;
        assert!(!held(-HOUR) && held(-40 * 24 * HOUR));
    }
}
