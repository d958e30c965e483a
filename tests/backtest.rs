//! `watchbell backtest`: rules and routing over history say what a live engine would have done.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::spec::GroupDefaults;
use watchbell::alerting::{GroupSpec, RuleContext, StorageWorld};
use watchbell::backtest::record::Recorder;
use watchbell::backtest::{Backtest, Episode, Record, Window, run};
use watchbell::clock::VirtualClock;
use watchbell::config::AlertmanagerConfig;
use watchbell::datasource::LocalQuerier;
use watchbell::engine::drive::Replay;
use watchbell::engine::{Options, Setup};
use watchbell::model::{Labels, METRIC_NAME};
use watchbell::promql::{CompileOptions, EvalEnv, Features};
use watchbell::routing::RoutingConfig;
use watchbell::rules::{LoadOptions, load_str};
use watchbell::state::MemoryStore;
use watchbell::template::prometheus::TemplateCache;
use watchbell::tsdb::Tsdb;

pub const S: i64 = 1_000;
const STEP: i64 = 30 * S;
/// Monday, 2 March 2026, 00:00 UTC.
pub const ZERO: i64 = 1_772_409_600_000;
const DAY: i64 = 86_400 * S;

pub const RULES: &str = r#"groups:
- name: recorded
  rules:
  - {record: "host:errors:rate5m", expr: "sum by (host) (rate(errors_total[5m]))"}
- name: alerts
  rules:
  - alert: ManyErrors
    expr: host:errors:rate5m > 1
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.host }} has {{ $value | humanize }} errors a second'}
  - alert: Errors
    expr: host:errors:rate5m > 0.5
    for: 1m
    labels: {severity: info}
  - {alert: Gone, expr: absent(temperature), labels: {severity: page}}
  - {alert: Hot, expr: "temperature > 90", for: 2m, labels: {severity: page}}
  - {alert: Never, expr: "temperature > 1000", labels: {severity: page}}
"#;

const ROUTING: &str = "route:
  receiver: chat
  group_by: [alertname, host]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    - matchers: ['severity=\"page\"']
      receiver: pager
receivers:
  - {name: chat, webhook_configs: [{url: 'http://chat'}]}
  - {name: pager, webhook_configs: [{url: 'http://pager'}]}
inhibit_rules:
  - {source_matchers: ['severity=\"page\"'], target_matchers: ['severity=\"info\"'], equal: [host]}
";

/// What four hosts measure at a time; `None` where they are silent.
fn measured(host: i64, t: i64) -> (f64, Option<f64>) {
    let minute = (t - ZERO) / 60_000;
    // Each host has a bad hour, in which errors come and go.
    let bad = (minute / 60) % 6 == host && minute % 20 < 11;
    let seconds = (t - ZERO) / S;
    let errors = seconds as f64 * 0.1 + if bad { (seconds % 3600) as f64 * 3.0 } else { 0.0 };
    let hot = minute % 400 > 398 - 2 * host;
    (errors, (!(700..720).contains(&minute)).then_some(if hot { 95.0 } else { 60.0 + host as f64 }))
}

fn row(data: &Tsdb, t: i64) {
    let mut appender = data.appender();
    for host in 0..4 {
        let name = format!("host-{host}");
        let labels = |metric: &str| Labels::from_pairs([(METRIC_NAME, metric), ("host", name.as_str())]);
        let (errors, temperature) = measured(host, t);
        appender.append(&labels("errors_total"), t, errors).unwrap();
        if let Some(temperature) = temperature {
            appender.append(&labels("temperature"), t, temperature).unwrap();
        }
    }
    appender.commit().unwrap();
}

fn groups() -> Vec<Arc<GroupSpec>> {
    let loaded = load_str("rules.yml", RULES, &LoadOptions::default()).unwrap();
    let defaults = GroupDefaults { interval: STEP, query_offset: 0 };
    loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &defaults))).collect()
}

fn routing() -> Arc<RoutingConfig> {
    Arc::new(RoutingConfig::of(&AlertmanagerConfig::load_str("alertmanager.yml", ROUTING).unwrap().config))
}

/// Plays a day as it comes: samples arrive, and what has arrived is evaluated.
fn live(data: &Tsdb, window: Window) -> Record {
    let context = RuleContext {
        querier: Arc::new(LocalQuerier::new(Arc::new(data.clone()))),
        env: EvalEnv { default_step_ms: STEP, ..EvalEnv::default() },
        timeout: Duration::from_secs(600),
        options: CompileOptions::default(),
        external_labels: Labels::empty(),
        external_url: "".into(),
        common: None,
        tells_values: false,
    };
    let world = StorageWorld::new(context, data.clone(), Box::new(TemplateCache::default()));
    let mut recorder = Recorder::new(&groups(), window, true);
    let setup = Setup { groups: groups(), routing: Some(routing()), ..Setup::default() };
    let options = Options { schedule: Schedule::Aligned { start: window.from }, ..Options::default() };
    row(data, window.from);
    let (clock, store) = (VirtualClock::at(window.from), Arc::new(MemoryStore::default()));
    let mut replay = Replay::start(options, setup, clock, &world, store, &mut recorder).unwrap();
    let mut t = window.from;
    while t < window.to {
        replay.play_until(t + STEP - 1).unwrap();
        t += STEP;
        row(data, t);
    }
    replay.play_until(window.to).unwrap();
    drop(replay);
    recorder.finish()
}

