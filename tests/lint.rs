//! `watchbell check` as a linter: what it finds, where, and how it is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use watchbell::clock::{Clock as _, SystemClock};
use watchbell::config::AlertmanagerConfig;
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::lint::settings::Settings;
use watchbell::lint::{self, Corpus};
use watchbell::model::{self, Labels};
use watchbell::rules::{LoadOptions, load_str};

use crate::support::peers;
use crate::support::service::Home;

fn rules(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(name)
}

/// Exit code and standard output of a check in a folder.
fn check(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    let ran = command.current_dir(dir).arg("check").args(arguments).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap();
    (ran.status.code().unwrap(), told)
}

fn json(dir: &Path, arguments: &[&str]) -> Vec<Value> {
    let (_, told) = check(dir, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&told).unwrap_or_else(|e| panic!("{e}: {told}"))
}

/// `line:column check` of each finding.
fn places(found: &[Value]) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].to_string().trim_matches('"').to_owned();
    found.iter().map(|f| format!("{}:{} {}", text(f, "line"), text(f, "column"), text(f, "check"))).collect()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// The names of the alerts that a check speaks of in a file.
fn alerts(found: &[Value], text: &str, check: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let of = |finding: &Value| {
        let line = finding["line"].as_u64().unwrap() as usize;
        let named = lines[..line].iter().rev().find_map(|l| l.trim().strip_prefix("- alert: "));
        named.unwrap_or("-").to_owned()
    };
    let mut names: Vec<String> = found.iter().filter(|f| f["check"] == check).map(of).collect();
    names.dedup();
    names
}

#[test]
fn every_defect_that_the_corrected_rules_speak_of_is_found_in_the_given_ones() {
    let file = rules("ml-production-alerts.yaml");
    let found = json(Path::new("."), &[file.to_str().unwrap()]);
    let text = std::fs::read_to_string(&file).unwrap();
    let gpu = ["GPUMemoryExhausted", "GPUTemperatureHigh", "GPUXIDErrors"];
    let of_models = ["ModelAccuracyDrift", "PredictionDistributionShift"];
    for (check, wanted) in [
        // Alerts without a team, by which alerts are routed.
        ("alert/missing-label", [&gpu[..], &["PredictionDistributionShift"]].concat()),
        // The index of a GPU is the same on every machine.
        ("alert/local-label", gpu.to_vec()),
        // All models' alerts read alike.
        ("alert/indistinct", of_models.to_vec()),
        // One failure of a model that is asked once a minute.
        ("alert/few-requests", vec!["InferenceErrorRateHigh"]),
        // Used by free is no share.
        ("promql/used-over-free", vec!["GPUMemoryExhausted"]),
        // The value with all its decimals.
        ("alert/raw-value", vec!["GPUTemperatureHigh"]),
        // The increase of a gauge of codes.
        ("promql/rate-on-gauge", vec!["GPUXIDErrors"]),
        // An accuracy of 0; a constant prediction.
        ("promql/division-by-zero", of_models.to_vec()),
        // Single samples, compared.
        ("promql/offset-samples", vec!["ModelAccuracyDrift"]),
        // The deviation holds the shift.
        ("promql/baseline-overlap", vec!["PredictionDistributionShift"]),
    ] {
        assert_eq!(alerts(&found, &text, check), wanted, "{check}");
    }
    assert!(alerts(&found, &text, "-").is_empty());
}

#[test]
fn the_corrected_rules_have_no_finding() {
    let file = rules("ml-production-alerts-corrected.yaml");
    assert_eq!(json(Path::new("."), &[file.to_str().unwrap()]), Vec::<Value>::new());
}

const RULES: &str = "groups:
- name: g
  rules:
  - alert: A
    # The place is one inside a block.
    expr: |
      up == 0
        and
      increase(node_load1[5m]) > 1
";

#[test]
fn a_finding_inside_a_block_has_its_place_in_the_file() {
    let dir = folder(&[("a.yml", RULES)]);
    let found = json(dir.path(), &["a.yml"]);
    assert_eq!(places(&found), ["9:7 promql/rate-on-gauge"]);
    for key in ["file", "line", "column", "check", "severity", "message"] {
        assert!(!found[0][key].is_null(), "{key}");
    }
    let (code, told) = check(dir.path(), &["a.yml"]);
    assert_eq!(code, 0, "a warning fails nothing: {told}");
    insta::assert_snapshot!("lint_text", told);
}

