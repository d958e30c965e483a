//! Addition and subtraction of histograms that may differ in resolution, zero bucket or custom bounds.

use super::bounds::exponential_bound;
use super::layout::{Count, Side, coarser_index, collect_mapped};
use super::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, bound};
use crate::model::kahan::Sum;

/// Why two histograms do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// One has exponential buckets, the other custom ones.
    #[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
    IncompatibleSchemas,
}

/// What had to be settled to add or subtract two histograms; each is worth a note to the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// One said "counter reset", the other "no counter reset"; the result says nothing.
    pub counter_resets: bool,
    /// Their custom bounds differed; the result has the bounds both had.
    pub custom_bounds: bool,
}

impl CounterResetHint {
    /// The hint of a sum, and whether the two contradict each other.
    pub fn of_sum(self, other: Self) -> (Self, bool) {
        use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
        match (self, other) {
            (a, b) if a == b => (a, false),
            (Gauge, _) | (_, Gauge) => (Gauge, false),
            (Unknown, _) | (_, Unknown) => (Unknown, false),
            (Reset | NotReset, _) => (Unknown, true),
        }
    }
}

/// A histogram whose counts are of type `T`: plain floats, or compensated sums.
#[derive(Clone, Debug)]
struct Accumulator<T> {
    hint: CounterResetHint,
    schema: i32,
    zero_threshold: f64,
    zero_count: T,
    count: T,
    sum: T,
    positive: Side<T>,
    negative: Side<T>,
    custom_values: Vec<f64>,
}

impl<T: Count> Accumulator<T> {
    /// Adds `sign` times `other`.
    fn add(&mut self, other: &FloatHistogram, sign: f64) -> Result<Reconciled, HistogramError> {
        if (self.schema == CUSTOM_BUCKETS_SCHEMA) != other.uses_custom_buckets() {
            return Err(HistogramError::IncompatibleSchemas);
        }
        let mut reconciled = Reconciled::default();
        (self.hint, reconciled.counter_resets) = self.hint.of_sum(other.counter_reset_hint);
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            reconciled.custom_bounds = self.add_custom(other, sign);
        } else {
            self.add_exponential(other, sign);
        }
        self.count = self.count.plus(sign * other.count);
        self.sum = self.sum.plus(sign * other.sum);
        Ok(reconciled)
    }

    fn add_exponential(&mut self, other: &FloatHistogram, sign: f64) {
        let zero_count = self.reconcile_zero_buckets(other);
        self.zero_count = self.zero_count.plus(sign * zero_count);
        if other.schema < self.schema {
            let (from, to) = (self.schema, other.schema);
            self.positive = self.positive.map_indices(|i| coarser_index(i, from, to));
            self.negative = self.negative.map_indices(|i| coarser_index(i, from, to));
            self.schema = to;
        }
        self.positive.add(other.outside_zero(other.positive(), self.schema, self.zero_threshold), sign);
        self.negative.add(other.outside_zero(other.negative(), self.schema, self.zero_threshold), sign);
    }

    /// Widens the narrower zero bucket until both are equally wide; returns what then is in that of `other`.
    fn reconcile_zero_buckets(&mut self, other: &FloatHistogram) -> f64 {
        let (mut theirs, mut threshold) = (other.zero_count, other.zero_threshold);
        while threshold != self.zero_threshold {
            if threshold < self.zero_threshold {
                (theirs, threshold) = other.widened_zero_bucket(self.zero_threshold);
            }
            if threshold > self.zero_threshold {
                // Ours may have to become wider than theirs, which then is to follow.
                self.widen_zero_bucket(widened_threshold(self.schema, &self.positive, &self.negative, threshold));
            }
            if threshold.is_nan() || self.zero_threshold.is_nan() {
                break;
            }
        }
        theirs
    }

    /// Moves all buckets below `threshold` into the zero bucket.
    fn widen_zero_bucket(&mut self, threshold: f64) {
        let schema = self.schema;
        for side in [&mut self.positive, &mut self.negative] {
            let inside = |i: i32| exponential_bound(i.saturating_sub(1), schema) < threshold;
            for (_, c) in side.iter().take_while(|(i, _)| inside(*i)) {
                self.zero_count = self.zero_count.join(c);
            }
            *side = collect_mapped(side.iter().filter(|(i, c)| !inside(*i) && !c.is_zero()), |i| i);
        }
        self.zero_threshold = threshold;
    }

    /// Adds custom buckets; returns whether the bounds had to be reconciled.
    fn add_custom(&mut self, other: &FloatHistogram, sign: f64) -> bool {
        if self.custom_values == other.custom_values {
            self.positive.add(other.positive_side(), sign);
            return false;
        }
        let common = common_bounds(&self.custom_values, &other.custom_values);
        let ours = rebucket(self.positive.iter(), &self.custom_values, &common);
        let theirs = rebucket(other.positive(), &other.custom_values, &common);
        self.positive = ours;
        self.positive.add(theirs, sign);
        self.positive.compact(0);
        self.custom_values = common;
        true
    }
}

