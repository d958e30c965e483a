//! Columns of floats. The encoder looks at all values of a chunk and takes the cheapest of:
//!
//! - one constant;
//! - integers or decimals (`i / 10^e`, verified bit by bit), plain or as deltas, in a [`pfor`] column;
//! - the raw bits, plain or as deltas, in a [`pfor`] column;
//! - Gorilla's XOR coding ([`xor`]).
//!
//! All are exact for every bit pattern: what is no decimal (NaN, the staleness marker, -0) is an exception kept raw.

use super::bits::{Reader, put_ivarint, put_uvarint};
use super::{pfor, xor};

const CONSTANT: u8 = 0;
const DECIMALS: u8 = 1;
const DECIMAL_DELTAS: u8 = 2;
const BITS: u8 = 3;
const BIT_DELTAS: u8 = 4;
const XOR: u8 = 5;

/// Set on the exponent byte when exceptions follow.
const EXCEPTIONS: u8 = 0x80;
/// Decimals have at most this many places.
const MAX_PLACES: usize = 15;
/// Integers beyond this are not exact in a float.
const MAX_INTEGER: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; MAX_PLACES + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Encodes columns; holds the memory to do so.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    pub(super) ints: Vec<i64>,
    pub(super) scratch: Vec<i64>,
    exceptions: Vec<(usize, f64)>,
    plain: Vec<u8>,
    deltas: Vec<u8>,
}

impl Encoder {
    /// Appends the coding of `values` to `out`.
    pub(super) fn encode(&mut self, values: &[f64], out: &mut Vec<u8>) {
        let Some(first) = values.first() else { return };
        if values.iter().all(|v| v.to_bits() == first.to_bits()) {
            out.push(CONSTANT);
            out.extend_from_slice(&first.to_bits().to_le_bytes());
        } else if !self.encode_decimals(values, out) {
            self.encode_bits(values, out);
        }
    }

    /// Takes the values for integers or decimals; `false` when too many are neither.
    fn encode_decimals(&mut self, values: &[f64], out: &mut Vec<u8>) -> bool {
        let limit = values.len() / 16 + 1;
        let Some(places) = common_places(values, limit) else { return false };
        self.ints.clear();
        self.exceptions.clear();
        let mut last = None;
        for (i, &v) in values.iter().enumerate() {
            match to_decimal(v, places) {
                Some(d) => {
                    if last.is_none() {
                        // Exceptions at the start repeat the first decimal, so that they cost nothing in the column.
                        self.ints.iter_mut().for_each(|slot| *slot = d);
                    }
                    last = Some(d);
                    self.ints.push(d);
                }
                None => {
                    self.exceptions.push((i, v));
                    self.ints.push(last.unwrap_or(0));
                }
            }
        }
        if self.exceptions.len() > limit {
            return false;
        }
        let head = places as u8 | if self.exceptions.is_empty() { 0 } else { EXCEPTIONS };
        let deltas = self.encode_ints();
        out.push(if deltas { DECIMAL_DELTAS } else { DECIMALS });
        out.push(head);
        out.extend_from_slice(if deltas { &self.deltas } else { &self.plain });
        self.put_exceptions(out);
        true
    }

    fn put_exceptions(&self, out: &mut Vec<u8>) {
        if self.exceptions.is_empty() {
            return;
        }
        put_uvarint(out, self.exceptions.len() as u64);
        let mut previous = 0;
        for (i, v) in &self.exceptions {
            put_uvarint(out, (i - previous) as u64);
            out.extend_from_slice(&v.to_bits().to_le_bytes());
            previous = *i;
        }
    }

    /// Encodes `ints` both ways; whether the deltas are the shorter.
    fn encode_ints(&mut self) -> bool {
        self.plain.clear();
        self.deltas.clear();
        pfor::encode(&self.ints, &mut self.scratch, &mut self.plain);
        put_ivarint(&mut self.deltas, self.ints.first().copied().unwrap_or(0));
        let mut previous = self.ints.first().copied().unwrap_or(0);
        for v in &mut self.ints {
            let delta = v.wrapping_sub(previous);
            previous = *v;
            *v = delta;
        }
        pfor::encode(self.ints.get(1..).unwrap_or(&[]), &mut self.scratch, &mut self.deltas);
        self.deltas.len() < self.plain.len()
    }

