//! Series notation: `http_requests_total{job="api"} 0+10x100 _ stale`, as test scripts and rule tests write samples.
//!
//! | notation            | samples                                                          |
//! |---------------------|------------------------------------------------------------------|
//! | `1.5 -2 Inf NaN`    | one each                                                         |
//! | `_`, `_x4`          | none for one step, for four steps                                |
//! | `stale`             | a staleness marker                                               |
//! | `3x5`               | `3` at this step and at five more; not with `Inf` and `NaN`      |
//! | `1+2x3`, `1-2x3`    | `1 3 5 7`, `1 -1 -3 -5`                                           |
//! | `{{sum:3 count:2}}` | a histogram; `x`, `+{{..}}x` and `-{{..}}x` as for floats         |
//! | `name@st -30s-1mx2` | start timestamps of the series' samples, relative to their times |
//!
//! It is read as promtool reads it: one line a series, numbers as PromQL has them (`1_000`), but none
//! that is too large for a float, and histograms as narrow as promtool reads them (no `+`, no `.5`, no empty list).
//!
//! Samples are kept as [`Run`]s and made while iterating: a series of a hundred thousand samples is one run.

mod cursor;
mod histogram;
mod parse;

use std::fmt;
use std::sync::Arc;

pub use parse::{parse_histogram, parse_metric, parse_series, parse_values};

use super::histogram::HistogramError;
use super::number::format_float;
use super::{FloatHistogram, Labels, STALE_NAN, Value, duration, is_stale};

/// What is wrong with a line of notation, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct NotationError {
    /// Characters from the start of the text, from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// A series and its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Labels, metric name included.
    pub labels: Labels,
    /// Its samples, or the start timestamps of its samples.
    pub content: Content,
}

/// What a line says of its series.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Samples, one slot a step.
    Samples(Values),
    /// `@st`: start timestamps of samples given by another line of the same series, one slot a step.
    StartTimestamps(StartTimes),
}

/// A run of equal or evenly spaced samples. Counts are of samples, so `3x5` has a count of 6.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    /// Steps without a sample.
    Omitted {
        /// Steps.
        count: u64,
    },
    /// Floats (staleness markers among them): `start`, then each `step` more than the one before.
    Floats {
        /// First value.
        start: f64,
        /// Difference; `None` when all are `start`.
        step: Option<f64>,
        /// Samples.
        count: u64,
    },
    /// Histograms, alike.
    Histograms {
        /// First value.
        start: Arc<FloatHistogram>,
        /// What is added to (or taken from) one to make the next.
        step: Option<Step>,
        /// Samples.
        count: u64,
    },
}

/// How one histogram of a run makes the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `-` instead of `+`.
    pub subtract: bool,
    /// The difference.
    pub by: Arc<FloatHistogram>,
}

impl Step {
    fn apply(&self, to: &FloatHistogram) -> Result<FloatHistogram, HistogramError> {
        let mut next = to.clone();
        if self.subtract {
            next.sub(&self.by)?
        } else {
            next.add(&self.by)?
        };
        Ok(next)
    }
}

impl Run {
    /// How many steps the run spans.
    pub fn count(&self) -> u64 {
        match self {
            Run::Omitted { count } | Run::Floats { count, .. } | Run::Histograms { count, .. } => *count,
        }
    }
}

/// Samples at consecutive steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// The runs, in order.
    pub runs: Vec<Run>,
}

impl Values {
    /// How many steps the samples span.
    pub fn len(&self) -> u64 {
        self.runs.iter().fold(0, |n, r| n.saturating_add(r.count()))
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sample at every step, `None` where it is left out.
    pub fn iter(&self) -> impl Iterator<Item = Option<Value>> + '_ {
        self.runs.iter().flat_map(RunIter::new)
    }
}

/// Makes the samples of a run one after the other, as their sum builds up: `0+0.1x3` ends with `0.30000000000000004`.
struct RunIter<'a> {
    run: &'a Run,
    left: u64,
    float: f64,
    histogram: Option<Arc<FloatHistogram>>,
}

impl<'a> RunIter<'a> {
    fn new(run: &'a Run) -> Self {
        let (float, histogram) = match run {
            Run::Omitted { .. } => (0.0, None),
            Run::Floats { start, .. } => (*start, None),
            Run::Histograms { start, .. } => (0.0, Some(start.clone())),
        };
        RunIter { run, left: run.count(), float, histogram }
    }
}

