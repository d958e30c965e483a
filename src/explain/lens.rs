//! Asking for the parts of an expression, each as a query of its own.

use crate::datasource::Querier;
use crate::history::Number;
use crate::model::Labels;
use crate::promql::ast::Expr;
use crate::promql::{CompileOptions, EvalEnv, QueryValue, compile, pretty};

use super::part::{Outcome, Row};
use super::subject::Subject;

/// What is asked about an expression.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who answers.
    pub querier: &'a dyn Querier,
    /// What surrounds every evaluation; its deadline is that of all together.
    pub env: &'a EvalEnv,
    /// The time, milliseconds.
    pub at: i64,
    /// The alert that is asked for; nothing for all that the expression gives.
    pub subject: Option<&'a Subject>,
    /// Most series that are shown of a part.
    pub most_rows: usize,
}

/// Answers for parts.
pub(super) struct Lens<'a> {
    pub question: Question<'a>,
    pub options: CompileOptions,
    pub source: &'a str,
}

/// What a part gave.
pub(super) enum Answer {
    Scalar(f64),
    Text(String),
    Series(Vec<Row>),
    Failed(String),
    Unknown,
}

impl Answer {
    /// Its series; none for anything else.
    pub fn rows(&self) -> &[Row] {
        match self {
            Answer::Series(rows) => rows,
            _ => &[],
        }
    }
}

impl Lens<'_> {
    /// A part on one line.
    pub fn text(&self, expr: &Expr) -> String {
        pretty::one_line(self.source, expr)
    }

    /// Evaluates a query at a time. Series come ascending by labels.
    pub fn ask(&self, text: &str, at: i64) -> Answer {
        let Question { querier, env, .. } = self.question;
        let plan = match compile(text, &self.options) {
            Ok(plan) => plan,
            Err(e) => return Answer::Failed(e.to_string()),
        };
        match querier.instant(&plan, at, env).map(|evaluated| evaluated.value) {
            Ok(QueryValue::Scalar(v)) => Answer::Scalar(v),
            Ok(QueryValue::String(text)) => Answer::Text(text),
            Ok(QueryValue::Vector(samples)) => {
                let row =
                    |s: crate::promql::VectorSample| Row { labels: s.labels, value: s.value.as_float().map(Number) };
                let mut rows: Vec<Row> = samples.into_iter().map(row).collect();
                rows.sort_by(|a, b| a.labels.cmp(&b.labels));
                Answer::Series(rows)
            }
            Ok(QueryValue::Matrix(_)) => Answer::Unknown,
            Err(e) => Answer::Failed(e.to_string()),
        }
    }

    /// The one number that a query gives; nothing where it gives none.
    pub fn number(&self, text: &str, at: i64) -> Option<f64> {
        match self.ask(text, at) {
            Answer::Scalar(v) => Some(v),
            Answer::Series(rows) => rows.first().and_then(|row| row.value).map(|v| v.0),
            _ => None,
        }
    }

    /// Whether the asked alert can come from a series.
    pub fn is_related(&self, labels: &Labels) -> bool {
        self.question.subject.is_none_or(|subject| subject.is_related(labels))
    }

    /// What is told of an answer, and whether it holds anything of the asked alert. `samples`: values count samples.
    pub fn outcome(&self, answer: &Answer, samples: bool) -> (Outcome, bool) {
        match answer {
            Answer::Scalar(v) => (Outcome::Scalar { value: Number(*v) }, true),
            Answer::Text(text) => (Outcome::Text { value: text.clone() }, true),
            Answer::Failed(error) => (Outcome::Failed { error: error.clone() }, false),
            Answer::Unknown => (Outcome::NotLookedAt, true),
            Answer::Series(all) => {
                let (count, related) = (all.len(), all.iter().filter(|r| self.is_related(&r.labels)).count());
                let related_first = || {
                    let one = |wanted: bool| all.iter().filter(move |r| self.is_related(&r.labels) == wanted);
                    one(true).chain(one(false))
                };
                let rows = related_first().take(self.question.most_rows).cloned().collect();
                let outcome = match samples {
                    true => Outcome::Samples { count, related, rows },
                    false => Outcome::Series { count, related, rows },
                };
                (outcome, related > 0)
            }
        }
    }
}
