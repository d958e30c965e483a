//! `continue` without anything to go on to.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::matching;
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/useless-continue",
        severity: Severity::Warning,
        pint: &[],
        what: "A route says `continue: true`, and no sibling behind it can match.",
        why: "`continue` goes on to the next siblings, not to the routes of the parent, which is often what was meant.",
        fix: "Leave it out, or put the route in front of those that are to hear of the alert too.",
        bad: "route:\n  receiver: a\n  routes:\n  - matchers: [team=\"db\"]\n    continue: true\n  - matchers: [team=\"web\"]\nreceivers: [{name: a}]",
        good: "route:\n  receiver: a\n  routes:\n  - matchers: [team=\"db\"]\n    continue: true\n  - matchers: [severity=\"page\"]\nreceivers: [{name: a}]",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    for at in site.routes() {
        if !at.route.continue_matching || !site.is_written(at.node.get("continue")) {
            continue;
        }
        let own = at.route.all_matchers();
        let goes_on = at.behind.iter().any(|route| !matching::exclude(&own, &route.all_matchers()));
        if !goes_on {
            let why = if at.behind.is_empty() {
                "it is the last of its siblings"
            } else {
                "no sibling behind it can match too"
            };
            found.add(site.key(at.node, "continue"), format!("`continue` has no effect: {why}"));
        }
    }
}
