//! `query_log_file` and `scrape_failure_log_file`, beside Prometheus' own.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use crate::support::peers::{self, free_port, wait_for};
use crate::support::service::Home;

const RULES: &str = r#"groups:
  - name: logged
    rules:
      - {record: one, expr: "sum ( up )  + 1"}
      - {record: two, expr: 'label_replace(up, "a", "b", "instance", ".*") * on (a) group_left up + on (a) up'}
"#;

/// A query that fails over any data.
const FAILS: &str = r#"vector(1)*on()group_left()(vector(2)or label_replace(vector(1),"a","b","",""))"#;

fn config(extra: &str, closed: u16) -> String {
    format!(
        "global: {{scrape_interval: 200ms, evaluation_interval: 200ms, query_log_file: queries.log, \
         scrape_failure_log_file: scrapes.log}}\nrule_files: [a.rules]\nscrape_configs:\n\
         - {{job_name: closed, static_configs: [{{targets: ['127.0.0.1:{closed}']}}]}}\n\
         - {{job_name: other, scrape_failure_log_file: other.log, static_configs: [{{targets: ['127.0.0.1:{closed}']}}]}}\n{extra}"
    )
}

fn lines(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn wait_for_line(path: &Path, is_it: impl Fn(&Json) -> bool) -> Json {
    wait_for(&format!("a line in {}", path.display()), || lines(path).into_iter().find(|line| is_it(line)))
}

/// The paths of everything in a line, and what their values are.
fn shape(at: &str, line: &Json, out: &mut BTreeSet<String>) {
    match line {
        Json::Object(members) => members.iter().for_each(|(name, value)| shape(&format!("{at}.{name}"), value, out)),
        Json::String(_) => drop(out.insert(format!("{at}: string"))),
        Json::Number(_) => drop(out.insert(format!("{at}: number"))),
        other => drop(out.insert(format!("{at}: {other}"))),
    }
}

/// What both servers write for the same.
fn said(dir: &Path, port: u16) -> Vec<(BTreeSet<String>, Vec<Json>)> {
    let queries = dir.join("queries.log");
    // Of all of these Prometheus notes those that can be read.
    for query in [
        "/api/v1/query?query=up%20%20%2b1&time=1700000000.5",
        "/api/v1/query_range?query=sum(up)&start=1700000000&end=1700000060.123&step=7.5",
        "/api/v1/query?query=vector(1)*on()group_left()(vector(2)or+label_replace(vector(1),%22a%22,%22b%22,%22%22,%22%22))",
        "/api/v1/query?query=rate(",
    ] {
        peers::get(port, query).unwrap();
    }
    peers::post(port, "/api/v1/query", "application/x-www-form-urlencoded", b"query=vector(7)").unwrap();
    let of_query = |query: &str| wait_for_line(&queries, |line| line["params"]["query"] == query);
    let is_of = |job: &'static str| move |line: &Json| line["job_name"] == job;
    let found = [
        of_query("up  +1"),
        of_query("sum(up)"),
        of_query(FAILS),
        of_query("vector(7)"),
        of_query("sum(up) + 1"),
        wait_for_line(&queries, |line| line["error"].is_string() && line["ruleGroup"].is_object()),
        wait_for_line(&dir.join("scrapes.log"), is_of("closed")),
        wait_for_line(&dir.join("other.log"), is_of("other")),
    ];
    assert!(lines(&queries).iter().all(|line| line["params"]["query"] != "rate("));
    assert!(lines(&dir.join("scrapes.log")).iter().all(|line| line["job_name"] != "other"));
    let same = |line: Json| {
        let mut of = BTreeSet::new();
        shape("", &line, &mut of);
        let is_rule = line["ruleGroup"].is_object();
        let mut values: Vec<Json> =
            ["level", "job_name", "target", "spanID", "httpRequest"].map(|k| line[k].clone()).into();
        values.extend(["query", "step"].map(|k| line["params"][k].clone()));
        values.extend(["start", "end"].map(|k| line["params"][k].clone()).into_iter().filter(|t| {
            // The time of those that name none is their own.
            t.as_str().is_some_and(|t| t.starts_with("2023-"))
        }));
        values.push(line["ruleGroup"]["name"].clone());
        values.push(is_rule.into());
        (of, values)
    };
    found.map(same).into()
}

#[test]
fn the_lines_of_prometheus_are_written_for_queries_and_failed_scrapes() {
    let closed = free_port();
    let home = Home::new(&[("watchbell.yaml", &config("", closed)), ("a.rules", RULES)]);
    let server = home.start();
    let ours = said(home.path(), home.port());
    let error = wait_for_line(&home.path().join("queries.log"), |line| line["params"]["query"] == FAILS);
    assert!(error["error"].as_str().unwrap_or("").contains("duplicate series"), "{error}");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("\nprometheus_engine_query_log_enabled 1\n"), "{metrics}");
    assert!(metrics.contains("\nprometheus_engine_query_log_failures_total 0\n"), "{metrics}");

    let Some(program) = peers::find("prometheus") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prometheus.yml"), config("", closed)).unwrap();
    std::fs::write(dir.path().join("a.rules"), RULES).unwrap();
    let port = free_port();
    let mut command = std::process::Command::new(program);
    command
        .current_dir(dir.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _peer = peers::Peer::start(&mut command, port, "/-/ready");
    let theirs = said(dir.path(), port);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_reload_begins_ends_and_reopens_the_logs_and_one_that_cannot_be_opened_fails() {
    let none = "global: {evaluation_interval: 200ms}\n";
    let with = |file: &str| {
        format!("{none}rule_files: [a.rules]\n").replace("200ms", &format!("200ms, query_log_file: {file}"))
    };
    let home = Home::new(&[("watchbell.yaml", none), ("a.rules", RULES)]);
    let server = home.start();
    let enabled = |n: u8| {
        let (_, metrics) = server.get("/metrics");
        assert!(metrics.contains(&format!("\nwatchbell_engine_query_log_enabled {n}\n")), "{metrics}");
    };
    enabled(0);
    let reload = |config: &str| {
        home.write("watchbell.yaml", config);
        server.post("/-/reload")
    };
    assert_eq!(reload(&with("q.log")).0, 200);
    enabled(1);
    let (first, second) = (home.path().join("q.log"), home.path().join("q.log.1"));
    wait_for_line(&first, |line| line["ruleGroup"]["name"] == "logged");
    // Rotated, as logrotate does it.
    std::fs::rename(&first, &second).unwrap();
    assert_eq!(reload(&with("q.log")).0, 200);
    wait_for_line(&first, |line| line["ruleGroup"]["name"] == "logged");

    let (status, body) = reload(&with("nothere/q.log"));
    assert_eq!(status, 500);
    assert!(body.contains("query_log_file: cannot open") && body.contains("nothere/q.log: No such file"), "{body}");
    enabled(1);
    let failed = "scrape_configs: [{job_name: a, scrape_failure_log_file: nothere/s.log}]\n";
    let (status, body) = reload(&format!("{none}{failed}"));
    assert_eq!(status, 500);
    assert!(body.contains("scrape_failure_log_file: cannot open"), "{body}");
    assert_eq!(reload(none).0, 200);
    enabled(0);

    // As it does when it starts.
    let other = Home::new(&[("watchbell.yaml", &with("nothere/q.log")), ("a.rules", RULES)]);
    let begun = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["run", "--web.listen-address=127.0.0.1:0"])
        .arg(format!("--config.file={}", other.path().join("watchbell.yaml").display()))
        .arg(format!("--storage.tsdb.path={}", other.path().join("data").display()))
        .output()
        .unwrap();
    assert!(!begun.status.success());
    let said = String::from_utf8_lossy(&begun.stderr).into_owned();
    assert!(said.contains("query_log_file: cannot open"), "{said}");
}
