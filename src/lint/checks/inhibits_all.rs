//! Inhibitions that reach everywhere.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/inhibits-everywhere",
        severity: Severity::Warning,
        pint: &[],
        what: "An inhibition whose sources are told by their severity alone has no `equal`.",
        why: "One alert that fires anywhere mutes all its targets everywhere: a critical alert of one team the warnings of all.",
        fix: "Name in `equal` the labels in which the two must agree, such as `cluster` and `service`.",
        bad: "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules:\n- source_matchers: [severity=\"critical\"]\n  target_matchers: [severity=\"warning\"]",
        good: "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules:\n- source_matchers: [severity=\"critical\"]\n  target_matchers: [severity=\"warning\"]\n  equal: [alertname, service]",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    for (rule, node) in site.file.config.inhibit_rules.iter().zip(site.items("inhibit_rules")) {
        // A source by its name, or by a label made for it, is meant to reach far.
        let by_severity = rule.source().iter().all(|m| ["severity", "level", "priority"].contains(&m.name.as_str()));
        if rule.equal.is_empty() && rule.sources.is_empty() && by_severity {
            found.add(site.spot(node, node), "no `equal`: one source mutes every target, wherever it is");
        }
    }
}
