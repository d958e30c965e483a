//! Where samples go once they are decoded: the TSDB, and the queues of remote write beside it.

use crate::model::{Labels, Value};

/// Names a series in the store, so that its labels need not be looked up again.
pub type SeriesRef = u64;

/// A sample on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// The series.
    pub labels: Labels,
    /// Its name in the store, when known; the store fills it in.
    pub series: Option<SeriesRef>,
    /// Milliseconds.
    pub t: i64,
    /// Start timestamp in milliseconds, 0 when unknown.
    pub st: i64,
    /// The value.
    pub value: Value,
}

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Rows stored.
    pub appended: usize,
    /// Rows before the newest sample of their series.
    pub out_of_order: usize,
    /// Rows at the time of a sample with another value.
    pub duplicate: usize,
    /// Rows outside the time the store accepts.
    pub out_of_bounds: usize,
    /// The store's error, when it could not write at all.
    pub failure: Option<String>,
}

/// A store of samples.
pub trait SampleStore: Send + Sync {
    /// Stores rows in one transaction. Rows that are refused are counted and do not hinder the others.
    fn store(&self, rows: &mut [SampleRow]) -> StoreCounts;
}
