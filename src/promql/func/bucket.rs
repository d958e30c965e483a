//! Quantiles and fractions over the buckets of a classic histogram.

/// One bucket of a classic histogram: all observations up to and including `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Upper bound, `+Inf` for the last.
    pub upper: f64,
    /// Cumulative count (or rate).
    pub count: f64,
}
