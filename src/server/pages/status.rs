//! The pages of the service itself: what it runs with, and what its database holds.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::net::redact_url;
use crate::server::app::App;

use super::frame::{Page, unhurried};
use super::zone;

/// How many metrics, labels and pairs are listed by size.
const MOST: usize = 10;

/// `GET /status`
pub(super) async fn page(State(app): State<Arc<App>>) -> Response {
    unhurried(move || {
        let (view, now, stats) = (app.config.load(), app.clock.now(), app.storage.stats());
        let alertmanagers: Vec<String> =
            view.alertmanagers.load().iter().map(|url| redact_url(url).to_string()).collect();
        let content = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": zone::time(app.service.started_at, now),
            "loaded": zone::time(view.loaded_at, now),
            "reloaded": view.reload_succeeded,
            "series": stats.series,
            "chunks": stats.chunks,
            "blocks": stats.blocks,
            "retention": app.storage.retention().to_string(),
            "alertmanagers": alertmanagers,
            "flags": app.service.flags,
            "config": view.yaml,
            "routing": view.alertmanager_yaml,
        });
        Page { is_live: false, ..Page::new("status", "status.html") }.show(now, content)
    })
    .await
}

/// `GET /tsdb-status`
pub(super) async fn storage(State(app): State<Arc<App>>) -> Response {
    let storage = app.storage.clone();
    // It looks through all series: as a query does.
    let found =
        app.queries.run(None, move |_| Ok((storage.stats(), storage.cardinality(MOST), storage.blocks()))).await;
    let (stats, cardinality, blocks) = match found {
        Ok(found) => found,
        Err(e) => return e.into_response(),
    };
    let now = app.clock.now();
    let blocks: Vec<_> = blocks
        .iter()
        .map(|b| {
            json!({
                "name": b.name, "from": zone::time(b.mint, now), "until": zone::time(b.maxt, now),
                "series": b.series, "samples": b.samples, "bytes": b.bytes,
            })
        })
        .collect();
    let content = json!({
        "facts": [
            ("Series in the head", stats.series),
            ("Chunks in the head", stats.chunks),
            ("Label pairs", stats.label_pairs),
            ("Blocks", stats.blocks),
            ("Series in blocks alone", stats.block_series),
            ("Samples in blocks", stats.block_samples),
        ],
        "from": stats.head_mint.map(|t| zone::time(t, now)),
        "until": stats.head_maxt.map(|t| zone::time(t, now)),
        "tables": [
            ("Series by metric name", "series", &cardinality.series_by_metric),
            ("Values by label name", "values", &cardinality.values_by_label),
            ("Bytes by label name", "bytes", &cardinality.bytes_by_label),
            ("Series by label pair", "series", &cardinality.series_by_pair),
        ],
        "blocks": blocks,
    });
    Page { is_live: false, ..Page::new("status", "tsdb.html") }.show(now, content)
}
