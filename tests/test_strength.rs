//! What tests of rules say beyond promtool's format, and how strong they are: states, remarks, alterations that nobody
//! notices, shares of files.

use std::path::Path;
use std::process::{Command, Output};

use watchbell::ruletest::mutate::mutate;
use watchbell::ruletest::report::{self, Style};
use watchbell::ruletest::{FileOutcome, Options, run_files};

const RULES: &str = "groups:
  - name: gpu
    rules:
      - alert: GpuHot
        expr: gpu_temp > 85 and on (host) up == 1
        for: 5m
        labels: {severity: page, team: ml}
        annotations: {summary: 'GPU {{ $labels.gpu }} at {{ $value }}'}
      - alert: Twice
        expr: fan * on (host) up
";

/// GPU 0 is hot from 5m to 25m, GPU 1 from 8m on.
fn file_of(test: &str) -> String {
    format!(
        "rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: hot
    interval: 1m
    input_series:
      - {{series: 'gpu_temp{{host=\"a\", gpu=\"0\"}}', values: 80x4 90x20 70x40}}
      - {{series: 'gpu_temp{{host=\"a\", gpu=\"1\"}}', values: 80x7 95x60}}
      - {{series: 'up{{host=\"a\"}}', values: 1x70}}
{test}"
    )
}

fn run(dir: &Path, rules: &str, text: &str) -> FileOutcome {
    std::fs::write(dir.join("rules.yml"), rules).unwrap();
    std::fs::write(dir.join("test.yml"), text).unwrap();
    let mut outcome = run_files(&[dir.join("test.yml")], &Options::default(), &|_| {}).remove(0);
    let here = format!("{}/", dir.display());
    outcome.file = outcome.file.replace(&here, "").into();
    outcome.bad_input.iter_mut().for_each(|d| d.file = d.file.replace(&here, "").into());
    outcome
}

fn outcome_of(test: &str) -> FileOutcome {
    run(tempfile::tempdir().unwrap().path(), RULES, &file_of(test))
}

fn text_of(outcome: &FileOutcome) -> String {
    report::file_text(outcome, Style::Plain)
}

#[test]
fn alerts_are_looked_at_in_the_state_that_is_asked_for() {
    let outcome = outcome_of(
        "    alert_rule_test:
      - eval_time: 11m
        alertname: GpuHot
        exp_alerts: [{exp_labels: {host: a, gpu: '0', severity: page, team: ml}, exp_annotations: {summary: GPU 0 at 90}}]
      - eval_time: 11m
        alertname: GpuHot
        state: pending
        match: subset
        exp_alerts: [{exp_labels: {gpu: '1'}, since: 8m}]
      - eval_time: 26m
        alertname: GpuHot
        state: resolved
        match: subset
        exp_alerts: [{exp_labels: {gpu: '0'}, since: 26m}]
      - eval_time: 20m
        alertname: GpuHot
        match: regex
        exp_alerts:
          - {exp_labels: {gpu: '[0-7]', severity: page|critical}, exp_annotations: {summary: 'GPU 1 at \\d+'}, since: 13m}
          - {exp_labels: {gpu: '0'}, since: 10m}
      - {eval_time: 20m, alertname: GpuHot, alerts_absent: [{gpu: '2'}, {severity: warning}]}
      - {eval_time: 7m, alertname: GpuHot, alerts_absent: true}
",
    );
    assert!(outcome.is_success() && outcome.passed == 6, "{}", text_of(&outcome));
}

