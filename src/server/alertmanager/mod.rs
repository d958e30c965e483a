//! Alertmanager's HTTP API, version 2.

mod alerts;
mod filter;
mod lists;
mod silences;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::app::App;
use super::json::Json;

/// The routes under `/api/v2`.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/alerts", get(alerts::list).post(alerts::receive))
        .route("/alerts/groups", get(alerts::groups))
        .route("/silences", get(silences::list).post(silences::set))
        .route("/silence/{id}", get(silences::show).delete(silences::expire))
        .route("/status", get(status::status))
        .route("/receivers", get(status::receivers))
}

/// An error of this API: a status code and a JSON string.
#[derive(Debug)]
pub struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(text: impl Into<String>) -> Self {
        Refusal(StatusCode::BAD_REQUEST, text.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut json = Json::new();
        json.string(&self.1);
        (self.0, [(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
    }
}

fn answer(write: impl FnOnce(&mut Json)) -> Response {
    let mut json = Json::new();
    write(&mut json);
    ([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
}
