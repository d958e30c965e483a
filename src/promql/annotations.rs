//! Warnings and infos of an evaluation, in Prometheus' words.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::model::number::format_float_g;

/// A place in a query's text: bytes `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From byte positions.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// As a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// `line:column` of the start in `source`, both from 1, the column in bytes, as Prometheus writes it.
    pub fn position(self, source: &str) -> String {
        let at = (self.start as usize).min(source.len());
        let before = source.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = at - before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1) + 1;
        format!("{line}:{column}")
    }
}

/// How serious a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The result is likely not what was meant.
    Warning,
    /// Something worth knowing.
    Info,
}

/// What an evaluation has to say beside its result. `Display` is Prometheus' text without prefix and position.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// `ratio` of `limit_ratio` outside -1..1; the value it was capped to.
    InvalidRatio(f64, f64),
    /// A quantile outside 0..1.
    InvalidQuantile(f64),
    /// A bucket without a number in `le`: the value found, the metric's name.
    BadBucketLabel(String, String),
    /// Floats and histograms in one range, for a metric name.
    MixedFloatsHistograms(String),
    /// Floats and histograms in one aggregation.
    MixedFloatsHistogramsAgg(&'static str),
    /// Classic and native histograms in one vector, for a metric name.
    MixedClassicNative(String),
    /// `rate` and `increase` of a gauge histogram.
    NativeHistogramNotCounter(String),
    /// `delta` of a counter histogram.
    NativeHistogramNotGauge(String),
    /// Exponential and custom buckets in one range, for a metric name.
    MixedExponentialCustom(String),
    /// Histograms whose buckets cannot be brought together, for an operator.
    IncompatibleBucketLayout(&'static str),
    /// Counter resets that contradict each other, in `addition`, `subtraction` or `aggregation`.
    CounterResetCollision(&'static str),
    /// A sample whose start time lies before the previous sample, for a metric name.
    OverlappingStartTime(String),
    /// Sorting in a range query.
    IneffectiveSort,
    /// A counter function on a metric whose name does not look like a counter's.
    PossibleNonCounter(String),
    /// The same, judged by `__type__`: the label's value, the metric's name.
    PossibleNonCounterLabel(String, String),
    /// `histogram_quantile` had to make buckets monotonic, for a metric name.
    QuantileForcedMonotonicity(String),
    /// A binary operator on types it does not know: left type, operator, right type.
    IncompatibleTypes(&'static str, &'static str, &'static str),
    /// Histograms an aggregation leaves out.
    HistogramIgnoredInAggregation(&'static str),
    /// Histograms a range function leaves out because there are floats, for a metric name.
    HistogramIgnoredInMixedRange(String),
    /// NaN observations made a quantile NaN, for a metric name.
    QuantileNanResult(String),
    /// NaN observations skewed a quantile, for a metric name.
    QuantileNanSkew(String),
    /// NaN observations are left out of a fraction, for a metric name.
    FractionNan(String),
    /// Mismatched custom buckets were reconciled in `addition`, `subtraction` or `aggregation`.
    MismatchedCustomBuckets(&'static str),
    /// Samples are missing because a file of the storage is damaged: its name.
    DamagedStorage(Arc<str>),
}

impl Note {
    /// How serious the note is.
    pub fn severity(&self) -> Severity {
        use Note::*;
        match self {
            PossibleNonCounter(_)
            | PossibleNonCounterLabel(..)
            | QuantileForcedMonotonicity(_)
            | IncompatibleTypes(..)
            | HistogramIgnoredInAggregation(_)
            | HistogramIgnoredInMixedRange(_)
            | QuantileNanResult(_)
            | QuantileNanSkew(_)
            | FractionNan(_)
            | MismatchedCustomBuckets(_) => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Note::*;
        match self {
            InvalidRatio(got, to) => write!(
                f,
                "ratio value should be between -1 and 1, got {}, capping to {}",
                format_float_g(*got),
                format_float_g(*to)
            ),
            InvalidQuantile(q) => {
                write!(f, "quantile value should be between 0 and 1, got {}", format_float_g(*q))
            }
            BadBucketLabel(value, name) if name.is_empty() => {
                write!(f, "bucket label \"le\" is missing or has a malformed value of {value:?}")
            }
            BadBucketLabel(value, name) => {
                write!(f, "bucket label \"le\" is missing or has a malformed value of {value:?}{}", for_metric(name))
            }
            MixedFloatsHistograms(name) => {
                write!(f, "encountered a mix of histograms and floats{}", for_metric(name))
            }
            MixedFloatsHistogramsAgg(_) => f.write_str("encountered a mix of histograms and floats for aggregation"),
            MixedClassicNative(name) => {
                write!(f, "vector contains a mix of classic and native histograms{}", for_metric(name))
            }
            NativeHistogramNotCounter(name) => write!(f, "this native histogram metric is not a counter: {name:?}"),
            NativeHistogramNotGauge(name) => write!(f, "this native histogram metric is not a gauge: {name:?}"),
            MixedExponentialCustom(name) => write!(
                f,
                "vector contains a mix of histograms with exponential and custom buckets schemas{}",
                for_metric(name)
            ),
            IncompatibleBucketLayout(op) => {
                write!(f, "incompatible bucket layout encountered for binary operator {op}")
            }
            CounterResetCollision(what) => write!(f, "conflicting counter resets during histogram {what}"),
            OverlappingStartTime(name) => {
                write!(f, "sample has start time that overlaps with previous sample timestamp for metric {name:?}")
            }
            IneffectiveSort => {
                f.write_str("sort is ineffective for range queries since results are always ordered by labels")
            }
            PossibleNonCounter(name) => {
                write!(f, "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}")
            }
            PossibleNonCounterLabel(kind, name) => write!(
                f,
                "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {kind:?}: {name:?}"
            ),
            QuantileForcedMonotonicity(name) => write!(
                f,
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}",
                for_metric(name)
            ),
            IncompatibleTypes(left, op, right) => {
                write!(f, "incompatible sample types encountered for binary operator {op:?}: {left} {op} {right}")
            }
            HistogramIgnoredInAggregation(op) => write!(f, "ignored histogram in {op} aggregation"),
            HistogramIgnoredInMixedRange(name) => {
                write!(f, "ignored histograms in a range containing both floats and histograms{}", for_metric(name))
            }
            QuantileNanResult(name) => {
                write!(f, "input to histogram_quantile has NaN observations, result is NaN{}", for_metric(name))
            }
            QuantileNanSkew(name) => write!(
                f,
                "input to histogram_quantile has NaN observations, result is skewed higher{}",
                for_metric(name)
            ),
            FractionNan(name) => write!(
                f,
                "input to histogram_fraction has NaN observations, which are excluded from all fractions{}",
                for_metric(name)
            ),
            MismatchedCustomBuckets(what) => {
                write!(f, "mismatched custom buckets were reconciled during {what}")
            }
            DamagedStorage(file) => write!(f, "samples are missing, part of the storage is damaged: {file}"),
        }
    }
}

fn for_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") }
}

/// The notes of one evaluation, each once, in the order they came up.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    notes: Vec<(Note, Span)>,
    /// Finished texts of another engine.
    texts: Vec<(Severity, String)>,
}

impl Annotations {
    /// Adds a note about the expression at `span`, unless it is there already.
    pub fn add(&mut self, note: Note, span: Span) {
        if self.notes.len() < MAX_NOTES && !self.notes.iter().any(|(n, s)| *s == span && *n == note) {
            self.notes.push((note, span));
        }
    }

    /// Adds a text that another engine wrote, prefix and position included.
    pub fn add_text(&mut self, severity: Severity, text: impl Into<String>) {
        if self.texts.len() < MAX_NOTES {
            self.texts.push((severity, text.into()));
        }
    }

    /// Keeps one of several notes that read the same, as Prometheus does: that of the operator which is evaluated last.
    /// `operator` tells the operator's own place for a place a note points at.
    pub(crate) fn keep_last(&mut self, operator: impl Fn(Span) -> Span) {
        if self.notes.len() < 2 {
            return;
        }
        // Operands come before their operator, and the left one before the right one.
        let order = |span: Span| {
            let whole = operator(span);
            (whole.end, std::cmp::Reverse(whole.start), span.end)
        };
        let mut kept: Vec<(String, (Note, Span))> = Vec::new();
        for (note, span) in self.notes.drain(..) {
            let text = note.to_string();
            match kept.iter_mut().find(|(t, _)| *t == text) {
                Some((_, (_, other))) if order(*other) < order(span) => *other = span,
                Some(_) => {}
                None => kept.push((text, (note, span))),
            }
        }
        self.notes = kept.into_iter().map(|(_, note)| note).collect();
    }

    /// Takes over the notes of a sub-evaluation.
    pub fn merge(&mut self, other: Annotations) {
        for (note, span) in other.notes {
            self.add(note, span);
        }
        self.texts.extend(other.texts);
    }

    /// The number of notes.
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.texts.is_empty()
    }

    /// The warnings with prefix and position: `PromQL warning: ... (1:15)`.
    pub fn warnings(&self, source: &str) -> Vec<String> {
        self.texts(source, Severity::Warning, "PromQL warning")
    }

    /// The infos with prefix and position: `PromQL info: ... (1:15)`.
    pub fn infos(&self, source: &str) -> Vec<String> {
        self.texts(source, Severity::Info, "PromQL info")
    }

    /// The notes and where they apply.
    pub fn iter(&self) -> impl Iterator<Item = &(Note, Span)> {
        self.notes.iter()
    }

    fn texts(&self, source: &str, severity: Severity, prefix: &str) -> Vec<String> {
        let of = self.notes.iter().filter(|(n, _)| n.severity() == severity);
        let foreign = self.texts.iter().filter(|(s, _)| *s == severity).map(|(_, text)| text.clone());
        of.map(|(n, span)| format!("{prefix}: {n} ({})", span.position(source))).chain(foreign).collect()
    }
}

/// More than this many different notes help nobody; the rest is dropped.
const MAX_NOTES: usize = 1_000;
