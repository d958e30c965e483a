//! Whether a histogram from outside is one.

use super::{FloatHistogram, MAX_SCHEMA, Span, is_exponential};
use crate::model::is_stale;

/// What is wrong with a histogram.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistogramDefect {
    /// A schema nobody knows.
    #[error("histogram has an invalid schema: {0}")]
    Schema(i32),
    /// Spans and buckets do not fit.
    #[error(
        "{side} side: spans need {need} buckets, have {have} buckets: histogram spans specify different number of buckets than provided"
    )]
    SpanMismatch {
        /// `positive` or `negative`.
        side: &'static str,
        /// Sum of the spans' lengths.
        need: u64,
        /// Number of counts.
        have: usize,
    },
    /// A span other than the first goes back.
    #[error("{side} side: span number {span} with offset {offset}: histogram has a span whose offset is negative")]
    NegativeSpanOffset {
        /// `positive` or `negative`.
        side: &'static str,
        /// Number of the span, from 1.
        span: usize,
        /// Its offset.
        offset: i32,
    },
    /// Whole counts that do not add up.
    #[error(
        "{found:.0} observations found in buckets, but the Count field is {count:.0}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch {
        /// Observations in the buckets.
        found: f64,
        /// Observations that are claimed.
        count: f64,
    },
    /// The same where some observations, being no numbers, are in no bucket.
    #[error(
        "{found:.0} observations found in buckets, but the Count field is {count:.0}: histogram's observation count should be at least the number of observations found in the buckets"
    )]
    CountTooLow {
        /// Observations in the buckets.
        found: f64,
        /// Observations that are claimed.
        count: f64,
    },
    /// More buckets than anybody needs.
    #[error("histogram with more than {0} buckets on a side")]
    TooManyBuckets(usize),
    /// A count below zero.
    #[error(
        "{side} side: bucket number {bucket} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeBucket {
        /// `positive` or `negative`.
        side: &'static str,
        /// Number of the bucket, from 1.
        bucket: usize,
        /// Its count.
        count: f64,
    },
    /// A total below zero.
    #[error("{0} is negative")]
    NegativeTotal(&'static str),
    /// Custom bounds that are not finite or do not ascend.
    #[error("custom buckets: histogram custom bounds must be finite and in strictly increasing order")]
    CustomBounds,
    /// More buckets than custom bounds allow.
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length of {length}"
    )]
    CustomTooFew {
        /// Number of bounds.
        bounds: usize,
        /// Where the spans end.
        length: i64,
    },
    /// Something a histogram with custom buckets (or one without) must not have.
    #[error("histogram with {0}")]
    Misplaced(&'static str),
}

/// The finest exponential schema that may come: what is finer than those that are stored is made coarser.
const FINEST_RESERVED: i32 = 52;
/// Whole numbers up to this one are exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl FloatHistogram {
    /// A histogram from outside, in a resolution that is stored.
    ///
    /// # Errors
    /// The first defect found.
    pub fn admitted(mut self) -> Result<Self, HistogramDefect> {
        if (MAX_SCHEMA + 1..=FINEST_RESERVED).contains(&self.schema) {
            validate_side("negative", &self.negative_spans, &self.negative_buckets)?;
            validate_side("positive", &self.positive_spans, &self.positive_buckets)?;
            self = self.to_schema(MAX_SCHEMA);
        }
        self.validate()?;
        Ok(self)
    }

    /// Checks that the buckets hold all observations, which is so where they are counted in whole numbers. Observations that
    /// are no numbers, which the sum tells, are in no bucket. Numbers that floats do not hold exactly are not compared.
    ///
    /// # Errors
    /// They do not.
    pub fn validate_total(&self) -> Result<(), HistogramDefect> {
        let count = self.count;
        let found = self.zero_count + self.positive_buckets.iter().chain(&self.negative_buckets).sum::<f64>();
        match self.sum.is_nan() {
            _ if is_stale(self.sum) || found.max(count) > EXACT => Ok(()),
            true if found > count => Err(HistogramDefect::CountTooLow { found, count }),
            false if found != count => Err(HistogramDefect::CountMismatch { found, count }),
            _ => Ok(()),
        }
    }

    /// Checks what the rest of the code relies on: spans and counts fit, nothing is negative, bounds ascend.
    ///
    /// # Errors
    /// The first defect found.
    pub fn validate(&self) -> Result<(), HistogramDefect> {
        validate_side("negative", &self.negative_spans, &self.negative_buckets)?;
        validate_side("positive", &self.positive_spans, &self.positive_buckets)?;
        if self.uses_custom_buckets() {
            self.validate_custom()?;
        } else if !is_exponential(self.schema) {
            return Err(HistogramDefect::Schema(self.schema));
        } else if !self.custom_values.is_empty() {
            return Err(HistogramDefect::Misplaced("exponential schema must not have custom bounds"));
        }
        match () {
            () if self.count < 0.0 => Err(HistogramDefect::NegativeTotal("count")),
            () if self.zero_count < 0.0 => Err(HistogramDefect::NegativeTotal("zero count")),
            () if !(self.zero_threshold >= 0.0 && self.zero_threshold.is_finite()) => {
                Err(HistogramDefect::Misplaced("a zero threshold that is not a finite positive number"))
            }
            () => Ok(()),
        }
    }

    fn validate_custom(&self) -> Result<(), HistogramDefect> {
        let ascending = self.custom_values.windows(2).all(|w| matches!(w, [a, b] if a < b));
        if !ascending || !self.custom_values.iter().all(|v| v.is_finite()) {
            return Err(HistogramDefect::CustomBounds);
        }
        let length = self.positive_spans.iter().map(|s| i64::from(s.offset) + i64::from(s.length)).sum::<i64>();
        let bounds = self.custom_values.len();
        if length > bounds as i64 + 1 {
            return Err(HistogramDefect::CustomTooFew { bounds, length });
        }
        if self.positive_spans.first().is_some_and(|s| s.offset < 0) {
            return Err(HistogramDefect::Misplaced("custom buckets below the first bound"));
        }
        if self.zero_count != 0.0 {
            return Err(HistogramDefect::Misplaced("custom buckets must have zero count of 0"));
        }
        if self.zero_threshold != 0.0 {
            return Err(HistogramDefect::Misplaced("custom buckets must have zero threshold of 0"));
        }
        if !self.negative_spans.is_empty() || !self.negative_buckets.is_empty() {
            return Err(HistogramDefect::Misplaced("custom buckets must not have negative buckets"));
        }
        Ok(())
    }
}

