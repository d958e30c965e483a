//! Routes that ask for labels which no rule gives.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::matching::AlertLabels;
use crate::lint::routing::RoutingSite;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/unmatched-route",
        severity: Severity::Info,
        pint: &[],
        what: "No alert of the given rules can have the labels that a route asks for.",
        why: "Its receiver never hears of these rules: a label is misspelt, or the rules are not all given.",
        fix: "Compare the values with those of the rules, or give all rules to the check.",
        bad: "route: {receiver: a, routes: [{matchers: [severity=page], receiver: b}]}\nreceivers: [{name: a}, {name: b}]\n---\n- alert: A\n  expr: a > 1\n  labels: {severity: critical}\n",
        good: "route: {receiver: a, routes: [{matchers: [severity=critical], receiver: b}]}\nreceivers: [{name: a}, {name: b}]\n---\n- alert: A\n  expr: a > 1\n  labels: {severity: critical}\n",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    // Which rules go with which of several configurations is not known.
    if site.corpus.routing.len() != 1 {
        return;
    }
    let known = AlertLabels::set_by(site.corpus);
    let rules = site.corpus.all().filter(|(_, _, rule)| rule.kind != RuleKind::Recording);
    let all: Vec<AlertLabels> = rules.map(|(_, group, rule)| AlertLabels::of(group, rule, &known)).collect();
    if all.is_empty() {
        return;
    }
    for at in site.routes() {
        let own = at.route.all_matchers();
        // A label that no rule sets may come with the series, or from another source of alerts.
        let speaks_of_rules = own.iter().any(|m| m.name == crate::model::ALERT_NAME || known.contains(&m.name));
        if speaks_of_rules && !all.iter().any(|labels| labels.may_match(&at.all_matchers())) {
            found.add(
                site.spot(at.node, at.node),
                "no alert of the given rules has the labels that this route asks for",
            );
        }
    }
}
