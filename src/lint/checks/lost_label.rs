//! Aggregations by labels that are gone.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/lost-label",
        severity: Severity::Error,
        pint: &["promql/impossible"],
        what: "An aggregation is by a label that what it aggregates cannot have.",
        why: "An aggregation further inside has dropped the label: everything falls into one group without it.",
        fix: "Keep the label in the inner aggregation, or leave it out of the outer one.",
        bad: "- alert: A\n  expr: max by (instance) (sum by (job) (errors)) > 5",
        good: "- alert: A\n  expr: max by (job) (sum by (job, instance) (errors)) > 5",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Aggregate(aggregate) = &part.kind else { return };
        if aggregate.grouping.without {
            return;
        }
        let inner = site.labels_of(&aggregate.expr);
        if let Some(label) = aggregate.grouping.labels.iter().find(|label| !inner.may_have(label)) {
            let message = format!("`by ({label})` of what cannot have it: it has {}", inner.shown());
            found.add(site.at(part), message);
        }
    });
}
