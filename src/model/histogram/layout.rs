//! Bucket layouts: spans of indices and the counts that go with them, independent of what a count is.

use super::indexed::Indexed;
use super::schema::Span;
use crate::model::kahan::Sum;

/// What can stand for the number of observations in a bucket.
pub(super) trait Count: Copy {
    /// A count from its value.
    fn of(value: f64) -> Self;
    /// Adds a value.
    fn plus(self, value: f64) -> Self;
    /// Adds another count.
    fn join(self, other: Self) -> Self;
    /// Whether it counts nothing.
    fn is_zero(self) -> bool;
}

impl Count for f64 {
    #[inline]
    fn of(value: f64) -> Self {
        value
    }
    #[inline]
    fn plus(self, value: f64) -> Self {
        self + value
    }
    #[inline]
    fn join(self, other: Self) -> Self {
        self + other
    }
    #[inline]
    fn is_zero(self) -> bool {
        self == 0.0
    }
}

impl Count for Sum {
    #[inline]
    fn of(value: f64) -> Self {
        Sum::of(value)
    }
    #[inline]
    fn plus(self, value: f64) -> Self {
        self.add(value)
    }
    #[inline]
    fn join(self, other: Self) -> Self {
        let joined = self.add(other.sum);
        Sum { sum: joined.sum, c: joined.c + other.c }
    }
    #[inline]
    fn is_zero(self) -> bool {
        self.sum == 0.0 && self.c == 0.0
    }
}

/// One side of a histogram: its populated buckets by index.
#[derive(Clone, Debug)]
pub(super) struct Side<T> {
    pub spans: Vec<Span>,
    pub counts: Vec<T>,
}

impl<T> Default for Side<T> {
    fn default() -> Self {
        Side { spans: Vec::new(), counts: Vec::new() }
    }
}

impl<T: Count> Side<T> {
    /// The buckets, ascending by index.
    pub fn iter(&self) -> Indexed<'_, T> {
        Indexed::new(&self.spans, &self.counts)
    }

    /// Adds `sign` times the buckets of `other`, of the same schema, bucket by bucket.
    pub fn add(&mut self, other: Side<f64>, sign: f64) {
        if other.counts.is_empty() {
            return;
        }
        if self.spans == other.spans && self.counts.len() == other.counts.len() {
            for (a, b) in self.counts.iter_mut().zip(&other.counts) {
                *a = a.plus(sign * b);
            }
            return;
        }
        let mut merged = Builder::with_capacity(self.counts.len() + other.counts.len());
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        loop {
            match (ours.peek().copied(), theirs.peek().copied()) {
                (None, None) => break,
                (Some((i, a)), Some((j, b))) if i == j => {
                    merged.push(i, a.plus(sign * b));
                    ours.next();
                    theirs.next();
                }
                (Some((i, a)), theirs) if theirs.is_none_or(|(j, _)| i < j) => {
                    merged.push(i, a);
                    ours.next();
                }
                (_, Some((j, b))) => {
                    merged.push(j, T::of(sign * b));
                    theirs.next();
                }
                (Some(_), None) => break,
            }
        }
        *self = merged.finish();
    }

    /// Maps every bucket to another index, in ascending order; counts that meet are added up.
    pub fn map_indices(&self, map: impl FnMut(i32) -> i32) -> Self {
        collect_mapped(self.iter(), map)
    }

    /// Removes zero buckets so that what remains is either populated or in a gap of at most `max_empty` zero buckets
    /// between two populated ones, which is then written out rather than begun anew as a span.
    pub fn compact(&mut self, max_empty: usize) {
        if max_empty == 0 && self.is_compact() {
            return;
        }
        let mut kept = Builder::with_capacity(self.counts.len());
        let mut previous: Option<i32> = None;
        for (index, count) in self.iter().filter(|(_, c)| !c.is_zero()) {
            if let Some(p) = previous {
                let gap = i64::from(index) - i64::from(p) - 1;
                if gap > 0 && usize::try_from(gap).is_ok_and(|g| g <= max_empty.min(MAX_FILL)) {
                    (p + 1..index).for_each(|i| kept.push(i, T::of(0.0)));
                }
            }
            kept.push(index, count);
            previous = Some(index);
        }
        *self = kept.finish();
    }

    fn is_compact(&self) -> bool {
        let gaps = self.spans.iter().enumerate().all(|(i, s)| s.length > 0 && (i == 0 || s.offset > 0));
        gaps && !self.counts.iter().any(|c| c.is_zero())
    }
}

/// A gap longer than this is never written out as zero buckets, whatever the caller asks: it could be hostile.
const MAX_FILL: usize = 100_000;

