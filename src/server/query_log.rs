//! Clients' queries in the query log: also those that end because their client goes away.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::Method;
use axum::http::request::Parts;

use crate::clock::Stopwatch;
use crate::datasource::query_log::{Asked, Origin};
use crate::instrument::spans::SpanId;
use crate::promql::EvalStats;

use super::app::App;
use super::error::ApiError;

/// The address a connection comes from; an extension of each of its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub IpAddr);

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    client: Option<IpAddr>,
    method: Method,
    path: Option<MatchedPath>,
    span: u64,
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Asker {
            client: parts.extensions.get::<ClientAddress>().map(|client| client.0),
            method: parts.method.clone(),
            // With the prefix that the server listens under; there are no parameters in the paths of queries.
            path: parts.extensions.get::<MatchedPath>().cloned(),
            span: parts.extensions.get::<SpanId>().map_or(0, |id| id.span),
        })
    }
}

/// What an answered query cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// How long it waited for its turn.
    pub queued: Duration,
    /// What was read.
    pub stats: EvalStats,
}

/// A query under way.
pub struct Logged {
    app: Arc<App>,
    asker: Asker,
    query: String,
    range: (i64, i64, i64),
    watch: Stopwatch,
    is_told: bool,
}

impl Logged {
    /// A query begins, over first step, last step, and milliseconds between them. Nothing where there is no log.
    pub fn begin(app: &Arc<App>, asker: Asker, query: &str, range: (i64, i64, i64)) -> Option<Logged> {
        let log = || Logged {
            app: app.clone(),
            asker,
            query: query.to_owned(),
            range,
            watch: Stopwatch::start(),
            is_told: false,
        };
        app.query_log.is_on().then(log)
    }

    /// It has ended so.
    pub fn end<T>(logged: Option<Logged>, outcome: Result<(T, Spent), ApiError>) -> Result<T, ApiError> {
        if let Some(mut logged) = logged {
            match &outcome {
                Ok((_, spent)) => logged.tell(None, *spent),
                Err(e) => logged.tell(Some(&e.to_string()), Spent::default()),
            }
        }
        outcome.map(|(answer, _)| answer)
    }

    fn tell(&mut self, error: Option<&str>, spent: Spent) {
        self.is_told = true;
        let client = self.asker.client.map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
        self.app.query_log.note(&Asked {
            query: &self.query,
            range: self.range,
            error,
            stats: spent.stats,
            queued: spent.queued,
            took: self.watch.elapsed().saturating_sub(spent.queued),
            span: self.asker.span,
            origin: Origin::Request {
                client_ip: &client,
                method: self.asker.method.as_str(),
                path: self.asker.path.as_ref().map_or("", MatchedPath::as_str),
            },
        });
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Some("query was canceled in expression evaluation"), Spent::default());
        }
    }
}
