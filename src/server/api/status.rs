//! `status/*`: build, configuration, flags, run time, storage.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::net;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::json::Json;

use super::Params;
use super::envelope::{Notes, respond, success};

fn answer(data: impl FnOnce(&mut Json)) -> Response {
    respond(success(&Notes::none(), |j| j.object(data)))
}

/// The version of Prometheus that clients are told: they decide by it what they may ask.
pub const COMPATIBLE_VERSION: &str = "3.14.0";

/// `GET /api/v1/status/buildinfo`
pub async fn build() -> Response {
    answer(build_info)
}

/// `GET /version`: the same without an envelope.
pub async fn version() -> Response {
    let mut json = Json::new();
    json.object(build_info);
    respond(json.finish())
}

fn build_info(j: &mut Json) {
    j.key("version").string(COMPATIBLE_VERSION);
    j.key("watchbell").string(env!("CARGO_PKG_VERSION"));
    for key in ["revision", "branch", "buildUser", "buildDate", "goVersion"] {
        j.key(key).string("");
    }
}

/// `GET /api/v1/status/config`
pub async fn config(State(app): State<Arc<App>>) -> Response {
    answer(|j| j.key("yaml").string(&app.config.load().yaml))
}

/// `GET /api/v1/status/flags`
pub async fn flags(State(app): State<Arc<App>>) -> Response {
    answer(|j| app.service.flags.iter().for_each(|(name, value)| j.key(name).string(value)))
}

/// `GET /api/v1/status/runtimeinfo`
pub async fn runtime(State(app): State<Arc<App>>) -> Response {
    let view = app.config.load();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let directory = std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default();
    let corruptions = app.storage.counters().wal_corruptions;
    answer(|j| {
        j.key("startTime").rfc3339(Some(app.service.started_at));
        j.key("CWD").string(&directory);
        j.key("hostname").string(&net::hostname());
        j.key("serverTime").rfc3339(Some(app.clock.now()));
        j.key("reloadConfigSuccess").bool(view.reload_succeeded);
        j.key("lastConfigTime").rfc3339(Some(view.loaded_at));
        j.key("corruptionCount").int(i64::try_from(corruptions).unwrap_or(i64::MAX));
        // Go's words for what we have none or few of; clients expect them to be there.
        j.key("goroutineCount").int(0);
        j.key("GOMAXPROCS").int(i64::try_from(cores).unwrap_or(1));
        j.key("GOMEMLIMIT").int(i64::MAX);
        j.key("GOGC").string("");
        j.key("GODEBUG").string("");
        j.key("storageRetention").string(&app.storage.retention().to_string());
    })
}

/// `GET /api/v1/status/tsdb`
pub async fn tsdb(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let limit = Some(params.limit()?).filter(|l| *l > 0).unwrap_or(10);
    if limit > 10_000 {
        return Err(ApiError::BadData("limit must not exceed 10000".into()));
    }
    let storage = app.storage.clone();
    let figures = app.queries.run(None, move |_| Ok((storage.stats(), storage.cardinality(limit))));
    let (stats, cardinality) = figures.await?;
    let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Ok(answer(|j| {
        j.key("headStats").object(|j| {
            j.key("numSeries").int(int(stats.series));
            j.key("numLabelPairs").int(int(stats.label_pairs));
            j.key("chunkCount").int(int(stats.chunks));
            j.key("minTime").int(stats.head_mint.unwrap_or(i64::MAX));
            j.key("maxTime").int(stats.head_maxt.unwrap_or(i64::MIN));
        });
        // Beside what Prometheus has: series that ended are here alone.
        j.key("blockStats").object(|j| {
            j.key("numBlocks").int(int(stats.blocks));
            j.key("numSeries").int(int(stats.block_series));
            j.key("numSamples").int(int(stats.block_samples));
        });
        for (key, most) in [
            ("seriesCountByMetricName", &cardinality.series_by_metric),
            ("labelValueCountByLabelName", &cardinality.values_by_label),
            ("memoryInBytesByLabelName", &cardinality.bytes_by_label),
            ("seriesCountByLabelValuePair", &cardinality.series_by_pair),
        ] {
            j.key(key).array_of(most, |j, (name, value)| {
                j.object(|j| {
                    j.key("name").string(name);
                    j.key("value").int(int(*value));
                });
            });
        }
    }))
}

/// `GET /api/v1/status/tsdb/blocks`
pub async fn blocks(State(app): State<Arc<App>>) -> Response {
    let blocks = app.storage.blocks();
    let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    answer(|j| {
        j.key("blocks").array_of(&blocks, |j, block| {
            j.object(|j| {
                // What names a block here, where Prometheus has an ULID.
                j.key("ulid").string(&block.name);
                j.key("minTime").int(block.mint);
                j.key("maxTime").int(block.maxt);
                j.key("stats").object(|j| {
                    j.key("numSamples").int(int(block.samples));
                    j.key("numSeries").int(int(block.series));
                    j.key("numBytes").int(int(block.bytes));
                });
            });
        });
    })
}

/// `GET /api/v1/status/walreplay`: the log is replayed before the server listens.
pub async fn wal_replay() -> Response {
    answer(|j| ["min", "max", "current"].into_iter().for_each(|key| j.key(key).int(0)))
}

/// The API's description.
const OPENAPI: &str = include_str!("openapi.yaml");

/// `GET /api/v1/openapi.yaml`
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml; charset=utf-8")], OPENAPI)
}
