//! Tells the events to a person: a timeline, and each notification as its receiver shows it.

use std::fmt::Write as _;

use serde_json::Value as Payload;

use crate::model::Labels;
use crate::model::number::format_float;

use super::event::{Change, DeliveredNotification, StageEvent, What};

/// Writes events as text.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// Whether to colour: only on a terminal that was not asked not to.
    pub colour: bool,
}

/// The time of day, `HH:MM:SS`.
pub fn clock_time(t: i64) -> String {
    let seconds = t.div_euclid(1_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Labels that every line would repeat.
const DULL: [&str; 7] = ["alertname", "UUID", "device", "instance", "job", "modelName", "namespace"];

impl Teller {
    /// The event as lines of text.
    pub fn tell(&self, event: &StageEvent) -> String {
        let time = self.paint("2", &clock_time(event.at));
        match &event.what {
            What::Act(what) => format!("\n{time}  {}\n", self.paint("1", &format!("-- {what}"))),
            What::Alert { change, labels, value, .. } => {
                let (name, code) = match change {
                    Change::Pending => ("PENDING ", "33"),
                    Change::Firing => ("FIRING  ", "1;31"),
                    Change::Resolved => ("RESOLVED", "32"),
                };
                let name = self.paint(code, name);
                let (alert, about) = (labels.value("alertname"), about(labels));
                match change {
                    Change::Resolved => format!("{time}  {name}  {alert}{about}\n"),
                    _ => format!("{time}  {name}  {alert}{about}  value {}\n", short(*value)),
                }
            }
            What::Notified(told) => self.notification(&time, told),
        }
    }

    fn notification(&self, time: &str, told: &DeliveredNotification) -> String {
        let DeliveredNotification { receiver, integration, status, reason, alerts, .. } = told;
        let head = format!("{integration} to {receiver}");
        let reason = reason.replace('_', " ");
        let plural = if *alerts == 1 { "" } else { "s" };
        let mut out = format!(
            "{time}  {}  {status}, {alerts} alert{plural}; {reason}\n",
            self.paint("36", &format!("==> {head}"))
        );
        for line in shown(integration, &told.payload).lines() {
            let _ = writeln!(out, "            {} {line}", self.paint("36", "|"));
        }
        out
    }

    /// Text in a colour, when colours are wanted.
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn about(labels: &Labels) -> String {
    let interesting = labels.iter().filter(|(name, _)| !DULL.contains(name) && *name != "severity" && *name != "team");
    let pairs: Vec<String> = interesting.map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("  {}", pairs.join(" ")) }
}

fn short(v: f64) -> String {
    if v.is_finite() && v.abs() < 1e9 { format_float((v * 1e4).round() / 1e4) } else { format_float(v) }
}

/// What a person sees of a payload in the receiver's own application.
fn shown(integration: &str, payload: &Payload) -> String {
    let text = |path: &str| payload.pointer(path).and_then(Payload::as_str).unwrap_or("").to_owned();
    let lines = match integration {
        "slack" => vec![
            format!("{}  {}", text("/channel"), text("/username")),
            text("/attachments/0/title"),
            text("/attachments/0/text"),
        ],
        "pagerduty" => {
            let action = [text("/event_action"), text("/event_type")].concat();
            let summary = [text("/payload/summary"), text("/description")].concat();
            let severity = text("/payload/severity");
            let severity = if severity.is_empty() { severity } else { format!(" [{severity}]") };
            vec![format!("{action}{severity}  {summary}"), format!("client {}", text("/client"))]
        }
        "email" => {
            vec![format!("To: {}", text("/to")), format!("Subject: {}", text("/headers/Subject")), text("/text")]
        }
        _ => vec![payload.to_string()],
    };
    lines.iter().flat_map(|l| l.lines()).map(str::trim_end).filter(|l| !l.trim().is_empty()).fold(
        String::new(),
        |mut out, line| {
            out.push_str(line);
            out.push('\n');
            out
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slack_message_is_shown_as_slack_shows_it_and_arabic_stays_whole() {
        let told = DeliveredNotification {
            alertname: "InferenceLatencyHigh".into(),
            labels: Labels::empty(),
            receiver: "slack-ml-platform".into(),
            integration: "slack".into(),
            status: "firing",
            reason: "first_notification",
            alerts: 1,
            payload: serde_json::json!({
                "channel": "#ml-platform-alerts", "username": "Alertmanager",
                "attachments": [{"title": "InferenceLatencyHigh", "text": "زمن استدلال P99 يتجاوز 2s"}],
            }),
        };
        let text = Teller { colour: false }.tell(&StageEvent { at: 3_661_000, what: What::Notified(Box::new(told)) });
        let want = "01:01:01  ==> slack to slack-ml-platform  firing, 1 alert; first notification\n\
                    \x20           | #ml-platform-alerts  Alertmanager\n\
                    \x20           | InferenceLatencyHigh\n\
                    \x20           | زمن استدلال P99 يتجاوز 2s\n";
        assert_eq!(text, want);
    }

    #[test]
    fn lines_about_alerts_name_what_differs() {
        let labels = Labels::from_pairs([("alertname", "Hot"), ("gpu", "4"), ("job", "x"), ("severity", "warning")]);
        let what = What::Alert { change: Change::Firing, labels, annotations: Labels::empty(), value: 91.00001 };
        let event = StageEvent { at: 0, what };
        assert_eq!(Teller { colour: false }.tell(&event), "00:00:00  FIRING    Hot  gpu=4  value 91\n");
        assert!(Teller { colour: true }.tell(&event).contains("\x1b[1;31mFIRING  \x1b[0m"));
    }
}
