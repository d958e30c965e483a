//! Alerts on series that are chosen anew at each evaluation.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{AggregateOp, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/fragile",
        severity: Severity::Warning,
        pint: &["promql/fragile"],
        what: "An alert is on the series that `topk` or `bottomk` chooses.",
        why: "Which series are chosen changes from one evaluation to the next: an alert that is replaced by another one resolves, \
              and its `for` begins anew, though its series is as bad as before.",
        fix: "Compare all series with a threshold, and let the annotation name the largest: `{{ query \"topk(3, ...)\" }}`. \
              Where the choice is aggregated again, nothing is reported.",
        bad: "- alert: A\n  expr: topk(3, errors) > 10",
        good: "- alert: A\n  expr: errors > 10",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.alert().is_none() {
        return;
    }
    tree::walk(site.expr, &mut |part, above| {
        let ExprKind::Aggregate(aggregate) = &part.kind else { return };
        let inner = above.iter().skip(1).copied().chain([part]);
        let is_alerted_on = above.iter().zip(inner).all(|(outer, inner)| match &outer.kind {
            ExprKind::Aggregate(_) | ExprKind::Subquery(_) => false,
            ExprKind::Call(call) => !matches!(call.func.name, "scalar" | "absent"),
            // What stands on the right only lends its values.
            ExprKind::Binary(b) => b.op.is_set() || !std::ptr::eq(&b.right, inner),
            _ => true,
        });
        if matches!(aggregate.op, AggregateOp::Topk | AggregateOp::Bottomk) && is_alerted_on {
            let op = aggregate.op.as_str();
            found.add(site.at(part), format!("{op}() may choose other series at each evaluation"));
        }
    });
}
