//! Alertmanager's API: alerts posted from outside are shown, silenced, and shown again.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::support::peers;
use crate::support::service::{Home, Server};

const CONFIG: &str = "watchbell: {alertmanager_config: am.yml}\n";
const ROUTING: &str = "route: {receiver: quiet, group_by: [alertname]}\nreceivers: [{name: quiet}]\n";
const INHIBITING: &str = "route: {receiver: quiet, group_by: [alertname], group_wait: 1h}\nreceivers: [{name: quiet}]\n\
    inhibit_rules: [{name: critical over warning, source_matchers: ['severity=critical'], target_matchers: ['severity=warning'], equal: [cluster]}]\n";

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
    assert_eq!(server.get("/api/v2/silence/none").0, 422);
    let groups = server.api("/api/v2/alerts/groups");
    assert_eq!(groups[0]["labels"], json!({"alertname": "قرص ممتلئ"}));
    assert_eq!(server.api("/api/v2/receivers"), json!([{"labels": {"name": "quiet"}, "name": "quiet"}]));
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    let server = home.start();
    for (path, want, body) in [
        ("/api/v2/alerts", 400, json!({"not": "a list"})),
        ("/api/v2/alerts", 400, json!([{"labels": {"a": "b"}, "startsAt": "yesterday"}])),
        (
            "/api/v2/silences",
            422,
            json!({"matchers": [], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z"}),
        ),
        (
            "/api/v2/silences",
            400,
            json!({"matchers": [{"name": "a", "value": "(", "isRegex": true}], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z",
                "createdBy": "me", "comment": "c"}),
        ),
    ] {
        assert_eq!(post(&server, path, &body).0, want, "{path} {body}");
    }
    assert_eq!(server.get("/api/v2/alerts?filter=x").0, 400);
    for (content_type, want) in [("application/json; charset=utf-8", 200), ("text/plain", 415), ("text", 400)] {
        let (status, _) = peers::post(server.0.port, "/api/v2/alerts", content_type, b"[]").unwrap();
        assert_eq!(status, want, "{content_type}");
    }
    assert_eq!(peers::send(server.0.port, "HEAD", "/api/v2/alerts", &[], b""), Some((405, String::new())));
}

#[test]
fn long_lists_arrive_whole_and_tell_at_once_what_was_just_changed() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", INHIBITING)]);
    let server = home.start();
    let alert = |i: usize| {
        let severity = if i == 0 { "critical" } else { "warning" };
        json!({"labels": {"alertname": format!("A{}", i % 3), "cluster": (i % 2).to_string(), "i": i.to_string(),
            "severity": severity}})
    };
    let alerts: Vec<Json> = (0..700).map(alert).collect();
    assert_eq!(post(&server, "/api/v2/alerts", &Json::from(alerts)).0, 200);
    let all = server.api("/api/v2/alerts");
    let of = |key: fn(&Json) -> &Json| all.as_array().unwrap().iter().map(key).collect::<Vec<_>>();
    assert_eq!(of(|a| &a["labels"]["i"]).into_iter().collect::<HashSet<_>>().len(), 700);
    assert!(of(|a| &a["fingerprint"]).iter().is_sorted_by_key(|f| f.as_str()), "as Alertmanager orders them");
    let status = &all.as_array().unwrap().iter().find(|a| a["labels"]["i"] == "2").unwrap()["status"];
    assert_eq!(status["inhibitedByRule"], "critical over warning");
    // The critical alert mutes those of its cluster.
    let count = |query: &str| server.api(query).as_array().unwrap().len();
    assert_eq!(count("/api/v2/alerts?inhibited=false"), 351);
    let silence = json!({
        "matchers": [{"name": "i", "value": "(12|13).*", "isRegex": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2120-01-01T00:00:00Z", "createdBy": "me", "comment": "c",
    });
    assert_eq!(post(&server, "/api/v2/silences", &silence).0, 200);
    assert_eq!(count("/api/v2/alerts?silenced=false"), 700 - 22);
    let groups = server.api("/api/v2/alerts/groups?silenced=false");
    let sizes: Vec<usize> = groups.as_array().unwrap().iter().map(|g| g["alerts"].as_array().unwrap().len()).collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (3, 700 - 22));
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("watchbell_alerts{state=\"unprocessed\"} 700"), "{metrics}");
}

/// The paths with their methods and parameters, and the definitions with their fields, of a description of an API.
fn described(text: &str) -> std::collections::BTreeSet<String> {
    let document: Json = serde_yaml::from_str(text).unwrap();
    let mut all = std::collections::BTreeSet::new();
    let name = |parameter: &Json| {
        let shared = parameter["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let parameter = shared.map_or(parameter, |shared| &document["parameters"][shared]);
        format!("{} {} {}", parameter["in"], parameter["name"], parameter["type"])
    };
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, said) in methods.as_object().unwrap() {
            let parameters = if method == "parameters" { said } else { &said["parameters"] };
            all.extend(parameters.as_array().into_iter().flatten().map(|p| format!("{path} {method} {}", name(p))));
            all.extend(
                said["responses"].as_object().into_iter().flatten().map(|(code, _)| format!("{path} {method} {code}")),
            );
        }
    }
    for (name, definition) in document["definitions"].as_object().unwrap() {
        all.insert(name.clone());
        let parts = definition["allOf"].as_array().cloned().unwrap_or_else(|| vec![definition.clone()]);
        for part in &parts {
            let fields = part["properties"].as_object().into_iter().flatten();
            all.extend(fields.map(|(field, said)| format!("{name}.{field} {} {}", said["type"], said["$ref"])));
        }
    }
    all
}

#[test]
fn the_api_is_described_as_alertmanagers() {
    let Some(theirs) = crate::support::shared("configs/openapi/alertmanager-0.34.openapi.yaml") else { return };
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    let server = home.start();
    let (status, ours) = server.get("/api/v2/openapi.yaml");
    assert_eq!(status, 200);
    let (theirs, ours) = (described(&std::fs::read_to_string(theirs).unwrap()), described(&ours));
    assert!(theirs.len() > 100);
    let missing: Vec<&String> = theirs.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
