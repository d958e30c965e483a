//! `.Value` and `.ResolvedValue`: what an alert of a rule measures, in the page and in its resolve.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::support::http;
use crate::support::peers::wait_for;
use crate::support::service::Home;

#[test]
fn messages_tell_the_value_that_fires_and_the_one_that_resolves() {
    let heard: Arc<Mutex<Vec<Json>>> = Arc::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        hears.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        Some(http::answer(200, &[], ""))
    });
    let config =
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\nwatchbell: {alertmanager_config: am.yml}\n";
    let rules = "groups: [{name: g, rules: [{alert: Saw, expr: 'vector(time() % 10) > 2'}]}]\n";
    let value = "{{ range .Alerts }}{{ .Value }}/{{ .ResolvedValue }}{{ end }}";
    let routing = format!(
        "route: {{receiver: x, group_wait: 3s, group_interval: 1s, group_by: [alertname]}}\n\
         receivers: [{{name: x, webhook_configs: [{{url: 'http://{address}/', payload: {{status: '{{{{ .Status }}}}', value: '{value}'}}}}]}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", config), ("rules.yml", rules), ("am.yml", &routing)]);
    let _server = home.start();
    let told = |status: &str| {
        let body = wait_for(status, || heard.lock().unwrap().iter().find(|body| body["status"] == *status).cloned());
        let text = body["value"].as_str().unwrap().to_owned();
        let (value, resolved) = text.split_once('/').unwrap();
        (value.parse::<f64>().unwrap(), resolved.parse::<f64>().ok())
    };
    let (value, resolved) = told("firing");
    // What it is when the page goes out, three seconds after it began to fire.
    assert!(value >= 5.0 && resolved.is_none(), "{value} {resolved:?}");
    let (value, resolved) = told("resolved");
    assert!(value > 2.0 && resolved.unwrap() <= 2.0, "{value} {resolved:?}");
}
