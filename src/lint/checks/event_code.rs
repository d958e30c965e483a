//! Codes of events used as if they were amounts.

use crate::lint::check::{Check, Severity};
use crate::lint::kinds::{self, MetricKind};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{AggregateOp, BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/event-code",
        severity: Severity::Warning,
        pint: &[],
        what: "The code of an event is added, averaged, subtracted or compared by size.",
        why: "A metric such as DCGM's XID gauge holds the number of the last error, not how many there were: 79 is not more \
              than 31. It keeps its value until the next error, so that the same error twice is invisible.",
        fix: "Compare codes with `==` and `!=`; count changes with `changes`; use the exporter's count of events where it \
              has one (`DCGM_EXP_XID_ERRORS_COUNT`).",
        bad: "- alert: GPUXIDErrors\n  expr: sum by (Hostname) (DCGM_FI_DEV_XID_ERRORS) > 0",
        good: "- alert: GPUXIDErrors\n  expr: count by (Hostname) (DCGM_FI_DEV_XID_ERRORS != 0) > 0",
    },
    look: Look::Rule(look),
};

fn is_code(expr: &Expr) -> Option<&str> {
    let metric = tree::selector(expr).and_then(tree::metric)?;
    (kinds::of_name(metric) == Some(MetricKind::Code)).then_some(metric)
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| match &part.kind {
        ExprKind::Aggregate(a) => {
            let adds =
                matches!(a.op, AggregateOp::Sum | AggregateOp::Avg | AggregateOp::Stddev | AggregateOp::Quantile);
            if let Some(metric) = is_code(&a.expr).filter(|_| adds) {
                found.add(site.at(part), format!("{} of {metric}, which holds codes of events", a.op.as_str()));
            }
        }
        ExprKind::Call(call) => {
            let function = call.func.name;
            let reckons =
                ["avg_over_time", "sum_over_time", "delta", "idelta", "deriv", "predict_linear", "stddev_over_time"];
            if let Some(metric) = call.args.first().and_then(is_code).filter(|_| reckons.contains(&function)) {
                found.add(site.at(part), format!("{function}() of {metric}, which holds codes of events"));
            }
        }
        ExprKind::Binary(b) => {
            let by_size = matches!(b.op, BinaryOp::Gtr | BinaryOp::Gte | BinaryOp::Lss | BinaryOp::Lte);
            let with_zero = [&b.left, &b.right].iter().any(|side| side.as_number() == Some(0.0));
            let reckons = matches!(b.op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div);
            let metric = is_code(&b.left).or_else(|| is_code(&b.right));
            if let Some(metric) = metric.filter(|_| reckons || (by_size && !with_zero)) {
                found.add(site.at(part), format!("`{}` with {metric}, which holds codes of events", b.op.as_str()));
            }
        }
        _ => {}
    });
}
