//! Receivers before a server that notes what it gets and answers as a test says.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use watchbell::clock::VirtualClock;
use watchbell::config::alertmanager::AlertmanagerConfig;
use watchbell::model::Labels;
use watchbell::notify::receivers::Integrations;
use watchbell::notify::{IntegrationId, Notification, NotifiedAlert, Reason};
use watchbell::template::alertmanager::Templates;

/// When everything happens.
pub const NOW: i64 = 1_700_000_000_000;

/// A request as the server saw it: its path and what it carried, with what a form says as an object.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Path and query.
    pub path: String,
    /// What it carried.
    pub body: Json,
}

/// Requests, in the order in which they came.
pub type Log = Arc<Mutex<Vec<Seen>>>;
/// How a server answers.
pub type Answer = fn(&Seen) -> Response;

/// A server that answers so; its address, and what it gets.
pub async fn server(answer: Answer) -> (String, Log) {
    let log = Log::default();
    let app = Router::new().fallback(take).with_state((log.clone(), answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, log)
}

async fn take(State((log, answer)): State<(Log, Answer)>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let form = headers.get("content-type").is_some_and(|t| t.as_bytes().starts_with(b"application/x-www-form"));
    let body = match form {
        true => Json::Object(url::form_urlencoded::parse(&body).map(|(n, v)| (n.into(), json!(v))).collect()),
        false => serde_json::from_slice(&body).unwrap_or(Json::Null),
    };
    let seen = Seen { path: uri.to_string(), body };
    let response = answer(&seen);
    log.lock().push(seen);
    response
}

/// An answer in JSON.
pub fn json_answer(json: Json) -> Response {
    ([("content-type", "application/json")], json.to_string()).into_response()
}

/// Says yes as each service says it.
pub fn content(seen: &Seen) -> Response {
    match seen.path.rsplit('/').next().unwrap_or("") {
        path if path.starts_with("gettoken") => json_answer(json!({"errcode": 0, "access_token": "tok"})),
        path if path.starts_with("send?") => json_answer(json!({"errcode": 0})),
        "search" => json_answer(json!({"issues": []})),
        _ => "ok".into_response(),
    }
}

/// The integrations of one receiver, `team`.
pub fn integrations(receiver: &str) -> Integrations {
    let text = format!("route: {{receiver: team}}\nreceivers:\n- name: team\n{receiver}");
    let config = AlertmanagerConfig::load_str("alertmanager.yml", &text).unwrap().config;
    of(&config)
}

/// The integrations of a configuration.
pub fn of(config: &AlertmanagerConfig) -> Integrations {
    let clock = Arc::new(VirtualClock::at(NOW));
    Integrations::new(config, Templates::default(), "http://watchbell.example", clock).unwrap()
}

/// An alert; it fires unless it has an end.
pub fn alert(instance: &str, ends_at: Option<i64>) -> NotifiedAlert {
    NotifiedAlert {
        labels: Labels::from_pairs([("alertname", "Hot"), ("instance", instance), ("severity", "critical")]),
        annotations: Labels::from_pairs([("summary", format!("{instance} is <hot> & \"burning\""))]),
        starts_at: NOW - 60_000,
        ends_at,
        generator_url: "http://prom/graph?g0.expr=up&g0.tab=1".into(),
        value: None,
        resolved_value: None,
    }
}

/// A notification for `team`.
pub fn notification(kind: &str, alerts: Vec<NotifiedAlert>) -> Notification {
    Notification {
        id: 5,
        integration: IntegrationId { receiver: "team".into(), kind: kind.into(), index: 0 },
        group_key: "{}:{alertname=\"Hot\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "Hot")]),
        alerts,
        reason: Reason::FirstNotification,
        decided_at: NOW,
        instead_of: None,
        place: None,
    }
}

/// A notification of one alert that fires.
pub fn one(kind: &str) -> Notification {
    notification(kind, vec![alert("a", None)])
}

/// Every kind: its configuration but for the field that says what it is about, that field, and where its text is in what
/// the service gets.
pub const KINDS: [(&str, &str, &str, &str); 17] = [
    ("slack", "api_url: 'URL/hook', channel: c", "text", "/attachments/0/text"),
    ("discord", "webhook_url: 'URL/d'", "message", "/embeds/0/description"),
    ("telegram", "api_url: 'URL', bot_token: T, chat_id: 1", "message", "/text"),
    ("pagerduty", "routing_key: K, url: 'URL/pd'", "description", "/payload/summary"),
    ("opsgenie", "api_url: 'URL', api_key: K", "description", "/description"),
    ("victorops", "api_url: 'URL/vo/', api_key: K, routing_key: r", "state_message", "/state_message"),
    ("wechat", "api_url: 'URL/', api_secret: S, corp_id: c", "message", "/text/content"),
    ("msteams", "webhook_url: 'URL/t'", "text", "/text"),
    ("msteamsv2", "webhook_url: 'URL/t2'", "text", "/attachments/0/content/body/1/text"),
    ("webex", "api_url: 'URL/w', room_id: r, http_config: {authorization: {credentials: T}}", "message", "/markdown"),
    ("jira", "api_url: 'URL/rest', project: P, issue_type: Bug", "description", "/fields/description"),
    ("rocketchat", "api_url: 'URL', token: T, token_id: I, channel: c", "text", "/attachments/0/text"),
    ("mattermost", "webhook_url: 'URL/m'", "text", "/attachments/0/text"),
    ("googlechat", "url: 'URL/g?key=K'", "message", "/text"),
    (
        "sns",
        "api_url: 'URL/sns', topic_arn: 'arn:aws:sns:eu-1:1:t', sigv4: {access_key: A, secret_key: S}",
        "message",
        "/Message",
    ),
    ("pushover", "user_key: U, token: T", "message", "/message"),
    ("email", "to: a@x.test, from: w@x.test, smarthost: 'localhost:25', html: ''", "text", "/text"),
];

/// A receiver of a kind with a template in a field.
pub fn receiver(url: &str, kind: &str, config: &str, field: &str, template: &str) -> String {
    let config = config.replace("URL", url);
    format!("  {kind}_configs: [{{send_resolved: true, {config}, {field}: '{template}'}}]")
}
