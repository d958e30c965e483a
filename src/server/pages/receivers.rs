//! The page of receivers: how deliveries to each stand, and a test of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use crate::model::cut;
use crate::notify::IntegrationId;
use crate::notify::status::Status;
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::receivers;

use super::alert_text::labels;
use super::frame::{Page, unhurried};
use super::{forms, links, zone};

/// Longest error that is shown, characters.
const LONGEST: usize = 1_000;

const PAGE: Page = Page::new("receivers", "receivers.html");

/// `GET /receivers`
pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    unhurried(move || PAGE.show(app.clock.now(), content(&app, &headers, &Value::Null))).await
}

/// `POST /receivers`: tells a receiver a test message, and says what became of it.
pub(super) async fn test(State(app): State<Arc<App>>, headers: HeaderMap, form: Params) -> Response {
    if !forms::is_ours(&headers, &form) {
        return forms::foreign();
    }
    let name = form.get("name").unwrap_or("").to_owned();
    let tested = match receivers::tell(&app, &name).await {
        Ok(told) => {
            let integrations = told.iter().map(|told| {
                json!({
                    "kind": &*told.integration.kind, "index": told.integration.index,
                    "error": told.error.as_deref().map(|e| cut(e, LONGEST)),
                })
            });
            json!({ "name": name, "integrations": integrations.collect::<Vec<_>>() })
        }
        Err(e @ ApiError::NotFound(_)) => {
            return PAGE.missing(app.clock.now(), "The receiver was not tested", &e.to_string());
        }
        Err(e) => json!({ "name": name, "error": e.to_string(), "integrations": [] }),
    };
    // What was tested is shown until the page is asked for again: it must not do so by itself.
    let page = Page { is_live: false, ..PAGE };
    unhurried(move || page.show(app.clock.now(), content(&app, &headers, &tested))).await
}

fn content(app: &App, headers: &HeaderMap, tested: &Value) -> Value {
    let (view, engine, now) = (app.config.load(), app.engine.view(), app.clock.now());
    let in_use: Vec<&str> = engine.tree().routes().map(|route| &*route.receiver).collect();
    let all = view.receivers.iter().map(|receiver| {
        let statuses: Vec<_> = receiver.integrations.iter().map(|id| (id, app.deliveries.get(id))).collect();
        let pattern = regex::escape(&receiver.name);
        json!({
            "name": receiver.name,
            "labels": labels(&receiver.labels, &["name"], 200),
            "in_use": in_use.contains(&receiver.name.as_str()),
            "fails": statuses.iter().any(|(_, status)| status.last_error.is_some()),
            "alerts": links::query([("receiver", pattern.as_str())]),
            "integrations": statuses.iter().map(|(id, status)| integration(id, status, now)).collect::<Vec<_>>(),
            "tested": if tested["name"] == receiver.name.as_str() { tested.clone() } else { Value::Null },
        })
    });
    json!({ "receivers": all.collect::<Vec<_>>(), "token": forms::token(headers) })
}

fn integration(id: &IntegrationId, status: &Status, now: i64) -> Value {
    let state = match (&status.last_error, status.attempts) {
        (Some(_), _) => "failed",
        (None, 0) => "unused",
        (None, _) => "ok",
    };
    let problems = status.problems.iter().map(|p| json!({ "field": p.field, "error": cut(&p.error, LONGEST) }));
    json!({
        "kind": &*id.kind,
        "index": id.index,
        "state": state,
        "attempts": status.attempts,
        "failures": status.failures,
        "attempt": status.last_attempt_at.map(|at| zone::time(at, now)),
        "delivered": status.last_delivered_at.map(|at| zone::time(at, now)),
        "error": status.last_error.as_deref().map(|e| cut(e, LONGEST)),
        "instead_of": status.instead_of.as_deref(),
        "problems": problems.collect::<Vec<_>>(),
    })
}
