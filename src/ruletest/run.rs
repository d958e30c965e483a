//! Plays one test: its rules in the engine, in virtual time; then its assertions.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::append::Refused;
use crate::alerting::rule::{GroupSpec, RuleKind, RuleSpec};
use crate::alerting::schedule::Schedule;
use crate::alerting::timeline::{MOST_TICKS, Terms, TimelineWorld};
use crate::alerting::{Alert, AlertState, Evaluated};
use crate::clock::VirtualClock;
use crate::engine::drive::{Audience, Replay};
use crate::engine::{self, Setup};
use crate::model::duration;
use crate::notify::{Notification, Outcome};
use crate::promql::{CompileOptions, EvalEnv, Features};
use crate::state::{MemoryStore, StateError};
use crate::template::prometheus::TemplateCache;

use super::case::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, TestFile, TestGroup};
use super::compare;
use super::input::Input;
use super::outcome::{Failure, FailureKind};

/// The most samples a query of a test may hold, as in promtool.
const MAX_SAMPLES: usize = 10_000;

/// The groups of a test file's rules, in evaluation order.
#[derive(Clone, Default)]
pub struct LoadedGroups {
    /// Their templates, parsed once for all tests.
    pub templates: Arc<TemplateCache>,
    /// The groups, evaluated as often as the file says.
    pub groups: Vec<Arc<GroupSpec>>,
}

impl LoadedGroups {
    fn rules(&self) -> impl Iterator<Item = &Arc<RuleSpec>> {
        self.groups.iter().flat_map(|g| &g.rules)
    }
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
    let interval = file.evaluation_interval.max(1);
    let ticks = usize::try_from(test.last_eval_time() / interval).unwrap_or(0) + 1;
    let last = test.start + interval * (ticks as i64 - 1);
    let world = world(test, groups, features, interval, last);
    let mut witness = Witness::new(test, interval);
    let played = play(test, interval, groups, &world, last, &mut witness);
    world.come_to(last);
    let mut run = Run { file, test, groups, world: &world, interval, witness, failures: Vec::new() };
    if let Err(e) = played {
        let error = e.to_string();
        let kind = FailureKind::Rule { rule: String::new(), time: 0, error, times: 1 };
        run.failures.push(run.failure(test.position, kind));
    }
    run.report_broken();
    run.check()
}

fn world(test: &TestGroup, groups: &LoadedGroups, features: Features, interval: i64, last: i64) -> TimelineWorld {
    let input = Input::new(&test.input_series, test.start, test.interval, test.start + test.last_eval_time());
    // The evaluation interval is also the default step of subqueries.
    let mut env = EvalEnv { default_step_ms: interval, ..EvalEnv::default() };
    env.limits.max_samples = MAX_SAMPLES;
    let terms = Terms {
        env,
        options: CompileOptions { features },
        external_labels: test.external_labels.clone(),
        external_url: test.external_url.as_str().into(),
        renderer: groups.templates.clone(),
        until: last,
        ticks_ahead: MOST_TICKS,
        forgets: false,
    };
    TimelineWorld::new(Box::new(input), terms)
}

/// Takes the rules through all ticks.
fn play(
    test: &TestGroup,
    interval: i64,
    groups: &LoadedGroups,
    world: &TimelineWorld,
    last: i64,
    witness: &mut Witness,
) -> Result<(), StateError> {
    let schedule = Schedule::Aligned { start: test.start };
    let usual = engine::Options::default();
    // Tests may last for centuries.
    let housekeeping = usual.housekeeping.max(interval);
    let options = engine::Options { schedule, housekeeping, ..usual };
    let setup = Setup { groups: groups.groups.clone(), ..Setup::default() };
    let clock = VirtualClock::at(test.start);
    let mut replay = Replay::start(options, setup, clock, world, Arc::new(MemoryStore::default()), witness)?;
    replay.play_until(last)
}

