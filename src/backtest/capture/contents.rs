//! What is captured, and what a test file of it says.

use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::model::Labels;
use crate::promql::Features;

use super::super::window::Window;
use super::grid::Slot;

/// What is captured.
pub struct Capture {
    /// The rules, in the order of their files.
    pub groups: Vec<Arc<GroupSpec>>,
    /// Their files as the test is to name them.
    pub rule_files: Vec<String>,
    /// The time whose transitions are expected. Samples are from as long before as the rules look back.
    pub window: Window,
    /// How often the test evaluates, milliseconds.
    pub evaluation_interval: i64,
    /// The time between samples, milliseconds; as it is found to be where nothing is said.
    pub interval: Option<i64>,
    /// Whether values of labels are replaced.
    pub anonymize: bool,
    /// The most series.
    pub max_series: usize,
    /// The most steps of all series together.
    pub max_samples: usize,
    /// Switches of the language.
    pub features: Features,
    /// Where the samples are from, for the file's first line.
    pub source: String,
}

/// A test file.
pub struct Captured {
    /// The file.
    pub text: String,
    /// How many series are in it.
    pub series: usize,
    /// How many transitions are expected.
    pub expectations: usize,
    /// What it leaves out or does otherwise than the incident did, a line each.
    pub notes: Vec<String>,
}

/// A series on the grid.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// What it has at each step.
    pub slots: Vec<Slot>,
}

/// Everything the file says.
pub struct Contents {
    /// Where the samples are from.
    pub source: String,
    /// What is to be said of it.
    pub notes: Vec<String>,
    /// The rule files, relative to it.
    pub rule_files: Vec<String>,
    /// The names of their groups, in the order in which they are evaluated.
    pub groups: Vec<Arc<str>>,
    /// How often rules are evaluated, milliseconds.
    pub evaluation_interval: i64,
    /// The time between samples, milliseconds.
    pub interval: i64,
    /// The real time of the test's beginning, milliseconds.
    pub start: i64,
    /// Whether that matters to the rules.
    pub is_dated: bool,
    /// The real time of its end.
    pub to: i64,
    /// The series, sorted.
    pub series: Vec<Sampled>,
}
