//! `prometheus_*` metrics: all that the field's rules and dashboards ask of a Prometheus, of the same kind and with the
//! same labels as a real one's.

use std::collections::BTreeSet;

use regex::Regex;
use watchbell::promql::{CompileOptions, Features, compile};

use crate::support::exposition::families;
use crate::support::peers::{self, prometheus, wait_for};
use crate::support::service::Home;
use crate::support::shared;

/// What mixins ask for and a service here never has, and why.
const EXPLAINED: [(&str, &str); 12] = [
    ("prometheus_datasource", "a variable of Grafana's"),
    ("prometheus_operator_", "the operator's own"),
    ("prometheus_remote_storage_dropped_samples_total", "gone since Prometheus 2.24: samples_dropped_total"),
    ("prometheus_remote_storage_failed_samples_total", "gone since Prometheus 2.24: samples_failed_total"),
    ("prometheus_remote_storage_pending_samples", "gone since Prometheus 2.24: samples_pending"),
    ("prometheus_remote_storage_retried_samples_total", "gone since Prometheus 2.24: samples_retried_total"),
    ("prometheus_remote_storage_succeeded_samples_total", "gone since Prometheus 2.24: samples_total"),
    ("prometheus_remote_storage_enqueue_retries_total", "a queue that is full makes the reader of the log wait"),
    ("prometheus_wal_watcher_current_segment", "remote_storage_log_behind_bytes says how far behind a queue is"),
    ("prometheus_sd_refresh_failures_total", "there once a job discovers by refreshing"),
    ("prometheus_template_text_expansion_failures_total", "not counted: the text says so where it stands"),
    ("prometheus_build_info_", "a prefix in prose"),
];

fn explained(name: &str) -> bool {
    EXPLAINED.iter().any(|(prefix, _)| name.starts_with(prefix))
}

const CONFIG: &str = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n\
    scrape_configs: [{job_name: self, static_configs: [{targets: ['127.0.0.1:PORT']}]}]\n\
    rule_files: [r.yml]\nalerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}\n\
    remote_write: [{url: 'http://127.0.0.1:1/write'}]\n";
const RULES: &str = "groups: [{name: g, rules: [{record: a:b, expr: up}, {alert: A, expr: 'vector(1)'}]}]\n";

/// A service that does a little of everything, after a scrape and an evaluation.
fn busy() -> (Home, crate::support::service::Server) {
    let home = Home::new(&[("r.yml", RULES)]);
    home.write("watchbell.yaml", &CONFIG.replace("PORT", &home.port().to_string()));
    let server = home.start();
    server.wait_for_evaluations(2);
    wait_for("a scrape", || {
        let up = server.api("/api/v1/query?query=up");
        (up["data"]["result"].as_array()?.first()?["value"][1] == "1").then_some(())
    });
    (home, server)
}

#[test]
fn there_is_every_family_that_mixins_ask_for() {
    let Some(mixins) = shared("configs/mixins") else { return };
    let (_home, server) = busy();
    let text = server.get("/metrics").1;
    let word = Regex::new(r"\bprometheus_[a-z0-9_]+\b").unwrap();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    for file in std::fs::read_dir(mixins).unwrap() {
        let mixin = std::fs::read_to_string(file.unwrap().path()).unwrap();
        asked.extend(word.find_iter(&mixin).map(|found| found.as_str().to_owned()));
    }
    assert!(asked.len() >= 60, "{asked:?}");
    let begins =
        |name: &str| text.lines().any(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    let missing: Vec<&String> = asked.iter().filter(|name| !explained(name) && !begins(name)).collect();
    assert!(missing.is_empty(), "asked for and not there: {missing:?}");
    let there: Vec<&String> = asked.iter().filter(|name| explained(name) && begins(name)).collect();
    assert!(there.is_empty(), "said not to be there, and it is: {there:?}");
}

#[test]
fn families_are_of_a_real_prometheus_kind_with_its_labels() {
    let config = CONFIG.replace("rule_files: [r.yml]\n", "").replace("127.0.0.1:PORT", "127.0.0.1:1");
    let Some(theirs) = prometheus(&config) else { return };
    peers::get(theirs.port, "/api/v1/query?query=1").unwrap();
    let theirs = families(&peers::get(theirs.port, "/metrics").unwrap().1, "prometheus_");
    let (_home, server) = busy();
    server.get("/api/v1/query?query=1");
    let ours = families(&server.get("/metrics").1, "prometheus_");
    let both: Vec<&String> = ours.keys().filter(|name| theirs.contains_key(*name)).collect();
    assert!(both.len() > 80, "{}", both.len());
    let differs = |name: &&&String| {
        let ((kind, labels), (our_kind, our_labels)) = (&theirs[**name], &ours[**name]);
        kind != our_kind || !labels.is_subset(our_labels)
    };
    let shown = |name: &&String| format!("{name}: {:?}, ours {:?}", theirs[*name], ours[*name]);
    let different: Vec<String> = both.iter().filter(differs).map(shown).collect();
    assert!(different.is_empty(), "{different:#?}");
}

/// The expressions of a mixin's rules.
fn rule_expressions(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let rules = watchbell::rules::load_str("mixin.yaml", text, &watchbell::rules::LoadOptions::default());
    for group in rules.unwrap_or_else(|e| panic!("{e:?}")) {
        out.extend(group.rules.iter().map(|rule| rule.plan.source().to_owned()));
    }
    out
}

#[test]
fn the_rules_of_prometheus_mixin_find_what_they_look_at() {
    let Some(alerts) = shared("configs/mixins/prometheus.alerts.yaml") else { return };
    let (_home, server) = busy();
    let text = std::fs::read_to_string(alerts).unwrap();
    let mut looked = 0;
    for expr in rule_expressions(&text) {
        let plan = compile(&expr, &CompileOptions { features: Features::all() }).unwrap();
        for selector in plan.selectors() {
            let Some(name) = selector.metric.filter(|n| n.starts_with("prometheus_") && !explained(n)) else {
                continue;
            };
            let query = url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
            let found = server.api(&format!("/api/v1/series?match[]={query}"));
            assert!(!found["data"].as_array().unwrap().is_empty(), "{name} in {expr}");
            looked += 1;
        }
        // And it is a query that can be asked.
        let query = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect::<String>();
        assert_eq!(server.api(&format!("/api/v1/query?query={query}"))["status"], "success", "{expr}");
    }
    assert!(looked > 20, "{looked}");
}
