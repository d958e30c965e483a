//! `POST /watchbell/v1/drills`: a marked alert on the way of any other, and who was told of it, when.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::app::App;
use super::error::ApiError;
use super::json::Json;
use crate::engine::View;
use crate::engine::live::LiveError;
use crate::model::Labels;
use crate::model::time::rfc3339_millis;
use crate::notify::drill::DrillAttempt;
use crate::routing::ReceivedAlert;
use crate::routing::alerts::AlertRow;
use crate::routing::drill::DRILL_LABEL;

/// How long the alert of a drill that nobody ends goes on, milliseconds.
const LONGEST: i64 = 3_600_000;
/// What a message says before the alert's own summary.
const MARK: &str = "DRILL: this is an exercise.";

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/drills", post(begin)).route("/watchbell/v1/drills/{name}", get(show).delete(end))
}

/// The alert to send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Sends the alert, marked by a label and in its summary, and says who is to be told.
async fn begin(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, ApiError> {
    let posted: Posted = serde_json::from_slice(&body).map_err(|e| ApiError::BadData(format!("body: {e}")))?;
    let now = app.engine.now();
    let name = now.to_string();
    let mut labels = posted.labels;
    if labels.insert(DRILL_LABEL.into(), name.clone()).is_some() {
        return Err(ApiError::BadData(format!("the label {DRILL_LABEL} marks drills: it cannot be given")));
    }
    let mut annotations = posted.annotations;
    let summary = annotations.remove("summary").unwrap_or_default();
    annotations.insert("summary".into(), format!("{MARK} {summary}").trim_end().to_owned());
    let alert = ReceivedAlert {
        labels: Labels::from_pairs(labels),
        annotations: Labels::from_pairs(annotations),
        starts_at: Some(now),
        ends_at: Some(now.saturating_add(LONGEST)),
        generator_url: String::new(),
    };
    alert.check(now, LONGEST).map_err(ApiError::BadData)?;
    app.drills.begin(&name);
    app.engine.receive_alerts(vec![alert]).await.map_err(unavailable)?;
    let view = app.engine.view();
    if find(&view, &name).is_none() {
        let why = "the alert was not taken in: there are too many of its name (--alerts.per-alertname-limit)";
        return Err(ApiError::Unavailable(why.into()));
    }
    Ok(answer(&app, &view, &name, &[]))
}

fn unavailable(e: LiveError) -> ApiError {
    ApiError::Unavailable(e.to_string())
}

fn find<'a>(view: &'a View, name: &str) -> Option<&'a AlertRow> {
    view.alerts().map(|row| &**row).find(|row| row.alert.labels.get(DRILL_LABEL) == Some(name))
}

/// How a drill stands.
async fn show(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let told = app.drills.told(&name).ok_or_else(|| unknown(&name))?;
    Ok(answer(&app, &app.engine.view(), &name, &told))
}

fn unknown(name: &str) -> ApiError {
    ApiError::NotFound(format!("there is no drill {name:?}"))
}

/// The alert resolves.
async fn end(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    app.drills.told(&name).ok_or_else(|| unknown(&name))?;
    let (view, now) = (app.engine.view(), app.engine.now());
    if let Some(row) = find(&view, &name).filter(|row| !row.alert.is_resolved(now)) {
        let alert = ReceivedAlert {
            labels: row.alert.labels.clone(),
            annotations: row.alert.annotations.clone(),
            starts_at: Some(row.alert.starts_at),
            ends_at: Some(now),
            generator_url: String::new(),
        };
        app.engine.receive_alerts(vec![alert]).await.map_err(unavailable)?;
    }
    Ok(StatusCode::OK.into_response())
}

fn answer(app: &App, view: &View, name: &str, told: &[DrillAttempt]) -> Response {
    let now = app.engine.now();
    let row = find(view, name);
    let mut json = Json::new();
    json.object(|j| {
        j.key("name").string(name);
        j.key("firing").bool(row.is_some_and(|row| !row.alert.is_resolved(now)));
        j.key("routes").array_of(row.map(|row| view.routes(row)).unwrap_or_default(), |j, route| {
            let integrations = view.routing().receivers.get(&route.receiver).map(|r| r.integrations.as_slice());
            j.object(|j| {
                j.key("receiver").string(&route.receiver);
                j.key("groupWait").int(route.group_wait);
                j.key("groupInterval").int(route.group_interval);
                j.key("mutedBy").strings(view.muting_intervals(route, now));
                j.key("integrations").array_of(integrations.unwrap_or_default(), |j, spec| {
                    j.object(|j| {
                        j.key("integration").string(&spec.kind);
                        j.key("index").int(i64::try_from(spec.index).unwrap_or(i64::MAX));
                        j.key("sendResolved").bool(spec.send_resolved);
                    });
                });
            });
        });
        let status = row.map(|row| view.status(row, now)).unwrap_or_default();
        j.key("silencedBy").strings(&status.silenced_by);
        j.key("inhibitedBy").strings(status.inhibited_by.iter().map(ToString::to_string));
        if let Some(rule) = view.inhibited_by_rule(&status) {
            j.key("inhibitedByRule").string(rule);
        }
        j.key("attempts").array_of(told, attempt);
    });
    ([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
}

fn attempt(j: &mut Json, told: &DrillAttempt) {
    j.object(|j| {
        j.key("receiver").string(&told.integration.receiver);
        j.key("integration").string(&told.integration.kind);
        j.key("index").int(i64::try_from(told.integration.index).unwrap_or(i64::MAX));
        j.key("status").string(if told.resolved { "resolved" } else { "firing" });
        j.key("at").string(&rfc3339_millis(told.at));
        j.key("error").string(told.error.as_deref().unwrap_or(""));
    });
}