#[test]
fn formats_say_the_same() {
    let dir = folder(&[("a.yml", RULES)]);
    for format in ["sarif", "github", "checkstyle"] {
        let (code, told) = check(dir.path(), &["a.yml", "--format", format]);
        assert_eq!(code, 0, "{told}");
        insta::assert_snapshot!(format!("lint_{format}"), told.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }
}

#[test]
fn what_does_not_load_is_a_finding_of_the_same_shape() {
    let dir = folder(&[
        ("a.yml", "groups: [{name: g, rules: [{alert: A, expr: 'up =='}]}]\n"),
        ("am.yml", "route: {receiver: nosuch}\nreceivers: []\n"),
        ("a_test.yml", "rule_files: [nosuch.yml]\ntests: []\nnosuch: 1\n"),
    ]);
    let found = json(dir.path(), &["."]);
    let names: Vec<&str> = found.iter().map(|f| f["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["read/rules", "read/test", "read/alertmanager"], "{found:?}");
    assert_eq!(places(&found)[0], "1:51 read/rules");
    assert_eq!(check(dir.path(), &[".", "--format", "json"]).0, 1);
    assert_eq!(places(&json(dir.path(), &["nosuch.yml"])), ["0:0 read/file"]);
}

#[test]
fn a_finding_fails_when_it_is_asked_to() {
    let dir = folder(&[("a.yml", RULES)]);
    let dead = "groups: [{name: g, rules: [{alert: A, expr: 'sum(up) > 1', annotations: {a: '{{ $labels.job }}'}}]}]\n";
    let dir_of_error = folder(&[("a.yml", dead)]);
    for (dir, flags, want) in [
        (&dir, &["a.yml"][..], 0),
        (&dir, &["a.yml", "--fail-on", "warning"], 1),
        (&dir, &["a.yml", "--fail-on", "warning", "--min-severity", "error"], 0),
        (&dir_of_error, &["a.yml"], 1),
    ] {
        let (code, told) = check(dir.path(), flags);
        assert_eq!(code, want, "{flags:?}: {told}");
    }
}

#[test]
fn comments_switch_one_check_off_in_one_place() {
    let rule = |comment: &str, line: &str| {
        format!(
            "groups:\n- name: g\n  rules:\n  {comment}\n  - alert: A\n    expr: increase(node_load1[5m]) > 1 {line}\n  - alert: B\n    expr: increase(node_load5[5m]) > 1\n"
        )
    };
    for (comment, line, left) in [
        ("", "", 2),
        ("# watchbell disable promql/rate-on-gauge", "", 1),
        // Set off by a blank line it closes what was before.
        ("# watchbell disable promql/rate-on-gauge\n", "", 2),
        ("# pint disable promql/rate", "", 1),
        ("# pint disable promql/rate(node_load1)", "", 1),
        ("# pint disable promql/rate(other)", "", 2),
        ("# pint disable promql/counter", "", 2),
        ("", "# watchbell disable promql/rate-on-gauge", 1),
        ("", "# watchbell ignore/line", 1),
        ("# watchbell file/disable promql/rate-on-gauge", "", 0),
        ("# pint file/disable promql/rate", "", 0),
        ("# pint ignore/file", "", 0),
        ("# pint ignore/begin", "# pint ignore/end", 1),
        ("# watchbell snooze 2200-01-01 promql/rate-on-gauge", "", 1),
        ("# watchbell snooze 2020-01-01T00:00:00Z promql/rate-on-gauge", "", 2),
        ("# watchbell disable promql/nosuch", "", 3),
    ] {
        let dir = folder(&[("a.yml", &rule(comment, line))]);
        let found = json(dir.path(), &["a.yml"]);
        assert_eq!(found.len(), left, "{comment} {line}: {found:?}");
    }
}

#[test]
fn a_baseline_leaves_out_what_was_there() {
    let dir = folder(&[("a.yml", RULES)]);
    assert_eq!(check(dir.path(), &["a.yml", "--write-baseline", "known.json", "--fail-on", "warning"]).0, 0);
    std::fs::write(dir.path().join("a.yml"), format!("# Lines moved.\n{RULES}")).unwrap();
    assert!(json(dir.path(), &["a.yml", "--baseline", "known.json"]).is_empty());
    std::fs::write(dir.path().join("a.yml"), RULES.replace("node_load1", "node_load5")).unwrap();
    assert_eq!(json(dir.path(), &["a.yml", "--baseline", "known.json"]).len(), 1);
}

#[test]
fn settings_switch_checks_off_and_change_their_severity() {
    let dir = folder(&[("a.yml", RULES), (".watchbell-lint.yaml", "checks: {promql/rate-on-gauge: error}\n")]);
    assert_eq!(check(dir.path(), &["a.yml"]).0, 1);
    std::fs::write(dir.path().join("off.yaml"), "checks: {promql/rate-on-gauge: off}\n").unwrap();
    assert!(json(dir.path(), &["a.yml", "--config", "off.yaml"]).is_empty());
    std::fs::write(dir.path().join("off.yaml"), "checks: {nosuch: off}\n").unwrap();
    let (code, told) = check(dir.path(), &["a.yml", "--config", "off.yaml", "--format", "json"]);
    assert!(code == 1 && told.contains("off.yaml:1:10: expected the name of a check"), "{told}");
}

#[test]
fn only_what_a_branch_changes_is_told() {
    let second = RULES.replace("groups:\n- name: g\n  rules:\n", "").replace("alert: A", "alert: B");
    let dir = folder(&[("a.yml", RULES)]);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(dir.path()).args(["-c", "user.name=x", "-c", "user.email=x@example.org"]).args(arguments);
        assert!(git.output().unwrap().status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "x"]);
    assert!(json(dir.path(), &["a.yml", "--diff-base", "HEAD"]).is_empty());
    std::fs::write(dir.path().join("a.yml"), format!("{RULES}{second}")).unwrap();
    std::fs::write(dir.path().join("new.yml"), RULES).unwrap();
    let found = json(dir.path(), &["./a.yml", "new.yml", "--diff-base", "HEAD"]);
    assert_eq!(places(&found), ["15:7 promql/rate-on-gauge", "9:7 promql/rate-on-gauge"]);
    let (code, told) = check(dir.path(), &["a.yml", "--diff-base", "nosuch"]);
    assert!(code == 1 && told.contains("nosuch"), "{told}");
}

#[test]
fn what_is_safe_is_put_right() {
    let text = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up{job=~\"node\", env!~\"x\"} == 0 # kept\n";
    let dir = folder(&[("a.yml", text)]);
    assert_eq!(json(dir.path(), &["a.yml"]).len(), 2);
    assert!(json(dir.path(), &["a.yml", "--fix"]).is_empty());
    let fixed = std::fs::read_to_string(dir.path().join("a.yml")).unwrap();
    assert_eq!(fixed, text.replace("=~", "=").replace("!~", "!="));
    assert!(json(dir.path(), &["a.yml"]).is_empty());
}

#[test]
fn routes_in_an_object_are_looked_at_where_they_stand() {
    let object = "apiVersion: v1\nkind: Secret\nstringData:\n  alertmanager.yaml: |\n    route:\n      receiver: a\n    receivers:\n    - name: a\n    - name: b\n";
    let dir = folder(&[("am.yml", object)]);
    assert_eq!(places(&json(dir.path(), &["am.yml"])), ["9:13 routing/unused-receiver"]);
}

#[test]
fn the_document_holds_the_text_of_every_check() {
    let (code, told) = check(Path::new("."), &["--explain", "all"]);
    assert_eq!(code, 0);
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint.md")).unwrap();
    let (_, checks) = document.split_once("# The checks\n\n").unwrap();
    assert!(checks == told, "docs/lint.md differs from `watchbell check --explain all`");
    let (_, one) = check(Path::new("."), &["--explain", "promql/rate-on-gauge"]);
    assert!(told.contains(&one), "{one}");
    assert_eq!(check(Path::new("."), &["--explain", "nosuch"]).0, 1);
}

/// Carries an example of a check: rules, or an Alertmanager configuration with rules behind `---`. Every minute there is a scrape,
/// as with Prometheus' defaults.
fn found_in(example: &str) -> Vec<&'static str> {
    let mut corpus = Corpus { scrape_interval: Some(60_000), ..Corpus::default() };
    let (routing, rules) = match example.split_once("\n---\n") {
        Some((routing, rules)) => (routing, rules),
        None if example.starts_with("- ") || example.starts_with("groups:") => ("", example),
        None => (example, ""),
    };
    let lines: String = rules.lines().map(|line| format!("  {line}\n")).collect();
    let grouped = format!("groups:\n- name: g\n  rules:\n{lines}");
    let rules = if rules.starts_with("- ") { grouped.as_str() } else { rules };
    if !rules.is_empty() {
        let groups = load_str("a.yml", rules, &LoadOptions::default()).unwrap_or_else(|e| panic!("{rules}\n{e:?}"));
        corpus.add_rules("a.yml", rules, groups);
    }
    if !routing.is_empty() {
        let config = AlertmanagerConfig::load_str("am.yml", routing).unwrap_or_else(|e| panic!("{routing}\n{e:?}"));
        corpus.add_routing("am.yml", routing, config.config);
    }
    lint::checks(&corpus, &Settings::default()).into_iter().map(|finding| finding.check.name).collect()
}

#[test]
fn every_check_finds_its_own_example_and_nothing_in_the_one_put_right() {
    let mut wrong = Vec::new();
    for check in lint::all().filter(|check| !check.bad.is_empty()) {
        if !found_in(check.bad).contains(&check.name) {
            wrong.push(format!("{} does not find its example", check.name));
        }
        if found_in(check.good).contains(&check.name) {
            wrong.push(format!("{} finds its example put right", check.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_of_checks_are_unique_and_their_texts_are_sentences() {
    let names: Vec<&str> = lint::all().map(|check| check.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for check in lint::all() {
        assert!(check.bad.is_empty() == check.good.is_empty(), "{}", check.name);
        for text in [check.what, check.why, check.fix] {
            assert!(text.ends_with(['.', ')']), "{}: {text}", check.name);
        }
    }
}

#[test]
fn rules_have_what_the_settings_require() {
    let settings = "require:\n  alerts:\n    name: '[A-Z]\\w+'\n    labels: {severity: critical|warning, team: .+}\n    \
        annotations: {runbook_url: 'https://.+'}\n    for: {min: 1m, max: 1h}\n  records: {name: '\\w+:\\w+:\\w+', labels: {}}\n";
    let rules = "groups:
- name: g
  labels: {team: ml}
  rules:
  - alert: Good
    expr: a > 1
    for: 5m
    labels: {severity: critical}
    annotations: {runbook_url: 'https://a'}
  - alert: bad
    expr: a > 2
    for: 2h
    labels: {severity: page}
    annotations: {runbook_url: nowhere}
  - alert: None
    expr: a > 3
  - alert: Made
    expr: a > 4
    for: 1m
    labels: {severity: '{{ $labels.severity }}'}
    annotations: {runbook_url: '{{ $labels.url }}'}
  - alert: Excused # watchbell disable rule/label(severity)
    expr: a > 5
    for: 1m
    annotations: {runbook_url: 'https://a'}
  - record: job:a:sum
    expr: sum by (job) (a)
  - record: job:b
    expr: sum by (job) (b)
";
    let dir = folder(&[("a.yml", rules), (".watchbell-lint.yaml", settings)]);
    let required = ["rule/name", "rule/label", "alert/annotation", "alert/for"];
    let found: Vec<Value> = json(dir.path(), &["a.yml"])
        .into_iter()
        .filter(|finding| required.iter().any(|check| finding["check"] == *check))
        .collect();
    let told: Vec<String> = places(&found)
        .iter()
        .zip(&found)
        .map(|(place, finding)| format!("{place}: {}", finding["message"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "10:12 rule/name: bad is not as required: [A-Z]\\w+",
            "12:10 alert/for: `for` is 2h, and 1h or less is required",
            "13:24 rule/label: label `severity` is \"page\", and this is required: critical|warning",
            "14:32 alert/annotation: annotation `runbook_url` is not as required: https://.+",
            "15:12 alert/annotation: None has no annotation `runbook_url`, which is required: https://.+",
            "15:12 alert/for: `for` is 0s, and 1m or more is required",
            "15:12 rule/label: None has no label `severity`, which is required: critical|warning",
            "28:13 rule/name: job:b is not as required: \\w+:\\w+:\\w+",
        ]
    );
    // Without settings nothing is asked.
    std::fs::remove_file(dir.path().join(".watchbell-lint.yaml")).unwrap();
    let found = json(dir.path(), &["a.yml"]);
    assert!(found.iter().all(|finding| required.iter().all(|check| finding["check"] != *check)), "{found:?}");
}

#[test]
fn external_labels_are_those_of_the_configuration_beside_the_rules() {
    let rules = "groups:
- name: g
  labels: {region: eu}
  rules:
  - alert: A
    expr: a > 1
    labels: {cluster: c}
    annotations: {summary: '{{ $externalLabels.cluster }} {{ $externalLabels.zone }}'}
";
    let config = "global: {external_labels: {cluster: a, region: b}}\nrule_files: [a.yml]\n";
    let dir = folder(&[("a.yml", rules), ("prometheus.yml", config)]);
    let of = |arguments: &[&str]| -> Vec<String> {
        let found = places(&json(dir.path(), arguments));
        found.into_iter().filter(|place| place.ends_with("external-label")).collect()
    };
    let wanted = ["5:12 rule/external-label", "7:23 rule/external-label", "8:62 alert/external-label"];
    assert_eq!(of(&["prometheus.yml"]), wanted);
    assert_eq!(of(&["a.yml"]), [""; 0]);
}

/// `line check` of each finding over data.
fn over_data(found: &[Value]) -> Vec<String> {
    let about = |f: &Value| f["check"].as_str().unwrap().starts_with("data/");
    found.iter().filter(|f| about(f)).map(|f| format!("{} {}", f["line"], f["check"].as_str().unwrap())).collect()
}

#[test]
fn rules_are_held_against_what_a_target_exposes() {
    let exposition = "x_seconds_bucket{le=\"1\"} 1\nx_seconds_bucket{le=\"+Inf\"} 1\ny{zone=\"a\"} 1\ny{zone=\"b\"} 1\n\
                      z{zone=\"a\"} 2\nw{zone=\"c\"} 2\n";
    let rules = "groups:
- name: g
  rules:
  - {alert: A, expr: 'histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m]))) > 2'}
  - {alert: B, expr: 'y{zone=\"c\"} == 0 and up == 0'}
  - {alert: C, expr: 'nosuch > 0 unless absent(nosuch)'}
  - {alert: D, expr: 'sum by (pod) (y) < 1', annotations: {summary: '{{ $labels.pod }}'}}
  - {record: 'zone:y:sum', expr: 'sum by (zone) (y)'}
  - {alert: E, expr: 'zone:y:sum < 1', annotations: {summary: '{{ $labels.zone }}'}}
  - {alert: F, expr: 'y / on (zone) z > 2', annotations: {summary: '{{ $labels.zone }}'}}
  - {alert: G, expr: 'y / on (zone) w > 2', annotations: {summary: '{{ $labels.zone }}'}}
  - {alert: H, expr: 'sum by (zone) (y{zone=\"a\"}) > 2', annotations: {summary: '{{ $labels.zone }} of {{ $labels.job }}'}}
";
    let dir = folder(&[("a.yml", rules), ("metrics.txt", exposition)]);
    assert_eq!(over_data(&json(dir.path(), &["a.yml"])), [""; 0]);
    let found = json(dir.path(), &["a.yml", "--exposition", "metrics.txt"]);
    assert_eq!(
        over_data(&found),
        [
            "4 data/bucket-bounds",
            "5 data/no-series",
            "6 data/no-series",
            "7 data/no-label",
            "7 data/no-label",
            "10 data/lost-series",
            "11 data/no-match",
        ],
        "{found:#?}"
    );
}

#[test]
fn a_server_that_cannot_be_asked_fails_the_check() {
    let dir = folder(&[("a.yml", RULES)]);
    let (code, told) = check(dir.path(), &["a.yml", "--url", "http://127.0.0.1:1"]);
    assert!(code == 1 && told.contains("the data could not be asked"), "{told}");
}

/// A metric, and its value at each minute.
type Made = (&'static str, fn(i64) -> f64);

#[test]
fn thresholds_and_times_are_held_against_history() {
    let home = Home::new(&[("watchbell.yaml", "global: {}\n")]);
    let server = home.start();
    // A day of scrapes a minute apart: a latency in seconds, a counter, and a machine that is warm.
    let now = SystemClock.now() / 60_000 * 60_000;
    let series: [Made; 3] = [
        ("latency_seconds", |i| 0.2 + (i / 10 % 10) as f64 / 100.0),
        ("requests_total", |i| i as f64),
        ("celsius", |_| 60.0),
    ];
    for hour in 0..24 {
        let row = |i: i64, (name, value): Made| SampleRow {
            labels: Labels::from_pairs([("__name__", name), ("instance", "a")]),
            series: None,
            t: now - (1_440 - i) * 60_000,
            st: 0,
            value: model::Value::Float(value(i)),
        };
        let minutes = hour * 60 + 1..=hour * 60 + 60;
        let rows: Vec<_> = minutes.flat_map(|i| series.map(|series| row(i, series))).collect();
        let body = encode(Protocol::V1, &rows);
        let (status, text) = peers::post(server.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
        assert_eq!(status, 204, "{text}");
    }
    let rules = "groups:
- name: g
  rules:
  - {alert: Milliseconds, expr: 'latency_seconds > 500', for: 5m}
  - {alert: Slow, expr: 'latency_seconds > 0.5', for: 5m}
  - {alert: Cold, expr: 'celsius > 50', for: 30s}
  - {alert: Idle, expr: 'rate(requests_total[2m]) < 0.01 and celsius > 50', for: 5m}
  - {alert: Busy, expr: 'rate(requests_total[4m]) > 0.02', for: 5m}
  - {alert: Warmer, expr: 'celsius > 1 + avg_over_time(celsius[23h] offset 1h)', for: 5m}
  - {alert: Hot, expr: 'celsius > 9 + avg_over_time(celsius[2d])', for: 5m}
  - {alert: Hotter, expr: 'celsius > 9 + celsius offset 30h', for: 5m}
  - {alert: More, expr: 'rate(requests_total[4m]) > 9 * max_over_time(rate(requests_total[1h] offset 20h)[1d:1h])', for: 5m}
  - {alert: Gone, expr: 'nosuch > 9 + avg_over_time(nosuch[2d])', for: 5m}
";
    home.write("a.yml", rules);
    let url = format!("http://127.0.0.1:{}", server.0.port);
    let data = home.path().join("data");
    let wanted = [
        "4 data/never-reached: the highest value of the last day is 0.29",
        "6 data/always-exceeded: always true over the last day: the values are from 60 to 60",
        "6 alert/for-one-scrape: `for: 30s`, and scrapes are 1m apart",
        "7 promql/few-scrapes: rate() over 2m, and scrapes are 1m apart",
        "10 data/short-past: the data has nothing of celsius 2d ago",
        "11 data/short-past: the data has nothing of celsius 1d6h ago",
        "12 data/short-past: the data has nothing of requests_total 1d21h ago",
        "13 data/no-series: there is no series of nosuch",
        "13 data/no-series: there is no series of nosuch",
    ];
    for source in [["--url", &url], ["--data", data.to_str().unwrap()]] {
        let found = json(home.path(), &[&["a.yml"][..], &source].concat());
        let told: Vec<String> = found
            .iter()
            .filter(|f| f["check"] != "alert/missing-label")
            .map(|f| format!("{} {}: {}", f["line"], f["check"].as_str().unwrap(), f["message"].as_str().unwrap()))
            .collect();
        assert_eq!(told, wanted, "{source:?}");
    }
}

#[test]
fn the_packs_have_no_finding() {
    // The mission's rules are as they were given.
    let given = ["ml-production-alerts.yaml", "ml-production-alerts-corrected.yaml"];
    let files = std::fs::read_dir(rules("")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<String> = files
        .filter(|file| file.is_file() && !given.iter().any(|given| file.ends_with(given)))
        .map(|file| file.display().to_string())
        .collect();
    assert!(files.len() >= 6, "{files:?}");
    let found = json(Path::new("."), &files.iter().map(String::as_str).collect::<Vec<_>>());
    let told: Vec<String> = found.iter().map(|f| format!("{}:{} {}", f["file"], f["line"], f["message"])).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn alerts_that_read_alike_are_told_where_that_can_be_seen() {
    for (expr, is_found) in [
        ("model_accuracy < 0.9", true),
        ("up{job=\"api\"} == 0", true),
        ("sum by (team) (rate(errors_total[5m])) > 1", true),
        ("abs(prediction_mean - prediction_mean offset 1d) > 3", true),
        ("up{job=\"api\", instance=\"a\"} == 0", false),
        ("sum by (cluster) (rate(errors_total[5m])) > 1", false),
        ("sum by (team) (rate(errors_total{team=\"a\"}[5m])) > 1", false),
        ("ceph_health_status{job=\"ceph\"} == 2", false),
        ("absent(up{job=\"api\"})", false),
        ("(up{job=\"api\"} or vector(-1)) < 1", false),
        ("alertmanager_config_last_reload_successful == 0", false),
    ] {
        let rule = format!("- alert: A\n  expr: '{expr}'\n  annotations: {{summary: something is wrong}}\n");
        assert_eq!(found_in(&rule).contains(&"alert/indistinct"), is_found, "{expr}");
    }
}
