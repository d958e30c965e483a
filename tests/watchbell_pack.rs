//! The rules about Watchbell itself: they fire when they should, and a running server has every metric they read. (Their
//! pages are looked at beside those of the other packs.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use watchbell::rules::{LoadOptions, Rule, load_str};
use watchbell::ruletest::report::{self, Style};
use watchbell::ruletest::{Options, run_files};

use crate::support::peers::{self, free_port};
use crate::support::service::Home;

const PACK: &str = include_str!("../rules/watchbell.yaml");
const TESTS: &str = include_str!("../rules/tests/watchbell.yaml");

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn alerts() -> Vec<Rule> {
    let groups = load_str("watchbell.yaml", PACK, &LoadOptions::default()).unwrap();
    groups.into_iter().flat_map(|g| g.rules).collect()
}

/// The metrics that the rules read.
fn metrics() -> BTreeSet<String> {
    let words =
        |expr: &str| expr.split(|c: char| c != '_' && !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    let ours = |word: &String| word.starts_with("watchbell_") || word.starts_with("process_");
    alerts().iter().flat_map(|rule| words(&rule.expr)).filter(ours).collect()
}

#[test]
fn every_alert_fires_and_does_not_as_its_unit_tests_say() {
    let file = shipped("rules/tests/watchbell.yaml");
    let outcomes = run_files(std::slice::from_ref(&file), &Options::default(), &|_| {});
    assert!(outcomes[0].is_success(), "{}", report::file_text(&outcomes[0], Style::Plain));
    for rule in alerts() {
        let asked = [format!("alertname=\"{}\"", rule.name), format!("alertname: {}\n", rule.name)];
        assert!(asked.iter().any(|name| TESTS.contains(name)), "{} has no unit test", rule.name);
    }
    let Some(promtool) = peers::find("promtool") else { return };
    let (check, test) = (["check", "rules", "--lint=all"].as_slice(), ["test", "rules"].as_slice());
    for (arguments, file) in [(check, shipped("rules/watchbell.yaml")), (test, file)] {
        let ran = std::process::Command::new(&promtool).args(arguments).arg(file).output().unwrap();
        assert!(
            ran.status.success(),
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

/// Everything that has metrics of its own is configured; nobody listens at `nobody`.
const CONFIG: &str = "
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - {job_name: watchbell, static_configs: [{targets: ['127.0.0.1:{own}']}]}
remote_write: [{url: 'http://127.0.0.1:{nobody}/write'}]
alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:{nobody}']}]}]}
watchbell: {alertmanager_config: am.yml}
";
const ROUTING: &str = "
route: {receiver: hook}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]
";

#[test]
fn a_server_has_every_metric_and_nothing_but_the_watchdog_fires() {
    let home = Home::new(&[("rules.yaml", PACK), ("am.yml", ROUTING)]);
    let config = CONFIG.replace("{nobody}", &free_port().to_string()).replace("{own}", &home.port().to_string());
    home.write("watchbell.yaml", &config);
    let server = home.start();
    server.wait_for_evaluations(3);
    let (_, exposed) = server.get("/metrics");
    assert!(metrics().len() > 20);
    for name in metrics() {
        assert!(exposed.contains(&format!("\n# TYPE {name} ")), "{name} is not exposed");
    }
    // What others read does not change: a line a family, with its type and its labels.
    for line in include_str!("../fixtures/metric_names.txt").lines() {
        let mut words = line.split(' ');
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        assert!(exposed.contains(&format!("\n# TYPE {name} {kind}\n")), "{name} is not exposed as a {kind}");
        let samples = || exposed.lines().filter(|l| l.starts_with(name));
        for label in words {
            assert!(samples().any(|l| l.contains(&format!("{label}=\""))), "{name} has no label {label}");
        }
    }
    // A receiver's counters begin at 0: its first failure is an increase.
    let failed = "watchbell_notifications_failed_total{integration=\"webhook\",receiver_name=\"hook\"} 0\n";
    assert!(exposed.contains(failed), "{exposed}");
    let answer = server.api("/api/v1/alerts");
    let alerts = answer["data"]["alerts"].as_array().unwrap();
    let firing = alerts.iter().filter(|a| a["state"] == "firing").map(|a| a["labels"]["alertname"].as_str().unwrap());
    assert_eq!(firing.collect::<Vec<_>>(), ["Watchdog"]);
}
