//! `watchbell run` under Prometheus' command line: what manifests carry starts, means what it says, or is told to have no
//! effect.

use std::process::Command;

use serde_json::Value as Json;

use crate::alertmanager_program::{Program, start_service};
use crate::support::http;
use crate::support::peers::{self, wait_for};
use crate::support::service::Home;

const LISTEN: &str = "--web.listen-address=127.0.0.1:0";

/// A service over a configuration of nothing, and its port once it is ready.
fn started(config: &str, flags: &[&str]) -> (Program, u16) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("prometheus.yml"), config).unwrap();
    std::fs::write(home.path().join("web.yml"), "").unwrap();
    let program = start_service(home, &[&["--config.file=prometheus.yml", LISTEN], flags].concat());
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    (program, port)
}

fn data(port: u16, path: &str) -> Json {
    let (status, body) = peers::get(port, path).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str::<Json>(&body).unwrap()["data"].clone()
}

/// What prometheus-operator writes into a StatefulSet of kube-prometheus.
const OPERATOR: [&str; 16] = [
    "--web.console.templates=/etc/prometheus/consoles",
    "--web.console.libraries=/etc/prometheus/console_libraries",
    "--web.enable-lifecycle",
    "--web.external-url=http://prometheus-k8s.monitoring:9090/",
    "--web.route-prefix=/",
    "--storage.tsdb.retention.time=24h",
    "--storage.tsdb.retention.size=50GB",
    "--storage.tsdb.path=prometheus",
    "--storage.tsdb.wal-compression",
    "--storage.tsdb.max-block-duration=2h",
    "--storage.tsdb.min-block-duration=2h",
    "--no-storage.tsdb.no-lockfile",
    "--no-storage.tsdb.allow-overlapping-compaction",
    "--web.config.file=web.yml",
    "--rules.alert.for-outage-tolerance=1h",
    "--query.max-concurrency=20",
];

#[test]
fn the_operators_arguments_start_and_what_has_no_effect_is_told_once() {
    let (program, port) = started("global: {external_labels: {prometheus: monitoring/k8s}}\n", &OPERATOR);
    assert_eq!(data(port, "/api/v1/status/runtimeinfo")["storageRetention"], "1d or 50GiB");
    assert_eq!(data(port, "/api/v1/status/flags")["web.enable-lifecycle"], "true");
    assert_eq!(peers::post(port, "/-/reload", "text/plain", b"").unwrap().0, 200);
    assert!(program.home.path().join("prometheus/tsdb").is_dir());
    let (_, metrics) = peers::get(port, "/metrics").unwrap();
    assert!(metrics.contains("prometheus_tsdb_retention_limit_seconds 86400\n"), "{metrics}");
    assert!(metrics.contains(&format!("prometheus_tsdb_retention_limit_bytes {}\n", 50u64 << 30)));
}

#[test]
fn without_a_configuration_it_shows_what_is_true_of_itself() {
    let program = start_service(tempfile::tempdir().unwrap(), &[LISTEN]);
    let port = program.port();
    wait_for("its own watchdog", || {
        let (_, body) = peers::get(port, "/api/v1/alerts")?;
        body.contains("\"alertname\":\"Watchdog\"").then_some(())
    });
    let groups = data(port, "/api/v1/rules")["groups"].clone();
    let files: Vec<&str> = groups.as_array().unwrap().iter().map(|g| g["file"].as_str().unwrap()).collect();
    assert!(files.iter().all(|file| *file == "rules/watchbell.yaml"), "{files:?}");
}

#[test]
fn what_has_no_effect_is_told_before_anything_else() {
    let home = tempfile::tempdir().unwrap();
    let program = start_service(home, &["--web.console.templates=/x", "--auto-gomemlimit.ratio=0.9", LISTEN]);
    // In the order of the table.
    assert!(program.line("this flag has no effect").contains("--auto-gomemlimit.ratio"));
    let line = program.line("this flag has no effect");
    assert!(line.contains("--web.console.templates") && line.contains("level=WARN"), "{line}");
}

#[test]
fn an_agent_is_refused_in_words() {
    let ran = Command::new(env!("CARGO_BIN_EXE_watchbell")).args(["run", "--agent"]).output().unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(!ran.status.success() && told.contains("--agent: there is no agent mode"), "{told}");
}

