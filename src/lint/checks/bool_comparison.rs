//! Alerts on the result of `bool`.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::promql::ast::{Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/bool-comparison",
        severity: Severity::Error,
        pint: &["alerts/comparison"],
        what: "The expression of an alert ends in a comparison with `bool`.",
        why: "With `bool` the result is 0 or 1 and always there, and an alert fires for 0 as for 1.",
        fix: "Leave out `bool`.",
        bad: "- alert: A\n  expr: errors > bool 5",
        good: "- alert: A\n  expr: errors > 5",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let result: &Expr = site.expr.bare();
    if let (Some(_), ExprKind::Binary(b)) = (site.alert(), &result.kind)
        && b.op.is_comparison()
        && b.modifiers.bool
    {
        found.add(site.at(result), format!("`{} bool` gives 0 or 1, and the alert fires for both", b.op.as_str()));
    }
}
