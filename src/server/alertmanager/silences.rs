//! `silences` and `silence/<id>`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::config::alertmanager::matchers::{Syntax, syntax};
use crate::engine::live::LiveSilenceError;
use crate::model::labels::is_legacy_label_name;
use crate::model::time::rfc3339_millis;
use crate::model::{Labels, MatchOp, Matcher};
use crate::routing::silence::SilenceState;
use crate::routing::{NewSilence, Silence, SilenceError};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::json::Json;
use crate::server::silencing::{self, Refused};

use super::answer::{Refusal, answer};
use super::{body, filter, lists, strfmt};

/// `GET /api/v2/silences`: active ones first, those that end soonest in front; then pending, then expired ones.
pub async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let matchers = filter::matchers(&params)?;
    let states = [
        (SilenceState::Active, filter::switch(&params, "active")),
        (SilenceState::Expired, filter::switch(&params, "expired")),
        (SilenceState::Pending, filter::switch(&params, "pending")),
    ];
    let (view, now) = (app.engine.view(), app.engine.now());
    let gather = move || {
        let in_state = |s: &Silence| states.contains(&(s.state(now), true));
        let has_all = |s: &Silence| matchers.iter().all(|wanted| has(s, wanted));
        let wanted = view.silences().filter(|s| in_state(s) && has_all(s));
        let mut silences: Vec<Arc<Silence>> = wanted.cloned().collect();
        silences.sort_by_cached_key(|s| {
            let (starts_at, ends_at) = s.period(now);
            let (state, time) = match s.state(now) {
                SilenceState::Active => (0, ends_at),
                SilenceState::Pending => (1, starts_at),
                SilenceState::Expired => (2, ends_at.saturating_neg()),
            };
            (state, time, s.id.clone())
        });
        silences
    };
    lists::list(gather, |_| 1, move |j, s| silence(j, s, now)).await
}

/// Whether the wanted matcher is one of a silence's: of its name, kind and value.
fn has(silence: &Silence, wanted: &Matcher) -> bool {
    silence.matchers.iter().any(|m| m.name == wanted.name && m.op == wanted.op && m.value == wanted.value)
}

fn silence(j: &mut Json, s: &Silence, now: i64) {
    let (starts_at, ends_at) = s.period(now);
    j.object(|j| {
        j.key("id").string(&s.id);
        j.key("status").object(|j| j.key("state").string(s.state(now).as_str()));
        j.key("updatedAt").string(&rfc3339_millis(s.updated_at));
        if !s.annotations.is_empty() {
            j.key("annotations").labels(&s.annotations);
        }
        j.key("comment").string(&s.comment);
        j.key("createdBy").string(&s.created_by);
        j.key("endsAt").string(&rfc3339_millis(ends_at));
        j.key("matchers").array_of(&s.matchers, |j, m| {
            j.object(|j| {
                j.key("isEqual").bool(matches!(m.op, MatchOp::Equal | MatchOp::Regex));
                j.key("isRegex").bool(matches!(m.op, MatchOp::Regex | MatchOp::NotRegex));
                j.key("name").string(&m.name);
                j.key("value").string(&m.value);
            });
        });
        j.key("startsAt").string(&rfc3339_millis(starts_at));
    });
}

/// Codes of go-openapi's validation: a value not of its format, and a list that is too short.
const WRONG_FORMAT: u16 = 601;
const TOO_FEW: u16 = 612;

/// Whether an id has the form of a UUID.
fn check_id(id: &str) -> Result<(), Refusal> {
    let dash = |i: usize| matches!(i, 8 | 13 | 18 | 23);
    let good = |(i, b): (usize, u8)| if dash(i) { b == b'-' } else { b.is_ascii_hexdigit() };
    if id.len() == 36 && id.bytes().enumerate().all(good) {
        return Ok(());
    }
    let text = format!("silenceID in path must be of type uuid: {id:?}");
    Err(Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, WRONG_FORMAT, text))
}

