//! Annotations that the settings require.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/annotation",
        severity: Severity::Warning,
        pint: &["alerts/annotation"],
        what: "An alert lacks an annotation that the settings require, or it has another text \
               (`require: {alerts: {annotations: {runbook_url: 'https://.+'}}}`).",
        why: "Messages show these annotations: who is woken misses what the others would have told.",
        fix: "Write the annotation; all of its text must match the pattern. A text with templates only has to be there.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    for (name, pattern) in &site.required.of(&site.rule.kind).annotations {
        match alert.annotations.iter().find(|(known, _)| known == name) {
            None => {
                found.add(
                    site.head(),
                    format!("{} has no annotation `{name}`, which is required: {pattern}", site.rule.name),
                );
            }
            Some((_, text)) if !pattern.meets(text) => {
                let message = format!("annotation `{name}` is not as required: {pattern}");
                found.add(site.within("annotations", name, 0, text.len()), message);
            }
            Some(_) => {}
        }
    }
}
