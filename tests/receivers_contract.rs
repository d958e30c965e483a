//! What services answer, and what follows from it, for every kind that speaks HTTP; no error carries a secret.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use watchbell::notify::Outcome;

use crate::support::receiver::{Answer, KINDS, Seen, content, integrations, json_answer, one, server};

const MORE: [(&str, &str); 2] =
    [("webhook", "url: 'URL/SECRET'"), ("incidentio", "url: 'URL/i', alert_source_token: SECRET")];

fn slow_down(_: &Seen) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "slow down").into_response()
}

fn broken(_: &Seen) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn refused(_: &Seen) -> Response {
    (StatusCode::BAD_REQUEST, "no thanks").into_response()
}

/// Every kind whose address may be configured, with its secrets named so.
fn kinds(url: &str) -> Vec<(&'static str, String)> {
    let named = KINDS.iter().map(|(kind, config, ..)| (*kind, *config)).chain(MORE);
    let http = named.filter(|(kind, _)| !matches!(*kind, "pushover" | "email"));
    let secret = |config: &str| {
        let tokens =
            ["token: T", "api_key: K", "api_secret: S", "secret_key: S", "credentials: T", "routing_key: K", "key=K"];
        let hide = |config: String, token: &&str| {
            let (name, _) = token.split_at(token.len() - 1);
            config.replace(token, &format!("{name}SECRET"))
        };
        tokens.iter().fold(config.replace("URL", url), hide)
    };
    http.map(|(kind, config)| (kind, format!("  {kind}_configs: [{{{}}}]", secret(config)))).collect()
}

async fn outcomes(answer: Answer) -> Vec<(&'static str, Outcome)> {
    let (url, _) = server(answer).await;
    let mut all = Vec::new();
    for (kind, receiver) in kinds(&url) {
        all.push((kind, integrations(&receiver).deliver(&one(kind)).await));
    }
    all
}

