//! `status` and `receivers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::model::time::rfc3339_millis;
use crate::server::api::Params;
use crate::server::app::App;

use super::answer::{Refusal, answer};
use super::filter;

/// The version of Alertmanager that clients are told: the newest amtool that distributions ship warns of every other.
pub(super) const COMPATIBLE_VERSION: &str = "0.33.1";

/// `GET /api/v2/status`
pub async fn status(State(app): State<Arc<App>>) -> Response {
    let view = app.config.load();
    answer(|j| {
        j.object(|j| {
            j.key("cluster").object(|j| {
                let member = app.service.cluster.as_ref();
                if let Some((name, _)) = member {
                    j.key("name").string(name);
                }
                j.key("peers").array_of(member, |j, (name, address)| {
                    j.object(|j| {
                        j.key("address").string(address);
                        j.key("name").string(name);
                    });
                });
                j.key("status").string(if member.is_some() { "ready" } else { "disabled" });
            });
            j.key("config").object(|j| j.key("original").string(&view.alertmanager_yaml));
            j.key("uptime").string(&rfc3339_millis(app.service.started_at));
            j.key("versionInfo").object(|j| {
                for key in ["branch", "buildDate", "buildUser", "goVersion", "revision"] {
                    j.key(key).string("");
                }
                // Clients decide by it what they may ask.
                j.key("version").string(COMPATIBLE_VERSION);
                j.key("watchbell").string(env!("CARGO_PKG_VERSION"));
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
