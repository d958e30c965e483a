//! Carrying queries out for clients: so many at once, so long each, and none for a client that has gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Stopwatch;
use crate::instrument::{Collect, Exposition, Summary, SummaryVec};
use crate::promql::{CancelToken, CompileOptions, EvalEnv, Features, Helpers, Limits, PromqlError};

use super::asked::{Asked, AskedQueries, Cost};
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
    asked: AskedQueries,
    /// How long queries took, by what they did meanwhile.
    durations: SummaryVec,
    waited: Arc<Summary>,
    evaluated: Arc<Summary>,
    helpers: Arc<Helpers>,
}

/// Work that was short before and is not now is stopped after this, and begun again on a thread that may block.
const NO_LONGER_SHORT: Duration = Duration::from_millis(2);

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
        let help = "Query timings.";
        let durations = SummaryVec::new("watchbell_engine_query_duration_seconds", help, &["slice"]);
        // What Prometheus tells apart is done as part of the evaluation.
        ["prepare_time", "result_sort"].iter().for_each(|slice| drop(durations.with(&[slice])));
        Queries {
            options,
            gate,
            waited: durations.with(&["queue_time"]),
            evaluated: durations.with(&["inner_eval"]),
            durations,
            default_step: 60_000.into(),
            asked: AskedQueries::default(),
            helpers: Arc::new(Helpers::of_this_machine()),
        }
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

    /// RuleContext for an evaluation that stops with `cancel`.
    pub fn env(&self, cancel: CancelToken) -> EvalEnv {
        EvalEnv {
            lookback_ms: self.options.lookback,
            default_step_ms: self.default_step.load(std::sync::atomic::Ordering::Relaxed),
            limits: Limits { max_samples: self.options.max_samples, ..Limits::default() },
            cancel,
            helpers: Some(self.helpers.clone()),
            ..EvalEnv::default()
        }
    }

    /// A query's plan, compiled now or lately, and what it cost.
    ///
    /// # Errors
    /// It does not compile.
    pub fn compiled(&self, query: &str) -> Result<Arc<Asked>, PromqlError> {
        self.asked.compiled(query, &CompileOptions { features: self.options.features })
    }

    /// As [`Queries::run`], for work that is done again and again: when it was short the last time, and waits for nothing,
    /// it is done at once on the thread that has read the request. Handing it to another thread and back can take longer
    /// than the work.
    ///
    /// # Errors
    /// As [`Queries::run`].
    pub async fn run_known<T: Send + 'static>(
        &self,
        work: Work,
        timeout: Option<i64>,
        query: impl Fn(EvalEnv) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if work.may_stay()
            && timeout.is_none_or(|ms| u128::try_from(ms).is_ok_and(|ms| ms > NO_LONGER_SHORT.as_millis()))
            && let Ok(_place) = self.gate.try_acquire()
        {
            let stop = CancelToken::with_timeout(NO_LONGER_SHORT);
            let watch = Stopwatch::start();
            let done = work.timed(|| query(self.env(stop.clone())));
            if stop.check().is_ok() || done.is_ok() {
                self.waited.observe(0.0);
                self.evaluated.observe(watch.elapsed().as_secs_f64());
                return done;
            }
        }
        let (asked, waited, evaluated) = (Stopwatch::start(), self.waited.clone(), self.evaluated.clone());
        let timed = move |env| {
            waited.observe(asked.elapsed().as_secs_f64());
            let watch = Stopwatch::start();
            let done = work.timed(|| query(env));
            evaluated.observe(watch.elapsed().as_secs_f64());
            done
        };
        self.run(timeout, timed).await
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
        result.unwrap_or_else(|_| Err(panicked()))
    }
}

impl Collect for Queries {
    fn collect(&self, out: &mut Exposition) {
        self.durations.expose(out);
    }
}

/// Work that is done again and again.
pub struct Work {
    /// The query.
    pub asked: Arc<Asked>,
    /// Which of its costs this is.
    pub cost: fn(&Asked) -> &Cost,
    /// Whether it waits for something, such as a remote datasource.
    pub waits: bool,
}

impl Work {
    fn may_stay(&self) -> bool {
        !self.waits && (self.cost)(&self.asked).is_short()
    }

    /// Does the work and notes what it cost.
    fn timed<T>(&self, work: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
        let watch = Stopwatch::start();
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()));
        (self.cost)(&self.asked).note(watch.elapsed());
        done
    }
}

fn panicked() -> ApiError {
    ApiError::Internal("the query panicked; this is a defect".into())
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

    fn work(asked: &Arc<Asked>, waits: bool) -> Work {
        Work { asked: asked.clone(), cost: |a| &a.instant, waits }
    }

    #[tokio::test]
    async fn short_work_stays_on_its_thread_until_it_is_not_short() {
        let queries = Queries::new(QueryOptions::default());
        let asked = queries.compiled("up").unwrap();
        let here = std::thread::current().id();
        let elsewhere = |slow: bool, waits: bool| {
            let run = queries.run_known(work(&asked, waits), None, move |env| {
                while slow && std::thread::current().id() == here {
                    env.cancel.check()?;
                }
                Ok(std::thread::current().id() != here)
            });
            async { run.await.unwrap() }
        };
        // Nothing is known at first.
        assert!(elsewhere(false, false).await);
        asked.instant.note(Duration::from_micros(9));
        assert!(!elsewhere(false, false).await);
        // What waits would hold up others.
        asked.instant.note(Duration::from_micros(9));
        assert!(elsewhere(false, true).await);
        // It gets slow: it is begun again elsewhere and stays there.
        asked.instant.note(Duration::from_micros(9));
        assert!(elsewhere(true, false).await);
        asked.instant.note(Duration::from_secs(1));
        assert!(elsewhere(false, false).await);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_wherever_it_happens() {
        let queries = Queries::new(QueryOptions::default());
        let asked = queries.compiled("up").unwrap();
        for short in [false, true] {
            asked.instant.note(if short { Duration::from_micros(9) } else { Duration::from_secs(1) });
            let outcome = queries.run_known(work(&asked, false), None, |_| -> Result<(), _> { panic!("x") }).await;
            assert_eq!(outcome, Err(panicked()));
            assert_eq!(queries.free(), queries.options().concurrency);
        }
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
