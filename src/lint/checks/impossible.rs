//! Conditions that nothing meets.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::{matching, tree};
use crate::model::Matcher;
use crate::promql::ast::{AggregateOp, BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/impossible",
        severity: Severity::Error,
        pint: &["promql/impossible"],
        what: "Matchers contradict each other, or a comparison is one that no value meets.",
        why: "The result is always empty: the alert never fires, and nobody is told.",
        fix: "Put right the value or the threshold.",
        bad: "- alert: A\n  expr: count(up == 0) < 0",
        good: "- alert: A\n  expr: count(up == 0) > 0",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    for (part, selector) in tree::selectors(site.expr) {
        let contradiction = selector.matchers.iter().enumerate().find_map(|(i, a)| {
            let mut rest = selector.matchers.iter().skip(i + 1);
            rest.find(|b| b.name == a.name && contradict(a, b)).map(|b| (a, b))
        });
        if let Some((a, b)) = contradiction {
            found.add(site.at(part), format!("no series meets both {a} and {b}"));
        }
    }
    tree::walk(site.expr, &mut |part, _| {
        let Some(asked) = tree::threshold(part) else { return };
        let (low, high) = bounds(asked.vector);
        let never = match asked.op {
            BinaryOp::Gtr => asked.number >= high,
            BinaryOp::Gte => asked.number > high,
            BinaryOp::Lss => asked.number <= low,
            BinaryOp::Lte => asked.number < low,
            BinaryOp::Eql => asked.number < low || asked.number > high,
            _ => false,
        };
        if never {
            let shown = site.text(asked.vector);
            found.add(site.at(part), format!("never true: `{shown}` is {}", range(low, high)));
        }
    });
}

fn contradict(a: &Matcher, b: &Matcher) -> bool {
    matching::exclude(std::slice::from_ref(a), std::slice::from_ref(b))
}

fn range(low: f64, high: f64) -> String {
    match (low, high) {
        (low, high) if low == high => format!("always {low}"),
        (low, f64::INFINITY) => format!("{low} at least"),
        (low, high) => format!("from {low} to {high}"),
    }
}

/// Least and greatest value that an expression can have.
fn bounds(expr: &Expr) -> (f64, f64) {
    const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    match &expr.bare().kind {
        ExprKind::Call(call) => match call.func.name {
            "absent" | "absent_over_time" | "present_over_time" => (1.0, 1.0),
            "changes" | "resets" | "abs" | "stddev_over_time" | "stdvar_over_time" | "rate" | "irate" | "increase" => {
                (0.0, f64::INFINITY)
            }
            "count_over_time" => (1.0, f64::INFINITY),
            "hour" => (0.0, 23.0),
            "minute" => (0.0, 59.0),
            "month" => (1.0, 12.0),
            "day_of_week" => (0.0, 6.0),
            "day_of_month" => (1.0, 31.0),
            _ => ANY,
        },
        ExprKind::Aggregate(a) => match a.op {
            AggregateOp::Count => (1.0, f64::INFINITY),
            AggregateOp::Group => (1.0, 1.0),
            AggregateOp::Max | AggregateOp::Min | AggregateOp::Avg => bounds(&a.expr),
            AggregateOp::Stddev | AggregateOp::Stdvar => (0.0, f64::INFINITY),
            AggregateOp::Sum if bounds(&a.expr).0 >= 0.0 => (0.0, f64::INFINITY),
            _ => ANY,
        },
        ExprKind::Binary(b) if b.op.is_comparison() && b.modifiers.bool => (0.0, 1.0),
        ExprKind::Vector(s) if tree::metric(s) == Some("up") => (0.0, 1.0),
        _ => ANY,
    }
}