/// The smallest threshold from `wanted` on that does not cut a populated bucket in two.
fn widened_threshold<T: Count>(schema: i32, positive: &Side<T>, negative: &Side<T>, wanted: f64) -> f64 {
    let mut threshold = wanted;
    // Every round but the last moves the threshold up to a bucket's bound, so this ends.
    loop {
        let cut = [positive, negative].into_iter().find_map(|side| {
            let mut near = side.iter().take_while(|(i, _)| exponential_bound(i.saturating_sub(1), schema) < threshold);
            near.find_map(|(i, c)| {
                let upper = exponential_bound(i, schema);
                (upper > threshold && !c.is_zero()).then_some(upper)
            })
        });
        match cut {
            Some(upper) => threshold = upper,
            None => return threshold,
        }
    }
}

/// The bounds that are in both lists.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut rest = b.iter().peekable();
    let mut shared = |x: &f64| {
        while rest.next_if(|y| *y < x).is_some() {}
        rest.peek().is_some_and(|y| *y == x)
    };
    a.iter().copied().filter(|x| shared(x)).collect()
}

/// Buckets with bounds `from` by the bounds `to`, a subset of them; empty buckets are left out.
pub(super) fn rebucket<T: Count>(buckets: impl Iterator<Item = (i32, T)>, from: &[f64], to: &[f64]) -> Side<T> {
    let populated = buckets.filter(|(_, c)| !c.is_zero());
    collect_mapped(populated, |i| {
        let upper = bound(i, CUSTOM_BUCKETS_SCHEMA, from);
        i32::try_from(to.partition_point(|b| *b < upper)).unwrap_or(i32::MAX)
    })
}

impl FloatHistogram {
    /// Adds another histogram. The result is not compacted.
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets; nothing is changed then.
    #[allow(clippy::should_implement_trait)]
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Reconciled, HistogramError> {
        self.accumulate(other, 1.0)
    }

    /// Subtracts another histogram. The result is not compacted, and its hint is that of a sum: the caller says whether
    /// it is a gauge now.
    ///
    /// # Errors
    /// As [`FloatHistogram::add`].
    #[allow(clippy::should_implement_trait)]
    pub fn sub(&mut self, other: &FloatHistogram) -> Result<Reconciled, HistogramError> {
        self.accumulate(other, -1.0)
    }

    fn accumulate(&mut self, other: &FloatHistogram, sign: f64) -> Result<Reconciled, HistogramError> {
        let mut acc = Accumulator {
            hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive: self.take_positive_side(),
            negative: self.take_negative_side(),
            custom_values: std::mem::take(&mut self.custom_values),
        };
        let outcome = acc.add(other, sign);
        *self = acc.into_histogram(|v| v);
        outcome
    }

