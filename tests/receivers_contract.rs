//! What services answer, and what follows from it, for every kind that speaks HTTP; no error carries a secret.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use watchbell::notify::Outcome;

use crate::support::receiver::{Answer, KINDS, Seen, content, integrations, one, server};

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
