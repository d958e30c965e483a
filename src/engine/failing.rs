//! Rules that fail, told in the log: once when it begins, again when the reason changes, once when it has ended; and all
//! that go on failing in one line every few minutes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::append::Refused;
use crate::alerting::{GroupSpec, GroupState, Health};

/// Between two lines about one rule, milliseconds: one that comes and goes does not fill the log.
const BETWEEN_NEWS: i64 = 60_000;
/// Between two lines about the rules that go on failing, milliseconds.
const BETWEEN_LINES: i64 = 5 * 60_000;
/// Most rules named in a line.
const MOST_NAMES: usize = 5;

/// One line.
#[derive(Debug, PartialEq, Eq)]
enum HealthChange {
    /// Rules of a group fail for a reason they did not fail for before.
    Fail { rules: Vec<Arc<str>>, reason: Arc<str> },
    /// Storage refuses samples of a group's rules.
    Refused { rules: Vec<Arc<str>>, refused: Refused },
    /// Rules of a group fail no longer.
    Ended { rules: Vec<Arc<str>>, failures: u64 },
    /// So many rules go on failing, and failed so often since the last such line; why one of them does.
    GoOn { rules: usize, failures: u64, reason: Arc<str> },
}

/// What was said of the rules that fail, or did; by group and place in it.
#[derive(Debug, Default)]
pub(super) struct Failing {
    rules: BTreeMap<(u64, usize), Trouble>,
    failures: u64,
    said_at: i64,
}

#[derive(Debug, Default)]
struct Trouble {
    is_failing: bool,
    failures: u64,
    // Why it fails, as it was said; none: nothing was.
    said: Option<Arc<str>>,
    said_at: Option<i64>,
}

impl Trouble {
    fn is_due(&self, now: i64) -> bool {
        self.said_at.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_NEWS)
    }
}

impl Failing {
    /// A group was evaluated.
    pub fn evaluated(&mut self, slot: u64, spec: &GroupSpec, state: &GroupState, now: i64) {
        for change in self.changes(slot, spec, state, now) {
            say(&spec.key.to_label(), &change);
        }
    }

    fn changes(&mut self, slot: u64, spec: &GroupSpec, state: &GroupState, now: i64) -> Vec<HealthChange> {
        let mut fail: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        let (mut dropping, mut refused) = (Vec::new(), Refused::default());
        let (mut ended, mut failures) = (Vec::new(), 0);
        if !self.rules.values().any(|t| t.is_failing) {
            (self.said_at, self.failures) = (now, 0);
        }
        for (index, (rule, state)) in spec.rules.iter().zip(&state.rules).enumerate() {
            let key = (slot, index);
            match &state.last_error {
                Some(reason) if state.health == Health::Bad => {
                    self.failures += 1;
                    let is_told = self.rules.entry(key).or_default().failed(reason, now);
                    if is_told && state.refused != Refused::default() {
                        dropping.push(rule.name.clone());
                        refused.add(state.refused);
                    } else if is_told {
                        fail.entry(reason.clone()).or_default().push(rule.name.clone());
                    }
                }
                _ => {
                    let Some(trouble) = self.rules.get_mut(&key) else { continue };
                    if std::mem::take(&mut trouble.is_failing) && trouble.said.take().is_some() {
                        ended.push(rule.name.clone());
                        failures += trouble.failures;
                    }
                    if trouble.is_due(now) {
                        self.rules.remove(&key);
                    }
                }
            }
        }
        let mut changes: Vec<HealthChange> =
            fail.into_iter().map(|(reason, rules)| HealthChange::Fail { rules, reason }).collect();
        if !dropping.is_empty() {
            changes.push(HealthChange::Refused { rules: dropping, refused });
        }
        if !ended.is_empty() {
            changes.push(HealthChange::Ended { rules: ended, failures });
        }
        changes.extend(self.go_on(now));
        changes
    }

    fn go_on(&mut self, now: i64) -> Option<HealthChange> {
        if now.saturating_sub(self.said_at) < BETWEEN_LINES {
            return None;
        }
        let mut known = self.rules.values().filter(|t| t.is_failing).filter_map(|t| t.said.clone());
        let reason = known.next()?;
        self.said_at = now;
        let rules = self.rules.values().filter(|t| t.is_failing).count();
        Some(HealthChange::GoOn { rules, failures: std::mem::take(&mut self.failures), reason })
    }

    /// Forgets groups that are not there any more.
    pub fn retain(&mut self, is_known: impl Fn(u64) -> bool) {
        self.rules.retain(|(slot, _), _| is_known(*slot));
    }

    /// The clock leapt by `by` milliseconds.
    pub fn leap(&mut self, by: i64) {
        self.said_at = self.said_at.saturating_add(by);
        for trouble in self.rules.values_mut() {
            trouble.said_at = trouble.said_at.map(|at| at.saturating_add(by));
        }
    }
}

impl Trouble {
    /// The rule failed. Whether that is to be told.
    fn failed(&mut self, reason: &Arc<str>, now: i64) -> bool {
        if !std::mem::replace(&mut self.is_failing, true) {
            self.failures = 0;
        }
        self.failures += 1;
        let is_told = self.said.as_ref() != Some(reason) && self.is_due(now);
        if is_told {
            (self.said, self.said_at) = (Some(reason.clone()), Some(now));
        }
        is_told
    }
}