impl Iterator for RunIter<'_> {
    type Item = Option<Value>;

    fn next(&mut self) -> Option<Option<Value>> {
        self.left = self.left.checked_sub(1)?;
        Some(match self.run {
            Run::Omitted { .. } => None,
            Run::Floats { step, .. } => {
                let now = self.float;
                self.float += step.unwrap_or(0.0);
                Some(Value::Float(if step.is_none() { self.float_as_given() } else { now }))
            }
            Run::Histograms { step, .. } => {
                let now = self.histogram.clone()?;
                if let Some(step) = step.as_ref().filter(|_| self.left > 0) {
                    // The parser has tried the first addition; the layouts are compatible.
                    self.histogram = step.apply(&now).ok().map(Arc::new);
                }
                Some(Value::Histogram(now))
            }
        })
    }
}

impl RunIter<'_> {
    /// The start value untouched by arithmetic, which could change the bits of a staleness marker.
    fn float_as_given(&self) -> f64 {
        match self.run {
            Run::Floats { start, .. } => *start,
            _ => self.float,
        }
    }
}

/// Start timestamps at consecutive steps, relative to the time of the step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartTimes {
    /// The runs, in order.
    pub runs: Vec<StartRun>,
}

/// A run of evenly spaced start timestamps, in milliseconds relative to their steps; `None`: unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRun {
    /// First offset.
    pub start: Option<i64>,
    /// Difference between an offset and the next.
    pub step: i64,
    /// Steps.
    pub count: u64,
}

impl StartTimes {
    /// The offset of the start timestamp at every step, `None` where it is left out.
    pub fn iter(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        self.runs.iter().flat_map(|r| {
            let at = |i: u64| r.step.saturating_mul(i64::try_from(i).unwrap_or(i64::MAX));
            (0..r.count).map(move |i| r.start.map(|s| s.saturating_add(at(i))))
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.labels.to_series_string())?;
        match &self.content {
            Content::Samples(values) if values.runs.is_empty() => Ok(()),
            Content::Samples(values) => write!(f, " {values}"),
            Content::StartTimestamps(starts) => write!(f, "@st {starts}"),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.runs.iter().enumerate() {
            write!(f, "{}{run}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.count().saturating_sub(1);
        match self {
            Run::Omitted { count: 1 } => f.write_str("_"),
            Run::Omitted { count } => write!(f, "_x{count}"),
            Run::Floats { start, step: None, count: 1 } => f.write_str(&float(*start)),
            // A word runs on into what follows it.
            Run::Floats { start, step: None, count } if !start.is_finite() => {
                (0..*count).try_for_each(|i| write!(f, "{}{}", if i > 0 { " " } else { "" }, float(*start)))
            }
            Run::Floats { start, step: None, .. } => write!(f, "{}x{more}", float(*start)),
            Run::Floats { start, step: Some(step), .. } => {
                let sign = if step.is_sign_negative() { "" } else { "+" };
                write!(f, "{}{sign}{}x{more}", float(*start), format_float(*step).trim_start_matches('+'))
            }
            Run::Histograms { start, step: None, count: 1 } => f.write_str(&start.to_notation()),
            Run::Histograms { start, step: None, .. } => write!(f, "{}x{more}", start.to_notation()),
            Run::Histograms { start, step: Some(step), .. } => {
                let sign = if step.subtract { '-' } else { '+' };
                write!(f, "{}{sign}{}x{more}", start.to_notation(), step.by.to_notation())
            }
        }
    }
}

impl fmt::Display for StartTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.runs.iter().enumerate() {
            let more = run.count.saturating_sub(1);
            f.write_str(if i > 0 { " " } else { "" })?;
            match (run.start, run.step) {
                (None, _) if run.count == 1 => f.write_str("_")?,
                (None, _) => write!(f, "_x{}", run.count)?,
                (Some(s), 0) if more == 0 => f.write_str(&duration::format(s))?,
                (Some(s), 0) => write!(f, "{}x{more}", duration::format(s))?,
                (Some(s), step) => {
                    let sign = if step < 0 { "" } else { "+" };
                    write!(f, "{}{sign}{}x{more}", duration::format(s), duration::format(step))?;
                }
            }
        }
        Ok(())
    }
}

/// A float as it is written.
fn float(v: f64) -> String {
    if is_stale(v) { "stale".into() } else { format_float(v) }
}

/// A single staleness marker.
fn stale() -> Run {
    Run::Floats { start: STALE_NAN, step: None, count: 1 }
}

#[cfg(test)]
mod tests;
