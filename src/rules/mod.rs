//! Rule files and `PrometheusRule` objects: loading, checks, lint.
//!
//! A file is a plain rule file (`groups:`), a `PrometheusRule` object, several documents of either, or a Kubernetes
//! `List` of objects. All defects of a file are reported, each with line and column; a defect inside an expression or a
//! template is placed where it stands in the file.

mod checks;
mod dialects;
mod lint;
mod load;

use std::sync::Arc;

use crate::model::{Diagnostic, Position};
use crate::promql::{Plan, RequestTerms};

pub use lint::{DuplicateRule, duplicate_rules};
pub use load::{LoadOptions, load_str};

/// Rules that are evaluated together, in order.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// The group's name, unique in its file.
    pub name: Arc<str>,
    /// The file it was read from, as the user named it.
    pub file: Arc<str>,
    /// Where it stands.
    pub position: Position,
    /// Evaluation interval, milliseconds; the global one when missing.
    pub interval: Option<i64>,
    /// How far in the past expressions are evaluated, milliseconds; the global offset when missing.
    pub query_offset: Option<i64>,
    /// Most alerts or series of one rule, 0 for no limit.
    pub limit: usize,
    /// Labels put on everything the rules give, under each rule's own; ascending by name.
    pub labels: Vec<(String, String)>,
    /// Thanos' `partial_response_strategy`; aborts when missing.
    pub partial_response: PartialResponse,
    /// What its queries say to a remote server: Mimir's `source_tenants`, vmalert's `params`, `headers` and `tenant`.
    pub terms: Option<Arc<RequestTerms>>,
    /// vmalert's `eval_offset`: when within the interval it is evaluated, milliseconds.
    pub eval_offset: Option<i64>,
    /// Keys that have no effect here.
    pub notes: Vec<Diagnostic>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What becomes of a rule whose datasource answered from a part of its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialResponse {
    /// It fails: what is not in the answer may be there all the same, so nothing resolves.
    #[default]
    Abort,
    /// It goes on with what there is, and shows a warning.
    Warn,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The alert's name or the recorded metric's.
    pub name: Arc<str>,
    /// Where it stands.
    pub position: Position,
    /// The expression as written.
    pub expr: Arc<str>,
    /// The expression, compiled.
    pub plan: Arc<Plan>,
    /// The rule's own labels, ascending by name; templates in an alerting rule.
    pub labels: Vec<(String, String)>,
    /// What it makes of its result.
    pub kind: RuleKind,
}

/// What a rule makes of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// `alert`
    Alerting {
        /// `for`, milliseconds.
        hold: i64,
        /// `keep_firing_for`, milliseconds.
        keep_firing: i64,
        /// Annotation templates, ascending by name.
        annotations: Vec<(String, String)>,
    },
    /// `record`
    Recording,
}

impl RuleGroup {
    /// A rule's labels as evaluation applies them: the group's under the rule's own, ascending by name.
    pub fn merged_labels(&self, rule: &Rule) -> Vec<(String, String)> {
        let own = |name: &str| rule.labels.iter().any(|(n, _)| n == name);
        let mut merged: Vec<(String, String)> = self.labels.iter().filter(|(n, _)| !own(n)).cloned().collect();
        merged.extend(rule.labels.iter().cloned());
        merged.sort();
        merged
    }
}
