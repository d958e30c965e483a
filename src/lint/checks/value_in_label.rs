//! Labels that change with the value.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/value-in-label",
        severity: Severity::Error,
        pint: &["alerts/template"],
        what: "A label of an alert is made from its value.",
        why: "An alert is its labels. When the value changes the old alert resolves and a new one begins: `for` starts anew, and               each change is told as another alert.",
        fix: "Put the value into an annotation.",
        bad: "- alert: A\n  expr: errors > 5\n  labels: {count: '{{ $value }}'}",
        good: "- alert: A\n  expr: errors > 5\n  annotations: {summary: '{{ $labels.job }}: {{ $value }} errors'}",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.alert().is_none() {
        return;
    }
    for (name, text) in &site.rule.labels {
        // A label that a condition on the value chooses between few texts is meant to change.
        let shown =
            uses(text).into_iter().find(|used| matches!(&used.what, Used::Value { through, .. } if !is_test(through)));
        if let Some(used) = shown {
            let message = format!("label {name:?} changes with the value, and makes another alert each time");
            found.add(site.within("labels", name, used.at, used.length), message);
        }
    }
}

fn is_test(through: &[&str]) -> bool {
    through.iter().any(|f| matches!(*f, "gt" | "ge" | "lt" | "le" | "eq" | "ne" | "and" | "or" | "not"))
}
