//! What tests of rules reached: `watchbell test rules --coverage`.

use std::path::Path;
use std::process::{Command, Output};

const RULES: &str = "groups:
  - name: gpu
    rules:
      - record: host:gpu_temp:max
        expr: max by (host) (gpu_temp)
      - record: never:recorded
        expr: nowhere
      - alert: GpuHot
        expr: host:gpu_temp:max > 85 unless on (host) maintenance == 1 or gpu_lost
        for: 5m
        keep_firing_for: 5m
        labels: {severity: page}
        annotations: {summary: '<b>hot & loud</b>'}
      - alert: GpuFine
        expr: host:gpu_temp:max < 30
";

const ROUTING: &str = "route:
  receiver: default
  routes:
    - matchers: [severity=page]
      receiver: pager
    - matchers: [team=ml]
      receiver: chat
inhibit_rules:
  - {source_matchers: [alertname=GpuFine], target_matchers: [severity=page]}
  - {source_matchers: [alertname=Nothing], target_matchers: [severity=page]}
templates: [own.tmpl]
receivers:
  - name: default
    webhook_configs: [{url: 'http://default/'}]
  - name: pager
    slack_configs:
      - {api_url: 'http://pager/', channel: x, title: '{{ template \"own.title\" . }}'}
  - {name: chat, webhook_configs: [{url: 'http://chat/'}]}
";

const TEMPLATES: &str = "{{ define \"own.title\" }}{{ template \"own.inner\" . }}{{ end }}
{{- define \"own.inner\" }}hot{{ end }}
{{ define \"own.never\" }}?{{ end }}
{{/* {{ define \"own.comment\" }} */}}
";

/// Two tests, each of which reaches something else: one the states of an alert, the other what it is told by.
const ALERTS: &str = "rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'gpu_temp{host=\"a\"}', values: 80x4 90x20 60x30}
      - {series: 'maintenance{host=\"a\"}', values: 1x9 0x60}
    alert_rule_test:
      - {eval_time: 20m, alertname: GpuHot, exp_alerts: [{exp_labels: {host: a, severity: page}, exp_annotations: {summary: '<b>hot & loud</b>'}}]}
      - {eval_time: 45m, alertname: GpuHot}
";
const MESSAGES: &str = "rule_files: [sub/../rules.yml]
alertmanager_config: alertmanager.yml
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'gpu_temp{host=\"a\"}', values: 90x40}
      - {series: 'gpu_temp{host=\"b\"}', values: '_x20 20x40'}
    notification_test:
      - {eval_time: 15m, exp_notifications: [{receiver: pager, title: hot}]}
      - {eval_time: 40m, since: 15m, receiver: default, exp_notifications: [{receiver: default}]}
";

fn home(messages: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let mut files = vec![("rules.yml", RULES), ("a_test.yml", ALERTS)];
    if messages {
        files.extend([("alertmanager.yml", ROUTING), ("own.tmpl", TEMPLATES), ("b_test.yml", MESSAGES)]);
    }
    files.into_iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
    dir
}

fn test(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(["test", "rules", "."]).args(arguments).current_dir(dir).env_remove("GITHUB_ACTIONS");
    command.output().unwrap()
}

fn stdout(ran: &Output) -> String {
    String::from_utf8(ran.stdout.clone()).unwrap()
}

#[test]
fn what_no_test_reached_is_told_where_it_stands() {
    let ran = test(home(false).path(), &["--coverage"]);
    assert!(ran.status.success());
    insta::assert_snapshot!("coverage_of_rules", stdout(&ran));
}

#[test]
fn files_add_up_and_routing_counts_where_messages_are_tested() {
    let ran = test(home(true).path(), &["--coverage"]);
    assert!(ran.status.success(), "{}", stdout(&ran));
    insta::assert_snapshot!("coverage_with_routing", stdout(&ran));
}

#[test]
fn less_than_is_asked_for_fails() {
    let dir = home(false);
    for (least, code) in [("0", 0), ("66.6", 0), ("66.7", 1), ("100", 1)] {
        let ran = test(dir.path(), &["--coverage-min", least]);
        let errors = String::from_utf8(ran.stderr.clone()).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{least}: {errors}{}", stdout(&ran));
        let told = format!("tests reach 66.6 %, --coverage-min asks for {least} %");
        assert_eq!(errors.contains(&told), code == 1, "{least}: {errors}");
    }
    let ran = test(dir.path(), &["--coverage-min", "101"]);
    assert_eq!(ran.status.code(), Some(2));
    // Bad input is the graver verdict.
    std::fs::write(dir.path().join("bad_test.yml"), "tests: [{intervall: 1m}]\ntests: []\n").unwrap();
    assert_eq!(test(dir.path(), &["--coverage-min", "100"]).status.code(), Some(2));
}

#[test]
fn machines_get_json_lcov_and_tap() {
    let dir = home(true);
    let ran = test(dir.path(), &["--format", "json", "--coverage-json", "c.json", "--coverage-lcov", "c.info"]);
    let text = stdout(&ran);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("c.json")).unwrap()).unwrap();
    assert_eq!(last["coverage"], file);
    let items = file["items"].as_array().unwrap();
    let reached = items.iter().filter(|i| i["reached"] == true).count();
    assert_eq!((file["total"].as_u64(), file["reached"].as_u64()), (Some(items.len() as u64), Some(reached as u64)));
    insta::assert_snapshot!("coverage_lcov", std::fs::read_to_string(dir.path().join("c.info")).unwrap());
    let tap = stdout(&test(dir.path(), &["--format", "tap", "--coverage"]));
    assert!(tap.starts_with("TAP version 13\n") && tap.contains("\n# never: rules.yml:"), "{tap}");
}

#[test]
fn the_page_shows_the_source_and_escapes_it() {
    let dir = home(true);
    let ran = test(dir.path(), &["--coverage-html", "c.html"]);
    assert!(ran.status.success());
    let page = std::fs::read_to_string(dir.path().join("c.html")).unwrap();
    assert!(page.contains("&lt;b&gt;hot &amp; loud&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    // What a configuration of receivers says is nobody's business.
    assert!(!page.contains("http://pager/") && page.contains("line 6: route"), "{page}");
    assert!(!page.contains("src=") && !page.contains("href="), "it needs nothing else");
    insta::assert_snapshot!("coverage_html", page.split_once("<main>").unwrap().1);
    let ran = test(dir.path(), &["--coverage-html", "no/such/folder.html"]);
    assert_eq!(ran.status.code(), Some(2));
}
