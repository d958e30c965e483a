//! Grafana and karma as they are: the requests that they make, answered beside a real Prometheus and a real Alertmanager.
//!
//! The requests are those of Grafana 11 (its data sources for Prometheus, by POST as is its default, and for Alertmanager
//! with the implementation "Prometheus"; the panel of alerts asks through them) and of karma 0.120.

use regex::Regex;
use serde_json::{Value as Json, json};
use watchbell::ingest::remote_write::{Protocol, encode};

use crate::alertmanager_api_peer;
use crate::api_peers::{self, rows};
use crate::support::peers;
use crate::support::service::Home;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request to the Prometheus side: method, path and form. `{start}` and `{end}` are seconds.
const GRAFANA_PROMETHEUS: [(&str, &str, &str); 24] = [
    // "Save & test".
    ("POST", "/api/v1/query", "query=1%2B1&time=4"),
    ("GET", "/api/v1/rules", ""),
    // Explore and panels: a graph, a table, a heat map, exemplars.
    ("POST", "/api/v1/query_range", "query=up&start={start}&end={end}&step=15"),
    (
        "POST",
        "/api/v1/query_range",
        "end={end}.5&query=sum+by+%28code%29+%28rate%28http_requests_total%5B1m0s%5D%29%29&start={start}.25&step=15",
    ),
    (
        "POST",
        "/api/v1/query_range",
        "query=http_requests_total%7Bjob%3D~%22a%7Cb%22%7D&start={start}&end={end}&step=7.5&timeout=30s",
    ),
    ("POST", "/api/v1/query", "query=up&time={end}.123"),
    ("POST", "/api/v1/query", "query=topk%2810%2C+http_requests_total%29&time={end}&limit=100"),
    ("POST", "/api/v1/query_exemplars", "query=http_requests_total&start={start}&end={end}"),
    ("GET", "/api/v1/query_exemplars?query=http_requests_total&start={start}&end={end}", ""),
    // What is wrong with a query is shown under it.
    ("POST", "/api/v1/query_range", "query=rate%28up%5B&start={start}&end={end}&step=15"),
    ("POST", "/api/v1/query", "query=up+%2B+on+%28job%29+up&time={end}"),
    // Completion, the builder, variables: label_values(), label_names(), metrics(), query_result().
    ("GET", "/api/v1/label/__name__/values?start={start}&end={end}", ""),
    ("GET", "/api/v1/label/job/values?match%5B%5D=up&start={start}&end={end}", ""),
    (
        "GET",
        "/api/v1/label/code/values?match%5B%5D=%7B__name__%3D%22http_requests_total%22%7D&start={start}&end={end}&limit=40000",
        "",
    ),
    ("POST", "/api/v1/labels", "start={start}&end={end}&match%5B%5D=http_requests_total"),
    ("GET", "/api/v1/labels?start={start}&end={end}&limit=40000", ""),
    ("POST", "/api/v1/series", "match%5B%5D=up&start={start}&end={end}&limit=40000"),
    ("GET", "/api/v1/series?match%5B%5D=%7B__name__%3D~%22http_.%2A%22%7D&start={start}&end={end}", ""),
    ("POST", "/api/v1/query", "query=count+by+%28job%29+%28up%29&time={end}"),
    ("GET", "/api/v1/metadata?limit=5000&metric=nothing", ""),
    ("POST", "/api/v1/format_query", "query=sum%28up%29by%28job%29"),
    // The panel of alerts and the page of rules.
    ("GET", "/api/v1/rules?type=alert", ""),
    ("GET", "/api/v1/rules?exclude_alerts=true&group_limit=40", ""),
    ("GET", "/api/v1/alerts", ""),
];