    /// Removes empty buckets, but writes out up to `max_empty` of them where that avoids a new span.
    pub fn compact(&mut self, max_empty: usize) {
        let mut positive = self.take_positive_side();
        positive.compact(max_empty);
        (self.positive_spans, self.positive_buckets) = (positive.spans, positive.counts);
        let mut negative = self.take_negative_side();
        negative.compact(max_empty);
        (self.negative_spans, self.negative_buckets) = (negative.spans, negative.counts);
    }

    /// The same observations at a coarser exponential schema; a copy when `schema` is not coarser, or custom.
    pub fn to_schema(&self, schema: i32) -> FloatHistogram {
        let mut h = self.clone();
        if !self.uses_custom_buckets() && schema < self.schema {
            let positive = self.positive_side().map_indices(|i| coarser_index(i, self.schema, schema));
            let negative = self.negative_side().map_indices(|i| coarser_index(i, self.schema, schema));
            (h.positive_spans, h.positive_buckets) = (positive.spans, positive.counts);
            (h.negative_spans, h.negative_buckets) = (negative.spans, negative.counts);
            h.schema = schema;
        }
        h
    }

    /// What would be in the zero bucket if it were (at least) `threshold` wide, and how wide it would be.
    pub(super) fn widened_zero_bucket(&self, threshold: f64) -> (f64, f64) {
        if self.zero_threshold >= threshold {
            return (self.zero_count, self.zero_threshold);
        }
        let (positive, negative) = (self.positive_side(), self.negative_side());
        let threshold = widened_threshold(self.schema, &positive, &negative, threshold);
        let inside = |i: i32| exponential_bound(i.saturating_sub(1), self.schema) < threshold;
        let near =
            |side: &Side<f64>, sum: f64| side.iter().take_while(|(i, _)| inside(*i)).fold(sum, |sum, (_, c)| sum + c);
        (near(&negative, near(&positive, self.zero_count)), threshold)
    }

    /// One side at a schema at most as fine, without the buckets that lie in a zero bucket of the given width.
    fn outside_zero(&self, side: super::Indexed<'_, f64>, schema: i32, threshold: f64) -> Side<f64> {
        let from = self.schema;
        let coarse = if schema < from {
            collect_mapped(side, |i| coarser_index(i, from, schema))
        } else {
            collect_mapped(side, |i| i)
        };
        match coarse.iter().next() {
            Some((first, _)) if exponential_bound(first, schema) <= threshold => {
                collect_mapped(coarse.iter().skip_while(|(i, _)| exponential_bound(*i, schema) <= threshold), |i| i)
            }
            _ => coarse,
        }
    }

    pub(super) fn positive_side(&self) -> Side<f64> {
        Side { spans: self.positive_spans.clone(), counts: self.positive_buckets.clone() }
    }

    pub(super) fn negative_side(&self) -> Side<f64> {
        Side { spans: self.negative_spans.clone(), counts: self.negative_buckets.clone() }
    }

    fn take_positive_side(&mut self) -> Side<f64> {
        Side { spans: std::mem::take(&mut self.positive_spans), counts: std::mem::take(&mut self.positive_buckets) }
    }

    fn take_negative_side(&mut self) -> Side<f64> {
        Side { spans: std::mem::take(&mut self.negative_spans), counts: std::mem::take(&mut self.negative_buckets) }
    }
}

impl<T: Count> Accumulator<T> {
    fn into_histogram(self, value: impl Fn(T) -> f64 + Copy) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: value(self.zero_count),
            count: value(self.count),
            sum: value(self.sum),
            positive_spans: self.positive.spans,
            negative_spans: self.negative.spans,
            positive_buckets: self.positive.counts.into_iter().map(value).collect(),
            negative_buckets: self.negative.counts.into_iter().map(value).collect(),
            custom_values: self.custom_values,
        }
    }
}

/// A sum of histograms with compensated summation in every count: for `sum`, `avg` and their `_over_time` forms.
#[derive(Clone, Debug)]
pub struct CompensatedHistogram(Accumulator<Sum>);

