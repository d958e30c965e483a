//! Labels that the settings require.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/label",
        severity: Severity::Warning,
        pint: &["rule/label", "alerts/label"],
        what: "A rule lacks a label that the settings require, or it has another value \
               (`require: {alerts: {labels: {severity: critical|warning}}}`).",
        why: "Routes, inhibitions and dashboards go by these labels: an alert without one, or with a value nobody knows, goes \
              where nobody looks.",
        fix: "Give the rule, or its group, the label; all of its value must match the pattern. What a template makes is not \
              looked at.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    for (name, pattern) in &site.required.of(&site.rule.kind).labels {
        match site.label(name) {
            None => found
                .add(site.head(), format!("{} has no label `{name}`, which is required: {pattern}", site.rule.name)),
            Some(value) if !pattern.meets(value) => {
                let message = format!("label `{name}` is {value:?}, and this is required: {pattern}");
                found.add(site.within("labels", name, 0, value.len()), message);
            }
            Some(_) => {}
        }
    }
}
