//! `watchbell query`: one query, against a running server, a data directory or an exposition file.

mod answer;
mod csv;
mod explain;
mod exposition;
mod grid;
mod numbers;
mod plain;
mod plot;
mod screen;
pub(in crate::cli) mod source;
mod summary;
mod table;

use std::cmp::Ordering;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgGroup, Args, ValueEnum};

use crate::clock::Stopwatch;
use crate::datasource::QueryError;
use crate::model::time::rfc3339;
use crate::model::{Labels, number};
use crate::promql::plan::NodeKind;
use crate::promql::{CompileOptions, EvalEnv, Features, Helpers, Plan, PromqlError, QueryValue, compile};
use crate::server::api::encode;
use crate::server::json::Json;
use crate::server::time::{parse_duration, parse_time};

use super::exit::{fail, written};
use answer::{Answer, When};
use screen::Screen;
use source::{Source, SourceArgs};

pub(in crate::cli) use source::open_data;

/// Query a server, a data directory or an exposition file.
///
/// At one time, or over a range with --last or --start. A table is made for people and may change; for programs there are
/// csv, json and promql.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("range").args(["start", "last"]))]
pub struct Query {
    /// The query.
    expr: String,
    #[command(flatten)]
    source: SourceArgs,
    /// The time, RFC 3339 or seconds [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true, conflicts_with = "range")]
    time: Option<i64>,
    /// A range: so long, up to --end.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    last: Option<i64>,
    /// A range: from this time, RFC 3339 or seconds, up to --end.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    start: Option<i64>,
    /// End of a range [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true, requires = "range")]
    end: Option<i64>,
    /// Distance between a range's points [default: a round one that gives at most 250].
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "range")]
    step: Option<i64>,
    /// How to print the result.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    format: Format,
    /// Short for --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print not the result but the plan: what every operator gave and read, and how long it took.
    #[arg(long, conflicts_with_all = ["format", "json"])]
    explain: bool,
    /// Columns of a table or plot [default: those of the terminal; elsewhere 80 for plots and no limit for tables].
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    /// Rows of a plot [default: 16, or what the terminal has room for].
    #[arg(long, value_name = "N")]
    height: Option<usize>,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
}

/// How to print results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A row a series; of a range its figures and its course.
    Table,
    /// A drawing of a range; without one, of the last hour.
    Plot,
    /// A row a sample: labels, timestamp (RFC 3339), value.
    Csv,
    /// The API's JSON.
    Json,
    /// A line a sample, as promtool prints.
    #[value(alias = "promtool")]
    Promql,
}

/// The range of a plot for which none is given.
const PLOT_RANGE: i64 = 3_600_000;
/// Points of a range whose step is not given.
const POINTS: i64 = 250;

