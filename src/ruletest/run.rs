//! Runs one test: production evaluation of its rules over virtual time, then its assertions.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::group::{Evaluation, GroupState};
use crate::alerting::rule::{GroupSpec, RuleKind, RuleSpec};
use crate::alerting::{Alert, AlertState};
use crate::model::duration;
use crate::promql::Features;
use crate::template::prometheus::TemplateCache;

use super::case::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, TestFile, TestGroup};
use super::compare;
use super::order::{self, Segment};
use super::outcome::{Failure, FailureKind};
use super::storage::SuiteStorage;
use super::world::SuiteWorld;

/// Ticks that are evaluated as one range query: bounds the memory a test takes.
const STRETCH: usize = 2_048;

/// A group of one rule, and the rule.
pub type LoneRule = (Arc<GroupSpec>, Arc<RuleSpec>);

/// The groups of a test file's rules, in evaluation order.
#[derive(Clone, Default)]
pub struct LoadedGroups {
    /// Their templates, parsed once for all tests.
    pub templates: Arc<TemplateCache>,
    /// Every rule as a group of its own that keeps its group's settings, in evaluation order.
    pub rules: Vec<LoneRule>,
}

/// What one test gave.
pub struct TestResult {
    /// Assertions that held.
    pub passed: usize,
    /// What did not.
    pub failures: Vec<Failure>,
}

/// Runs one test of a file.
pub fn run_test(file: &TestFile, test: &TestGroup, groups: &LoadedGroups, features: Features) -> TestResult {
    Run::new(file, test, groups, features).finish()
}

struct Run<'a> {
    file: &'a TestFile,
    test: &'a TestGroup,
    groups: &'a LoadedGroups,
    world: SuiteWorld,
    interval: i64,
    ticks: usize,
    /// Ticks that assertions look at.
    looked_at: Vec<usize>,
    /// Active alerts at those ticks, by tick and alert name.
    seen: FxHashMap<(usize, String), Vec<Alert>>,
    failures: Vec<Failure>,
}

impl<'a> Run<'a> {
    fn new(file: &'a TestFile, test: &'a TestGroup, groups: &'a LoadedGroups, features: Features) -> Self {
        let interval = file.evaluation_interval.max(1);
        let storage =
            SuiteStorage::new(&test.input_series, test.start, test.interval, test.start + test.last_eval_time());
        let mut world = SuiteWorld::new(storage, interval, features, groups.templates.clone());
        world.external_labels = test.external_labels.clone();
        world.external_url.clone_from(&test.external_url);
        let tick_of = |t: &AlertTest| usize::try_from(t.eval_time / interval).unwrap_or(0);
        let mut looked_at: Vec<usize> = test.alert_tests.iter().map(tick_of).collect();
        looked_at.sort_unstable();
        looked_at.dedup();
        let ticks = usize::try_from(test.last_eval_time() / interval).unwrap_or(0) + 1;
        Run { file, test, groups, world, interval, ticks, looked_at, seen: FxHashMap::default(), failures: Vec::new() }
    }

    fn time_of(&self, tick: usize) -> i64 {
        self.test.start + self.interval * tick as i64
    }

    fn finish(mut self) -> TestResult {
        let rules: Vec<_> = self.groups.rules.iter().map(|(_, r)| &**r).collect();
        for segment in order::segments(&rules) {
            self.segment(&segment);
        }
        self.world.storage.set_horizon(self.time_of(self.ticks.saturating_sub(1)));
        let before = self.failures.len();
        for test in &self.test.alert_tests {
            let failure = self.check_alerts(test);
            self.failures.extend(failure);
        }
        for test in &self.test.expr_tests {
            let failure = self.check_expr(test);
            self.failures.extend(failure);
        }
        let assertions = self.test.alert_tests.len() + self.test.expr_tests.len();
        TestResult { passed: assertions - (self.failures.len() - before), failures: self.failures }
    }

    /// Takes the rules of a segment through all ticks.
    fn segment(&mut self, segment: &Segment) {
        let Some(rules) = self.groups.rules.get(segment.rules.clone()) else { return };
        let mut states: Vec<Arc<GroupState>> = rules.iter().map(|_| Arc::new(GroupState::new(1))).collect();
        let mut broken: FxHashMap<usize, (usize, usize, String)> = FxHashMap::default();
        let mut first = 0;
        while first < self.ticks {
            let stretch = first..self.ticks.min(first + STRETCH);
            let busy = self.prepare(segment, rules, &stretch, &states);
            for tick in stretch.clone() {
                if rules.len() > 1 || !segment.whole.iter().all(|w| *w) {
                    self.world.storage.set_horizon(self.time_of(tick));
                }
                for (i, (rule, state)) in rules.iter().zip(&mut states).enumerate() {
                    if busy.get(i).is_some_and(|b| *b) {
                        self.evaluate(i, rule, state, tick, &mut broken);
                    }
                }
            }
            first = stretch.end;
            self.world.storage.set_horizon(i64::MAX);
        }
        for (_, rule) in rules {
            self.world.forget(rule);
        }
        self.report_broken(rules, broken);
    }

    /// Evaluates what can be over a whole stretch. Gives which rules have anything to do in it: one that has no result
    /// and no alert or series to end may be left alone.
    fn prepare(
        &self,
        segment: &Segment,
        rules: &[LoneRule],
        stretch: &Range<usize>,
        states: &[Arc<GroupState>],
    ) -> Vec<bool> {
        self.world.storage.set_horizon(i64::MAX);
        let one = |((spec, rule), (whole, state)): (&LoneRule, (&bool, &Arc<GroupState>))| {
            if !*whole {
                return true;
            }
            let start = self.time_of(stretch.start) - spec.query_offset;
            let busy = self.world.prepare(rule, start, self.interval, stretch.len());
            busy || state.rules.iter().any(|r| !r.alerts.is_empty() || !r.written.is_empty())
        };
        rules.iter().zip(segment.whole.iter().zip(states)).map(one).collect()
    }