/// Sees the evaluations of a test, and keeps what assertions ask for.
struct Witness {
    start: i64,
    interval: i64,
    /// Ticks that assertions look at.
    looked_at: Vec<usize>,
    /// Active alerts at those ticks, by tick and alert name.
    seen: FxHashMap<(usize, String), Vec<Alert>>,
    /// Rules that failed, by group and place in it.
    broken: BTreeMap<(u64, usize), Broken>,
}

/// A rule that failed.
struct Broken {
    rule: Arc<str>,
    /// The first time, and why.
    tick: usize,
    error: Arc<str>,
    times: usize,
}

impl Witness {
    fn new(test: &TestGroup, interval: i64) -> Self {
        let tick_of = |t: &AlertTest| usize::try_from(t.eval_time / interval).unwrap_or(0);
        let mut looked_at: Vec<usize> = test.alert_tests.iter().map(tick_of).collect();
        looked_at.sort_unstable();
        looked_at.dedup();
        Witness { start: test.start, interval, looked_at, seen: FxHashMap::default(), broken: BTreeMap::new() }
    }
}

impl Audience for Witness {
    fn evaluated(&mut self, evaluated: &Evaluated, spec: &GroupSpec) {
        let tick = usize::try_from((evaluated.at - self.start) / self.interval).unwrap_or(0);
        let is_looked_at = self.looked_at.binary_search(&tick).is_ok();
        if !is_looked_at && evaluated.failures == 0 && evaluated.refused == Refused::default() {
            return;
        }
        for (place, (rule, after)) in spec.rules.iter().zip(&evaluated.state.rules).enumerate() {
            if let Some(error) = &after.last_error {
                let first = || Broken { rule: rule.name.clone(), tick, error: error.clone(), times: 0 };
                self.broken.entry((evaluated.slot, place)).or_insert_with(first).times += 1;
            }
            if is_looked_at && !after.alerts.is_empty() {
                let active = after.alerts.values().filter(|a| a.is_active()).cloned();
                self.seen.entry((tick, rule.name.to_string())).or_default().extend(active);
            }
        }
    }

    fn deliver(&mut self, _notification: &Notification) -> Outcome {
        Outcome::Delivered
    }
}

struct Run<'a> {
    file: &'a TestFile,
    test: &'a TestGroup,
    groups: &'a LoadedGroups,
    world: &'a TimelineWorld,
    interval: i64,
    witness: Witness,
    failures: Vec<Failure>,
}

impl Run<'_> {
    fn time_of(&self, tick: usize) -> i64 {
        self.test.start + self.interval * tick as i64
    }

    fn check(mut self) -> TestResult {
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

    fn report_broken(&mut self) {
        for Broken { rule, tick, error, times } in std::mem::take(&mut self.witness.broken).into_values() {
            let (rule, error) = (rule.to_string(), error.to_string());
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
        let active = self.witness.seen.get(&(tick, test.alertname.clone())).unwrap_or(&none);
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
        let is = |r: &&Arc<RuleSpec>| *r.name == *alertname && matches!(r.kind, RuleKind::Alerting { .. });
        self.groups.rules().find(is).map(|r| r.expr.to_string())
    }

    /// Why an expected alert may not fire: it is pending, or no rule of its name exists.
    fn near_alerts(&self, test: &AlertTest, active: &[Alert]) -> Vec<String> {
        let at = self.time_of(usize::try_from(test.eval_time / self.interval).unwrap_or(0));
        let hold = self.groups.rules().find_map(|r| match &r.kind {
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
        let alerts = self.groups.rules().filter(|r| matches!(r.kind, RuleKind::Alerting { .. }));
        alerts.map(|r| &*r.name).collect()
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
        let near = compare::near_samples(&expected, &got, &self.world.metric_names(), &test.expr);
        let kind = FailureKind::Samples { expr: test.expr.clone(), time: test.eval_time, expected, got, near };
        Some(self.failure(test.position, kind))
    }
}
