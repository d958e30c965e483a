//! `silences` and `silence/<id>`.

use std::sync::Arc;

use axum::Json as Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::engine::live::LiveSilenceError;
use crate::model::{MatchOp, Matcher};
use crate::routing::silence::SilenceState;
use crate::routing::{NewSilence, Silence, SilenceError};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::json::Json;
use crate::server::time::{parse_time, rfc3339_millis};

use super::answer::{Refusal, answer};
use super::{filter, lists};

/// `GET /api/v2/silences`: active ones first, those that end soonest in front; then pending, then expired ones.
pub async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let matchers = filter::matchers(&params)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let gather = move || {
        let wanted = view.silences().filter(|s| matchers.iter().all(|wanted| speaks_of(s, wanted)));
        let mut silences: Vec<Arc<Silence>> = wanted.cloned().collect();
        silences.sort_by_cached_key(|s| {
            let (state, time) = match s.state(now) {
                SilenceState::Active => (0, s.ends_at),
                SilenceState::Pending => (1, s.starts_at),
                SilenceState::Expired => (2, s.ends_at.saturating_neg()),
            };
            (state, time, s.id.clone())
        });
        silences
    };
    lists::list(gather, |_| 1, move |j, s| silence(j, s, now)).await
}

/// Whether one of a silence's matchers is the wanted one: of its name, with a value that it matches.
fn speaks_of(silence: &Silence, wanted: &Matcher) -> bool {
    silence.matchers.iter().any(|m| m.name == wanted.name && wanted.matches(&m.value))
}

fn silence(j: &mut Json, s: &Silence, now: i64) {
    j.object(|j| {
        j.key("id").string(&s.id);
        j.key("status").object(|j| j.key("state").string(s.state(now).as_str()));
        j.key("updatedAt").string(&rfc3339_millis(s.updated_at));
        j.key("comment").string(&s.comment);
        j.key("createdBy").string(&s.created_by);
        j.key("endsAt").string(&rfc3339_millis(s.ends_at));
        j.key("matchers").array_of(&s.matchers, |j, m| {
            j.object(|j| {
                j.key("isEqual").bool(matches!(m.op, MatchOp::Equal | MatchOp::Regex));
                j.key("isRegex").bool(matches!(m.op, MatchOp::Regex | MatchOp::NotRegex));
                j.key("name").string(&m.name);
                j.key("value").string(&m.value);
            });
        });
        j.key("startsAt").string(&rfc3339_millis(s.starts_at));
    });
}

/// `GET /api/v2/silence/<id>`
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let now = app.engine.now();
    match app.engine.view().silences().find(|s| s.id == id) {
        Some(found) => answer(|j| silence(j, found, now)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A silence as posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostedSilence {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<PostedMatcher>,
    starts_at: String,
    ends_at: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedMatcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl PostedSilence {
    fn read(self) -> Result<NewSilence, String> {
        let matcher = |m: PostedMatcher| {
            let op = match (m.is_equal, m.is_regex) {
                (true, false) => MatchOp::Equal,
                (true, true) => MatchOp::Regex,
                (false, false) => MatchOp::NotEqual,
                (false, true) => MatchOp::NotRegex,
            };
            Matcher::new(op, m.name, m.value).map_err(|e| e.to_string())
        };
        Ok(NewSilence {
            id: self.id.filter(|id| !id.is_empty()),
            matchers: self.matchers.into_iter().map(matcher).collect::<Result<_, _>>()?,
            starts_at: parse_time(&self.starts_at)?,
            ends_at: parse_time(&self.ends_at)?,
            created_by: self.created_by,
            comment: self.comment,
        })
    }
}

/// `POST /api/v2/silences`
pub async fn set(
    State(app): State<Arc<App>>,
    body: Result<Body<PostedSilence>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Body(posted) = body.map_err(|e| Refusal::bad(e.body_text()))?;
    let new = posted.read().map_err(Refusal::bad)?;
    let id = app.engine.set_silence(new).await.map_err(refusal)?;
    Ok(answer(|j| j.object(|j| j.key("silenceID").string(&id))))
}

/// `DELETE /api/v2/silence/<id>`
pub async fn expire(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    app.engine.expire_silence(id).await.map_err(refusal)?;
    Ok(StatusCode::OK)
}

fn refusal(e: LiveSilenceError) -> Refusal {
    let code = match &e {
        LiveSilenceError::Refused(SilenceError::NotFound) => StatusCode::NOT_FOUND,
        LiveSilenceError::Refused(SilenceError::AlreadyExpired(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        LiveSilenceError::Refused(SilenceError::Invalid(_)) => StatusCode::BAD_REQUEST,
        LiveSilenceError::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal(code, e.to_string())
}
