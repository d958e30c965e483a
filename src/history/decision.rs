//! A decision: what was decided, about what, when and why. This is the format of the log and of the API: one JSON object,
//! whose names stay. What is new gets a new kind or a new optional field.
//!
//! ```json
//! {"time":"2026-01-02T03:04:05.678Z","kind":"sent","details":{"attempt":1},
//!  "alerts":[{"labels":{"alertname":"Down"},"fingerprint":"0123456789abcdef"}],
//!  "group_key":"{}:{}","receiver":"team","integration":"webhook[0]","notification":7}
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Labels;

use super::text::{Number, Time};

/// Most alerts with which one decision is recorded; more are [counted](Decision::more_alerts), or recorded as further
/// decisions of the same notification.
pub const MOST_ALERTS: usize = 100;

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When it was made, by the engine's clock.
    pub time: Time,
    /// What was decided, and why.
    #[serde(flatten)]
    pub what: What,
    /// The alerts it is about, as routing and receivers know them; none for what is about the whole service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<DecidedAlert>,
    /// How many more alerts it is about.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_alerts: u64,
    /// The aggregation group, by Alertmanager's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_key: Option<Arc<str>>,
    /// The receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Arc<str>>,
    /// Which integration of the receiver: `webhook[0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<Arc<str>>,
    /// The notification, by the id that its messages carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<u64>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !b
}

/// An alert that a decision is about.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "AlertRecord")]
pub struct DecidedAlert {
    /// Its labels: its identity.
    pub labels: Labels,
    /// Whether it had resolved.
    pub resolved: bool,
}

impl DecidedAlert {
    /// An alert that fires, or may come to.
    pub fn of(labels: Labels) -> Self {
        DecidedAlert { labels, resolved: false }
    }

    /// Alertmanager's fingerprint of it, 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", self.labels.fingerprint())
    }
}

/// As it is written. The fingerprint follows from the labels and is not read.
#[derive(Serialize, Deserialize)]
struct AlertRecord {
    labels: Labels,
    #[serde(default, skip_deserializing)]
    fingerprint: String,
    #[serde(default, skip_serializing_if = "is_false")]
    resolved: bool,
}

impl Serialize for DecidedAlert {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let DecidedAlert { labels, resolved } = self;
        AlertRecord { labels: labels.clone(), fingerprint: self.fingerprint(), resolved: *resolved }.serialize(s)
    }
}

impl From<AlertRecord> for DecidedAlert {
    fn from(AlertRecord { labels, resolved, .. }: AlertRecord) -> Self {
        DecidedAlert { labels, resolved }
    }
}

