//! Numbers in Prometheus' files: big-endian, and Go's varints. Whatever is not there is `None`, never a panic: files may be
//! damaged.

/// Bytes from which numbers are taken one after the other.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A float of eight bytes.
    pub fn f64(&mut self) -> Option<f64> {
        self.u64().map(f64::from_bits)
    }

    /// A variable number without sign.
    pub fn uvarint(&mut self) -> Option<u64> {
        uvarint(|| self.u8())
    }

    /// A variable number with sign.
    pub fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// A variable number that counts things of which each takes at least a byte of what is left.
    pub fn count(&mut self) -> Option<usize> {
        usize::try_from(self.uvarint()?).ok().filter(|n| *n <= self.0.len())
    }

    /// A text with its length before it.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}

/// A variable number from bytes.
pub fn uvarint(mut byte: impl FnMut() -> Option<u8>) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let next = byte()?;
        // The tenth byte has room for one bit.
        if shift == 63 && next > 1 {
            return None;
        }
        n |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// A number with sign from Go's form of it.
pub fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_is_cut_off_is_none() {
        let mut b = Bytes(&[0x96, 0x01, 0x03, 0x04, 0, 0, 1, 0, 2, b'o', b'k', 0x80]);
        assert_eq!((b.uvarint(), b.varint(), b.varint()), (Some(150), Some(-2), Some(2)));
        assert_eq!((b.u32(), b.text()), (Some(256), Some("ok")));
        assert_eq!((b.uvarint(), b.u8()), (None, None));
        assert_eq!(Bytes(&[0xff; 11]).uvarint(), None);
        assert_eq!(Bytes(&[200, 1, 0]).count(), None);
        assert_eq!(unzigzag(u64::MAX), i64::MIN);
    }
}
