//! A unit-test file as it was written: promtool's format, and what Watchbell adds to it.

use std::sync::Arc;

use crate::model::notation::Values;
use crate::model::{Labels, Position, Value};

use super::delivery::{NotificationTest, ReceiverDown, Restart, SilenceMade};
use super::remarks::Remarks;
use super::wanted::{Expected, Match};

/// A test file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Globs of rule files, relative to the test file.
    pub rule_files: Vec<(String, Position)>,
    /// How often all groups are evaluated, milliseconds.
    pub evaluation_interval: i64,
    /// Names of groups that are evaluated first, in this order.
    pub group_eval_order: Vec<(String, Position)>,
    /// Whether expected and actual floats may differ in the last bits.
    pub fuzzy_compare: bool,
    /// Files of the Alertmanager configuration that notifications go by, or globs of them, relative to the test file.
    pub alertmanager_config: Vec<(String, Position)>,
    /// The tests.
    pub tests: Vec<TestGroup>,
}

/// One test: series, and what is expected of rules and expressions over them.
#[derive(Clone, Debug)]
pub struct TestGroup {
    /// Its name, empty when it has none.
    pub name: String,
    /// Where it begins.
    pub position: Position,
    /// Milliseconds between the samples of the input series.
    pub interval: i64,
    /// The time of the first sample, milliseconds since the epoch.
    pub start: i64,
    /// The input series.
    pub input_series: Vec<InputSeries>,
    /// `external_labels`, for templates.
    pub external_labels: Labels,
    /// `external_url`, for templates.
    pub external_url: String,
    /// Expected alerts.
    pub alert_tests: Vec<AlertTest>,
    /// Expected results of expressions.
    pub expr_tests: Vec<ExprTest>,
    /// Silences that are made meanwhile.
    pub silences: Vec<SilenceMade>,
    /// When receivers cannot be told.
    pub receiver_down: Vec<ReceiverDown>,
    /// Restarts of the process, in the order of time.
    pub restarts: Vec<Restart>,
    /// Expected notifications.
    pub notification_tests: Vec<NotificationTest>,
}

/// One input series.
#[derive(Clone, Debug)]
pub struct InputSeries {
    /// Labels, metric name included.
    pub labels: Labels,
    /// Its samples, one slot an interval.
    pub values: Values,
}

/// The alerts of one name that are expected at one time: those that fire, unless the test says otherwise.
#[derive(Clone, Debug)]
pub struct AlertTest {
    /// Where it stands.
    pub position: Position,
    /// Milliseconds after the test's start.
    pub eval_time: i64,
    /// The alert's name.
    pub alertname: String,
    /// Which alerts are looked at.
    pub state: TestedState,
    /// How labels and annotations are compared.
    pub how: Match,
    /// What is expected.
    pub expected: Vec<ExpectedAlert>,
    /// Whether these are all: not where the test only says what is absent, or what the rule remarks.
    pub is_listed: bool,
    /// Labels that no alert has.
    pub absent: Option<Vec<Expected>>,
    /// What the rule is expected to remark.
    pub remarks: Remarks,
}

/// Which alerts a test looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestedState {
    /// Those that wait for their `for` to be over.
    Pending,
    /// Those that fire.
    #[default]
    Firing,
    /// Those that fired until lately: up to 15 minutes ago.
    Resolved,
}

/// One expected alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// Labels, `alertname` included.
    pub labels: Labels,
    /// Rendered annotations.
    pub annotations: Labels,
    /// Since when it is in its state, milliseconds after the test's start; any time when nothing is said.
    pub since: Option<i64>,
}

/// What an expression is expected to evaluate to.
#[derive(Clone, Debug)]
pub struct ExprTest {
    /// Where it stands.
    pub position: Position,
    /// The expression.
    pub expr: String,
    /// Milliseconds after the test's start.
    pub eval_time: i64,
    /// The expected samples.
    pub expected: Vec<ExpectedSample>,
    /// Whether they are looked at: not where the test only says what the query remarks.
    pub is_listed: bool,
    /// What it is expected to remark.
    pub remarks: Remarks,
}

/// One expected sample.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedSample {
    /// Labels, metric name included.
    pub labels: Labels,
    /// Value.
    pub value: Value,
}

impl TestGroup {
    /// The last time anything is expected at, milliseconds after the start.
    pub fn last_eval_time(&self) -> i64 {
        let alerts = self.alert_tests.iter().map(|t| t.eval_time);
        let exprs = self.expr_tests.iter().map(|t| t.eval_time);
        let notifications = self.notification_tests.iter().map(NotificationTest::until);
        alerts.chain(exprs).chain(notifications).max().unwrap_or(0)
    }

    /// How many things are expected.
    pub fn assertions(&self) -> usize {
        self.alert_tests.len() + self.expr_tests.len() + self.notification_tests.len()
    }
}
