//! Tests of rules from real incidents: `watchbell test capture`, whose files pass here and in promtool.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::peers;

/// 2 March 2026, midnight, in seconds.
const ZERO: i64 = 1_772_409_600;

const RULES: &str = r#"groups:
- name: recorded
  rules:
  - {record: "host:errors:rate5m", expr: "sum by (host, code) (rate(errors_total{code=~\"5..\"}[5m]))"}
- name: alerts
  interval: 30s
  rules:
  - alert: ManyErrors
    expr: label_replace(sum by (host) (host:errors:rate5m) > 1, "short", "$1", "host", "(.+)-east")
    for: 5m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.host }} has {{ $value | humanize }} errors a second, say \"{{ $labels.short }}\""}
  - {alert: Hot, expr: 'temperature{rack!="test"} > 90 unless on (host) maintenance', for: 2m, annotations: {what: 'at {{ $value }}'}}
  - {alert: Never, expr: temperature > 1000}
"#;

/// An hour and a half of a fleet, scraped every 15 s with some jitter: a host is hot from minute 50 to 70, and has errors
/// from minute 60 on; another one is under maintenance; series that no rule reads.
fn dump() -> String {
    let mut text = String::new();
    for (at, host) in ["gpu-east", "gpu-west", "web.example.com"].into_iter().enumerate() {
        let mut series = |metric: &str, of: &dyn Fn(i64) -> Option<f64>| {
            for step in 0..=360i64 {
                let Some(value) = of(step) else { continue };
                let t = (ZERO + step * 15) * 1_000 + 4_000 * (at as i64 + 1) + (step * 37) % 90;
                let _ = writeln!(text, "{metric} {value} {}.{:03}", t / 1_000, t % 1_000);
            }
        };
        let labels = format!("host=\"{host}\",instance=\"{host}:9100\",rack=\"r\\\"{at}\"");
        let hot = at < 2;
        let temperature = move |step: i64| Some(if hot && (200..280).contains(&step) { 95.25 } else { 60.0 });
        series(&format!("temperature{{{labels}}}"), &temperature);
        let errors =
            move |step: i64| (step != 100).then_some(if at == 0 { (step - 240).max(0) as f64 * 40.0 } else { 7.0 });
        series(&format!("errors_total{{code=\"500\",{labels}}}"), &errors);
        series(&format!("errors_total{{code=\"200\",{labels}}}"), &|step| Some(step as f64));
        series(&format!("unread{{{labels}}}"), &|_| Some(1.0));
        if at == 1 {
            series(&format!("maintenance{{{labels}}}"), &|_| Some(1.0));
        }
    }
    text + "# EOF\n"
}

fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("tests")).unwrap();
    std::fs::create_dir_all(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/gpu.yml"), RULES).unwrap();
    std::fs::write(dir.path().join("dump.txt"), dump()).unwrap();
    dir
}

fn watchbell(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(arguments).current_dir(dir).env_remove("GITHUB_ACTIONS").output().unwrap()
}

/// Captures into `tests/incident.yml`: standard output, and the file.
fn capture(dir: &Path, source: &[&str], more: &[&str]) -> (String, String) {
    let window = ["--from", "2026-03-02T00:30:00Z", "--to", "2026-03-02T01:20:00Z", "-o", "tests/incident.yml"];
    let ran = watchbell(dir, &[&["test", "capture", "--rules", "rules/gpu.yml"], source, &window[..], more].concat());
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let file = std::fs::read_to_string(dir.join("tests/incident.yml")).unwrap();
    (String::from_utf8(ran.stdout).unwrap() + &told, file)
}

