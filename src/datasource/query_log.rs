//! The query log (`query_log_file`): what was asked, by whom, and what it cost. A line of JSON each, with Prometheus' fields.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::Serialize;

use crate::clock::Clock;
use crate::instrument::{Collect, Counter, Exposition, Kind, LogFile};
use crate::model::time::rfc3339_millis;
use crate::promql::EvalStats;

/// The log; nothing is noted until there is a file.
pub struct QueryLog {
    clock: Arc<dyn Clock>,
    file: ArcSwapOption<LogFile>,
    /// Lines that could not be written.
    pub failures: Arc<Counter>,
}

/// A query that was carried out, or could not be.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The query: a client's as it was written, a rule's as Prometheus prints it.
    pub query: &'a str,
    /// First step, last step, milliseconds between them (0 for one step).
    pub range: (i64, i64, i64),
    /// Why there is no answer.
    pub error: Option<&'a str>,
    /// What it cost.
    pub stats: EvalStats,
    /// How long it waited for its turn.
    pub queued: Duration,
    /// How long it was evaluated.
    pub took: Duration,
    /// The span it is a part of; 0 where there is none.
    pub span: u64,
    /// Who asked.
    pub origin: Origin<'a>,
}

/// Who asked.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Origin<'a> {
    /// A rule of this group.
    #[serde(rename = "ruleGroup")]
    Rules {
        /// The group's file.
        file: &'a str,
        /// The group's name.
        name: &'a str,
    },
    /// A request.
    #[serde(rename = "httpRequest")]
    Request {
        /// The address it came from, without the port.
        #[serde(rename = "clientIP")]
        client_ip: &'a str,
        /// `GET` or `POST`.
        method: &'a str,
        /// The path of its URL.
        path: &'a str,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'static str,
    source: &'static str,
    msg: &'static str,
    params: Params<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    stats: Stats,
    #[serde(rename = "spanID")]
    span: String,
    #[serde(flatten)]
    origin: Origin<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    end: String,
    query: &'a str,
    start: String,
    /// Whole seconds, as in Prometheus.
    step: i64,
}

#[derive(Serialize)]
struct Stats {
    timings: Timings,
    samples: Samples,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    eval_total_time: f64,
    result_sort_time: f64,
    query_preparation_time: f64,
    inner_eval_time: f64,
    exec_queue_time: f64,
    exec_total_time: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Samples {
    total_queryable_samples: u64,
    peak_samples: u64,
}

impl QueryLog {
    /// A log without a file.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        QueryLog { clock, file: ArcSwapOption::empty(), failures: Arc::default() }
    }

    /// Writes to a file from now on, or to none.
    pub fn write_to(&self, file: Option<LogFile>) {
        self.file.store(file.map(Arc::new));
    }

    /// Whether queries are noted.
    pub fn is_on(&self) -> bool {
        self.file.load().is_some()
    }

    /// Notes a query.
    pub fn note(&self, asked: &Asked<'_>) {
        if let Some(file) = &*self.file.load() {
            match serde_json::to_string(&self.line(asked)) {
                Ok(line) => file.append(line),
                Err(_) => self.failures.inc(),
            }
        }
    }

    fn line<'a>(&self, asked: &Asked<'a>) -> Line<'a> {
        let (start, end, step) = asked.range;
        let (queued, took) = (asked.queued.as_secs_f64(), asked.took.as_secs_f64());
        Line {
            time: rfc3339_millis(self.clock.now()),
            level: "INFO",
            source: concat!("query_log.rs:", line!()),
            msg: "promql query logged",
            params: Params {
                end: rfc3339_millis(end),
                query: asked.query,
                start: rfc3339_millis(start),
                step: step / 1_000,
            },
            error: asked.error,
            stats: Stats {
                timings: Timings {
                    eval_total_time: took,
                    // Done as part of the evaluation.
                    result_sort_time: 0.0,
                    query_preparation_time: 0.0,
                    inner_eval_time: took,
                    exec_queue_time: queued,
                    exec_total_time: queued + took,
                },
                samples: Samples {
                    total_queryable_samples: asked.stats.samples,
                    peak_samples: asked.stats.peak_samples,
                },
            },
            span: format!("{:016x}", asked.span),
            origin: asked.origin,
        }
    }
}

impl Collect for QueryLog {
    fn collect(&self, out: &mut Exposition) {
        let is_on = f64::from(u8::from(self.is_on()));
        out.single("watchbell_engine_query_log_enabled", Kind::Gauge, "State of the query log.", is_on);
        let (help, failures) = ("Queries that could not be logged.", self.failures.get());
        out.single("watchbell_engine_query_log_failures_total", Kind::Counter, help, failures as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VirtualClock;

    #[test]
    fn a_line_has_the_fields_of_prometheus_in_its_order() {
        let log = QueryLog::new(Arc::new(VirtualClock::at(1_700_000_060_007)));
        let origin = Origin::Request { client_ip: "::1", method: "GET", path: "/api/v1/query_range" };
        let asked = Asked {
            query: "rate(up[1m])",
            range: (1_700_000_000_000, 1_700_000_060_123, 7_500),
            error: None,
            stats: EvalStats { series: 1, samples: 3, peak_samples: 2 },
            queued: Duration::from_millis(250),
            took: Duration::from_millis(500),
            span: 0,
            origin,
        };
        let line = |asked| serde_json::to_string(&log.line(asked)).unwrap();
        insta::assert_snapshot!(line(&asked).replace(log.line(&asked).source, "SOURCE"), @r#"{"time":"2023-11-14T22:14:20.007Z","level":"INFO","source":"SOURCE","msg":"promql query logged","params":{"end":"2023-11-14T22:14:20.123Z","query":"rate(up[1m])","start":"2023-11-14T22:13:20.000Z","step":7},"stats":{"timings":{"evalTotalTime":0.5,"resultSortTime":0.0,"queryPreparationTime":0.0,"innerEvalTime":0.5,"execQueueTime":0.25,"execTotalTime":0.75},"samples":{"totalQueryableSamples":3,"peakSamples":2}},"spanID":"0000000000000000","httpRequest":{"clientIP":"::1","method":"GET","path":"/api/v1/query_range"}}"#);
        let rule = Asked { error: Some("no"), origin: Origin::Rules { file: "r.yml", name: "g" }, ..asked };
        let line = line(&rule);
        assert!(line.contains(r#""step":7},"error":"no","stats":"#), "{line}");
        assert!(line.ends_with(r#""ruleGroup":{"file":"r.yml","name":"g"}}"#), "{line}");
    }
}
