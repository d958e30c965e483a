//! Results as tables: a row a series.

use crate::model::number::format_float;
use crate::model::time::rfc3339;
use crate::model::{Labels, Value};
use crate::plot::short;
use crate::promql::{QueryValue, RangeSeries, VectorSample};

use super::answer::When;
use super::grid::{Column, Differences, NARROWEST, lay_out, total_width};
use super::numbers::{at_the_point, counted};
use super::screen::{Screen, printable};
use super::summary::{Summary, points, trend};

/// Columns of a trend that has all the room it wants, and of one that has little.
const TREND: (usize, usize) = (40, 10);

/// The result as a table.
pub(super) fn table(value: &QueryValue, when: When, screen: &Screen) -> String {
    match (value, when) {
        (QueryValue::Scalar(v), _) => format!("{}\n", format_float(*v)),
        (QueryValue::String(s), _) => format!("{s}\n"),
        (QueryValue::Vector(samples), _) => vector(samples, when, screen),
        (QueryValue::Matrix(series), When::At(_)) => raw(series, when, screen),
        (QueryValue::Matrix(series), When::Range { .. }) => summaries(series, when, screen),
    }
}

/// What a range's result is about: how many series, when, and what they have in common.
pub(super) fn heading(differences: &Differences<'_>, series: usize, when: When) -> String {
    let number = match series {
        0 => "no series".into(),
        n => counted(n as u64, "series"),
    };
    format!("{number} {when}\n{}", differences.line())
}

fn vector(samples: &[VectorSample], when: When, screen: &Screen) -> String {
    let labels: Vec<&Labels> = samples.iter().map(|s| &s.labels).collect();
    let differences = Differences::of(&labels);
    if samples.is_empty() {
        return heading(&differences, 0, when);
    }
    if let [one] = samples {
        let value = match &one.value {
            Value::Float(v) => format_float(*v),
            Value::Histogram(h) => h.to_string(),
        };
        let series = printable(&one.labels.to_series_string());
        return format!("{} {when}\n{series}  {value}\n", counted(1, "series"));
    }
    let mut columns = differences.columns(&labels);
    columns.push(values(samples.iter().map(|s| s.value.clone())));
    heading(&differences, samples.len(), when) + "\n" + &lay_out(&columns, screen, &[])
}

/// A column of values: numbers aligned at their points, histograms as text.
fn values(values: impl Iterator<Item = Value>) -> Column {
    let values: Vec<Value> = values.collect();
    let float = |v: &Value| match v {
        Value::Float(v) => Some(format_float(*v)),
        Value::Histogram(_) => None,
    };
    let floats: Vec<String> = values.iter().filter_map(float).collect();
    let mut aligned = at_the_point(&floats).into_iter();
    let all_floats = floats.len() == values.len();
    let text = |v: &Value| match v {
        Value::Float(_) => aligned.next().unwrap_or_default(),
        Value::Histogram(h) => h.to_string(),
    };
    let cells = values.iter().map(text).collect();
    if all_floats { Column::numbers("value", cells) } else { Column::words("value", cells) }
}

/// The samples of a range selector, as they are stored: a row a sample.
fn raw(series: &[RangeSeries], when: When, screen: &Screen) -> String {
    let labels: Vec<&Labels> = series.iter().map(|s| &s.labels).collect();
    let differences = Differences::of(&labels);
    let (mut of, mut times, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for s in series {
        for (t, value) in in_time(s) {
            of.push(&s.labels);
            times.push(rfc3339(t));
            all.push(value);
        }
    }
    let head = heading(&differences, series.len(), when);
    if all.is_empty() {
        return head;
    }
    let mut columns = differences.columns(&of);
    columns.push(Column { shrinks: false, ..Column::words("time", times) });
    columns.push(values(all.into_iter()));
    head + "\n" + &lay_out(&columns, screen, &[])
}

/// The samples of a series, floats and histograms together, ascending in time.
pub(super) fn in_time(series: &RangeSeries) -> Vec<(i64, Value)> {
    let floats = series.floats.iter().map(|(t, v)| (*t, Value::Float(*v)));
    let mut all: Vec<(i64, Value)> = floats.collect();
    all.extend(series.histograms.iter().map(|(t, h)| (*t, Value::Histogram(h.clone()))));
    all.sort_by_key(|(t, _)| *t);
    all
}

fn summaries(series: &[RangeSeries], when: When, screen: &Screen) -> String {
    let labels: Vec<&Labels> = series.iter().map(|s| &s.labels).collect();
    let differences = Differences::of(&labels);
    let head = heading(&differences, series.len(), when);
    if series.is_empty() {
        return head;
    }
    let mut columns = differences.columns(&labels);
    let labelled = columns.len();
    columns.extend(summary_columns(series, when));
    let taken = total_width(&columns);
    let room = screen.table_width.map_or(TREND.0, |w| w.saturating_sub(taken + 2).min(TREND.0));
    // Where labels are long they are cut before there is no trend; where the figures are, it has to go.
    let figures = total_width(columns.get(labelled..).unwrap_or_default());
    let fits = screen.table_width.is_none_or(|w| w >= figures + labelled * (NARROWEST + 2) + 2 + TREND.1);
    if room >= TREND.1 || fits {
        let trends = series.iter().map(|s| trend(&points(s), when, room.max(TREND.1))).collect();
        columns.push(Column { shrinks: false, ..Column::words("trend", trends) });
    }
    head + "\n" + &lay_out(&columns, screen, &[]) + &histogram_note(series)
}

/// The figures that sum series up; how many points they have only where some are missing.
pub(super) fn summary_columns(series: &[RangeSeries], when: When) -> Vec<Column> {
    let all: Vec<Summary> = series.iter().map(|s| Summary::of(&points(s))).collect();
    let column = |title: &str, figure: fn(&Summary) -> f64| {
        Column::numbers(title, all.iter().map(|s| short(figure(s))).collect())
    };
    let mut columns =
        vec![column("min", |s| s.min), column("avg", |s| s.avg), column("max", |s| s.max), column("last", |s| s.last)];
    let steps = when.steps();
    if all.iter().any(|s| (s.points as u64) < steps) {
        let cells = all.iter().map(|s| format!("{}/{steps}", s.points)).collect();
        columns.push(Column::numbers("points", cells));
    }
    columns
}

/// Says what the figures of histograms are, where there are any.
pub(super) fn histogram_note(series: &[RangeSeries]) -> String {
    match series.iter().any(|s| !s.histograms.is_empty()) {
        true => "(of histograms: the count of observations)\n".into(),
        false => String::new(),
    }
}
