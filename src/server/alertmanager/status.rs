//! `status` and `receivers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::server::api::Params;
use crate::server::app::App;
use crate::server::time::rfc3339_millis;

use super::answer::{Refusal, answer};
use super::filter;

/// `GET /api/v2/status`
pub async fn status(State(app): State<Arc<App>>) -> Response {
    let view = app.config.load();
    answer(|j| {
        j.object(|j| {
            j.key("cluster").object(|j| {
                j.key("peers").array(|_| {});
                j.key("status").string("disabled");
            });
            j.key("config").object(|j| j.key("original").string(&view.alertmanager_yaml));
            j.key("uptime").string(&rfc3339_millis(app.service.started_at));
            j.key("versionInfo").object(|j| {
                for key in ["branch", "buildDate", "buildUser", "goVersion", "revision"] {
                    j.key(key).string("");
                }
                j.key("version").string(env!("CARGO_PKG_VERSION"));
            });
        });
    })
}

/// `GET /api/v2/receivers`
pub async fn receivers(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let matchers = filter::receiver_matchers(&params)?;
    let view = app.config.load();
    let wanted = view.receivers.iter().filter(|r| matchers.iter().all(|m| m.matches(r.labels.value(&m.name))));
    Ok(answer(|j| {
        j.array_of(wanted, |j, receiver| {
            j.object(|j| {
                j.key("labels").labels(&receiver.labels);
                j.key("name").string(&receiver.name);
            });
        });
    }))
}
