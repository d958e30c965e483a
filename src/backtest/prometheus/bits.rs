//! Bit streams of Prometheus' chunks, the highest bit of a byte first.

use super::bytes::{unzigzag, uvarint};

/// Bits from which numbers are taken one after the other.
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// How many bits are read.
    at: usize,
}

impl<'a> Bits<'a> {
    /// The bits of these bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0 }
    }

    /// One bit.
    #[inline]
    pub fn bit(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `count` bits, at most 64.
    #[inline]
    pub fn bits(&mut self, count: u32) -> Option<u64> {
        let (mut left, mut out) = (count as usize, 0_u64);
        while left > 0 {
            let byte = u64::from(*self.bytes.get(self.at / 8)?);
            let unread = 8 - self.at % 8;
            let taken = unread.min(left);
            let bits = byte >> (unread - taken) & ((1 << taken) - 1);
            out = out << taken | bits;
            self.at += taken;
            left -= taken;
        }
        Some(out)
    }

    /// A float of 64 bits.
    pub fn f64(&mut self) -> Option<f64> {
        self.bits(64).map(f64::from_bits)
    }

    /// Go's variable number without sign.
    pub fn uvarint(&mut self) -> Option<u64> {
        uvarint(|| self.bits(8).and_then(|b| u8::try_from(b).ok()))
    }

    /// Go's variable number with sign.
    pub fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// A number with sign of so many bits, of which the largest is positive.
    pub fn signed(&mut self, count: u32) -> Option<i64> {
        let bits = self.bits(count)?;
        if count < 64 && bits > 1 << (count - 1) {
            return Some((bits as i64).wrapping_sub(1 << count));
        }
        Some(bits as i64)
    }

    /// How many ones come before a zero; `most` ones need none.
    pub fn ones(&mut self, most: u32) -> Option<u32> {
        let mut ones = 0;
        while ones < most && self.bit()? {
            ones += 1;
        }
        Some(ones)
    }

    /// A `varbit_int`.
    pub fn varbit(&mut self) -> Option<i64> {
        match self.width()? {
            0 => Some(0),
            count => self.signed(count),
        }
    }

    /// A `varbit_uint`.
    pub fn varbit_unsigned(&mut self) -> Option<u64> {
        self.width().and_then(|count| self.bits(count))
    }

    /// The width of a varbit number.
    fn width(&mut self) -> Option<u32> {
        const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];
        WIDTHS.get(self.ones(8)? as usize).copied()
    }
}

/// Floats, each as what differs from the one before: `varbit_xor`.
#[derive(Clone, Copy, Default)]
pub struct Xor {
    value: u64,
    leading: u32,
    trailing: u32,
}

impl Xor {
    /// Goes on from a float.
    pub fn from(value: f64) -> Self {
        Xor { value: value.to_bits(), ..Xor::default() }
    }

    /// The next float.
    #[inline]
    pub fn next(&mut self, bits: &mut Bits<'_>) -> Option<f64> {
        if bits.bit()? {
            if bits.bit()? {
                self.leading = bits.bits(5)? as u32;
                // All 64 do not fit into six bits: 0 stands for them.
                let significant = match bits.bits(6)? as u32 {
                    0 => 64,
                    n => n,
                };
                self.trailing = 64_u32.checked_sub(self.leading + significant)?;
            }
            let significant = 64_u32.checked_sub(self.leading + self.trailing)?;
            self.value ^= bits.bits(significant)?.checked_shl(self.trailing)?;
        }
        Some(f64::from_bits(self.value))
    }

    /// The float that came last.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_across_bytes() {
        let mut bits = Bits::of(&[0b1011_0010, 0b1111_0000, 0xff]);
        assert_eq!((bits.bit(), bits.bits(5), bits.bits(6)), (Some(true), Some(0b01100), Some(0b101111)));
        assert_eq!((bits.bits(4), bits.bits(9)), (Some(0), None));
        assert_eq!(Bits::of(&[0b0010_0000]).signed(3), Some(1));
        assert_eq!((Bits::of(&[0b1000_0000]).signed(3), Bits::of(&[0b1010_0000]).signed(3)), (Some(4), Some(-3)));
        // 110 and six bits: -2.
        assert_eq!(Bits::of(&[0b1101_1111, 0b0000_0000]).varbit(), Some(-2));
        assert_eq!(Bits::of(&[0]).varbit(), Some(0));
        assert_eq!(Bits::of(&[0b1001_1000]).varbit_unsigned(), Some(3));
    }
}
