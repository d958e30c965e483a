//! A query's plan, with what every operator gave, read and took.

use std::time::Duration;

use crate::model::number;
use crate::promql::{NodeStats, OutlineLine, QueryValue};

use super::answer::{Answer, When};
use super::grid::{Column, lay_out};
use super::numbers::{count, counted};
use super::screen::{Screen, printable};

/// The plan and its figures; without figures where a server evaluated it.
pub(super) fn explain(answer: &Answer, screen: &Screen) -> String {
    let outline = answer.plan.outline();
    let operators = || outline.iter().map(|line| printable(&line.text)).collect::<Vec<String>>();
    match &answer.server {
        Some(server) => {
            let text = lay_out(&[Column::words("operator", operators())], screen, &[]);
            text + "\n" + &told_by(server, answer)
        }
        None => {
            let profile = &answer.evaluated.profile;
            let of = |line: &OutlineLine| profile.get(line.id.0 as usize).copied().unwrap_or_default();
            let lines: Vec<_> = outline.iter().map(|line| (line, of(line))).collect();
            lay_out(&measured(operators(), &lines, answer), screen, &[]) + "\n" + &remarks(answer)
        }
    }
}

/// The columns of a plan that was evaluated here, a row of totals below. A cell is blank where its figure has no meaning:
/// scalars are no series, and only selectors read.
fn measured(mut operators: Vec<String>, lines: &[(&OutlineLine, NodeStats)], answer: &Answer) -> Vec<Column> {
    let ran = |s: &NodeStats| !s.time.is_zero();
    let cell = |meant: bool, n: u64| if meant { count(n) } else { String::new() };
    let read = |title: &str, figure: fn(&NodeStats) -> u64| {
        let total = lines.iter().map(|(_, s)| figure(s)).sum();
        let cells = lines.iter().map(|(line, s)| cell(line.reads && ran(s), figure(s)));
        Column::numbers(title, cells.chain([count(total)]).collect())
    };
    let out = lines.iter().map(|(line, s)| cell(line.gives_series && ran(s), s.series)).collect();
    let whole = lines.iter().map(|(_, s)| s.time).sum::<Duration>().as_secs_f64();
    let share =
        |s: &NodeStats| if ran(s) { format!("{:.0} %", s.time.as_secs_f64() / whole * 100.0) } else { String::new() };
    let times = lines.iter().map(|(_, s)| if ran(s) { millis(s.time) } else { String::new() });
    operators.push("total".into());
    vec![
        Column::words("operator", operators),
        Column::numbers("series out", out),
        read("series read", |s| s.series_read),
        read("samples read", |s| s.samples_read),
        Column::numbers("own time", times.chain([millis(answer.took.1)]).collect()),
        Column::numbers("share", lines.iter().map(|(_, s)| share(s)).collect()),
    ]
}

fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn remarks(answer: &Answer) -> String {
    format!(
        "Result: {}\nAt most {} held in memory at once; parsed and planned in {}\n",
        result(answer),
        counted(answer.evaluated.stats.peak_samples, "sample"),
        millis(answer.took.0),
    )
}

fn told_by(server: &str, answer: &Answer) -> String {
    let samples = match answer.evaluated.stats.samples {
        0 => String::new(),
        n => format!("It says that it read {}\n", counted(n, "sample")),
    };
    format!(
        "Evaluated by {server}, which does not tell what each operator cost\n{samples}Result: {}\nThe answer took {}\n",
        result(answer),
        millis(answer.took.1),
    )
}

fn result(answer: &Answer) -> String {
    let value = match &answer.evaluated.value {
        QueryValue::Scalar(v) => format!("the scalar {}", number::format_float(*v)),
        QueryValue::String(_) => "a string".into(),
        QueryValue::Vector(samples) => counted(samples.len() as u64, "series"),
        QueryValue::Matrix(series) => counted(series.len() as u64, "series"),
    };
    match answer.when {
        When::At(_) => format!("{value} {}", answer.when),
        When::Range { .. } => format!("{value} in {} {}", counted(answer.when.steps(), "step"), answer.when),
    }
}
