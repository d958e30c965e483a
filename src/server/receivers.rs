//! `GET /watchbell/v1/receivers`: whom notifications go to, and how that goes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::app::App;
use super::error::ApiError;
use super::json::Json;
use crate::model::time::rfc3339_millis;
use crate::notify::status::Status;
use crate::notify::test_message::Told;
use crate::notify::{IntegrationId, test_message};

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/receivers", get(list)).route("/watchbell/v1/receivers/{name}/test", post(test))
}

/// `POST /watchbell/v1/receivers/<name>/test`: tells every integration of a receiver a marked message, once, and says what
/// became of it.
async fn test(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let told = tell(&app, &name).await?;
    let mut json = Json::new();
    json.object(|j| {
        j.key("receiver").string(&name);
        j.key("delivered").bool(told.iter().all(|told| told.error.is_none()));
        j.key("integrations").array_of(told.iter(), |j, told| {
            j.object(|j| {
                j.key("integration").string(&told.integration.kind);
                j.key("index").int(i64::try_from(told.integration.index).unwrap_or(i64::MAX));
                j.key("delivered").bool(told.error.is_none());
                j.key("error").string(told.error.as_deref().unwrap_or(""));
            });
        });
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response())
}

/// Tells every integration of a receiver a marked message, whoever asks: one receiver at a time.
pub(super) async fn tell(app: &App, name: &str) -> Result<Vec<Told>, ApiError> {
    let view = app.engine.view();
    let found = view.routing().receivers.get_key_value(name);
    let (receiver, spec) = found.ok_or_else(|| ApiError::NotFound(format!("there is no receiver {name:?}")))?;
    let busy = |_| ApiError::Unavailable("another test is under way, try again later".into());
    let _turn = app.tester.turn.try_acquire().map_err(busy)?;
    Ok(test_message::send(receiver, &spec.integrations, app.clock.now(), &*app.tester.deliver).await)
}

/// Every receiver with its integrations: attempts, the last error, and fields that are not what their templates say.
async fn list(State(app): State<Arc<App>>) -> Response {
    let view = app.config.load();
    let mut json = Json::new();
    json.array_of(view.receivers.iter(), |j, receiver| {
        j.object(|j| {
            j.key("name").string(&receiver.name);
            j.key("labels").labels(&receiver.labels);
            j.key("integrations").array_of(receiver.integrations.iter(), |j, id| {
                integration(j, id, &app.deliveries.get(id));
            });
        });
    });
    ([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
}

fn integration(j: &mut Json, id: &IntegrationId, status: &Status) {
    let time = |j: &mut Json, at: Option<i64>| match at {
        Some(at) => j.string(&rfc3339_millis(at)),
        None => j.null(),
    };
    j.object(|j| {
        j.key("integration").string(&id.kind);
        j.key("index").int(i64::try_from(id.index).unwrap_or(i64::MAX));
        j.key("attempts").int(i64::try_from(status.attempts).unwrap_or(i64::MAX));
        j.key("failures").int(i64::try_from(status.failures).unwrap_or(i64::MAX));
        time(j.key("lastAttempt"), status.last_attempt_at);
        time(j.key("lastDelivered"), status.last_delivered_at);
        j.key("lastError").string(status.last_error.as_deref().unwrap_or(""));
        time(j.key("fieldErrorsAt"), status.problems_at);
        j.key("insteadOf").string(status.instead_of.as_deref().unwrap_or(""));
        j.key("attemptsInsteadOf").int(i64::try_from(status.stood_in).unwrap_or(i64::MAX));
        j.key("fieldErrors").array_of(status.problems.iter(), |j, problem| {
            j.object(|j| {
                j.key("field").string(&problem.field);
                j.key("error").string(&problem.error);
            });
        });
    });
}
