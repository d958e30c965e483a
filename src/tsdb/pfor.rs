//! Columns of integers: patched frame of reference.
//!
//! `base` is subtracted from every value and the differences are packed with one width; the few that need more bits
//! are patches, stored behind. Applied to the deltas of timestamps or counters this is delta-of-delta coding whose
//! decoder has no branch per sample: regular scrapes and constant increments take no bits at all.
//!
//! ```text
//! head    u8: width in bits, 0x80 set when patches follow
//! base    zigzag varint
//! packed  ceil(n * width / 8) bytes
//! patches varint count, then (varint gap to the previous patch, zigzag varint value) each
//! ```

use super::bits::{Reader, bit_len, pack, packed_len, put_ivarint, put_uvarint, unpack, uvarint_len, zigzag};

const PATCHED: u8 = 0x80;

/// Appends `values` to `out`. `scratch` is memory to be reused.
pub(super) fn encode(values: &[i64], scratch: &mut Vec<i64>, out: &mut Vec<u8>) {
    let min = values.iter().copied().min().unwrap_or(0);
    let mut best = Frame::choose(values, min);
    if best.bits > 0 && values.len() >= 8 {
        // A counter reset or a clock step is one delta far below the others: a base above it makes it a patch.
        scratch.clear();
        scratch.extend_from_slice(values);
        let low = values.len() / 16 + 1;
        let (_, base, _) = scratch.select_nth_unstable(low);
        if *base != min {
            let other = Frame::choose(values, *base);
            if other.bits < best.bits {
                best = other;
            }
        }
    }
    best.write(values, out);
}

/// A choice of base and width.
struct Frame {
    base: i64,
    width: u32,
    patches: usize,
    /// Size of packed values and patches.
    bits: usize,
}

impl Frame {
    /// The cheapest width for `base`.
    fn choose(values: &[i64], base: i64) -> Frame {
        let mut cost = [0usize; 65];
        let mut count = [0usize; 65];
        for &v in values {
            let u = v.wrapping_sub(base);
            let bits = bit_len(u as u64) as usize;
            cost[bits] += 8 * (1 + uvarint_len(zigzag(u)));
            count[bits] += 1;
        }
        let mut best = Frame { base, width: 64, patches: 0, bits: values.len() * 64 };
        let (mut patch_bits, mut patches) = (0, 0);
        for width in (0..=64u32).rev() {
            let bits = values.len() * width as usize + patch_bits + if patches > 0 { 8 } else { 0 };
            if bits <= best.bits {
                best = Frame { base, width, patches, bits };
            }
            patch_bits += cost[width as usize];
            patches += count[width as usize];
        }
        best
    }

    fn write(&self, values: &[i64], out: &mut Vec<u8>) {
        let offset = |v: &i64| v.wrapping_sub(self.base) as u64;
        out.push(self.width as u8 | if self.patches > 0 { PATCHED } else { 0 });
        put_ivarint(out, self.base);
        pack(values.iter().map(offset), self.width, out);
        if self.patches == 0 {
            return;
        }
        put_uvarint(out, self.patches as u64);
        let mut previous = 0;
        for (i, u) in values.iter().map(offset).enumerate().filter(|(_, u)| bit_len(*u) > self.width) {
            put_uvarint(out, (i - previous) as u64);
            put_ivarint(out, u as i64);
            previous = i;
        }
    }
}

/// An encoded column of `n` values, its parts found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    base: i64,
    width: u32,
    /// The packed values and what follows them.
    packed: &'a [u8],
    patches: Option<Reader<'a>>,
}

impl<'a> Column<'a> {
    /// Reads the column of `n` values at the front of `r` and moves `r` behind it.
    pub(super) fn parse(r: &mut Reader<'a>, n: usize) -> Option<Self> {
        let head = r.u8()?;
        let width = u32::from(head & !PATCHED);
        if width > 64 {
            return None;
        }
        let base = r.ivarint()?;
        let packed = r.rest();
        r.take(packed_len(n, width))?;
        let mut column = Column { base, width, packed, patches: None };
        if head & PATCHED != 0 {
            column.patches = Some(*r);
            let patches = r.size()?;
            for _ in 0..patches {
                let _ = (r.uvarint()?, r.ivarint()?);
            }
        }
        Some(column)
    }

