//! What a running service counts, room by room, and the counting of requests.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;

use crate::clock::Stopwatch;

use super::alertmanager;
use super::app::{App, ConfigView};
use super::prometheus_metrics;
use super::queries::Queries;
use crate::instrument::spans::{Span, SpanId, SpanKind};
use crate::instrument::{Collect, Exposition, Figure, Kind, gauge};

/// Counts every request under its route's pattern, so that labels stay few.
pub async fn count(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let handler = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let (watch, method) = (Stopwatch::start(), request.method().clone());
    app.api_metrics.begin(method.as_str());
    let span = begin_span(&app, request.headers());
    span.map(|(id, _)| request.extensions_mut().insert(id));
    let response = next.run(request).await;
    let (status, took) = (response.status(), watch.elapsed());
    if let Some((id, parent)) = span {
        let attributes = vec![
            ("http.request.method", method.to_string()),
            ("http.route", handler.clone()),
            ("http.response.status_code", status.as_u16().to_string()),
        ];
        let error = status.is_server_error().then(|| status.to_string());
        let (name, kind, ended_at) = (format!("{method} {handler}"), SpanKind::Server, app.clock.now());
        app.tracer.note(Span { id, parent, name, kind, ended_at, took, attributes, error });
    }
    let path = handler.strip_prefix(app.service.route_prefix.as_str()).unwrap_or(&handler);
    // As Prometheus writes it.
    app.http.count(status.as_str(), &path.replace("{name}", ":name"), took);
    app.api_metrics.end((status.as_str(), path, method.as_str()), took, response.body().size_hint().exact());
    response
}

/// The id of a request's span, and that of the client's span that it is a part of, if the trace is taken: a client that
/// says so decides that (W3C's `traceparent`).
fn begin_span(app: &App, headers: &HeaderMap) -> Option<(SpanId, Option<u64>)> {
    if !app.tracer.is_on() {
        return None;
    }
    match headers.get("traceparent").and_then(|v| v.to_str().ok()).and_then(traceparent) {
        Some((trace, parent, true)) => Some((app.tracer.child(trace)?, Some(parent))),
        Some((_, _, false)) => None,
        None => Some((app.tracer.begin(app.service.started_at.unsigned_abs())?, None)),
    }
}

/// Trace, parent, and whether the trace is taken: `00-TRACE-PARENT-FLAGS`.
fn traceparent(text: &str) -> Option<(u128, u64, bool)> {
    let parts: Vec<&str> = text.split('-').collect();
    let [_, trace, parent, flags] = parts.get(..4)? else { return None };
    let is_whole = (trace.len(), parent.len(), flags.len()) == (32, 16, 2);
    let (trace, parent) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(parent, 16).ok()?);
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (is_whole && trace > 0 && parent > 0).then_some((trace, parent, flags & 1 == 1))
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
        app.queries.collect(out);
        app.query_log.collect(out);
        app.http.collect(out);
        alertmanager::metrics::collect(&app, out);
        app.engine.collect(out);
        app.storage.collect(out);
        app.scrapes.collect(out);
        if app.service.remote_write_receiver {
            app.receiver.collect(out);
        }
        if !app.service.alertmanager_alone {
            prometheus_metrics::collect(&app, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_names_trace_parent_and_whether_it_is_taken() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let read = |text: &str| traceparent(text);
        let want = (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331, true);
        assert_eq!(read(&format!("00-{trace}-b7ad6b7169203331-01")), Some(want));
        assert!(!read(&format!("00-{trace}-b7ad6b7169203331-00")).unwrap().2);
        for bad in ["", "00-1-2-01", "00-x-y-z", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