#[test]
fn a_day_that_was_played_live_gives_the_same_when_it_is_backtested() {
    let data = Tsdb::in_memory();
    let window = Window { from: ZERO, to: ZERO + DAY };
    let live = live(&data, window);
    // The data holds what the live rules wrote, too: it does not get in the way.
    let (groups, routing) = (groups(), Some(routing()));
    let play = Backtest { groups, routing, window, interval: STEP, features: Features::default() };
    let mut heard = 0;
    let backtest = run(Arc::new(data), &play, &mut |_| heard += 1).unwrap();
    let differs = live.episodes.iter().zip(&backtest.episodes).find(|(a, b)| a != b);
    assert!(differs.is_none(), "{differs:#?}");
    let differs = live.told.iter().zip(&backtest.told).find(|(a, b)| a != b);
    assert!(differs.is_none(), "{differs:#?}");
    assert_eq!(live, backtest);
    assert!(heard > 90, "{heard}");
    let any = |name: &str, is: fn(&Episode) -> bool| {
        backtest.episodes.iter().any(|e| e.labels.value("alertname") == name && is(e))
    };
    for name in ["ManyErrors", "Errors", "Gone", "Hot"] {
        assert!(any(name, |e| e.fired_at.is_some()), "{name} never fired");
    }
    assert!(any("Hot", |e| e.fired_at.is_none() && e.ended_at.is_some()), "every Hot fired");
    assert!(backtest.told.iter().any(|t| t.is_page()) && backtest.told.iter().any(|t| !t.is_page()));
    let info = backtest.told.iter().filter(|t| &*t.receiver == "chat").count();
    assert!(info > 0 && info < backtest.told.len() / 2, "{info} of {}", backtest.told.len());
}

pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i32,
}

pub fn backtest(dir: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    let ran = command.arg("backtest").args(arguments).current_dir(dir).output().unwrap();
    Ran {
        out: String::from_utf8(ran.stdout).unwrap(),
        err: String::from_utf8(ran.stderr).unwrap(),
        code: ran.status.code().unwrap(),
    }
}

/// An hour of one host that is hot from the 20th minute to the 40th.
pub fn dump() -> String {
    let mut text = String::new();
    for minute in 0..=60 {
        let value = if (20..40).contains(&minute) { 95 } else { 60 };
        text.push_str(&format!("temperature{{host=\"a\"}} {value} {}.000\n", ZERO / S + minute * 60));
    }
    text + "# EOF\n"
}

