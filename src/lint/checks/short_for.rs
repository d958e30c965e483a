//! Times shorter than the evaluation interval.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::model::duration;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/short-for",
        severity: Severity::Warning,
        pint: &["alerts/for"],
        what: "`for` or `keep_firing_for` is shorter than the interval at which the rule is evaluated.",
        why: "Nothing happens between two evaluations: the time is in effect that of one interval.",
        fix: "Make it a multiple of the group's interval, or evaluate the group more often.",
        bad: "groups:\n- name: g\n  interval: 5m\n  rules:\n  - alert: A\n    expr: a > 1\n    for: 1m",
        good: "groups:\n- name: g\n  interval: 1m\n  rules:\n  - alert: A\n    expr: a > 1\n    for: 5m",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let (Some(alert), Some(interval)) = (site.alert(), site.group.interval.or(site.corpus.evaluation_interval)) else {
        return;
    };
    for (key, value) in [("for", alert.hold), ("keep_firing_for", alert.keep_firing)] {
        if value > 0 && value < interval {
            let (value, interval) = (duration::format(value), duration::format(interval));
            found.add(site.key(key), format!("`{key}: {value}` is shorter than the interval of {interval}"));
        }
    }
}
