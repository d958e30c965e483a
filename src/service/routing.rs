//! From an Alertmanager configuration to what routing works on.

use std::sync::Arc;

use crate::config::alertmanager::{self as am, AlertmanagerConfig, TimeIntervalConfig};
use crate::routing::config::{GroupBy, InhibitSpec, IntegrationSpec, ReceiverSpec, RouteSpec, RoutingConfig};
use crate::routing::time_interval::{Span, TimeInterval};

/// The routing configuration that an Alertmanager configuration describes.
pub fn routing_of(config: &AlertmanagerConfig) -> RoutingConfig {
    RoutingConfig {
        route: config.route.as_deref().map(route).unwrap_or_default(),
        receivers: config.receivers.0.iter().map(|r| (Arc::from(r.name.as_str()), receiver(r))).collect(),
        inhibit_rules: config.inhibit_rules.0.iter().map(inhibit).collect(),
        time_intervals: config
            .time_intervals
            .0
            .iter()
            .map(|named| (named.name.clone(), named.time_intervals.iter().map(interval).collect()))
            .collect(),
        resolve_timeout: config.global.resolve_timeout.0,
    }
}

fn route(r: &am::Route) -> RouteSpec {
    RouteSpec {
        matchers: r.all_matchers(),
        receiver: Some(r.receiver.as_str()).filter(|name| !name.is_empty()).map(Arc::from),
        group_by: r.grouping().map(|by| match by {
            am::GroupBy::All => GroupBy::All,
            am::GroupBy::Labels(mut labels) => {
                labels.sort();
                GroupBy::Labels(labels)
            }
        }),
        continue_matching: r.continue_matching,
        group_wait: r.group_wait.map(|d| d.0),
        group_interval: r.group_interval.map(|d| d.0),
        repeat_interval: r.repeat_interval.map(|d| d.0),
        mute_time_intervals: r.mute_time_intervals.clone(),
        active_time_intervals: r.active_time_intervals.clone(),
        routes: r.routes.iter().map(route).collect(),
    }
}

fn receiver(r: &am::Receiver) -> ReceiverSpec {
    let spec = |(kind, index, send_resolved): (&'static str, usize, bool)| IntegrationSpec {
        kind: Arc::from(kind),
        index,
        send_resolved,
    };
    ReceiverSpec { integrations: r.integrations().into_iter().map(spec).collect() }
}

fn inhibit(rule: &am::InhibitRule) -> InhibitSpec {
    let mut equal = rule.equal.clone();
    equal.sort();
    InhibitSpec { source: rule.source(), target: rule.target(), equal }
}

fn interval(t: &TimeIntervalConfig) -> TimeInterval {
    let span = |begin: i32, end: i32| Span { begin, end };
    TimeInterval {
        times: t.times.iter().map(|r| (r.start, r.end)).collect(),
        weekdays: t.weekdays.iter().map(|r| span(r.0, r.1)).collect(),
        days_of_month: t.days_of_month.iter().map(|r| span(r.0, r.1)).collect(),
        months: t.months.iter().map(|r| span(r.0, r.1)).collect(),
        years: t.years.iter().map(|r| span(r.0, r.1)).collect(),
        location: t.location.map(|l| l.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::routing::RouteTree;

    #[test]
    fn the_mission_routes_as_it_is_written() {
        let text = include_str!("../../receivers/alertmanager-config.yaml");
        let loaded = AlertmanagerConfig::load_str("alertmanager-config.yaml", text).unwrap();
        let routing = routing_of(&loaded.config);
        assert_eq!(routing.resolve_timeout, 300_000);
        assert!(routing.receivers["default"].integrations[0].send_resolved);
        assert!(!routing.receivers["slack-ml-platform"].integrations[0].send_resolved);
        let tree = RouteTree::new(&routing);
        let receivers = |pairs: &[(&str, &str)]| -> Vec<String> {
            let labels = Labels::from_pairs(pairs.iter().copied());
            tree.matching(&labels).into_iter().filter_map(|i| Some(tree.route(i)?.receiver.to_string())).collect()
        };
        assert_eq!(receivers(&[("severity", "critical"), ("team", "ml-platform")]), ["pagerduty-ml", "slack-ml-platform"]);
        assert_eq!(receivers(&[("severity", "critical")]), ["pagerduty-ml"]);
        assert_eq!(receivers(&[("severity", "warning"), ("team", "ml-engineering")]), ["slack-ml-engineering"]);
        assert_eq!(receivers(&[("severity", "warning")]), ["default"]);
    }
}
