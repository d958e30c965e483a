//! Every field of every receiver that can be told where to send, beside the real Alertmanager: the same requests with the
//! same bodies, but for what docs/receivers.md says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use crate::alertmanager_program::start;
use crate::support::http::{self, Answer, Request, answer};
use crate::support::peers::{self, wait_for};

const CONFIG: &str = include_str!("../fixtures/receivers/every-field.yml");

/// What was sent: by method and path the bodies, in order.
type Sent = BTreeMap<String, Vec<Json>>;

/// A server that every service could be.
fn recorder() -> (String, Arc<Mutex<Sent>>) {
    let sent: Arc<Mutex<Sent>> = Arc::default();
    let takes = sent.clone();
    let address = http::serve(false, move |request| {
        let mut line = request.line.trim_end_matches(" HTTP/1.1").to_owned();
        if line.contains("opsgenie") {
            line.push_str(&format!(" {}", request.header("authorization")));
        }
        takes.lock().unwrap().entry(line).or_default().push(body(&request));
        Some(reply(&request))
    });
    (address, sent)
}

fn body(request: &Request) -> Json {
    serde_json::from_slice(&request.body).unwrap_or_else(|_| {
        // Parameters in any order, signatures left out: they are in the head.
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        json!(form)
    })
}

fn reply(request: &Request) -> Answer {
    let path = request.line.split(' ').nth(1).unwrap();
    let (status, body) = match path.trim_matches('/').split('/').next().unwrap() {
        "telegram" => (200, r#"{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"}}}"#),
        "wechat" => (200, r#"{"errcode":0,"access_token":"t"}"#),
        "sns" => (200, "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"),
        "rocketchat" => (200, r#"{"success":true}"#),
        "slack" => (200, r#"{"ok":true}"#),
        "victorops" => (200, r#"{"result":"success"}"#),
        "jira" if path.contains("search") => (200, r#"{"issues":[],"total":0}"#),
        "jira" => (201, r#"{"id":"1","key":"P-1"}"#),
        "opsgenie" | "pagerduty" | "incidentio" => (202, "{}"),
        _ => (200, "ok"),
    };
    answer(status, &[("Content-Type", "application/json")], body)
}

/// Two alerts that fire, or that have resolved. They begin so late that their group waits for both.
fn alerts(ends_at: &str) -> String {
    let begins = if ends_at.starts_with("21") { "2126-01-01T00:00:00Z" } else { "2026-01-01T00:00:00Z" };
    let alert = |instance: &str, annotations: Json| {
        json!({
            "labels": {"alertname": "Down & out", "team": "x", "severity": "critical", "instance": instance},
            "annotations": annotations, "startsAt": begins, "endsAt": ends_at,
            "generatorURL": "http://prom/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        })
    };
    let first = json!({"summary": "It *is* down_and_out", "empty": ""});
    json!([alert("a:1", first), alert("b:1", json!({"summary": "second"}))]).to_string()
}

/// Posts the alerts, firing then resolved, and gives what was sent in all.
fn play(port: u16, sent: &Mutex<Sent>) -> Sent {
    let post = |text: String| {
        let posted = peers::post(port, "/api/v2/alerts", "application/json", text.as_bytes());
        assert_eq!(posted.unwrap().0, 200);
    };
    let told = |status: &str, wanted: usize| {
        wait_for(status, || {
            let sent = sent.lock().unwrap();
            let count: usize = sent.iter().filter(|(line, _)| !is_token(line)).map(|(_, bodies)| bodies.len()).sum();
            (count >= wanted).then_some(())
        });
    };
    post(alerts("2126-02-01T00:00:00Z"));
    told("firing", 51);
    post(alerts("2026-01-02T00:00:00Z"));
    told("resolved", 97);
    sent.lock().unwrap().clone()
}

/// Whether a request asks for WeChat's token, for which we ask with each message.
fn is_token(line: &str) -> bool {
    line.contains("/gettoken?")
}

/// Where two bodies differ: the place, and both values.
fn differences(theirs: &Json, ours: &Json, place: &str, out: &mut Vec<String>) {
    match (theirs, ours) {
        (Json::Object(a), Json::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let of = |map: &serde_json::Map<String, Json>| map.get(name).cloned().unwrap_or(json!("(absent)"));
                differences(&of(a), &of(b), &format!("{place}.{name}"), out);
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &format!("{place}[{i}]"), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{place}: {a} {b}")),
    }
}

/// What differs on purpose, as docs/receivers.md says: the beginnings of its lines.
const ON_PURPOSE: &[&str] = &[
    "POST /discord/templated[0].avatar_url:",
    "POST /discord/templated[0].username:",
    "POST /discord/templated[1].avatar_url:",
    "POST /discord/templated[1].username:",
    "POST /jira/templated/issue[0].fields.labels:",
    "POST /opsgenie/empty/v2/alerts GenieKey k[0].message: \"\" ",
    "POST /pagerduty/defaults[0].payload.custom_details.firing[0].annotations.empty: null",
    "POST /pagerduty/defaults[1].payload.custom_details.resolved[0].annotations.empty: null",
    "POST /pagerduty/empty[0].payload.custom_details.firing[0].annotations.empty: null",
    "POST /pagerduty/empty[1].payload.custom_details.resolved[0].annotations.empty: null",
    "POST /pagerduty/defaults[0].payload.custom_details.watchbell_explanation: \"(absent)\" ",
    "POST /pagerduty/defaults[0].payload.custom_details.watchbell_notification: \"(absent)\" ",
    "POST /pagerduty/defaults[1].payload.custom_details.watchbell_explanation: \"(absent)\" ",
    "POST /pagerduty/defaults[1].payload.custom_details.watchbell_notification: \"(absent)\" ",
    "POST /pagerduty/empty[0].payload.custom_details.watchbell_explanation: \"(absent)\" ",
    "POST /pagerduty/empty[0].payload.custom_details.watchbell_notification: \"(absent)\" ",
    "POST /pagerduty/empty[1].payload.custom_details.watchbell_explanation: \"(absent)\" ",
    "POST /pagerduty/empty[1].payload.custom_details.watchbell_notification: \"(absent)\" ",
    "POST /pagerduty/empty[0].payload.summary: \"\" ",
    "POST /pagerduty/empty[1].payload.summary: \"\" ",
    "POST /pagerduty/templated[0].payload.custom_details.watchbell_explanation: \"(absent)\" ",
    "POST /pagerduty/templated[0].payload.custom_details.watchbell_notification: \"(absent)\" ",
    "POST /pagerduty/templated[1].payload.custom_details.watchbell_explanation: \"(absent)\" ",
    "POST /pagerduty/templated[1].payload.custom_details.watchbell_notification: \"(absent)\" ",
    "POST /pagerduty/templated[1].payload.custom_details.resolved[0].annotations.empty: null",
    "POST /rocketchat/templated/api/v1/chat.postMessage[0].parseUrls:",
    "POST /rocketchat/templated/api/v1/chat.postMessage[1].parseUrls:",
    "POST /slack/defaults[0].attachments[0].fallback:",
    "POST /slack/defaults[0].attachments[0].title:",
    "POST /slack/defaults[1].attachments[0].fallback:",
    "POST /slack/defaults[1].attachments[0].title:",
    "POST /wechat/empty/message/send?access_token=t[0].text.content: \"\" ",
    "POST /wechat/empty/message/send?access_token=t[1].text.content: \"\" ",
];

#[test]
fn every_field_of_every_receiver_is_sent_as_alertmanager_sends_it() {
    let flags = ["--web.external-url=http://am.test/x", "--web.route-prefix=/"];
    let (their_address, they_sent) = recorder();
    let Some(theirs) = peers::alertmanager(&CONFIG.replace("ADDRESS", &their_address), &flags) else { return };
    let they = play(theirs.port, &they_sent);
    let (our_address, we_sent) = recorder();
    let ours =
        start(&CONFIG.replace("ADDRESS", &our_address), &[&flags[..], &["--web.listen-address=127.0.0.1:0"]].concat());
    let port = ours.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let we = play(port, &we_sent);

    let mut found = Vec::new();
    for line in they.keys().chain(we.keys()).collect::<std::collections::BTreeSet<_>>() {
        if is_token(line) {
            continue;
        }
        let bodies = |sent: &Sent| sent.get(line).cloned().map_or(json!("(never sent)"), Json::Array);
        differences(&bodies(&they), &bodies(&we), line, &mut found);
    }
    let mut unexpected = found.clone();
    unexpected.retain(|line| !ON_PURPOSE.iter().any(|known| line.starts_with(known)));
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let gone: Vec<_> = ON_PURPOSE.iter().filter(|known| !found.iter().any(|line| line.starts_with(**known))).collect();
    assert!(gone.is_empty(), "no longer different: {gone:?}");
}
