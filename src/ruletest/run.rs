//! Plays one test: its rules in the engine, in virtual time; then its assertions.

use std::sync::Arc;

use crate::alerting::rule::{GroupSpec, RuleKind, RuleSpec};
use crate::alerting::timeline::{MOST_TICKS, Terms, TimelineWorld};
use crate::alerting::{Alert, AlertState};
use crate::clock::VirtualClock;
use crate::engine::{Outgoing, Setup};
use crate::model::duration;
use crate::promql::{CompileOptions, EvalEnv, Features};
use crate::template::prometheus::TemplateCache;

use super::case::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, TestFile, TestGroup};
use super::compare;
use super::input::Input;
use super::outcome::{Failure, FailureKind};
use super::routing::Routing;
use super::timeline::play;
use super::told;
use super::witness::{Broken, MOST_NOTIFICATIONS, Mailbox, Witness};

/// The most samples a query of a test may hold, as in promtool.
const MAX_SAMPLES: usize = 10_000;

/// The groups of a test file's rules, in evaluation order.
#[derive(Clone, Default)]
pub struct LoadedGroups {
    /// Their templates, parsed once for all tests.
    pub templates: Arc<TemplateCache>,
    /// The groups, evaluated as often as the file says.
    pub groups: Vec<Arc<GroupSpec>>,
    /// What notifications go by, where the file says it.
    pub routing: Option<Arc<Routing>>,
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
    let clock = VirtualClock::at(test.start);
    let routing = groups.routing.as_ref().filter(|_| !test.notification_tests.is_empty());
    let messages = routing.map(|r| r.messages(&test.external_url));
    let mut witness = Witness::new(test, interval, Mailbox::new(clock.clone(), test, messages));
    let setup = setup(test, groups, routing);
    let played = play(test, interval, &setup, &world, &clock, test.start + test.last_eval_time(), &mut witness);
    world.come_to(last);
    let mut run = Run { file, test, groups, world: &world, interval, witness, failures: Vec::new() };
    if let Err(e) = played {
        let error = e.to_string();
        let kind = FailureKind::Rule { rule: String::new(), time: 0, error, times: 1 };
        run.failures.push(run.failure(test.position, kind));
    }
    run.report_broken();
    run.report_templates();
    run.check()
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
        TestResult { passed: self.test.assertions() - (self.failures.len() - before), failures: self.failures }
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