    fn encode_bits(&mut self, values: &[f64], out: &mut Vec<u8>) {
        // Zeros that all values end in (floats that once were f32, dyadic fractions) are not stored.
        let shift = values.iter().fold(0, |all, v| all | v.to_bits()).trailing_zeros().min(63);
        self.ints.clear();
        self.ints.extend(values.iter().map(|v| (v.to_bits() >> shift) as i64));
        let deltas = self.encode_ints();
        let at = out.len();
        out.push(XOR);
        xor::encode(values, out);
        let fixed = if deltas { &self.deltas } else { &self.plain };
        // XOR decodes at a third of the speed: it has to be worth it.
        if (out.len() - at) * 8 <= fixed.len() * 7 {
            return;
        }
        out.truncate(at);
        out.push(if deltas { BIT_DELTAS } else { BITS });
        out.push(shift as u8);
        out.extend_from_slice(fixed);
    }
}

/// The integer `i` with `v == i / 10^places` bit by bit.
#[inline]
fn to_decimal(v: f64, places: usize) -> Option<i64> {
    let power = POWERS.get(places)?;
    let scaled = (v * power).round_ties_even();
    // By way of the integer, as the decoder goes: NaN, -0 and what is too long do not come back.
    let i = scaled as i64;
    (scaled.abs() < MAX_INTEGER && (i as f64 / power).to_bits() == v.to_bits()).then_some(i)
}

/// The places that make every value a decimal, except for at most `limit` of them.
fn common_places(values: &[f64], limit: usize) -> Option<usize> {
    let (mut places, mut misfits) = (0, 0);
    for &v in values {
        if to_decimal(v, places).is_some() {
            continue;
        }
        match (places + 1..=MAX_PLACES).find(|p| to_decimal(v, *p).is_some()) {
            Some(p) => places = p,
            None => {
                misfits += 1;
                if misfits > limit {
                    return None;
                }
            }
        }
    }
    Some(places)
}

/// Appends to `out` the first `want` of the `n` values of the column at the front of `r`. When `r` holds further
/// columns, it stands behind this one afterwards, unless the column is XOR-coded, which must come last or be framed.
pub(super) fn decode(r: &mut Reader<'_>, n: usize, want: usize, out: &mut Vec<f64>) -> Option<()> {
    if n == 0 {
        return Some(());
    }
    match r.u8()? {
        CONSTANT => {
            let v = r.f64()?;
            out.resize(out.len() + want, v);
        }
        kind @ (DECIMALS | DECIMAL_DELTAS) => decode_decimals(r, kind, n, want, out)?,
        kind @ (BITS | BIT_DELTAS) => decode_bits(r, kind, n, want, out)?,
        XOR => xor::decode(r.rest(), want, out)?,
        _ => return None,
    }
    Some(())
}

fn decode_decimals(r: &mut Reader<'_>, kind: u8, n: usize, want: usize, out: &mut Vec<f64>) -> Option<()> {
    let head = r.u8()?;
    let power = *POWERS.get(usize::from(head & !EXCEPTIONS))?;
    let at = out.len();
    if head & !EXCEPTIONS == 0 {
        ints_into(r, kind, n, want, out, |i| i as f64)?;
    } else {
        ints_into(r, kind, n, want, out, |i| i as f64 / power)?;
    }
    if head & EXCEPTIONS == 0 {
        return Some(());
    }
    let (_, new) = out.split_at_mut(at);
    let mut i = 0usize;
    for _ in 0..r.size()? {
        i = i.checked_add(r.size()?)?;
        let v = r.f64()?;
        if let Some(slot) = new.get_mut(i) {
            *slot = v;
        }
    }
    Some(())
}

fn decode_bits(r: &mut Reader<'_>, kind: u8, n: usize, want: usize, out: &mut Vec<f64>) -> Option<()> {
    let shift = u32::from(r.u8()?);
    if shift > 63 {
        return None;
    }
    let kind = if kind == BITS { DECIMALS } else { DECIMAL_DELTAS };
    ints_into(r, kind, n, want, out, |i| f64::from_bits((i as u64) << shift))
}

