//! Frames of streamed chunks: floats in Prometheus' XOR encoding.

use crate::ingest::wire::{WireWriter, zigzag};
use crate::model::{Labels, crc32c};

/// Samples of a chunk, as Prometheus writes them.
pub const MOST_SAMPLES: usize = 120;
/// The number of the encoding in a frame.
const XOR: u64 = 1;

/// One frame: chunks of one series of one query, with its length and checksum before it.
pub struct Frame(pub Vec<u8>);

impl Frame {
    /// The frame of some chunks' worth of a series' samples.
    pub fn of(query: usize, labels: &Labels, ts: &[i64], vs: &[f64]) -> Frame {
        let mut message = WireWriter::default();
        message.message(1, |series| {
            for (name, value) in labels {
                series.message(1, |label| {
                    label.bytes(1, name.as_bytes());
                    label.bytes(2, value.as_bytes());
                });
            }
            for (ts, vs) in ts.chunks(MOST_SAMPLES).zip(vs.chunks(MOST_SAMPLES)) {
                let (Some(first), Some(last)) = (ts.first(), ts.last()) else { continue };
                series.message(2, |chunk| {
                    chunk.uint(1, *first as u64);
                    chunk.uint(2, *last as u64);
                    chunk.uint(3, XOR);
                    chunk.bytes(4, &xor(ts, vs));
                });
            }
        });
        message.uint(2, query as u64);
        let mut frame = WireWriter::default();
        frame.varint(message.buf.len() as u64);
        frame.buf.extend_from_slice(&crc32c(&message.buf).to_be_bytes());
        frame.buf.extend_from_slice(&message.buf);
        Frame(frame.buf)
    }
}

/// Bits in the order in which they are written, the highest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are free.
    free: u32,
}

impl Bits {
    fn push(&mut self, value: u64, count: u32) {
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

    fn varint(&mut self, n: u64) {
        let mut writer = WireWriter::default();
        writer.varint(n);
        writer.buf.iter().for_each(|byte| self.push(u64::from(*byte), 8));
    }
}

/// A chunk: how many samples, then times as differences of differences and values as differences in bits.
fn xor(ts: &[i64], vs: &[f64]) -> Vec<u8> {
    let mut out = Bits::default();
    out.push(ts.len() as u64, 16);
    let (mut before, mut delta, mut value) = (0_i64, 0_i64, 0_u64);
    let mut window: Option<(u32, u32)> = None;
    for (i, (t, v)) in ts.iter().zip(vs).enumerate() {
        let bits = v.to_bits();
        let now = t.wrapping_sub(before);
        match i {
            0 => {
                out.varint(zigzag(*t));
                out.push(bits, 64);
            }
            1 => out.varint(now as u64),
            _ => difference(&mut out, now.wrapping_sub(delta)),
        }
        if i > 0 {
            changed(&mut out, value ^ bits, &mut window);
        }
        (before, delta, value) = (*t, now, bits);
    }
    out.bytes
}

/// Writes a difference of differences in as few bits as it takes.
fn difference(out: &mut Bits, d: i64) {
    let fits = |bits: u32| -((1_i64 << (bits - 1)) - 1) <= d && d <= 1_i64 << (bits - 1);
    match d {
        0 => out.push(0, 1),
        _ if fits(14) => {
            out.push(0b10, 2);
            out.push(d as u64, 14);
        }
        _ if fits(17) => {
            out.push(0b110, 3);
            out.push(d as u64, 17);
        }
        _ if fits(20) => {
            out.push(0b1110, 4);
            out.push(d as u64, 20);
        }
        _ => {
            out.push(0b1111, 4);
            out.push(d as u64, 64);
        }
    }
}

/// Writes which bits of a value changed: in the window of those before where they fit into it.
fn changed(out: &mut Bits, xor: u64, window: &mut Option<(u32, u32)>) {
    if xor == 0 {
        return out.push(0, 1);
    }
    out.push(1, 1);
    let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
    if let Some((l, t)) = window.filter(|(l, t)| leading >= *l && trailing >= *t) {
        out.push(0, 1);
        return out.push(xor >> t, 64 - l - t);
    }
    *window = Some((leading, trailing));
    let significant = 64 - leading - trailing;
    out.push(1, 1);
    out.push(u64::from(leading), 5);
    // All 64 do not fit into six bits: 0 stands for them.
    out.push(u64::from(significant) & 63, 6);
    out.push(xor >> trailing, significant);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_samples_take_few_bits() {
        let ts: Vec<i64> = (0..120).map(|i| 1_700_000_000_000 + i * 15_000).collect();
        let same = xor(&ts, &[1.0; 120]);
        assert_eq!(same.get(..2), Some(&[0, 120][..]));
        assert!(same.len() < 60, "{}", same.len());
        let all = xor(&ts, &(0..120).map(f64::from).map(f64::sqrt).collect::<Vec<_>>());
        assert!(all.len() > 600, "{}", all.len());
    }
}
