//! A service that finds targets and Alertmanagers: both follow what is found, and a reload that changes neither keeps them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::http::{answer, serve};
use crate::support::peers::wait_for;
use crate::support::service::{Home, Server};

fn alertmanagers(server: &Server) -> Vec<String> {
    let answer = server.api("/api/v1/alertmanagers");
    let active = answer["data"]["activeAlertmanagers"].as_array().cloned().unwrap_or_default();
    active.iter().map(|a| a["url"].as_str().unwrap_or("").to_owned()).collect()
}

fn targets(server: &Server) -> Vec<Value> {
    server.api("/api/v1/targets?state=active")["data"]["activeTargets"].as_array().cloned().unwrap_or_default()
}

#[test]
fn alertmanagers_follow_their_discovery() {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let address = serve(false, move |request| {
        count.fetch_add(usize::from(request.line.starts_with("POST /am/api/v2/alerts ")), Ordering::SeqCst);
        Some(answer(200, &[], "{}"))
    });
    let config = "global: {evaluation_interval: 200ms}\nrule_files: ['*.rules']\nalerting:\n  alertmanagers:\n  \
                  - path_prefix: /am\n    file_sd_configs: [{files: [am.json], refresh_interval: 100ms}]\n";
    let rules = "groups: [{name: g, rules: [{alert: Always, expr: vector(1)}]}]\n";
    let list = |addresses: &[&str]| json!([{"targets": addresses}]).to_string();
    let home = Home::new(&[("watchbell.yaml", config), ("a.rules", rules), ("am.json", &list(&[]))]);
    let server = home.start();
    assert_eq!(alertmanagers(&server), Vec::<String>::new());
    home.write("am.json", &list(&[&address]));
    let url = format!("http://{address}/am/api/v2/alerts");
    wait_for("the Alertmanager", || (alertmanagers(&server) == [url.clone()]).then_some(()));
    // An alert that went on firing while nobody was there is told at the next resend: one that is new at once.
    home.write("a.rules", &rules.replace("Always", "Another"));
    assert_eq!(server.post("/-/reload").0, 200);
    wait_for("an alert", || (heard.load(Ordering::SeqCst) > 0).then_some(()));
    assert_eq!(alertmanagers(&server), [url]);
}

#[test]
fn a_reload_keeps_what_was_found_while_the_server_of_targets_is_away() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // It answers once.
    let address = serve(false, move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Some(answer(200, &[("Content-Type", "application/json")], r#"[{"targets": ["127.0.0.1:9"]}]"#)),
        _ => Some(answer(500, &[], "")),
    });
    let config = |more: &str| {
        format!(
            "scrape_configs:\n- job_name: j\n  http_sd_configs: [{{url: 'http://{address}', refresh_interval: 300ms}}]\n{more}"
        )
    };
    let home = Home::new(&[("watchbell.yaml", &config(""))]);
    let server = home.start();
    wait_for("the target", || (targets(&server).len() == 1).then_some(()));
    wait_for("a failure", || (asked.load(Ordering::SeqCst) > 2).then_some(()));
    assert_eq!(targets(&server).len(), 1);
    // A job that changes, and one beside it that asks the same.
    let other = format!(
        "  sample_limit: 7\n- job_name: other\n  http_sd_configs: [{{url: 'http://{address}', refresh_interval: 300ms}}]\n"
    );
    home.write("watchbell.yaml", &config(&other));
    assert_eq!(server.post("/-/reload").0, 200);
    wait_for("both targets", || (targets(&server).len() == 2).then_some(()));
}

#[test]
fn the_blackbox_idiom_probes_urls() {
    let config = "scrape_configs:\n- job_name: probe\n  scrape_interval: 1h\n  metrics_path: /probe\n  params: {module: [http_2xx]}\n  \
                  static_configs: [{targets: ['https://pagertree.example']}]\n  relabel_configs:\n  \
                  - {source_labels: [__address__], target_label: __param_target}\n  \
                  - {source_labels: [__param_target], target_label: instance}\n  \
                  - {target_label: __address__, replacement: 'blackbox:9115'}\n";
    let home = Home::new(&[("watchbell.yaml", config)]);
    let server = home.start();
    let found = wait_for("the target", || targets(&server).first().cloned());
    assert_eq!(found["labels"]["instance"], "https://pagertree.example");
    let url = "http://blackbox:9115/probe?module=http_2xx&target=https%3A%2F%2Fpagertree.example";
    assert_eq!(found["scrapeUrl"], url);
}