#[test]
fn a_dump_is_played_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("rules.yml", RULES), ("alertmanager.yml", ROUTING), ("dump.txt", &dump())] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let arguments = ["--rules", "rules.yml", "--alertmanager-config", "alertmanager.yml", "--openmetrics", "dump.txt"];
    let ran = backtest(dir.path(), &[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report: Json = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["totals"]["fired"], 1, "{report:#}");
    let alert = &report["alerts"][0];
    assert_eq!(alert["labels"]["host"], "a");
    assert_eq!(alert["pending_at"], "2026-03-02T00:20:00Z");
    assert_eq!(alert["fired_at"], "2026-03-02T00:22:00Z");
    assert_eq!(alert["ended_at"], "2026-03-02T00:40:00Z");
    assert_eq!(report["notifications"][0]["at"], "2026-03-02T00:22:30Z");
    assert_eq!(report["notifications"][0]["receiver"], "pager");
    assert_eq!(report["never_fired"], serde_json::json!(["ManyErrors", "Errors", "Gone", "Never"]));
    let ran = backtest(dir.path(), &[&arguments[..], &["--timezone", "Asia/Riyadh"]].concat());
    insta::assert_snapshot!(ran.out, @r#"
    Backtest of 6 rules over 1h, 2026-03-02T00:00:00Z to 2026-03-02T01:00:00Z

    1 alert fired, 0 ended or stayed pending. 1 page, and 1 notification of resolved alerts only.

    Alerts by rule, the noisiest first
      rule  pages  fired  only pending  flaps  firing for
      Hot       1      1             0      0         18m

    Never fired: ManyErrors, Errors, Gone, Never.

    Notifications by receiver
      receiver  pages  of them repeats  resolved  office hours  other hours  nights
      pager         1                0         1             0            0       1

    Pages by the hour of the day, Asia/Riyadh
      03:00  1  ████████████████████████████████████████

      person-hours  hours  pages  pages an hour
      office hours    0.0      0          0.000
      other hours     0.0      0          0.000
      nights          1.0      1          1.000

    Alerts that fired
      pending               firing                resolved              firing for  labels
      2026-03-02T00:20:00Z  2026-03-02T00:22:00Z  2026-03-02T00:40:00Z         18m  {alertname="Hot", host="a", severity="page"}
    "#);
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.yml"), RULES).unwrap();
    std::fs::write(dir.path().join("bad.yml"), "groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]\n").unwrap();
    std::fs::write(dir.path().join("empty.txt"), "# EOF\n").unwrap();
    std::fs::write(dir.path().join("dump.txt"), dump()).unwrap();
    for (arguments, code, want) in [
        (&["--rules", "rules.yml"][..], 2, "required"),
        (&["--openmetrics", "dump.txt"], 2, "--rules"),
        (&["--rules", "rules.yml", "--demo", "--openmetrics", "dump.txt"], 2, "cannot be used with"),
        (&["--rules", "no*.yml", "--openmetrics", "dump.txt"], 1, "no*.yml: no file matches"),
        (&["--rules", "rules.yml", "--compare", "no*.yml", "--openmetrics", "dump.txt"], 1, "no*.yml: no file matches"),
        (&["--rules", "bad.yml", "--openmetrics", "dump.txt"], 1, "bad.yml:1:"),
        (&["--rules", "rules.yml", "--openmetrics", "empty.txt"], 1, "empty.txt: holds no sample"),
        (&["--rules", "rules.yml", "--openmetrics", "absent.txt"], 1, "absent.txt: No such file"),
        (&["--rules", "rules.yml", "--openmetrics", "rules.yml"], 1, "rules.yml: line 1"),
        (&["--rules", "rules.yml", "--openmetrics", "dump.txt", "--to", "5"], 1, "lies before the beginning"),
        (&["--rules", "rules.yml", "--openmetrics", "dump.txt", "--from", "0"], 1, "at most ten years"),
        (&["--rules", "rules.yml", "--openmetrics", "dump.txt", "--interval", "0"], 1, "must be positive"),
    ] {
        let ran = backtest(dir.path(), arguments);
        assert!(ran.code == code && ran.err.contains(want), "{arguments:?}: {} {}", ran.code, ran.err);
    }
}

/// A folder with rules, routing and a dump.
pub fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("rules.yml", RULES), ("alertmanager.yml", ROUTING), ("dump.txt", &dump())] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

const PLAYED: [&str; 6] =
    ["--rules", "rules.yml", "--alertmanager-config", "alertmanager.yml", "--openmetrics", "dump.txt"];

