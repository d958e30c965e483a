//! Bytes and bits: varints, a checked reader, and fixed-width bit packing.
//!
//! Everything here that reads takes bytes that may be damaged, and answers `None` instead of failing.

/// Appends `v` as LEB128.
pub(super) fn put_uvarint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends `v` zigzag-coded as LEB128.
pub(super) fn put_ivarint(out: &mut Vec<u8>, v: i64) {
    put_uvarint(out, zigzag(v));
}

/// Maps small magnitudes of either sign to small numbers.
#[inline]
pub(super) fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

#[inline]
fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// The length of `v` as LEB128, bytes.
#[inline]
pub(super) fn uvarint_len(v: u64) -> usize {
    (bit_len(v).max(1) as usize).div_ceil(7)
}

/// The number of bits up to the highest one set.
#[inline]
pub(super) fn bit_len(v: u64) -> u32 {
    64 - v.leading_zeros()
}

/// Reads from the front of a slice; every method answers `None` when the slice is too short.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&b, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(b)
    }

    #[inline]
    pub(super) fn uvarint(&mut self) -> Option<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.u8()?;
            v |= u64::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Some(v);
            }
        }
        None
    }

    /// An unsigned varint that counts or measures something in memory.
    #[inline]
    pub(super) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.uvarint()?).ok()
    }

    #[inline]
    pub(super) fn ivarint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    #[inline]
    pub(super) fn f64(&mut self) -> Option<f64> {
        self.u64().map(f64::from_bits)
    }
}

/// Bytes that `n` values of `width` bits take.
#[inline]
pub(super) fn packed_len(n: usize, width: u32) -> usize {
    (n * width as usize).div_ceil(8)
}

#[inline]
fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// Appends the low `width` bits of each value, little end first, without gaps.
pub(super) fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let keep = mask(width);
    let (mut acc, mut filled) = (0u128, 0u32);
    for v in values {
        acc |= u128::from(v & keep) << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&(acc as u64).to_le_bytes());
            acc >>= 64;
            filled -= 64;
        }
    }
    let tail = acc.to_le_bytes();
    out.extend(tail.iter().take(filled.div_ceil(8) as usize));
}

/// Calls `put(i, value)` for the first `n` values of `width` bits packed in `bytes`. `bytes` may go on behind the packed
/// values: the reader loads whole words and gains from it. `None` when `bytes` is too short.
#[inline(always)]
pub(super) fn unpack(bytes: &[u8], width: u32, n: usize, mut put: impl FnMut(usize, u64)) -> Option<()> {
    if bytes.len() < packed_len(n, width) || width > 64 {
        return None;
    }
    let width = width as usize;
    match width {
        0 => (0..n).for_each(|i| put(i, 0)),
        1..=56 => unpack_words(bytes, width, n, put),
        _ => unpack_wide(bytes, width, n, put),
    }
    Some(())
}

/// Widths whose values lie within one 8-byte load at their first byte.
#[inline(always)]
fn unpack_words(bytes: &[u8], width: usize, n: usize, mut put: impl FnMut(usize, u64)) {
    let keep = mask(width as u32);
    // A value is loaded in place while 8 bytes follow its first byte; the last ones go through a padded copy.
    let whole = if bytes.len() < 8 { 0 } else { (((bytes.len() - 7) * 8 - 1) / width + 1).min(n) };
    let base = bytes.as_ptr();
    let mut bit = 0;
    for i in 0..whole {
        // SAFETY: i < whole, so bit / 8 + 8 <= bytes.len().
        let word = u64::from_le(unsafe { base.add(bit >> 3).cast::<u64>().read_unaligned() });
        put(i, (word >> (bit & 7)) & keep);
        bit += width;
    }
    // Fewer than 8 bytes are left from where the next value begins.
    let from = (whole * width) >> 3;
    let mut rest = [0u8; 16];
    rest.iter_mut().zip(bytes.get(from..).unwrap_or_default()).for_each(|(to, b)| *to = *b);
    for i in whole..n {
        let bit = i * width;
        let word = rest.get((bit >> 3) - from..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
        put(i, (word >> (bit & 7)) & keep);
    }
}

#[inline(always)]
fn unpack_wide(bytes: &[u8], width: usize, n: usize, mut put: impl FnMut(usize, u64)) {
    let keep = mask(width as u32);
    for i in 0..n {
        let bit = i * width;
        let at = bit >> 3;
        let word = match bytes.get(at..).and_then(|b| b.first_chunk::<16>()) {
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => padded(bytes, at),
        };
        put(i, (word >> (bit & 7)) as u64 & keep);
    }
}

/// Up to 16 bytes from `at`, zeros behind the end.
#[cold]
fn padded(bytes: &[u8], at: usize) -> u128 {
    let mut buf = [0u8; 16];
    let tail = bytes.get(at..).unwrap_or(&[]);
    for (to, from) in buf.iter_mut().zip(tail) {
        *to = *from;
    }
    u128::from_le_bytes(buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_gives_back_every_width(width in 0u32..=64, values in prop::collection::vec(any::<u64>(), 0..200), more in 0usize..9) {
            let mut bytes = Vec::new();
            pack(values.iter().copied(), width, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(values.len(), width));
            bytes.extend(std::iter::repeat_n(0xff, more));
            let mut got = Vec::new();
            unpack(&bytes, width, values.len(), |_, v| got.push(v)).unwrap();
            let want: Vec<u64> = values.iter().map(|v| if width == 0 { 0 } else { v & mask(width) }).collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn varints_give_back_every_number(u in any::<u64>(), i in any::<i64>()) {
            let mut bytes = Vec::new();
            put_uvarint(&mut bytes, u);
            prop_assert_eq!(bytes.len(), uvarint_len(u));
            put_ivarint(&mut bytes, i);
            let mut r = Reader::new(&bytes);
            prop_assert_eq!(r.uvarint(), Some(u));
            prop_assert_eq!(r.ivarint(), Some(i));
            prop_assert!(r.is_empty());
        }
    }

    #[test]
    fn too_few_bytes_are_refused() {
        assert_eq!(unpack(&[0; 3], 13, 2, |_, _| ()), None);
        assert_eq!(Reader::new(&[0x80; 11]).uvarint(), None);
        assert_eq!(Reader::new(&[0x80]).uvarint(), None);
    }
}
