//! Plays one test: its rules in the engine, in virtual time; then its assertions.

use std::sync::Arc;

use crate::alerting::rule::RuleSpec;
use crate::alerting::timeline::{MOST_TICKS, Terms, TimelineWorld};
use crate::clock::VirtualClock;
use crate::engine::{Outgoing, Setup};
use crate::promql::{CompileOptions, EvalEnv, Features};

use super::alerts::Looked;
use super::case::{AlertTest, ExpectedSample, ExprTest, TestFile, TestGroup};
use super::compare;
use super::coverage::{self, Coverage, Played, Seen};
use super::groups::LoadedGroups;
use super::input::Input;
use super::outcome::{Failure, FailureKind};
use super::routing::Routing;
use super::timeline::play;
use super::told;
use super::witness::{Broken, MOST_NOTIFICATIONS, Mailbox, Witness};

/// The most samples a query of a test may hold, as in promtool.
const MAX_SAMPLES: usize = 10_000;

/// What one test gave.
pub struct TestResult {
    /// Assertions that held.
    pub passed: usize,
    /// What did not.
    pub failures: Vec<Failure>,
    /// What it reached, where that was asked for.
    pub coverage: Coverage,
}

/// How one test is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Switches of the language.
    pub features: Features,
    /// Whether to look what it reaches.
    pub covers: bool,
}

/// Runs one test of a file.
pub fn run_test(file: &TestFile, test: &TestGroup, groups: &LoadedGroups, how: How) -> TestResult {
    let How { features, covers } = how;
    let interval = file.evaluation_interval.max(1);
    let ticks = usize::try_from(test.last_eval_time() / interval).unwrap_or(0) + 1;
    let last = test.start + interval * (ticks as i64 - 1);
    let world = world(test, groups, features, interval, last);
    let clock = VirtualClock::at(test.start);
    let routing = groups.routing.as_ref().filter(|_| !test.notification_tests.is_empty());
    let seen = covers.then(Seen::default);
    let messages = routing.map(|r| r.messages(&test.external_url, seen.as_ref().map(|s| s.entered.clone())));
    let mut witness = Witness::new(test, interval, Mailbox::new(clock.clone(), test, messages));
    witness.coverage = seen;
    let setup = setup(test, groups, routing);
    let played = play(test, interval, &setup, &world, &clock, test.start + test.last_eval_time(), &mut witness);
    world.come_to(last);
    let mut reached = Coverage::default();
    if let Some(seen) = witness.coverage.take() {
        let played = Played { world: &world, start: test.start, step: interval, ticks, features };
        coverage::note_test(&mut reached, groups, &seen, &played, routing.is_some());
    }
    let mut run = Run { file, test, groups, world: &world, interval, witness, failures: Vec::new() };
    if let Err(e) = played {
        let error = e.to_string();
        let kind = FailureKind::Rule { rule: String::new(), time: 0, error, times: 1 };
        run.failures.push(run.failure(test.position, kind));
    }
    run.report_broken();
    run.report_templates();
    TestResult { coverage: reached, ..run.check() }
}

/// What the engine works on. Without notifications to look at nothing is routed.
fn setup(test: &TestGroup, groups: &LoadedGroups, routing: Option<&Arc<Routing>>) -> Setup {
    let groups = groups.groups.clone();
    let Some(routing) = routing else { return Setup { groups, ..Setup::default() } };
    Setup {
        groups,
        routing: Some(routing.routes.clone()),
        outgoing: Outgoing { external_labels: test.external_labels.clone(), relabel: None },
        tells_values: routing.tells_values,
        external_url: test.external_url.trim_end_matches('/').into(),
        ..Setup::default()
    }
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
        for test in &self.test.notification_tests {
            if let Some(compared) = told::compare(test, &self.witness.mailbox.told) {
                let (time, receiver) = (test.until(), test.receiver.clone());
                let kind = FailureKind::Notifications { time, receiver, compared };
                self.failures.push(self.failure(test.place.position(), kind));
            }
        }
        let passed = self.test.assertions() - (self.failures.len() - before);
        TestResult { passed, failures: self.failures, coverage: Coverage::default() }
    }

    /// Templates of messages that failed, and what else keeps notifications from being looked at.
    fn report_templates(&mut self) {
        let mailbox = &mut self.witness.mailbox;
        let (problems, beyond) = (std::mem::take(&mut mailbox.problems), mailbox.beyond);
        for problem in problems {
            self.failures.push(self.failure(self.test.position, FailureKind::Template(problem)));
        }
        if beyond > 0 {
            let kind = FailureKind::TooMany { most: MOST_NOTIFICATIONS, beyond };
            self.failures.push(self.failure(self.test.position, kind));
        }
    }

    fn report_broken(&mut self) {
        // One that is expected to fail does no harm.
        let expected =
            |name: &str| self.test.alert_tests.iter().any(|t| t.alertname == name && t.remarks.error.is_some());
        let mut broken = std::mem::take(&mut self.witness.broken);
        broken.retain(|_, b| !expected(&b.rule));
        for Broken { rule, tick, error, times } in broken.into_values() {
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
        let key = (tick, test.alertname.clone());
        let alerts = self.witness.seen.get(&key).map(Vec::as_slice).unwrap_or_default();
        let rules: Vec<&Arc<RuleSpec>> = self.groups.rules().collect();
        let (at, start) = (self.time_of(tick), self.test.start);
        let kind = Looked { test, alerts, at, start, rules: &rules }.check();
        let kind = kind.or_else(|| self.check_remarks(test, &key, &rules));
        Some(self.failure(test.position, kind?))
    }

    /// What a rule remarks at the tick of an alert test.
    fn check_remarks(&self, test: &AlertTest, key: &(usize, String), rules: &[&Arc<RuleSpec>]) -> Option<FailureKind> {
        let rule = rules.iter().find(|r| *r.name == *test.alertname).filter(|_| !test.remarks.is_empty())?;
        let result = match self.witness.errors.get(key) {
            Some(error) => Err(error.to_string()),
            None => self.world.evaluate(&rule.expr, self.time_of(key.0)),
        };
        let differences = test.remarks.differences(&result);
        let (subject, time, query) = (format!("alert {}", test.alertname), test.eval_time, rule.expr.to_string());
        (!differences.is_empty()).then_some(FailureKind::Remarks { subject, time, query, differences })
    }

    fn check_expr(&self, test: &ExprTest) -> Option<Failure> {
        let result = self.world.evaluate(&test.expr, self.test.start + test.eval_time);
        if !test.remarks.is_empty() {
            let differences = test.remarks.differences(&result);
            if !differences.is_empty() {
                let (subject, time, query) = (test.expr.clone(), test.eval_time, test.expr.clone());
                let kind = FailureKind::Remarks { subject, time, query, differences };
                return Some(self.failure(test.position, kind));
            }
        }
        if !test.is_listed {
            return None;
        }
        let elements = match result {
            Ok(result) => result.elements,
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