/// Appends `make(i)` for the first `want` of `n` integers, stored plain or as deltas.
#[inline(always)]
fn ints_into(
    r: &mut Reader<'_>,
    kind: u8,
    n: usize,
    want: usize,
    out: &mut Vec<f64>,
    make: impl Fn(i64) -> f64,
) -> Option<()> {
    let at = out.len();
    if kind == DECIMALS {
        let column = pfor::Column::parse(r, n)?;
        out.resize(at + want, 0.0);
        let (_, new) = out.split_at_mut(at);
        column.unpatched(want, |i, v| {
            if let Some(slot) = new.get_mut(i) {
                *slot = make(v);
            }
        })?;
        return column.patches(|i, v| {
            if let Some(slot) = new.get_mut(i) {
                *slot = make(v);
            }
        });
    }
    let first = r.ivarint()?;
    let column = pfor::Column::parse(r, n - 1)?;
    let Some(deltas) = want.checked_sub(1) else { return Some(()) };
    out.resize(at + want, make(first));
    let (_, new) = out.split_at_mut(at + 1);
    let mut sum = first;
    if !column.is_patched() {
        return column.unpatched(deltas, |i, d| {
            sum = sum.wrapping_add(d);
            if let Some(slot) = new.get_mut(i) {
                *slot = make(sum);
            }
        });
    }
    // Patched deltas are collected in place, as bits, before they are summed.
    let mut put = |i: usize, d: i64| {
        if let Some(slot) = new.get_mut(i) {
            *slot = f64::from_bits(d as u64);
        }
    };
    column.unpatched(deltas, &mut put)?;
    column.patches(&mut put)?;
    for slot in new {
        sum = sum.wrapping_add(slot.to_bits() as i64);
        *slot = make(sum);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::STALE_NAN;
    use proptest::prelude::*;

    fn round_trip(values: &[f64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Encoder::default().encode(values, &mut bytes);
        for want in [values.len(), values.len() / 2] {
            let mut got = vec![42.0];
            decode(&mut Reader::new(&bytes), values.len(), want, &mut got).unwrap();
            let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got[1..]), bits(&values[..want]));
        }
        bytes
    }

    #[test]
    fn each_kind_of_data_gets_its_coding() {
        let n = 120;
        let noisy = |i: usize| ((i as f64 * 12.9898).sin() * 43758.5453).fract();
        let mut gauge: Vec<f64> = (0..n).map(|i| (noisy(i) * 1000.0).round() / 1000.0).collect();
        for (name, values, kind, most) in [
            ("constant", vec![0.1; n], CONSTANT, 9),
            ("steady counter", (0..n).map(|i| 1e6 + 15.0 * i as f64).collect(), DECIMAL_DELTAS, 12),
            ("counter", (0..n).map(|i| 1e6 + 100.0 * i as f64 + (i % 7) as f64).collect(), DECIMAL_DELTAS, 75),
            ("three places", gauge.clone(), DECIMALS, 180),
            ("noise", (0..n).map(noisy).collect(), BITS, 990),
            ("f32", (0..n).map(|i| f64::from(noisy(i) as f32)).collect(), BIT_DELTAS, 540),
            ("steps of noise", (0..n).map(|i| noisy(i / 30)).collect(), BIT_DELTAS, 60),
            ("half repeated", (0..n).map(|i| noisy(i - i % (1 + i / 2 % 3))).collect(), XOR, 700),
        ] {
            let bytes = round_trip(&values);
            assert_eq!(bytes[0], kind, "{name}");
            assert!(bytes.len() <= most, "{name}: {} bytes", bytes.len());
        }
        gauge[0] = STALE_NAN;
        gauge[77] = -0.0;
        let bytes = round_trip(&gauge);
        assert_eq!((bytes[0], bytes[1]), (DECIMALS, 3 | EXCEPTIONS));
    }

    proptest! {
        #[test]
        fn every_bit_pattern_is_given_back(raw in prop::collection::vec(prop_oneof![any::<u64>(), Just(STALE_NAN.to_bits()), Just(0x7ff8_0000_dead_beef), Just((-0.0f64).to_bits())], 1..150)) {
            round_trip(&raw.iter().map(|b| f64::from_bits(*b)).collect::<Vec<_>>());
        }

        #[test]
        fn mixtures_are_given_back(values in prop::collection::vec(prop_oneof![
            9 => (-1000i32..1000).prop_map(f64::from),
            9 => (-100_000i32..100_000).prop_map(|i| f64::from(i) / 1000.0),
            1 => any::<f64>(),
            1 => Just(f64::INFINITY),
            1 => Just(STALE_NAN),
        ], 1..150)) {
            round_trip(&values);
        }

        #[test]
        fn damaged_columns_are_refused_or_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80), kind in 0u8..7, n in 0usize..100) {
            let mut damaged = vec![kind];
            damaged.extend(bytes);
            let _ = decode(&mut Reader::new(&damaged), n, n, &mut Vec::new());
        }
    }
}
