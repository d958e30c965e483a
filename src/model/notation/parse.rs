//! From text to series.

use std::sync::Arc;

use super::cursor::Cursor;
use super::histogram::histogram;
use super::{Content, NotationError, Run, Series, StartRun, StartTimes, Step, Values, stale};
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name};
use crate::model::{FloatHistogram, Labels, LabelsBuilder, METRIC_NAME, STALE_NAN, duration};

type Parsed<T> = Result<T, NotationError>;

/// Reads `name{label="value"} samples` or `name{..}@st offsets`.
///
/// # Errors
/// The column, what was found there and what was expected.
pub fn parse_series(text: &str) -> Parsed<Series> {
    let mut c = Cursor::line(text);
    let labels = metric(&mut c)?;
    if c.eat("@st") {
        c.spaces();
        return Ok(Series { labels, content: Content::StartTimestamps(start_times(&mut c)?) });
    }
    if !c.spaces() && !c.at_end() {
        return c.expected("a space after the series");
    }
    Ok(Series { labels, content: Content::Samples(values(&mut c)?) })
}

/// Reads samples alone, as in the `values` of a rule test.
///
/// # Errors
/// As [`parse_series`].
pub fn parse_values(text: &str) -> Parsed<Values> {
    values(&mut Cursor::line(text))
}

/// Reads a series' labels alone: `name{label="value"}`, `{"odd name", "odd label"="value"}`.
///
/// # Errors
/// As [`parse_series`].
pub fn parse_metric(text: &str) -> Parsed<Labels> {
    let mut c = Cursor::text(text);
    let labels = metric(&mut c)?;
    c.spaces();
    if c.at_end() { Ok(labels) } else { c.expected("the end of the series") }
}

/// Reads one histogram: `{{sum:3 count:2 buckets:[1 1]}}`.
///
/// # Errors
/// As [`parse_series`].
pub fn parse_histogram(text: &str) -> Parsed<FloatHistogram> {
    let mut c = Cursor::line(text);
    let h = histogram(&mut c)?;
    if c.at_end() { Ok(h) } else { c.expected("the end of the histogram") }
}

/// Words that no series has for a name unless they are quoted, in any case.
const NO_NAMES: [&str; 8] = ["inf", "nan", "bool", "on", "ignoring", "group_left", "group_right", "atan2"];

fn metric(c: &mut Cursor<'_>) -> Parsed<Labels> {
    let mut labels = LabelsBuilder::new();
    let before = c.rest();
    let name = c.take_while(|ch| ch.is_ascii_alphanumeric() || ch == '_' || ch == ':');
    if !name.is_empty() {
        if !is_legacy_metric_name(name) {
            return c.fail(format!("{name:?} is not a metric name"));
        }
        if NO_NAMES.iter().any(|word| word.eq_ignore_ascii_case(name)) {
            return c.back_to(before).fail(format!("{name:?} is a metric name only in quotes: {{{name:?}}}"));
        }
        labels.set(METRIC_NAME, name);
    }
    // In a line the samples begin after a blank.
    if c.spans_lines() {
        c.spaces();
    }
    if c.rest().starts_with('{') && (name.is_empty() || !c.rest().starts_with("{{")) {
        c.need("{")?;
        label_list(c, &mut labels, !name.is_empty())?;
        // The name in front counts, whatever the labels say.
        if !name.is_empty() {
            labels.set(METRIC_NAME, name);
        }
    } else if name.is_empty() {
        return c.expected("a metric name or \"{\"");
    }
    Ok(labels.build())
}

fn label_list(c: &mut Cursor<'_>, labels: &mut LabelsBuilder, mut named: bool) -> Parsed<()> {
    loop {
        c.spaces();
        if c.eat("}") {
            return Ok(());
        }
        let quoted = c.peek().is_some_and(|ch| matches!(ch, '"' | '\'' | '`'));
        let name = if quoted {
            c.quoted()?
        } else {
            c.take_while(|ch| ch.is_ascii_alphanumeric() || ch == '_' || ch == ':').to_owned()
        };
        if name.is_empty() || !(quoted || is_legacy_label_name(&name)) {
            return c.expected("a label name or \"}\"");
        }
        c.spaces();
        if c.eat("=") {
            c.spaces();
            let value = c.quoted()?;
            labels.set(name, value);
        } else if quoted && !named {
            named = true;
            labels.set(METRIC_NAME, name);
        } else {
            return c.expected("\"=\"");
        }
        c.spaces();
        if !c.eat(",") && c.peek() != Some('}') {
            return c.expected("\",\" or \"}\"");
        }
    }
}

