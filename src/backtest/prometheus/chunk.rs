//! Chunks: compressed samples of a series. Bytes that are no chunk give `None`, whatever they are.

use std::sync::Arc;

use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, Span};
use crate::model::{FloatHistogram, SampleBuf, is_stale};

use super::bits::{Bits, Xor};
use super::bytes::Bytes;

/// No chunk has more spans, buckets or bounds.
const MOST_BUCKETS: u64 = 1 << 16;
/// What all histograms of a chunk hold together, in spans, buckets and bounds.
const MOST_HELD: u64 = 1 << 24;

/// Appends the samples of a chunk with the number of its encoding.
pub fn read(encoding: u8, data: &[u8], out: &mut SampleBuf) -> Option<()> {
    match encoding {
        1 => floats(data, out),
        2 => histograms(data, out, false),
        3 => histograms(data, out, true),
        _ => None,
    }
}

/// Times as differences of differences.
#[derive(Default)]
struct Times {
    t: i64,
    delta: i64,
}

impl Times {
    fn first(&mut self, t: i64) -> i64 {
        self.t = t;
        t
    }

    fn second(&mut self, delta: i64) -> i64 {
        self.delta = delta;
        self.t = self.t.wrapping_add(delta);
        self.t
    }

    fn next(&mut self, change: i64) -> i64 {
        self.second(self.delta.wrapping_add(change))
    }
}

fn floats(data: &[u8], out: &mut SampleBuf) -> Option<()> {
    let mut head = Bytes(data);
    let samples = head.u16()?;
    let mut bits = Bits::of(head.0);
    let (mut times, mut value) = (Times::default(), Xor::default());
    for i in 0..samples {
        let t = match i {
            0 => times.first(bits.varint()?),
            1 => times.second(bits.uvarint()? as i64),
            _ => times.next(change(&mut bits)?),
        };
        if i == 0 {
            value = Xor::from(bits.f64()?);
        } else {
            value.next(&mut bits)?;
        }
        out.push(t, value.value());
    }
    Some(())
}

/// A `varbit_ts`.
fn change(bits: &mut Bits<'_>) -> Option<i64> {
    match bits.ones(4)? {
        0 => Some(0),
        1 => bits.signed(14),
        2 => bits.signed(17),
        3 => bits.signed(20),
        _ => bits.bits(64).map(|b| b as i64),
    }
}

/// What all histograms of a chunk share.
struct Layout {
    hint: CounterResetHint,
    schema: i32,
    zero_threshold: f64,
    positive: Vec<Span>,
    negative: Vec<Span>,
    custom_values: Vec<f64>,
}

impl Layout {
    fn read(flags: u8, bits: &mut Bits<'_>) -> Option<Self> {
        let hint = match flags >> 6 {
            0b11 => CounterResetHint::Gauge,
            _ => CounterResetHint::Unknown,
        };
        let zero_threshold = match bits.bits(8)? {
            0 => 0.0,
            255 => bits.f64()?,
            power => 2_f64.powi(i32::try_from(power).ok()? - 244),
        };
        let schema = i32::try_from(bits.varbit()?).ok()?;
        let (positive, negative) = (spans(bits)?, spans(bits)?);
        let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA { bounds(bits)? } else { Vec::new() };
        Some(Layout { hint, schema, zero_threshold, positive, negative, custom_values })
    }

    /// What each histogram holds of it.
    fn held(&self) -> u64 {
        let lists = (self.positive.len() + self.negative.len() + self.custom_values.len()) as u64;
        lists + buckets(&self.positive) + buckets(&self.negative)
    }
}

fn count_of(bits: &mut Bits<'_>) -> Option<u64> {
    bits.varbit_unsigned().filter(|n| *n <= MOST_BUCKETS)
}

fn spans(bits: &mut Bits<'_>) -> Option<Vec<Span>> {
    let count = count_of(bits)?;
    let span = |_| {
        let length = u32::try_from(bits.varbit_unsigned()?).ok()?;
        Some(Span { length, offset: i32::try_from(bits.varbit()?).ok()? })
    };
    let spans: Vec<Span> = (0..count).map(span).collect::<Option<_>>()?;
    (buckets(&spans) <= MOST_BUCKETS).then_some(spans)
}

fn buckets(spans: &[Span]) -> u64 {
    spans.iter().map(|s| u64::from(s.length)).sum()
}

fn bounds(bits: &mut Bits<'_>) -> Option<Vec<f64>> {
    let count = count_of(bits)?;
    let bound = |_| match bits.varbit_unsigned()? {
        0 => bits.f64(),
        thousandths => Some((thousandths - 1) as f64 / 1_000.0),
    };
    (0..count).map(bound).collect()
}

