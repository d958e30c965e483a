//! Templates that name labels which the expression cannot have.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/template-label",
        severity: Severity::Error,
        pint: &["alerts/template"],
        what: "A template names a label that the result of the expression cannot have.",
        why: "The text has a gap there in every message: `$labels` holds the labels that the expression keeps, and those only.",
        fix: "Keep the label in the aggregation (`by (instance)`), take it over in the join (`group_left (instance)`), or leave \
              it out of the text.",
        bad: "- alert: Errors\n  expr: sum by (job) (rate(errors_total[5m])) > 1\n  annotations: {summary: 'errors on {{ $labels.instance }}'}",
        good: "- alert: Errors\n  expr: sum by (job, instance) (rate(errors_total[5m])) > 1\n  annotations: {summary: 'errors on {{ $labels.instance }}'}",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    let labels = site.labels_of(site.expr);
    let texts = [("labels", site.rule.labels.as_slice()), ("annotations", alert.annotations)];
    for (key, pairs) in texts {
        for (name, text) in pairs {
            for used in uses(text) {
                let Used::Label { name: label, is_asked_for: false } = &used.what else { continue };
                if labels.may_have(label) {
                    continue;
                }
                let one = if key == "labels" { "label" } else { "annotation" };
                let message = format!("{one} {name:?} names `{label}`; the expression gives {}", labels.shown());
                found.add(site.within(key, name, used.at, used.length), message);
            }
        }
    }
}