/// `GET /api/v2/silence/<id>`
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    check_id(&id)?;
    let now = app.engine.now();
    Ok(match app.engine.view().silence(&id) {
        Some(found) => answer(|j| silence(j, found, now)),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// An object of a request. Names of fields are read in any case, as Go does; what is `null` is absent.
struct Fields {
    object: Map<String, Value>,
    // What stands before a field's name in messages.
    place: String,
}

impl Fields {
    fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Refusal> {
        let known = self.object.keys().rev().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        let value = known.and_then(|key| self.object.remove(&key)).filter(|value| !value.is_null());
        let wrong = |e: serde_json::Error| self.malformed(name, &e.to_string());
        value.map(serde_json::from_value).transpose().map_err(wrong)
    }

    fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Refusal> {
        self.optional(name)?.ok_or_else(|| body::missing(&format!("{}{name}", self.place)))
    }

    fn time(&mut self, name: &str) -> Result<i64, Refusal> {
        let text: String = self.required(name)?;
        strfmt::time(&text).map_err(|e| self.malformed(name, &e))
    }

    fn malformed(&self, name: &str, why: &str) -> Refusal {
        let text = format!("parsing silence body from \"\" failed, because {}{name}: {why}", self.place);
        Refusal::coded(StatusCode::BAD_REQUEST, 400, text)
    }
}

/// Reads a silence as posted. Forms are checked before contents.
fn read(body: Option<Map<String, Value>>) -> Result<NewSilence, Refusal> {
    let mut fields = Fields { object: body.unwrap_or_default(), place: String::new() };
    let comment = fields.required("comment")?;
    let created_by = fields.required("createdBy")?;
    let (ends_at, starts_at) = (fields.time("endsAt")?, fields.time("startsAt")?);
    let posted: Vec<Map<String, Value>> = fields.required("matchers")?;
    if posted.is_empty() {
        let text = "matchers in body should have at least 1 items";
        return Err(Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, TOO_FEW, text.into()));
    }
    let mut read = Vec::with_capacity(posted.len());
    for (i, object) in posted.into_iter().enumerate() {
        read.push(PostedMatcher::read(Fields { object, place: format!("matchers.{i}.") })?);
    }
    let annotations = fields.optional::<Labels>("annotations")?.unwrap_or_default();
    let id = fields.optional::<String>("id")?.filter(|id| !id.is_empty());
    let matchers = read.into_iter().enumerate().map(|(i, m)| m.matcher(i)).collect::<Result<_, _>>()?;
    Ok(NewSilence { id, matchers, starts_at, ends_at, created_by, comment, annotations })
}

struct PostedMatcher {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: bool,
}

impl PostedMatcher {
    fn read(mut fields: Fields) -> Result<Self, Refusal> {
        Ok(PostedMatcher {
            is_regex: fields.required("isRegex")?,
            name: fields.required("name")?,
            value: fields.required("value")?,
            is_equal: fields.optional("isEqual")?.unwrap_or(true),
        })
    }

    fn matcher(self, i: usize) -> Result<Matcher, Refusal> {
        let op = match (self.is_equal, self.is_regex) {
            (true, false) => MatchOp::Equal,
            (true, true) => MatchOp::Regex,
            (false, false) => MatchOp::NotEqual,
            (false, true) => MatchOp::NotRegex,
        };
        let invalid = |why| Refusal::bad(format!("invalid silence: invalid label matcher {i} in set 0: {why}"));
        let is_name =
            if syntax() == Syntax::Classic { is_legacy_label_name(&self.name) } else { !self.name.is_empty() };
        if !is_name {
            return Err(invalid(format!("invalid label name {:?}", self.name)));
        }
        let value = self.value;
        Matcher::of_alerts(op, self.name, value.as_str())
            .map_err(|e| invalid(format!("invalid regular expression {value:?}: {e}")))
    }
}

/// `POST /api/v2/silences`
pub async fn set(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let posted = body::read(&app.posts, &headers, body, "silence").await?;
    let new = read(posted.decode()?)?;
    let id = silencing::set(&app, new).await.map_err(|refused| match refused {
        Refused::Limit(text) => Refusal::bad(text),
        Refused::Silence(e) => refusal(e),
    })?;
    Ok(answer(|j| j.object(|j| j.key("silenceID").string(&id))))
}

/// `DELETE /api/v2/silence/<id>`: one that is over already stays so.
pub async fn expire(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    check_id(&id)?;
    match silencing::expire(&app, &id).await {
        Ok(()) => Ok(StatusCode::OK.into_response()),
        Err(LiveSilenceError::Refused(SilenceError::NotFound)) => Ok(StatusCode::NOT_FOUND.into_response()),
        Err(e) => Err(refusal(e)),
    }
}

fn refusal(e: LiveSilenceError) -> Refusal {
    let code = match &e {
        LiveSilenceError::Refused(SilenceError::NotFound | SilenceError::NotFiring) => StatusCode::NOT_FOUND,
        LiveSilenceError::Refused(
            SilenceError::AlreadyExpired(_) | SilenceError::Invalid(_) | SilenceError::Over(_),
        ) => StatusCode::BAD_REQUEST,
        LiveSilenceError::Refused(SilenceError::Configured { .. }) => StatusCode::CONFLICT,
        LiveSilenceError::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal::new(code, e.to_string())
}
