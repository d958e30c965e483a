//! Thresholds that the history always exceeded.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree::{self, Threshold};
use crate::promql::ast::{BinaryOp, Expr};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/always-exceeded",
        severity: Severity::Warning,
        pint: &["alerts/count"],
        what: "Over the whole last day of the data, every series met the condition of an alert.",
        why: "The alert fires always, for all that it watches: either everything is broken, or the threshold is in other units \
              than the metric.",
        fix: "Compare the threshold with the values that the finding names.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(data) = site.corpus.data.as_ref().filter(|_| site.alert().is_some()) else { return };
    for (part, asked) in conditions(site.expr, false) {
        let course = data.course(site.text(asked.vector)).filter(|course| course.is_whole);
        let Some(course) = course else { continue };
        let (lowest, highest, number) = (course.lowest, course.highest, asked.number);
        let is_so = match asked.op {
            BinaryOp::Gtr => lowest > number,
            BinaryOp::Gte => lowest >= number,
            BinaryOp::Lss => highest < number,
            BinaryOp::Lte => highest <= number,
            _ => false,
        };
        if is_so {
            found.add(
                site.at(part),
                format!("always true over the last day: the values are from {lowest} to {highest}"),
            );
        }
    }
}

/// The comparisons with numbers that decide whether an expression gives something: each by itself, or, when `with_guards`,
/// together with others.
pub(super) fn conditions(expr: &Expr, with_guards: bool) -> Vec<(&Expr, Threshold<'_>)> {
    let part = expr.bare();
    if let Some(asked) = tree::threshold(part) {
        let filters = tree::binary(part).is_some_and(|b| !b.modifiers.bool);
        return if filters { vec![(part, asked)] } else { Vec::new() };
    }
    let Some(b) = tree::binary(part) else { return Vec::new() };
    match b.op {
        BinaryOp::Or => [conditions(&b.left, with_guards), conditions(&b.right, with_guards)].concat(),
        BinaryOp::And if with_guards => [conditions(&b.left, true), conditions(&b.right, true)].concat(),
        BinaryOp::Unless if with_guards => conditions(&b.left, true),
        _ => Vec::new(),
    }
}
