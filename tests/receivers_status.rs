//! A running service says what its receivers were not told as they should have been, and who stood in.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use crate::support::http::{answer, serve};
use crate::support::peers::{post, wait_for};
use crate::support::service::Home;

#[test]
fn a_template_that_fails_and_a_receiver_that_refuses_are_seen_in_api_and_metrics() {
    let told: Arc<Mutex<Vec<Json>>> = Arc::default();
    let log = told.clone();
    let address = serve(false, move |request| {
        if request.line.contains("/refuses") {
            return Some(answer(400, &[], "no thanks"));
        }
        log.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        Some(answer(200, &[], "ok"))
    });
    let routing = format!(
        "route: {{receiver: pager, fallback_receiver: chat, group_wait: 0s}}\nreceivers:\n- name: pager\n  \
         webhook_configs: [{{url: 'http://{address}/refuses'}}]\n- name: chat\n  slack_configs: [{{api_url: \
         'http://{address}/chat', channel: c, text: '{{{{ (index .Alerts 1).Status }}}}'}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", "watchbell: {alertmanager_config: am.yml}\n"), ("am.yml", &routing)]);
    let server = home.start();
    let alert = br#"[{"labels": {"alertname": "Hot", "instance": "a"}}]"#;
    assert_eq!(post(home.port(), "/api/v2/alerts", "application/json", alert).unwrap().0, 200);
    let receivers = wait_for("the fallback's delivery", || {
        let receivers = server.api("/watchbell/v1/receivers");
        (!receivers[1]["integrations"][0]["lastDelivered"].is_null()).then_some(receivers)
    });
    let (pager, chat) = (&receivers[0]["integrations"][0], &receivers[1]["integrations"][0]);
    assert_eq!(pager["lastError"], "unexpected status code 400: no thanks");
    assert_eq!((&chat["insteadOf"], &chat["lastError"], &chat["failures"]), (&json!("pager"), &json!(""), &json!(0)));
    assert_eq!(chat["fieldErrors"][0]["field"], "text");
    let text = told.lock().unwrap()[0]["attachments"][0]["text"].as_str().unwrap().to_owned();
    for want in
        ["Firing: Hot {instance=a}", "This is for receiver pager, which cannot be told.", "Template error in text: "]
    {
        assert!(text.contains(want), "{want} in {text}");
    }
    let (_, metrics) = server.get("/metrics");
    for family in ["watchbell_notification_field_errors_total", "watchbell_notifications_by_fallback_total"] {
        let sample = format!("{family}{{integration=\"slack\",receiver_name=\"chat\"}} 1");
        assert!(metrics.contains(&sample), "{sample}");
    }
}
