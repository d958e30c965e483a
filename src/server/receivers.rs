//! `GET /watchbell/v1/receivers`: whom notifications go to, and how that goes.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::app::App;
use super::json::Json;
use crate::model::time::rfc3339_millis;
use crate::notify::IntegrationId;
use crate::notify::status::Status;

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/receivers", get(list))
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