#[test]
fn grafanas_requests_get_prometheus_answers() {
    let Some(prometheus) = peers::prometheus(api_peers::CONFIG) else { return };
    let home = Home::new(&[("watchbell.yaml", api_peers::CONFIG)]);
    let ours = home.start();
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) / 60_000 * 60_000;
    let body = encode(Protocol::V1, &rows(now - 600_000));
    let ports = [prometheus.port, ours.0.port];
    for port in ports {
        let (status, text) = peers::post(port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
        assert_eq!(status, 204, "{text}");
    }
    let (start, end) = ((now / 1_000 - 315).to_string(), (now / 1_000 - 15).to_string());
    let mut different = Vec::new();
    for (method, path, form) in GRAFANA_PROMETHEUS {
        let fill = |text: &str| text.replace("{start}", &start).replace("{end}", &end);
        let (path, form) = (fill(path), fill(form));
        let headers = [("Content-Type", FORM), ("User-Agent", "Grafana/11.5.2"), ("X-Grafana-Org-Id", "1")];
        let [theirs, got] = ports.map(|port| {
            let (status, text) = peers::send(port, method, &path, &headers, form.as_bytes()).unwrap();
            (status, api_peers::comparable(&text))
        });
        if theirs != got {
            different.push(format!("{method} {path} {form}\n  prometheus {theirs:?}\n  watchbell  {got:?}"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn grafana_finds_out_what_it_talks_to() {
    let home = Home::new(&[("watchbell.yaml", api_peers::CONFIG)]);
    let server = home.start();
    // From the version Grafana decides what it may ask for; "features" would make it a Mimir.
    let info = server.api("/api/v1/status/buildinfo");
    let version = info["data"]["version"].as_str().unwrap();
    assert!(version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some(), "{info}");
    assert!(info["data"]["features"].is_null(), "{info}");
}

/// A request to the Alertmanager side: method, path and JSON. `{id}` is the silence that was made last.
const ALERTMANAGER_CLIENTS: [(&str, &str, &str); 17] = [
    // Grafana: its health check, contact points, the page of groups, the panel of alerts, silences.
    ("GET", "/api/v2/receivers", ""),
    ("GET", "/api/v2/alerts/groups", ""),
    ("GET", "/api/v2/alerts/groups?active=true&silenced=true&inhibited=true", ""),
    ("GET", "/api/v2/alerts/groups?filter=team%3D%22x%22&receiver=team-x", ""),
    ("GET", "/api/v2/alerts?filter=alertname%3D%22X%22&active=true&silenced=false&inhibited=false", ""),
    ("GET", "/api/v2/alerts", ""),
    ("GET", "/api/v2/silences", ""),
    ("POST", "/api/v2/silences", "silence"),
    ("GET", "/api/v2/silence/{id}", ""),
    ("GET", "/api/v2/silences?filter=alertname%3D%22X%22", ""),
    ("DELETE", "/api/v2/silence/{id}", ""),
    // karma: groups of all states, silences, and its own changes of them.
    ("GET", "/api/v2/alerts/groups?active=true&inhibited=true&silenced=true", ""),
    ("GET", "/api/v2/silences?", ""),
    ("POST", "/api/v2/silences", "silence"),
    ("GET", "/api/v2/silences", ""),
    ("DELETE", "/api/v2/silence/{id}", ""),
    ("GET", "/api/v2/alerts/groups?silenced=false&inhibited=false&active=true", ""),
];

#[test]
fn grafanas_and_karmas_requests_get_alertmanagers_answers() {
    let Some(theirs) = peers::alertmanager(alertmanager_api_peer::ROUTING, &[]) else { return };
    let config = "watchbell: {alertmanager_config: am.yml}\n";
    let home = Home::new(&[("watchbell.yaml", config), ("am.yml", alertmanager_api_peer::ROUTING)]);
    let ours = home.start();
    let times = Regex::new(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    )
    .unwrap();
    let ports = [theirs.port, ours.0.port];
    let alerts = json!([
        {"labels": {"alertname": "X", "team": "x", "svc": "<b>"}, "annotations": {"summary": "زمن"}},
        {"labels": {"alertname": "Y"}, "generatorURL": "http://p/graph?g0.expr=up"},
    ]);
    for port in ports {
        let (status, text) =
            peers::post(port, "/api/v2/alerts", "application/json", alerts.to_string().as_bytes()).unwrap();
        assert_eq!(status, 200, "{text}");
    }
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "X", "isRegex": false, "isEqual": true}],
        "startsAt": "2026-01-01T00:00:00.000Z", "endsAt": "2099-01-01T00:00:00.000Z",
        "createdBy": "me@example.com", "comment": "ACK! This alert was acknowledged using karma",
    })
    .to_string();
    let mut made = [String::new(), String::new()];
    let mut different = Vec::new();
    for (method, path, body) in ALERTMANAGER_CLIENTS {
        let body = if body == "silence" { silence.as_str() } else { body };
        let mut answers = Vec::new();
        for (port, id) in ports.into_iter().zip(&mut made) {
            let headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/plain, */*")];
            let answer = peers::send(port, method, &path.replace("{id}", id), &headers, body.as_bytes()).unwrap();
            if method == "POST" {
                let told: Json = serde_json::from_str(&answer.1).unwrap();
                *id = told["silenceID"].as_str().unwrap().to_owned();
            }
            answers.push(alertmanager_api_peer::comparable(answer, &times));
        }
        if answers[0] != answers[1] {
            different.push(format!("{method} {path}\n  Alertmanager: {}\n  ours:         {}", answers[0], answers[1]));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    // karma reads the version from the metrics, and what `status` says of the configuration and the cluster.
    for port in ports {
        let (_, metrics) = peers::get(port, "/metrics").unwrap();
        assert!(
            metrics.lines().any(|l| l.starts_with("alertmanager_build_info{") && l.contains("version=\"")),
            "{port}"
        );
        let (_, status) = peers::get(port, "/api/v2/status").unwrap();
        let status: Json = serde_json::from_str(&status).unwrap();
        assert!(status["config"]["original"].as_str().is_some_and(|c| c.contains("team-x")), "{status}");
        assert!(status["versionInfo"]["version"].is_string() && status["uptime"].is_string(), "{status}");
        assert!(["ready", "disabled", "settling"].contains(&status["cluster"]["status"].as_str().unwrap()), "{status}");
    }
}