fn values(c: &mut Cursor<'_>) -> Parsed<Values> {
    let mut runs = Vec::new();
    while !c.at_end() {
        runs.push(run(c)?);
        if !c.spaces() && !c.at_end() {
            return c.expected("a space or the end");
        }
    }
    Ok(Values { runs })
}

fn run(c: &mut Cursor<'_>) -> Parsed<Run> {
    if c.eat("_") {
        let count = if c.eat("x") { c.count()? } else { 1 };
        return Ok(Run::Omitted { count });
    }
    if c.rest().starts_with("{{") {
        return histogram_run(c);
    }
    let is_marker = c.eat("stale");
    let start = if is_marker { STALE_NAN } else { first_float(c)? };
    let step = match c.peek() {
        Some('+' | '-') => Some(c.float()?),
        _ => None,
    };
    if is_marker && step.is_none() {
        return Ok(stale());
    }
    Ok(Run::Floats { start, step, count: repetitions(c, step.is_some())? })
}

fn first_float(c: &mut Cursor<'_>) -> Parsed<f64> {
    let (before, negative) = (c.rest(), c.sign());
    let starts = |ch: char| ch.is_ascii_digit() || ch == '.';
    let is_number = c.peek().is_some_and(starts);
    match c.unsigned_float() {
        Ok(v) => Ok(if negative { -v } else { v }),
        Err(e) if is_number => Err(e),
        Err(_) => c.back_to(before).expected("a number, a histogram, \"_\" or \"stale\""),
    }
}

/// `x5`, which is needed after a step and makes 6 samples with the first.
fn repetitions(c: &mut Cursor<'_>, needed: bool) -> Parsed<u64> {
    if c.eat("x") {
        return Ok(c.count()?.saturating_add(1));
    }
    if needed { c.expected("\"x\" and a number of repetitions") } else { Ok(1) }
}

fn histogram_run(c: &mut Cursor<'_>) -> Parsed<Run> {
    let start = Arc::new(histogram(c)?);
    let step = match c.peek() {
        Some(sign @ ('+' | '-')) => {
            c.sign();
            let by = Arc::new(histogram(c)?);
            let step = Step { subtract: sign == '-', by };
            if start.schema > step.by.schema {
                let (from, to) = (step.by.schema, start.schema);
                return c.fail(format!("error combining histograms: cannot merge from schema {from} to {to}"));
            }
            if let Err(e) = step.apply(&start) {
                return c.fail(format!("error combining histograms: {e}"));
            }
            Some(step)
        }
        _ => None,
    };
    let count = repetitions(c, step.is_some())?;
    Ok(Run::Histograms { start, step, count })
}

fn start_times(c: &mut Cursor<'_>) -> Parsed<StartTimes> {
    let mut runs = Vec::new();
    while !c.at_end() {
        runs.push(start_run(c)?);
        if !c.spaces() && !c.at_end() {
            return c.expected("a space or the end");
        }
    }
    Ok(StartTimes { runs })
}

fn start_run(c: &mut Cursor<'_>) -> Parsed<StartRun> {
    if c.eat("_") {
        let count = if c.eat("x") { c.count()? } else { 1 };
        return Ok(StartRun { start: None, step: 0, count });
    }
    let start = Some(offset(c)?);
    let step = match c.peek() {
        Some('+' | '-') => Some(offset(c)?),
        _ => None,
    };
    let count = repetitions(c, step.is_some())?;
    Ok(StartRun { start, step: step.unwrap_or(0), count })
}

/// A duration with or without sign; milliseconds. A number without unit is seconds.
fn offset(c: &mut Cursor<'_>) -> Parsed<i64> {
    let before = c.rest();
    let negative = c.sign();
    // A repetition follows as `x`, which is no unit.
    let text = c.take_while(|ch| ch.is_ascii_digit() || "ywdhms".contains(ch));
    let seconds = || text.parse::<i64>().ok().and_then(|s| s.checked_mul(1_000));
    match duration::parse(text).ok().or_else(seconds) {
        Some(ms) => Ok(if negative { -ms } else { ms }),
        None => c.back_to(before).expected("a duration or \"_\""),
    }
}
