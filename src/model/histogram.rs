//! Native histograms, as floats.

/// How a histogram relates to the one before it in its series (Prometheus' `histogram.CounterResetHint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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

/// A native histogram whose counts are floats (Prometheus' `histogram.FloatHistogram`). Bucket counts are absolute, not
/// deltas, and not cumulative.
#[derive(Clone, Debug, Default)]
pub struct FloatHistogram {
    /// Counter-reset hint.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: -4 to 8, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// Observations in all.
    pub count: f64,
    /// Sum of the observations; the staleness marker when the sample is stale.
    pub sum: f64,
    /// Spans of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Spans of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Counts of the positive buckets.
    pub positive_buckets: Vec<f64>,
    /// Counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds, ascending, without `+Inf`; only with [`CUSTOM_BUCKETS_SCHEMA`].
    pub custom_values: Vec<f64>,
}

/// Equal bit by bit, so that NaN equals the same NaN (Prometheus' `Equals`).
impl PartialEq for FloatHistogram {
    fn eq(&self, o: &Self) -> bool {
        let bits =
            |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits());
        self.schema == o.schema
            && self.count.to_bits() == o.count.to_bits()
            && self.sum.to_bits() == o.sum.to_bits()
            && self.zero_threshold == o.zero_threshold
            && self.zero_count.to_bits() == o.zero_count.to_bits()
            && self.positive_spans == o.positive_spans
            && self.negative_spans == o.negative_spans
            && bits(&self.positive_buckets, &o.positive_buckets)
            && bits(&self.negative_buckets, &o.negative_buckets)
            && bits(&self.custom_values, &o.custom_values)
    }
}
