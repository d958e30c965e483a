//! `tracing`: spans of notifications, rules and requests reach a collector.

use std::sync::{Arc, Mutex};

use crate::alertmanager_program::start;
use crate::support::http;
use crate::support::peers::{self, wait_for};
use crate::support::service::Home;

/// What a collector was sent: paths, and all bodies as text, with what is no text replaced.
type Sent = Arc<Mutex<(Vec<String>, String)>>;

/// A collector, which takes spans, and a receiver of webhooks, in one.
fn collector() -> (String, Sent) {
    let sent: Sent = Arc::default();
    let takes = sent.clone();
    let address = http::serve(false, move |request| {
        let path = request.line.split(' ').nth(1).unwrap().to_owned();
        if path == "/v1/traces" {
            let mut sent = takes.lock().unwrap();
            sent.0.push(request.header("x-token").to_owned());
            sent.1.push_str(&String::from_utf8_lossy(&request.body));
        }
        let status = if path == "/bad" { 400 } else { 200 };
        Some(http::answer(status, &[], ""))
    });
    (address, sent)
}

fn wait_for_span(sent: &Sent, text: &str) {
    wait_for(text, || sent.lock().unwrap().1.contains(text).then_some(()));
}

#[test]
fn rules_notifications_and_requests_are_spans() {
    let (address, sent) = collector();
    let config = format!(
        "global: {{evaluation_interval: 1s}}\nrule_files: [rules.yml]\nwatchbell: {{alertmanager_config: am.yml}}\n\
         tracing: {{client_type: http, endpoint: '{address}', insecure: true, sampling_fraction: 1, headers: {{x-token: hush}}}}\n"
    );
    let rules = "groups: [{name: g, rules: [{alert: AlwaysThere, expr: vector(1)}]}]\n";
    let routing = format!(
        "route: {{receiver: the desk, group_wait: 0s}}\nreceivers: [{{name: the desk, webhook_configs: [{{url: 'http://{address}/bad'}}]}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", &config), ("rules.yml", rules), ("am.yml", &routing)]);
    let server = home.start();
    for text in ["service.name", "watchbell", "AlwaysThere", "notify webhook", "the desk", "unexpected status code 400"]
    {
        wait_for_span(&sent, text);
    }
    server.get("/api/v1/alerts");
    wait_for_span(&sent, "GET /api/v1/alerts");
    assert_eq!(sent.lock().unwrap().0[0], "hush");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("watchbell_traces_spans_dropped_total 0"), "{metrics}");
    let (_, shown) = server.get("/api/v1/status/config");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn alertmanagers_section_sends_spans_of_what_a_client_traces() {
    let (address, sent) = collector();
    let config = format!(
        "route: {{receiver: x}}\nreceivers: [{{name: x}}]\ntracing: {{client_type: http, endpoint: '{address}', insecure: true, sampling_fraction: 0.000001}}\n"
    );
    let program = start(&config, &["--web.listen-address=127.0.0.1:0"]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let asked = |flags: &str, path: &str| {
        let traced = format!("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{traced}\r\n\r\n");
        assert!(peers::raw(port, &request).contains("200 OK"));
    };
    asked("00", "/api/v2/receivers");
    asked("01", "/api/v2/status");
    wait_for_span(&sent, "GET /api/v2/status");
    assert!(!sent.lock().unwrap().1.contains("GET /api/v2/receivers"));
}
