//! `query`, `query_range`, `query_exemplars`, `format_query`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;

use crate::datasource::QueryError;
use crate::model::{Labels, Matcher};
use crate::promql::pretty::prettify;
use crate::promql::steps::StepGrid;
use crate::promql::{CompileOptions, EvalEnv, EvalError, EvalStats, Evaluated, Plan, QueryValue, parse_and};
use crate::server::app::App;
use crate::server::asked::Asked;
use crate::server::error::ApiError;
use crate::server::json::Json;
use crate::server::queries::Work;
use crate::server::query_log::{Asker, Logged, Spent};
use crate::server::time::{MAX_TIME, MIN_TIME};
use crate::tsdb::Exemplar;

use super::Params;
use super::encode::Answer;
use super::envelope::{Notes, respond, success};

/// The most points a series of a range query may have.
const MAX_POINTS: i64 = 11_000;

/// `GET|POST /api/v1/query`
pub async fn instant(State(app): State<Arc<App>>, asker: Asker, params: Params) -> Result<Response, ApiError> {
    let at = params.time("time")?.unwrap_or_else(|| app.clock.now());
    let timeout = params.duration("timeout")?;
    let asked = compiled(&app, &params)?;
    let plan = asked.plan.clone();
    let request = Request::of(&params)?;
    let querier = app.querier.load_full();
    let work = Work { asked, cost: |asked| &asked.instant, waits: querier.waits() };
    let logged = Logged::begin(&app, asker, plan.source(), (at, at, 0));
    let answer = app
        .queries
        .run_known(work, timeout, move |env| {
            let queued = request.watch.elapsed();
            let evaluated = querier.instant(&plan, at, &request.adjust(env))?;
            let spent = Spent { queued, stats: evaluated.stats };
            Ok((request.answer(evaluated, &plan, StepGrid::instant(at)), spent))
        })
        .await;
    Ok(send(Logged::end(logged, answer)?).await)
}

/// `GET|POST /api/v1/query_range`
pub async fn range(State(app): State<Arc<App>>, asker: Asker, params: Params) -> Result<Response, ApiError> {
    let (start, end) = (params.required_time("start")?, params.required_time("end")?);
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let missing = || ApiError::parameter("step", "cannot parse \"\" to a valid duration");
    let step = params.duration("step")?.ok_or_else(missing)?;
    if step <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", why));
    }
    if (end - start) / step > MAX_POINTS {
        return Err(ApiError::BadData(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
                .into(),
        ));
    }
    let timeout = params.duration("timeout")?;
    let asked = compiled(&app, &params)?;
    let plan = asked.plan.clone();
    let request = Request::of(&params)?;
    let querier = app.querier.load_full();
    let work = Work { asked, cost: |asked| &asked.range, waits: querier.waits() };
    let logged = Logged::begin(&app, asker, plan.source(), (start, end, step));
    let answer = app
        .queries
        .run_known(work, timeout, move |env| {
            let queued = request.watch.elapsed();
            let evaluated = querier.range(&plan, start, end, step, &request.adjust(env)).map_err(|e| match e {
                // The type is the query's fault, not the evaluation's.
                QueryError::Evaluation(EvalError::Execution(text)) if text.starts_with("invalid expression type") => {
                    ApiError::parameter("query", text)
                }
                e => e.into(),
            })?;
            let spent = Spent { queued, stats: evaluated.stats };
            Ok((request.answer(evaluated, &plan, StepGrid::range(start, end, step)), spent))
        })
        .await;
    Ok(send(Logged::end(logged, answer)?).await)
}

/// `GET|POST /api/v1/query_exemplars`: the exemplars of the series that a query reads.
pub async fn exemplars(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let (start, end) = (params.time("start")?.unwrap_or(MIN_TIME), params.time("end")?.unwrap_or(MAX_TIME));
    if end < start {
        return Err(ApiError::BadData("end timestamp must not be before start timestamp".into()));
    }
    let selectors = compiled(&app, &params)?.plan.selectors();
    let sets: Vec<Vec<Matcher>> = selectors.into_iter().map(|s| s.matchers).collect();
    // A look through all of them, a hundred thousand by default.
    let storage = app.storage.clone();
    let found = tokio::task::spawn_blocking(move || storage.exemplars(&sets, start, end)).await;
    let found = found.map_err(|e| ApiError::Internal(e.to_string()))?;
    let one = |j: &mut Json, e: Exemplar| {
        j.object(|j| {
            j.key("labels").labels(&e.labels);
            j.key("value").quoted_float(e.value);
            j.key("timestamp").timestamp(e.t);
        });
    };
    let series = |j: &mut Json, (of, exemplars): (Labels, Vec<Exemplar>)| {
        j.object(|j| {
            j.key("seriesLabels").labels(&of);
            j.key("exemplars").array_of(exemplars, one);
        });
    };
    Ok(respond(success(&Notes::none(), |j| j.array_of(found, series))))
}

