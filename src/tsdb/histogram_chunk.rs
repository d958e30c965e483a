//! The body of a chunk of native histograms: the layout all of them share, then a column of floats for each number.
//!
//! ```text
//! layout   schema (zigzag varint), zero threshold (f64), positive spans, negative spans, custom values,
//!          numbers of positive and of negative buckets (varints)
//! columns  count, zero count, sum, positive buckets, negative buckets: varint size and a `floats` column each
//! ```
//!
//! A counter histogram's counts are integers, mostly, so every column is a column of packed integer deltas.

use std::sync::Arc;

use crate::model::FloatHistogram;
use crate::model::histogram::{CounterResetHint, Span};

use super::bits::{Reader, put_ivarint, put_uvarint};
use super::floats;

/// The numbers every histogram has besides its buckets.
pub(super) const FIXED_COLUMNS: usize = 3;

/// The hint as two bits, as Prometheus numbers them.
pub(super) fn hint_bits(hint: CounterResetHint) -> u8 {
    match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    }
}

/// The hint of two bits.
pub(super) fn hint_of(bits: u8) -> CounterResetHint {
    match bits & 3 {
        0 => CounterResetHint::Unknown,
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        _ => CounterResetHint::Gauge,
    }
}

/// Whether two histograms can be rows of one chunk.
pub(super) fn same_layout(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let bits = |x: &[f64], y: &[f64]| x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits());
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && a.positive_buckets.len() == b.positive_buckets.len()
        && a.negative_buckets.len() == b.negative_buckets.len()
        && bits(&a.custom_values, &b.custom_values)
}

/// The hint Prometheus gives `next` when it is read back, `previous` being the histogram before it in the series.
pub(super) fn hint_after(previous: Option<&FloatHistogram>, next: &FloatHistogram) -> CounterResetHint {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
    if matches!(next.counter_reset_hint, Gauge | Reset) {
        return next.counter_reset_hint;
    }
    let Some(previous) = previous.filter(|p| p.counter_reset_hint != Gauge) else { return Unknown };
    if crate::model::is_stale(next.sum) {
        return NotReset;
    }
    if crate::model::is_stale(previous.sum) {
        return Unknown;
    }
    if next.count < previous.count {
        return Reset;
    }
    if next.schema != previous.schema || next.zero_threshold != previous.zero_threshold {
        return Unknown;
    }
    // What the sender claims is not taken for granted.
    let reset = if next.counter_reset_hint == NotReset {
        FloatHistogram { counter_reset_hint: Unknown, ..next.clone() }.detect_reset(previous)
    } else {
        next.detect_reset(previous)
    };
    if reset { Reset } else { NotReset }
}

/// Appends the layout of `h`.
pub(super) fn put_layout(h: &FloatHistogram, out: &mut Vec<u8>) {
    put_ivarint(out, i64::from(h.schema));
    out.extend_from_slice(&h.zero_threshold.to_bits().to_le_bytes());
    for spans in [&h.positive_spans, &h.negative_spans] {
        put_uvarint(out, spans.len() as u64);
        for s in spans {
            put_ivarint(out, i64::from(s.offset));
            put_uvarint(out, u64::from(s.length));
        }
    }
    put_uvarint(out, h.custom_values.len() as u64);
    for v in &h.custom_values {
        out.extend_from_slice(&v.to_bits().to_le_bytes());
    }
    put_uvarint(out, h.positive_buckets.len() as u64);
    put_uvarint(out, h.negative_buckets.len() as u64);
}

/// A layout and the numbers of positive and negative buckets.
struct Layout {
    empty: FloatHistogram,
    positive: usize,
    negative: usize,
}

fn read_layout(r: &mut Reader<'_>) -> Option<Layout> {
    let schema = i32::try_from(r.ivarint()?).ok()?;
    let zero_threshold = r.f64()?;
    let positive_spans = read_spans(r)?;
    let negative_spans = read_spans(r)?;
    let bounds = bounded(r, 8)?;
    let custom_values = (0..bounds).map(|_| r.f64()).collect::<Option<Vec<_>>>()?;
    let (positive, negative) = (bounded(r, 1)?, bounded(r, 1)?);
    let empty = FloatHistogram {
        schema,
        zero_threshold,
        positive_spans,
        negative_spans,
        custom_values,
        ..FloatHistogram::default()
    };
    Some(Layout { empty, positive, negative })
}

