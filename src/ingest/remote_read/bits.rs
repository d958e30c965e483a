//! Bit streams of Prometheus' chunks, as they are written.

use crate::ingest::wire::{WireWriter, zigzag};

/// Bits in the order in which they are written, the highest of a byte first.
#[derive(Default)]
pub(super) struct Bits {
    pub(super) bytes: Vec<u8>,
    /// Bits of the last byte that are free.
    free: u32,
}

impl Bits {
    pub(super) fn push(&mut self, value: u64, count: u32) {
        for i in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= (((value >> i) & 1) as u8) << self.free;
            }
        }
    }

    /// A float of 64 bits.
    pub(super) fn f64(&mut self, v: f64) {
        self.push(v.to_bits(), 64);
    }

    /// Go's variable number without sign.
    pub(super) fn uvarint(&mut self, n: u64) {
        let mut writer = WireWriter::default();
        writer.varint(n);
        writer.buf.iter().for_each(|byte| self.push(u64::from(*byte), 8));
    }

    /// Go's variable number with sign.
    pub(super) fn varint(&mut self, n: i64) {
        self.uvarint(zigzag(n));
    }

    /// A `varbit_int`: as many ones as it has widths to skip, a zero unless it is the last, and the number.
    pub(super) fn varbit(&mut self, n: i64) {
        self.of_width(n as u64, WIDTHS.iter().position(|width| fits(n, *width)));
    }

    /// A `varbit_uint`.
    pub(super) fn varbit_unsigned(&mut self, n: u64) {
        self.of_width(n, WIDTHS.iter().position(|width| 64 - n.leading_zeros() <= *width));
    }

    fn of_width(&mut self, bits: u64, at: Option<usize>) {
        match at.and_then(|at| Some((at as u32, WIDTHS.get(at)?))) {
            Some((skipped, width)) => {
                self.push((1 << (skipped + 1)) - 2, skipped + 1);
                self.push(bits, *width);
            }
            None => {
                self.push(0xff, 8);
                self.push(bits, 64);
            }
        }
    }
}

/// The widths of varbit numbers but the last, 64.
const WIDTHS: [u32; 8] = [0, 3, 6, 9, 12, 18, 25, 56];

/// Whether a number goes into so many bits, of which the largest is positive.
pub(super) fn fits(n: i64, width: u32) -> bool {
    match width {
        0 => n == 0,
        width => -((1_i64 << (width - 1)) - 1) <= n && n <= 1_i64 << (width - 1),
    }
}

/// A float that goes on as what differs from the one before.
#[derive(Clone, Copy, Default)]
pub(super) struct Xor {
    value: u64,
    /// Zeros before and behind what differed last.
    window: Option<(u32, u32)>,
}

impl Xor {
    /// Writes the first float, whole.
    pub(super) fn first(&mut self, v: f64, out: &mut Bits) {
        self.value = v.to_bits();
        out.f64(v);
    }

    /// Writes which bits of the next one changed: in the window of those before where they fit into it.
    pub(super) fn next(&mut self, v: f64, out: &mut Bits) {
        let xor = self.value ^ v.to_bits();
        self.value = v.to_bits();
        if xor == 0 {
            return out.push(0, 1);
        }
        out.push(1, 1);
        let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
        if let Some((l, t)) = self.window.filter(|(l, t)| leading >= *l && trailing >= *t) {
            out.push(0, 1);
            return out.push(xor >> t, 64 - l - t);
        }
        self.window = Some((leading, trailing));
        let significant = 64 - leading - trailing;
        out.push(1, 1);
        out.push(u64::from(leading), 5);
        // All 64 do not fit into six bits: 0 stands for them.
        out.push(u64::from(significant) & 63, 6);
        out.push(xor >> trailing, significant);
    }
}
