//! Native histograms as they are exposed and stored: whole counts, buckets as differences.

use super::{CounterResetHint, FloatHistogram, Span};

/// A native histogram whose counts are whole (Prometheus' `histogram.Histogram`): each bucket is the difference to the
/// one before it on its side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Counter-reset hint.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: -4 to 8, or [`super::CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// Observations in all.
    pub count: u64,
    /// Sum of the observations.
    pub sum: f64,
    /// Spans of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Spans of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Differences of the positive buckets.
    pub positive_deltas: Vec<i64>,
    /// Differences of the negative buckets.
    pub negative_deltas: Vec<i64>,
    /// Upper bounds without `+Inf`; only with custom buckets.
    pub custom_values: Vec<f64>,
}

impl Histogram {
    /// The same histogram with float counts.
    pub fn into_float(self) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive_buckets: absolute(&self.positive_deltas),
            negative_buckets: absolute(&self.negative_deltas),
            positive_spans: self.positive_spans,
            negative_spans: self.negative_spans,
            custom_values: self.custom_values,
        }
    }
}

/// Differences to counts.
fn absolute(deltas: &[i64]) -> Vec<f64> {
    let counts = deltas.iter().scan(0i64, |count, delta| {
        *count = count.wrapping_add(*delta);
        Some(*count as f64)
    });
    counts.collect()
}

/// Counts to differences; `None` when a count is not a whole number that floats hold exactly.
fn differences(counts: &[f64]) -> Option<Vec<i64>> {
    let mut previous = 0i64;
    let delta = |c: &f64| {
        let now = whole(*c)?;
        let delta = now - previous;
        previous = now;
        Some(delta)
    };
    counts.iter().map(delta).collect()
}

fn whole(v: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    ((0.0..=LIMIT).contains(&v) && v.fract() == 0.0).then_some(v as i64)
}

impl FloatHistogram {
    /// The integer form, which takes less room; `None` when a count is not whole.
    pub fn to_integer(&self) -> Option<Histogram> {
        Some(Histogram {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: whole(self.zero_count)?.unsigned_abs(),
            count: whole(self.count)?.unsigned_abs(),
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive_deltas: differences(&self.positive_buckets)?,
            negative_deltas: differences(&self.negative_buckets)?,
            custom_values: self.custom_values.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_custom, any_exponential, exponential};
    use proptest::prelude::*;

    #[test]
    fn deltas_become_counts() {
        let h = exponential(1, 2.0, (-1, &[1.0, 4.0, 2.0]), (0, &[3.0]));
        let integer = h.to_integer().unwrap();
        assert_eq!(integer.positive_deltas, [1, 3, -2]);
        assert_eq!((integer.count, integer.zero_count), (12, 2));
        assert_eq!(integer.into_float(), h);
        assert_eq!(exponential(1, 2.0, (0, &[0.5]), (0, &[])).to_integer(), None);
    }

    proptest! {
        #[test]
        fn whole_histograms_survive_the_integer_form(h in prop_oneof![any_exponential(), any_custom()]) {
            prop_assert_eq!(h.to_integer().unwrap().into_float(), h);
        }
    }
}
