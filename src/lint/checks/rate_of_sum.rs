//! Rates of sums.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{AggregateOp, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/rate-of-sum",
        severity: Severity::Error,
        pint: &["promql/rate"],
        what: "A rate is taken of a sum.",
        why: "When one of the counters starts anew the sum falls, which counts as a reset of all: the rate has a spike as high as               all that was ever counted.",
        fix: "Sum the rates: `sum(rate(x_total[5m]))`.",
        bad: "- alert: A\n  expr: rate(sum(errors_total)[5m:]) > 5",
        good: "- alert: A\n  expr: sum(rate(errors_total[5m])) > 5",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Call(call) = &part.kind else { return };
        let Some(arg) = call.args.first().filter(|_| tree::is_of_counters(call.func.name)) else { return };
        let ExprKind::Subquery(subquery) = &arg.bare().kind else { return };
        let ExprKind::Aggregate(a) = &subquery.expr.bare().kind else { return };
        let of_counters = !tree::any(&a.expr, |p| matches!(&p.kind, ExprKind::Call(_) | ExprKind::Binary(_)));
        if matches!(a.op, AggregateOp::Sum | AggregateOp::Avg) && of_counters {
            found.add(site.at(part), format!("{}() of a {}: take the rates first", call.func.name, a.op.as_str()));
        }
    });
}
