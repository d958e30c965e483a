//! Alertmanager's API: alerts posted from outside are shown, silenced, and shown again.

use serde_json::{Value as Json, json};

use crate::support::peers;
use crate::support::service::{Home, Server};

const CONFIG: &str = "watchbell: {alertmanager_config: am.yml}\n";
const ROUTING: &str = "route: {receiver: quiet, group_by: [alertname]}\nreceivers: [{name: quiet}]\n";

fn post(server: &Server, path: &str, body: &Json) -> (u16, Json) {
    let body = body.to_string();
    let (status, text) = peers::post(server.0.port, path, "application/json", body.as_bytes()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Json::Null))
}

fn states(server: &Server, query: &str) -> Vec<String> {
    let alerts = server.api(&format!("/api/v2/alerts{query}"));
    let state = |a: &Json| a["status"]["state"].as_str().unwrap_or("").to_owned();
    alerts.as_array().unwrap().iter().map(state).collect()
}

#[test]
fn a_posted_alert_can_be_silenced_and_heard_again() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    let server = home.start();
    let alerts = json!([
        {"labels": {"alertname": "قرص ممتلئ", "team": "db"}, "annotations": {"summary": "<90%>"}},
        {"labels": {}},
    ]);
    let (status, error) = post(&server, "/api/v2/alerts", &alerts);
    assert_eq!((status, error), (400, json!("at least one label pair required")), "the good one is taken in");
    assert_eq!(states(&server, ""), ["active"]);
    assert_eq!(states(&server, "?filter=team%3D%22web%22").len(), 0);
    assert_eq!(states(&server, "?receiver=qui.*").len(), 1);

    let silence = json!({
        "matchers": [{"name": "team", "value": "d.", "isRegex": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z", "createdBy": "me", "comment": "صيانة",
    });
    let (status, made) = post(&server, "/api/v2/silences", &silence);
    assert_eq!(status, 200, "{made}");
    assert_eq!(states(&server, ""), ["suppressed"]);
    assert!(states(&server, "?silenced=false").is_empty());
    let id = made["silenceID"].as_str().unwrap();
    let shown = server.api(&format!("/api/v2/silence/{id}"));
    assert_eq!((&shown["status"]["state"], &shown["comment"]), (&json!("active"), &json!("صيانة")));
    assert_eq!(shown["matchers"][0], json!({"isEqual": true, "isRegex": true, "name": "team", "value": "d."}));

    assert_eq!(server.delete(&format!("/api/v2/silence/{id}")).0, 200);
    assert_eq!(states(&server, ""), ["active"]);
    assert_eq!(server.get("/api/v2/silence/none").0, 404);
    let groups = server.api("/api/v2/alerts/groups");
    assert_eq!(groups[0]["labels"], json!({"alertname": "قرص ممتلئ"}));
    assert_eq!(server.api("/api/v2/receivers"), json!([{"name": "quiet"}]));
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    let server = home.start();
    for (path, body) in [
        ("/api/v2/alerts", json!({"not": "a list"})),
        ("/api/v2/alerts", json!([{"labels": {"a": "b"}, "startsAt": "yesterday"}])),
        (
            "/api/v2/silences",
            json!({"matchers": [], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z"}),
        ),
        (
            "/api/v2/silences",
            json!({"matchers": [{"name": "a", "value": "(", "isRegex": true}], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z"}),
        ),
    ] {
        assert_eq!(post(&server, path, &body).0, 400, "{path} {body}");
    }
    assert_eq!(server.get("/api/v2/alerts?active=maybe").0, 400);
    assert_eq!(server.get("/api/v2/alerts?filter=x").0, 400);
}