impl Query {
    /// Runs the query and prints the result.
    pub fn execute(&self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
            Ok(runtime) => runtime,
            Err(e) => return fail(&e),
        };
        let answer = match self.evaluate(runtime.handle()) {
            Ok(answer) => answer,
            Err(e) => return fail(&e),
        };
        let annotations = &answer.evaluated.annotations;
        for note in annotations.warnings(&self.expr).iter().chain(&annotations.infos(&self.expr)) {
            eprintln!("{note}");
        }
        match self.text(answer) {
            Ok(text) => written(std::io::stdout().write_all(text.as_bytes()).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    fn evaluate(&self, handle: &tokio::runtime::Handle) -> Result<Answer, String> {
        let mut features = Features::default();
        for note in features.enable_all(self.enable_feature.iter().map(String::as_str)) {
            eprintln!("{note}");
        }
        let watch = Stopwatch::start();
        let plan = compile(&self.expr, &CompileOptions { features }).map_err(|e| pointed_out(&e, &self.expr))?;
        let compiled = watch.elapsed();
        let source = Source::open(&self.source, &features, self.explain, handle)?;
        let when = self.when(source.now())?;
        let server = source.server();
        let querier = source.querier(when.bounds().1);
        let helpers = Some(Arc::new(Helpers::of_this_machine()));
        let env = EvalEnv { profile: self.explain, helpers, ..EvalEnv::default() };
        let watch = Stopwatch::start();
        let evaluated = match when {
            When::At(t) => querier.instant(&plan, t, &env),
            When::Range { start, end, step } => querier.range(&plan, start, end, step, &env),
        };
        let took = (compiled, watch.elapsed());
        let evaluated = evaluated.map_err(|e| match e {
            QueryError::Transport(_) if self.source.is_default() => {
                format!("{e}\n(--url, --data and --file name other sources)")
            }
            e => e.to_string(),
        })?;
        Ok(Answer { plan, when, evaluated, server, took })
    }

    /// The time or times that the arguments name.
    fn when(&self, now: i64) -> Result<When, String> {
        // A range need not begin and end within a second.
        let end = self.end.unwrap_or_else(|| now.div_euclid(1_000) * 1_000);
        let start = match (self.start, self.last) {
            (Some(start), _) => start,
            (None, Some(last)) if last <= 0 => return Err("--last must be positive".into()),
            (None, Some(last)) => end.saturating_sub(last),
            (None, None) => {
                let at = self.time.unwrap_or(now);
                if self.format() != Format::Plot || self.explain {
                    return Ok(When::At(at));
                }
                let end = self.time.unwrap_or(end);
                let start = end.saturating_sub(PLOT_RANGE);
                return Ok(When::Range { start, end, step: default_step(start, end) });
            }
        };
        if end < start {
            return Err(format!("the end of the range, {}, lies before its start, {}", rfc3339(end), rfc3339(start)));
        }
        match self.step.unwrap_or_else(|| default_step(start, end)) {
            // The last step of what was last is now.
            step if step > 0 && self.start.is_none() => {
                Ok(When::Range { start: end.saturating_sub(end.saturating_sub(start) / step * step), end, step })
            }
            step if step > 0 => Ok(When::Range { start, end, step }),
            _ => Err("--step must be positive".into()),
        }
    }

    fn text(&self, mut answer: Answer) -> Result<String, String> {
        let screen = Screen::new(self.width, self.height);
        if self.explain {
            return Ok(explain::explain(&answer, &screen));
        }
        if matches!(self.format(), Format::Table | Format::Csv) {
            order(&answer.plan, &mut answer.evaluated.value);
        }
        let (value, when) = (&answer.evaluated.value, answer.when);
        Ok(match self.format() {
            Format::Table => table::table(value, when, &screen),
            Format::Plot => plot::plot(value, when, &screen)?,
            Format::Csv => csv::csv(value, when.bounds().1),
            Format::Json => json(value, when.bounds().1),
            Format::Promql => plain::promql(value, when.bounds().1),
        })
    }
}

/// The least round step that gives no more than so many points; whole days where none of those does.
fn default_step(start: i64, end: i64) -> i64 {
    const SECONDS: [i64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600];
    const DAY: i64 = 86_400_000;
    let least = end.saturating_sub(start) / POINTS;
    let round = SECONDS.iter().map(|s| s * 1_000).find(|step| *step >= least);
    round.unwrap_or_else(|| (least / DAY).saturating_add(1).saturating_mul(DAY))
}

/// Sorts an instant vector by its labels, unless the query gives it an order.
fn order(plan: &Plan, value: &mut QueryValue) {
    use crate::promql::ast::AggregateOp::{Bottomk, Topk};
    let mut root = plan.node(plan.root());
    while let NodeKind::MergeDropped(inner) = &root.kind {
        root = plan.node(*inner);
    }
    let ordered = matches!(
        root.kind,
        NodeKind::Sort { .. } | NodeKind::SortByLabel { .. } | NodeKind::Aggregate { op: Topk | Bottomk, .. }
    );
    match value {
        QueryValue::Vector(samples) if !ordered => samples.sort_by(|a, b| by_value(&a.labels, &b.labels)),
        _ => {}
    }
}

/// The order of label sets in which numbers, such as those of `le`, ascend, before what is no number.
fn by_value(a: &Labels, b: &Labels) -> Ordering {
    let key = |v: &str| number::parse_float(v).map_or((true, f64::NAN), |v| (false, v));
    let compare = |(x, y): ((&str, &str), (&str, &str))| {
        let ((x_word, x_number), (y_word, y_number)) = (key(x.1), key(y.1));
        let numbers = x_word.cmp(&y_word).then(x_number.total_cmp(&y_number));
        x.0.cmp(y.0).then(numbers).then(x.1.cmp(y.1))
    };
    a.iter().zip(b.iter()).map(compare).find(|o| o.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn json(value: &QueryValue, at: i64) -> String {
    let mut json = Json::new();
    encode::query_value(&mut json, value, at);
    json.finish() + "\n"
}

/// The error, and below it the line of the query with its place pointed out.
fn pointed_out(error: &PromqlError, source: &str) -> String {
    let before = source.get(..error.span.range().start).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = source.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or("");
    let lead = screen::printable(before.get(line_start..).unwrap_or(""));
    format!("{error}\n    {}\n    {}^", screen::printable(line), " ".repeat(screen::width(&lead)))
}

#[cfg(test)]
mod tests;
