//! Inhibitions without effect.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::matching;
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/inhibits-nothing",
        severity: Severity::Error,
        pint: &[],
        what: "Source and target of an inhibition match the same alerts.",
        why: "An alert that matches both sides is muted only by alerts that match the source alone, so that it does not mute \
              itself: here nothing is muted.",
        fix: "Let the two sides differ: `severity=\"critical\"` mutes `severity=\"warning\"`.",
        bad: "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules:\n- source_matchers: [severity=\"warning\"]\n  target_matchers: [severity=\"warning\"]\n  equal: [alertname]",
        good: "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules:\n- source_matchers: [severity=\"critical\"]\n  target_matchers: [severity=\"warning\"]\n  equal: [alertname]",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    for (rule, node) in site.file.config.inhibit_rules.iter().zip(site.items("inhibit_rules")) {
        let (source, target) = (rule.source(), rule.target());
        let written = rule.sources.is_empty() && !source.is_empty() && !target.is_empty();
        // Whether a target is muted by a source of which it is none: there is none such when sources are targets as well.
        if written && matching::implies(&target, &source) && matching::implies(&source, &target) {
            found.add(site.spot(node, node), "source and target match the same alerts: nothing is muted");
        }
    }
}
