//! Points that count what came since the one before (`delta`): left out, stored as they are, or added up.
//!
//! Sums are added up as OpenTelemetry's `deltatocumulative` does, which Prometheus uses: from the first point that comes, in
//! memory alone, so that a restart is a reset; a series that nothing comes for is forgotten after five minutes.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::message::{Point, PointValue};
use crate::model::Labels;

/// What becomes of deltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Deltas {
    /// They are left out.
    #[default]
    LeaveOut,
    /// `otlp-native-delta-ingestion`: they are stored as they are, of unknown type.
    Keep,
    /// `otlp-deltatocumulative`: they are added up.
    AddUp,
}

/// Series that are added up, at most.
pub const MOST_STREAMS: usize = 1_000_000;
/// Buckets of all of them together.
const MOST_WORDS: usize = 16 << 20;
/// A series that nothing came for so long is forgotten, milliseconds.
const MAX_STALE_MS: i64 = 5 * 60_000;
/// Between two looks for such series, milliseconds.
const SWEEP_MS: i64 = 30_000;
/// That a bound is reached is told at most so often, milliseconds.
const TELL_EVERY_MS: i64 = 60_000;

/// What was added up.
#[derive(Debug, Default)]
pub struct Cumulative(Mutex<Streams>);

#[derive(Debug, Default)]
struct Streams {
    by_labels: HashMap<Labels, Stream>,
    /// Their buckets.
    words: usize,
    swept_at: i64,
    /// When it was told last that a bound is reached.
    told_at: Option<i64>,
}

/// One series.
#[derive(Debug)]
struct Stream {
    start: i64,
    t: i64,
    value: PointValue,
    seen_at: i64,
}

impl Cumulative {
    /// Adds a point to what came before of its series, and makes it the sum, since the first one's start.
    ///
    /// # Errors
    /// Why it is left out.
    pub fn add(
        &self,
        labels: Labels,
        now: i64,
        point: &mut Point,
        value: PointValue,
    ) -> Result<PointValue, &'static str> {
        let mut streams = self.0.lock();
        streams.sweep(now);
        if point.is_missing {
            streams.by_labels.remove(&labels);
            return Ok(value);
        }
        if streams.words > MOST_WORDS && words_of(&value) > 0 {
            return Err(streams.is_full("more buckets of deltas than can be added up", now));
        }
        if streams.by_labels.len() >= MOST_STREAMS && !streams.by_labels.contains_key(&labels) {
            return Err(streams.is_full("more series of deltas than can be added up", now));
        }
        let Streams { by_labels, words, .. } = &mut *streams;
        if let Some(stream) = by_labels.get_mut(&labels) {
            let before = words_of(&stream.value);
            let added = stream.add(point, value);
            *words = (*words + words_of(&stream.value)).saturating_sub(before);
            added?;
            stream.seen_at = now;
            point.start = stream.start;
            return Ok(stream.value.clone());
        }
        *words += words_of(&value);
        let stream = Stream { start: point.start, t: point.t, value: value.clone(), seen_at: now };
        by_labels.insert(labels, stream);
        Ok(value)
    }
}