impl CompensatedHistogram {
    /// A sum of one histogram.
    pub fn new(h: &FloatHistogram) -> Self {
        let side = |s: Side<f64>| Side { spans: s.spans, counts: s.counts.into_iter().map(Sum::of).collect() };
        CompensatedHistogram(Accumulator {
            hint: h.counter_reset_hint,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: Sum::of(h.zero_count),
            count: Sum::of(h.count),
            sum: Sum::of(h.sum),
            positive: side(h.positive_side()),
            negative: side(h.negative_side()),
            custom_values: h.custom_values.clone(),
        })
    }

    /// Adds one histogram.
    ///
    /// # Errors
    /// As [`FloatHistogram::add`].
    pub fn add(&mut self, h: &FloatHistogram) -> Result<Reconciled, HistogramError> {
        self.0.add(h, 1.0)
    }

    /// Multiplies every count and its compensation.
    pub fn scale(&mut self, factor: f64) {
        self.each(|s| *s = Sum { sum: s.sum * factor, c: s.c * factor });
    }

    /// Divides every count and its compensation.
    pub fn div(&mut self, divisor: f64) {
        self.each(|s| *s = Sum { sum: s.sum / divisor, c: s.c / divisor });
    }

    fn each(&mut self, mut f: impl FnMut(&mut Sum)) {
        f(&mut self.0.zero_count);
        f(&mut self.0.count);
        f(&mut self.0.sum);
        self.0.positive.counts.iter_mut().chain(&mut self.0.negative.counts).for_each(f);
    }

    /// Whether any count or the sum is infinite.
    pub fn has_overflow(&self) -> bool {
        let mut all = self.0.positive.counts.iter().chain(&self.0.negative.counts);
        self.0.zero_count.sum.is_infinite()
            || self.0.count.sum.is_infinite()
            || self.0.sum.sum.is_infinite()
            || all.any(|s| s.sum.is_infinite())
    }

    /// The sum, compensations added, empty buckets removed.
    pub fn finish(self) -> FloatHistogram {
        let mut h = self.0.into_histogram(Sum::value);
        h.compact(0);
        h
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_custom, any_exponential, custom, exponential};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layouts_are_brought_together_towards_the_coarser() {
        let wide = exponential(0, 0.0, (0, &[1.0, 1.0, 1.0]), (0, &[]));
        let fine = FloatHistogram { zero_threshold: 0.5, ..exponential(1, 1.0, (1, &[1.0, 1.0, 1.0]), (0, &[])) };
        for (a, b) in [(&wide, &fine), (&fine, &wide)] {
            let mut sum = a.clone();
            assert_eq!(sum.add(b), Ok(Reconciled::default()));
            assert_eq!(sum.to_notation(), "{{count:7 sum:2 z_bucket:1 z_bucket_w:0.5 buckets:[1 3 2]}}");
        }
        let (odd, even) = (custom(&[1.0, 2.0, 4.0], &[1.0; 4]), custom(&[2.0, 4.0, 8.0], &[1.0; 4]));
        let mut sum = odd.clone();
        assert_eq!(sum.add(&even), Ok(Reconciled { counter_resets: false, custom_bounds: true }));
        assert_eq!(sum.to_notation(), "{{schema:-53 count:8 sum:2 custom_values:[2 4] buckets:[3 2 3]}}");
        assert_eq!(wide.clone().add(&odd), Err(HistogramError::IncompatibleSchemas));
    }

    #[test]
    fn a_wider_zero_bucket_swallows_what_it_reaches_into() {
        let mut h = exponential(0, 2.0, (-1, &[1.0, 2.0, 4.0]), (-1, &[8.0, 16.0]));
        let wide = FloatHistogram { zero_threshold: 0.75, ..exponential(0, 1.0, (0, &[]), (0, &[])) };
        h.add(&wide).unwrap();
        // 0.75 lies in a populated bucket, which ends at 1.
        assert_eq!((h.zero_threshold, h.zero_count), (1.0, 30.0));
        assert_eq!(h.positive().collect::<Vec<_>>(), [(1, 4.0)]);
        assert_eq!(h.negative().count(), 0);
    }

