//! Quantiles that are none.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{AggregateOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/quantile-range",
        severity: Severity::Error,
        pint: &[],
        what: "A quantile is not between 0 and 1.",
        why: "Above 1 the result is infinite, below 0 negative infinity: the alert fires always, or never.",
        fix: "The 99th percentile is `0.99`.",
        bad: "- alert: A\n  expr: histogram_quantile(99, sum by (le) (rate(x_seconds_bucket[5m]))) > 2",
        good: "- alert: A\n  expr: histogram_quantile(0.99, sum by (le) (rate(x_seconds_bucket[5m]))) > 2",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let quantile: Option<&Expr> = match &part.kind {
            ExprKind::Call(call) if matches!(call.func.name, "histogram_quantile" | "quantile_over_time") => {
                call.args.first()
            }
            ExprKind::Aggregate(a) if a.op == AggregateOp::Quantile => a.param.as_ref(),
            _ => None,
        };
        if let Some((expr, number)) = quantile.and_then(|q| Some((q, q.as_number()?)))
            && !(0.0..=1.0).contains(&number)
        {
            found.add(site.at(expr), format!("a quantile is between 0 and 1, and this is {number}"));
        }
    });
}