#[test]
fn what_a_query_remarks_is_expected_too() {
    let outcome = outcome_of(
        "    alert_rule_test:
      - {eval_time: 5m, alertname: Twice, alerts_absent: true}
    promql_expr_test:
      - {expr: 'rate(gpu_temp[5m])', eval_time: 5m, exp_infos: [{contains: metric might not be a counter}]}
      - {expr: sum(up), eval_time: 5m, exp_infos: [], exp_warnings: [], exp_samples: [{value: 1}]}
      - {expr: 'quantile(2, up)', eval_time: 5m, exp_warnings: [{regex: 'quantile value should be between 0 and 1'}]}
      - {expr: up +, eval_time: 5m, exp_error: {contains: unexpected}}
  - name: two of one host
    input_series:
      - {series: 'fan{host=\"a\"}', values: 1x5}
      - {series: 'up{host=\"a\", job=\"x\"}', values: 1x5}
      - {series: 'up{host=\"a\", job=\"y\"}', values: 1x5}
    alert_rule_test:
      - {eval_time: 3m, alertname: Twice, exp_error: {contains: many-to-many matching not allowed}}
",
    );
    assert!(outcome.is_success() && outcome.passed == 6, "{}", text_of(&outcome));
}

#[test]
fn failures_of_states_and_remarks_read_well() {
    let outcome = outcome_of(
        "    alert_rule_test:
      - {eval_time: 11m, alertname: GpuHot, state: pending, exp_alerts: []}
      - eval_time: 11m
        alertname: GpuHot
        match: subset
        exp_alerts: [{exp_labels: {gpu: '1'}, since: 10m}]
      - {eval_time: 20m, alertname: GpuHot, alerts_absent: [{gpu: '1'}]}
      - {eval_time: 20m, alertname: GpuHot, exp_error: {contains: limit}}
    promql_expr_test:
      - {expr: up, eval_time: 5m, exp_infos: [{contains: counter}]}
",
    );
    assert_eq!((outcome.passed, outcome.failures.len()), (0, 5));
    insta::assert_snapshot!("states_text", text_of(&outcome));
    insta::assert_snapshot!("states_tap", report::tap(&[outcome]));
}

#[test]
fn defects_of_states_are_reported_where_they_stand() {
    let outcome = outcome_of(
        "    alert_rule_test:
      - {eval_time: 1m, alertname: A, state: fired, match: sub, alerts_absent: false}
      - {eval_time: 1m, alertname: A, match: regex, exp_alerts: [{exp_labels: {gpu: '('}, since: x}]}
    promql_expr_test:
      - {eval_time: 1m, expr: up, exp_error: {}, exp_samples: []}
",
    );
    insta::assert_snapshot!("states_bad_input", text_of(&outcome));
}

const LOOSE: &str = "    alert_rule_test:
      - {eval_time: 15m, alertname: GpuHot, match: subset, exp_alerts: [{exp_labels: {gpu: '0'}}, {exp_labels: {gpu: '1'}}]}
";

fn unnoticed(dir: &Path) -> (usize, usize, Vec<String>) {
    let verdict = mutate(&[dir.join("test.yml")], &Options::default()).unwrap();
    let lines = verdict.unnoticed().map(|a| format!("{}: {}", a.of, a.what)).collect();
    (verdict.noticed(), verdict.alterations.len(), lines)
}

#[test]
fn alterations_that_no_test_notices_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let rules = RULES.split("      - alert: Twice").next().unwrap();
    assert!(run(dir.path(), rules, &file_of(LOOSE)).is_success());
    let (noticed, all, lines) = unnoticed(dir.path());
    assert_eq!(
        lines,
        [
            "alert GpuHot: and up == 1 is taken away",
            "alert GpuHot: for: 5m becomes 0s",
            "alert GpuHot: label severity: page is taken away",
            "alert GpuHot: label team: ml is taken away",
            "alert GpuHot: > 85 becomes > 76.5",
        ]
        .map(str::to_owned)
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!((noticed, all), (6, 11));
    // A test that says more leaves less.
    let tight = "    alert_rule_test:
      - {eval_time: 9m, alertname: GpuHot, exp_alerts: []}
      - {eval_time: 4m, alertname: GpuHot, state: pending, exp_alerts: []}
      - eval_time: 15m
        alertname: GpuHot
        match: subset
        exp_alerts:
          - {exp_labels: {gpu: '0', severity: page, team: ml}}
          - {exp_labels: {gpu: '1', severity: page, team: ml}}
";
    assert!(run(dir.path(), rules, &file_of(tight)).is_success());
    assert_eq!(unnoticed(dir.path()).2, ["alert GpuHot: and up == 1 is taken away"]);
}

