//! Schemas, spans and hints: what histograms of every kind are described by.

/// How a histogram relates to the one before it in its series (Prometheus' `histogram.CounterResetHint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum CounterResetHint {
    /// Nothing is known; compare to find out.
    #[default]
    Unknown,
    /// There was a counter reset.
    Reset,
    /// There was none.
    NotReset,
    /// A gauge: resets do not apply.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Gap to the end of the previous span, or the first bucket's index; may be negative in the first span only.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// The schema of custom buckets (classic bounds).
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// The coarsest exponential schema: a bucket spans a factor of 65,536.
pub const MIN_SCHEMA: i32 = -4;

/// The finest exponential schema: 256 buckets a factor of two.
pub const MAX_SCHEMA: i32 = 8;

/// Whether a schema number is one of the exponential ones supported.
pub fn is_exponential(schema: i32) -> bool {
    (MIN_SCHEMA..=MAX_SCHEMA).contains(&schema)
}