    fn evaluate(
        &mut self,
        i: usize,
        (spec, rule): &LoneRule,
        state: &mut Arc<GroupState>,
        tick: usize,
        broken: &mut FxHashMap<usize, (usize, usize, String)>,
    ) {
        let at = self.time_of(tick);
        let evaluation = Evaluation { slot: 0, spec: spec.clone(), state: state.clone(), at };
        let evaluated = evaluation.run(&self.world);
        *state = Arc::new(evaluated.state);
        let Some(after) = state.rules.first() else { return };
        if let Some(error) = &after.last_error {
            broken.entry(i).or_insert_with(|| (tick, 0, error.to_string())).1 += 1;
        }
        let is_alert = matches!(rule.kind, RuleKind::Alerting { .. });
        if is_alert && !after.alerts.is_empty() && self.looked_at.binary_search(&tick).is_ok() {
            let active = after.alerts.values().filter(|a| a.is_active()).cloned();
            self.seen.entry((tick, rule.name.to_string())).or_default().extend(active);
        }
    }

    fn report_broken(&mut self, rules: &[LoneRule], broken: FxHashMap<usize, (usize, usize, String)>) {
        let mut broken: Vec<_> = broken.into_iter().collect();
        broken.sort_by_key(|(i, _)| *i);
        for (i, (tick, times, error)) in broken {
            let rule = rules.get(i).map(|(_, r)| r.name.to_string()).unwrap_or_default();
            let kind = FailureKind::Rule { rule, time: self.interval * tick as i64, error, times };
            self.failures.push(self.failure(self.test.position, kind));
        }
    }

    fn failure(&self, position: crate::model::Position, kind: FailureKind) -> Failure {
        Failure { test: self.test.name.clone(), position, kind }
    }

    fn check_alerts(&self, test: &AlertTest) -> Option<Failure> {
        let tick = usize::try_from(test.eval_time / self.interval).unwrap_or(0);
        let none = Vec::new();
        let active = self.seen.get(&(tick, test.alertname.clone())).unwrap_or(&none);
        let firing = active.iter().filter(|a| a.state == AlertState::Firing);
        let mut got: Vec<ExpectedAlert> =
            firing.map(|a| ExpectedAlert { labels: a.labels.clone(), annotations: a.annotations.clone() }).collect();
        got.sort();
        let mut expected = test.expected.clone();
        expected.sort();
        if got == expected {
            return None;
        }
        let kind = FailureKind::Alerts {
            alertname: test.alertname.clone(),
            time: test.eval_time,
            query: self.query_of(&test.alertname),
            near: self.near_alerts(test, active),
            expected,
            got,
        };
        Some(self.failure(test.position, kind))
    }

    fn query_of(&self, alertname: &str) -> Option<String> {
        let is = |r: &&LoneRule| *r.1.name == *alertname && matches!(r.1.kind, RuleKind::Alerting { .. });
        self.groups.rules.iter().find(is).map(|(_, r)| r.expr.to_string())
    }

    /// Why an expected alert may not fire: it is pending, or no rule of its name exists.
    fn near_alerts(&self, test: &AlertTest, active: &[Alert]) -> Vec<String> {
        let at = self.time_of(usize::try_from(test.eval_time / self.interval).unwrap_or(0));
        let hold = self.groups.rules.iter().find_map(|(_, r)| match &r.kind {
            RuleKind::Alerting { hold, .. } if *r.name == *test.alertname => Some(*hold),
            _ => None,
        });
        let Some(hold) = hold else { return vec![compare::unknown_alert(&test.alertname, self.alert_names())] };
        let pending = active.iter().filter(|a| a.state == AlertState::Pending);
        let mut out: Vec<String> = pending
            .map(|a| {
                let since = duration::format(at - a.active_at);
                format!("{} is pending for {since} of {}", a.labels, duration::format(hold))
            })
            .collect();
        out.sort();
        out.truncate(5);
        out
    }

    fn alert_names(&self) -> Vec<&str> {
        let alerts = self.groups.rules.iter().filter(|(_, r)| matches!(r.kind, RuleKind::Alerting { .. }));
        alerts.map(|(_, r)| &*r.name).collect()
    }

    fn check_expr(&self, test: &ExprTest) -> Option<Failure> {
        let result = self.world.instant(&test.expr, self.test.start + test.eval_time);
        let elements = match result {
            Ok(elements) => elements,
            Err(error) => {
                let kind = FailureKind::Expression { expr: test.expr.clone(), time: test.eval_time, error };
                return Some(self.failure(test.position, kind));
            }
        };
        let mut got: Vec<ExpectedSample> =
            elements.into_iter().map(|e| ExpectedSample { labels: e.labels, value: e.value }).collect();
        got.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut expected = test.expected.clone();
        expected.sort_by(|a, b| a.labels.cmp(&b.labels));
        if compare::samples_equal(&expected, &got, self.file.fuzzy_compare) {
            return None;
        }
        let near = compare::near_samples(&expected, &got, &self.world.storage.names(), &test.expr);
        let kind = FailureKind::Samples { expr: test.expr.clone(), time: test.eval_time, expected, got, near };
        Some(self.failure(test.position, kind))
    }
}
