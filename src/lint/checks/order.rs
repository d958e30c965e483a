//! Rules that read what is recorded after them.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/order",
        severity: Severity::Warning,
        pint: &["rule/dependency"],
        what: "A rule reads what a later rule of its own group records.",
        why: "The rules of a group are evaluated in order: it reads what was recorded an interval ago, and nothing at the start.",
        fix: "Put the recording rule before the rules that read it.",
        bad: "- alert: A\n  expr: job:errors:rate5m > 1\n- record: job:errors:rate5m\n  expr: sum by (job) (rate(errors_total[5m]))",
        good: "- record: job:errors:rate5m\n  expr: sum by (job) (rate(errors_total[5m]))\n- alert: A\n  expr: job:errors:rate5m > 1",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let rules = &site.group.rules;
    let Some(own) = rules.iter().position(|rule| rule.position == site.rule.position) else { return };
    for (part, selector) in tree::selectors(site.expr) {
        let Some(metric) = tree::metric(selector) else { continue };
        // What is looked at over a range has its past anyway.
        let is_range = matches!(part.kind, ExprKind::Matrix(..)) || selector.timing.offset.is_some();
        let records = |rule: &crate::rules::Rule| rule.kind == RuleKind::Recording && *rule.name == *metric;
        let before = rules.iter().take(own).any(records);
        if !is_range && !before && *site.rule.name != *metric && rules.iter().skip(own + 1).any(records) {
            found.add(site.at(part), format!("{metric} is recorded further down in this group"));
        }
    }
}
