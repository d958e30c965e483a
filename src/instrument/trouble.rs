//! What fails again and again, for the log: told once when it begins, when the reason is another, every few minutes while it
//! goes on, and once when it has ended.

use std::collections::BTreeSet;
use std::time::Duration;

/// Between two lines where there is something new to tell: what comes and goes does not fill the log.
const BETWEEN_NEWS: Duration = Duration::from_secs(60);
/// Between two lines where there is not.
const BETWEEN_LINES: Duration = Duration::from_secs(5 * 60);
/// The most parts that are known to fail.
const MOST_PARTS: usize = 10_000;

/// One thing of one or more parts, each of which may fail. Times are since some moment before the first call.
#[derive(Debug, Default)]
pub struct Trouble {
    /// The parts that failed last; none: it works.
    failing: BTreeSet<String>,
    error: String,
    since: Duration,
    failures: u64,
    untold: u64,
    is_known: bool,
    told: Option<(Duration, String)>,
}

/// That it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fails {
    /// Whether it did not before.
    pub is_new: bool,
    /// Failures since the last line.
    pub failures: u64,
    /// For how long it has been failing, seconds.
    pub seconds: u64,
}

/// That it works again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorksAgain {
    /// How often it failed.
    pub failures: u64,
    /// For how long, seconds.
    pub seconds: u64,
}

impl Trouble {
    /// A part failed. What is to be told, if anything is.
    pub fn failed(&mut self, part: &str, error: &str, now: Duration) -> Option<Fails> {
        if self.failing.is_empty() {
            (self.since, self.failures, self.untold, self.is_known) = (now, 0, 0, false);
        }
        if self.failing.len() < MOST_PARTS && !self.failing.contains(part) {
            self.failing.insert(part.to_owned());
        }
        self.failures += 1;
        self.untold += 1;
        if self.error != error {
            error.clone_into(&mut self.error);
        }
        let is_due = |(at, said): &(Duration, String)| {
            let between = if self.is_known && said == error { BETWEEN_LINES } else { BETWEEN_NEWS };
            now.saturating_sub(*at) >= between
        };
        if !self.told.as_ref().is_none_or(is_due) {
            return None;
        }
        self.told = Some((now, error.to_owned()));
        let is_new = !std::mem::replace(&mut self.is_known, true);
        let seconds = now.saturating_sub(self.since).as_secs();
        Some(Fails { is_new, failures: std::mem::take(&mut self.untold), seconds })
    }

    /// A part works. What is to be told: that all do again, where it was told that one did not.
    pub fn works(&mut self, part: &str, now: Duration) -> Option<WorksAgain> {
        if self.failing.remove(part) && self.failing.is_empty() { self.ended(now) } else { None }
    }

    /// All parts work.
    pub fn all_work(&mut self, now: Duration) -> Option<WorksAgain> {
        if std::mem::take(&mut self.failing).is_empty() { None } else { self.ended(now) }
    }

    fn ended(&self, now: Duration) -> Option<WorksAgain> {
        let seconds = now.saturating_sub(self.since).as_secs();
        self.is_known.then_some(WorksAgain { failures: self.failures, seconds })
    }

    /// Why it fails, if it does.
    pub fn error(&self) -> Option<&str> {
        (!self.failing.is_empty()).then_some(&*self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_goes_on_failing_is_told_when_it_begins_every_five_minutes_and_when_it_ends() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.works("", s(0)), None);
        let told: Vec<(u64, Fails)> =
            (0..=600).filter_map(|t| trouble.failed("", "refused", s(t)).map(|told| (t, told))).collect();
        let go_on = |failures, seconds| Fails { is_new: false, failures, seconds };
        let begun = Fails { is_new: true, failures: 1, seconds: 0 };
        assert_eq!(told, [(0, begun), (300, go_on(300, 300)), (600, go_on(300, 600))]);
        assert_eq!(trouble.error(), Some("refused"));
        assert_eq!(trouble.failed("", "timeout", s(601)), None);
        assert_eq!(trouble.failed("", "timeout", s(660)), Some(go_on(2, 660)));
        assert_eq!(trouble.works("", s(661)), Some(WorksAgain { failures: 603, seconds: 661 }));
        assert_eq!(trouble.error(), None);
        assert_eq!(trouble.works("", s(662)), None);
    }

    #[test]
    fn what_comes_and_goes_does_not_fill_the_log() {
        let (mut trouble, mut lines) = (Trouble::default(), 0);
        for t in 0..600 {
            lines += u32::from(trouble.failed("", "refused", s(t)).is_some());
            lines += u32::from(trouble.works("", s(t)).is_some());
        }
        assert_eq!(lines, 20, "a pair a minute");
    }

    #[test]
    fn it_works_again_when_all_of_its_parts_do() {
        let mut trouble = Trouble::default();
        assert!(trouble.failed("pods", "forbidden", s(0)).is_some());
        assert_eq!(trouble.failed("nodes", "forbidden", s(1)), None);
        assert_eq!(trouble.works("pods", s(2)), None);
        assert_eq!(trouble.error(), Some("forbidden"));
        assert_eq!(trouble.works("nodes", s(3)), Some(WorksAgain { failures: 2, seconds: 3 }));
        trouble.failed("pods", "forbidden", s(100));
        assert!(trouble.all_work(s(101)).is_some() && trouble.all_work(s(102)).is_none());
    }
}
