//! The configuration, the alerts and the silences.

use serde_json::{Value, json};

use crate::Options;

/// Alerts of one group.
const GROUP: usize = 20;
const NAMES: usize = 50;

/// The routing configuration; `sink` is where pages go.
pub fn routing(o: &Options, sink: &str) -> String {
    let mut out = format!(
        "route:\n  receiver: sink\n  group_by: [alertname, cluster]\n  group_wait: 5s\n  group_interval: 20s\n  \
         repeat_interval: 4h\n  routes:\n  - matchers: ['severity=\"info\"']\n    receiver: sink\n\
         receivers:\n- name: sink\n  webhook_configs:\n  - url: {sink}\n    max_alerts: 10\ninhibit_rules:\n"
    );
    for i in 0..o.inhibit_rules {
        // Every alert name's critical alerts mute its warnings in the cluster; the other rules are about a team.
        let (source, target) = match i % 2 {
            0 => (format!("alertname=\"Alert{:02}\"", i % NAMES), "severity=~\"warning|info\"".to_owned()),
            _ => (format!("team=\"team-{i}\""), format!("team=~\"team-{i}.*\", severity!=\"critical\"")),
        };
        out.push_str(&format!(
            "- source_matchers: ['severity=\"critical\"', '{source}']\n  target_matchers: [{}]\n  \
             equal: [alertname, cluster]\n",
            target.split(", ").map(|m| format!("'{m}'")).collect::<Vec<_>>().join(", "),
        ));
    }
    out
}

/// Alert `i` as it is posted. One of a hundred is critical, and one of fifty ends in an hour as its poster says.
pub fn alert(i: usize) -> Value {
    let group = i / GROUP;
    let severity = match i % 100 {
        0 => "critical",
        n if n % 4 == 0 => "info",
        _ => "warning",
    };
    json!({
        "labels": {
            "alertname": format!("Alert{:02}", group % NAMES),
            "cluster": format!("cluster-{}", group / NAMES),
            "instance": format!("10.{}.{}.{}:9100", i >> 16, (i >> 8) & 255, i & 255),
            "job": "node-exporter",
            "namespace": format!("ns-{}", i % 40),
            "pod": format!("pod-{i:06}-{:05x}", i * 7919 % 1_048_573),
            "severity": severity,
            "team": format!("team-{}", i % 97),
        },
        "annotations": {
            "summary": format!("Instance {i} has used more than 90 % of its disk for 10 minutes"),
            "runbook_url": format!("https://runbooks.example.com/Alert{:02}", group % NAMES),
        },
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=node_filesystem_avail_bytes+%3C+10&g0.tab=1",
    })
}

/// The bodies of the posts.
pub fn posts(o: &Options) -> Vec<Vec<u8>> {
    let all: Vec<usize> = (0..o.alerts).collect();
    let body = |chunk: &[usize]| serde_json::to_vec(&chunk.iter().map(|i| alert(*i)).collect::<Vec<_>>()).unwrap();
    all.chunks(o.batch).map(body).collect()
}

/// Silence `i`. Every second one has a regular expression; one of ten speaks of an alert that there is.
pub fn silence(i: usize) -> Value {
    let matcher = |name: &str, value: String, is_regex: bool| json!({"name": name, "value": value, "isRegex": is_regex, "isEqual": true});
    let real = i % 10 < 2;
    let matchers = match (i.is_multiple_of(2), real) {
        (true, true) => vec![matcher("instance", format!("10.0.{}.{}:9100", (i >> 8) & 255, i & 255), false)],
        (true, false) => vec![matcher("instance", format!("gone-{i}"), false), matcher("team", "team-1".into(), false)],
        (false, true) => vec![matcher("pod", format!("pod-{i:06}-.+"), true)],
        (false, false) if i % 4 == 1 => vec![matcher("instance", format!("(gone|lost)-{i}.*"), true)],
        (false, false) => vec![matcher("pod", format!(".*-gone-{i}"), true)],
    };
    json!({
        "matchers": matchers, "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z",
        "createdBy": "bench", "comment": format!("maintenance {i}"),
    })
}
