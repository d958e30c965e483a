//! What a test file says of routing and receivers, beyond promtool's format: what is expected to be told, and what happens
//! meanwhile.

use crate::config::alertmanager::Matchers;
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node, Place, nearest};
use crate::notify::Reason;
use crate::routing::{NEVER, NewSilence};
use crate::section;

use super::wanted::{Expected, Match, Wanted, words};

section! {
    /// What receivers are expected to have been told up to a time. The list is complete.
    pub struct NotificationTest as "notification_test" with check {
        /// Up to when, after the test's start.
        eval_time: Option<Duration>,
        /// Only what was told later than this, after the test's start.
        since: Option<Duration>,
        /// Only what this receiver was told.
        receiver: Option<String>,
        /// What was told.
        exp_notifications: Option<Vec<ExpectedNotification>>,
        /// Nothing was told.
        no_notifications: bool,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// One message to one integration of a receiver. What is not said may be anything.
    pub struct ExpectedNotification as "exp_notifications" with check {
        /// The receiver's name.
        receiver: String,
        /// Which integration: `slack`, or `slack[1]` for the second.
        integration: Option<Integration>,
        /// When it was delivered, after the test's start.
        at: Option<Duration>,
        /// Whether any of its alerts fires.
        status: Option<Status>,
        /// Why it was sent.
        reason: Option<Reason>,
        /// The receiver that could not be told and that this one stands in for.
        instead_of: Option<String>,
        /// The labels of its group, all of them.
        group_labels: Option<Expected>,
        /// How labels and annotations of alerts are compared.
        labels_match as "match": Match = Match::Subset,
        /// Its alerts, all of them.
        alerts: Option<Vec<ExpectedNotified>>,
        /// The rendered title, or the subject.
        title: Option<Wanted>,
        /// The rendered text.
        text: Option<Wanted>,
        /// What the receiver's service gets, as JSON; secrets are `<secret>`.
        payload: Option<Wanted>,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// An alert in a notification.
    pub struct ExpectedNotified as "alerts" {
        /// Labels, `alertname` among them.
        labels: Expected,
        /// Rendered annotations.
        annotations: Expected,
        /// Whether it fires.
        status: Option<Status>,
    }
}

section! {
    /// A silence that somebody makes while the test runs.
    pub struct SilenceMade as "silence" with check {
        /// What an alert must match, all of it.
        matchers: Matchers,
        /// From when, after the test's start.
        from: Duration,
        /// Until when; to the end of the test when nothing is said.
        until: Option<Duration>,
    }
}

section! {
    /// A time in which receivers do not take what they are told.
    pub struct ReceiverDown as "receiver_down" with check {
        /// Which; each of them when nothing is said.
        receiver: Option<String>,
        /// From when, after the test's start; from the first attempt to tell it when nothing is said.
        from: Option<Duration>,
        /// For how long.
        lasts as "for": Duration,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// The end of the process, and its next start with the same state.
    pub struct Restart as "restart" with check {
        /// When it ends, after the test's start.
        at: Option<Duration>,
        /// How long it is away.
        away as "for": Duration,
    }
}

/// Which integration of a receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Integration {
    /// Its kind.
    pub kind: String,
    /// Its place among its kind; any when nothing is said.
    pub index: Option<usize>,
}

impl Decode for Integration {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let expected = "an integration such as slack or slack[1]";
        let Some(text) = node.text() else { return d.mismatch(node, expected) };
        let Some((kind, rest)) = text.split_once('[') else {
            return Some(Integration { kind: text.to_owned(), index: None });
        };
        match rest.strip_suffix(']').and_then(|digits| digits.parse().ok()) {
            Some(index) => Some(Integration { kind: kind.to_owned(), index: Some(index) }),
            None => d.mismatch(node, expected),
        }
    }
}

/// Whether something fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Firing,
    /// It does no longer.
    Resolved,
}

impl Status {
    /// Of what has resolved, and of what has not.
    pub fn of(is_resolved: bool) -> Self {
        if is_resolved { Status::Resolved } else { Status::Firing }
    }

    /// The word of templates and payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Firing => "firing",
            Status::Resolved => "resolved",
        }
    }
}

words!(Status, "firing or resolved", { "firing" => Status::Firing, "resolved" => Status::Resolved });

words!(
    Reason,
    "first_notification, new_alerts_in_group, new_resolved_alerts, all_alerts_resolved or repeat_interval_elapsed",
    {
        "first_notification" => Reason::FirstNotification,
        "new_alerts_in_group" => Reason::NewAlertsInGroup,
        "new_resolved_alerts" => Reason::NewResolvedAlerts,
        "all_alerts_resolved" => Reason::AllAlertsResolved,
        "repeat_interval_elapsed" => Reason::RepeatIntervalElapsed,
    }
);

