//! Routes that no alert gets to.

use crate::config::alertmanager::RouteConfig;
use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::matching;
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/shadowed-route",
        severity: Severity::Error,
        pint: &[],
        what: "A route stands behind one that takes every alert it could match.",
        why: "Alerts go to the first sibling that matches and no further, unless it says `continue: true`.",
        fix: "Put the narrower route first, or let the wider one go on with `continue: true`.",
        bad: "route:\n  receiver: a\n  routes:\n  - matchers: [team=~\"db|web\"]\n  - matchers: [team=\"db\", severity=\"page\"]\nreceivers: [{name: a}]",
        good: "route:\n  receiver: a\n  routes:\n  - matchers: [team=\"db\", severity=\"page\"]\n  - matchers: [team=~\"db|web\"]\nreceivers: [{name: a}]",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    for at in site.routes() {
        let own = at.route.all_matchers();
        let takes =
            |earlier: &&RouteConfig| !earlier.continue_matching && matching::implies(&own, &earlier.all_matchers());
        if let Some(earlier) = at.before.iter().find(takes) {
            let matchers: Vec<String> = earlier.all_matchers().iter().map(ToString::to_string).collect();
            let earlier =
                if matchers.is_empty() { "without matchers".into() } else { format!("{{{}}}", matchers.join(", ")) };
            found.add(
                site.spot(at.node, at.node),
                format!("no alert gets here: the route {earlier} before takes them all"),
            );
        }
    }
}
