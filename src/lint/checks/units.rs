//! Values of one unit, compared with or added to those of another.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::lint::units::{self, Unit};
use crate::promql::ast::{BinaryOp, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/units",
        severity: Severity::Warning,
        pint: &[],
        what: "Values of different units are added or compared, or a ratio is compared with what only a percentage can be.",
        why: "Seconds are not milliseconds: the alert fires a thousand times too soon, or never.",
        fix: "Bring both sides to one unit: `x_milliseconds / 1000 > y_seconds`, `a / b > 0.9`, `100 * a / b > 90`.",
        bad: "- alert: Slow\n  expr: request_duration_milliseconds > request_timeout_seconds",
        good: "- alert: Slow\n  expr: request_duration_milliseconds / 1000 > request_timeout_seconds",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        let joins = b.op.is_comparison() || matches!(b.op, BinaryOp::Add | BinaryOp::Sub);
        if let (true, Some(left), Some(right)) = (joins, units::of(&b.left), units::of(&b.right))
            && left != right
        {
            let message = format!("{} `{}` {}", left.as_str(), b.op.as_str(), right.as_str());
            found.add(site.at(part), message);
        }
        let Some(asked) = tree::threshold(part) else { return };
        let above = matches!(asked.op, BinaryOp::Gtr | BinaryOp::Gte);
        if above && units::of(asked.vector) == Some(Unit::Ratio) && asked.number >= 50.0 && asked.number <= 100.0 {
            let message = format!("{} is a ratio, and is compared with {}", site.text(asked.vector), asked.number);
            found.add(site.at(part), message);
        }
    });
}
