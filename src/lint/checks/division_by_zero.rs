//! Divisions by what is 0 in ordinary times.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{BinaryOp, Expr, ExprKind, Selector};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/division-by-zero",
        severity: Severity::Warning,
        pint: &[],
        what: "An alert divides by a deviation, or by a past value of the same metric, and nothing keeps 0 out.",
        why: "The deviation of a constant is 0, and a value may have been 0 then. What is divided by it is infinite, which is \
              above every threshold; where both are 0 it is NaN, which is above none.",
        fix: "Keep 0 out of the divisor: `x / (y > 0)`, or `... and y > 0` behind the comparison.",
        bad: "- alert: Shift\n  expr: abs(x - x offset 1d) / stddev_over_time(x[7d] offset 1d) > 3",
        good: "- alert: Shift\n  expr: abs(x - x offset 1d) / (stddev_over_time(x[7d] offset 1d) > 0) > 3",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.alert().is_none() {
        return;
    }
    let guards = guards(site);
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        if b.op != BinaryOp::Div || tree::threshold(&b.right).is_some() {
            return;
        }
        let divisor = b.right.bare();
        let why = match (&divisor.kind, past(&b.left, divisor)) {
            (ExprKind::Call(call), _)
                if ["stddev_over_time", "stdvar_over_time", "mad_over_time"].contains(&call.func.name) =>
            {
                "which is 0 while the values do not change"
            }
            (_, true) => "which may have been 0 then",
            _ => return,
        };
        if !guards.contains(&site.spelling(divisor)) {
            found.add(site.at(&b.right), format!("division by {}, {why}", site.text(divisor)));
        }
    });
}

/// Whether the divisor is a past value of what the other side holds too.
fn past(left: &Expr, divisor: &Expr) -> bool {
    let selectors = tree::selectors(divisor);
    let [(_, selector)] = selectors.as_slice() else { return false };
    let metric = tree::metric(selector);
    let same = |other: &Selector| metric.is_some() && tree::metric(other) == metric;
    let is_plain = !tree::any(divisor, |part| match &part.kind {
        ExprKind::Call(call) => tree::is_of_counters(call.func.name),
        ExprKind::Binary(_) => true,
        _ => false,
    });
    // Of a counter it is the amount that is compared, and 0 by 0 is nothing.
    selector.timing.offset.is_some() && is_plain && tree::selectors(left).iter().any(|(_, s)| same(s))
}

/// What is asked to be more than 0, or not 0, somewhere in the expression.
fn guards(site: &Site<'_>) -> Vec<String> {
    let mut guards = Vec::new();
    tree::walk(site.expr, &mut |part, _| {
        if let Some(asked) = tree::threshold(part)
            && matches!(asked.op, BinaryOp::Gtr | BinaryOp::Neq | BinaryOp::Gte)
            && (asked.number > 0.0 || (asked.number == 0.0 && asked.op != BinaryOp::Gte))
        {
            guards.push(site.spelling(asked.vector.bare()));
        }
    });
    guards
}
