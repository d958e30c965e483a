//! The listener and the routes of everything that is served.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;

use super::app::App;
use super::connections::{self, ConnectionLimits};
use super::{
    acknowledge, admin, alertmanager, api, drill, explain, federate, history, now, origins, pages, paths, plots,
    receivers, telemetry, web,
};

/// The largest request body, bytes. Remote writes have their own limit.
pub const MAX_BODY: usize = 10 << 20;
/// How long a client that is being answered has to take its answer when the service ends.
const DRAIN: Duration = Duration::from_secs(3);

/// All routes, below the prefix of the service's paths, for those who may come in.
pub fn routes(app: Arc<App>) -> Router {
    let (access, prefix) = (app.web.clone(), app.service.route_prefix.clone());
    let routes = prefixed(app).layer(axum::middleware::from_fn_with_state(Arc::<str>::from(prefix), paths::clean));
    match access {
        Some(access) => routes.layer(axum::middleware::from_fn_with_state(access, web::guard)),
        None => routes,
    }
}

fn prefixed(app: Arc<App>) -> Router {
    let prefix = app.service.route_prefix.clone();
    let routes = unprefixed(app);
    if prefix.is_empty() {
        return routes;
    }
    let home = format!("{prefix}/");
    let to_home = home.clone();
    let from_home = format!("{prefix}/alerts");
    Router::new()
        .route("/", get(|| async move { Redirect::to(&to_home) }))
        .route(&home, get(|| async move { Redirect::to(&from_home) }))
        .nest(&prefix, routes)
        .fallback(not_found)
}

/// Prometheus' API, or what Alertmanager says of its own first version.
fn api_v1(app: &App) -> Router<Arc<App>> {
    if app.service.alertmanager_alone {
        return Router::new().route("/api/v1/{*rest}", any(alertmanager::version_1));
    }
    let own = Router::new().route("/federate", get(federate::federate)).route("/version", get(api::version));
    own.nest("/api/v1", api::routes())
}

/// What senders of samples write to, and what reads them from afar: they know their compression and their limits themselves.
fn remote(app: &App) -> Router<Arc<App>> {
    if app.service.alertmanager_alone { Router::new() } else { api::write_route().merge(api::read_route()) }
}

fn unprefixed(app: Arc<App>) -> Router {
    let first_page = format!("{}/alerts", app.service.route_prefix);
    let origins = Arc::new(app.service.origins.clone());
    let gets = alertmanager::GetLimit::new(&app.service.limits, app.api_metrics.gets_refused.clone());
    let apis = Router::new()
        .merge(api_v1(&app))
        .merge(receivers::routes())
        .merge(acknowledge::routes())
        .merge(drill::routes())
        .merge(history::routes())
        .merge(explain::routes())
        .merge(now::routes())
        .merge(plots::routes(&app))
        .merge(alertmanager::routes().layer(axum::middleware::from_fn_with_state(gets, alertmanager::limit)))
        .method_not_allowed_fallback(not_allowed)
        .layer(RequestDecompressionLayer::new())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(origins.clone(), origins::cors))
        .layer(axum::middleware::from_fn(alertmanager::plain_options));
    let remote = remote(&app);
    Router::new()
        .route("/", get(|| async move { Redirect::to(&first_page) }))
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready))
        .route("/-/reload", post(admin::reload).put(admin::reload))
        .route("/-/quit", post(admin::quit).put(admin::quit))
        .route("/metrics", get(admin::metrics))
        .merge(pages::routes(&app))
        .merge(apis)
        .merge(remote)
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(axum::middleware::from_fn_with_state(origins, origins::guard))
        .layer(axum::middleware::from_fn_with_state(app.clone(), telemetry::count))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(app)
}

async fn not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n").into_response()
}

async fn not_found() -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, plain)], "404 page not found\n").into_response()
}

/// Serves until `end` completes, then lets requests under way finish for a few seconds.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    limits: ConnectionLimits,
    end: impl Future<Output = ()> + Send + 'static,
) {
    let (ending, ended) = tokio::sync::watch::channel(false);
    let late = async move {
        end.await;
        ending.send_replace(true);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = connections::attend(listener, routes(app.clone()), app, limits, ended) => {}
        () = late => {}
    }
}
