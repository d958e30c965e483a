//! Carrying queries out for clients: so many at once, so long each, and none for a client that has gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::promql::{CancelToken, EvalEnv, Features, Limits};

use super::error::ApiError;

/// How queries are carried out.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// Most queries at once (`--query.max-concurrency`).
    pub concurrency: usize,
    /// Longest time a query may take, in the queue and running, milliseconds (`--query.timeout`).
    pub timeout: i64,
    /// Most samples held by one query (`--query.max-samples`).
    pub max_samples: usize,
    /// How far back instant selectors look, milliseconds (`--query.lookback-delta`).
    pub lookback: i64,
    /// Switches of the language.
    pub features: Features,
}

impl Default for QueryOptions {
    fn default() -> Self {
        QueryOptions {
            concurrency: 20,
            timeout: 120_000,
            max_samples: 50_000_000,
            lookback: 300_000,
            features: Features::default(),
        }
    }
}

/// The gate that queries pass.
pub struct Queries {
    options: QueryOptions,
    gate: Arc<Semaphore>,
    default_step: std::sync::atomic::AtomicI64,
}

/// Stops a query when whoever waits for it is gone.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Queries {
    /// A gate.
    pub fn new(options: QueryOptions) -> Self {
        let gate = Arc::new(Semaphore::new(options.concurrency.max(1)));
        Queries { options, gate, default_step: 60_000.into() }
    }

    /// The settings.
    pub fn options(&self) -> &QueryOptions {
        &self.options
    }

    /// How many queries could begin now.
    pub fn free(&self) -> usize {
        self.gate.available_permits()
    }

    /// Sets the step of subqueries that name none, milliseconds: the evaluation interval.
    pub fn set_default_step(&self, step: i64) {
        self.default_step.store(step, std::sync::atomic::Ordering::Relaxed);
    }

    /// Surroundings for an evaluation that stops with `cancel`.
    pub fn env(&self, cancel: CancelToken) -> EvalEnv {
        EvalEnv {
            lookback_ms: self.options.lookback,
            default_step_ms: self.default_step.load(std::sync::atomic::Ordering::Relaxed),
            limits: Limits { max_samples: self.options.max_samples, ..Limits::default() },
            cancel,
            ..EvalEnv::default()
        }
    }

    /// Runs `query` on a thread that may block, when there is room. `timeout` (milliseconds) shortens the usual one. If
    /// the returned future is dropped, the query stops.
    ///
    /// # Errors
    /// The query's own; or it waited or ran too long.
    pub async fn run<T: Send + 'static>(
        &self,
        timeout: Option<i64>,
        query: impl FnOnce(EvalEnv) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let longest = timeout.map_or(self.options.timeout, |t| t.min(self.options.timeout));
        let longest = Duration::from_millis(u64::try_from(longest).unwrap_or(0));
        let cancel = CancelToken::with_timeout(longest);
        let waited = tokio::time::timeout(longest, self.gate.clone().acquire_owned()).await;
        let permit = match waited {
            Ok(Ok(permit)) => permit,
            _ => return Err(ApiError::Timeout("query timed out in query queue".into())),
        };
        let guard = CancelOnDrop(cancel.clone());
        let env = self.env(cancel);
        let run = tokio::task::spawn_blocking(move || {
            // The place is free again when the work has ended, not when its client has left.
            let _permit = permit;
            query(env)
        });
        let result = run.await;
        drop(guard);
        result.unwrap_or_else(|_| Err(ApiError::Internal("the query panicked; this is a defect".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_stops_when_its_client_is_gone_and_frees_its_place() {
        let queries = Arc::new(Queries::new(QueryOptions { concurrency: 1, ..QueryOptions::default() }));
        let (started, begun) = tokio::sync::oneshot::channel();
        let running = tokio::spawn({
            let queries = queries.clone();
            async move {
                queries
                    .run(None, move |env| {
                        let _ = started.send(());
                        while env.cancel.check().is_ok() {
                            std::thread::yield_now();
                        }
                        Ok(())
                    })
                    .await
            }
        });
        begun.await.unwrap();
        assert_eq!(queries.free(), 0);
        running.abort();
        // The only place is had again: the first query has noticed.
        assert_eq!(queries.run(None, |_| Ok(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn a_query_that_finds_no_place_in_time_says_so() {
        let queries = Queries::new(QueryOptions { concurrency: 1, ..QueryOptions::default() });
        let held = queries.gate.clone().acquire_owned().await.unwrap();
        let error = queries.run(Some(1), |_| Ok(())).await.unwrap_err();
        assert_eq!(error, ApiError::Timeout("query timed out in query queue".into()));
        drop(held);
    }
}
