//! The traits by which queries read series. PromQL knows storage only through these.

use std::sync::Arc;

use crate::model::{Labels, Matcher, SampleBuf, Value};

/// Why storage could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file could not be read.
    #[error("storage: {0}")]
    Io(#[from] std::io::Error),
    /// Stored bytes are not what was written.
    #[error("storage: corrupt data: {0}")]
    Corrupt(String),
    /// More series than one selection may hold.
    #[error("storage: the selection holds more than {0} series that have ended: narrow its matchers or its time")]
    TooMany(usize),
}

/// Series that a selection found, shared with whoever else asked for them.
pub type SharedSeries = Arc<[Arc<dyn Series>]>;

/// Something series can be selected from.
pub trait Queryable: Send + Sync {
    /// All series that satisfy every matcher and may have samples in `[mint, maxt]` (inclusive, milliseconds), in any
    /// order. A series without a sample in the interval may be among them.
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError>;

    /// The same, shared: storage that keeps selections between rule evaluations hands out the one it keeps, and nothing is
    /// copied.
    fn select_shared(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<SharedSeries, StorageError> {
        self.select(matchers, mint, maxt).map(Into::into)
    }

    /// Label names of the series that satisfy every matcher, sorted.
    fn label_names(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<String>, StorageError>;

    /// Values of one label among the series that satisfy every matcher, sorted.
    fn label_values(&self, name: &str, matchers: &[Matcher], mint: i64, maxt: i64)
    -> Result<Vec<String>, StorageError>;
}

/// One series, ready to be read.
pub trait Series: Send + Sync {
    /// The series' labels, metric name included.
    fn labels(&self) -> &Labels;

    /// Appends the samples with `mint <= t <= maxt` to `out`, ascending in time, staleness markers included. With
    /// `start_timestamps`, fills the start-timestamp columns too.
    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError>;

    /// The newest sample with `mint <= t <= maxt`, staleness markers included: what an instant selector needs. Storage
    /// answers from the head's end without decoding where it can.
    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError>;
}
