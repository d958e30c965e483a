//! The answer: the rules that are asked for, and of each alert the chain from its state to its delivery. This is the shape
//! of the API's JSON, whose names stay.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::history::{DecidedAlert, Number, Recorded, Time};
use crate::model::Labels;
use crate::model::labels_serde::annotations;

use super::part::Part;

/// What is known of an alert, or of one that never was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What was asked for, as matchers.
    pub asked: String,
    /// The time it holds for.
    pub at: Option<Time>,
    /// In one sentence.
    pub summary: String,
    /// What the answer cannot know, or knows from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The notification that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageChain>,
    /// The alerts that are asked for, those that fire first.
    pub alerts: Vec<AlertChain>,
    /// How many more there are.
    pub more_alerts: usize,
    /// The rules that could raise what is asked for.
    pub rules: Vec<RuleChain>,
    /// How many more there are.
    pub more_rules: usize,
    /// Names of rules that may have been meant, where no rule has the name that is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub did_you_mean: Vec<String>,
}

/// How far an alert has come on its way, or what stops it. Of an alert that goes several ways, the furthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its rule's expression does not hold for it.
    Inactive,
    /// It is active, and not for long enough to fire.
    Pending,
    /// The receiver of its route has no integrations.
    NoIntegration,
    /// Silences hide it.
    Silenced,
    /// Firing alerts inhibit it.
    Inhibited,
    /// Somebody has acknowledged it.
    Acknowledged,
    /// Time intervals mute its route.
    Muted,
    /// It resolved, and this integration was never told that it fired.
    NeverTold,
    /// It resolved, and this integration wants to hear of no resolve.
    ResolveUnwanted,
    /// This integration stands in for another one, which can be told.
    NotNeeded,
    /// Its group has not been flushed yet: it waits for company, or for the sources of its alerts.
    GroupWait,
    /// It is told with the group's next flush.
    GroupInterval,
    /// The receiver refused the notification.
    Refused,
    /// Attempts to deliver failed; there will be another one.
    Retrying,
    /// It is decided, and waits for its turn.
    Queued,
    /// An attempt to deliver is under way.
    Sending,
    /// It was delivered.
    Delivered,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertChain {
    /// Its labels.
    pub labels: Labels,
    /// Alertmanager's fingerprint of them.
    pub fingerprint: String,
    /// Its annotations as rendered.
    #[serde(deserialize_with = "annotations")]
    pub annotations: Labels,
    /// Its rule, by its place in `rules`; nothing for a posted alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Where a posted alert says that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_url: Option<Arc<str>>,
    /// `pending`, `firing`, `resolved` or `inactive`.
    pub state: String,
    /// The value of its rule's expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
    /// Since when it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<Time>,
    /// When it fires if it stays active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fires_at: Option<Time>,
    /// When it began to fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Time>,
    /// The expression does not hold any more; `keep_firing_for` keeps it firing until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Time>,
    /// When it resolved; of a posted alert that fires, when it will if nobody posts it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
    /// Its rule's expression, as far as it concerns this alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Part>,
    /// Why that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_examined: Option<String>,
    /// The silences that hide it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silenced_by: Vec<SilencedBy>,
    /// The firing alerts that inhibit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inhibited_by: Vec<InhibitedBy>,
    /// The routes at which it ends.
    pub routes: Vec<RouteChain>,
    /// The routes that it does not take.
    pub passed_by: Vec<PassedBy>,
    /// How far it has come.
    pub stage: Stage,
    /// In one sentence.
    pub summary: String,
    /// When something goes out next, if nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// Of a time that is past: what was decided about it until then, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Recorded>,
}

/// A notification: why it was decided, what was new in it, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageChain {
    /// Its id, which its messages carry.
    pub notification: u64,
    /// Whom it told, or was to tell.
    pub receiver: Arc<str>,
    /// Which integration of the receiver: `webhook[0]`.
    pub integration: Arc<str>,
    /// Alertmanager's key of the group.
    pub group_key: Arc<str>,
    /// The receiver that should have been told and could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Arc<str>>,
    /// When it was decided.
    pub decided_at: Time,
    /// Why: `new_alerts_in_group`, as the history has it.
    pub reason: Arc<str>,
    /// The notification that told the same integration of the group before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<PageBefore>,
    /// The alerts that were news: they fired, and the one before did not say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<DecidedAlert>,
    /// The alerts of which it told that they had resolved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<DecidedAlert>,
    /// The alerts of which it told that they still fire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still: Vec<DecidedAlert>,
    /// `delivered`, `retrying`, `refused`, `withdrawn` or `open`.
    pub outcome: String,
    /// What became of it, the oldest first.
    pub attempts: Vec<Recorded>,
}

