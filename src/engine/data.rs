//! Rules over local data wait after a start until the data can be there. While the process was down nothing was scraped:
//! a rule that looks back no further than that would find nothing, and resolve what is still true.
//!
//! A group whose rules still see what was there before does not wait. The others wait for rounds of scrapes: one for what
//! looks at the newest sample, two for ranges (a rate needs two samples), one more for what other groups record. It
//! ends at a time that is set when it begins, whatever has not come by then. An evaluation that falls into the wait is not
//! made, and is not counted as missed; alerts stay as they are, and the time does not count towards `for`.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{GroupKey, GroupSpec, RuleKind};

/// How things stand with local data at a start. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataAtStart {
    /// The newest sample there is.
    pub newest: i64,
    /// How far back the newest sample of a series is looked for.
    pub lookback: i64,
    /// How often scrapes bring data.
    pub interval: i64,
    /// How long is waited at most.
    pub patience: i64,
}

/// A wait for data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    // By the clock of then: tells one wait from another.
    pub since: i64,
    pub until: i64,
    // For how long nothing had been scraped.
    pub gap: i64,
    // Rounds of scrapes that have come since.
    pub rounds: u8,
}

impl Wait {
    /// The clock leapt by `by` milliseconds.
    pub fn leap(&mut self, by: i64) {
        self.until = self.until.saturating_add(by);
    }
}

/// How many rounds of scrapes any group waits for at most.
pub const MOST_ROUNDS: u8 = 3;

/// How many rounds of scrapes a group has to wait for.
pub(super) fn rounds(spec: &GroupSpec, data: &DataAtStart, wait: &Wait, recorded: &Recorded<'_>) -> u8 {
    let by_others = |metric: &str| recorded.get(metric).is_some_and(|by| by.is_none_or(|key| *key != spec.key));
    let gap = wait.gap;
    let selectors = || spec.rules.iter().flat_map(|rule| rule.plan.selectors());
    let needed = selectors().map(|s| match s.range_ms {
        Some(range) if gap.saturating_add(2 * data.interval) >= range => 2,
        None if gap.saturating_add(data.interval) >= data.lookback => 1,
        _ => 0,
    });
    match needed.max().unwrap_or(0) {
        0 => 0,
        rounds => rounds + u8::from(selectors().any(|s| s.metric.is_some_and(|m| by_others(&m)))),
    }
}

/// The metrics that rules record, by the group that does; `None` when several do.
pub(super) type Recorded<'a> = FxHashMap<&'a str, Option<&'a GroupKey>>;

/// What the rules of these groups record.
pub(super) fn recorded(groups: &[Arc<GroupSpec>]) -> Recorded<'_> {
    let mut recorded = Recorded::default();
    for spec in groups {
        for rule in spec.rules.iter().filter(|rule| rule.kind == RuleKind::Recording) {
            let by = recorded.entry(&*rule.name).or_insert(Some(&spec.key));
            *by = by.filter(|key| **key == spec.key);
        }
    }
    recorded
}
