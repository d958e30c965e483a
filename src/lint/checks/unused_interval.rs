//! Time intervals that no route names.

use crate::config::yaml::Node;
use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/unused-interval",
        severity: Severity::Warning,
        pint: &[],
        what: "No route names a time interval.",
        why: "It mutes nothing, though someone wrote it to keep pages from a night or a holiday.",
        fix: "Name it in `mute_time_intervals` or `active_time_intervals` of a route, or take it out.",
        bad: "route: {receiver: a}\nreceivers: [{name: a}]\ntime_intervals: [{name: nights, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]",
        good: "route: {receiver: a, routes: [{matchers: [severity=info], mute_time_intervals: [nights]}]}\nreceivers: [{name: a}]\ntime_intervals: [{name: nights, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]",
    },
    look: Look::Routing(look),
};

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    let routes = site.routes();
    let named = |name: &str| {
        routes.iter().any(|at| {
            at.route.mute_time_intervals.iter().chain(&at.route.active_time_intervals).any(|interval| interval == name)
        })
    };
    for interval in ["time_intervals", "mute_time_intervals"].iter().flat_map(|key| site.items(key)) {
        let Some(name) = interval.get("name").and_then(Node::text) else { continue };
        if !named(name) {
            found.add(site.key(interval, "name"), format!("no route names the time interval {name:?}"));
        }
    }
}