#[test]
fn routes_are_altered_where_notifications_are_tested() {
    let dir = tempfile::tempdir().unwrap();
    let routing = "route:
  receiver: default
  group_by: [alertname, host]
  routes: [{matchers: [severity=page], receiver: pager, continue: true}, {matchers: [team=ml], receiver: chat}]
inhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d]}]
receivers:
  - {name: default}
  - {name: pager, webhook_configs: [{url: 'http://pager/'}]}
  - {name: chat, webhook_configs: [{url: 'http://chat/'}]}
";
    std::fs::write(dir.path().join("alertmanager.yml"), routing).unwrap();
    let test = file_of("    notification_test: [{eval_time: 12m, exp_notifications: [{receiver: pager, group_labels: {alertname: GpuHot, host: a}}, {receiver: chat}]}]
");
    let text = format!("alertmanager_config: alertmanager.yml\n{test}");
    let rules = RULES.split("      - alert: Twice").next().unwrap();
    let outcome = run(dir.path(), rules, &text);
    assert!(outcome.is_success(), "{}", text_of(&outcome));
    let of_routing: Vec<String> =
        unnoticed(dir.path()).2.into_iter().filter(|line| !line.starts_with("alert ")).collect();
    // The last of several siblings goes on or not to nobody.
    assert_eq!(
        of_routing,
        ["inhibition of {c=\"d\"} by {a=\"b\"}: is taken away", "route {team=\"ml\"}: continue becomes true"]
    );
}

fn watchbell(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(arguments).current_dir(dir).env_remove("GITHUB_ACTIONS").output().unwrap()
}

#[test]
fn the_command_tells_how_many_alterations_were_noticed_and_fails_below_what_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let rules = RULES.split("      - alert: Twice").next().unwrap();
    run(dir.path(), rules, &file_of(LOOSE));
    let ran = watchbell(dir.path(), &["test", "mutate", "test.yml", "--min", "50"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && text.ends_with("6 of 11 alterations noticed (54 %)\n"), "{text}");
    assert!(text.contains("rules.yml: alert GpuHot: for: 5m becomes 0s\n"), "{text}");
    let ran = watchbell(dir.path(), &["test", "mutate", "test.yml", "--min", "60", "--format", "json"]);
    assert_eq!(ran.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&json["alterations"], &json["noticed"]), (&11.into(), &6.into()));
    assert_eq!(json["unnoticed"].as_array().unwrap().len(), 5);
    std::fs::write(
        dir.path().join("test.yml"),
        file_of("    alert_rule_test: [{eval_time: 15m, alertname: GpuHot}]\n"),
    )
    .unwrap();
    let ran = watchbell(dir.path(), &["test", "mutate", "test.yml"]);
    let errors = String::from_utf8(ran.stderr).unwrap();
    assert_eq!((ran.status.code(), errors.contains("test.yml fails as it is")), (Some(1), true), "{errors}");
}

#[test]
fn shards_share_the_files_and_tap_is_one_document() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..5 {
        std::fs::write(dir.path().join(format!("{i}.yml")), format!("tests: [{{name: n{i}}}]\n")).unwrap();
    }
    let names = |shard: &str| {
        let ran = watchbell(dir.path(), &["test", "rules", ".", "--format", "tap", "--shard", shard]);
        assert!(ran.status.success());
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(names("1/2"), "TAP version 13\n1..3\nok 1 - ./0.yml: n0\nok 2 - ./2.yml: n2\nok 3 - ./4.yml: n4\n");
    assert_eq!(names("2/2"), "TAP version 13\n1..2\nok 1 - ./1.yml: n1\nok 2 - ./3.yml: n3\n");
    let ran = watchbell(dir.path(), &["test", "rules", ".", "--shard", "3/2"]);
    assert_eq!(ran.status.code(), Some(2));
}
