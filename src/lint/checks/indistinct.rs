//! Alerts that read alike.

use crate::lint::check::{Check, Severity};
use crate::lint::labels::LabelSet;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::MatchOp;
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/indistinct",
        severity: Severity::Info,
        pint: &[],
        what: "An alert that fires once for each of several series has annotations that name none of their labels.",
        why: "All its alerts read alike: who is woken does not learn which machine, model or service is meant.",
        fix: "Name in an annotation the labels that tell the alerts apart: `{{ $labels.model }}`.",
        bad: "- alert: Drift\n  expr: model_accuracy < 0.9\n  annotations: {summary: the accuracy is too low}",
        good: "- alert: Drift\n  expr: model_accuracy < 0.9\n  annotations: {summary: 'the accuracy of {{ $labels.model }} is too low'}",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    if alert.annotations.is_empty() || is_single(site) {
        return;
    }
    let tells = |text: &String| {
        uses(text).iter().any(|used| matches!(used.what, Used::Label { .. } | Used::AllLabels | Used::Query(_)))
    };
    if !alert.annotations.iter().any(|(_, text)| tells(text)) {
        let which = match site.labels_of(site.expr) {
            LabelSet::Only(names) => {
                format!(", such as {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            LabelSet::AnyBut(_) => String::new(),
        };
        found.add(site.key("annotations"), format!("no annotation names a label of the alert{which}"));
    }
}

/// Whether the expression gives one series at most, as far as can be seen.
fn is_single(site: &Site<'_>) -> bool {
    if let LabelSet::Only(names) = site.labels_of(site.expr) {
        // A label that a matcher fixes tells nothing apart.
        let fixed = |name: &String| {
            let selectors = tree::selectors(site.expr);
            !selectors.is_empty()
                && selectors.iter().all(|(_, s)| s.matchers.iter().any(|m| m.name == *name && m.op == MatchOp::Equal))
        };
        return names.iter().all(fixed);
    }
    // A job of one target is watched by its job's name.
    false
}