fn say(group: &str, change: &HealthChange) {
    match change {
        HealthChange::Fail { rules, reason } => {
            tracing::warn!(group, rules = rules.len(), rule = names(rules), error = &**reason, "rule evaluation fails");
        }
        HealthChange::Refused { rules, refused } => {
            for (num_dropped, line) in refused.lines() {
                tracing::warn!(group, rules = rules.len(), rule = names(rules), num_dropped, "{line}");
            }
        }
        HealthChange::Ended { rules, failures } => {
            tracing::info!(group, rules = rules.len(), rule = names(rules), failures, "rule evaluation succeeds again");
        }
        HealthChange::GoOn { rules, failures, reason } => {
            tracing::warn!(rules, failures, error = &**reason, "rule evaluations go on failing");
        }
    }
}

fn names(rules: &[Arc<str>]) -> String {
    let listed = rules.iter().take(MOST_NAMES).map(|n| &**n).collect::<Vec<_>>().join(", ");
    match rules.len().saturating_sub(MOST_NAMES) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::{GroupKey, RuleKind, RuleSpec};
    use crate::promql::{CompileOptions, compile};
    use crate::rules::PartialResponse;

    fn group(names: &[&str]) -> GroupSpec {
        let plan = compile("up", &CompileOptions::default()).unwrap();
        let rule = |name: &&str| {
            let (name, expr, plan, kind) = ((*name).into(), "up".into(), plan.clone(), RuleKind::Recording);
            Arc::new(RuleSpec { name, expr, plan, labels: vec![], kind, terms: None })
        };
        let key = GroupKey { file: "f".into(), name: "g".into() };
        let (partial_response, rules) = (PartialResponse::Abort, names.iter().map(rule).collect());
        GroupSpec { key, interval: 15_000, query_offset: 0, eval_offset: None, limit: 0, partial_response, rules }
    }

    /// What is said after an evaluation whose rules failed for these reasons; empty: it succeeded.
    fn told(failing: &mut Failing, at: i64, reasons: &[&str]) -> Vec<HealthChange> {
        let spec = group(&["a", "b"][..reasons.len()]);
        let mut state = GroupState::new(reasons.len());
        for (rule, reason) in state.rules.iter_mut().zip(reasons) {
            rule.health = if reason.is_empty() { Health::Good } else { Health::Bad };
            rule.last_error = Some(*reason).filter(|r| !r.is_empty()).map(Arc::from);
        }
        failing.changes(1, &spec, &state, at)
    }

    fn fail(rules: &[&str], reason: &str) -> HealthChange {
        HealthChange::Fail { rules: rules.iter().map(|r| Arc::from(*r)).collect(), reason: reason.into() }
    }

    #[test]
    fn a_rule_that_fails_is_told_when_it_begins_changes_and_ends() {
        let mut failing = Failing::default();
        assert_eq!(told(&mut failing, 0, &["", ""]), []);
        assert_eq!(told(&mut failing, 15_000, &["refused", "refused"]), [fail(&["a", "b"], "refused")]);
        for at in (30_000..90_000).step_by(15_000) {
            assert_eq!(told(&mut failing, at, &["refused", "refused"]), []);
        }
        assert_eq!(told(&mut failing, 90_000, &["timeout", "refused"]), [fail(&["a"], "timeout")]);
        let ended = HealthChange::Ended { rules: vec!["a".into(), "b".into()], failures: 12 };
        assert_eq!(told(&mut failing, 105_000, &["", ""]), [ended]);
        told(&mut failing, 200_000, &["", ""]);
        assert!(failing.rules.is_empty());
    }

    #[test]
    fn rules_that_go_on_failing_are_told_in_one_line_every_five_minutes() {
        let mut failing = Failing::default();
        let mut lines = Vec::new();
        for at in (0..=1_200_000).step_by(15_000) {
            lines.extend(told(&mut failing, at, &["refused", "refused"]).into_iter().map(|news| (at, news)));
        }
        let go_on = |failures| HealthChange::GoOn { rules: 2, failures, reason: "refused".into() };
        let want = [
            (0, fail(&["a", "b"], "refused")),
            (300_000, go_on(42)),
            (600_000, go_on(40)),
            (900_000, go_on(40)),
            (1_200_000, go_on(40)),
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn a_rule_that_comes_and_goes_or_never_fails_alike_does_not_fill_the_log() {
        let (mut flapping, mut changing) = (Failing::default(), Failing::default());
        let (mut flaps, mut changes) = (0, 0);
        for i in 0..40 {
            flaps += told(&mut flapping, i * 15_000, &[if i % 2 == 0 { "refused" } else { "" }]).len();
            changes += told(&mut changing, i * 15_000, &[&format!("try {i}")]).len();
        }
        // Ten minutes: a pair of lines a minute at most, and one line a minute with two that it goes on.
        assert!(flaps <= 20, "{flaps} lines");
        assert!(changes <= 12, "{changes} lines");
        flapping.retain(|_| false);
        assert!(flapping.rules.is_empty());
    }
}
