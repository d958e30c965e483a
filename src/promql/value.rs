//! What a query evaluates to.

use std::sync::Arc;

use super::annotations::Annotations;
use super::profile::NodeStats;
use crate::model::{FloatHistogram, Labels, Value};

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Its labels.
    pub labels: Labels,
    /// The evaluation time, milliseconds.
    pub t: i64,
    /// Its value.
    pub value: Value,
}

/// One series of a matrix: floats and histograms, each ascending in time.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSeries {
    /// Its labels.
    pub labels: Labels,
    /// Float samples.
    pub floats: Vec<(i64, f64)>,
    /// Histogram samples.
    pub histograms: Vec<(i64, Arc<FloatHistogram>)>,
}

/// The result of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// One float.
    Scalar(f64),
    /// A string.
    String(String),
    /// An instant vector, in the order the query gives it (sorted only where the query sorts).
    Vector(Vec<VectorSample>),
    /// Series over time, ascending by labels.
    Matrix(Vec<RangeSeries>),
}

/// What an evaluation cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvalStats {
    /// Series selected from storage.
    pub series: u64,
    /// Samples read from storage.
    pub samples: u64,
    /// Most samples held at once.
    pub peak_samples: u64,
}

/// A result and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The result.
    pub value: QueryValue,
    /// Warnings and infos; their texts need the query's source ([`Annotations::warnings`]).
    pub annotations: Annotations,
    /// Why the result was made from a part of the data, where a datasource says that it was.
    pub partial: Option<String>,
    /// What it cost.
    pub stats: EvalStats,
    /// What every node of the plan cost, when that was asked for ([`super::EvalEnv::profile`]); else empty.
    pub profile: Vec<NodeStats>,
}
