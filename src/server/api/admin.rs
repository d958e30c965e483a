//! `admin/tsdb/*`, with `--web.enable-admin-api`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::model::time::rfc3339;
use crate::server::app::App;
use crate::server::error::ApiError;

use super::Params;
use super::envelope::{Notes, respond, success};

/// Refuses unless the flag is given.
fn allowed(app: &App) -> Result<(), ApiError> {
    if app.service.admin_api { Ok(()) } else { Err(ApiError::Unavailable("admin APIs disabled".into())) }
}

/// `POST|PUT /api/v1/admin/tsdb/snapshot`: a copy of all data, below `snapshots` in the data directory.
pub async fn snapshot(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    allowed(&app)?;
    let skips_head = match params.get("skip_head") {
        None | Some("false" | "0" | "f" | "F" | "FALSE" | "False") => false,
        Some("true" | "1" | "t" | "T" | "TRUE" | "True") => true,
        Some(other) => {
            let why = format!("unable to parse boolean: strconv.ParseBool: parsing {other:?}: invalid syntax");
            return Err(ApiError::parameter("skip_head", why));
        }
    };
    let name = name_of(app.clock.now());
    let (storage, below) = (app.storage.clone(), name.clone());
    let made = tokio::task::spawn_blocking(move || {
        let data = storage.directory().and_then(|dir| dir.parent()).map(ToOwned::to_owned);
        let data = data.ok_or_else(|| ApiError::Unavailable("there are no files: all data is in memory".into()))?;
        let dir = data.join("snapshots").join(&below).join("tsdb");
        storage.snapshot(&dir, !skips_head).map_err(|e| ApiError::Internal(format!("create snapshot: {e}")))
    });
    made.await.map_err(|e| ApiError::Internal(e.to_string()))??;
    Ok(respond(success(&Notes::none(), |j| j.object(|j| j.key("name").string(&name)))))
}

/// `POST|PUT /api/v1/admin/tsdb/delete_series`
pub async fn delete_series(State(app): State<Arc<App>>, params: Params) -> Result<StatusCode, ApiError> {
    allowed(&app)?;
    let sets = params.matchers(&app.queries.options().features)?;
    if sets.is_empty() {
        return Err(ApiError::BadData("no match[] parameter provided".into()));
    }
    let (start, end) = params.interval()?;
    let storage = app.storage.clone();
    let deleted = tokio::task::spawn_blocking(move || storage.delete_series(&sets, start, end));
    let deleted = deleted.await.map_err(|e| ApiError::Internal(e.to_string()))?;
    let series = deleted.map_err(|e| ApiError::Internal(e.to_string()))?;
    tracing::info!(series, start, end, "samples were deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST|PUT /api/v1/admin/tsdb/clean_tombstones`: deleted samples are taken out of the blocks.
pub async fn clean_tombstones(State(app): State<Arc<App>>) -> Result<StatusCode, ApiError> {
    allowed(&app)?;
    let storage = app.storage.clone();
    let cleaned = tokio::task::spawn_blocking(move || storage.clean_tombstones());
    let cleaned = cleaned.await.map_err(|e| ApiError::Internal(e.to_string()))?;
    let cleaned = cleaned.map_err(|e| ApiError::Internal(e.to_string()))?;
    tracing::info!(blocks = cleaned.blocks, samples = cleaned.samples, "deleted samples were taken out of the blocks");
    Ok(StatusCode::NO_CONTENT)
}

/// A name that nothing else has: the time, and something of chance.
fn name_of(now: i64) -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let digits: String = rfc3339(now).chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{digits}-{:016x}", RandomState::new().hash_one(now))
}
