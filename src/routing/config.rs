//! The routing configuration as routing sees it: read, checked and with every name resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::config::alertmanager::GroupBy;
use crate::model::Matcher;

use super::time_interval::TimeInterval;

/// Everything routing needs of an Alertmanager configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingConfig {
    /// The root route. It matches every alert.
    pub route: RouteSpec,
    /// Receivers by name.
    pub receivers: BTreeMap<Arc<str>, ReceiverSpec>,
    /// Inhibition rules.
    pub inhibit_rules: Vec<InhibitSpec>,
    /// Named time intervals, for muting and activating routes.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// After how long a received alert that nobody updates resolves, milliseconds. 0 means the default of 5 minutes.
    pub resolve_timeout: i64,
}

/// One route as written: `None` inherits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSpec {
    /// What an alert must match; `match`, `match_re` and `matchers` together.
    pub matchers: Vec<Matcher>,
    /// Whom to tell.
    pub receiver: Option<Arc<str>>,
    /// Whom to tell when that one refuses, or goes on failing.
    pub fallback: Option<Fallback>,
    /// By which labels to group; they ascend.
    pub group_by: Option<GroupBy>,
    /// Go on to the next sibling after a match.
    pub continue_matching: bool,
    /// How long a new group waits for company, milliseconds.
    pub group_wait: Option<i64>,
    /// How long a group waits between flushes, milliseconds.
    pub group_interval: Option<i64>,
    /// After how long an unchanged group is told again, milliseconds.
    pub repeat_interval: Option<i64>,
    /// Intervals in which the route is mute. Not inherited.
    pub mute_time_intervals: Vec<String>,
    /// Intervals outside which the route is mute. Not inherited.
    pub active_time_intervals: Vec<String>,
    /// Labels, as templates. Those of the route above that have other names are inherited.
    pub labels: BTreeMap<String, String>,
    /// Routes below.
    pub routes: Vec<RouteSpec>,
}

/// Whom to tell instead of a receiver that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The receiver of this name.
    Receiver(Arc<str>),
    /// The receiver of the route above.
    Parent,
}

/// A receiver: its integrations, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverSpec {
    /// The integrations.
    pub integrations: Vec<IntegrationSpec>,
}

/// What routing and deciding need to know of an integration.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationSpec {
    /// `slack`, `pagerduty`, ...
    pub kind: Arc<str>,
    /// Its place among the receiver's integrations of its kind.
    pub index: usize,
    /// Whether it wants to hear of resolved alerts.
    pub send_resolved: bool,
}

/// An inhibition rule: a firing source mutes targets with which it shares the values of `equal`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitSpec {
    /// What the configuration calls it.
    pub name: String,
    /// What the muting alert matches.
    pub source: Vec<Matcher>,
    /// What the muted alert matches.
    pub target: Vec<Matcher>,
    /// Labels that must agree (absent agrees with absent), ascending.
    pub equal: Vec<String>,
    /// Further sources, each of which must fire too.
    pub also: Vec<InhibitSource>,
}

/// One of several sources of an inhibition rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitSource {
    /// What it matches.
    pub matchers: Vec<Matcher>,
    /// Labels in which it must agree with the target, ascending.
    pub equal: Vec<String>,
}
