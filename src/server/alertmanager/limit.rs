//! `--web.get-concurrency` and `--web.timeout`, as Alertmanager has them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::server::app::AlertmanagerLimits;

/// How many GET requests are answered at once, and how long an answer may take.
#[derive(Clone, Debug)]
pub struct GetLimit {
    gets: Arc<Semaphore>,
    most: usize,
    timeout: Option<Duration>,
}

impl GetLimit {
    /// The limits of a service; as many GET requests as there are cores, and at least 8, when nothing is said.
    pub fn new(limits: &AlertmanagerLimits) -> Self {
        let cores = || std::thread::available_parallelism().map_or(8, |n| n.get().max(8));
        let most = if limits.gets == 0 { cores() } else { limits.gets };
        let timeout = (limits.timeout > 0).then(|| Duration::from_millis(limits.timeout));
        GetLimit { gets: Arc::new(Semaphore::new(most)), most, timeout }
    }
}

/// Refuses what is over the limits with 503.
pub async fn limit(State(limit): State<GetLimit>, request: Request, next: Next) -> Response {
    let permit = (request.method() == Method::GET).then(|| limit.gets.clone().try_acquire_owned());
    if let Some(Err(_)) = permit {
        let text = format!("Limit of concurrent GET requests reached ({}), try again later.\n", limit.most);
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let answer = next.run(request);
    let Some(timeout) = limit.timeout else { return answer.await };
    tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
        let text = format!("Exceeded configured timeout of {timeout:?}.\n");
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    })
}
