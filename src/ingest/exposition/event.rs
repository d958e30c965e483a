//! What a parser is asked for, and what it stands at.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::model::histogram::HistogramDefect;
use crate::model::{FloatHistogram, Labels, Position};
use crate::tsdb::MetricType;

/// The type that a TYPE line names in OpenMetrics' words.
pub(super) fn parse_kind(name: &[u8]) -> Option<MetricType> {
    use MetricType::*;
    let all = [Unknown, Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet];
    all.into_iter().find(|kind| kind.as_str().as_bytes() == name)
}

/// What a parser does beside the plain reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// Created timestamps become start timestamps of their samples instead of series of their own.
    pub start_timestamps: bool,
    /// Adds `__type__` and `__unit__` labels (feature `type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// Protobuf: also yields the classic series of a histogram that has a native part.
    pub always_classic_histograms: bool,
    /// Protobuf: ignores the native part of histograms.
    pub ignore_native_histograms: bool,
    /// Protobuf: turns classic histograms into custom-bucket native ones. OpenMetrics, whose reader does that: leaves
    /// created timestamps out, which are no part of them.
    pub classic_to_custom_buckets: bool,
}

/// A body that is not in its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where; unknown (zeros) in binary formats.
    pub position: Position,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: Cow<'static, str>,
    /// The body ended in the middle of what was being read: where there is more of it, this need not be a defect.
    pub(super) cut_off: bool,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        if line > 0 {
            write!(f, "line {line}, column {column}: ")?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for ParseError {}

/// The value of a parsed sample.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsedValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
    /// A native histogram that contradicts itself: who wants its series refuses the body.
    Defective(HistogramDefect),
}

/// A sample at which a parser stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedSample<'a> {
    /// Names the series, as the target wrote it.
    pub key: &'a [u8],
    /// The value.
    pub value: ParsedValue,
    /// The timestamp, if the target gave one, in milliseconds.
    pub timestamp: Option<i64>,
}

/// An exemplar of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedExemplar {
    /// Its labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// The timestamp, if the target gave one, in milliseconds.
    pub timestamp: Option<i64>,
}

/// What the target says about a metric family. Each line of the text formats fills one field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MetadataLine<'a> {
    /// The family's name.
    pub family: Cow<'a, str>,
    /// From a TYPE line.
    pub kind: Option<MetricType>,
    /// From a HELP line.
    pub help: Option<Cow<'a, str>>,
    /// From a UNIT line.
    pub unit: Option<Cow<'a, str>>,
}

/// What a parser stands at.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A sample.
    Sample(ParsedSample<'a>),
    /// Metadata of a family.
    Metadata(MetadataLine<'a>),
}
