//! Joins in which nothing meets.

use crate::lint::check::{Check, Severity};
use crate::lint::joins::meeting;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/no-match",
        severity: Severity::Warning,
        pint: &["promql/vector_matching"],
        what: "Both sides of an operation have series in the data, and no series of one has a partner on the other.",
        why: "The labels on which they are matched differ in all series: the result is empty, and the alert never fires.",
        fix: "Compare the labels of both sides; name with `on (...)` those that both have, or leave others out with `ignoring (...)`.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        if let Some(met) = meeting(site, b).filter(|met| met.alone == met.all) {
            let (all, others) = (met.all, met.others);
            found.add(
                site.span(b.op_span),
                format!("{all} series on the {} and {others} on the other side, and none match", met.side),
            );
        }
    });
}