impl Streams {
    /// A bound is reached: the sender is not told, so the log is, once a minute.
    fn is_full(&mut self, why: &'static str, now: i64) -> &'static str {
        if self.told_at.is_none_or(|at| !(0..TELL_EVERY_MS).contains(&now.saturating_sub(at))) {
            self.told_at = Some(now);
            tracing::warn!(series = self.by_labels.len(), buckets = self.words, "{why}; points are lost");
        }
        why
    }

    fn sweep(&mut self, now: i64) {
        // A clock that was set back begins anew.
        if (0..SWEEP_MS).contains(&now.saturating_sub(self.swept_at)) {
            return;
        }
        self.swept_at = now;
        self.by_labels.retain(|_, stream| now.saturating_sub(stream.seen_at) < MAX_STALE_MS);
        self.words = self.by_labels.values().map(|stream| words_of(&stream.value)).sum();
    }
}

fn words_of(value: &PointValue) -> usize {
    match value {
        PointValue::Number(_) | PointValue::Summary { .. } => 0,
        PointValue::Histogram { counts, bounds, .. } => counts.len() + bounds.len(),
        PointValue::Exponential { positive, negative, .. } => positive.1.len() + negative.1.len(),
    }
}

impl Stream {
    fn add(&mut self, point: &Point, more: PointValue) -> Result<(), &'static str> {
        if point.start < self.start && point.start != 0 {
            return Err("a delta begins before the first one of its series");
        }
        if point.t <= self.t {
            return Err("a delta is out of order");
        }
        self.t = point.t;
        match (&mut self.value, more) {
            (PointValue::Number(sum), PointValue::Number(v)) => *sum += v,
            (
                PointValue::Histogram { count, sum, counts, bounds },
                PointValue::Histogram { count: n, sum: s, counts: c, bounds: b },
            ) if *bounds == b && counts.len() == c.len() => {
                *count = count.saturating_add(n);
                *sum = sum.zip(s).map(|(a, b)| a + b);
                counts.iter_mut().zip(c).for_each(|(a, b)| *a = a.saturating_add(b));
            }
            (
                PointValue::Exponential { count, sum, scale, zero_count, positive, negative },
                PointValue::Exponential { count: n, sum: s, scale: l, zero_count: z, positive: p, negative: g },
            ) => {
                let coarser = (*scale).min(l);
                let at = |buckets: &Buckets, from: i32| coarsen(buckets, from.saturating_sub(coarser));
                let (p0, p1, n0, n1) = (at(positive, *scale), at(&p, l), at(negative, *scale), at(&g, l));
                let by = too_fine(&p0, &p1).max(too_fine(&n0, &n1));
                *positive = merge(&coarsen(&p0, by), &coarsen(&p1, by));
                *negative = merge(&coarsen(&n0, by), &coarsen(&n1, by));
                *scale = coarser.saturating_sub(by);
                *count = count.saturating_add(n);
                *sum = sum.zip(s).map(|(a, b)| a + b);
                *zero_count = zero_count.saturating_add(z);
            }
            // Other bounds, or another kind: it is counted anew.
            (value, more) => {
                *value = more;
                self.start = point.start;
            }
        }
        Ok(())
    }
}

/// The first bucket's index, and counts.
type Buckets = (i32, Vec<u64>);

/// Buckets that one side of a histogram grows to, as in `deltatocumulative`: where there would be more, all become coarser.
const MOST_BUCKETS: i64 = 160;

/// By how much the scale of both has to be lower for them to fit into one.
fn too_fine(a: &Buckets, b: &Buckets) -> i32 {
    let ends = |(offset, counts): &Buckets| {
        let first = i64::from(*offset);
        (!counts.is_empty()).then(|| (first, first + counts.len() as i64 - 1))
    };
    let all = [a, b].into_iter().filter_map(ends).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let Some((mut first, mut last)) = all else { return 0 };
    let mut by = 0;
    while last - first >= MOST_BUCKETS {
        (first, last, by) = (first >> 1, last >> 1, by + 1);
    }
    by
}

/// Buckets of a scale that is lower by `by`: of each 2 to the power of `by` one.
fn coarsen((offset, counts): &Buckets, by: i32) -> Buckets {
    let by = u32::try_from(by).unwrap_or(0).min(31);
    let index = |i: usize| (i64::from(*offset) + i as i64) >> by;
    let first = index(0);
    let mut out: Vec<u64> = Vec::new();
    for (i, n) in counts.iter().enumerate() {
        let at = usize::try_from(index(i) - first).unwrap_or(0);
        out.resize(out.len().max(at + 1), 0);
        if let Some(bucket) = out.get_mut(at) {
            *bucket = bucket.saturating_add(*n);
        }
    }
    (i32::try_from(first).unwrap_or(*offset), out)
}

