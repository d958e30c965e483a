//! `for` and `keep_firing_for` of nothing.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/zero-for",
        severity: Severity::Info,
        pint: &["alerts/for"],
        what: "An alert says `for: 0s` or `keep_firing_for: 0s`, which is the default.",
        why: "A reader takes it for something that was decided.",
        fix: "Leave it out, or give a time.",
        bad: "- alert: A\n  expr: a > 1\n  for: 0s",
        good: "- alert: A\n  expr: a > 1\n  for: 5m",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    for (key, value) in [("for", alert.hold), ("keep_firing_for", alert.keep_firing)] {
        if value == 0 && site.node.get(key).is_some_and(|node| !node.is_null()) {
            found.add(site.key(key), format!("`{key}` of 0 is the default"));
        }
    }
}
