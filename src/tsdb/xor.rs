//! Gorilla's XOR coding of floats (Pelkonen et al., VLDB 2015): for values whose bits repeat or share their tail, where
//! neither integers nor a fixed width do better.
//!
//! The first value is stored raw. Each following one is XORed with its predecessor: `0` when equal; `10` and the bits
//! within the previous window; `11`, 5 bits of leading zeros, 6 bits of length (0: 64), and the bits.

/// Appends the coding of `values` (as bits) to `out`.
pub(super) fn encode(values: &[f64], out: &mut Vec<u8>) {
    let Some((first, rest)) = values.split_first() else { return };
    out.extend_from_slice(&first.to_bits().to_le_bytes());
    let mut w = BitWriter { out, acc: 0, free: 64 };
    let (mut previous, mut leading, mut trailing) = (first.to_bits(), u32::MAX, 0);
    for v in rest {
        let xor = v.to_bits() ^ previous;
        previous = v.to_bits();
        if xor == 0 {
            w.put(0, 1);
            continue;
        }
        let (l, t) = (xor.leading_zeros().min(31), xor.trailing_zeros());
        if leading != u32::MAX && l >= leading && t >= trailing {
            w.put(0b10, 2);
            w.put(xor >> trailing, 64 - leading - trailing);
        } else {
            (leading, trailing) = (l, t);
            let len = 64 - l - t;
            w.put(0b11, 2);
            w.put(u64::from(l), 5);
            w.put(u64::from(len & 63), 6);
            w.put(xor >> t, len);
        }
    }
    w.finish();
}

/// Appends the first `n` values of a coding to `out`.
pub(super) fn decode(bytes: &[u8], n: usize, out: &mut Vec<f64>) -> Option<()> {
    if n == 0 {
        return Some(());
    }
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    let mut value = u64::from_le_bytes(*first);
    out.push(f64::from_bits(value));
    let mut r = BitReader { rest, acc: 0, filled: 0 };
    let (mut len, mut trailing) = (0u32, 0u32);
    for _ in 1..n {
        r.fill();
        // The refill leaves at least 13 bits, the longest head, unless the coding ends.
        match r.acc >> 62 {
            0 | 1 => r.skip(1)?,
            2 => {
                r.skip(2)?;
                value ^= r.get(len)?.checked_shl(trailing)?;
            }
            _ => {
                let head = (r.acc >> 51) as u32;
                r.skip(13)?;
                let leading = (head >> 6) & 31;
                len = if head & 63 == 0 { 64 } else { head & 63 };
                trailing = 64u32.checked_sub(leading + len)?;
                value ^= r.get(len)?.checked_shl(trailing)?;
            }
        }
        out.push(f64::from_bits(value));
    }
    Some(())
}

/// Writes bits, the highest first.
struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    acc: u64,
    free: u32,
}

impl BitWriter<'_> {
    /// Writes the low `n` bits of `v`, 1 <= n <= 64; the others are zero.
    fn put(&mut self, v: u64, n: u32) {
        if n < self.free {
            self.free -= n;
            self.acc |= v << self.free;
            return;
        }
        let left = n - self.free;
        self.acc |= v >> left;
        self.out.extend_from_slice(&self.acc.to_be_bytes());
        self.free = 64 - left;
        self.acc = if left == 0 { 0 } else { v << self.free };
    }

    fn finish(self) {
        let used = (64 - self.free).div_ceil(8) as usize;
        self.out.extend(self.acc.to_be_bytes().iter().take(used));
    }
}

/// Reads bits, the highest first, through a 64-bit buffer.
struct BitReader<'a> {
    rest: &'a [u8],
    /// The next bits at the top, zeros below `filled`.
    acc: u64,
    filled: u32,
}

impl BitReader<'_> {
    #[inline]
    fn fill(&mut self) {
        if self.filled > 32 {
            return;
        }
        if let Some((word, _)) = self.rest.split_first_chunk::<8>() {
            self.acc |= u64::from_be_bytes(*word) >> self.filled;
            let bytes = (64 - self.filled) / 8;
            self.rest = self.rest.get(bytes as usize..).unwrap_or(&[]);
            self.filled += bytes * 8;
            // Bits past the whole bytes taken would be read twice.
            if self.filled < 64 {
                self.acc &= !(u64::MAX >> self.filled);
            }
            return;
        }
        while self.filled <= 56 {
            let Some((&b, rest)) = self.rest.split_first() else { return };
            self.acc |= u64::from(b) << (56 - self.filled);
            self.filled += 8;
            self.rest = rest;
        }
    }

    #[inline]
    fn skip(&mut self, n: u32) -> Option<()> {
        self.filled = self.filled.checked_sub(n)?;
        self.acc <<= n;
        Some(())
    }

    /// The next `n` bits; none for `n` = 0.
    #[inline]
    fn get(&mut self, n: u32) -> Option<u64> {
        if n > 32 {
            let high = self.get(n - 32)?;
            return Some(high << 32 | self.get(32)?);
        }
        self.fill();
        if n == 0 {
            return Some(0);
        }
        let v = self.acc >> (64 - n);
        self.skip(n)?;
        Some(v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn repeated_values_take_one_bit() {
        let mut bytes = Vec::new();
        encode(&[0.1; 129], &mut bytes);
        assert_eq!(bytes.len(), 8 + 16);
    }

    proptest! {
        #[test]
        fn every_bit_pattern_is_given_back(raw in prop::collection::vec(prop_oneof![any::<u64>(), Just(0), (0u64..64).prop_map(|s| 1 << s), Just(0x7ff0_0000_0000_0002)], 0..200), take in 0usize..200) {
            let values: Vec<f64> = raw.iter().map(|b| f64::from_bits(*b)).collect();
            let mut bytes = Vec::new();
            encode(&values, &mut bytes);
            let n = take.min(values.len());
            let mut got = Vec::new();
            decode(&bytes, n, &mut got).unwrap();
            prop_assert_eq!(bits(&got), &raw[..n]);
        }

        #[test]
        fn damaged_codings_are_refused_or_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80), n in 0usize..100) {
            let _ = decode(&bytes, n, &mut Vec::new());
        }
    }
}