#[tokio::test]
async fn consent_is_told_from_what_passes_and_from_what_stays() {
    for (kind, outcome) in outcomes(content).await {
        assert_eq!(outcome, Outcome::Delivered, "{kind}");
    }
    for (kind, outcome) in outcomes(slow_down).await {
        assert!(matches!(outcome, Outcome::Retry { after: Some(7_000), .. }), "{kind}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("SECRET"), "{kind}: {outcome:?}");
    }
    for (kind, outcome) in outcomes(broken).await {
        assert!(matches!(outcome, Outcome::Retry { after: None, .. }), "{kind}: {outcome:?}");
    }
    for (kind, outcome) in outcomes(refused).await {
        assert!(matches!(outcome, Outcome::GiveUp { .. }), "{kind}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("SECRET"), "{kind}: {outcome:?}");
    }
}

/// Secrets in every place where a kind has one: URLs, headers, fields, what `http_config` says.
const SECRETIVE: [(&str, &str); 22] = [
    ("webhook", "url: 'URL/SECRET-hook'"),
    ("webhook", "url: 'URL/hook?a=b&token=SECRET%2Bx'"),
    ("webhook", "url: 'URL/w', http_config: {basic_auth: {username: me, password: SECRET}}"),
    ("webhook", "url: 'URL/w', http_config: {http_headers: {X-Tenant: {secrets: [SECRET]}}}"),
    ("slack", "api_url: 'URL/services/T01/B01/SECRET-token', channel: c"),
    ("slack", "app_token: SECRET, app_url: 'URL/chat.postMessage', channel: c"),
    ("discord", "webhook_url: 'URL/d/SECRET'"),
    ("telegram", "api_url: 'URL', bot_token: '1:SECRET', chat_id: 1"),
    ("pagerduty", "routing_key: SECRET, url: 'URL/pd'"),
    ("opsgenie", "api_url: 'URL', api_key: SECRET"),
    ("victorops", "api_url: 'URL/vo/', api_key: SECRET, routing_key: r"),
    ("wechat", "api_url: 'URL/', api_secret: SECRET, corp_id: c"),
    ("wechat", "api_url: 'URL/with-token/', api_secret: S, corp_id: c"),
    ("msteams", "webhook_url: 'URL/t/SECRET'"),
    ("msteamsv2", "webhook_url: 'URL/t2?sig=SECRET'"),
    ("webex", "api_url: 'URL/w', room_id: r, http_config: {authorization: {credentials: SECRET}}"),
    ("jira", "api_url: 'URL/rest', project: P, issue_type: Bug, http_config: {authorization: {credentials: SECRET}}"),
    ("rocketchat", "api_url: 'URL', token: SECRET1, token_id: SECRET2, channel: c"),
    ("mattermost", "webhook_url: 'URL/m/SECRET'"),
    ("googlechat", "url: 'URL/g?key=k&token=SECRET'"),
    ("incidentio", "url: 'URL/i', alert_source_token: SECRET"),
    ("sns", "api_url: 'URL/sns', topic_arn: 'arn:aws:sns:eu-1:1:t', sigv4: {access_key: A, secret_key: SECRET}"),
];

/// Quotes what is secret of a request, with what is around it, as it came and decoded.
async fn quoting(uri: axum::http::Uri, headers: axum::http::HeaderMap, body: String) -> (StatusCode, String) {
    if uri.path().starts_with("/with-token/gettoken") {
        return (StatusCode::OK, r#"{"errcode": 0, "access_token": "SECRET-of-an-hour"}"#.into());
    }
    let basic = headers.get("authorization").and_then(|v| v.to_str().ok()?.strip_prefix("Basic "));
    let decoded: String = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes())
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    let request = format!("{uri}\n{decoded}\n{headers:?}\n{body}");
    let near = request.match_indices("SECRET").map(|(at, _)| {
        let (from, to) = (at.saturating_sub(12), (at + 20).min(request.len()));
        request.get(from..to).unwrap_or("SECRET").to_owned()
    });
    let quoted: Vec<String> = near.chain(basic.map(|pair| format!("credentials {pair}"))).collect();
    (StatusCode::BAD_REQUEST, quoted.join(" | "))
}

#[tokio::test]
async fn a_service_that_quotes_the_request_makes_no_secret_known() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(quoting)).await });
    for (kind, config) in SECRETIVE {
        let receiver = format!("  {kind}_configs: [{{{}}}]", config.replace("URL", &url));
        let outcome = integrations(&receiver).deliver(&one(kind)).await;
        let told = format!("{outcome:?}");
        assert!(!told.contains("SECRET") && !told.contains("bWU6U0VDUkVU"), "{kind}: {told}");
        // The key of a signature is not sent.
        assert!(told.contains("<secret>") || kind == "sns", "{kind}: {told}");
    }
}

/// Slack's API says in JSON and with status 200 what it has against a request.
#[tokio::test]
async fn an_error_in_json_makes_no_secret_known() {
    let quote = |_: &Seen| json_answer(serde_json::json!({"ok": false, "error": "no \"SECRET\" here"}));
    let (url, _) = server(quote).await;
    let receiver = format!("  slack_configs: [{{app_token: SECRET, app_url: '{url}/chat.postMessage', channel: c}}]");
    let outcome = integrations(&receiver).deliver(&one("slack")).await;
    let reason = "received an error response from Slack: no \"<secret>\" here".to_owned();
    assert_eq!(outcome, Outcome::GiveUp { reason });
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_tells_no_secret() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (kind, receiver) in kinds(&format!("http://{gone}")) {
        let to = integrations(&receiver);
        let outcome = to.deliver(&one(kind)).await;
        assert!(matches!(outcome, Outcome::Retry { after: None, .. }), "{kind}: {outcome:?}");
        let shown = format!("{outcome:?} {:?}", to.render(&one(kind)));
        assert!(!shown.contains("SECRET"), "{kind}: {shown}");
    }
}
