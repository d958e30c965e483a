//! Alertmanager's HTTP API, version 2.

mod alerts;
mod answer;
mod filter;
mod lists;
mod silences;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use answer::Refusal;

use super::app::App;

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