impl NotificationTest {
    fn check(&mut self, m: &MapReader) {
        let Some(until) = self.eval_time else {
            m.error("eval_time", "a notification_test needs eval_time");
            return;
        };
        if self.since.is_some_and(|since| since >= until) {
            m.error("since", "since must be before eval_time");
        }
        match (&self.exp_notifications, self.no_notifications) {
            (None, false) => m.error("exp_notifications", "expected exp_notifications or no_notifications: true"),
            (Some(_), true) => {
                m.error("no_notifications", "expected exp_notifications or no_notifications, found both")
            }
            _ => {}
        }
        let others = |e: &&ExpectedNotification| self.receiver.as_ref().is_some_and(|r| *r != e.receiver);
        if let Some(other) = self.exp_notifications.iter().flatten().find(others) {
            let message = format!("{:?} is not the receiver that the test looks at", other.receiver);
            m.decoder().error(other.place.position(), message);
        }
    }

    /// Up to when, milliseconds after the test's start.
    pub fn until(&self) -> i64 {
        self.eval_time.map_or(0, Duration::millis)
    }

    /// What is expected.
    pub fn expected(&self) -> &[ExpectedNotification] {
        self.exp_notifications.as_deref().unwrap_or_default()
    }
}

impl ExpectedNotification {
    fn check(&mut self, m: &MapReader) {
        if self.receiver.is_empty() {
            m.error("receiver", "an expected notification needs a receiver");
        }
        for alert in self.alerts.iter().flatten() {
            let defect =
                self.labels_match.defect(&alert.labels).or_else(|| self.labels_match.defect(&alert.annotations));
            if let Some(defect) = defect {
                m.error("alerts", defect);
            }
        }
    }
}

impl SilenceMade {
    fn check(&mut self, m: &MapReader) {
        if self.until.is_some_and(|until| until <= self.from) {
            m.error("until", "until must be after from");
        } else if let Err(e) = self.silence(0).check() {
            m.error("matchers", e.to_string());
        }
    }

    /// The silence of a test that starts at a time, milliseconds.
    pub fn silence(&self, start: i64) -> NewSilence {
        let at = |after: Duration| start.saturating_add(after.millis());
        NewSilence {
            matchers: self.matchers.0.clone(),
            starts_at: at(self.from),
            ends_at: self.until.map_or(NEVER, at),
            created_by: "test".to_owned(),
            comment: "a silence of the test file".to_owned(),
            ..NewSilence::default()
        }
    }
}

impl ReceiverDown {
    fn check(&mut self, m: &MapReader) {
        if self.lasts.millis() <= 0 {
            m.error("for", "receiver_down needs a duration: for");
        }
    }
}

impl Restart {
    fn check(&mut self, m: &MapReader) {
        if self.at.is_none() {
            m.error("at", "a restart needs a time: at");
        }
    }
}

/// `receiver_down`: a duration, for which every receiver is down from the first attempt to tell it; one such time; or
/// several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Downs(pub Vec<ReceiverDown>);

impl Decode for Downs {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        if node.items().is_some() {
            return Vec::decode(node, d).map(Downs);
        }
        if node.entries().is_some() {
            return ReceiverDown::decode(node, d).map(|down| Downs(vec![down]));
        }
        let lasts = Duration::decode(node, d)?;
        if lasts.millis() <= 0 {
            d.error(node.position, "expected a duration of more than zero");
        }
        Some(Downs(vec![ReceiverDown { lasts, ..ReceiverDown::default() }]))
    }
}

/// `restarts`: times, or times with how long the process is away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restarts(pub Vec<Restart>);

impl Decode for Restarts {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(items) = node.items() else { return d.mismatch(node, "a list of times") };
        let restart = |item: &Node| match item.text() {
            Some(_) => Some(Restart { at: Some(Duration::decode(item, d)?), ..Restart::default() }),
            None => Restart::decode(item, d),
        };
        let mut all: Vec<Restart> = items.iter().filter_map(restart).collect();
        all.sort_by_key(|r| r.at);
        let apart = |pair: &[Restart]| match pair {
            [one, next] => one.end() <= next.at.map_or(0, Duration::millis),
            _ => true,
        };
        if !all.windows(2).all(apart) {
            d.error(node.position, "a restart begins before the one before it is over");
        }
        Some(Restarts(all))
    }
}

impl Restart {
    /// When the process is there again, milliseconds after the test's start.
    pub fn end(&self) -> i64 {
        self.at.map_or(0, Duration::millis).saturating_add(self.away.millis())
    }
}
