//! Alerts that only the default receiver hears of.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::matching::AlertLabels;
use crate::lint::routing::RoutingSite;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/default-receiver",
        severity: Severity::Warning,
        pint: &[],
        what: "An alert of the given rules matches no route below the root of the given Alertmanager configuration.",
        why: "Only the default receiver hears of it, which is often nobody in particular.",
        fix: "Give the rule the labels that the routes ask for, or add a route.",
        bad: "route: {receiver: a, routes: [{matchers: [team=db], receiver: b}]}\nreceivers: [{name: a}, {name: b}]\n---\n- alert: A\n  expr: a > 1\n  labels: {team: db}\n- alert: B\n  expr: b > 1\n",
        good: "route: {receiver: a, routes: [{matchers: [team=db], receiver: b}]}\nreceivers: [{name: a}, {name: b}]\n---\n- alert: A\n  expr: a > 1\n  labels: {team: db}\n- alert: B\n  expr: b > 1\n  labels: {team: db}\n",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    // Which rules go with which of several configurations is not known.
    if site.corpus.routing.len() != 1 {
        return;
    }
    let routes = site.file.config.route.iter().flat_map(|root| &root.routes).map(|route| route.all_matchers());
    let routes: Vec<_> = routes.collect();
    // Where there are no routes, the default receiver is meant; AlertmanagerConfig objects are added to one that nobody knows.
    let default = site.root.get("route").and_then(|route| route.get("receiver"));
    if routes.is_empty() || !site.is_written(default) {
        return;
    }
    let known = AlertLabels::set_by(site.corpus);
    for (file, group, rule) in site.corpus.all().filter(|(_, _, rule)| rule.kind != RuleKind::Recording) {
        let labels = AlertLabels::of(group, rule, &known);
        if !routes.iter().any(|matchers| labels.may_match(matchers)) {
            found.add(
                file.head(rule),
                format!("{} matches no route of {}: only the default receiver hears of it", rule.name, site.file.name),
            );
        }
    }
}
