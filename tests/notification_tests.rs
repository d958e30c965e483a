//! Unit tests that go from series to the message: what receivers are told, and when, with silences, inhibitions, time
//! intervals, receivers that fail and restarts in play.

use std::path::Path;

use watchbell::ruletest::report::{self, Style};
use watchbell::ruletest::{FileOutcome, Options, run_files};

const RULES: &str = "groups:
  - name: gpu
    rules:
      - alert: GpuHot
        expr: gpu_temp > 85
        for: 5m
        labels: {severity: critical, team: ml}
        annotations: {summary: 'GPU {{ $labels.gpu }} of {{ $labels.host }} is at {{ $value }}°C'}
      - alert: NodeDown
        expr: up == 0
        labels: {severity: critical, team: infra}
        annotations: {summary: 'Node {{ $labels.host }} is down'}
";

const ROUTING: &str = "route:
  receiver: default
  group_by: [alertname, host]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
  routes:
    - matchers: [severity=critical]
      receiver: pager
      continue: true
    - matchers: [team=ml]
      receiver: chat
      mute_time_intervals: [nights]
inhibit_rules:
  - source_matchers: [alertname=NodeDown]
    target_matchers: [alertname=GpuHot]
    equal: [host]
time_intervals:
  - name: nights
    time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]
templates: ['*.tmpl']
receivers:
  - name: default
    webhook_configs: [{url_file: /run/secrets/no-such-file}]
  - name: pager
    pagerduty_configs:
      - routing_key_file: /run/secrets/no-such-file
        severity: '{{ .CommonLabels.severity }}'
        description: '{{ .CommonAnnotations.summary }}'
  - name: chat
    slack_configs:
      - api_url_file: /run/secrets/no-such-file
        channel: '#ml'
        title: '{{ template \"title\" . }}'
        text: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}'
        send_resolved: true
";

const TEMPLATES: &str = "{{ define \"title\" }}{{ .Status | toUpper }} {{ .CommonLabels.alertname }}{{ end }}";

/// Runs a test file whose one test has these lines, over a GPU that is hot from 5m to 25m.
fn outcome_of(test: &str) -> FileOutcome {
    let text = format!(
        "rule_files: [rules.yml]
alertmanager_config: alertmanager.yml
evaluation_interval: 1m
tests:
  - name: a hot GPU
    interval: 1m
    input_series:
      - {{series: 'gpu_temp{{host=\"a\", gpu=\"0\"}}', values: 80x4 90x20 70x100}}
{test}"
    );
    outcome_of_files(&[("rules.yml", RULES), ("alertmanager.yml", ROUTING), ("t.tmpl", TEMPLATES), ("test.yml", &text)])
}

/// Runs `test.yml` among these files.
fn outcome_of_files(files: &[(&str, &str)]) -> FileOutcome {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut outcome = run_files(&[dir.path().join("test.yml")], &Options::default(), &|_| {}).remove(0);
    // The folder's name differs from run to run.
    let here = format!("{}/", dir.path().display());
    outcome.file = outcome.file.replace(&here, "").into();
    for d in &mut outcome.bad_input {
        d.file = d.file.replace(&here, "").into();
        d.message = d.message.replace(&here, "");
    }
    outcome
}

fn text_of(outcome: &FileOutcome) -> String {
    report::file_text(outcome, Style::Plain)
}

#[track_caller]
fn passes(test: &str) {
    let outcome = outcome_of(test);
    assert!(outcome.is_success() && outcome.passed > 0, "{}", text_of(&outcome));
}

/// The message of a page, and that of its end.
const PAGE: &str = "{receiver: pager, at: 10m30s, status: firing, reason: first_notification}";
const CHAT: &str = "{receiver: chat, at: 10m30s, status: firing}";