/// Whether the captured file passes here, and in promtool where there is one.
fn passes(dir: &Path) {
    let ran = watchbell(dir, &["test", "rules", "tests/incident.yml"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    let Some(promtool) = peers::find("promtool") else { return };
    let ran = Command::new(promtool).args(["test", "rules", "tests/incident.yml"]).current_dir(dir).output().unwrap();
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
}

const DUMP: [&str; 2] = ["--openmetrics", "dump.txt"];

#[test]
fn an_incident_becomes_a_test_that_passes_as_it_is_written() {
    let dir = home();
    let (told, file) = capture(dir.path(), &DUMP, &[]);
    passes(dir.path());
    assert!(told.starts_with("tests/incident.yml: 7 series, "), "{told}");
    insta::assert_snapshot!("captured", file);
    // It notices what it should.
    let rules = RULES.replace("> 90", "> 96");
    std::fs::write(dir.path().join("rules/gpu.yml"), rules).unwrap();
    assert_eq!(watchbell(dir.path(), &["test", "rules", "tests/incident.yml"]).status.code(), Some(1));
}

#[test]
fn names_are_replaced_but_for_those_that_the_rules_name() {
    let dir = home();
    let (_, file) = capture(dir.path(), &DUMP, &["--anonymize"]);
    passes(dir.path());
    for name in ["web.example.com", "gpu-west", "9100", "dump.txt"] {
        assert!(!file.contains(name), "{name} in {file}");
    }
    // What a pattern of the rules tells from other values stays, and so do codes.
    for name in ["gpu-east", "code=\\\"500\\\"", "instance-1", "host-1"] {
        assert!(file.contains(name), "{name} not in {file}");
    }
}

#[test]
fn beyond_the_limits_what_shares_least_with_the_alerts_is_left_out() {
    let dir = home();
    let (told, file) = capture(dir.path(), &DUMP, &["--max-series", "2"]);
    passes(dir.path());
    assert!(told.contains("5 of 7 series are left out"), "{told}");
    assert!(file.contains("# 5 of 7 series are left out"), "{file}");
    assert!(file.matches("- series:").count() == 2 && file.matches("gpu-east").count() > 2, "{file}");
}

#[test]
fn rules_that_ask_for_the_time_have_a_date() {
    let dir = home();
    let rules = "groups: [{name: g, rules: [{alert: Hot, expr: temperature > 90 and on () hour() == 0}, {alert: Old, expr: time() - timestamp(temperature) > 60}]}]\n";
    std::fs::write(dir.path().join("rules/gpu.yml"), rules).unwrap();
    let (told, file) = capture(dir.path(), &DUMP, &[]);
    assert!(file.contains("    start_timestamp: 2026-03-02T00:"), "{file}");
    assert!(told.contains("promtool knows from 3.14"), "{told}");
    assert!(watchbell(dir.path(), &["test", "rules", "tests/incident.yml"]).status.success());
}

#[test]
fn what_cannot_be_captured_is_refused() {
    let dir = home();
    let refused = |arguments: &[&str]| {
        let ran =
            watchbell(dir.path(), &[&["test", "capture", "--rules", "rules/gpu.yml"][..], &DUMP, arguments].concat());
        assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stdout));
        String::from_utf8(ran.stderr).unwrap()
    };
    let reversed = refused(&["--from", "2026-03-02T01:00:00Z", "--to", "2026-03-02T00:00:00Z"]);
    assert!(reversed.contains("lies before the beginning"), "{reversed}");
    let long = refused(&["--from", "2026-03-02T01:00:00Z", "--to", "2026-04-02T00:00:00Z"]);
    assert!(long.contains("expected at most a week"), "{long}");
    let empty = refused(&["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-02T01:00:00Z"]);
    assert!(empty.contains("has no sample that the rules read in this time"), "{empty}");
    std::fs::write(dir.path().join("rules/gpu.yml"), RULES.replace("> 1000", "* on () group_right () errors_total"))
        .unwrap();
    let failing = refused(&["--from", "2026-03-02T00:30:00Z", "--to", "2026-03-02T01:20:00Z"]);
    assert!(failing.contains("rule Never fails over these samples, and so would any test of it: "), "{failing}");
}

#[test]
fn a_server_is_captured_as_its_dump_is() {
    let (Some(promtool), Some(prometheus)) = (peers::find("promtool"), peers::find("prometheus")) else { return };
    let dir = home();
    let arguments = ["tsdb", "create-blocks-from", "openmetrics", "dump.txt", "data"];
    let ran = Command::new(promtool).args(arguments).current_dir(dir.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    std::fs::write(dir.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let port = peers::free_port();
    let mut command = Command::new(prometheus);
    command.current_dir(dir.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
    command.args(["--storage.tsdb.retention.time=100y", &format!("--web.listen-address=127.0.0.1:{port}")]);
    let server = peers::Peer::start(&mut command, port, "/-/ready");
    let body = |file: String| file.split_once('\n').unwrap().1.to_owned();
    let given = body(capture(dir.path(), &DUMP, &[]).1);
    let served = body(capture(dir.path(), &["--url", &server.url("")], &[]).1);
    assert_eq!(given, served);
    assert_eq!(given, body(capture(dir.path(), &["--prometheus-data", "data"], &[]).1));
    passes(dir.path());
}
