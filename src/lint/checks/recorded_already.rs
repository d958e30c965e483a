//! What a rule computes and another rule has recorded.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/recorded-already",
        severity: Severity::Info,
        pint: &["promql/performance"],
        what: "A rule computes what an earlier rule of its group records.",
        why: "It is computed twice at each evaluation, and when one of the two is changed the other is forgotten.",
        fix: "Read the recorded metric.",
        bad: "- record: job:errors:rate5m\n  expr: sum by (job) (rate(errors_total[5m]))\n- alert: A\n  expr: sum by (job) (rate(errors_total[5m])) > 1",
        good: "- record: job:errors:rate5m\n  expr: sum by (job) (rate(errors_total[5m]))\n- alert: A\n  expr: job:errors:rate5m > 1",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let spaceless = |text: &str| text.split_whitespace().collect::<String>();
    let before = site.group.rules.iter().take_while(|rule| rule.position != site.rule.position);
    // A label that is added makes it another series.
    let recorded = before.filter(|rule| rule.kind == RuleKind::Recording && rule.labels.is_empty());
    let recorded: Vec<(String, &str)> = recorded.map(|rule| (spaceless(&rule.expr), &*rule.name)).collect();
    if recorded.is_empty() || !site.group.labels.is_empty() {
        return;
    }
    tree::walk(site.expr, &mut |part, _| {
        if !matches!(part.kind, ExprKind::Aggregate(_) | ExprKind::Call(_)) {
            return;
        }
        let text = spaceless(site.text(part));
        if let Some((_, name)) = recorded.iter().find(|(expr, _)| *expr == text) {
            found.add(site.at(part), format!("{name} holds this already"));
        }
    });
}