#[test]
fn messages_are_tested_as_they_are_rendered() {
    passes(
        "    external_url: http://watchbell.example.com/
    notification_test:
      - {eval_time: 10m29s, no_notifications: true}
      - eval_time: 20m
        exp_notifications:
          - receiver: pager
            integration: pagerduty
            at: 10m30s
            status: firing
            reason: first_notification
            group_labels: {alertname: GpuHot, host: a}
            alerts:
              - labels: {gpu: '0', severity: critical}
                annotations: {summary: GPU 0 of a is at 90°C}
                status: firing
            title: GPU 0 of a is at 90°C
            payload:
              json: {event_action: trigger, payload: {severity: critical, summary: GPU 0 of a is at 90°C}}
              contains: http://watchbell.example.com/
              not_contains: no-such-file
          - receiver: chat
            integration: slack[0]
            title: FIRING GpuHot
            text: {contains: [GPU 0, 90°C], regex: '^GPU \\d of a is'}
            payload: {json: {channel: '#ml', attachments: [{title: FIRING GpuHot}]}}
            match: exact
            alerts:
              - labels: {alertname: GpuHot, gpu: '0', host: a, severity: critical, team: ml}
                annotations: {summary: GPU 0 of a is at 90°C}
      - eval_time: 40m
        since: 20m
        exp_notifications:
          - {receiver: chat, at: 30m30s, status: resolved, reason: all_alerts_resolved, title: RESOLVED GpuHot}
          - receiver: pager
            match: regex
            alerts: [{labels: {gpu: '[0-7]'}, status: resolved}]
            payload: {json: {event_action: resolve}}
      - eval_time: 40m
        receiver: default
        no_notifications: true
",
    );
}

#[test]
fn repeats_come_when_they_are_due() {
    passes(
        "      - {series: 'up{host=\"b\"}', values: 0x100}
    notification_test:
      - eval_time: 1h40m
        since: 40m
        exp_notifications:
          - {receiver: pager, reason: repeat_interval_elapsed, at: 1h5m30s, group_labels: {alertname: NodeDown, host: b}}
",
    );
}

#[test]
fn silences_keep_messages_back_while_they_last() {
    passes(
        "    silences:
      - {matchers: [alertname=GpuHot, gpu=0], from: 10m, until: 12m}
    notification_test:
      - {eval_time: 15m29s, no_notifications: true}
      - {eval_time: 16m, exp_notifications: [{receiver: pager, at: 15m30s}, {receiver: chat, at: 15m30s}]}
",
    );
    passes(
        "    silences: [{matchers: ['host=~\".+\"'], from: 10m30s}]
    notification_test: [{eval_time: 2h, no_notifications: true}]
",
    );
}

#[test]
fn inhibitions_and_time_intervals_are_in_force() {
    passes(
        "      - {series: 'up{host=\"a\"}', values: 0x100}
    notification_test:
      - eval_time: 20m
        exp_notifications: [{receiver: pager, at: 30s, alerts: [{labels: {alertname: NodeDown}}]}]
",
    );
    passes(&format!(
        "    start_timestamp: 2026-01-02T21:55:00Z
    notification_test:
      - {{eval_time: 20m, exp_notifications: [{PAGE}]}}
"
    ));
}

#[test]
fn a_receiver_that_was_down_is_told_when_it_is_there_again() {
    passes(&format!(
        "    receiver_down: 4m
    notification_test:
      - {{eval_time: 14m29s, no_notifications: true}}
      - {{eval_time: 16m, exp_notifications: [{{receiver: pager, reason: first_notification}}, {{receiver: chat}}]}}
  - name: one of them
    interval: 1m
    input_series: [{{series: 'gpu_temp{{host=\"a\", gpu=\"0\"}}', values: 80x4 90x20}}]
    receiver_down: {{receiver: pager, from: 8m, for: 4m}}
    notification_test:
      - {{eval_time: 11m59s, exp_notifications: [{CHAT}]}}
      - {{eval_time: 14m, since: 12m, receiver: pager, exp_notifications: [{{receiver: pager}}]}}
"
    ));
}

#[test]
fn a_restart_repeats_nothing_and_forgets_nothing() {
    passes(&format!(
        "    restarts: [7m, {{at: 12m, for: 20m}}]
    notification_test:
      - {{eval_time: 31m, exp_notifications: [{PAGE}, {CHAT}]}}
      - eval_time: 40m
        since: 31m
        exp_notifications: [{{receiver: pager, status: resolved}}, {{receiver: chat, status: resolved}}]
"
    ));
}

