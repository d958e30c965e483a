//! Names that are not as the settings require.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/name",
        severity: Severity::Warning,
        pint: &["rule/name"],
        what: "The name of an alert or of what a rule records is not as the settings require \
               (`require: {alerts: {name: PATTERN}, records: {name: PATTERN}}`).",
        why: "Names that follow one pattern are found, routed and silenced by it.",
        fix: "Name it as the pattern says, which all of the name must match.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let wanted = site.required.of(&site.rule.kind).name.as_ref();
    if let Some(pattern) = wanted.filter(|pattern| !pattern.meets(&site.rule.name)) {
        found.add(site.head(), format!("{} is not as required: {pattern}", site.rule.name));
    }
}
