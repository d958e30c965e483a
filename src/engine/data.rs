//! Rules over local data wait after a start until the data can be there. While the process was down nothing was scraped:
//! a rule that looks back no further than that would find nothing, and resolve what is still true.
//!
//! A group whose rules still see what was there before does not wait. The others wait for rounds of scrapes: one for what
//! looks at the newest sample, two for ranges (a rate needs two samples), one more for what other groups record. It
//! ends at a time that was set at the start, whatever has not come by then. An evaluation that falls into the wait is not
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
    /// When the wait ends at the latest.
    pub until: i64,
}

/// How many rounds of scrapes any group waits for at most.
pub const MOST_ROUNDS: u8 = 3;

impl DataAtStart {
    /// How many rounds of scrapes a group has to wait for at `now`.
    pub(super) fn rounds(&self, spec: &GroupSpec, recorded: &Recorded<'_>, now: i64) -> u8 {
        let by_others = |metric: &str| recorded.get(metric).is_some_and(|by| by.is_none_or(|key| *key != spec.key));
        let gap = now.saturating_sub(self.newest);
        let selectors = || spec.rules.iter().flat_map(|rule| rule.plan.selectors());
        let needed = selectors().map(|s| match s.range_ms {
            Some(range) if gap.saturating_add(2 * self.interval) >= range => 2,
            None if gap.saturating_add(self.interval) >= self.lookback => 1,
            _ => 0,
        });
        match needed.max().unwrap_or(0) {
            0 => 0,
            rounds => rounds + u8::from(selectors().any(|s| s.metric.is_some_and(|m| by_others(&m)))),
        }
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
