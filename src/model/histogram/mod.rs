//! Native histograms, as floats, and all that can be done with them.
//!
//! A bucket is named by its index. With an exponential schema `s` the positive bucket `i` covers
//! `(2^((i-1)/2^s), 2^(i/2^s)]`, and the negative one is its mirror image; around zero lies the zero bucket. With
//! [`CUSTOM_BUCKETS_SCHEMA`] the bucket `i` ends at `custom_values[i]`, and the last one at `+Inf`. Populated buckets are
//! described by [`Span`]s of consecutive indices.
//!
//! What two histograms need to be added, subtracted or compared (one schema, one zero bucket, one set of custom bounds)
//! is brought about here, always towards the coarser of the two.

mod arithmetic;
mod bounds;
mod buckets;
mod classic;
mod estimate;
mod format;
mod integer;
mod layout;
mod reset;
mod stored;
mod trim;
mod validate;

pub use arithmetic::{CompensatedHistogram, HistogramError, Reconciled};
pub use bounds::bound;
pub use buckets::{AllBuckets, Bucket, Indexed};
pub use classic::{ClassicError, ClassicHistogram};
pub use estimate::{NanEffect, QuantileEstimate};
pub use format::BoundaryRule;
pub use integer::Histogram;
pub use stored::stored_after;
pub use validate::HistogramDefect;

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

/// Whether a schema number is one of the exponential ones supported.
pub fn is_exponential(schema: i32) -> bool {
    (MIN_SCHEMA..=MAX_SCHEMA).contains(&schema)
}

impl FloatHistogram {
    /// Whether the buckets have custom bounds.
    #[inline]
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// The staleness marker: a histogram whose sum is the stale NaN.
    pub fn stale_marker() -> Self {
        FloatHistogram { sum: super::STALE_NAN, ..FloatHistogram::default() }
    }

    /// The zero bucket, both ends included.
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
        }
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

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use proptest::prelude::*;

    /// A histogram of one span a side.
    pub(crate) fn exponential(
        schema: i32,
        zero: f64,
        positive: (i32, &[f64]),
        negative: (i32, &[f64]),
    ) -> FloatHistogram {
        let span = |(offset, counts): (i32, &[f64])| match counts.len() {
            0 => vec![],
            n => vec![Span { offset, length: n as u32 }],
        };
        FloatHistogram {
            schema,
            zero_threshold: 0.001,
            zero_count: zero,
            count: zero + positive.1.iter().sum::<f64>() + negative.1.iter().sum::<f64>(),
            sum: 1.0,
            positive_spans: span(positive),
            negative_spans: span(negative),
            positive_buckets: positive.1.to_vec(),
            negative_buckets: negative.1.to_vec(),
            ..FloatHistogram::default()
        }
    }

    /// A histogram of custom buckets from the first on.
    pub(crate) fn custom(bounds: &[f64], counts: &[f64]) -> FloatHistogram {
        FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: counts.iter().sum(),
            sum: 1.0,
            positive_spans: vec![Span { offset: 0, length: counts.len() as u32 }],
            positive_buckets: counts.to_vec(),
            custom_values: bounds.to_vec(),
            ..FloatHistogram::default()
        }
    }

    fn side() -> impl Strategy<Value = (Vec<Span>, Vec<f64>)> {
        prop::collection::vec((0..6i32, 0..5u32), 0..4).prop_flat_map(|gaps| {
            let spans: Vec<Span> =
                gaps.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect();
            let n = spans.iter().map(|s| s.length as usize).sum::<usize>();
            (Just(spans), prop::collection::vec((0..9u32).prop_map(f64::from), n))
        })
    }

    /// Any valid exponential histogram with small whole counts, so that sums are exact.
    pub(crate) fn any_exponential() -> impl Strategy<Value = FloatHistogram> {
        (-4..=8i32, side(), side(), 0..9u32, prop::sample::select(vec![0.0, 0.001, 0.5, 1.0, 3.0])).prop_map(
            |(schema, (positive_spans, positive_buckets), (negative_spans, negative_buckets), zero, zero_threshold)| {
                // The sum of nothing is -0.
                let total = positive_buckets.iter().chain(&negative_buckets).sum::<f64>() + 0.0;
                FloatHistogram {
                    schema,
                    zero_threshold,
                    zero_count: f64::from(zero),
                    count: total + f64::from(zero),
                    sum: total,
                    positive_spans,
                    negative_spans,
                    positive_buckets,
                    negative_buckets,
                    ..FloatHistogram::default()
                }
            },
        )
    }

    /// Any valid histogram of custom buckets with whole counts.
    pub(crate) fn any_custom() -> impl Strategy<Value = FloatHistogram> {
        prop::collection::btree_set(-5..15i32, 0..7).prop_flat_map(|bounds| {
            let n = bounds.len() + 1;
            let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
            prop::collection::vec((0..9u32).prop_map(f64::from), n).prop_map(move |counts| custom(&bounds, &counts))
        })
    }
}
