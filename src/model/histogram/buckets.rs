//! Walking through the buckets of a histogram.

use super::bounds::bound;
use super::float::FloatHistogram;
use super::indexed::Indexed;

/// A bucket by its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether an observation equal to the lower bound falls into the bucket.
    pub lower_inclusive: bool,
    /// Whether an observation equal to the upper bound falls into the bucket.
    pub upper_inclusive: bool,
    /// Observations, not cumulated.
    pub count: f64,
}

/// All buckets from the lowest to the highest: negative, zero (when populated), positive. Buckets that reach into the
/// zero bucket are cut off there.
pub struct AllBuckets<'a> {
    h: &'a FloatHistogram,
    negative: Indexed<'a, f64>,
    zero: bool,
    positive: Indexed<'a, f64>,
}

impl AllBuckets<'_> {
    fn cut(&self, mut b: Bucket) -> Bucket {
        let threshold = self.h.zero_threshold;
        if b.upper < 0.0 && b.upper > -threshold {
            b.upper = -threshold;
        } else if b.lower > 0.0 && b.lower < threshold {
            b.lower = threshold;
        }
        b
    }
}

impl Iterator for AllBuckets<'_> {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        if let Some((i, c)) = self.negative.next_back() {
            return Some(self.cut(self.h.negative_bucket(i, c)));
        }
        if std::mem::take(&mut self.zero) {
            return Some(self.h.zero_bucket());
        }
        let (i, c) = self.positive.next()?;
        Some(self.cut(self.h.positive_bucket(i, c)))
    }
}

impl DoubleEndedIterator for AllBuckets<'_> {
    fn next_back(&mut self) -> Option<Bucket> {
        if let Some((i, c)) = self.positive.next_back() {
            return Some(self.cut(self.h.positive_bucket(i, c)));
        }
        if std::mem::take(&mut self.zero) {
            return Some(self.h.zero_bucket());
        }
        let (i, c) = self.negative.next()?;
        Some(self.cut(self.h.negative_bucket(i, c)))
    }
}

impl FloatHistogram {
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

    /// Positive buckets by index, ascending.
    pub fn positive(&self) -> Indexed<'_, f64> {
        Indexed::new(&self.positive_spans, &self.positive_buckets)
    }

    /// Negative buckets by index, ascending: away from zero.
    pub fn negative(&self) -> Indexed<'_, f64> {
        Indexed::new(&self.negative_spans, &self.negative_buckets)
    }

    /// All buckets, ascending; from the back, descending.
    pub fn buckets(&self) -> AllBuckets<'_> {
        AllBuckets { h: self, negative: self.negative(), zero: self.zero_count > 0.0, positive: self.positive() }
    }

    pub(super) fn positive_bucket(&self, index: i32, count: f64) -> Bucket {
        let lower = bound(index.saturating_sub(1), self.schema, &self.custom_values);
        let upper = bound(index, self.schema, &self.custom_values);
        self.inclusive(Bucket { lower, upper, count, ..Bucket::default() }, index)
    }

    pub(super) fn negative_bucket(&self, index: i32, count: f64) -> Bucket {
        let lower = -bound(index, self.schema, &self.custom_values);
        let upper = -bound(index.saturating_sub(1), self.schema, &self.custom_values);
        self.inclusive(Bucket { lower, upper, count, ..Bucket::default() }, index)
    }

    fn inclusive(&self, b: Bucket, index: i32) -> Bucket {
        let (lower_inclusive, upper_inclusive) =
            if self.uses_custom_buckets() { (index == 0, true) } else { (b.lower < 0.0, b.upper > 0.0) };
        Bucket { lower_inclusive, upper_inclusive, ..b }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::super::testing::{any_exponential, custom, exponential};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_ascend_from_negative_over_zero_to_positive() {
        let h = exponential(0, 3.0, (0, &[1.0, 2.0]), (1, &[4.0]));
        let got: Vec<_> = h.buckets().map(|b| (b.lower, b.upper, b.count)).collect();
        assert_eq!(got, [(-2.0, -1.0, 4.0), (-0.001, 0.001, 3.0), (0.5, 1.0, 1.0), (1.0, 2.0, 2.0)]);
        let custom = custom(&[1.0, 5.0], &[1.0, 2.0, 3.0]);
        let got: Vec<_> = custom.buckets().map(|b| (b.lower, b.upper, b.lower_inclusive)).collect();
        assert_eq!(got, [(f64::NEG_INFINITY, 1.0, true), (1.0, 5.0, false), (5.0, f64::INFINITY, false)]);
    }

    #[test]
    fn layouts_that_do_not_fit_end_early() {
        let spans = [Span { offset: 1, length: 3 }, Span { offset: i32::MAX, length: u32::MAX }];
        assert_eq!(Indexed::new(&spans, &[1.0, 2.0]).collect::<Vec<_>>(), [(1, 1.0), (2, 2.0)]);
        assert_eq!(Indexed::new(&spans, &[1.0; 6]).count(), 6);
        assert_eq!(Indexed::new(&[], &[1.0]).count(), 0);
    }

    proptest! {
        #[test]
        fn the_way_back_is_the_way_there(h in any_exponential()) {
            let forth: Vec<_> = h.buckets().collect();
            let mut back: Vec<_> = h.buckets().rev().collect();
            back.reverse();
            prop_assert_eq!(forth, back);
        }
    }
}