/// A count of things that take at least `each` bytes of what follows: damage cannot make it huge.
fn bounded(r: &mut Reader<'_>, each: usize) -> Option<usize> {
    let n = r.size()?;
    (n <= r.rest().len() / each).then_some(n)
}

fn read_spans(r: &mut Reader<'_>) -> Option<Vec<Span>> {
    let n = bounded(r, 2)?;
    (0..n)
        .map(|_| {
            let offset = i32::try_from(r.ivarint()?).ok()?;
            Some(Span { offset, length: u32::try_from(r.uvarint()?).ok()? })
        })
        .collect()
}

/// The number of a histogram that column `c` holds.
pub(super) fn number(h: &FloatHistogram, c: usize, positive: usize) -> f64 {
    match c {
        0 => h.count,
        1 => h.zero_count,
        2 => h.sum,
        _ => {
            let c = c - FIXED_COLUMNS;
            let bucket = if c < positive { h.positive_buckets.get(c) } else { h.negative_buckets.get(c - positive) };
            bucket.copied().unwrap_or(0.0)
        }
    }
}

/// Appends the histograms of rows `from..from + wanted.len()` of `n`, at the times `wanted`.
pub(super) fn decode(
    r: &mut Reader<'_>,
    n: usize,
    from: usize,
    wanted: &[i64],
    hint: u8,
    out: &mut Vec<(i64, Arc<FloatHistogram>)>,
) -> Option<()> {
    let layout = read_layout(r)?;
    let to = from + wanted.len();
    let mut cells = Vec::new();
    for _ in 0..FIXED_COLUMNS + layout.positive + layout.negative {
        let size = r.size()?;
        floats::decode(&mut Reader::new(r.take(size)?), n, to, &mut cells)?;
    }
    // `cells` is column by column, `to` rows each.
    for (row, t) in (from..to).zip(wanted) {
        let mut h = layout.empty.clone();
        let mut numbers = cells.iter().skip(row).step_by(to).copied();
        h.count = numbers.next()?;
        h.zero_count = numbers.next()?;
        h.sum = numbers.next()?;
        h.positive_buckets = numbers.by_ref().take(layout.positive).collect();
        h.negative_buckets = numbers.collect();
        h.counter_reset_hint = match hint_of(hint) {
            CounterResetHint::Gauge => CounterResetHint::Gauge,
            first if row == 0 => first,
            _ => CounterResetHint::NotReset,
        };
        out.push((*t, Arc::new(h)));
    }
    Some(())
}

/// Appends one histogram, for the log.
pub(super) fn put_histogram(h: &FloatHistogram, out: &mut Vec<u8>) {
    out.push(hint_bits(h.counter_reset_hint));
    put_layout(h, out);
    for v in [&h.count, &h.zero_count, &h.sum].into_iter().chain(&h.positive_buckets).chain(&h.negative_buckets) {
        out.extend_from_slice(&v.to_bits().to_le_bytes());
    }
}

/// Reads what [`put_histogram`] wrote.
pub(super) fn read_histogram(r: &mut Reader<'_>) -> Option<FloatHistogram> {
    let counter_reset_hint = hint_of(r.u8()?);
    let Layout { empty, positive, negative } = read_layout(r)?;
    let (count, zero_count, sum) = (r.f64()?, r.f64()?, r.f64()?);
    let positive_buckets = (0..positive).map(|_| r.f64()).collect::<Option<Vec<_>>>()?;
    let negative_buckets = (0..negative).map(|_| r.f64()).collect::<Option<Vec<_>>>()?;
    Some(FloatHistogram { counter_reset_hint, count, zero_count, sum, positive_buckets, negative_buckets, ..empty })
}