#[test]
fn a_change_is_compared_with_files_and_with_a_git_revision() {
    let dir = home();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let ran = Command::new("git").args(identity).args(arguments).current_dir(dir.path()).output().unwrap();
        assert!(ran.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&ran.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "before"]);
    std::fs::write(dir.path().join("old.yml"), RULES).unwrap();
    // Hot fires later, and a rule comes.
    let changed = RULES.replace("for: 2m", "for: 10m") + "  - {alert: Warm, expr: 'temperature > 50'}\n";
    std::fs::write(dir.path().join("rules.yml"), changed).unwrap();
    let of = |old: &str, format: &str| {
        let ran = backtest(dir.path(), &[&PLAYED[..], &["--compare", old, "--format", format]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let text = of("HEAD", "text");
    insta::assert_snapshot!(text, @r#"
    Backtest of a change over 1h, 2026-03-02T00:00:00Z to 2026-03-02T01:00:00Z

    Before 1 page, after 2; 1 later, 1 new.

                             before  after  change
      alerts that fired           1      2      +1
      flaps                       0      0       0
      pages                       1      2      +1
      pages in office hours       0      0       0
      pages in other hours        0      0       0
      pages in nights             1      2      +1
      pages to chat               0      1      +1
      pages to pager              1      1       0

    New rules: Warm.

    New: would fire now, and did not before
      firing                for  labels
      2026-03-02T00:00:00Z   1h  {alertname="Warm", host="a"}

    Later
      fired at              now at                by  labels
      2026-03-02T00:22:00Z  2026-03-02T00:30:00Z  8m  {alertname="Hot", host="a", severity="page"}
    "#);
    assert_eq!(text, of("old.yml", "text"));
    let markdown = of("HEAD", "markdown");
    assert!(markdown.contains("\nBefore 1 page, after 2; 1 later, 1 new.\n"), "{markdown}");
    assert!(markdown.contains("| pages | 1 | 2 | +1 |"), "{markdown}");
    let json: Json = serde_json::from_str(&of("HEAD", "json")).unwrap();
    assert_eq!(json["later"][0]["before"]["fired_at"], "2026-03-02T00:22:00Z");
    assert_eq!(json["later"][0]["after"]["fired_at"], "2026-03-02T00:30:00Z");
    // Only routing is another one: what nobody is told of is no page.
    std::fs::write(dir.path().join("rules.yml"), RULES).unwrap();
    let quiet = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
    std::fs::write(dir.path().join("quiet.yml"), quiet).unwrap();
    let text = of("quiet.yml", "text");
    assert!(text.contains("\nBefore 0 pages, after 1; every alert fires when it did.\n"), "{text}");
    let ran = backtest(dir.path(), &[&PLAYED[..], &["--compare", "no-such-branch"]].concat());
    let want = "--compare no-such-branch: expected files or a git revision, found neither";
    assert!(ran.code == 1 && ran.err.contains(want), "{}", ran.err);
}

#[test]
fn incidents_say_what_was_told_in_time_and_what_for_nothing() {
    let dir = home();
    let incidents = "incidents:
- {name: heat, from: 2026-03-02T00:18:00Z, to: 2026-03-02T00:50:00Z, alerts: [Hot, ManyErrors]}
- {name: later, from: 2026-03-02T00:55:00Z, to: 2026-03-02T00:59:00Z, alerts: [Hot]}
- {name: another day, from: 2026-03-05T00:55:00Z, to: 2026-03-05T00:59:00Z, alerts: [Hot]}
";
    std::fs::write(dir.path().join("incidents.yaml"), incidents).unwrap();
    let arguments = [&PLAYED[..], &["--incidents", "incidents.yaml", "--format"]].concat();
    let ran = backtest(dir.path(), &[&arguments[..], &["text"]].concat());
    let want = "Incidents
  incident  began                 detected after  paged after  missed
  heat      2026-03-02T00:18:00Z              4m        4m30s  ManyErrors
  later     2026-03-02T00:55:00Z               -            -  Hot

Outside of all incidents: 0 pages.
";
    assert!(ran.out.contains(want), "{}{}", ran.out, ran.err);
    let page = backtest(dir.path(), &[&arguments[..], &["html"]].concat()).out;
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && !page.contains("<script"), "{page}");
}

#[test]
fn a_sweep_shows_what_each_value_costs_and_finds() {
    let dir = home();
    let incidents = "incidents:
- {name: heat, from: 2026-03-02T00:18:00Z, to: 2026-03-02T00:50:00Z, alerts: [Hot]}
";
    std::fs::write(dir.path().join("incidents.yaml"), incidents).unwrap();
    let sweep = |ranges: &str, more: &[&str]| {
        backtest(dir.path(), &[&PLAYED[..], &["--incidents", "incidents.yaml", "--sweep", ranges], more].concat())
    };
    let ran = sweep("for=5m..25m/2,threshold=55..65/2", &["--sweep-alert", "Hot"]);
    insta::assert_snapshot!(ran.out, @r"
    Sweep of Hot, 2026-03-02T00:00:00Z to 2026-03-02T01:00:00Z

      values                 fired  flaps  pages  incidents detected  median after  pages outside
      for 5m, threshold 55       1      0      1              1 of 1            0s              1
      for 5m, threshold 65       1      0      1              1 of 1            7m              0
      for 25m, threshold 55      1      0      1              1 of 1            7m              0
      for 25m, threshold 65      0      0      0              0 of 1             -              0

    Pages
      for 5m, threshold 55   1  ████████████████████████████████████████
      for 5m, threshold 65   1  ████████████████████████████████████████
      for 25m, threshold 55  1  ████████████████████████████████████████
    ");
    let json = sweep("for=5m", &["--sweep-alert", "Hot", "--format", "json"]).out;
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["points"][0]["median_detected_after_seconds"], 7 * 60);
    let page = sweep("for=5m", &["--sweep-alert", "Hot", "--format", "html"]).out;
    assert!(page.contains("for 5m</text>"), "{page}");
    for (ranges, alert, want) in [
        (
            "for=5m",
            &[][..],
            "--sweep: which alert is varied? --sweep-alert with one of ManyErrors, Errors, Gone, Hot, Never",
        ),
        ("fro=5m", &["--sweep-alert", "Hot"], "--sweep: expected for or threshold"),
        ("threshold=1", &["--sweep-alert", "Gone"], "--sweep: Gone compares nothing with a number"),
    ] {
        let ran = sweep(ranges, alert);
        assert!(ran.code == 1 && ran.err.contains(want), "{}", ran.err);
    }
}
