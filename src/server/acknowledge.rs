//! `POST /watchbell/v1/alerts/{fingerprint}/ack`: somebody looks after an alert until it resolves.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;

use super::app::App;
use super::error::ApiError;
use super::json::Json;
use super::time;
use crate::engine::live::LiveSilenceError;
use crate::model::Labels;
use crate::model::labels::parse_fingerprint;
use crate::routing::alerts::AlertRow;
use crate::routing::{Acknowledgement, Silence, SilenceError};

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/alerts/{fingerprint}/ack", post(set).delete(end))
}

/// What is posted. The names are those of silences.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Posted {
    created_by: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    ends_at: Option<String>,
}

/// The alert of a fingerprint, as lists show it.
pub(super) fn find(app: &App, fingerprint: &str) -> Result<Labels, ApiError> {
    let wrong = || ApiError::BadData(format!("a fingerprint has 16 hexadecimal digits, found {fingerprint:?}"));
    let wanted = parse_fingerprint(fingerprint).ok_or_else(wrong)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let is_it = |row: &&AlertRow| row.known.fingerprint == wanted && !row.alert.is_resolved(now);
    let mut found = view.alerts().map(|row| &**row).filter(is_it);
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(row.alert.labels.clone()),
        (None, _) => Err(ApiError::NotFound(format!("no alert with fingerprint {fingerprint} fires"))),
        (Some(_), Some(_)) => Err(ApiError::BadData(format!("several alerts have fingerprint {fingerprint}"))),
    }
}

/// Acknowledges an alert, whoever asks; the id of the silence that this makes.
pub(super) async fn make(app: &App, new: Acknowledgement) -> Result<String, ApiError> {
    let alert = new.alert.clone();
    let id = app.engine.acknowledge(new).await.map_err(refusal)?;
    if app.service.limits.log_silences {
        tracing::info!(id, %alert, "alert acknowledged");
    }
    Ok(id)
}

/// Acknowledges an alert that fires; whoever did so before is replaced.
async fn set(State(app): State<Arc<App>>, Path(fingerprint): Path<String>, body: Bytes) -> Result<Response, ApiError> {
    let posted: Posted = serde_json::from_slice(&body).map_err(|e| ApiError::BadData(format!("body: {e}")))?;
    if posted.created_by.is_empty() {
        return Err(ApiError::BadData("createdBy cannot be empty: an acknowledgement has an owner".into()));
    }
    let ends_at = posted.ends_at.as_deref().map(time::parse_time).transpose();
    let ends_at = ends_at.map_err(|e| ApiError::parameter("endsAt", e))?;
    let alert = find(&app, &fingerprint)?;
    let Posted { created_by, comment, .. } = posted;
    let new = Acknowledgement { alert: alert.clone(), created_by, comment, ends_at };
    let id = make(&app, new).await?;
    let mut json = Json::new();
    json.object(|j| {
        j.key("silenceID").string(&id);
        j.key("alert").labels(&alert);
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response())
}

/// Nobody looks after an alert any more.
async fn end(State(app): State<Arc<App>>, Path(fingerprint): Path<String>) -> Result<Response, ApiError> {
    give_up(&app, &fingerprint).await?;
    Ok(StatusCode::OK.into_response())
}

/// Ends the acknowledgement of an alert, whoever asks.
pub(super) async fn give_up(app: &App, fingerprint: &str) -> Result<(), ApiError> {
    let alert = find(app, fingerprint)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let speaks_of = |s: &&Arc<Silence>| s.acknowledges.as_ref() == Some(&alert) && s.ends_at > now;
    let silence = view.silences().find(speaks_of);
    let silence = silence.ok_or_else(|| ApiError::NotFound("nobody has acknowledged the alert".into()))?;
    super::silencing::expire(app, &silence.id).await.map_err(refusal)
}

fn refusal(e: LiveSilenceError) -> ApiError {
    match e {
        LiveSilenceError::Refused(e @ (SilenceError::NotFiring | SilenceError::NotFound)) => {
            ApiError::NotFound(e.to_string())
        }
        LiveSilenceError::Refused(e) => ApiError::BadData(e.to_string()),
        LiveSilenceError::Failed(e) => ApiError::Unavailable(e.to_string()),
    }
}