/// What was decided. In JSON `kind` is the [kind](Kind), `details` are the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "details", rename_all = "snake_case")]
pub enum What {
    /// A rule can no longer be evaluated, or can again.
    Evaluation {
        /// The rule.
        rule: RuleName,
        /// Why it fails; nothing when it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Arc<str>>,
    },
    /// An alert is active and does not fire yet.
    Pending {
        /// The rule.
        rule: RuleName,
        /// The value of its expression.
        value: Number,
        /// Since when it is active.
        active_at: Time,
        /// When it fires if it stays active.
        fires_at: Time,
    },
    /// A pending alert has ended before it could fire.
    Inactive {
        /// The rule.
        rule: RuleName,
        /// The value of its expression when it was last active.
        value: Number,
        /// Since when it was active.
        active_at: Time,
    },
    /// An alert fires.
    Firing {
        /// The rule; nothing for an alert that was posted, or that a reload moved or ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleName>,
        /// The value of its expression; nothing for an alert that was posted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Number>,
        /// Since when it is active.
        active_at: Time,
    },
    /// The expression does not hold any more, and `keep_firing_for` keeps the alert firing; or it holds again.
    KeptFiring {
        /// The rule.
        rule: RuleName,
        /// The value of its expression when it last held.
        value: Number,
        /// Until when it is kept; nothing when the expression holds again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// An alert that fired has resolved.
    Resolved {
        /// The rule; nothing for an alert that was posted, or that a reload moved or ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<RuleName>,
        /// What the rule measured when it resolved, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Number>,
        /// Since when it fired.
        fired_at: Time,
        /// Whether it was posted, and its poster did not speak of it again in time.
        #[serde(default, skip_serializing_if = "is_false")]
        timed_out: bool,
    },
    /// An alert matches routes: to these receivers.
    Routed {
        /// Where it goes, one for each route at which it ends; none: it is routed nowhere.
        routes: Vec<RoutedTo>,
    },
    /// An alert joined an aggregation group, which waits.
    Grouped {
        /// When the group is flushed next.
        flush_at: Time,
    },
    /// Silences keep an alert from being told.
    Silenced {
        /// Their ids.
        by: Vec<String>,
        /// Whether one of them is an acknowledgement.
        #[serde(default, skip_serializing_if = "is_false")]
        acknowledged: bool,
    },
    /// Firing alerts keep an alert from being told.
    Inhibited {
        /// The labels of those alerts.
        by: Vec<Labels>,
        /// Which rule of `inhibit_rules`, from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<u64>,
    },
    /// Time intervals keep a group's route mute.
    Muted {
        /// Their names.
        by: Vec<String>,
    },
    /// Nothing keeps an alert, or a group's route, from being told any more.
    Unmuted {},
    /// The receiver knows all there is to tell.
    Deduplicated {
        /// Against which notification, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        against: Option<u64>,
        /// When it was last told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told_at: Option<Time>,
        /// When it will be told again if nothing changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeat_after: Option<Time>,
    },
    /// The receiver is not told, for another reason.
    Withheld {
        /// Why.
        why: Withheld,
    },
    /// The receiver is to be told. What follows (`sent`, `failed`, `given_up`, `withdrawn`) names the same notification.
    Notify(Told),
    /// The receiver is to be told again of what has not changed.
    Repeated(Told),
    /// A receiver that stands in for another one is to be told.
    FellBack(Told),
    /// What was to be told is not any more.
    Withdrawn {
        /// The notification that says it better, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_by: Option<u64>,
    },
    /// What the message of a notification said that the receiver took.
    Rendered {
        /// Its title, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Its text, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The fields that say something else than they were to say, because their templates failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        problems: Vec<RenderedProblem>,
    },
    /// The receiver took a notification.
    Sent {
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// An attempt failed, and is made again.
    Failed {
        /// Which attempt it was, from 1.
        attempt: u32,
        /// Why.
        error: String,
        /// When it is tried next.
        next_attempt: Time,
    },
    /// The receiver refused a notification; it is not tried again before the group's next flush.
    GivenUp {
        /// Which attempt it was, from 1.
        attempt: u32,
        /// Why.
        error: String,
    },
    /// Another configuration is in force.
    Reloaded {
        /// Rule groups.
        groups: u64,
        /// Rules.
        rules: u64,
    },
    /// The engine started.
    Started {
        /// Rule groups.
        groups: u64,
        /// Rules.
        rules: u64,
        /// Notifications that were owed from before.
        owed: u64,
    },
    /// So many decisions before this one were made and not recorded.
    Lost {
        /// How many.
        decisions: u64,
        /// Why.
        error: String,
    },
    /// The clock leapt.
    ClockStepped {
        /// By so many milliseconds; back when negative.
        by_ms: i64,
    },
}

/// A rule, by its group and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleName {
    /// The file and the group's name: `rules.yml;group`.
    pub group: Arc<str>,
    /// The rule's name.
    pub name: Arc<str>,
}

/// Where an alert is routed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutedTo {
    /// The route, by Alertmanager's key: `{}/{severity="page"}`.
    pub route: Arc<str>,
    /// Its receiver.
    pub receiver: Arc<str>,
}

/// A notification that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Why: `first_notification`, `new_alerts_in_group`, `new_resolved_alerts`, `all_alerts_resolved`,
    /// `repeat_interval_elapsed`.
    pub reason: Arc<str>,
    /// The receiver that should have been told and cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Arc<str>>,
}

/// A field of a message whose template failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedProblem {
    /// The field, as the configuration names it.
    pub field: String,
    /// Why.
    pub error: String,
}

/// Why a receiver is not told, where it is neither muted nor knows all already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// What resolved it was never told to fire.
    NeverTold,
    /// All is over, and it wants to hear of no resolve.
    ResolvesUnwanted,
    /// All alerts that it could be told of are silenced or inhibited.
    AllMuted,
    /// It stands in for a receiver, and that one can be told.
    NotNeeded,
    /// Somebody looks after all that there is to tell.
    Acknowledged,
}

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// The kinds of decisions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: see [`What::", stringify!($kind), "`].")] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// Its name in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }
        }

        impl What {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(What::$kind { .. } => Kind::$kind,)* }
            }
        }
    };
}

kinds! {
    Evaluation "evaluation",
    Pending "pending",
    Inactive "inactive",
    Firing "firing",
    KeptFiring "kept_firing",
    Resolved "resolved",
    Routed "routed",
    Grouped "grouped",
    Silenced "silenced",
    Inhibited "inhibited",
    Muted "muted",
    Unmuted "unmuted",
    Deduplicated "deduplicated",
    Withheld "withheld",
    Notify "notify",
    Repeated "repeated",
    FellBack "fell_back",
    Withdrawn "withdrawn",
    Rendered "rendered",
    Sent "sent",
    Failed "failed",
    GivenUp "given_up",
    Reloaded "reloaded",
    Started "started",
    Lost "lost",
    ClockStepped "clock_stepped",
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let found = Kind::ALL.iter().find(|kind| kind.as_str() == text);
        found.copied().ok_or_else(|| format!("unknown kind {text:?}, expected one of {}", names()))
    }
}

impl Decision {
    /// A decision about the whole service.
    pub fn new(at: i64, what: What) -> Self {
        Decision {
            time: Time(at),
            what,
            alerts: Vec::new(),
            more_alerts: 0,
            group_key: None,
            receiver: None,
            integration: None,
            notification: None,
        }
    }

    /// A decision about one alert.
    pub fn about(at: i64, labels: Labels, what: What) -> Self {
        Decision { alerts: vec![DecidedAlert::of(labels)], ..Decision::new(at, what) }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.what.kind()
    }

