//! `GET /watchbell/v1/history`: the decisions that were recorded, as JSON, as lines of JSON, or as they come.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};

use super::api::Params;
use super::app::App;
use super::error::ApiError;
use super::history_readers::{FOLLOWERS, HistoryReaders};
use super::json::Json;
use crate::history::{MOST_RESULTS, News, Order, Page, Query, Recorded};
use crate::model::labels::parse_fingerprint;
use crate::promql::Features;

/// Decisions in an answer where nothing says how many.
const USUAL: usize = 100;
/// After how long a client hears that the connection stands, though there is nothing to tell.
const SILENCE: Duration = Duration::from_secs(15);
/// Says in answers of lines where to go on.
const NEXT: &str = "x-watchbell-next-cursor";

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/history", get(answer))
}

/// How an answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Lines,
    Events,
}

impl Form {
    fn of(params: &Params, headers: &HeaderMap) -> Result<Form, ApiError> {
        match params.get("format") {
            Some("json") => return Ok(Form::Json),
            Some("ndjson") => return Ok(Form::Lines),
            Some("sse") => return Ok(Form::Events),
            Some(other) => {
                let why = format!("expected json, ndjson or sse, found {other:?}");
                return Err(ApiError::parameter("format", why));
            }
            None => {}
        }
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Ok(match accept {
            _ if accept.contains("application/x-ndjson") => Form::Lines,
            _ if accept.contains("text/event-stream") => Form::Events,
            _ => Form::Json,
        })
    }
}

/// What is asked.
fn query(params: &Params) -> Result<Query, ApiError> {
    let number = |name: &str| {
        let read = |text: &str| text.parse::<u64>().map_err(|e| ApiError::parameter(name, format!("{text:?}: {e}")));
        params.get(name).map(read).transpose()
    };
    let fingerprint = |text: &str| {
        let why = format!("expected 16 hexadecimal digits, found {text:?}");
        parse_fingerprint(text).ok_or_else(|| ApiError::parameter("fingerprint", why))
    };
    let limit = match params.limit()? {
        0 => USUAL,
        limit if limit > MOST_RESULTS => {
            return Err(ApiError::parameter("limit", format!("expected at most {MOST_RESULTS}, found {limit}")));
        }
        limit => limit,
    };
    let order = match params.get("order") {
        None | Some("newest") => Order::Newest,
        Some("oldest") => Order::Oldest,
        Some(other) => {
            return Err(ApiError::parameter("order", format!("expected newest or oldest, found {other:?}")));
        }
    };
    let kinds = params.all("kind").map(|kind| kind.parse().map_err(|e| ApiError::parameter("kind", e)));
    let (from, to) = (params.time("from")?, params.time("to")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(ApiError::parameter("to", "it is before from"));
    }
    Ok(Query {
        selectors: params.matchers(&Features::default())?,
        fingerprint: params.get("fingerprint").map(fingerprint).transpose()?,
        receiver: params.get("receiver").map(str::to_owned),
        // Each once: a set of terms is made of each.
        kinds: kinds.collect::<Result<BTreeSet<_>, _>>()?.into_iter().collect(),
        group_key: params.get("group").map(str::to_owned),
        notification: number("notification")?,
        from,
        to,
        order,
        cursor: number("cursor")?,
        limit,
    })
}

async fn answer(State(app): State<Arc<App>>, headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    let Some(readers) = app.history.clone() else {
        return Err(ApiError::Unavailable("no history is kept here".into()));
    };
    let (form, query) = (Form::of(&params, &headers)?, query(&params)?);
    match form {
        Form::Events => follow(readers, query, &headers),
        Form::Lines => {
            let page = readers.ask(query).await?;
            let mut response = lines(&page).into_response();
            let kind = header::HeaderValue::from_static("application/x-ndjson");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            if let Some(next) = page.next {
                response.headers_mut().insert(NEXT, next.into());
            }
            Ok(response)
        }
        Form::Json => {
            let page = readers.ask(query).await?;
            let mut json = Json::new();
            json.object(|j| {
                j.key("decisions").array_of(&page.decisions, |j, recorded| j.raw(&recorded.to_line()));
                match page.next {
                    Some(next) => j.key("next").raw(&next.to_string()),
                    None => j.key("next").null(),
                }
                j.key("damage").strings(&page.damage);
            });
            Ok(([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response())
        }
    }
}

fn lines(page: &Page) -> String {
    page.decisions.iter().map(|recorded| recorded.to_line() + "\n").collect()
}

/// What is recorded from now on, or from a cursor on, as server-sent events.
fn follow(readers: Arc<HistoryReaders>, query: Query, headers: &HeaderMap) -> Result<Response, ApiError> {
    let full = |_| ApiError::Unavailable(format!("{FOLLOWERS} clients follow the history already"));
    let place = readers.follow().map_err(full)?;
    // A browser that connects again says what it has seen.
    let seen = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|id| id.parse().ok());
    let cursor = seen.or(query.cursor).unwrap_or_else(|| readers.history.last());
    let query = Query { order: Order::Oldest, limit: MOST_RESULTS / 10, ..query };
    // Whoever follows from now on misses nothing of what is recorded while older decisions are read.
    let (news, ready) = (readers.history.follow(), VecDeque::new());
    let follower = Follower { readers, query, cursor, news, is_behind: true, ready, _place: place };
    let events = futures::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(event)), follower))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// A client, and how far it has been told.
struct Follower {
    readers: Arc<HistoryReaders>,
    query: Query,
    /// The last decision that was looked at for it.
    cursor: u64,
    news: broadcast::Receiver<News>,
    /// Whether there are decisions that only the files have.
    is_behind: bool,
    ready: VecDeque<String>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event; nothing when the service ends.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_behind {
                self.catch_up().await?;
                continue;
            }
            match tokio::time::timeout(SILENCE, self.news.recv()).await {
                Ok(Ok(news)) => self.take_in(&news),
                Ok(Err(RecvError::Lagged(_))) => self.is_behind = true,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(":\n\n".to_owned()),
            }
        }
    }

    fn take_in(&mut self, news: &News) {
        for recorded in news.iter().filter(|recorded| recorded.seq > self.cursor) {
            if self.query.matches(&recorded.decision) {
                self.ready.push_back(event(recorded));
            }
        }
        self.cursor = news.last().map_or(self.cursor, |last| last.seq.max(self.cursor));
    }

    /// Reads what was recorded before; nothing when the service ends.
    async fn catch_up(&mut self) -> Option<()> {
        let last = self.readers.history.last();
        if self.cursor >= last {
            self.is_behind = false;
            return Some(());
        }
        let page = self.readers.ask(Query { cursor: Some(self.cursor), ..self.query.clone() }).await.ok()?;
        // More may have been recorded while the answer was waited for.
        let told = page.decisions.last().map_or(last, |recorded| recorded.seq.max(last));
        self.cursor = page.next.unwrap_or(told);
        self.ready = page.decisions.iter().map(event).collect();
        Some(())
    }
}

fn event(recorded: &Recorded) -> String {
    format!("id: {}\ndata: {}\n\n", recorded.seq, recorded.to_line())
}
