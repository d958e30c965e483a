//! `/-/healthy`, `/-/ready`, `/-/reload`, `/-/quit` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::api::unrecorded;
use super::app::App;
use crate::instrument::Format;

/// `GET /-/healthy`
pub async fn healthy(State(app): State<Arc<App>>) -> &'static str {
    if app.service.alertmanager_alone { "OK" } else { "Watchbell is Healthy.\n" }
}

/// `GET /-/ready`: the server listens only when it is. It is not when what it takes in does not last.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let storage = || app.storage.trouble().map(|t| t.to_string());
    match app.engine.trouble().or_else(|| app.engine.store().trouble()).or_else(storage) {
        None if app.service.alertmanager_alone => "OK".into_response(),
        // Pages go out all the same, so it is ready; whoever asks is told.
        None => match unrecorded(&app) {
            None => "Watchbell is Ready.\n".into_response(),
            Some(trouble) => format!("Watchbell is Ready. Decisions are not recorded: {trouble}\n").into_response(),
        },
        Some(trouble) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("Watchbell is not ready: {trouble}\n")).into_response()
        }
    }
}

fn forbidden() -> Response {
    (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.").into_response()
}

/// `POST|PUT /-/reload`
pub async fn reload(State(app): State<Arc<App>>) -> Response {
    if !app.service.lifecycle {
        return forbidden();
    }
    match app.control.reload().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {e}\n")).into_response(),
    }
}

/// `POST|PUT /-/quit`
pub async fn quit(State(app): State<Arc<App>>) -> Response {
    if !app.service.lifecycle {
        return forbidden();
    }
    app.control.quit().await;
    "Requesting termination... Goodbye!\n".into_response()
}

/// `GET /metrics`
pub async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let format = Format::accepted(accept);
    ([(header::CONTENT_TYPE, format.content_type())], app.registry.expose(format)).into_response()
}
