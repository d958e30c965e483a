//! Repetitions that come later than they say.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::routing::RoutingSite;
use crate::model::duration;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/repeat-interval",
        severity: Severity::Warning,
        pint: &[],
        what: "A route's `repeat_interval` is shorter than its `group_interval`.",
        why: "A group is looked at every `group_interval`, and repeated then at the soonest: the shorter time has no effect.",
        fix: "Make `repeat_interval` a multiple of `group_interval`.",
        bad: "route: {receiver: a, group_interval: 10m, repeat_interval: 5m}\nreceivers: [{name: a}]",
        good: "route: {receiver: a, group_interval: 10m, repeat_interval: 1h}\nreceivers: [{name: a}]",
    },
    look: Look::Routing(look),
};

/// Alertmanager's defaults, milliseconds.
const GROUP_INTERVAL: i64 = 5 * 60_000;
const REPEAT_INTERVAL: i64 = 4 * 3_600_000;

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    for at in site.routes() {
        let (group, repeat) = (at.route.group_interval, at.route.repeat_interval);
        if group.is_none() && repeat.is_none() {
            continue;
        }
        let group = at.inherited(|route| route.group_interval).map_or(GROUP_INTERVAL, |d| d.millis());
        let every = at.inherited(|route| route.repeat_interval).map_or(REPEAT_INTERVAL, |d| d.millis());
        if every < group {
            let key = if repeat.is_some() { "repeat_interval" } else { "group_interval" };
            let (every, group) = (duration::format(every), duration::format(group));
            found
                .add(site.key(at.node, key), format!("repeat_interval {every} is shorter than group_interval {group}"));
        }
    }
}
