//! The histogram whose counts are floats.

use super::layout;
use super::schema::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use crate::model::stale::STALE_NAN;

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

impl FloatHistogram {
    /// Whether the buckets have custom bounds.
    #[inline]
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// The staleness marker: a histogram whose sum is the stale NaN.
    pub fn stale_marker() -> Self {
        FloatHistogram { sum: STALE_NAN, ..FloatHistogram::default() }
    }

    /// Multiplies every count and the sum. A negative factor makes a gauge.
    pub fn mul(&mut self, factor: f64) {
        self.for_each_count(|c| *c *= factor);
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides every count and the sum. Division by zero leaves no buckets; a negative divisor makes a gauge.
    pub fn div(&mut self, divisor: f64) {
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.positive_buckets.clear();
            self.negative_spans.clear();
            self.negative_buckets.clear();
        }
        self.for_each_count(|c| *c /= divisor);
        if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    fn for_each_count(&mut self, mut f: impl FnMut(&mut f64)) {
        f(&mut self.zero_count);
        f(&mut self.count);
        f(&mut self.sum);
        self.positive_buckets.iter_mut().chain(&mut self.negative_buckets).for_each(f);
    }

    /// Whether any count or the sum is infinite.
    pub fn has_overflow(&self) -> bool {
        let mut all = self.positive_buckets.iter().chain(&self.negative_buckets);
        self.zero_count.is_infinite()
            || self.count.is_infinite()
            || self.sum.is_infinite()
            || all.any(|c| c.is_infinite())
    }

    /// The size in memory, in units of a float sample: Prometheus counts a histogram against the sample limit so.
    pub fn sample_weight(&self) -> usize {
        const FLOAT_SAMPLE: usize = 16;
        let fixed = 8 * 4 + 8 + 4 * 24 + 24;
        let spans = self.positive_spans.len() + self.negative_spans.len();
        let floats = self.positive_buckets.len() + self.negative_buckets.len() + self.custom_values.len();
        ((fixed + 8 * spans + 8 * floats + 8) / FLOAT_SAMPLE).max(1)
    }
}

/// Equal bit by bit, so that NaN equals the same NaN; the hint is not compared (Prometheus' `Equals`).
impl PartialEq for FloatHistogram {
    fn eq(&self, o: &Self) -> bool {
        let bits =
            |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits());
        self.schema == o.schema
            && self.count.to_bits() == o.count.to_bits()
            && self.sum.to_bits() == o.sum.to_bits()
            && self.zero_threshold == o.zero_threshold
            && self.zero_count.to_bits() == o.zero_count.to_bits()
            && layout::same(&self.positive_spans, &o.positive_spans)
            && layout::same(&self.negative_spans, &o.negative_spans)
            && bits(&self.positive_buckets, &o.positive_buckets)
            && bits(&self.negative_buckets, &o.negative_buckets)
            && self.custom_values == o.custom_values
    }
}
