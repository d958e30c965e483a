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
mod float;
mod format;
mod indexed;
mod integer;
mod layout;
mod reset;
mod schema;
mod stored;
mod trim;
mod validate;

pub use arithmetic::{CompensatedHistogram, HistogramError, Reconciled};
pub use bounds::bound;
pub use buckets::{AllBuckets, Bucket};
pub use classic::{ClassicError, ClassicHistogram};
pub use estimate::{NanEffect, QuantileEstimate};
pub use float::FloatHistogram;
pub use format::BoundaryRule;
pub use indexed::Indexed;
pub use integer::Histogram;
pub use schema::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, MAX_SCHEMA, MIN_SCHEMA, Span, is_exponential};
pub use stored::stored_after;
pub use validate::HistogramDefect;

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