fn histograms(data: &[u8], out: &mut SampleBuf, are_floats: bool) -> Option<()> {
    let mut head = Bytes(data);
    let (samples, flags) = (head.u16()?, head.u8()?);
    let mut bits = Bits::of(head.0);
    let layout = Layout::read(flags, &mut bits)?;
    if layout.held() * u64::from(samples) > MOST_HELD {
        return None;
    }
    let mut times = Times::default();
    if are_floats {
        let mut counts = Floats::default();
        for i in 0..samples {
            let t = time(&mut times, i, &mut bits)?;
            let histogram = counts.next(i == 0, &layout, &mut bits)?;
            out.push_histogram(t, Arc::new(histogram));
        }
    } else {
        let mut counts = Integers::default();
        for i in 0..samples {
            let t = time(&mut times, i, &mut bits)?;
            let histogram = counts.next(i, &layout, &mut bits)?;
            out.push_histogram(t, Arc::new(histogram.into_float()));
        }
    }
    Some(())
}

fn time(times: &mut Times, sample: u16, bits: &mut Bits<'_>) -> Option<i64> {
    let n = bits.varbit()?;
    Some(match sample {
        0 => times.first(n),
        1 => times.second(n),
        _ => times.next(n),
    })
}

/// A whole number that goes on as a difference of differences.
#[derive(Clone, Copy, Default)]
struct Counter {
    value: i64,
    delta: i64,
}

impl Counter {
    fn next(&mut self, sample: u16, n: i64) -> i64 {
        match sample {
            0 => self.value = n,
            1 => (self.delta, self.value) = (n, self.value.wrapping_add(n)),
            _ => {
                self.delta = self.delta.wrapping_add(n);
                self.value = self.value.wrapping_add(self.delta);
            }
        }
        self.value
    }
}

/// The state of a chunk of histograms with whole counts.
#[derive(Default)]
struct Integers {
    count: Counter,
    zero_count: Counter,
    sum: Xor,
    positive: Vec<Counter>,
    negative: Vec<Counter>,
}

impl Integers {
    fn next(&mut self, sample: u16, layout: &Layout, bits: &mut Bits<'_>) -> Option<Histogram> {
        if sample == 0 {
            self.count.value = bits.varbit_unsigned()? as i64;
            self.zero_count.value = bits.varbit_unsigned()? as i64;
            self.sum = Xor::from(bits.f64()?);
            self.positive = vec![Counter::default(); usize::try_from(buckets(&layout.positive)).ok()?];
            self.negative = vec![Counter::default(); usize::try_from(buckets(&layout.negative)).ok()?];
        } else {
            self.count.next(sample, bits.varbit()?);
            self.zero_count.next(sample, bits.varbit()?);
            self.sum.next(bits)?;
            // A staleness marker has no buckets.
            if is_stale(self.sum.value()) {
                return Some(Histogram { sum: self.sum.value(), ..Histogram::default() });
            }
        }
        let mut deltas = |counters: &mut Vec<Counter>| -> Option<Vec<i64>> {
            counters.iter_mut().map(|c| Some(c.next(sample, bits.varbit()?))).collect()
        };
        let (positive_deltas, negative_deltas) = (deltas(&mut self.positive)?, deltas(&mut self.negative)?);
        Some(Histogram {
            counter_reset_hint: layout.hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count: self.zero_count.value.cast_unsigned(),
            count: self.count.value.cast_unsigned(),
            sum: self.sum.value(),
            positive_spans: layout.positive.clone(),
            negative_spans: layout.negative.clone(),
            positive_deltas,
            negative_deltas,
            custom_values: layout.custom_values.clone(),
        })
    }
}

/// The state of a chunk of histograms with float counts.
#[derive(Default)]
struct Floats {
    count: Xor,
    zero_count: Xor,
    sum: Xor,
    positive: Vec<Xor>,
    negative: Vec<Xor>,
}

impl Floats {
    fn next(&mut self, is_first: bool, layout: &Layout, bits: &mut Bits<'_>) -> Option<FloatHistogram> {
        let next = |of: &mut Xor, bits: &mut Bits<'_>| {
            if is_first {
                *of = Xor::from(bits.f64()?);
                return Some(of.value());
            }
            of.next(bits)
        };
        let (count, zero_count) = (next(&mut self.count, bits)?, next(&mut self.zero_count, bits)?);
        let sum = next(&mut self.sum, bits)?;
        if is_first {
            self.positive = vec![Xor::default(); usize::try_from(buckets(&layout.positive)).ok()?];
            self.negative = vec![Xor::default(); usize::try_from(buckets(&layout.negative)).ok()?];
        } else if is_stale(sum) {
            return Some(FloatHistogram { sum, ..FloatHistogram::default() });
        }
        let positive_buckets = self.positive.iter_mut().map(|b| next(b, bits)).collect::<Option<_>>()?;
        let negative_buckets = self.negative.iter_mut().map(|b| next(b, bits)).collect::<Option<_>>()?;
        Some(FloatHistogram {
            counter_reset_hint: layout.hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans: layout.positive.clone(),
            negative_spans: layout.negative.clone(),
            positive_buckets,
            negative_buckets,
            custom_values: layout.custom_values.clone(),
        })
    }
}
