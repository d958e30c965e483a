//! From an Alertmanager configuration, read and checked, to what routing works with.

use std::sync::Arc;

use crate::config::alertmanager::{self, AlertmanagerConfig, RouteConfig, TimeIntervalConfig};
use crate::model::{MatchOp, Matcher};

use super::recurrence::{CronWindow, Recurrence};
use super::silence::{Configured, Silence};
use super::silences::{NEVER, configured_id};
use crate::config::silences::{CronConfig, ScheduleConfig, SilenceConfig};
use crate::model::Labels;
use chrono_tz::Tz;

use super::config::{Fallback, InhibitSource, InhibitSpec, IntegrationSpec, ReceiverSpec, RouteSpec, RoutingConfig};
use super::time_interval::{Span, TimeInterval};

impl RoutingConfig {
    /// What routing needs of a configuration.
    pub fn of(config: &AlertmanagerConfig) -> Self {
        let receiver = |r: &alertmanager::Receiver| {
            let integration = |(kind, index, send_resolved): (&str, usize, bool)| IntegrationSpec {
                kind: Arc::from(kind),
                index,
                send_resolved,
            };
            let integrations = r.integrations().into_iter().map(integration).collect();
            (Arc::from(r.name.as_str()), ReceiverSpec { integrations })
        };
        let named = |n: &alertmanager::NamedTimeInterval| {
            (n.name.clone(), n.time_intervals.iter().map(interval).collect::<Vec<_>>())
        };
        RoutingConfig {
            route: config.route.as_deref().map(route).unwrap_or_default(),
            receivers: config.receivers.iter().map(receiver).collect(),
            inhibit_rules: config.inhibit_rules.iter().map(inhibition).collect(),
            time_intervals: config.time_intervals.iter().map(named).collect(),
            resolve_timeout: config.global.resolve_timeout.0,
        }
    }
}

/// A rule with several sources has the first in the place of its only one.
fn inhibition(rule: &alertmanager::InhibitRule) -> InhibitSpec {
    let ascending = |equal: &[String]| {
        let mut equal = equal.to_vec();
        equal.sort();
        equal.dedup();
        equal
    };
    let source =
        |s: &alertmanager::InhibitSource| InhibitSource { matchers: s.matchers.0.clone(), equal: ascending(&s.equal) };
    let mut sources = rule.sources.iter().map(source);
    let own = || InhibitSource { matchers: rule.source(), equal: ascending(&rule.equal) };
    let InhibitSource { matchers, equal } = sources.next().unwrap_or_else(own);
    InhibitSpec { name: rule.name.clone(), source: matchers, target: rule.target(), equal, also: sources.collect() }
}

fn route(r: &RouteConfig) -> RouteSpec {
    RouteSpec {
        matchers: matchers(r),
        receiver: Some(r.receiver.as_str()).filter(|name| !name.is_empty()).map(Arc::from),
        fallback: match r.fallback_receiver.as_str() {
            "" => r.fallback_to_parent.then_some(Fallback::Parent),
            name => Some(Fallback::Receiver(name.into())),
        },
        group_by: r.grouping(),
        continue_matching: r.continue_matching,
        group_wait: r.group_wait.map(|d| d.0),
        group_interval: r.group_interval.map(|d| d.0),
        repeat_interval: r.repeat_interval.map(|d| d.0),
        mute_time_intervals: r.mute_time_intervals.clone(),
        active_time_intervals: r.active_time_intervals.clone(),
        labels: r.labels.clone(),
        routes: r.routes.iter().map(route).collect(),
    }
}

/// The matchers in all three forms. Alertmanager anchors the patterns of `match_re` in their text, which its group keys
/// show; keys are to be the same.
fn matchers(r: &RouteConfig) -> Vec<Matcher> {
    let anchored = |m: &Matcher| {
        Matcher::of_alerts(MatchOp::Regex, m.name.clone(), format!("^(?:{})$", m.value)).unwrap_or_else(|_| m.clone())
    };
    let equal = r.match_equal.0.iter().cloned();
    equal.chain(r.match_re.0.iter().map(anchored)).chain(r.matchers.0.iter().cloned()).collect()
}

impl Silence {
    /// A silence that a file of the configuration keeps.
    pub fn configured(file: &str, silence: &SilenceConfig) -> Self {
        let configured = Configured {
            file: file.into(),
            name: silence.name.clone(),
            recurrence: silence.schedule.as_ref().map(recurrence),
            notice: silence.expiry_notice.map(|d| d.0),
        };
        Silence {
            id: configured_id(&silence.name),
            matchers: silence.matchers.0.clone(),
            starts_at: silence.starts.map_or(0, |t| t.0),
            ends_at: silence.expires.map_or(NEVER, |t| t.0),
            updated_at: 0,
            created_by: silence.owner.clone(),
            comment: silence.reason.clone(),
            annotations: Labels::from_pairs([("configured_as", silence.name.as_str()), ("configured_in", file)]),
            acknowledges: None,
            configured: Some(Arc::new(configured)),
        }
    }
}

fn recurrence(schedule: &ScheduleConfig) -> Recurrence {
    let window = |c: &CronConfig| CronWindow {
        cron: c.expression,
        duration: c.duration.0,
        location: c.location.map_or(Tz::UTC, |l| l.0),
    };
    Recurrence {
        intervals: schedule.time_intervals.iter().map(interval).collect(),
        crons: schedule.cron.iter().map(window).collect(),
    }
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
    use crate::routing::config::GroupBy;

    #[test]
    fn several_sources_and_an_empty_grouping_arrive() {
        let text = "
route: {receiver: a, group_by: [x], routes: [{group_by: []}, {}]}
receivers: [{name: a}]
inhibit_rules:
- {name: both, target_matchers: [t=1], sources: [{matchers: [a=1], equal: [z, y, z]}, {matchers: [b=1]}]}
";
        let config = RoutingConfig::of(&AlertmanagerConfig::load_str("am.yml", text).unwrap().config);
        let grouping: Vec<_> = config.route.routes.iter().map(|r| r.group_by.clone()).collect();
        assert_eq!(grouping, [Some(GroupBy::Labels(vec![])), None]);
        let also = InhibitSource { matchers: vec![Matcher::equal("b", "1")], equal: vec![] };
        let want = InhibitSpec {
            name: "both".into(),
            source: vec![Matcher::equal("a", "1")],
            target: vec![Matcher::equal("t", "1")],
            equal: vec!["y".into(), "z".into()],
            also: vec![also],
        };
        assert_eq!(config.inhibit_rules, [want]);
    }
}