    /// The receivers to which it routes an alert.
    pub fn routed_to(&self) -> impl Iterator<Item = &str> {
        let routes: &[RoutedTo] = if let What::Routed { routes } = &self.what { routes } else { &[] };
        routes.iter().map(|route| &*route.receiver)
    }

    /// Whether it is about what a receiver is told, or routes an alert to it.
    pub fn concerns_receiver(&self, name: &str) -> bool {
        self.receiver.as_deref() == Some(name) || self.routed_to().any(|receiver| receiver == name)
    }

    /// The same, about the first of these alerts, and counting the others.
    #[must_use]
    pub fn with_alerts(mut self, mut alerts: impl ExactSizeIterator<Item = DecidedAlert>) -> Self {
        self.more_alerts = alerts.len().saturating_sub(MOST_ALERTS) as u64;
        self.alerts = alerts.by_ref().take(MOST_ALERTS).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> RuleName {
        RuleName { group: "r.yml;g".into(), name: "Down".into() }
    }

    fn told() -> Told {
        Told { reason: "first_notification".into(), instead_of: None }
    }

    /// One of each kind, fields filled where they can be.
    pub(in crate::history) fn one_of_each() -> Vec<Decision> {
        let (value, time) = (Number(93.5), Time(1_500));
        let labels = Labels::from_pairs([("alertname", "Down"), ("instance", "a:9090")]);
        let of_rule = |what| Decision::about(1_000, labels.clone(), what);
        let of_group = |what| Decision {
            group_key: Some("{}:{}".into()),
            receiver: Some("team".into()),
            integration: Some("webhook[0]".into()),
            notification: Some(7),
            ..of_rule(what)
        };
        vec![
            Decision::new(1_000, What::Evaluation { rule: rule(), error: Some("it fails".into()) }),
            of_rule(What::Pending { rule: rule(), value, active_at: time, fires_at: time }),
            of_rule(What::Inactive { rule: rule(), value, active_at: time }),
            of_rule(What::Firing { rule: Some(rule()), value: Some(value), active_at: time }),
            of_rule(What::KeptFiring { rule: rule(), value, until: Some(time) }),
            of_rule(What::Resolved { rule: None, value: Some(Number(f64::INFINITY)), fired_at: time, timed_out: true }),
            of_rule(What::Routed { routes: vec![RoutedTo { route: "{}".into(), receiver: "team".into() }] }),
            of_group(What::Grouped { flush_at: time }),
            of_rule(What::Silenced { by: vec!["id".into()], acknowledged: true }),
            of_rule(What::Inhibited { by: vec![labels.clone()], rule: Some(0) }),
            of_group(What::Muted { by: vec!["nights".into()] }),
            of_group(What::Unmuted {}),
            of_group(What::Deduplicated { against: Some(6), told_at: Some(time), repeat_after: Some(time) }),
            of_group(What::Withheld { why: Withheld::AllMuted }),
            of_group(What::Notify(told())),
            of_group(What::Repeated(told())),
            of_group(What::FellBack(Told { instead_of: Some("other".into()), ..told() })),
            of_group(What::Withdrawn { replaced_by: Some(8) }),
            of_group(What::Rendered {
                title: Some("[FIRING:1] Down".into()),
                text: Some("a:9090 is down".into()),
                problems: vec![RenderedProblem { field: "color".into(), error: "it fails".into() }],
            }),
            of_group(What::Sent { attempt: 1 }),
            of_group(What::Failed { attempt: 1, error: "503".into(), next_attempt: time }),
            of_group(What::GivenUp { attempt: 2, error: "400".into() }),
            Decision::new(1_000, What::Reloaded { groups: 1, rules: 2 }),
            Decision::new(1_000, What::Started { groups: 1, rules: 2, owed: 3 }),
            Decision::new(1_000, What::Lost { decisions: 4, error: "no space left on device".into() }),
            Decision::new(1_000, What::ClockStepped { by_ms: -5 }),
        ]
    }

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let all = one_of_each();
        assert_eq!(all.iter().map(Decision::kind).collect::<Vec<_>>(), Kind::ALL);
        for decision in all {
            let text = serde_json::to_string(&decision).unwrap();
            assert!(text.contains(&format!("\"kind\":\"{}\"", decision.kind().as_str())), "{text}");
            assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision, "{text}");
            assert_eq!(decision.kind().as_str().parse(), Ok(decision.kind()));
        }
    }

    #[test]
    fn names_in_json_stay() {
        let lines: Vec<String> = one_of_each().iter().map(|d| serde_json::to_string(d).unwrap()).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_decision_about_many_alerts_names_some_and_counts_the_others() {
        let alerts = (0..MOST_ALERTS + 3).map(|n| DecidedAlert::of(Labels::from_pairs([("n", n.to_string())])));
        let decision = Decision::new(0, What::Unmuted {}).with_alerts(alerts.collect::<Vec<_>>().into_iter());
        assert_eq!((decision.alerts.len(), decision.more_alerts), (MOST_ALERTS, 3));
    }
}
