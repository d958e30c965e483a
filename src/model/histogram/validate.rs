//! Whether a histogram from outside is one.

use super::{FloatHistogram, Span, is_exponential};

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

impl FloatHistogram {
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
