//! The dashboards in `deploy/grafana`: what they ask for is there, over the demo's fleet and on a running server, and the
//! packs' links lead to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use watchbell::datasource::{LocalQuerier, Querier};
use watchbell::fleet::Incident;
use watchbell::promql::{CompileOptions, EvalEnv, QueryValue, compile};

use crate::support::fleet::{self, INCIDENT};
use crate::support::service::Home;

const OF_THE_FLEET: [&str; 4] = ["gpu", "inference", "model-accuracy", "gpu-cost"];
const OF_THE_SERVER: &str = "watchbell";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana")
}

fn dashboard(name: &str) -> Json {
    let text = std::fs::read_to_string(folder().join(format!("dashboards/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The queries of a dashboard with everything selected, as Grafana sends them: the panel's title and the query.
fn queries(dashboard: &Json) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let mut expr = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            for variable in dashboard["templating"]["list"].as_array().unwrap() {
                let name = variable["name"].as_str().unwrap();
                let value = variable["allValue"].as_str().or(variable["query"].as_str()).unwrap_or_default();
                expr = expr.replace(&format!("${name}"), value);
            }
            assert!(!expr.contains('$'), "{expr}");
            out.push((panel["title"].as_str().unwrap().to_owned(), expr));
        }
    }
    out
}

#[test]
fn every_query_gives_data_at_the_height_of_the_demos_incident() {
    let height = INCIDENT + Incident::HEIGHT;
    let db =
        fleet::filled(height - 26 * 3_600_000, height, 60_000, |labels| !labels.metric_name().starts_with("node_"));
    let querier = LocalQuerier::new(Arc::new(db));
    for name in OF_THE_FLEET {
        let asked = queries(&dashboard(name));
        assert!(asked.len() >= 12, "{name}");
        for (title, expr) in asked {
            let plan = compile(&expr, &CompileOptions::default()).unwrap_or_else(|e| panic!("{name}, {title}: {e}"));
            let answer = querier.instant(&plan, height, &EvalEnv::default()).unwrap();
            let QueryValue::Vector(vector) = &answer.value else { panic!("{name}, {title}: no vector") };
            assert!(!vector.is_empty(), "{name}, {title} is empty: {expr}");
        }
    }
}

const CONFIG: &str = "
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - {job_name: watchbell, static_configs: [{targets: ['127.0.0.1:{own}']}]}
watchbell: {alertmanager_config: am.yml}
";
const RULES: &str = "groups: [{name: g, rules: [{record: one, expr: vector(1)}]}]";
const ROUTING: &str = "
route: {receiver: hook}
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]
";

#[test]
fn every_query_about_watchbell_is_answered_by_a_running_server() {
    let home = Home::new(&[("rules.yaml", RULES), ("am.yml", ROUTING)]);
    home.write("watchbell.yaml", &CONFIG.replace("{own}", &home.port().to_string()));
    let server = home.start();
    server.wait_for_evaluations(4);
    let asked = queries(&dashboard(OF_THE_SERVER));
    assert!(asked.len() >= 16);
    for (title, expr) in asked {
        let query: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
        let answer = server.api(&format!("/api/v1/query?query={query}"));
        let found = answer["data"]["result"].as_array().map_or(0, Vec::len);
        assert!(found > 0, "{title} is empty: {expr}: {answer}");
    }
}

#[test]
fn dashboards_are_whole_and_the_packs_links_lead_to_them() {
    let mut uids = BTreeSet::new();
    for name in OF_THE_FLEET.iter().chain([&OF_THE_SERVER]) {
        let dashboard = dashboard(name);
        uids.insert(dashboard["uid"].as_str().unwrap().to_owned());
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}");
        for panel in panels {
            assert!(panel["title"].as_str().is_some_and(|t| !t.is_empty()), "{name}: {panel}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {panel}");
            let place = &panel["gridPos"];
            assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{name}: {panel}");
        }
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(variables[0]["type"], "datasource", "{name}");
    }
    let files = std::fs::read_dir(folder().join("dashboards")).unwrap().count();
    assert_eq!(files, uids.len());
    let mut linked = BTreeSet::new();
    for pack in ["gpu", "inference", "training", "model-quality", "cost", "exporters"] {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("rules/{pack}.yaml"))).unwrap();
        for rest in text.split("https://grafana.example.com/d/").skip(1) {
            let uid = rest.split(['/', '?', '"']).next().unwrap().to_owned();
            assert!(uids.contains(&uid), "{pack} links to {uid}");
            linked.insert(uid);
        }
    }
    assert_eq!(linked, uids, "a dashboard that no alert leads to");
}

#[test]
fn provisioning_names_the_service_that_the_manifests_make() {
    let read = |path: &str| -> serde_yaml::Value {
        serde_yaml::from_str(&std::fs::read_to_string(folder().join(path)).unwrap()).unwrap()
    };
    let sources = read("provisioning/datasources/watchbell.yaml");
    let manifest = std::fs::read_to_string(folder().join("../kubernetes/watchbell.yaml")).unwrap();
    let kinds: Vec<&str> = sources["datasources"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|source| {
            let url = source["url"].as_str().unwrap();
            let port = url.strip_prefix("http://watchbell.monitoring.svc:").unwrap();
            assert!(manifest.contains(&format!("port: {port}\n")), "{url}");
            source["type"].as_str().unwrap()
        })
        .collect();
    assert_eq!(kinds, ["prometheus", "alertmanager"]);
    assert_eq!(sources["datasources"][1]["jsonData"]["implementation"], "prometheus");
    assert_eq!(read("provisioning/dashboards/watchbell.yaml")["providers"][0]["type"], "file");
}
