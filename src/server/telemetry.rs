//! What a running service counts, room by room, and the counting of requests.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::clock::Stopwatch;

use super::alertmanager;
use super::app::{App, ConfigView};
use super::queries::Queries;
use crate::instrument::{Collect, Exposition, Figure, Kind, gauge};

/// Counts every request under its route's pattern, so that labels stay few.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let handler = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let (watch, method) = (Stopwatch::start(), request.method().clone());
    app.api_metrics.begin(method.as_str());
    let response = next.run(request).await;
    let (status, took) = (response.status(), watch.elapsed());
    app.http.count(status.as_str(), &handler, took);
    let path = handler.strip_prefix(app.service.route_prefix.as_str()).unwrap_or(&handler);
    app.api_metrics.end((status.as_str(), path, method.as_str()), took, response.body().size_hint().exact());
    response
}

/// Writes what the rooms of a running service count.
pub struct AppMetrics(pub std::sync::Weak<App>);

const CONFIG: [Figure<ConfigView>; 2] = [
    gauge(
        "watchbell_config_last_reload_successful",
        "Whether the last configuration reload attempt was successful.",
        |view| f64::from(u8::from(view.reload_succeeded)),
    ),
    gauge(
        "watchbell_config_last_reload_success_timestamp_seconds",
        "Timestamp of the last successful configuration reload.",
        |view| view.loaded_at as f64 / 1_000.0,
    ),
];

const QUERIES: [Figure<Queries>; 2] = [
    gauge("watchbell_engine_queries", "The current number of queries being executed or waiting.", |queries| {
        queries.options().concurrency.saturating_sub(queries.free()) as f64
    }),
    gauge("watchbell_engine_queries_concurrent_max", "The max number of concurrent queries.", |queries| {
        queries.options().concurrency as f64
    }),
];

impl Collect for AppMetrics {
    fn collect(&self, out: &mut Exposition) {
        let Some(app) = self.0.upgrade() else { return };
        let help = "A metric with a constant '1' value labeled by version.";
        out.family("watchbell_build_info", Kind::Gauge, help, |f| {
            f.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        });
        out.figures(&CONFIG, &app.config.load());
        out.figures(&QUERIES, &app.queries);
        app.http.collect(out);
        alertmanager::metrics::collect(&app, out);
        app.engine.collect(out);
        app.storage.collect(out);
        app.scrapes.collect(out);
        if app.service.remote_write_receiver {
            app.receiver.collect(out);
        }
    }
}
