//! Labels of the routing that some alerts of a file have and others lack.

use std::collections::BTreeSet;

use crate::lint::check::{Check, Severity};
use crate::lint::corpus::{Corpus, RuleFile};
use crate::lint::look::{Findings, Look, Row};
use crate::model::Position;
use crate::rules::{Rule, RuleGroup, RuleKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/missing-label",
        severity: Severity::Warning,
        pint: &["rule/label", "alerts/label"],
        what: "Some alerts of a file have a label by which alerts are routed, such as `team` or `severity`, and this one lacks it.",
        why: "Routes match on labels: an alert without one goes to the default receiver, which may be nobody.",
        fix: "Give the alert the label, or put it on the whole group with `labels:`.",
        bad: "- alert: A\n  expr: a > 1\n  labels: {team: ml}\n- alert: B\n  expr: b > 1\n  labels: {team: web}\n- alert: C\n  expr: c > 1",
        good: "- alert: A\n  expr: a > 1\n  labels: {team: ml}\n- alert: B\n  expr: b > 1\n  labels: {team: web}\n- alert: C\n  expr: c > 1\n  labels: {team: web}",
    },
    look: Look::Rules(look),
};

/// Labels by which alerts are routed.
const ROUTED: [&str; 5] = ["severity", "team", "owner", "squad", "department"];
/// So many alerts of a file must have the label: one in so many.
const ONE_IN: usize = 4;

fn look(corpus: &Corpus, found: &mut Findings<'_>) {
    for file in &corpus.rules {
        let alerts: Vec<(&RuleGroup, &Rule)> = file
            .groups
            .iter()
            .flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
            .filter(|(_, rule)| matches!(rule.kind, RuleKind::Alerting { .. }))
            .collect();
        for label in ROUTED {
            of_label(file, &alerts, label, found);
        }
    }
}

fn of_label(file: &RuleFile, alerts: &[(&RuleGroup, &Rule)], label: &str, found: &mut Findings<'_>) {
    let has =
        |(group, rule): &(&RuleGroup, &Rule)| group.labels.iter().chain(&rule.labels).any(|(name, _)| name == label);
    let having: BTreeSet<Position> = alerts.iter().filter(|alert| has(alert)).map(|(_, rule)| rule.position).collect();
    if having.len() < 2 || having.len() * ONE_IN < alerts.len() {
        return;
    }
    for (_, rule) in alerts.iter().filter(|alert| !has(alert)) {
        let message = format!(
            "{} has no label `{label}`, which {} of {} alerts of this file have",
            rule.name,
            having.len(),
            alerts.len()
        );
        found.add(file.head(rule), message);
    }
}