/// Collects buckets whose indices ascend after mapping (not necessarily strictly).
pub(super) fn collect_mapped<T: Count>(
    buckets: impl Iterator<Item = (i32, T)>,
    mut map: impl FnMut(i32) -> i32,
) -> Side<T> {
    let mut out = Builder::with_capacity(buckets.size_hint().0);
    for (index, count) in buckets {
        out.push(map(index), count);
    }
    out.finish()
}

/// The index of the bucket of the coarser schema `to` that contains bucket `index` of `from`.
#[inline]
pub(super) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    (index.saturating_sub(1) >> (from - to).clamp(0, 31)).saturating_add(1)
}

/// Builds a side from buckets in ascending order of index.
pub(super) struct Builder<T> {
    side: Side<T>,
    /// The index after the last bucket.
    next: i32,
}

impl<T: Count> Builder<T> {
    pub fn with_capacity(buckets: usize) -> Self {
        Builder { side: Side { spans: Vec::new(), counts: Vec::with_capacity(buckets) }, next: 0 }
    }

    /// Appends a bucket; one with the index of the last is added to it.
    pub fn push(&mut self, index: i32, count: T) {
        match self.side.spans.last_mut() {
            Some(span) if index == self.next => span.length += 1,
            Some(_) if index < self.next => {
                if let Some(last) = self.side.counts.last_mut() {
                    *last = last.join(count);
                }
                return;
            }
            Some(_) => self.side.spans.push(Span { offset: index.saturating_sub(self.next), length: 1 }),
            None => self.side.spans.push(Span { offset: index, length: 1 }),
        }
        self.side.counts.push(count);
        self.next = index.saturating_add(1);
    }

    pub fn finish(self) -> Side<T> {
        self.side
    }
}

/// Whether two lists of spans describe the same indices, empty spans aside.
pub(super) fn same(a: &[Span], b: &[Span]) -> bool {
    a == b || normalized(a).eq(normalized(b))
}

/// Spans with empty ones joined to the next.
fn normalized(spans: &[Span]) -> impl Iterator<Item = Span> + '_ {
    let mut carried = 0i32;
    spans.iter().filter_map(move |s| {
        carried = carried.saturating_add(s.offset);
        (s.length > 0).then(|| Span { offset: std::mem::take(&mut carried), length: s.length })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(buckets: &[(i32, f64)]) -> Side<f64> {
        collect_mapped(buckets.iter().copied(), |i| i)
    }

    #[test]
    fn compaction_drops_zero_buckets_and_fills_small_gaps() {
        let span = |offset, length| Span { offset, length };
        let buckets = [(-3, 0.0), (-2, 1.0), (-1, 0.0), (0, 2.0), (1, 0.0), (2, 0.0), (3, 0.0), (4, 5.0), (9, 0.0)];
        for (max_empty, spans, counts) in [
            (0, vec![span(-2, 1), span(1, 1), span(3, 1)], vec![1.0, 2.0, 5.0]),
            (1, vec![span(-2, 3), span(3, 1)], vec![1.0, 0.0, 2.0, 5.0]),
            (3, vec![span(-2, 7)], vec![1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 5.0]),
        ] {
            let mut s = side(&buckets);
            s.compact(max_empty);
            assert_eq!((s.spans, s.counts), (spans, counts), "at most {max_empty} empty buckets");
        }
        let mut empty = side(&[(1, 0.0)]);
        empty.compact(0);
        assert!(empty.spans.is_empty() && empty.counts.is_empty());
    }

    #[test]
    fn sides_are_merged_by_index() {
        let mut a = side(&[(0, 1.0), (5, 2.0)]);
        a.add(side(&[(-2, 1.0), (0, 3.0), (1, 1.0), (5, 1.0), (8, 4.0)]), -1.0);
        let got: Vec<_> = a.iter().collect();
        assert_eq!(got, [(-2, -1.0), (0, -2.0), (1, -1.0), (5, 1.0), (8, -4.0)]);
    }

    #[test]
    fn coarser_buckets_take_their_parts() {
        let indices: Vec<i32> = (-4..=4).map(|i| coarser_index(i, 1, 0)).collect();
        assert_eq!(indices, [-2, -1, -1, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn empty_spans_do_not_make_a_difference() {
        let span = |offset, length| Span { offset, length };
        assert!(same(&[span(1, 0), span(2, 3)], &[span(3, 3)]));
        assert!(same(&[span(1, 0)], &[]));
        assert!(!same(&[span(1, 1)], &[span(2, 1)]));
    }
}
