//! The demo: every alert of the mission lives its whole life, and every receiver is told.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value as Json;

const ALERTS: [&str; 7] = [
    "InferenceLatencyHigh",
    "InferenceErrorRateHigh",
    "GPUMemoryExhausted",
    "GPUTemperatureHigh",
    "GPUXIDErrors",
    "ModelAccuracyDrift",
    "PredictionDistributionShift",
];

/// When each alert becomes pending, fires and resolves: the first of its series, and the last to resolve. The fleet's
/// samples and the evaluations are 30 seconds apart, and each is a step in one signal:
/// accuracy drops at 06:40 and returns at 11:50, so it is pending at once, fires an hour later, and resolves at once;
/// the XID code rises at 08:00, which an hour's increase sees at once and no longer after 08:59:30, a left-open window.
const TIMES: [(&str, &str, &str, &str); 2] =
    [("ModelAccuracyDrift", "06:40:00", "07:40:00", "11:50:00"), ("GPUXIDErrors", "08:00:00", "08:01:00", "08:59:30")];

fn text<'a>(event: &'a Json, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_else(|| panic!("{key} in {event}"))
}

#[test]
fn every_alert_fires_is_told_and_resolves() {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell")).args(["demo", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Json> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();

    let mut seen: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    // The story begins with its first act and ends with what became of each alert.
    assert_eq!(text(&events[0], "event"), "act", "{}", events[0]);
    let (summary, events) = events.split_last().unwrap();
    assert_eq!(text(summary, "event"), "summary");
    let names = |list: &Json| list.as_array().unwrap().iter().map(|a| text(a, "alertname").to_owned()).collect();
    let summed: BTreeSet<String> = names(&summary["alerts"]);
    assert_eq!(summed, ALERTS.map(str::to_owned).into());
    for event in events.iter().filter(|event| event["event"] != "act") {
        seen.entry((text(event, "alertname"), text(event, "event"))).or_default().push(text(event, "time"));
    }
    for alert in ALERTS {
        for event in ["pending", "firing", "resolved", "notified"] {
            assert!(seen.contains_key(&(alert, event)), "no {event} of {alert}");
        }
    }
    let names: BTreeSet<&str> = seen.keys().map(|(alert, _)| *alert).collect();
    assert_eq!(names.len(), ALERTS.len(), "an alert nobody expects: {names:?}");
    for (alert, pending, firing, resolved) in TIMES {
        assert_eq!(seen[&(alert, "pending")][0], format!("2026-03-02T{pending}Z"));
        assert_eq!(seen[&(alert, "firing")][0], format!("2026-03-02T{firing}Z"));
        assert_eq!(*seen[&(alert, "resolved")].last().unwrap(), format!("2026-03-02T{resolved}Z"));
    }
    receivers_are_told(events);
}

fn receivers_are_told(events: &[Json]) {
    let told: Vec<&Json> = events.iter().filter(|e| e["event"] == "notified").collect();
    let receivers: BTreeSet<&str> = told.iter().map(|e| text(e, "receiver")).collect();
    let want = ["default", "email-ml-oncall", "pagerduty-ml", "slack-ml-engineering", "slack-ml-platform"];
    assert_eq!(receivers.into_iter().collect::<Vec<_>>(), want);
    assert!(told.iter().any(|e| e["reason"] == "repeat_interval_elapsed"));
    let of = |receiver: &str| told.iter().find(|e| e["receiver"] == receiver).unwrap();
    assert_eq!(of("slack-ml-platform")["payload"]["channel"], "#ml-platform-alerts");
    let page = &of("pagerduty-ml")["payload"];
    assert_eq!(page["event_type"], "trigger");
    assert_eq!(page["description"], "معدل الأخطاء > 1% للنموذج fraud-detector");
    let mail = &of("email-ml-oncall")["payload"];
    assert_eq!(mail["to"], "ml-oncall@example.com");
    assert!(mail["html"].as_str().unwrap().contains("fraud-detector"));
    // Nothing that could be a secret is shown.
    assert!(!told.iter().any(|e| e.to_string().contains("hooks.slack.com/services/xxx")));
}

#[test]
fn a_server_is_left_in_which_the_incident_fires() {
    use crate::support::peers::{Peer, free_port, get, wait_for};
    let port = free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(["demo", "--serve", "--json", &format!("--web.listen-address=127.0.0.1:{port}")]);
    let patience = std::time::Duration::from_secs(600);
    let server = Peer::start_within(patience, &mut command, port, "/-/ready");
    let firing = wait_for("what fires", || {
        let (_, body) = get(server.port, "/api/v1/alerts")?;
        let alerts = serde_json::from_str::<Json>(&body).ok()?;
        let all = alerts["data"]["alerts"].as_array()?.clone();
        let firing = all.iter().filter(|a| a["state"] == "firing");
        let names: BTreeSet<String> = firing.map(|a| a["labels"]["alertname"].as_str().unwrap().to_owned()).collect();
        (names.len() >= 5).then_some(names)
    });
    assert!(firing.contains("InferenceErrorRateHigh") && firing.contains("GPUTemperatureHigh"), "{firing:?}");
    // A busy port is told before anything is played.
    let begin = watchbell::clock::Stopwatch::start();
    let second = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["demo", "--serve", &format!("--web.listen-address=127.0.0.1:{port}")])
        .output()
        .unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && second.stdout.is_empty(), "{told}");
    assert!(told.contains(&format!("listen on 127.0.0.1:{port}")), "{told} after {:?}", begin.elapsed());
}
