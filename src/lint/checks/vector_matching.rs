//! Joins that nothing can match.

use crate::lint::check::{Check, Severity};
use crate::lint::labels::LabelSet;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{Binary, BinaryOp, Cardinality, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/vector-matching",
        severity: Severity::Error,
        pint: &["promql/vector_matching"],
        what: "The two sides of an operation are matched on labels that one of them cannot have.",
        why: "Series match when these labels are the same on both sides. What one side has and the other lacks never is: the               result is empty.",
        fix: "Aggregate both sides by the same labels, or name with `on (...)` those that both have.",
        bad: "- alert: A\n  expr: sum by (job, instance) (errors) / sum by (job) (requests) > 0.1",
        good: "- alert: A\n  expr: sum by (job) (errors) / sum by (job) (requests) > 0.1",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        if b.op == BinaryOp::Or || b.op == BinaryOp::Unless || tree::is_scalar(&b.left) || tree::is_scalar(&b.right) {
            return;
        }
        if let Some(message) = mismatch(b, &site.labels_of(&b.left), &site.labels_of(&b.right)) {
            found.add(site.span(b.op_span), message);
        }
    });
}

fn mismatch(b: &Binary, left: &LabelSet, right: &LabelSet) -> Option<String> {
    let sides = [("left", "right", left, right), ("right", "left", right, left)];
    match &b.modifiers.matching {
        // Labels that neither side has are the same on both.
        Some(on) if !on.without => on.labels.iter().find_map(|label| {
            let lacks = |one: &LabelSet, other: &LabelSet| !one.may_have(label) && must_have(other, label);
            let side = sides.iter().find(|(_, _, one, other)| lacks(one, other));
            side.map(|(name, ..)| format!("matched on `{label}`, which the {name} side cannot have"))
        }),
        matching => {
            if b.modifiers.cardinality != Cardinality::OneToOne && matching.is_none() {
                return None;
            }
            let ignored = |label: &String| matching.as_ref().is_some_and(|ignoring| ignoring.labels.contains(label));
            sides.iter().find_map(|(one, other, left, right)| {
                let LabelSet::Only(kept) = left else { return None };
                let alone = kept.iter().find(|label| !ignored(label) && !right.may_have(label))?;
                Some(format!("the {one} side has `{alone}`, which the {other} side cannot have"))
            })
        }
    }
}

/// Whether an aggregation was asked to keep a label: its author expects it to be there.
fn must_have(labels: &LabelSet, label: &str) -> bool {
    matches!(labels, LabelSet::Only(kept) if kept.contains(label))
}
