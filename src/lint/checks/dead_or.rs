//! Sides of `or` that are never decisive, and those that make an alert fire always.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{Binary, BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/dead-or",
        severity: Severity::Warning,
        pint: &["promql/impossible"],
        what: "One side of an `or` is always there and hides the other, or makes an alert fire always.",
        why: "`or` adds those series of its right side whose labels the left side has not. A constant on the left has no labels               and hides what has none; a constant that no comparison follows is a result, and an alert fires for it.",
        fix: "Put the constant on the right, and compare behind it: `(sum(x) or vector(0)) > 5`.",
        bad: "- alert: A\n  expr: sum(errors) > 5 or vector(0)",
        good: "- alert: A\n  expr: (sum(errors) or vector(0)) > 5",
    },
    look: Look::Rule(look),
};

/// Whether a part always gives one element without labels.
fn is_constant(expr: &Expr) -> bool {
    tree::call(expr).is_some_and(|call| call.func.name == "vector")
        || tree::binary(expr).is_some_and(|b| b.op == BinaryOp::Or && (is_constant(&b.left) || is_constant(&b.right)))
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, above| {
        let ExprKind::Binary(b) = &part.kind else { return };
        if b.op != BinaryOp::Or {
            return;
        }
        let hides = is_constant(&b.left) && hides_all(site, b);
        if hides {
            found.add(site.at(&b.right), format!("never decisive: `{}` is always there", site.text(&b.left)));
        }
        let is_result = above.iter().all(|outer| match &outer.kind {
            ExprKind::Paren(_) => true,
            ExprKind::Binary(outer) => outer.op == BinaryOp::Or,
            _ => false,
        });
        let compared =
            |side: &Expr| tree::any(side, |p| matches!(&p.kind, ExprKind::Binary(b) if b.op.is_comparison()));
        if site.alert().is_some() && is_result && is_constant(&b.right) && !hides && compared(&b.left) {
            found.add(site.at(&b.right), format!("`{}` is always there: the alert fires always", site.text(&b.right)));
        }
    });
}

/// Whether all of the right side has labels that the left side has.
fn hides_all(site: &Site<'_>, b: &Binary) -> bool {
    match &b.modifiers.matching {
        Some(on) if !on.without => on.labels.is_empty(),
        _ => site.labels_of(&b.right).is_none(),
    }
}
