//! What planning builds upon.

use super::super::ast::{Expr, ExprKind, Selector, Timing};
use super::super::features::Features;
use super::super::plan::{Node, ReadTiming};
use crate::model::{METRIC_NAME, MatchOp, Matcher};

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) nodes: Vec<Node>,
    pub(super) features: &'a Features,
    /// Below a function that looks at counts and sums of histograms only.
    pub(super) tell_resets: bool,
}

pub(super) fn timing(t: &Timing) -> ReadTiming {
    ReadTiming { offset: t.offset.clone(), at: t.at }
}

/// The expression inside parentheses.
pub(super) fn unwrap_parens(mut e: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &e.kind {
        e = inner;
    }
    e
}

/// Whether a selector names one metric.
pub(super) fn one_name(s: &Selector) -> bool {
    s.matchers.iter().any(|m: &Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal)
}
