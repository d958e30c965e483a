//! Pages for people. Rendered here, complete without scripts, readable in both writing directions; a small script keeps
//! them up to date.

mod alert;
pub(super) mod alert_text;
mod assets;
mod elsewhere;
mod forms;
mod frame;
mod history;
mod links;
mod live;
pub(in crate::server) mod measure;
mod notification;
pub(super) mod now;
mod plot;
mod query;
mod receivers;
mod routes;
mod rule_test;
mod rules;
mod silence_form;
mod silences;
mod status;
mod targets;
mod zone;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::app::App;

/// The routes of the pages.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let pages = Router::new()
        .route("/alerts", get(now::page))
        .route("/silences", get(silences::page))
        .route("/history", get(history::page))
        .route("/notification/{id}", get(notification::page))
        .route("/routes", get(routes::page))
        .route("/receivers", get(receivers::page).post(receivers::test))
        .route("/silences/new", get(silence_form::new).post(silence_form::save))
        .route("/silences/preview", get(silence_form::matched))
        .route("/silences/{id}", get(silence_form::edit))
        .route("/silences/{id}/edit", get(elsewhere::without_edit))
        .route("/silences/{id}/expire", post(silence_form::expire))
        .route("/alert/{fingerprint}", get(alert::page))
        .route("/alert/{fingerprint}/ack", post(silence_form::acknowledge))
        .route("/status", get(status::page))
        .route("/assets/{name}", get(assets::serve))
        .route("/live", get(live::follow));
    let pages =
        if app.service.alertmanager_alone { pages } else { pages.merge(of_series()).merge(elsewhere::routes()) };
    pages.layer(axum::middleware::from_fn_with_state(app.clone(), frame::secure))
}

/// Those that need series or rules.
fn of_series() -> Router<Arc<App>> {
    Router::new()
        .route("/query", get(query::page))
        .route("/rules", get(rules::page))
        .route("/rule-test", get(rule_test::page))
        .route("/targets", get(targets::page))
        .route("/service-discovery", get(targets::discovery))
        .route("/tsdb-status", get(status::storage))
}
