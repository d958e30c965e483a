//! What functions are given, what they give, and how the table describes them.

use std::cell::Cell;
use std::sync::Arc;

use super::super::annotations::{Annotations, Note, Span};
use super::super::limits::{CancelToken, WORK_UNCHECKED};
use super::super::steps::{StepGrid, StepVector};
use super::cuts::Cuts;
use crate::model::{FloatHistogram, Labels};

/// How a range selector chooses its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RangeMode {
    /// The samples in the range, left-open.
    #[default]
    Plain,
    /// `anchored`: the last sample at or before the range's start counts too. The window then holds that sample (its
    /// real time, at or before `start`) ahead of those in the range.
    Anchored,
    /// `smoothed`: values at both ends are interpolated. The window then holds the last sample at or before `start`
    /// and the first after `end`, where there are such within the lookback.
    Smoothed,
}

/// The samples of one series that a range function sees at one step: columns, ascending in time, without staleness
/// markers. Floats and histograms of one series may both be there.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Times of the floats.
    pub ts: &'a [i64],
    /// Values of the floats, as long as `ts`.
    pub vs: &'a [f64],
    /// Histograms.
    pub hists: &'a [(i64, Arc<FloatHistogram>)],
    /// Start timestamps (0: unknown) of the floats: empty, or as long as `ts`. There only with start timestamps
    /// switched on.
    pub float_st: &'a [i64],
    /// Start timestamps of the histograms: empty, or as long as `hists`.
    pub hist_st: &'a [i64],
    /// Start of the range, exclusive, milliseconds, after `offset` and `@`.
    pub start: i64,
    /// End of the range, inclusive.
    pub end: i64,
    /// The step's evaluation time: `end` before `offset` and `@`.
    pub at: i64,
    /// How the samples were chosen.
    pub mode: RangeMode,
}

impl Window<'_> {
    /// Length of the range in milliseconds.
    pub fn range_ms(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// What a function makes of its input.
#[derive(Clone, Debug)]
pub enum Out {
    /// Nothing: the series has no sample at this step.
    None,
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Arc<FloatHistogram>),
    /// The arguments make no sense: the query fails with this text.
    Fail(String),
}

/// What a function may say and know beside its input.
pub struct FnCtx<'a> {
    /// Where warnings and infos go.
    pub notes: &'a mut Annotations,
    /// The input series' labels, metric name included.
    pub labels: &'a Labels,
    /// The whole call.
    pub call: Span,
    /// The arguments, in order.
    pub args: &'a [Span],
}

impl FnCtx<'_> {
    /// Adds a note at argument `i` of the call.
    pub fn note_arg(&mut self, i: usize, note: Note) {
        let span = self.args.get(i).copied().unwrap_or(self.call);
        self.notes.add(note, span);
    }

    /// The metric name of the input series.
    pub fn metric_name(&self) -> String {
        self.labels.metric_name().to_owned()
    }
}

/// A function of a range vector: one window and the scalar arguments (in order, the range left out) at this step.
pub type RangeFn = fn(&Window<'_>, &[f64], &mut FnCtx<'_>) -> Out;

/// A function of a float and the scalar arguments at this step.
pub type MathFn = fn(f64, &[f64]) -> f64;

/// Tells scalar arguments for which a [`MathFn`] leaves nothing.
pub type EmptyFn = fn(&[f64]) -> bool;

/// All windows of one series that has floats only, for functions that are faster over the whole column.
pub struct Windows<'a> {
    /// Where the windows are in the column of times.
    pub cuts: &'a Cuts,
    /// Values of all samples read.
    pub vs: &'a [f64],
    /// The evaluation times.
    pub grid: &'a StepGrid,
    cancel: &'a CancelToken,
    /// Samples looked at since the cancel token was.
    worked: Cell<usize>,
    stopped: Cell<bool>,
}

impl<'a> Windows<'a> {
    /// The windows of a column; functions give up when `cancel` says so, and their result is then of no use.
    pub fn new(cuts: &'a Cuts, vs: &'a [f64], grid: &'a StepGrid, cancel: &'a CancelToken) -> Self {
        Windows { cuts, vs, grid, cancel, worked: Cell::new(0), stopped: Cell::new(false) }
    }

    /// So many samples were looked at: whether to go on. Windows overlap, so that one series can be work for minutes.
    #[inline]
    pub(super) fn go_on(&self, samples: usize) -> bool {
        let worked = self.worked.get().saturating_add(samples);
        if worked < WORK_UNCHECKED {
            self.worked.set(worked);
            return true;
        }
        self.worked.set(0);
        self.stopped.set(self.cancel.check().is_err());
        !self.stopped.get()
    }

    /// Whether a function has given up.
    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }
}

/// The batched form of a [`RangeFn`] in [`RangeMode::Plain`] without start timestamps: sets the steps that have a
/// result. The scalar arguments are the same at every step.
pub type BatchFn = fn(&Windows<'_>, &[f64], &mut FnCtx<'_>, &mut StepVector);

/// Types of expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One float.
    Scalar,
    /// An instant vector.
    Vector,
    /// A range vector.
    Matrix,
    /// A string.
    String,
}

impl ValueType {
    /// The name in the HTTP API: `scalar`, `vector`, `matrix`, `string`.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::Vector => "vector",
            ValueType::Matrix => "matrix",
            ValueType::String => "string",
        }
    }

    /// The name in error messages: `instant vector`, `range vector`.
    pub fn documented(self) -> &'static str {
        match self {
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            other => other.as_str(),
        }
    }
}

/// Functions that are operators: they look at labels, at several series, or at the query itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Special {
    Absent,
    AbsentOverTime,
    End,
    HistogramFraction,
    HistogramQuantile,
    HistogramQuantiles,
    Info,
    LabelJoin,
    LabelReplace,
    MaxOf,
    MinOf,
    Pi,
    Range,
    Scalar,
    Sort,
    SortByLabel,
    SortByLabelDesc,
    SortDesc,
    Start,
    StartTimestamp,
    Step,
    Time,
    Timestamp,
    Vector,
}

/// How a function is carried out.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Of a range vector.
    Range {
        /// Window by window.
        f: RangeFn,
        /// The whole series at once, where that is faster.
        batch: Option<BatchFn>,
        /// The result is a sample of the input and keeps its metric name (`last_over_time`, `first_over_time`).
        keeps_name: bool,
    },
    /// Of every float of an instant vector and the scalar arguments; histograms are left out.
    Math {
        /// Value by value.
        f: MathFn,
        /// Scalar arguments for which the result is empty.
        empty: Option<EmptyFn>,
    },
    /// Of every float of an instant vector, taken as seconds since the epoch; without argument, of the evaluation time.
    Date(fn(f64) -> f64),
    /// Of every native histogram of an instant vector; floats are left out.
    Histogram(fn(&FloatHistogram) -> f64),
    /// An operator.
    Special(Special),
}

/// One row of the table of functions.
pub struct Function {
    /// Name in PromQL.
    pub name: &'static str,
    /// Types of the arguments; of a variadic function, the last is the type of all further ones.
    pub args: &'static [ValueType],
    /// 0: takes exactly `args`; n > 0: the last of `args` may be missing or come up to n times; -1: any number of times
    /// (Prometheus' `Variadic`).
    pub variadic: i32,
    /// Type of the result.
    pub returns: ValueType,
    /// Whether Prometheus keeps it behind `promql-experimental-functions`.
    pub experimental: bool,
    /// How it is carried out.
    pub kind: Kind,
}
