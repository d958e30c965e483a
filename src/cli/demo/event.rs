//! What happens on stage, as data: one value an event, written as a line of JSON or told to a person.

use serde_json::Value as Payload;

use crate::model::Labels;
use crate::server::json::Json;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct StageEvent {
    /// When, milliseconds.
    pub at: i64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A line of the story.
    Act(&'static str),
    /// An alert changed its state.
    Alert {
        /// To which state.
        change: Change,
        /// Its labels.
        labels: Labels,
        /// Its annotations.
        annotations: Labels,
        /// The expression's value.
        value: f64,
    },
    /// A receiver was told.
    Notified(Box<DeliveredNotification>),
}

/// How an alert's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// It is active, and waits.
    Pending,
    /// It fires.
    Firing,
    /// It no longer fires.
    Resolved,
}

impl Change {
    /// The event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Pending => "pending",
            Change::Firing => "firing",
            Change::Resolved => "resolved",
        }
    }
}

/// A notification as its receiver got it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveredNotification {
    /// The alerts' name; several, joined by commas, when a group mixes them.
    pub alertname: String,
    /// The group's labels.
    pub labels: Labels,
    /// The receiver's name.
    pub receiver: String,
    /// `slack`, `pagerduty`, `email`, ...
    pub integration: String,
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// Why it was sent.
    pub reason: &'static str,
    /// How many alerts it carries.
    pub alerts: usize,
    /// What was sent.
    pub payload: Payload,
}

impl StageEvent {
    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        let mut json = Json::new();
        match &self.what {
            What::Act(text) => json.object(|j| {
                j.key("time").rfc3339(Some(self.at));
                j.key("event").plain_string("act");
                j.key("text").plain_string(text);
            }),
            What::Alert { change, labels, annotations, value } => json.object(|j| {
                j.key("time").rfc3339(Some(self.at));
                j.key("event").plain_string(change.as_str());
                j.key("alertname").plain_string(labels.value("alertname"));
                j.key("labels").labels(labels);
                j.key("annotations").labels(annotations);
                j.key("value").quoted_float(*value);
            }),
            What::Notified(told) => json.object(|j| {
                j.key("time").rfc3339(Some(self.at));
                j.key("event").plain_string("notified");
                j.key("alertname").plain_string(&told.alertname);
                j.key("labels").labels(&told.labels);
                j.key("receiver").plain_string(&told.receiver);
                j.key("integration").plain_string(&told.integration);
                j.key("status").plain_string(told.status);
                j.key("reason").plain_string(told.reason);
                j.key("alerts").int(i64::try_from(told.alerts).unwrap_or(i64::MAX));
                j.key("payload").raw(&told.payload.to_string());
            }),
        }
        json.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_names_its_alert_first() {
        let labels = Labels::from_pairs([("alertname", "X"), ("model", "m")]);
        let annotations = Labels::from_pairs([("summary", "زمن\n<2>")]);
        let what = What::Alert { change: Change::Firing, labels: labels.clone(), annotations, value: 2.5 };
        assert_eq!(
            StageEvent { at: 1_500, what }.to_json(),
            r#"{"time":"1970-01-01T00:00:01.5Z","event":"firing","alertname":"X","labels":{"alertname":"X","model":"m"},"annotations":{"summary":"زمن\n<2>"},"value":"2.5"}"#
        );
        let told = DeliveredNotification {
            alertname: "X".into(),
            labels,
            receiver: "r".into(),
            integration: "slack".into(),
            status: "firing",
            reason: "first_notification",
            alerts: 1,
            payload: serde_json::json!({"text": "زمن"}),
        };
        let line = StageEvent { at: 0, what: What::Notified(Box::new(told)) }.to_json();
        assert!(line.contains(r#""event":"notified","alertname":"X""#) && line.contains(r#""payload":{"text":"زمن"}"#));
        let act = StageEvent { at: 0, what: What::Act("x") }.to_json();
        assert_eq!(act, r#"{"time":"1970-01-01T00:00:00Z","event":"act","text":"x"}"#);
    }
}
