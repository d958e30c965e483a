//! `--web.get-concurrency` and `--web.timeout`, as Alertmanager has them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::instrument::Counter;
use crate::server::app::AlertmanagerLimits;

/// GET requests that are answered at once, however few cores there are.
pub const LEAST_GETS: usize = 8;

/// How many GET requests are answered at once, and how long an answer may take.
#[derive(Clone, Debug)]
pub struct GetLimit {
    gets: Arc<Semaphore>,
    most: usize,
    timeout: Option<Duration>,
    refused: Arc<Counter>,
}

impl GetLimit {
    /// The limits of a service, counting what is `refused`; as many GET requests as there are cores, and at least [`LEAST_GETS`], when nothing is said.
    pub fn new(limits: &AlertmanagerLimits, refused: Arc<Counter>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(LEAST_GETS, |n| n.get().max(LEAST_GETS));
        let most = if limits.gets == 0 { cores() } else { limits.gets };
        let timeout = (limits.timeout > 0).then(|| Duration::from_millis(limits.timeout));
        GetLimit { gets: Arc::new(Semaphore::new(most)), most, timeout, refused }
    }
}

/// Refuses what is over the limits with 503.
pub async fn limit(State(limit): State<GetLimit>, request: Request, next: Next) -> Response {
    let permit = (request.method() == Method::GET).then(|| limit.gets.clone().try_acquire_owned());
    if let Some(Err(_)) = permit {
        limit.refused.inc();
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower_service::Service as _;

    use super::*;

    async fn ask(limits: AlertmanagerLimits, held: bool, method: Method) -> StatusCode {
        let state = GetLimit::new(&limits, Arc::default());
        let held = held.then(|| state.gets.clone().try_acquire_owned().unwrap());
        let never = || std::future::pending::<StatusCode>();
        let answered = get(|| async { StatusCode::OK }).post(|| async { StatusCode::OK });
        let router = Router::new().route("/", answered).route("/never", get(never));
        let mut router = router.layer(axum::middleware::from_fn_with_state(state, limit));
        let path = if limits.timeout > 0 { "/never" } else { "/" };
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let status = router.call(request).await.unwrap().status();
        drop(held);
        status
    }

    #[tokio::test]
    async fn more_gets_than_may_be_and_answers_that_do_not_come_are_refused() {
        let one = AlertmanagerLimits { gets: 1, ..AlertmanagerLimits::default() };
        assert_eq!(ask(one, false, Method::GET).await, StatusCode::OK);
        assert_eq!(ask(one, true, Method::GET).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(one, true, Method::POST).await, StatusCode::OK, "only GET requests are counted");
        let timed = AlertmanagerLimits { timeout: 1, ..AlertmanagerLimits::default() };
        assert_eq!(ask(timed, false, Method::GET).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
