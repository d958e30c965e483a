//! When time intervals keep a route mute.

use super::config::RoutingConfig;
use super::tree::SharedRoute;

/// The names of the time intervals that keep a route mute at `now`: mute intervals it is in, or all its active
/// intervals when it is in none of them.
pub fn muting_intervals(config: &RoutingConfig, route: &SharedRoute, now: i64) -> Vec<String> {
    let inside =
        |name: &&String| config.time_intervals.get(*name).is_some_and(|spans| spans.iter().any(|s| s.contains(now)));
    let mute = route.mute_time_intervals.iter().filter(inside).cloned();
    let active = &route.active_time_intervals;
    let inactive = !active.is_empty() && !active.iter().any(|name| inside(&name));
    mute.chain(active.iter().filter(|_| inactive).cloned()).collect()
}
