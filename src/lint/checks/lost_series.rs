//! Joins that lose series.

use crate::lint::check::{Check, Severity};
use crate::lint::joins::meeting;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/lost-series",
        severity: Severity::Info,
        pint: &["promql/vector_matching"],
        what: "Some series of the data have no partner on the other side of an operation and drop out.",
        why: "What drops out is not watched: a machine without the metric that is joined to it has no alert.",
        fix: "See which they are with `x unless on (...) y`. Where they should be watched, give them a value: `y or on (...) x * 0`.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        if let Some(met) = meeting(site, b).filter(|met| met.alone > 0 && met.alone < met.all) {
            let message =
                format!("{} of {} series on the {} have no partner and drop out", met.alone, met.all, met.side);
            found.add(site.span(b.op_span), message);
        }
    });
}