    /// The value all have, when they have one.
    #[inline]
    pub(super) fn constant(&self) -> Option<i64> {
        (self.width == 0 && self.patches.is_none()).then_some(self.base)
    }

    /// Whether values must be collected before they can be summed.
    #[inline]
    pub(super) fn is_patched(&self) -> bool {
        self.patches.is_some()
    }

    /// Calls `put(i, value)` for the first `n` values, patches not applied.
    #[inline(always)]
    pub(super) fn unpatched(&self, n: usize, mut put: impl FnMut(usize, i64)) -> Option<()> {
        let base = self.base;
        unpack(self.packed, self.width, n, |i, u| put(i, base.wrapping_add(u as i64)))
    }

    /// Calls `put(i, value)` for each patch.
    pub(super) fn patches(&self, mut put: impl FnMut(usize, i64)) -> Option<()> {
        let Some(mut r) = self.patches else { return Some(()) };
        let mut at = 0usize;
        for _ in 0..r.size()? {
            at = at.checked_add(r.size()?)?;
            put(at, self.base.wrapping_add(r.ivarint()?));
        }
        Some(())
    }

    /// Appends `first` and the running sums of the first `n - 1` values: `n` values in all, whose deltas these are.
    pub(super) fn sums_into(&self, first: i64, n: usize, out: &mut Vec<i64>) -> Option<()> {
        let Some(deltas) = n.checked_sub(1) else { return Some(()) };
        if let Some(step) = self.constant() {
            out.extend((0..n as i64).map(|i| first.wrapping_add(step.wrapping_mul(i))));
            return Some(());
        }
        let at = out.len();
        out.resize(at + n, first);
        let (_, new) = out.split_at_mut(at + 1);
        if !self.is_patched() {
            let mut sum = first;
            return self.unpatched(deltas, |i, d| {
                sum = sum.wrapping_add(d);
                if let Some(slot) = new.get_mut(i) {
                    *slot = sum;
                }
            });
        }
        self.values_into(new)?;
        let mut sum = first;
        for slot in new {
            sum = sum.wrapping_add(*slot);
            *slot = sum;
        }
        Some(())
    }

    /// Fills `out` with the first values, patches applied.
    pub(super) fn values_into(&self, out: &mut [i64]) -> Option<()> {
        self.unpatched(out.len(), |i, v| {
            if let Some(slot) = out.get_mut(i) {
                *slot = v;
            }
        })?;
        self.patches(|i, v| {
            if let Some(slot) = out.get_mut(i) {
                *slot = v;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[i64]) -> usize {
        let mut bytes = Vec::new();
        encode(values, &mut Vec::new(), &mut bytes);
        let size = bytes.len();
        bytes.push(0xaa);
        let mut r = Reader::new(&bytes);
        let column = Column::parse(&mut r, values.len()).unwrap();
        assert_eq!(r.rest(), [0xaa]);
        let mut got = vec![0; values.len()];
        column.values_into(&mut got).unwrap();
        assert_eq!(got, values);
        let mut sums = Vec::new();
        column.sums_into(7, values.len() + 1, &mut sums).unwrap();
        let mut sum = 7i64;
        let want: Vec<i64> = std::iter::once(7)
            .chain(values.iter().map(|v| {
                sum = sum.wrapping_add(*v);
                sum
            }))
            .collect();
        assert_eq!(sums, want);
        size
    }

    #[test]
    fn a_regular_column_takes_no_bits() {
        assert!(round_trip(&[15_000; 119]) <= 5);
    }

    #[test]
    fn an_outlier_of_either_sign_does_not_widen_the_rest() {
        let mut deltas: Vec<i64> = (0..119).map(|i| 100 + i % 4).collect();
        deltas[60] = -1_000_000_000;
        assert!(round_trip(&deltas) < 119 / 4 + 16);
        deltas[61] = 1_000_000_000;
        assert!(round_trip(&deltas) < 119 / 4 + 24);
    }

    proptest! {
        #[test]
        fn every_column_is_given_back(values in prop::collection::vec(prop_oneof![any::<i64>(), -5i64..100, Just(15_000)], 0..300)) {
            round_trip(&values);
        }

        #[test]
        fn damaged_columns_are_refused_or_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), n in 0usize..100) {
            if let Some(c) = Column::parse(&mut Reader::new(&bytes), n) {
                let mut out = vec![0; n];
                let _ = c.values_into(&mut out);
            }
        }
    }
}
