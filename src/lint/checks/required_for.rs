//! Times to wait that the settings do not allow.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::model::duration;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/for",
        severity: Severity::Warning,
        pint: &["rule/for"],
        what: "`for` is shorter or longer than the settings allow (`require: {alerts: {for: {min: 1m, max: 1h}}}`).",
        why: "An alert that does not wait pages for one bad scrape, and one that waits too long pages when it is too late.",
        fix: "Choose a time between the two, or say in a comment why this alert needs another.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    let (min, max) = site.required.of(&site.rule.kind).hold;
    let is = duration::format(alert.hold);
    if let Some(min) = min.filter(|min| alert.hold < *min) {
        found.add(site.key("for"), format!("`for` is {is}, and {} or more is required", duration::format(min)));
    }
    if let Some(max) = max.filter(|max| alert.hold > *max) {
        found.add(site.key("for"), format!("`for` is {is}, and {} or less is required", duration::format(max)));
    }
}
