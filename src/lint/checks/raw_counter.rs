//! Counters compared as they are, and given to functions of gauges.

use crate::lint::check::{Check, Severity};
use crate::lint::kinds::{self, MetricKind};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/raw-counter",
        severity: Severity::Warning,
        pint: &["promql/counter"],
        what: "A counter is compared with a threshold as it is, or given to a function of gauges.",
        why: "A counter grows as long as its process lives: above the threshold once, it is above it until a restart. A restart               looks like a fall to `delta` and `deriv`.",
        fix: "Ask how much was added in a time: `increase(x_total[1h]) > 10`, `rate(x_total[5m]) > 1`.",
        bad: "- alert: A\n  expr: errors_total > 100",
        good: "- alert: A\n  expr: increase(errors_total[1h]) > 100",
    },
    look: Look::Rule(look),
};

/// The counter that an expression is as it stands, aggregated or not.
fn counter(expr: &Expr) -> Option<&str> {
    match &expr.bare().kind {
        ExprKind::Aggregate(a) if matches!(a.op.as_str(), "sum" | "max" | "min" | "avg") => counter(&a.expr),
        ExprKind::Vector(s) => {
            tree::metric(s).filter(|m| m.ends_with("_total") && kinds::of_name(m) == Some(MetricKind::Counter))
        }
        _ => None,
    }
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.alert().is_none() {
        return;
    }
    tree::walk(site.expr, &mut |part, _| {
        if let Some(asked) = tree::threshold(part)
            && let Some(metric) = counter(asked.vector)
            && asked.op == BinaryOp::Gtr
            && asked.number > 0.0
        {
            found.add(site.at(part), format!("{metric} is a counter, and is compared as it is"));
        }
        if let ExprKind::Call(call) = &part.kind
            && matches!(call.func.name, "delta" | "idelta" | "deriv" | "predict_linear")
            && let Some(metric) = call.args.first().and_then(tree::selector).and_then(tree::metric)
            && metric.ends_with("_total")
            && kinds::of_name(metric) == Some(MetricKind::Counter)
        {
            found.add(site.at(part), format!("{}() is of gauges, and {metric} is a counter", call.func.name));
        }
    });
}
