//! Ratios of few.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/few-requests",
        severity: Severity::Info,
        pint: &[],
        what: "A page depends on a small share of requests that failed, however few requests there were.",
        why: "At night one failure among twenty requests is 5%, and wakes someone.",
        fix: "Ask for a number of requests too: `... > 0.01 and sum(rate(requests_total[5m])) > 0.1`.",
        bad: "- alert: Errors\n  expr: sum(rate(http_requests_total{status=\"error\"}[5m])) / sum(rate(http_requests_total[5m])) > 0.01\n  labels: {severity: critical}",
        good: "- alert: Errors\n  expr: sum(rate(http_requests_total{status=\"error\"}[5m])) / sum(rate(http_requests_total[5m])) > 0.01 and sum(rate(http_requests_total[5m])) > 0.1\n  labels: {severity: critical}",
    },
    look: Look::Rule(look),
};

/// A larger share is no matter of one request.
const SMALL: f64 = 0.1;

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let pages = site.label("severity").is_some_and(|severity| ["critical", "page", "error"].contains(&severity));
    if site.alert().is_none() || !pages || has_floor(site.expr) {
        return;
    }
    tree::walk(site.expr, &mut |part, _| {
        let Some(asked) = tree::threshold(part) else { return };
        let Some(b) = tree::binary(asked.vector) else { return };
        let is_small = asked.number > 0.0 && asked.number <= SMALL && matches!(asked.op, BinaryOp::Gtr | BinaryOp::Gte);
        if is_small
            && b.op == BinaryOp::Div
            && is_traffic(&b.left)
            && is_traffic(&b.right)
            && of_the_same(&b.left, &b.right)
        {
            found.add(site.at(part), format!("{} of few requests may be one", share(asked.number)));
        }
    });
}

fn share(number: f64) -> String {
    format!("{}%", (number * 10_000.0).round() / 100.0)
}

/// Whether an expression is the rate of a counter, summed or not.
fn is_traffic(expr: &Expr) -> bool {
    tree::any(expr, |part| matches!(&part.kind, ExprKind::Call(call) if matches!(call.func.name, "rate" | "increase")))
}

/// Whether the divisor is all of what the other side is a part of.
fn of_the_same(part: &Expr, whole: &Expr) -> bool {
    let names = |expr| tree::selectors(expr).into_iter().map(|(_, s)| tree::metric(s)).collect::<Vec<_>>();
    let (part, whole) = (names(part), names(whole));
    part.len() == 1 && whole.len() == 1 && part == whole
}

/// Whether some rate is asked to be large enough, somewhere.
fn has_floor(expr: &Expr) -> bool {
    tree::any(expr, |part| {
        tree::threshold(part).is_some_and(|asked| {
            let is_rate = is_traffic(asked.vector) && tree::binary(asked.vector).is_none_or(|b| b.op != BinaryOp::Div);
            is_rate && matches!(asked.op, BinaryOp::Gtr | BinaryOp::Gte)
        })
    })
}
