//! What became of a test file.

use std::sync::Arc;

use crate::model::{Diagnostic, Position};

use super::case::{ExpectedAlert, ExpectedSample, TestedState};
use super::coverage::Coverage;
use super::told::{Compared, TemplateProblem};
use super::wanted::Difference;

/// One assertion that did not hold, or one thing that went wrong while the test ran.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The test's name, empty when it has none.
    pub test: String,
    /// Where the assertion stands in the test file.
    pub position: Position,
    /// What happened.
    pub kind: FailureKind,
}

/// The kinds of failures.
#[derive(Clone, Debug)]
pub enum FailureKind {
    /// Other alerts fire than expected.
    Alerts {
        /// The alert's name.
        alertname: String,
        /// Milliseconds after the test's start.
        time: i64,
        /// The rule's expression, when there is a rule of that name.
        query: Option<String>,
        /// What should fire, sorted.
        expected: Vec<ExpectedAlert>,
        /// What fires, sorted.
        got: Vec<ExpectedAlert>,
        /// Alerts of the name that do not fire: pending ones, with the time they have been pending; and why.
        near: Vec<String>,
    },
    /// Other alerts are there than expected, where the test says more than promtool's could.
    AlertsDiffer {
        /// The alert's name.
        alertname: String,
        /// Milliseconds after the test's start.
        time: i64,
        /// Which alerts were looked at.
        state: TestedState,
        /// The rule's expression, when there is a rule of that name.
        query: Option<String>,
        /// What was expected beside what is there.
        compared: Vec<Compared>,
        /// As of [`FailureKind::Alerts`].
        near: Vec<String>,
    },
    /// A query says something else than expected: an error, infos, warnings.
    Remarks {
        /// What is looked at: an alert's name, or the expression.
        subject: String,
        /// Milliseconds after the test's start.
        time: i64,
        /// The expression.
        query: String,
        /// In what it differs.
        differences: Vec<Difference>,
    },
    /// An expression evaluates to something else.
    Samples {
        /// The expression.
        expr: String,
        /// Milliseconds after the test's start.
        time: i64,
        /// What was expected, sorted by labels.
        expected: Vec<ExpectedSample>,
        /// What it is, sorted by labels.
        got: Vec<ExpectedSample>,
        /// Series that nearly matched.
        near: Vec<String>,
    },
    /// An expression could not be evaluated.
    Expression {
        /// The expression.
        expr: String,
        /// Milliseconds after the test's start.
        time: i64,
        /// Why.
        error: String,
    },
    /// A rule failed while the test ran.
    Rule {
        /// The rule's name.
        rule: String,
        /// Milliseconds after the test's start, the first time it failed.
        time: i64,
        /// Why.
        error: String,
        /// At how many evaluations it failed.
        times: usize,
    },
    /// Receivers were told something else than expected.
    Notifications {
        /// Up to when, milliseconds after the test's start.
        time: i64,
        /// The one receiver that was looked at.
        receiver: Option<String>,
        /// What was expected beside what was told.
        compared: Vec<Compared>,
    },
    /// A template of a message failed.
    Template(TemplateProblem),
    /// There were more notifications than are looked at.
    TooMany {
        /// The most that are looked at.
        most: usize,
        /// How many more there were.
        beyond: usize,
    },
}

/// The verdict on one test file.
#[derive(Clone, Debug)]
pub struct FileOutcome {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Assertions that held.
    pub passed: usize,
    /// Assertions that did not, and rules that failed.
    pub failures: Vec<Failure>,
    /// What is wrong with the file or with its rules; then nothing was run.
    pub bad_input: Vec<Diagnostic>,
    /// What may be wrong, and did not keep the file from running.
    pub warnings: Vec<Diagnostic>,
    /// Tests that ran: name, assertions, failures. For reports that list them.
    pub tests: Vec<TestOutcome>,
    /// What its tests reached, where that was asked for.
    pub coverage: Coverage,
}

/// The verdict on one test of a file.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// Its name, empty when it has none.
    pub name: String,
    /// Where it begins.
    pub position: Position,
    /// Assertions that held.
    pub passed: usize,
    /// Index range of its failures in [`FileOutcome::failures`].
    pub failures: std::ops::Range<usize>,
}

impl FileOutcome {
    /// The outcome of a file of which nothing has run yet.
    pub fn new(file: Arc<str>) -> Self {
        FileOutcome {
            file,
            passed: 0,
            failures: Vec::new(),
            bad_input: Vec::new(),
            warnings: Vec::new(),
            tests: Vec::new(),
            coverage: Coverage::default(),
        }
    }

    /// Whether everything held.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty() && self.bad_input.is_empty()
    }
}