/// The notification before another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageBefore {
    /// Its id.
    pub notification: u64,
    /// When it was delivered.
    pub told_at: Time,
}

/// A silence that hides an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilencedBy {
    /// Its id.
    pub id: String,
    /// Its matchers.
    pub matchers: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Until when it lasts; nothing for an acknowledgement, which ends with its alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Whether it is an acknowledgement.
    pub acknowledgement: bool,
}

/// A firing alert that inhibits another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InhibitedBy {
    /// The firing alert.
    pub alert: Labels,
    /// The rule, by its place in `inhibit_rules`, from 0.
    pub rule: usize,
    /// What the rule says of the firing alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// What it says of the inhibited one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// In which labels they agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal: Vec<String>,
}

/// A route at which an alert ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteChain {
    /// Alertmanager's key: the matchers from the root down.
    pub route: Arc<str>,
    /// Its receiver.
    pub receiver: Arc<str>,
    /// Whether siblings behind it are looked at, too.
    pub continues: bool,
    /// The labels that the alert is grouped by.
    pub group_labels: Labels,
    /// Alertmanager's key of the group.
    pub group_key: Arc<str>,
    /// How long a new group waits, as `30s`.
    pub group_wait: String,
    /// How long it waits between flushes.
    pub group_interval: String,
    /// After how long it is told again of what has not changed.
    pub repeat_interval: String,
    /// The time intervals that mute the route now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted_by: Vec<String>,
    /// When they end, where that is within a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Time>,
    /// The group; nothing where there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupChain>,
    /// Whom it tells.
    pub integrations: Vec<IntegrationChain>,
}

/// An aggregation group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupChain {
    /// Whether it has been flushed since it was made.
    pub has_flushed: bool,
    /// When it is flushed next.
    pub next_flush: Time,
    /// Since when it waits for the sources of its alerts to speak, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for_sources_since: Option<Time>,
}

/// An integration of a receiver, and what it was told of the alert's group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationChain {
    /// Its receiver: the route's, or the one that stands in for that.
    pub receiver: Arc<str>,
    /// Which integration of it: `webhook[0]`.
    pub integration: String,
    /// Whether it stands in for the route's receiver.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stands_in: bool,
    /// Whether it wants to hear of resolves.
    pub send_resolved: bool,
    /// When it was last told of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Time>,
    /// What it was told of the alert then: `firing` or `resolved`; `in_doubt` where an attempt may have been heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// The last decision about the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionChain>,
    /// What it is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<OwedChain>,
    /// How far the alert has come here.
    pub stage: Stage,
    /// When something goes out next, if nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
}

/// The last decision about a group and an integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionChain {
    /// When it was made.
    pub at: Time,
    /// Whether the integration is told.
    pub tells: bool,
    /// Why, or why not.
    pub why: String,
}

/// A notification on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwedChain {
    /// Its id.
    pub notification: u64,
    /// When it was decided.
    pub decided_at: Time,
    /// Attempts that failed.
    pub attempts: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A route that an alert does not take, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassedBy {
    /// Alertmanager's key: the matchers from the root down.
    pub route: Arc<str>,
    /// Its receiver.
    pub receiver: Arc<str>,
    /// The matchers that the alert does not match, each with the value that it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<Unmatched>,
    /// The route before it that took the alert, and does not say `continue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Arc<str>>,
}

/// A matcher that an alert does not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmatched {
    /// The matcher.
    pub matcher: String,
    /// The alert's value of its label; empty where it has none.
    pub value: String,
}

/// A rule that could raise what is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleChain {
    /// The file.
    pub file: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its expression.
    pub expr: Arc<str>,
    /// `for`, as `5m`.
    #[serde(rename = "for")]
    pub hold: String,
    /// `keep_firing_for`
    pub keep_firing_for: String,
    /// How often it is evaluated.
    pub interval: String,
    /// `ok`, `err` or `unknown`.
    pub health: String,
    /// Why it cannot be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Arc<str>>,
    /// When it was last evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated_at: Option<Time>,
    /// When it is evaluated next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_evaluation: Option<Time>,
    /// Alerts that it has, by their states.
    pub pending: usize,
    /// Alerts that fire.
    pub firing: usize,
    /// Its expression, where no alert of it is asked for or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Part>,
    /// Why that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_examined: Option<String>,
    /// Rules that record what its expression reads and find nothing, and cannot be evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing_sources: Vec<FailingSource>,
    /// In one sentence.
    pub summary: String,
}

/// A recording rule that fails, of which an alerting rule reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailingSource {
    /// What it records.
    pub record: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// Why it fails.
    pub error: Arc<str>,
}