#[test]
fn what_the_configuration_says_of_retention_counts_before_flags_and_is_reloaded() {
    let flags = ["--storage.tsdb.retention.time=30d", "--web.enable-lifecycle"];
    let (program, port) = started("storage: {tsdb: {retention: {size: 1GB, percentage: 80}}}\n", &flags);
    let kept = || data(port, "/api/v1/status/runtimeinfo")["storageRetention"].as_str().unwrap().to_owned();
    assert_eq!(kept(), "30d or 1GiB or 80%");
    std::fs::write(program.home.path().join("prometheus.yml"), "storage: {tsdb: {retention: {time: 2d}}}\n").unwrap();
    assert_eq!(peers::post(port, "/-/reload", "text/plain", b"").unwrap().0, 200);
    assert_eq!(kept(), "2d");
}

#[test]
fn a_size_alone_bounds_no_age() {
    let (_program, port) = started("", &["--storage.tsdb.retention.size=512MB"]);
    assert_eq!(data(port, "/api/v1/status/runtimeinfo")["storageRetention"], "512MiB");
}

#[test]
fn changed_files_are_read_without_being_asked() {
    let flags = ["--config.auto-reload", "--config.auto-reload-interval=1s", "--enable-feature=nosuch,search-api"];
    let config = "rule_files: ['*.rules']\n";
    let (program, port) = started(config, &flags);
    assert_eq!(data(port, "/api/v1/rules")["groups"].as_array().unwrap().len(), 0);
    let rules = "groups: [{name: g, rules: [{record: a:b, expr: up}]}]\n";
    std::fs::write(program.home.path().join("new.rules"), rules).unwrap();
    wait_for("the rules", || (data(port, "/api/v1/rules")["groups"].as_array().unwrap().len() == 1).then_some(()));
    std::fs::write(program.home.path().join("prometheus.yml"), "nonsense: 1\n").unwrap();
    // Whoever looks is told that it failed, and hears so as it happens.
    let told = wait_for("the notification", || {
        let told = data(port, "/api/v1/notifications");
        told.as_array().unwrap().first().map(|n| n["text"].as_str().unwrap().to_owned())
    });
    assert_eq!(told, "Configuration reload has failed.");
    let stream = peers::beginning(port, "GET /api/v1/notifications/live HTTP/1.1\r\nHost: localhost\r\n\r\n", "active");
    assert!(stream.contains("text/event-stream") && stream.contains("data: {\"text\":\"Configuration"), "{stream}");
    std::fs::write(program.home.path().join("prometheus.yml"), config).unwrap();
    wait_for("its end", || data(port, "/api/v1/notifications").as_array().unwrap().is_empty().then_some(()));
}

#[test]
fn external_alertmanagers_are_told_and_counted() {
    let (told, hears) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let address = http::serve(false, move |request| {
        let _ = told.lock().unwrap().send(String::from_utf8_lossy(&request.body).into_owned());
        Some(http::answer(200, &[], ""))
    });
    let rules = "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: 'vector(1)'}]}]\n";
    let config = format!(
        "rule_files: [r.yml]\nalerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}\n"
    );
    let home = Home::new(&[("watchbell.yaml", &config), ("r.yml", rules)]);
    let server = home.start_with(&["--alertmanager.notification-batch-size=1"]);
    let page = hears.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    assert!(page.contains("\"alertname\":\"A\""), "{page}");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("prometheus_notifications_alertmanagers_discovered 1\n"), "{metrics}");
}

#[test]
fn messages_of_remote_write_are_refused_that_are_not_accepted() {
    let message = "--web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request";
    let (_program, port) = started("", &["--web.enable-remote-write-receiver", message]);
    let (status, text) = peers::post(port, "/api/v1/write", "application/x-protobuf", b"").unwrap();
    let want = "prometheus.WriteRequest protobuf message is not accepted by this server; only accepts io.prometheus.write.v2.Request\n";
    assert_eq!((status, text.as_str()), (415, want));
}

#[test]
fn an_address_that_is_open_to_others_is_told_of() {
    let home = tempfile::tempdir().unwrap();
    let program = start_service(home, &["--web.listen-address=0.0.0.0:0"]);
    let line = program.line("nobody is asked who they are");
    assert!(line.contains("level=WARN") && line.contains("address=0.0.0.0:"), "{line}");
}
