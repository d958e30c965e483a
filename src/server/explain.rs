//! `GET /watchbell/v1/explain`: why an alert was told, or was not, or never was.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::api::Params;
use super::app::App;
use super::error::ApiError;
use crate::explain::{Asked, Sources, explain, text};

/// Alerts that are told of, and series of each part, where nobody says how many; and the most of them.
const USUAL: usize = 10;
const MOST: usize = 100;

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/explain", get(show))
}

/// The chain of what `alert` asks for: a name, matchers, or a fingerprint. `format=text` tells it in words.
async fn show(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let asked = Asked::parse(params.get("alert").unwrap_or("")).map_err(|e| ApiError::parameter("alert", e))?;
    let most = match params.limit()? {
        0 => USUAL,
        n => n.min(MOST),
    };
    let in_words = match params.get("format") {
        None | Some("json") => false,
        Some("text") => true,
        Some(other) => {
            return Err(ApiError::parameter("format", format!("expected json or text, found {other:?}")));
        }
    };
    let timeout = params.duration("timeout")?;
    let (view, querier, now) = (app.engine.view(), app.querier.load_full(), app.engine.now());
    let explained = app.queries.run(timeout, move |env| {
        Ok(explain(&asked, &Sources { view: &view, querier: &**querier, env: &env, now, most }))
    });
    let explained = explained.await?;
    if in_words {
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        return Ok((plain, text::explanation(&explained)).into_response());
    }
    let json = serde_json::to_string(&explained).map_err(|e| ApiError::Internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response())
}
