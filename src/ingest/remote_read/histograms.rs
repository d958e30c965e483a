//! Chunks of native histograms, as histograms with float counts.

use std::sync::Arc;

use super::bits::{Bits, Xor};
use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use crate::model::{FloatHistogram, is_stale};

/// The flags of a chunk of gauges, and of one that begins with a reset.
const GAUGE: u64 = 0b1100_0000;
const RESET: u64 = 0b1000_0000;

/// How many histograms from the first on share a chunk's layout and follow each other without a reset: whoever reads a chunk
/// of counters looks for none within. A staleness marker has no layout, and is the last of its chunk.
pub(super) fn run(samples: &[(i64, Arc<FloatHistogram>)]) -> usize {
    let Some((_, first)) = samples.first() else { return 0 };
    let (mut count, mut previous) = (0, None);
    for (_, h) in samples {
        let stale = is_stale(h.sum);
        if !stale && (!has_layout(first, h) || previous.is_some_and(|previous| is_reset(h, previous))) {
            break;
        }
        previous = Some(h);
        count += 1;
        if stale {
            break;
        }
    }
    count
}

/// Whether a counter began anew, whatever is said of its neighbours at another time.
fn is_reset(h: &FloatHistogram, previous: &FloatHistogram) -> bool {
    match h.counter_reset_hint {
        CounterResetHint::Gauge => false,
        CounterResetHint::Reset => true,
        CounterResetHint::Unknown | CounterResetHint::NotReset => {
            FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..h.clone() }.detect_reset(previous)
        }
    }
}

fn has_layout(a: &FloatHistogram, b: &FloatHistogram) -> bool {
    let is_gauge = |h: &FloatHistogram| h.counter_reset_hint == CounterResetHint::Gauge;
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && a.custom_values == b.custom_values
        && is_gauge(a) == is_gauge(b)
}

/// The chunk of a [run].
pub(super) fn encode(samples: &[(i64, Arc<FloatHistogram>)]) -> Vec<u8> {
    let mut out = Bits::default();
    let Some((_, first)) = samples.first() else { return out.bytes };
    out.push(samples.len() as u64, 16);
    write_layout(&mut out, first);
    let (mut before, mut delta) = (0_i64, 0_i64);
    let mut counts = vec![Xor::default(); 3 + first.positive_buckets.len() + first.negative_buckets.len()];
    for (i, (t, h)) in samples.iter().enumerate() {
        let now = t.wrapping_sub(before);
        out.varbit(if i < 2 { now } else { now.wrapping_sub(delta) });
        // A marker has no buckets.
        let buckets = (!is_stale(h.sum)).then(|| h.positive_buckets.iter().chain(&h.negative_buckets));
        let values = [h.count, h.zero_count, h.sum].into_iter().chain(buckets.into_iter().flatten().copied());
        for (state, value) in counts.iter_mut().zip(values) {
            match i {
                0 => state.first(value, &mut out),
                _ => state.next(value, &mut out),
            }
        }
        (before, delta) = (*t, now);
    }
    out.bytes
}

/// Writes what all histograms of a chunk share. Of a marker nothing counts but its sum.
fn write_layout(out: &mut Bits, h: &FloatHistogram) {
    let none = FloatHistogram::default();
    let h = if is_stale(h.sum) { &none } else { h };
    let flags = match h.counter_reset_hint {
        CounterResetHint::Gauge => GAUGE,
        CounterResetHint::Reset => RESET,
        CounterResetHint::Unknown | CounterResetHint::NotReset => 0,
    };
    out.push(flags, 8);
    write_threshold(out, h.zero_threshold);
    out.varbit(i64::from(h.schema));
    for spans in [&h.positive_spans, &h.negative_spans] {
        out.varbit_unsigned(spans.len() as u64);
        for Span { offset, length } in spans {
            out.varbit_unsigned(u64::from(*length));
            out.varbit(i64::from(*offset));
        }
    }
    if h.schema == CUSTOM_BUCKETS_SCHEMA {
        out.varbit_unsigned(h.custom_values.len() as u64);
        h.custom_values.iter().for_each(|bound| write_bound(out, *bound));
    }
}

/// A power of two from 2^-243 to 2^10 takes a byte.
fn write_threshold(out: &mut Bits, threshold: f64) {
    let bits = threshold.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i64 - 1023, bits & ((1 << 52) - 1));
    match exponent {
        _ if threshold == 0.0 => out.push(0, 8),
        -243..=10 if fraction == 0 => out.push((exponent + 244) as u64, 8),
        _ => {
            out.push(255, 8);
            out.f64(threshold);
        }
    }
}

/// A bound of whole thousandths is written as their number.
fn write_bound(out: &mut Bits, bound: f64) {
    /// The largest that is.
    const LARGEST: f64 = 33_554_430.0;
    let thousandths = (bound * 1_000.0).round();
    if (0.0..=LARGEST).contains(&bound) && thousandths / 1_000.0 == bound {
        return out.varbit_unsigned(thousandths as u64 + 1);
    }
    out.varbit_unsigned(0);
    out.f64(bound);
}
