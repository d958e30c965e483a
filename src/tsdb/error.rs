//! Why a sample is not taken.

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AppendError {
    /// Older than the newest sample of its series.
    #[error("out of order sample")]
    OutOfOrder,
    /// At the time of the newest sample, with another value. (With the same value it is taken for what it is: a repeat.)
    #[error("duplicate sample for timestamp")]
    Duplicate,
    /// Older than the retention.
    #[error("too old sample")]
    TooOld,
    /// At a time that cannot be: beyond ±292 million years, in milliseconds.
    #[error("out of bounds")]
    OutOfBounds,
    /// The reference names a series that was removed: append by labels again.
    #[error("unknown series reference")]
    UnknownSeries,
    /// No more series can be created.
    #[error("series limit reached")]
    SeriesLimit,
}

/// Times lie within `-MAX_TIME..=MAX_TIME` (Prometheus' bounds, in milliseconds), which leaves room for arithmetic.
pub(super) const MAX_TIME: i64 = i64::MAX / 1000;
