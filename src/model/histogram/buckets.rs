//! Walking through the buckets of a histogram.

use super::bounds::bound;
use super::{FloatHistogram, Span};

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

/// The buckets of one side as `(index, count)`, ascending by index; from the back, descending. A layout whose spans and
/// counts do not fit ends where one of the two ends.
#[derive(Clone, Debug)]
pub struct Indexed<'a, T> {
    spans: &'a [Span],
    counts: &'a [T],
    /// Buckets of the first span that are behind us, and the index of the next.
    front: (u32, i32),
    /// Buckets of the last span that are behind us coming from the back, and one past the index of the next.
    back: (u32, i32),
}

impl<'a, T: Copy> Indexed<'a, T> {
    pub(super) fn new(spans: &'a [Span], counts: &'a [T]) -> Self {
        let start = spans.first().map_or(0, |s| s.offset);
        let end = spans.iter().fold(0i32, |i, s| i.saturating_add(s.offset).saturating_add_unsigned(s.length));
        Indexed { spans, counts, front: (0, start), back: (0, end) }
    }

    /// The indices alone matter: whether the front and back meet is decided by `counts`.
    fn skip_finished_spans(&mut self) -> Option<()> {
        loop {
            let (first, rest) = self.spans.split_first()?;
            if self.front.0 < first.length {
                return Some(());
            }
            self.front = (0, self.front.1.saturating_add(rest.first()?.offset));
            self.spans = rest;
        }
    }

    fn skip_finished_spans_back(&mut self) -> Option<()> {
        loop {
            let (last, rest) = self.spans.split_last()?;
            if self.back.0 < last.length {
                return Some(());
            }
            self.back = (0, self.back.1.saturating_sub(last.offset));
            self.spans = rest;
        }
    }
}

impl<T: Copy> Iterator for Indexed<'_, T> {
    type Item = (i32, T);

    #[inline]
    fn next(&mut self) -> Option<(i32, T)> {
        let (count, rest) = self.counts.split_first()?;
        self.skip_finished_spans()?;
        let index = self.front.1;
        self.front = (self.front.0 + 1, index.saturating_add(1));
        self.counts = rest;
        Some((index, *count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.counts.len(), Some(self.counts.len()))
    }
}

impl<T: Copy> DoubleEndedIterator for Indexed<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<(i32, T)> {
        let (count, rest) = self.counts.split_last()?;
        self.skip_finished_spans_back()?;
        let index = self.back.1.saturating_sub(1);
        self.back = (self.back.0 + 1, index);
        self.counts = rest;
        Some((index, *count))
    }
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
