//! How often rules fired in the last 30 days, as the history has it: counted once, and then only what is new.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::history::{History, Kind, MOST_RESULTS, Order, Query, What};

/// How far back is counted, milliseconds.
pub const WINDOW: i64 = 30 * DAY;
const DAY: i64 = 86_400_000;
/// Answers of the history that are looked through for one page; what is left is looked through for the next one.
const MOST_ANSWERS: usize = 8;
/// Most rules that are counted.
const MOST_RULES: usize = 50_000;

/// A rule by its group's label and its name.
type Rule = (Arc<str>, Arc<str>);

/// Counts, for as long as the service runs. Clones share them.
#[derive(Clone, Default)]
pub struct Fired(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    /// The last decision that is counted.
    cursor: u64,
    /// Of each rule, by the days since the epoch.
    rules: FxHashMap<Rule, BTreeMap<i64, u64>>,
    /// The time of the first decision there is, milliseconds.
    since: Option<i64>,
}

/// How often rules fired.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rules: FxHashMap<Rule, u64>,
    /// Since when it is known, milliseconds, where that is less than 30 days.
    pub since: Option<i64>,
    /// Whether all is counted.
    pub is_whole: bool,
}

impl Tally {
    /// How often alerts of a rule began to fire.
    pub fn of(&self, group: &str, rule: &str) -> u64 {
        self.rules.get(&(Arc::from(group), Arc::from(rule))).copied().unwrap_or(0)
    }
}

impl Fired {
    /// Counts what is new in a history. It reads files: not for a thread that must not wait. One at a time: the others
    /// wait, and then have less to do.
    pub fn count(&self, history: &History, now: i64) -> Tally {
        let mut counts = self.0.lock();
        let is_whole = counts.go_on(history, now);
        let oldest = (now - WINDOW).div_euclid(DAY);
        counts.rules.retain(|_, days| {
            *days = days.split_off(&oldest);
            !days.is_empty()
        });
        let sum = |days: &BTreeMap<i64, u64>| days.values().sum();
        let rules = counts.rules.iter().map(|(rule, days)| (rule.clone(), sum(days))).collect();
        Tally { rules, since: counts.since.filter(|since| *since > now - WINDOW), is_whole }
    }
}

impl Counts {
    fn go_on(&mut self, history: &History, now: i64) -> bool {
        let last = history.last();
        if self.since.is_none() {
            let first = history.query(&Query { order: Order::Oldest, limit: 1, ..Query::default() });
            self.since = first.decisions.first().map(|r| r.decision.time.0);
        }
        for _ in 0..MOST_ANSWERS {
            if self.cursor >= last {
                return true;
            }
            let page = history.query(&Query {
                kinds: vec![Kind::Firing],
                from: Some(now - WINDOW),
                order: Order::Oldest,
                cursor: Some(self.cursor),
                limit: MOST_RESULTS,
                ..Query::default()
            });
            for recorded in &page.decisions {
                if let What::Firing { rule: Some(rule), .. } = &recorded.decision.what {
                    let day = recorded.decision.time.0.div_euclid(DAY);
                    self.add((rule.group.clone(), rule.name.clone()), day);
                }
            }
            match page.next {
                Some(next) => self.cursor = next,
                None => {
                    let told = page.decisions.last().map_or(last, |recorded| recorded.seq.max(last));
                    self.cursor = told;
                    return true;
                }
            }
        }
        false
    }

    fn add(&mut self, rule: Rule, day: i64) {
        if self.rules.len() < MOST_RULES || self.rules.contains_key(&rule) {
            *self.rules.entry(rule).or_default().entry(day).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Decision, Limits, RuleName, Time};
    use crate::model::Labels;

    #[test]
    fn what_is_new_is_added_and_what_is_old_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(dir.path(), Limits { retention: 100 * DAY, ..Limits::default() }).unwrap();
        let fires = |at: i64, name: &str| {
            let rule = RuleName { group: "r.yml;g".into(), name: name.into() };
            let what = What::Firing { rule: Some(rule), value: None, active_at: Time(at) };
            history.record(vec![Decision::about(at, Labels::from_pairs([("alertname", name)]), what)]);
        };
        let (fired, start) = (Fired::default(), 1_000 * DAY);
        fires(start, "A");
        fires(start + 20 * DAY, "A");
        fires(start + 20 * DAY, "B");
        let tally = fired.count(&history, start + 20 * DAY);
        assert_eq!((tally.of("r.yml;g", "A"), tally.of("r.yml;g", "B"), tally.of("r.yml;g", "C")), (2, 1, 0));
        assert!(tally.is_whole && tally.since == Some(start));
        fires(start + 40 * DAY, "A");
        let tally = fired.count(&history, start + 40 * DAY);
        assert_eq!((tally.of("r.yml;g", "A"), tally.of("r.yml;g", "B"), tally.since), (2, 1, None));
        assert_eq!(fired.count(&history, start + 40 * DAY).of("r.yml;g", "A"), 2, "nothing is counted twice");
    }
}
