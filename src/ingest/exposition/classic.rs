//! From a classic histogram to a native one with custom buckets.

use crate::model::FloatHistogram;
use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};

/// The series of one classic histogram at one time, gathered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassicHistogram {
    /// Upper bound and cumulative count of the buckets.
    pub buckets: Vec<(f64, f64)>,
    /// `_count`, when exposed.
    pub count: Option<f64>,
    /// `_sum`, when exposed.
    pub sum: Option<f64>,
}

impl ClassicHistogram {
    /// The native histogram with these bounds; `None` when the parts contradict each other: bounds that are not
    /// numbers, cumulative counts that fall, a count below them.
    pub fn to_custom_buckets(&self) -> Option<FloatHistogram> {
        let mut buckets = self.buckets.clone();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets.dedup_by(|next, kept| next.0 == kept.0);
        let last = buckets.last().copied();
        let count = self.count.or(last.map(|(_, n)| n))?;
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            buckets.push((f64::INFINITY, count));
        }
        let mut h = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum.unwrap_or(0.0),
            ..FloatHistogram::default()
        };
        let (mut below, mut gap) = (0.0, 0i32);
        for (bound, cumulative) in &buckets {
            if bound.is_nan() || !(*cumulative >= below && *cumulative <= count) {
                return None;
            }
            if bound.is_finite() {
                h.custom_values.push(*bound);
            }
            push_bucket(&mut h, cumulative - below, &mut gap);
            below = *cumulative;
        }
        Some(h)
    }
}

/// Appends a bucket; empty ones only widen the gap before the next span.
fn push_bucket(h: &mut FloatHistogram, n: f64, gap: &mut i32) {
    if n == 0.0 {
        *gap += 1;
        return;
    }
    match h.positive_spans.last_mut() {
        Some(span) if *gap == 0 => span.length += 1,
        _ => h.positive_spans.push(Span { offset: *gap, length: 1 }),
    }
    *gap = 0;
    h.positive_buckets.push(n);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_buckets_become_custom_ones() {
        let inf = f64::INFINITY;
        let classic = ClassicHistogram {
            buckets: vec![(inf, 10.0), (0.5, 2.0), (1.0, 2.0), (2.5, 7.0)],
            count: Some(10.0),
            sum: Some(12.5),
        };
        let h = classic.to_custom_buckets().unwrap();
        assert_eq!((h.schema, h.count, h.sum), (CUSTOM_BUCKETS_SCHEMA, 10.0, 12.5));
        assert_eq!(h.custom_values, [0.5, 1.0, 2.5]);
        assert_eq!(h.positive_spans, [Span { offset: 0, length: 1 }, Span { offset: 1, length: 2 }]);
        assert_eq!(h.positive_buckets, [2.0, 5.0, 3.0]);
        let falling = ClassicHistogram { buckets: vec![(1.0, 5.0), (2.0, 4.0)], count: Some(5.0), sum: None };
        assert_eq!(falling.to_custom_buckets(), None);
        assert_eq!(ClassicHistogram::default().to_custom_buckets(), None);
        let only_count = ClassicHistogram { buckets: vec![(1.0, 3.0)], count: Some(4.0), sum: None };
        assert_eq!(only_count.to_custom_buckets().unwrap().positive_buckets, [3.0, 1.0]);
    }
}
