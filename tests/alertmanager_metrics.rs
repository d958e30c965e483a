//! `alertmanager_*` metrics: all that a real Alertmanager has, of the same kind, with the same labels; all that the field's
//! rules and dashboards use; and that they count what they say.

use std::collections::BTreeSet;

use regex::Regex;

use crate::alertmanager_program::{CONFIG, start};
use crate::support::exposition::families;
use crate::support::peers::{self, wait_for};
use crate::support::{http, shared};

fn metrics(port: u16) -> String {
    peers::get(port, "/metrics").unwrap().1
}

/// A sample's value; `None` when there is none.
fn sample(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn there_is_every_family_of_a_real_alertmanager() {
    let quiet = "route: {receiver: r, group_wait: 0s}\nreceivers: [{name: r}]\n";
    let Some(theirs) = peers::alertmanager(quiet, &[]) else { return };
    let ours = start(quiet, &["--web.listen-address=127.0.0.1:0"]);
    let port = ours.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    for port in [theirs.port, port] {
        let alert = br#"[{"labels": {"alertname": "A"}}]"#;
        assert_eq!(peers::post(port, "/api/v2/alerts", "application/json", alert).unwrap().0, 200);
        // What counts answers has the answers before.
        metrics(port);
    }
    let (theirs, ours) = (families(&metrics(theirs.port), "alertmanager_"), families(&metrics(port), "alertmanager_"));
    assert!(theirs.len() > 60, "{}", theirs.len());
    for (name, (kind, labels)) in theirs {
        let Some((our_kind, our_labels)) = ours.get(&name) else { panic!("{name} is missing") };
        assert_eq!((&kind, true), (our_kind, labels.is_subset(our_labels)), "{name}: {labels:?} {our_labels:?}");
    }
}

#[test]
fn there_is_every_family_that_mixins_ask_for() {
    let Some(mixins) = shared("configs/mixins") else { return };
    let program = start(&CONFIG.replace("ADDRESS", "127.0.0.1:1"), &["--web.listen-address=127.0.0.1:0"]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let text = metrics(port);
    let word = Regex::new(r"\balertmanager_[a-z_]+\b").unwrap();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for file in std::fs::read_dir(mixins).unwrap() {
        let mixin = std::fs::read_to_string(file.unwrap().path()).unwrap();
        asked.extend(word.find_iter(&mixin).map(|found| found.as_str().to_owned()));
    }
    assert!(asked.len() >= 10, "{asked:?}");
    for name in asked {
        let begins = |line: &str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        assert!(text.lines().any(begins), "{name} is asked for and not there");
    }
}

#[test]
fn notifications_and_attempts_are_counted_apart() {
    let address = http::serve(false, |request| {
        let status = if request.line.contains("/good") { 200 } else { 404 };
        Some(http::answer(status, &[], ""))
    });
    let config = format!(
        "route: {{receiver: good, group_wait: 0s, group_interval: 1h, routes: [{{receiver: good, continue: true}}, {{receiver: bad}}]}}\n\
         receivers: [{{name: good, webhook_configs: [{{url: 'http://{address}/good'}}]}}, {{name: bad, webhook_configs: [{{url: 'http://{address}/bad'}}]}}]\n"
    );
    for (feature, names) in [("receiver-name-in-metrics", true), ("auto-gomaxprocs", false)] {
        let feature = format!("--enable-feature={feature}");
        let program = start(&config, &["--web.listen-address=127.0.0.1:0", &feature]);
        let port = program.port();
        wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
        let series = |name: &str, reason: &str, receiver: &str| {
            let reason = if reason.is_empty() { String::new() } else { format!(",reason=\"{reason}\"") };
            let receiver = if names { format!(",receiver_name=\"{receiver}\"") } else { String::new() };
            format!("alertmanager_{name}{{integration=\"webhook\"{reason}{receiver}}}")
        };
        let failed = series("notifications_failed_total", "clientError", "bad");
        assert_eq!(sample(&metrics(port), &failed), Some(0.0));
        let alerts = br#"[{"labels": {"alertname": "A"}}]"#;
        assert_eq!(peers::post(port, "/api/v2/alerts", "application/json", alerts).unwrap().0, 200);
        let text = wait_for("a failure", || Some(metrics(port)).filter(|text| sample(text, &failed) == Some(1.0)));
        let both = |receiver: &str| if names || receiver.is_empty() { 1.0 } else { 2.0 };
        let done =
            |text: &String| sample(text, &series("notification_requests_total", "", "good")) == Some(both("good"));
        let text = if done(&text) { text } else { wait_for("the other", || Some(metrics(port)).filter(done)) };
        assert_eq!(sample(&text, &series("notifications_total", "", "good")), Some(both("good")));
        assert_eq!(sample(&text, &series("notification_requests_failed_total", "", "bad")), Some(1.0));
        assert_eq!(sample(&text, &series("notifications_failed_total", "serverError", "bad")), Some(0.0));
        assert_eq!(sample(&text, "alertmanager_alerts{state=\"active\"}"), Some(1.0));
        assert_eq!(sample(&text, "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"}"), Some(1.0));
        assert_eq!(sample(&text, "alertmanager_dispatcher_aggregation_groups"), Some(2.0));
    }
}
