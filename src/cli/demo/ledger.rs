//! The closing table: when each alert was pending, fired and resolved, and who was told how often.

use std::collections::BTreeMap;

use super::event::{Change, StageEvent, What};
use super::teller::clock_time;
use crate::server::json::Json;

/// What the table says of one alert.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    instances: std::collections::BTreeSet<crate::model::Labels>,
    pending: Option<i64>,
    firing: Option<i64>,
    resolved: Option<i64>,
    told: BTreeMap<String, usize>,
}

/// Takes the events in.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    // Alerts in the order in which they became pending.
    order: Vec<String>,
}

impl Ledger {
    /// Takes an event in.
    pub fn note(&mut self, event: &StageEvent) {
        match &event.what {
            What::Act(_) => {}
            What::Alert { change, labels, .. } => {
                let entry = self.entry(labels.value("alertname"));
                entry.instances.insert(labels.clone());
                match change {
                    // The first of each, and the last to resolve: the alert's whole life.
                    Change::Pending => entry.pending = entry.pending.or(Some(event.at)),
                    Change::Firing => entry.firing = entry.firing.or(Some(event.at)),
                    Change::Resolved => entry.resolved = Some(event.at),
                }
            }
            What::Notified(told) => *self.entry(&told.alertname).told.entry(told.receiver.clone()).or_default() += 1,
        }
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        if !self.entries.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.entries.entry(name.to_owned()).or_default()
    }

    /// What the table says as one line of JSON, the last of all: the names' order is the table's.
    pub fn to_json(&self, at: i64) -> String {
        let mut json = Json::new();
        json.object(|j| {
            j.key("time").rfc3339(Some(at));
            j.key("event").plain_string("summary");
            j.key("alerts").array(|j| {
                for name in &self.order {
                    let Some(entry) = self.entries.get(name) else { continue };
                    j.object(|j| {
                        j.key("alertname").plain_string(name);
                        j.key("series").int(i64::try_from(entry.instances.len()).unwrap_or(i64::MAX));
                        for (key, time) in
                            [("pending", entry.pending), ("firing", entry.firing), ("resolved", entry.resolved)]
                        {
                            j.key(key);
                            match time {
                                Some(_) => j.rfc3339(time),
                                None => j.null(),
                            }
                        }
                        j.key("notifications").object(|j| {
                            for (receiver, n) in &entry.told {
                                j.key(receiver).int(i64::try_from(*n).unwrap_or(i64::MAX));
                            }
                        });
                    });
                }
            });
        });
        json.finish()
    }

    /// The table as text. Columns hold plain names and times only, so that no writing direction can break them.
    pub fn table(&self) -> String {
        let header = ["ALERT", "SERIES", "PENDING", "FIRING", "RESOLVED", "NOTIFICATIONS BY RECEIVER"];
        let mut rows = vec![header.map(str::to_owned)];
        for name in &self.order {
            let Some(entry) = self.entries.get(name) else { continue };
            let time = |t: Option<i64>| t.map_or_else(|| "-".to_owned(), clock_time);
            let told: Vec<String> = entry.told.iter().map(|(receiver, n)| format!("{receiver} {n}")).collect();
            rows.push([
                name.clone(),
                entry.instances.len().to_string(),
                time(entry.pending),
                time(entry.firing),
                time(entry.resolved),
                told.join(", "),
            ]);
        }
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::DeliveredNotification;
    use super::*;
    use crate::model::Labels;

    #[test]
    fn the_table_shows_a_whole_life() {
        let mut ledger = Ledger::default();
        let mut alert = |at: i64, change: Change, gpu: &str| {
            let labels = Labels::from_pairs([("alertname", "Hot"), ("gpu", gpu)]);
            ledger.note(&StageEvent {
                at,
                what: What::Alert { change, labels, annotations: Labels::empty(), value: 1.0 },
            });
        };
        alert(0, Change::Pending, "1");
        alert(30_000, Change::Pending, "2");
        alert(60_000, Change::Firing, "1");
        alert(90_000, Change::Resolved, "1");
        alert(120_000, Change::Resolved, "2");
        let told = DeliveredNotification {
            alertname: "Hot".into(),
            labels: Labels::empty(),
            receiver: "default".into(),
            integration: "slack".into(),
            status: "firing",
            reason: "first_notification",
            alerts: 2,
            payload: serde_json::Value::Null,
        };
        ledger.note(&StageEvent { at: 61_000, what: What::Notified(Box::new(told)) });
        assert_eq!(
            ledger.table(),
            "ALERT  SERIES  PENDING   FIRING    RESOLVED  NOTIFICATIONS BY RECEIVER\n\
             Hot    2       00:00:00  00:01:00  00:02:00  default 1\n"
        );
        ledger.note(&StageEvent {
            at: 150_000,
            what: What::Alert {
                change: Change::Pending,
                labels: Labels::from_pairs([("alertname", "Late")]),
                annotations: Labels::empty(),
                value: 1.0,
            },
        });
        let mut summary: serde_json::Value = serde_json::from_str(&ledger.to_json(180_000)).unwrap();
        assert_eq!(summary["event"], "summary");
        assert_eq!(
            summary["alerts"].take(),
            serde_json::json!([
                {"alertname": "Hot", "series": 2, "pending": "1970-01-01T00:00:00Z", "firing": "1970-01-01T00:01:00Z",
                 "resolved": "1970-01-01T00:02:00Z", "notifications": {"default": 1}},
                {"alertname": "Late", "series": 1, "pending": "1970-01-01T00:02:30Z", "firing": null, "resolved": null,
                 "notifications": {}},
            ])
        );
    }
}