/// `GET|POST /api/v1/format_query`
pub async fn format(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let query = params.get("query").unwrap_or("").to_owned();
    let options = CompileOptions { features: app.queries.options().features };
    let written = app.queries.run(None, move |_| {
        let text = parse_and(&query, &options, |tree| prettify(&query, tree));
        text.map_err(|e| ApiError::parameter("query", e))
    });
    let text = written.await?;
    Ok(respond(success(&Notes::none(), |j| j.string(&text))))
}

fn compiled(app: &App, params: &Params) -> Result<Arc<Asked>, ApiError> {
    let query = params.get("query").unwrap_or("");
    if query.trim().is_empty() {
        return Err(ApiError::parameter("query", "unknown position: parse error: no expression found in input"));
    }
    app.queries.compiled(query).map_err(|e| ApiError::parameter("query", e))
}

/// Pieces of an answer that are written ahead of the one being sent.
const PIECES_AHEAD: usize = 2;

/// An answer as a response: a small one at once, a large one piece by piece as the client takes it.
async fn send(answer: Answer) -> Response {
    let n = answer.pieces();
    if n == 1 {
        return respond(answer.piece(0));
    }
    let answer = Arc::new(answer);
    let pieces = futures::stream::iter(0..n).map(move |i| {
        let answer = answer.clone();
        tokio::task::spawn_blocking(move || answer.piece(i))
    });
    let body = Body::from_stream(pieces.buffered(PIECES_AHEAD));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What a request wants beside the result.
struct Request {
    limit: usize,
    stats: bool,
    lookback: Option<i64>,
    watch: crate::clock::Stopwatch,
}

impl Request {
    fn of(params: &Params) -> Result<Request, ApiError> {
        let lookback = match params.get("lookback_delta") {
            None => None,
            Some(s) => {
                let parsed = crate::server::time::parse_duration(s);
                Some(parsed.map_err(|e| ApiError::BadData(format!("error parsing lookback delta duration: {e}")))?)
            }
        };
        Ok(Request {
            limit: params.limit()?,
            stats: params.get("stats").is_some(),
            lookback: lookback.filter(|ms| *ms > 0),
            watch: crate::clock::Stopwatch::start(),
        })
    }

    fn adjust(&self, mut env: EvalEnv) -> EvalEnv {
        env.lookback_ms = self.lookback.unwrap_or(env.lookback_ms);
        env
    }

    /// Cuts the result to the limit; true when something was cut.
    fn truncate(&self, value: &mut QueryValue) -> bool {
        let len = match value {
            QueryValue::Vector(v) => v.len(),
            QueryValue::Matrix(m) => m.len(),
            QueryValue::Scalar(_) | QueryValue::String(_) => 0,
        };
        if self.limit == 0 || len <= self.limit {
            return false;
        }
        match value {
            QueryValue::Vector(v) => v.truncate(self.limit),
            QueryValue::Matrix(m) => m.truncate(self.limit),
            QueryValue::Scalar(_) | QueryValue::String(_) => {}
        }
        true
    }

    fn answer(&self, mut evaluated: Evaluated, plan: &Plan, grid: StepGrid) -> Answer {
        let (said, source) = (&evaluated.annotations, plan.source());
        let mut notes = Notes { warnings: said.warnings(source), infos: said.infos(source) };
        if self.truncate(&mut evaluated.value) {
            notes.warnings.push("results truncated due to limit".into());
        }
        let seconds = self.watch.elapsed().as_secs_f64();
        let stats = evaluated.stats;
        Answer::new(evaluated.value, grid, &notes, grid.end, |j| {
            if self.stats {
                write_stats(j, seconds, &stats);
            }
        })
    }
}

fn write_stats(j: &mut Json, seconds: f64, stats: &EvalStats) {
    j.key("stats").object(|j| {
        j.key("timings").object(|j| {
            j.key("evalTotalTime").number(seconds);
            for phase in ["resultSortTime", "queryPreparationTime"] {
                j.key(phase).int(0);
            }
            j.key("innerEvalTime").number(seconds);
            j.key("execQueueTime").int(0);
            j.key("execTotalTime").number(seconds);
        });
        j.key("samples").object(|j| {
            let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            j.key("totalQueryableSamples").int(count(stats.samples));
            j.key("peakSamples").int(count(stats.peak_samples));
        });
    });
}
