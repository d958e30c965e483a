//! `watchbell query`: one query, against a running server or a data directory.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::clock::{Clock, SystemClock};
use crate::datasource::{LocalQuerier, Querier, RemoteQuerier, RemoteSettings};
use crate::model::Value;
use crate::model::number::format_float_g;
use crate::promql::{CompileOptions, EvalEnv, Evaluated, Features, QueryValue, compile};
use crate::server::api::encode;
use crate::server::json::Json;
use crate::server::time::{parse_duration, parse_time};
use crate::tsdb::{Tsdb, TsdbOptions};

use super::{fail, written};

/// Query a server or a data directory.
#[derive(Args, Debug)]
pub struct Query {
    /// The query.
    expr: String,
    /// The server: Watchbell or anything that speaks Prometheus' API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9095")]
    url: String,
    /// Query the data directory of a service that does not run, instead of a server.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// The time, RFC 3339 or seconds [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    time: Option<i64>,
    /// Begin of a range, RFC 3339 or seconds.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "time", requires = "step")]
    start: Option<i64>,
    /// End of a range [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "start")]
    end: Option<i64>,
    /// Distance between a range's points.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "start")]
    step: Option<i64>,
    /// Print the result as the API's JSON.
    #[arg(long)]
    json: bool,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
}

impl Query {
    /// Runs the query and prints the result.
    pub fn execute(&self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
            Ok(runtime) => runtime,
            Err(e) => return fail(&e),
        };
        match self.evaluate(runtime.handle()) {
            Ok((evaluated, at)) => {
                for note in
                    evaluated.annotations.warnings(&self.expr).iter().chain(&evaluated.annotations.infos(&self.expr))
                {
                    eprintln!("{note}");
                }
                let text = if self.json { json(&evaluated.value, at) } else { plain(&evaluated.value, at) };
                written(std::io::stdout().write_all(text.as_bytes()).map(|()| 0))
            }
            Err(e) => fail(&e),
        }
    }

    fn evaluate(&self, handle: &tokio::runtime::Handle) -> Result<(Evaluated, i64), String> {
        let mut features = Features::default();
        for name in &self.enable_feature {
            if !features.enable(name) {
                return Err(format!("--enable-feature: unknown feature {name:?}"));
            }
        }
        let plan = compile(&self.expr, &CompileOptions { features }).map_err(|e| e.to_string())?;
        let querier: Box<dyn Querier> = match &self.data {
            Some(dir) => {
                let opened = Tsdb::open(dir.join("tsdb"), TsdbOptions { retention_ms: i64::MAX });
                Box::new(LocalQuerier::new(Arc::new(opened.map_err(|e| e.to_string())?.0)))
            }
            None => {
                let settings = RemoteSettings::new(self.url.as_str());
                Box::new(RemoteQuerier::new(settings, handle.clone()).map_err(|e| e.to_string())?)
            }
        };
        let env = EvalEnv::default();
        let now = SystemClock.now();
        match (self.start, self.step) {
            (Some(start), Some(step)) if step > 0 => {
                let end = self.end.unwrap_or(now);
                let evaluated = querier.range(&plan, start, end, step, &env).map_err(|e| e.to_string())?;
                Ok((evaluated, end))
            }
            (Some(_), _) => Err("--step must be positive".into()),
            (None, _) => {
                let at = self.time.unwrap_or(now);
                Ok((querier.instant(&plan, at, &env).map_err(|e| e.to_string())?, at))
            }
        }
    }
}

fn json(value: &QueryValue, at: i64) -> String {
    let mut json = Json::new();
    encode::query_value(&mut json, value, at);
    json.finish() + "\n"
}

/// One line a sample: `series => value @[time]`, as promtool prints.
fn plain(value: &QueryValue, at: i64) -> String {
    let time = |t: i64| {
        let mut json = Json::new();
        json.timestamp(t);
        json.finish()
    };
    let text = |value: &Value| match value {
        Value::Float(v) => format_float_g(*v),
        Value::Histogram(h) => h.to_string(),
    };
    let mut out = String::new();
    match value {
        QueryValue::Scalar(v) => out.push_str(&format!("scalar: {} @[{}]\n", format_float_g(*v), time(at))),
        QueryValue::String(s) => out.push_str(&format!("{s}\n")),
        QueryValue::Vector(samples) => {
            for s in samples {
                out.push_str(&format!("{} => {} @[{}]\n", s.labels.to_series_string(), text(&s.value), time(s.t)));
            }
        }
        QueryValue::Matrix(series) => {
            for s in series {
                out.push_str(&format!("{} =>\n", s.labels.to_series_string()));
                let floats = s.floats.iter().map(|(t, v)| (*t, Value::Float(*v)));
                let mut all: Vec<(i64, Value)> = floats.collect();
                all.extend(s.histograms.iter().map(|(t, h)| (*t, Value::Histogram(h.clone()))));
                all.sort_by_key(|(t, _)| *t);
                for (t, value) in all {
                    out.push_str(&format!("{} @[{}]\n", text(&value), time(t)));
                }
            }
        }
    }
    out
}