#[test]
fn what_differs_is_shown_side_by_side_with_the_line_of_the_test() {
    let outcome = outcome_of(
        "    notification_test:
      - eval_time: 20m
        exp_notifications:
          - receiver: pager
            at: 10m
            reason: repeat_interval_elapsed
            group_labels: {alertname: GpuHot}
            alerts: [{labels: {gpu: '1'}}]
            title: {contains: GPU 1}
            payload: {json: {payload: {severity: warning, class: gpu}}}
          - receiver: default
            title: nobody
      - {eval_time: 20m, receiver: chat, no_notifications: true}
      - {eval_time: 20m, receiver: pager, exp_notifications: [{receiver: pager}]}
",
    );
    assert_eq!((outcome.passed, outcome.failures.len()), (1, 2));
    insta::assert_snapshot!("notifications_text", text_of(&outcome));
    insta::assert_snapshot!("notifications_github", report::annotations(&outcome));
}

#[test]
fn a_template_that_fails_fails_the_test() {
    let routing = ROUTING.replace("{{ template \"title\" . }}", "{{ template \"nosuch\" . }}");
    let text = "rule_files: [rules.yml]
alertmanager_config: alertmanager.yml
tests:
  - input_series: [{series: 'gpu_temp{host=\"a\", gpu=\"0\"}', values: 90x20}]
    notification_test: [{eval_time: 20m, exp_notifications: [{receiver: pager}, {receiver: chat}]}]
";
    let outcome = outcome_of_files(&[("rules.yml", RULES), ("alertmanager.yml", &routing), ("test.yml", text)]);
    assert_eq!((outcome.passed, outcome.failures.len()), (1, 1), "{}", text_of(&outcome));
    let failure = &outcome.failures[0];
    assert_eq!(failure.subject(), "template of receiver chat: slack_configs[0].title");
    assert!(failure.detail()[0].plain().contains("\"nosuch\" not defined"), "{}", text_of(&outcome));
}

#[test]
fn every_defect_is_reported_where_it_stands() {
    let outcome = outcome_of(
        "    silences:
      - {matchers: ['a=~\".*\"'], from: 5m, until: 5m}
      - {matchers: [a=b], frm: 1m}
    receiver_down: [{receiver: pager}, {for: 1x}]
    restarts: [{at: 5m, for: 10m}, 7m, {for: 1m}]
    notification_test:
      - {exp_notifications: []}
      - {eval_time: 5m}
      - {eval_time: 5m, since: 6m, no_notifications: true, exp_notifications: []}
      - {eval_time: 5m, receiver: chat, exp_notifications: [{receiver: pager}]}
      - eval_time: 5m
        exp_notifications:
          - {reason: repeat, status: fired, match: subst, title: {contain: x}}
          - {receiver: pager, integration: 'slack[x]', match: regex, alerts: [{labels: {gpu: '('}}], text: {}}
  - silences: [{matchers: [a=b]}]
    receiver_down: 0s
",
    );
    insta::assert_snapshot!("notifications_bad_input", text_of(&outcome));
    let without =
        outcome_of_files(&[("test.yml", "tests: [{notification_test: [{eval_time: 1m, no_notifications: true}]}]\n")]);
    let defect = without.bad_input[0].to_string();
    assert!(defect.ends_with("notification_test needs alertmanager_config at the top of the file"), "{defect}");
    let missing = outcome_of_files(&[("test.yml", "alertmanager_config: nosuch.yml\ntests: []\n")]);
    assert_eq!(missing.bad_input[0].to_string(), "test.yml:1:22: alertmanager_config: there is no file nosuch.yml");
}

#[test]
fn the_missions_rules_are_tested_from_series_to_message() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/tests/ml-production-alerts.yaml");
    let outcome = run_files(&[path], &Options::default(), &|_| {}).remove(0);
    assert!(outcome.is_success(), "{}", text_of(&outcome));
    let told: std::collections::BTreeSet<&str> = outcome.tests.iter().map(|t| t.name.as_str()).collect();
    assert!(told.len() >= 7, "{told:?}");
}
