//! Alerts that fire while anything is there.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::MatchOp;
use crate::promql::ast::{BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/no-comparison",
        severity: Severity::Warning,
        pint: &["alerts/comparison"],
        what: "The expression of an alert has no comparison.",
        why: "An alert fires for every series of its result, whatever its value: it fires while the metric exists.",
        fix: "Compare with a threshold, or use `== 1` for a metric that is 0 or 1.",
        bad: "- alert: Slow\n  expr: sum by (job) (rate(errors_total[5m]))",
        good: "- alert: Slow\n  expr: sum by (job) (rate(errors_total[5m])) > 1",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    // `vector(1)` is meant to fire always, and what a rule records may have been compared there.
    let is_constant = tree::selectors(site.expr).is_empty();
    let recorded = |metric: &str| metric.contains(':') || matches!(metric, "ALERTS" | "ALERTS_FOR_STATE");
    let is_decided = tree::selectors(site.expr).iter().all(|(_, s)| tree::metric(s).is_none_or(recorded));
    // `sensor_info{health!~"OK|N/A"}` is a comparison by label.
    let by_label = tree::selectors(site.expr).iter().any(|(_, s)| s.matchers.iter().any(|m| m.op != MatchOp::Equal));
    if site.alert().is_some() && !is_constant && !is_decided && !by_label && !is_conditional(site.expr) {
        found.add(site.at(site.expr), "no comparison: it fires while the series exist, whatever their values");
    }
}

/// Whether the result depends on values, or on what is missing.
fn is_conditional(expr: &Expr) -> bool {
    tree::any(expr, |part| match &part.kind {
        ExprKind::Binary(b) => b.op.is_comparison() || matches!(b.op, BinaryOp::Unless | BinaryOp::And),
        ExprKind::Call(call) => matches!(call.func.name, "absent" | "absent_over_time"),
        _ => false,
    })
}
