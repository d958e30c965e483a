//! What is recorded too seldom to be found.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::model::duration;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/slow-record",
        severity: Severity::Warning,
        pint: &["group/interval"],
        what: "A rule records less often than every five minutes.",
        why: "A query finds a sample for five minutes: after that the series is gone until it is recorded again, dashboards have \
              gaps, and alerts that read it resolve and fire again.",
        fix: "Evaluate the group at least every five minutes, or read what it records over a range: `last_over_time(x[15m])`.",
        bad: "groups:\n- name: g\n  interval: 10m\n  rules:\n  - record: job:up:sum\n    expr: sum by (job) (up)",
        good: "groups:\n- name: g\n  interval: 1m\n  rules:\n  - record: job:up:sum\n    expr: sum by (job) (up)",
    },
    look: Look::Rule(look),
};

/// How long a sample is found, unless a server is told otherwise.
const LOOKBACK: i64 = 300_000;

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let interval = site.group.interval.or(site.corpus.evaluation_interval);
    if let Some(interval) = interval.filter(|ms| *ms > LOOKBACK && site.rule.kind == RuleKind::Recording) {
        let (interval, gap) = (duration::format(interval), duration::format(interval - LOOKBACK));
        found.add(site.head(), format!("recorded every {interval}, and then not found for {gap}"));
    }
}
