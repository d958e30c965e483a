//! `--alerts.per-alertname-limit`: how many posted alerts of one name are taken in. Those that are known are heard of
//! whatever their number; those that have resolved make room.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::Labels;

/// Most names whose refused alerts are counted apart.
const MOST_NAMES: usize = 1_000;

/// The limit and what it refused, to look at. Clones share it until something is refused.
#[derive(Clone, Debug, Default)]
pub struct NameLimitView {
    /// The limit; 0 for none.
    pub most: usize,
    /// How many alerts were refused.
    pub refused: u64,
    /// How many alerts were refused of each name, for the first thousand names.
    pub by_name: Arc<BTreeMap<String, u64>>,
}

/// The alerts of each name, and how many were refused. Counts nothing while there is no limit.
#[derive(Clone, Debug, Default)]
pub struct NameLimit {
    names: FxHashMap<String, OfOneName>,
    shown: NameLimitView,
}

#[derive(Clone, Debug, Default)]
struct OfOneName {
    alerts: FxHashSet<Labels>,
    // No alert that was counted last resolves before this.
    full_until: i64,
}

impl NameLimit {
    /// At most so many alerts of a name; 0 for any number.
    pub fn new(most: usize) -> Self {
        NameLimit { shown: NameLimitView { most, ..NameLimitView::default() }, ..NameLimit::default() }
    }

    /// The limit and what it refused.
    pub fn shown(&self) -> NameLimitView {
        self.shown.clone()
    }

    /// Whether a posted alert is taken in. `end_of` says when an alert ends, if it is known.
    pub(super) fn admits(&mut self, alert: &Labels, now: i64, end_of: impl Fn(&Labels) -> Option<i64>) -> bool {
        if self.shown.most == 0 {
            return true;
        }
        let name = alert.value("alertname");
        let Some(known) = self.names.get_mut(name) else { return true };
        if known.alerts.len() < self.shown.most || known.alerts.contains(alert) {
            return true;
        }
        if known.full_until <= now {
            known.alerts.retain(|a| end_of(a).unwrap_or(i64::MIN) > now);
            known.full_until = known.alerts.iter().filter_map(&end_of).min().unwrap_or(i64::MAX);
            if known.alerts.len() < self.shown.most {
                return true;
            }
        }
        self.shown.refused += 1;
        let by_name = Arc::make_mut(&mut self.shown.by_name);
        if by_name.len() < MOST_NAMES || by_name.contains_key(name) {
            *by_name.entry(name.to_owned()).or_default() += 1;
        }
        false
    }

    /// An alert was taken in, or heard of again.
    pub(super) fn count(&mut self, alert: &Labels, ends_at: Option<i64>) {
        if self.shown.most == 0 {
            return;
        }
        let known = self.names.entry(alert.value("alertname").to_owned()).or_default();
        known.full_until = known.full_until.min(ends_at.unwrap_or(i64::MAX));
        known.alerts.insert(alert.clone());
    }

    /// An alert is known no more.
    pub(super) fn forget(&mut self, alert: &Labels) {
        let name = alert.value("alertname");
        if let Some(known) = self.names.get_mut(name) {
            known.alerts.remove(alert);
            if known.alerts.is_empty() {
                self.names.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(i: usize) -> Labels {
        Labels::from_pairs([("alertname", "A".to_owned()), ("i", i.to_string())])
    }

    #[test]
    fn new_alerts_are_refused_while_as_many_as_may_be_fire() {
        let mut limit = NameLimit::new(2);
        let ends = |end: i64| move |_: &Labels| Some(end);
        for i in 0..2 {
            assert!(limit.admits(&alert(i), 0, ends(100)));
            limit.count(&alert(i), Some(100));
        }
        assert!(limit.admits(&alert(0), 10, ends(100)), "it is known");
        for _ in 0..2 {
            assert!(!limit.admits(&alert(2), 10, ends(100)));
        }
        let other = Labels::from_pairs([("alertname", "B")]);
        assert!(limit.admits(&other, 10, ends(100)), "another name");
        assert_eq!((limit.shown().refused, limit.shown().by_name["A"]), (2, 2));
        assert!(limit.admits(&alert(2), 100, ends(100)), "those before have resolved");
        limit.count(&alert(2), Some(200));
        limit.forget(&alert(2));
        assert!(limit.names.is_empty(), "nothing is left");
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let mut limit = NameLimit::new(0);
        assert!(limit.admits(&alert(0), 0, |_| None));
        limit.count(&alert(0), None);
        assert!(limit.names.is_empty());
    }
}
