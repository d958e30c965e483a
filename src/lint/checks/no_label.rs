//! Labels that the series have not.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::{METRIC_NAME, MatchOp, Matcher};
use crate::promql::ast::{Cardinality, Expr, ExprKind};
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/no-label",
        severity: Severity::Warning,
        pint: &["alerts/template", "promql/vector_matching"],
        what: "A template or an aggregation names a label that no series of the data has which the expression reads.",
        why: "The text has a gap there in every message; the aggregation has one group where many were meant.",
        fix: "Compare the label with those of the series: `watchbell query` shows them.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.corpus.data.is_none() || makes_labels(site.expr) {
        return;
    }
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Aggregate(aggregate) = &part.kind else { return };
        if aggregate.grouping.without || makes_labels(&aggregate.expr) {
            return;
        }
        for label in &aggregate.grouping.labels {
            if nowhere(site, &aggregate.expr, label) == Some(true) {
                found.add(site.at(part), format!("`by ({label})`: no series that is read has this label"));
            }
        }
    });
    let Some(alert) = site.alert() else { return };
    for (name, text) in alert.annotations {
        for used in uses(text) {
            let Used::Label { name: label, is_asked_for: false } = &used.what else { continue };
            let kept = site.labels_of(site.expr).may_have(label);
            if kept && nowhere(site, site.expr, label) == Some(true) {
                let message = format!("annotation {name:?} names `{label}`, which no series that is read has");
                found.add(site.within("annotations", name, used.at, used.length), message);
            }
        }
    }
}

/// Whether no series that an expression reads has a label; `None` where that cannot be known.
fn nowhere(site: &Site<'_>, expr: &Expr, label: &str) -> Option<bool> {
    let data = site.corpus.data.as_ref().filter(|data| !data.is_added(label))?;
    let there = Matcher::new(MatchOp::NotEqual, label, "").ok()?;
    let mut seen = false;
    for (_, selector) in tree::selectors(expr) {
        let name = selector.matchers.iter().find(|m| m.name == METRIC_NAME)?;
        // Of what is not there nothing is known.
        if data.count(std::slice::from_ref(name))? == 0 {
            return None;
        }
        seen = true;
        if data.count(&[name.clone(), there.clone()])? > 0 {
            return Some(false);
        }
    }
    Some(seen)
}

/// Whether labels come from elsewhere than the series.
fn makes_labels(expr: &Expr) -> bool {
    tree::any(expr, |part| match &part.kind {
        ExprKind::Call(call) => {
            matches!(call.func.name, "label_replace" | "label_join" | "info" | "absent" | "absent_over_time")
        }
        ExprKind::Aggregate(aggregate) => aggregate.op.as_str() == "count_values",
        ExprKind::Binary(b) => match &b.modifiers.cardinality {
            Cardinality::GroupLeft(taken) | Cardinality::GroupRight(taken) => !taken.is_empty(),
            Cardinality::OneToOne => false,
        },
        _ => false,
    })
}
