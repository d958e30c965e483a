//! Absence that fires at once.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/absent-at-once",
        severity: Severity::Info,
        pint: &["alerts/absent"],
        what: "An alert on `absent` has no `for`.",
        why: "After a restart, a change of targets or one scrape that fails, everything is absent for a moment: the alert fires.",
        fix: "Give it a `for` of several scrapes, or ask with `absent_over_time` over as long.",
        bad: "- alert: Gone\n  expr: absent(up{job=\"api\"})",
        good: "- alert: Gone\n  expr: absent(up{job=\"api\"})\n  for: 5m",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let is_absent = tree::call(tree::value(site.expr)).is_some_and(|call| call.func.name == "absent");
    if is_absent && site.alert().is_some_and(|alert| alert.hold == 0) {
        found.add(site.head(), "`absent` without `for` fires after every restart");
    }
}