    #[test]
    fn zero_buckets_that_widen_each_other_lose_nothing() {
        let mut h = exponential(0, 0.0, (2, &[5.0]), (0, &[]));
        let fine = FloatHistogram { zero_threshold: 3.0, ..exponential(2, 1.0, (8, &[7.0]), (0, &[])) };
        h.add(&fine).unwrap();
        // 3 lies in our bucket, which ends at 4; between 3 and 4 lies a bucket of theirs.
        assert_eq!((h.zero_threshold, h.zero_count, h.count), (4.0, 13.0, 13.0));
        assert_eq!(h.positive().count(), 0);
    }

    #[test]
    fn hints_are_added_up() {
        use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
        for (a, b, want) in [
            (Reset, Reset, (Reset, false)),
            (Gauge, Reset, (Gauge, false)),
            (NotReset, Unknown, (Unknown, false)),
            (Reset, NotReset, (Unknown, true)),
        ] {
            assert_eq!((a.of_sum(b), b.of_sum(a)), (want, want), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn resets_are_seen_in_every_count() {
        let before = exponential(1, 2.0, (0, &[1.0, 2.0]), (0, &[3.0]));
        type Change = fn(&mut FloatHistogram);
        let changed: [(Change, bool); 9] = [
            (|_| {}, false),
            (|h| h.positive_buckets = vec![2.0, 2.0], false),
            (|h| h.positive_buckets = vec![0.0, 9.0], true),
            (|h| h.negative_spans[0].offset = 1, true),
            (|h| h.zero_count = 1.0, true),
            (|h| h.count = 1.0, true),
            (|h| h.zero_threshold = 0.0, true),
            (|h| *h = h.to_schema(0), false),
            (|h| h.counter_reset_hint = CounterResetHint::Reset, true),
        ];
        for (i, (change, want)) in changed.iter().enumerate() {
            let mut now = before.clone();
            change(&mut now);
            assert_eq!(now.detect_reset(&before), *want, "change {i}");
        }
        let (coarse, fine) = (
            custom(&[2.0, 4.0, 6.0], &[1.0, 2.0, 5.0, 7.0]),
            custom(&[2.0, 3.0, 4.0, 6.0], &[1.0, 0.0, 1.0, 5.0, 8.0]),
        );
        assert!(fine.detect_reset(&coarse) && !coarse.detect_reset(&coarse));
    }

    proptest! {
        #[test]
        fn addition_does_not_care_for_order_and_subtraction_undoes_it(a in any_exponential(), b in any_exponential(), x in any_custom(), y in any_custom()) {
            // Zero buckets that no other bucket reaches into, as in all histograms that are made by observing.
            let a = FloatHistogram { zero_threshold: 0.0, ..a };
            let b = FloatHistogram { zero_threshold: 1e-6, ..b };
            for (a, b) in [(a, b), (x, y)] {
                let (mut ab, mut ba) = (a.clone(), b.clone());
                ab.add(&b).unwrap();
                ba.add(&a).unwrap();
                ab.compact(0);
                ba.compact(0);
                prop_assert_eq!(&ab, &ba);
                let mut compensated = CompensatedHistogram::new(&a);
                compensated.add(&b).unwrap();
                prop_assert_eq!(compensated.finish(), ab.clone());
                ab.sub(&b).unwrap();
                prop_assert_eq!((ab.count, ab.sum), (a.count, a.sum));
            }
        }

        #[test]
        fn every_step_to_a_coarser_schema_keeps_all_observations(h in any_exponential(), schema in -4..=8i32) {
            let coarse = h.to_schema(schema);
            prop_assert_eq!(coarse.schema, schema.min(h.schema));
            prop_assert_eq!(coarse.positive_buckets.iter().sum::<f64>(), h.positive_buckets.iter().sum::<f64>());
        }
    }
}
