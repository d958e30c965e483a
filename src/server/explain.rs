//! `GET /watchbell/v1/explain`: why an alert was told, or was not, or never was.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::api::Params;
use super::app::App;
use super::error::ApiError;
use crate::datasource::LocalQuerier;
use crate::explain::{Asked, Explanation, Sources, explain, explain_at, explain_page, text};
use crate::history::{Page, Query};

/// Alerts that are told of, and series of each part, where nobody says how many; and the most of them.
const USUAL: usize = 10;
const MOST: usize = 100;
/// The longest that a page waits for an explanation, milliseconds.
const PATIENCE: i64 = 3_000;

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/explain", get(show))
}

/// What is asked for.
enum Question {
    /// How it is, or how it was at a time, milliseconds.
    Alert(Asked, Option<i64>),
    /// A notification.
    Page(u64),
}

impl Question {
    fn of(params: &Params, now: i64) -> Result<Question, ApiError> {
        let at = params.time("at")?;
        if let Some(page) = params.get("page") {
            let id = page.parse().map_err(|e| ApiError::parameter("page", format!("{page:?}: {e}")))?;
            let other = ["alert", "at"].into_iter().find(|name| params.get(name).is_some());
            return match other {
                Some(other) => Err(ApiError::parameter(other, "page asks for all that is about a notification")),
                None => Ok(Question::Page(id)),
            };
        }
        if at.is_some_and(|at| at > now) {
            return Err(ApiError::parameter("at", "it is not past"));
        }
        let asked = Asked::parse(params.get("alert").unwrap_or("")).map_err(|e| ApiError::parameter("alert", e))?;
        Ok(Question::Alert(asked, at))
    }
}

/// The chain of what `alert` asks for: a name, matchers, or a fingerprint; `at` is a time that is past; `page` asks for
/// a notification instead. `format=text` tells it in words.
async fn show(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let question = Question::of(&params, app.engine.now())?;
    let most = match params.limit()? {
        0 => USUAL,
        n => n.min(MOST),
    };
    let in_words = match params.get("format") {
        None | Some("json") => false,
        Some("text") => true,
        Some(other) => {
            return Err(ApiError::parameter("format", format!("expected json or text, found {other:?}")));
        }
    };
    let explained = answer(&app, question, most, params.duration("timeout")?).await?;
    if in_words {
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        return Ok((plain, text::explanation(&explained)).into_response());
    }
    let json = serde_json::to_string(&explained).map_err(|e| ApiError::Internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response())
}

/// Explains a notification, for its page.
///
/// # Errors
/// The history does not know it, or there is none.
pub(super) async fn notification(app: &App, id: u64) -> Result<Explanation, ApiError> {
    answer(app, Question::Page(id), USUAL, Some(PATIENCE)).await
}

/// Explains the alert of a fingerprint, for its page: as it is, or as it was when it is over.
///
/// # Errors
/// There was no time for it.
pub(super) async fn alert(app: &App, fingerprint: u64, at: Option<i64>) -> Result<Explanation, ApiError> {
    answer(app, Question::Alert(Asked::Fingerprint(fingerprint), at), 1, Some(PATIENCE)).await
}

async fn answer(app: &App, question: Question, most: usize, timeout: Option<i64>) -> Result<Explanation, ApiError> {
    let (view, querier, now) = (app.engine.view(), app.querier.load_full(), app.engine.now());
    let own = LocalQuerier::new(Arc::new(app.storage.clone()));
    let history = app.history.as_ref().map(|readers| readers.history.clone());
    if history.is_none() && matches!(question, Question::Page(_)) {
        return Err(ApiError::Unavailable("no history is kept here".into()));
    }
    let explained = app.queries.run(timeout, move |env| {
        let ask = history.map(|history| move |query: &Query| history.query(query));
        let past = ask.as_ref().map(|ask| ask as &dyn Fn(&Query) -> Page);
        let sources = Sources { view: &view, querier: &**querier, own: &own, env: &env, now, most, past };
        match question {
            Question::Alert(asked, None) => Ok(explain(&asked, &sources)),
            Question::Alert(asked, Some(at)) => Ok(explain_at(&asked, &sources, at)),
            Question::Page(id) => explain_page(id, &sources).ok_or_else(|| {
                ApiError::NotFound(format!("the history knows no notification {id}: it is older, or was never decided"))
            }),
        }
    });
    explained.await
}