/// Both, which [fit](too_fine) into one, bucket by bucket.
fn merge(a: &Buckets, b: &Buckets) -> Buckets {
    if a.1.is_empty() || b.1.is_empty() {
        return if a.1.is_empty() { b.clone() } else { a.clone() };
    }
    let end = |(offset, counts): &Buckets| i64::from(*offset) + counts.len() as i64;
    let first = a.0.min(b.0);
    let len = usize::try_from(end(a).max(end(b)) - i64::from(first)).unwrap_or_default();
    let mut out = vec![0u64; len];
    for (offset, counts) in [a, b] {
        let skip = usize::try_from(i64::from(*offset) - i64::from(first)).unwrap_or(0);
        out.iter_mut().skip(skip).zip(counts).for_each(|(sum, n)| *sum = sum.saturating_add(*n));
    }
    (first, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str) -> Labels {
        Labels::from_pairs([("__name__", name)])
    }

    fn add(all: &Cumulative, now: i64, span: (i64, i64), value: PointValue) -> Result<(i64, PointValue), &'static str> {
        let mut point = Point { start: span.0, t: span.1, ..Point::default() };
        let value = all.add(labels("m"), now, &mut point, value)?;
        Ok((point.start, value))
    }

    fn number(all: &Cumulative, now: i64, span: (i64, i64), v: f64) -> Result<(i64, f64), &'static str> {
        match add(all, now, span, PointValue::Number(v))? {
            (start, PointValue::Number(v)) => Ok((start, v)),
            (_, other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_added_up_in_order_and_forgotten_in_time() {
        let all = Cumulative::default();
        assert_eq!(number(&all, 0, (1, 10), 3.0), Ok((1, 3.0)));
        assert_eq!(number(&all, 0, (10, 20), 4.5), Ok((1, 7.5)));
        assert_eq!(number(&all, 0, (10, 20), 4.5), Err("a delta is out of order"));
        assert!(number(&all, 0, (-5, 30), 1.0).is_err());
        assert_eq!(number(&all, MAX_STALE_MS - 1, (0, 30), 1.0), Ok((1, 8.5)), "without a start");
        assert_eq!(number(&all, 3 * MAX_STALE_MS, (40, 50), 2.0), Ok((40, 2.0)));
        let mut gone = Point { is_missing: true, t: 60, ..Point::default() };
        all.add(labels("m"), 3 * MAX_STALE_MS, &mut gone, PointValue::Number(0.0)).unwrap();
        assert_eq!(number(&all, 3 * MAX_STALE_MS, (60, 70), 1.0), Ok((60, 1.0)));
    }

    #[test]
    fn histograms_are_added_up_bucket_by_bucket() {
        let all = Cumulative::default();
        let classic = |counts: &[u64], bounds: &[f64]| PointValue::Histogram {
            count: counts.iter().sum(),
            sum: Some(1.5),
            counts: counts.to_vec(),
            bounds: bounds.to_vec(),
        };
        add(&all, 0, (0, 10), classic(&[1, 2], &[0.5])).unwrap();
        let (_, value) = add(&all, 0, (10, 20), classic(&[3, 0], &[0.5])).unwrap();
        assert!(matches!(value, PointValue::Histogram { count: 6, sum: Some(3.0), counts, .. } if counts == [4, 2]));
        // Other bounds begin anew.
        let (start, value) = add(&all, 0, (20, 30), classic(&[3, 0], &[0.7])).unwrap();
        assert!(matches!(value, PointValue::Histogram { count: 3, counts, .. } if counts == [3, 0]));
        assert_eq!(start, 20);
    }

    #[test]
    fn exponential_histograms_meet_at_the_coarser_scale() {
        let all = Cumulative::default();
        let exponential = |scale: i32, offset: i32, counts: &[u64]| PointValue::Exponential {
            count: counts.iter().sum(),
            sum: None,
            scale,
            zero_count: 1,
            positive: (offset, counts.to_vec()),
            negative: (0, Vec::new()),
        };
        add(&all, 0, (0, 10), exponential(2, -3, &[1, 2, 4, 8])).unwrap();
        let (_, value) = add(&all, 0, (10, 20), exponential(1, 1, &[5])).unwrap();
        let PointValue::Exponential { scale, zero_count, positive, count, .. } = value else { panic!("{value:?}") };
        // -3 is alone in -2; -2 and -1 are in -1; 0 is in 0.
        assert_eq!((scale, zero_count, count, positive), (1, 2, 20, (-2, vec![1, 6, 8, 5])));
        // Ends that lie far apart make all coarser, and whatever a scale says is added.
        let (_, value) = add(&all, 0, (20, 30), exponential(1, i32::MAX, &[7])).unwrap();
        let PointValue::Exponential { scale, positive: (_, counts), .. } = value else { panic!("{value:?}") };
        assert!(scale < 1 && counts.len() as i64 <= MOST_BUCKETS, "{scale} {counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), 27);
        for (t, scale) in [(40, i32::MAX), (50, i32::MIN)] {
            let (_, value) = add(&all, 0, (30, t), exponential(scale, i32::MIN, &[1; 300])).unwrap();
            let PointValue::Exponential { count, positive: (_, counts), .. } = value else { panic!("{value:?}") };
            assert!(counts.len() as i64 <= MOST_BUCKETS, "{scale} {counts:?}");
            assert_eq!(counts.iter().sum::<u64>(), count);
        }
    }
}
