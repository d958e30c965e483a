//! Receivers that no route names.

use crate::config::yaml::Node;
use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/unused-receiver",
        severity: Severity::Warning,
        pint: &[],
        what: "No route names a receiver.",
        why: "It never hears of anything. Often the route that was to name it was lost or names another.",
        fix: "Name it in a route, or take it out.",
        bad: "route: {receiver: a}\nreceivers: [{name: a}, {name: b}]",
        good: "route: {receiver: a, routes: [{matchers: [team=b], receiver: b}]}\nreceivers: [{name: a}, {name: b}]",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    let routes = site.routes();
    let named = |name: &str| routes.iter().any(|at| at.route.receiver == name || at.route.fallback_receiver == name);
    for receiver in site.items("receivers") {
        let Some(name) = receiver.get("name").and_then(Node::text) else { continue };
        // A receiver without integrations is where alerts are dropped, and is often kept for that.
        if !named(name) {
            found.add(site.key(receiver, "name"), format!("no route names the receiver {name:?}"));
        }
    }
}