fn validate_side(side: &'static str, spans: &[Span], counts: &[f64]) -> Result<(), HistogramDefect> {
    let need = spans.iter().map(|s| u64::from(s.length)).sum::<u64>();
    if need != counts.len() as u64 {
        return Err(HistogramDefect::SpanMismatch { side, need, have: counts.len() });
    }
    if let Some((i, s)) = spans.iter().enumerate().skip(1).find(|(_, s)| s.offset < 0) {
        return Err(HistogramDefect::NegativeSpanOffset { side, span: i + 1, offset: s.offset });
    }
    match counts.iter().enumerate().find(|(_, c)| **c < 0.0) {
        Some((i, count)) => Err(HistogramDefect::NegativeBucket { side, bucket: i + 1, count: *count }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_custom, any_exponential, custom, exponential};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn defects_are_named() {
        let good = exponential(0, 1.0, (0, &[1.0, 2.0]), (0, &[]));
        let broken: [fn(&mut FloatHistogram); 8] = [
            |h| h.schema = 9,
            |h| h.positive_buckets.push(1.0),
            |h| h.positive_spans.push(Span { offset: -1, length: 0 }),
            |h| h.positive_buckets = vec![1.0, -1.0],
            |h| h.count = -1.0,
            |h| h.custom_values.push(1.0),
            |h| h.zero_threshold = f64::NAN,
            |h| *h = FloatHistogram { custom_values: vec![2.0, 1.0], ..custom(&[1.0, 2.0], &[1.0]) },
        ];
        assert_eq!(good.validate(), Ok(()));
        for (i, breaks) in broken.iter().enumerate() {
            let mut h = good.clone();
            breaks(&mut h);
            assert!(h.validate().is_err(), "defect {i}");
        }
        assert!(custom(&[1.0], &[1.0, 2.0, 3.0]).validate().is_err());
    }

    #[test]
    fn whole_counts_add_up_where_all_observations_are_numbers() {
        let h = exponential(0, 1.0, (0, &[1.0, 2.0]), (0, &[3.0]));
        for (count, sum, wanted) in [
            (7.0, 1.0, Ok(())),
            (8.0, 1.0, Err(HistogramDefect::CountMismatch { found: 7.0, count: 8.0 })),
            (6.0, 1.0, Err(HistogramDefect::CountMismatch { found: 7.0, count: 6.0 })),
            (8.0, f64::NAN, Ok(())),
            (6.0, f64::NAN, Err(HistogramDefect::CountTooLow { found: 7.0, count: 6.0 })),
            (1e16, 1.0, Ok(())),
        ] {
            assert_eq!(FloatHistogram { count, sum, ..h.clone() }.validate_total(), wanted, "{count} {sum}");
        }
        let told = HistogramDefect::CountMismatch { found: 7.0, count: 8.0 }.to_string();
        assert!(told.starts_with("7 observations found in buckets, but the Count field is 8: histogram's"), "{told}");
        assert_eq!(FloatHistogram::stale_marker().validate_total(), Ok(()));
    }

    #[test]
    fn what_is_finer_than_what_is_stored_is_made_coarser() {
        // Four buckets of schema 10 are one of schema 8.
        let h = |schema, offset| exponential(schema, 0.0, (offset, &[1.0, 2.0, 3.0, 4.0, 5.0]), (0, &[]));
        assert_eq!(h(10, 1).admitted(), Ok(exponential(8, 0.0, (1, &[10.0, 5.0]), (0, &[]))));
        assert_eq!(h(52, 1).admitted().map(|h| (h.schema, h.positive_buckets)), Ok((8, vec![15.0])));
        assert_eq!(h(8, 1).admitted(), Ok(h(8, 1)));
        for schema in [53, -5, -9] {
            assert_eq!(h(schema, 1).admitted(), Err(HistogramDefect::Schema(schema)));
        }
        let broken = FloatHistogram { positive_buckets: vec![1.0], ..h(20, 1) };
        assert!(broken.admitted().is_err());
    }

    proptest! {
        #[test]
        fn arithmetic_keeps_histograms_valid(a in any_exponential(), b in any_exponential(), x in any_custom(), y in any_custom()) {
            for (mut h, other) in [(a, b), (x, y)] {
                h.add(&other).unwrap();
                prop_assert_eq!(h.validate(), Ok(()));
                h.compact(2);
                prop_assert_eq!(h.validate(), Ok(()));
            }
        }
    }
}
