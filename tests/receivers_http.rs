//! Receivers that speak HTTP: what they get, and what becomes of their answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use watchbell::model::Labels;
use watchbell::notify::{Notification, NotifiedAlert, Outcome};

use crate::support::receiver::{NOW, integrations, notification};

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A server that notes what it gets and answers by the path's last part: `ok`, a status, `limit`, `hang`, `slackerror`.
async fn server() -> (String, Log) {
    let log: Log = Log::default();
    let app = Router::new().fallback(answer).with_state(log.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, log)
}

async fn answer(State(log): State<Log>, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let body = String::from_utf8(body.to_vec()).unwrap();
    log.lock().push(Seen { path: uri.to_string(), headers, body });
    let json = [("content-type", "application/json")];
    match uri.path().rsplit('/').next().unwrap_or("") {
        "gettoken" => (json, r#"{"errcode": 0, "access_token": "tok"}"#).into_response(),
        "send" => (json, r#"{"errcode": 0}"#).into_response(),
        "search" => {
            (json, r#"{"issues": [{"key": "P-7", "fields": {"status": {"statusCategory": {"key": "done"}}}}]}"#)
                .into_response()
        }
        "transitions" => {
            (json, r#"{"transitions": [{"id": "11", "name": "Done"}, {"id": "12", "name": "Reopen"}]}"#).into_response()
        }
        "limit" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "slow down").into_response(),
        "date" => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")], "").into_response()
        }
        "chat.postMessage" | "chat.update" => (json, r#"{"ok": true, "channel": "C1", "ts": "12.5"}"#).into_response(),
        "slackerror" => "invalid_token".into_response(),
        "slackjson" => (json, r#"{"ok": false, "error": "channel_not_found"}"#).into_response(),
        "hang" => std::future::pending().await,
        number if number.parse::<u16>().is_ok() => {
            let status = StatusCode::from_u16(number.parse().unwrap()).unwrap();
            (status, "no thanks").into_response()
        }
        _ => "ok".into_response(),
    }
}

fn alert(instance: &str, ends_at: Option<i64>) -> NotifiedAlert {
    NotifiedAlert {
        labels: Labels::from_pairs([("alertname", "Hot"), ("instance", instance), ("severity", "critical")]),
        annotations: Labels::from_pairs([("summary", "الذاكرة ممتلئة <&>")]),
        starts_at: NOW - 60_000,
        ends_at,
        generator_url: "http://prom/graph?g0.expr=up".into(),
        value: None,
        resolved_value: None,
    }
}

fn firing(kind: &str) -> Notification {
    notification(kind, vec![alert("a", None), alert("b", Some(NOW))])
}

fn resolved(kind: &str) -> Notification {
    notification(kind, vec![alert("a", Some(NOW))])
}

/// Delivers once and gives what arrived.
async fn delivered(receiver: &str, log: &Log, notification: &Notification) -> Seen {
    assert_eq!(integrations(receiver).deliver(notification).await, Outcome::Delivered);
    log.lock().drain(..).next_back().unwrap()
}

#[tokio::test]
async fn a_webhook_gets_version_four() {
    let (url, log) = server().await;
    let seen = delivered(&format!("  webhook_configs: [{{url: '{url}/ok'}}]"), &log, &firing("webhook")).await;
    assert_eq!(seen.headers["content-type"], "application/json");
    assert!(seen.body.contains("الذاكرة ممتلئة <&>"), "{}", seen.body);
    let alert = |instance: &str, status: &str, ends: &str, fingerprint: &str| {
        json!({
            "status": status,
            "labels": {"alertname": "Hot", "instance": instance, "severity": "critical"},
            "annotations": {"summary": "الذاكرة ممتلئة <&>"},
            "startsAt": "2023-11-14T22:12:20Z",
            "endsAt": ends,
            "generatorURL": "http://prom/graph?g0.expr=up",
            "fingerprint": fingerprint,
        })
    };
    let got = seen.json();
    let fingerprint = |i: usize| got["alerts"][i]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(
        got,
        json!({
            "receiver": "team",
            "status": "firing",
            "alerts": [
                alert("a", "firing", "0001-01-01T00:00:00Z", &fingerprint(0)),
                alert("b", "resolved", "2023-11-14T22:13:20Z", &fingerprint(1)),
            ],
            "notification_reason": "first notification",
            "groupLabels": {"alertname": "Hot"},
            "commonLabels": {"alertname": "Hot", "severity": "critical"},
            "commonAnnotations": {"summary": "الذاكرة ممتلئة <&>"},
            "externalURL": "http://watchbell.example",
            "version": "4",
            "groupKey": "{}:{alertname=\"Hot\"}",
            "truncatedAlerts": 0,
        })
    );
}

#[tokio::test]
async fn a_webhook_takes_a_limit_a_template_for_its_url_and_a_payload_of_its_own() {
    let (url, log) = server().await;
    let limited = format!("  webhook_configs: [{{url: '{url}/ok', max_alerts: 1}}]");
    let body = delivered(&limited, &log, &firing("webhook")).await.json();
    assert_eq!((body["alerts"].as_array().unwrap().len(), &body["truncatedAlerts"]), (1, &json!(1)));
    assert_eq!(body["commonLabels"]["instance"], "a");

    let own = format!(
        "  webhook_configs: [{{url: '{url}/{{{{ .Status }}}}/ok', payload: {{n: '{{{{ len .Alerts }}}}', \
         t: 'x {{{{ .Status }}}}', l: [1, '{{{{ .CommonLabels.severity }}}}'], o: '{{{{ toJson .GroupLabels }}}}', \
         z: null}}}}]"
    );
    let seen = delivered(&own, &log, &firing("webhook")).await;
    assert_eq!(seen.path, "/firing/ok");
    assert_eq!(
        seen.json(),
        json!({"n": 2, "t": "x firing", "l": [1, "critical"], "o": {"alertname": "Hot"}, "z": null})
    );
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_when_it_is_needed() {
    let (url, log) = server().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    let to = integrations(&format!("  webhook_configs: [{{url_file: '{}'}}]", file.display()));
    assert!(matches!(to.deliver(&firing("webhook")).await, Outcome::Retry { .. }));
    std::fs::write(&file, format!("{url}/one\n")).unwrap();
    assert_eq!(to.deliver(&firing("webhook")).await, Outcome::Delivered);
    std::fs::write(&file, format!("{url}/two\n")).unwrap();
    assert_eq!(to.deliver(&firing("webhook")).await, Outcome::Delivered);
    let paths: Vec<String> = log.lock().iter().map(|s| s.path.clone()).collect();
    assert_eq!(paths, ["/one", "/two"]);
}

#[tokio::test]
async fn slack_gets_an_attachment() {
    let (url, log) = server().await;
    let plain = format!("  slack_configs: [{{api_url: '{url}/hook/SECRET', channel: '#ml'}}]");
    assert_eq!(
        delivered(&plain, &log, &firing("slack")).await.json(),
        json!({
            "channel": "#ml",
            "username": "Alertmanager",
            "attachments": [{
                "title": "[FIRING:1] Hot (critical)",
                "title_link": "http://watchbell.example/#/alerts?receiver=team",
                "text": "",
                "fallback": "[FIRING:1] Hot (critical) | http://watchbell.example/#/alerts?receiver=team",
                "callback_id": "",
                "footer": "",
                "color": "danger",
                "mrkdwn_in": ["fallback", "pretext", "text"],
            }],
        })
    );
    let token = format!(
        "  slack_configs: [{{app_token: xoxb-1, app_url: '{url}/app', channel: c, \
         fields: [{{title: a, value: '{{{{ .Status }}}}'}}], actions: [{{type: button, text: go, url: 'http://x', style: primary}}]}}]"
    );
    let seen = delivered(&token, &log, &resolved("slack")).await;
    assert_eq!((seen.path.as_str(), &seen.headers["authorization"]), ("/app", &"Bearer xoxb-1".parse().unwrap()));
    let attachment = &seen.json()["attachments"][0];
    assert_eq!(attachment["fields"], json!([{"title": "a", "value": "resolved", "short": false}]));
    assert_eq!(attachment["actions"], json!([{"type": "button", "text": "go", "url": "http://x", "style": "primary"}]));
    assert_eq!(attachment["color"], "good");
}

#[tokio::test]
async fn slacks_refusals_are_told_from_its_consent() {
    let (url, _) = server().await;
    for (path, want) in [
        ("slackerror", "received an error response from Slack: invalid_token"),
        ("slackjson", "received an error response from Slack: channel_not_found"),
    ] {
        let to = integrations(&format!("  slack_configs: [{{api_url: '{url}/{path}', channel: c}}]"));
        assert_eq!(to.deliver(&firing("slack")).await, Outcome::GiveUp { reason: want.into() });
    }
}

#[tokio::test]
async fn pagerduty_gets_events_of_both_versions() {
    let (url, log) = server().await;
    let key = "1c4a8e2b4e4a9ba6d2a9db7b1ae7d6a7";
    let v2 = format!(
        "  pagerduty_configs: [{{routing_key: {key}, url: '{url}/v2', severity: '{{{{ .CommonLabels.severity }}}}', \
         links: [{{href: 'http://l', text: t}}, {{href: '', text: none}}], images: [{{src: 'http://i', alt: a, href: h}}]}}]"
    );
    let body = delivered(&v2, &log, &firing("pagerduty")).await.json();
    assert_eq!((&body["routing_key"], &body["event_action"]), (&json!(key), &json!("trigger")));
    let payload = &body["payload"];
    assert_eq!(payload["summary"], "[FIRING:1] Hot (critical)");
    assert_eq!((&payload["severity"], &payload["source"]), (&json!("critical"), &json!("Alertmanager")));
    assert_eq!(payload["custom_details"]["num_firing"], 1);
    assert_eq!(payload["custom_details"]["firing"][0]["labels"]["instance"], "a");
    assert_eq!(payload["custom_details"]["resolved"][0]["status"], "resolved");
    assert_eq!(body["links"], json!([{"href": "http://l", "text": "t"}]));
    assert_eq!(body["images"], json!([{"src": "http://i", "alt": "a", "href": "h"}]));

    let v1 = format!(
        "  pagerduty_configs: [{{service_key: {key}, url: '{url}/v1', description: '{{{{ .CommonAnnotations.summary }}}}'}}]"
    );
    let body = delivered(&v1, &log, &firing("pagerduty")).await.json();
    assert_eq!((&body["service_key"], &body["event_type"]), (&json!(key), &json!("trigger")));
    assert_eq!(body["description"], "الذاكرة ممتلئة <&>");
    assert_eq!((&body["client"], &body["details"]["num_firing"]), (&json!("Alertmanager"), &json!("1")));
    let incident = body["incident_key"].clone();
    assert_eq!(incident.as_str().unwrap().len(), 64);
    let body = delivered(&v1, &log, &resolved("pagerduty")).await.json();
    assert_eq!((&body["event_type"], &body["incident_key"]), (&json!("resolve"), &incident));
    assert_eq!(body.get("client"), None);
}

#[tokio::test]
async fn a_large_event_goes_without_its_details() {
    let (url, log) = server().await;
    let v2 = format!(
        "  pagerduty_configs: [{{routing_key: k, url: '{url}/v2', description: '{{{{ .CommonAnnotations.summary }}}}'}}]"
    );
    let mut large = firing("pagerduty");
    large.alerts.truncate(1);
    large.alerts[0].annotations = Labels::from_pairs([("summary", "م".repeat(300_000))]);
    let body = delivered(&v2, &log, &large).await.json();
    assert!(body["payload"]["custom_details"]["error"].as_str().unwrap().contains("512KB"));
    let summary = body["payload"]["summary"].as_str().unwrap();
    assert_eq!((summary.chars().count(), summary.chars().last()), (1024, Some('…')));
}

#[tokio::test]
async fn opsgenie_creates_updates_and_closes() {
    let (url, log) = server().await;
    let config = format!(
        "  opsgenie_configs: [{{api_url: '{url}', api_key: KEY, update_alerts: true, tags: 'a,b', details: {{k: v}}, \
         responders: [{{name: 'x,y', type: teams}}, {{username: u, type: user}}]}}]"
    );
    let to = integrations(&config);
    assert_eq!(to.deliver(&firing("opsgenie")).await, Outcome::Delivered);
    assert_eq!(to.deliver(&resolved("opsgenie")).await, Outcome::Delivered);
    let seen = log.lock().clone();
    let create = seen[0].json();
    let alias = create["alias"].as_str().unwrap().to_owned();
    let paths: Vec<&str> = seen.iter().map(|s| s.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/v2/alerts".to_owned(),
            format!("/v2/alerts/{alias}/message?identifierType=alias"),
            format!("/v2/alerts/{alias}/description?identifierType=alias"),
            format!("/v2/alerts/{alias}/close?identifierType=alias"),
        ]
    );
    assert!(seen.iter().all(|s| s.headers["authorization"] == "GenieKey KEY"));
    assert_eq!(create["details"], json!({"alertname": "Hot", "severity": "critical", "k": "v"}));
    assert_eq!(create["tags"], json!(["a", "b"]));
    assert_eq!(
        create["responders"],
        json!([{"name": "x", "type": "team"}, {"name": "y", "type": "team"}, {"username": "u", "type": "user"}])
    );
}

#[tokio::test]
async fn chat_receivers_get_what_their_services_take() {
    let (url, log) = server().await;
    let summary = "[FIRING:1] Hot (critical)";
    let telegram = format!(
        "  telegram_configs: [{{api_url: '{url}', bot_token: TOK, chat_id: -12, message: '<b>{{{{ .CommonAnnotations.summary }}}}</b>'}}]"
    );
    let seen = delivered(&telegram, &log, &firing("telegram")).await;
    assert_eq!(seen.path, "/botTOK/sendMessage");
    assert_eq!(seen.json()["text"], "<b>الذاكرة ممتلئة &lt;&amp;&gt;</b>");
    assert_eq!(seen.json()["chat_id"], "-12");

    let discord = format!("  discord_configs: [{{webhook_url: '{url}/d', username: u}}]");
    let body = delivered(&discord, &log, &firing("discord")).await.json();
    assert_eq!((&body["embeds"][0]["title"], &body["embeds"][0]["color"]), (&json!(summary), &json!(10_038_562)));
    let body = delivered(&discord, &log, &resolved("discord")).await.json();
    assert_eq!(body["embeds"][0]["color"], 3_066_993);

    let teams =
        format!("  msteams_configs: [{{webhook_url: '{url}/t'}}]\n  msteamsv2_configs: [{{webhook_url: '{url}/t2'}}]");
    assert_eq!(delivered(&teams, &log, &firing("msteams")).await.json()["themeColor"], "8C1A1A");
    let card = delivered(&teams, &log, &firing("msteamsv2")).await.json()["attachments"][0]["content"].clone();
    assert_eq!((&card["body"][0]["text"], &card["body"][0]["color"]), (&json!(summary), &json!("Attention")));

    let webex = format!(
        "  webex_configs: [{{api_url: '{url}/w', room_id: r, http_config: {{authorization: {{credentials: T}}}}}}]"
    );
    let seen = delivered(&webex, &log, &firing("webex")).await;
    assert_eq!((&seen.json()["roomId"], &seen.headers["authorization"]), (&json!("r"), &"Bearer T".parse().unwrap()));

    let rocket = format!("  rocketchat_configs: [{{api_url: '{url}', token: T, token_id: I, channel: c}}]");
    let seen = delivered(&rocket, &log, &firing("rocketchat")).await;
    assert_eq!(seen.path, "/api/v1/chat.postMessage");
    assert_eq!(
        (&seen.headers["x-auth-token"], &seen.headers["x-user-id"]),
        (&"T".parse().unwrap(), &"I".parse().unwrap())
    );
    assert_eq!(seen.json()["attachments"][0]["color"], "red");

    let mattermost = format!(
        "  mattermost_configs: [{{webhook_url: '{url}/m', channel: c, fields: [{{title: t, value: v}}], priority: {{priority: urgent}}}}]"
    );
    let body = delivered(&mattermost, &log, &firing("mattermost")).await.json();
    assert_eq!(
        (&body["attachments"][0]["title"], &body["priority"]),
        (&json!(summary), &json!({"priority": "urgent"}))
    );
}

#[tokio::test]
async fn paging_receivers_get_what_their_services_take() {
    let (url, log) = server().await;
    let victorops = format!(
        "  victorops_configs: [{{api_url: '{url}/vo/', api_key: KEY, routing_key: team, custom_fields: {{eg: '{{{{ .Status }}}}'}}}}]"
    );
    let seen = delivered(&victorops, &log, &firing("victorops")).await;
    assert_eq!((seen.path.as_str(), &seen.json()["message_type"]), ("/vo/KEY/team", &json!("CRITICAL")));
    assert_eq!(seen.json()["eg"], "firing");
    assert_eq!(delivered(&victorops, &log, &resolved("victorops")).await.json()["message_type"], "RECOVERY");

    let incidentio = format!("  incidentio_configs: [{{url: '{url}/i', alert_source_token: TOK, max_alerts: 1}}]");
    let seen = delivered(&incidentio, &log, &firing("incidentio")).await;
    assert_eq!((&seen.json()["version"], &seen.json()["truncatedAlerts"]), (&json!("1"), &json!(1)));
    assert_eq!(seen.headers["authorization"], "Bearer TOK");

    let wechat = format!("  wechat_configs: [{{api_url: '{url}/', api_secret: SEC, corp_id: corp, to_user: u}}]");
    let to = integrations(&wechat);
    assert_eq!(to.deliver(&firing("wechat")).await, Outcome::Delivered);
    let paths: Vec<String> = log.lock().drain(..).map(|s| s.path).collect();
    assert_eq!(paths, ["/gettoken?corpid=corp&corpsecret=SEC", "/message/send?access_token=tok"]);

    let sns = format!(
        "  sns_configs: [{{api_url: '{url}/sns', topic_arn: 'arn:aws:sns:eu-1:1:t.fifo', sigv4: {{access_key: AK, secret_key: SK}}, attributes: {{k: v}}}}]"
    );
    let seen = delivered(&sns, &log, &firing("sns")).await;
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/20231114/eu-1/sns/aws4_request, SignedHeaders="));
    assert!(!authorization.contains("SK"));
    assert!(seen.body.contains("Action=Publish") && seen.body.contains("MessageGroupId="), "{}", seen.body);
    assert!(seen.body.contains("MessageAttributes.entry.1.Name=k"), "{}", seen.body);
}

#[tokio::test]
async fn jira_opens_a_groups_issue_again_and_closes_nothing_twice() {
    let (url, log) = server().await;
    let jira = format!(
        "  jira_configs: [{{api_url: '{url}/rest', project: P, issue_type: Bug, resolve_transition: Done, reopen_transition: Reopen, \
         http_config: {{basic_auth: {{username: u, password: p}}}}}}]"
    );
    let to = integrations(&jira);
    assert_eq!(to.deliver(&firing("jira")).await, Outcome::Delivered);
    let seen: Vec<Seen> = log.lock().drain(..).collect();
    let paths: Vec<&str> = seen.iter().map(|s| s.path.as_str()).collect();
    let transitions = "/rest/issue/P-7/transitions";
    assert_eq!(paths, ["/rest/search", "/rest/issue/P-7", transitions, transitions]);
    assert_eq!(seen[1].json()["fields"]["summary"], "[FIRING:1] Hot (critical)");
    assert_eq!(seen[1].json()["fields"]["priority"], json!({"name": "High"}));
    assert_eq!(seen[3].json(), json!({"transition": {"id": "12"}}));
    assert_eq!(to.deliver(&resolved("jira")).await, Outcome::Delivered);
    assert_eq!(log.lock().len(), 2, "the issue is done already");
}

#[tokio::test]
async fn failures_that_pass_are_retried_and_others_are_not() {
    let (url, _) = server().await;
    let outcome = async |path: &str| {
        let to = integrations(&format!("  webhook_configs: [{{url: '{url}/{path}'}}]"));
        to.deliver(&firing("webhook")).await
    };
    for path in ["500", "502", "503", "504"] {
        assert!(matches!(outcome(path).await, Outcome::Retry { after: None, .. }), "{path}");
    }
    for path in ["400", "401", "403", "404", "410", "422"] {
        let reason = format!("unexpected status code {path}: no thanks");
        assert_eq!(outcome(path).await, Outcome::GiveUp { reason });
    }
    let reason = "unexpected status code 429: slow down".to_owned();
    assert_eq!(outcome("limit").await, Outcome::Retry { after: Some(7_000), reason });
    assert!(matches!(outcome("date").await, Outcome::Retry { after: Some(60_000), .. }));
}

#[tokio::test]
async fn a_receiver_that_hangs_or_is_gone_is_tried_again() {
    let (url, _) = server().await;
    let to = integrations(&format!("  webhook_configs: [{{url: '{url}/SECRET/hang', timeout: 50ms}}]"));
    let Outcome::Retry { reason, .. } = to.deliver(&firing("webhook")).await else { panic!("not retried") };
    assert!(reason.contains("context deadline exceeded"), "{reason}");
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let to = integrations(&format!("  slack_configs: [{{api_url: 'http://{gone}/SECRET', channel: c}}]"));
    let Outcome::Retry { reason, .. } = to.deliver(&firing("slack")).await else { panic!("not retried") };
    assert!(!reason.contains("SECRET"), "{reason}");
    // A server that takes the connection and then closes it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { drop(listener.accept().await) });
    let to = integrations(&format!("  webhook_configs: [{{url: 'http://{address}/', timeout: {}s}}]", 5));
    let outcome = tokio::time::timeout(Duration::from_secs(10), to.deliver(&firing("webhook"))).await.unwrap();
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
}

#[tokio::test]
async fn rendering_shows_the_message_without_its_secrets_and_without_a_network() {
    let to = integrations(
        "  slack_configs: [{api_url: 'http://nowhere.invalid/SECRET', channel: '#ml'}]\n  pagerduty_configs: [{service_key: \
         SECRET}]\n  pushover_configs: [{user_key: SECRET, token: SECRET}]\n  opsgenie_configs: [{api_key: SECRET}]",
    );
    for kind in ["slack", "pagerduty", "pushover", "opsgenie"] {
        let message = to.render(&firing(kind)).unwrap();
        assert!(message.payload().is_object(), "{kind}");
        assert!(!format!("{message:?}{}", message.payload()).contains("SECRET"), "{kind}: {message:?}");
    }
    assert_eq!(to.render(&firing("pagerduty")).unwrap().payload()["service_key"], "<secret>");
}
