//! Prometheus' HTTP API, version 1.

mod admin;
pub mod encode;
pub mod envelope;
mod features;
mod live;
mod otlp;
mod params;
mod query;
mod read;
mod relabel;
mod rules;
mod series;
mod status;
mod targets;
mod tree;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::app::App;

pub(super) use live::{troubles, unrecorded};
pub use params::{MAX_PARAMS, MAX_SELECTORS, Params};
pub use read::MOST_BYTES as LONGEST_READ;
pub use status::{COMPATIBLE_VERSION, version};
pub(super) use targets::discovered;

/// The routes under `/api/v1`.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(query::exemplars).post(query::exemplars))
        .route("/parse_query", get(tree::parse).post(tree::parse))
        .route("/format_query", get(query::format).post(query::format))
        .route("/series", get(series::series).post(series::series))
        .route("/labels", get(series::labels).post(series::labels))
        .route("/label/{name}/values", get(series::label_values))
        .route("/metadata", get(series::metadata))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(targets::metadata))
        .route("/targets/relabel_steps", get(relabel::steps))
        .route("/scrape_pools", get(targets::pools))
        .route("/alertmanagers", get(targets::alertmanagers))
        .route("/status/buildinfo", get(status::build))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/tsdb/blocks", get(status::blocks))
        .route("/status/walreplay", get(status::wal_replay))
        .route("/notifications", get(live::notifications))
        .route("/notifications/live", get(live::follow))
        .route("/features", get(features::features))
        .route("/openapi.yaml", get(status::openapi))
        .route("/admin/tsdb/delete_series", post(admin::delete_series).put(admin::delete_series))
        .route("/admin/tsdb/clean_tombstones", post(admin::clean_tombstones).put(admin::clean_tombstones))
        .route("/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot))
}

/// `/api/v1/read`, apart because its body is compressed in a way of its own.
pub fn read_route() -> Router<Arc<App>> {
    Router::new().route("/api/v1/read", post(read::read)).layer(DefaultBodyLimit::max(read::MOST_BYTES))
}

/// `/api/v1/write`, apart because its body is large, and compressed in a way of its own.
pub fn write_route() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/write", post(write::write))
        .route("/api/v1/otlp/v1/metrics", post(otlp::metrics))
        .layer(DefaultBodyLimit::max(write::max_body()))
}
