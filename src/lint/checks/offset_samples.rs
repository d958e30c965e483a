//! Single samples of now and then, compared.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{BinaryOp, Expr, ExprKind, Selector};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/offset-samples",
        severity: Severity::Info,
        pint: &[],
        what: "An alert takes the difference of one sample of a gauge and one sample of its past.",
        why: "Each of the two may be an outlier, and that of the past moves on with every evaluation: what one sample said \
              yesterday decides today. A series younger than the offset has nothing to compare with.",
        fix: "Average both sides over a while: `avg_over_time(x[1h]) / avg_over_time(x[1h] offset 1d)`.",
        bad: "- alert: Drift\n  expr: (model_accuracy - model_accuracy offset 1d) < -0.05",
        good: "- alert: Drift\n  expr: avg_over_time(model_accuracy[1h]) - avg_over_time(model_accuracy[1h] offset 1d) < -0.05",
    },
    look: Look::Rule(look),
};

fn sample(expr: &Expr) -> Option<&Selector> {
    match &expr.bare().kind {
        ExprKind::Vector(selector) => Some(selector),
        _ => None,
    }
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.alert().is_none() {
        return;
    }
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        let (Some(left), Some(right)) = (sample(&b.left), sample(&b.right)) else { return };
        let same = tree::metric(left).is_some() && left.matchers == right.matchers;
        let past = left.timing.offset.is_some() != right.timing.offset.is_some();
        let is_recorded = tree::metric(left).is_some_and(|metric| metric.contains(':'));
        let is_counter = tree::metric(left).is_some_and(|m| m.ends_with("_total") || m.ends_with("_count"));
        if b.op == BinaryOp::Sub && same && past && !is_recorded && !is_counter {
            found.add(site.at(part), format!("single samples are compared: {}", site.text(part)));
        }
    });
}
