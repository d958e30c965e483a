//! Alertmanager's HTTP API, version 2, to the letter: forms that it reads and refuses, status codes, orders.

mod alerts;
mod answer;
pub mod body;
mod filter;
mod limit;
mod lists;
mod media;
mod metric_tables;
pub mod metrics;
mod route_labels;
mod silences;
mod status;
mod strfmt;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};

use super::app::App;
use super::json::Json;

use self::answer::Refusal;
pub use self::limit::{GetLimit, LEAST_GETS, limit};

/// The routes under `/api/v2`, each with and without a slash at its end.
pub fn routes() -> Router<Arc<App>> {
    let both = |routes: Router<Arc<App>>, path: &str, methods: MethodRouter<Arc<App>>| {
        // Who reads with GET may not ask with HEAD, as in Alertmanager.
        let methods = methods.head(not_allowed).fallback(not_allowed);
        routes.route(&format!("/api/v2{path}"), methods.clone()).route(&format!("/api/v2{path}/"), methods)
    };
    let routes = [
        ("/alerts", get(alerts::list).post(alerts::receive)),
        ("/alerts/groups", get(alerts::groups)),
        ("/silences", get(silences::list).post(silences::set)),
        ("/silence/{id}", get(silences::show).delete(silences::expire)),
        ("/status", get(status::status)),
        ("/receivers", get(status::receivers)),
    ];
    let routes = routes.into_iter().fold(Router::new(), |all, (path, methods)| both(all, path, methods));
    let routes = routes.route("/api/v2/", any(not_found)).route("/api/v2/{*rest}", any(not_found));
    let routes = routes.layer(axum::middleware::from_fn(negotiate));
    // What describes the API is no part of it.
    routes.route("/api/v2/openapi.yaml", get(openapi))
}

/// The API's description.
const OPENAPI: &str = include_str!("openapi.yaml");

/// `GET /api/v2/openapi.yaml`
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml; charset=utf-8")], OPENAPI)
}

/// Refuses who does not take JSON; answers are not kept by anyone on the way.
async fn negotiate(request: Request, next: Next) -> Response {
    if !gives_nothing(&request) && !takes_json(request.headers()) {
        let text = "unsupported media type requested, only [application/json] are available";
        return Refusal::coded(StatusCode::NOT_ACCEPTABLE, 406, text.into()).into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Posted alerts are answered with nothing: whatever the client takes, it is there.
fn gives_nothing(request: &Request) -> bool {
    *request.method() == Method::POST && request.uri().path().trim_end_matches('/').ends_with("/api/v2/alerts")
}

fn takes_json(headers: &HeaderMap) -> bool {
    let takes = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or("");
        let refused =
            parts.any(|part| matches!(part.split_once('='), Some(("q" | "Q", weight)) if weight.parse() == Ok(0.0)));
        !refused && ["*/*", "application/*", "application/json"].iter().any(|known| media.eq_ignore_ascii_case(known))
    };
    let given = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let mut ranges = given.flat_map(|v| v.split(',')).peekable();
    ranges.peek().is_none() || ranges.any(takes)
}

/// What Alertmanager says of the first version of its API.
pub async fn version_1() -> Response {
    let text = "The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - please use \
        the equivalent route in the v2 API";
    let mut json = Json::new();
    json.object(|j| {
        j.key("status").string("deprecated");
        j.key("error").string(text);
    });
    (StatusCode::GONE, [(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
}

/// An `OPTIONS` request that asks for no method is no preflight: it is answered as any other method that is not there.
pub async fn plain_options(request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let path = uri.path().trim_end_matches('/');
    let Some(rest) = path.strip_prefix("/api/v2/").filter(|_| method == Method::OPTIONS && !asks) else {
        return next.run(request).await;
    };
    let is_there = matches!(rest, "alerts" | "alerts/groups" | "silences" | "status" | "receivers")
        || rest.strip_prefix("silence/").is_some_and(|id| !id.contains('/'));
    let mut response = match is_there {
        true => not_allowed(method, uri).await,
        false => not_found(uri).await.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if request.headers().contains_key(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

async fn not_found(uri: Uri) -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, 404, format!("path {} was not found", uri.path()))
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_end_matches('/');
    let allowed = match path.rsplit('/').next() {
        Some("alerts" | "silences") => "POST,GET",
        Some(_) if path.contains("/silence/") => "DELETE,GET",
        _ => "GET",
    };
    let text = format!("method {method} is not allowed, but [{allowed}] are");
    let mut response = Refusal::coded(StatusCode::METHOD_NOT_ALLOWED, 405, text).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
