//! Frames of streamed chunks: a series' samples in Prometheus' encodings.

use std::iter;
use std::sync::Arc;

use super::bits::{Bits, Xor, fits};
use super::histograms;
use crate::ingest::wire::WireWriter;
use crate::model::{FloatHistogram, Labels, SampleBuf, crc32c};

/// Samples of a chunk, as Prometheus writes them.
const MOST_SAMPLES: usize = 120;
/// The number of the encoding of floats.
const XOR: u64 = 1;
/// The number of the encoding of histograms with float counts.
const FLOAT_HISTOGRAM: u64 = 3;

/// A run of samples of one kind.
pub struct Chunk {
    /// Time of the first sample, milliseconds.
    pub first: i64,
    /// Time of the last one.
    pub last: i64,
    /// The number of its encoding.
    pub encoding: u64,
    /// The samples.
    pub bytes: Vec<u8>,
}

/// The chunks of a series' samples, in the order of their times.
pub fn chunks(samples: &SampleBuf) -> impl Iterator<Item = Chunk> {
    let (mut floats, mut histograms) = ((samples.ts.as_slice(), samples.vs.as_slice()), samples.hists.as_slice());
    iter::from_fn(move || match (floats.0.first(), histograms.first()) {
        (None, None) => None,
        (Some(t), h) if h.is_none_or(|(of_histogram, _)| t <= of_histogram) => {
            take_floats(&mut floats, h.map(|(t, _)| *t))
        }
        (t, _) => take_histograms(&mut histograms, t.copied()),
    })
}

/// Takes the floats that come before the next histogram, as many as a chunk holds.
fn take_floats(rest: &mut (&[i64], &[f64]), until: Option<i64>) -> Option<Chunk> {
    let is_ours = |t: &&i64| until.is_none_or(|until| **t <= until);
    let count = rest.0.iter().take(MOST_SAMPLES).take_while(is_ours).count();
    let ((ts, ts_left), (vs, vs_left)) = (rest.0.split_at_checked(count)?, rest.1.split_at_checked(count)?);
    *rest = (ts_left, vs_left);
    Some(Chunk { first: *ts.first()?, last: *ts.last()?, encoding: XOR, bytes: xor(ts, vs) })
}

/// Takes the histograms of one layout that come before the next float, as many as a chunk holds.
fn take_histograms(rest: &mut &[(i64, Arc<FloatHistogram>)], until: Option<i64>) -> Option<Chunk> {
    let ahead = rest.get(..MOST_SAMPLES.min(rest.len()))?;
    let run = ahead.get(..histograms::run(ahead))?;
    let count = run.iter().take_while(|(t, _)| until.is_none_or(|until| *t < until)).count();
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    let ((first, _), (last, _)) = (taken.first()?, taken.last()?);
    Some(Chunk { first: *first, last: *last, encoding: FLOAT_HISTOGRAM, bytes: histograms::encode(taken) })
}

/// One frame: chunks of one series of one query, with its length and checksum before it.
pub fn frame(query: usize, labels: &Labels, chunks: &[Chunk]) -> Vec<u8> {
    let mut message = WireWriter::default();
    message.message(1, |series| {
        for (name, value) in labels {
            series.message(1, |label| {
                label.bytes(1, name.as_bytes());
                label.bytes(2, value.as_bytes());
            });
        }
        for Chunk { first, last, encoding, bytes } in chunks {
            series.message(2, |chunk| {
                chunk.uint(1, *first as u64);
                chunk.uint(2, *last as u64);
                chunk.uint(3, *encoding);
                chunk.bytes(4, bytes);
            });
        }
    });
    message.uint(2, query as u64);
    let mut frame = WireWriter::default();
    frame.varint(message.buf.len() as u64);
    frame.buf.extend_from_slice(&crc32c(&message.buf).to_be_bytes());
    frame.buf.extend_from_slice(&message.buf);
    frame.buf
}

/// A chunk of floats: how many samples, then times as differences of differences and values as differences in bits.
fn xor(ts: &[i64], vs: &[f64]) -> Vec<u8> {
    let mut out = Bits::default();
    out.push(ts.len() as u64, 16);
    let (mut before, mut delta, mut value) = (0_i64, 0_i64, Xor::default());
    for (i, (t, v)) in ts.iter().zip(vs).enumerate() {
        let now = t.wrapping_sub(before);
        match i {
            0 => out.varint(*t),
            1 => out.uvarint(now as u64),
            _ => difference(&mut out, now.wrapping_sub(delta)),
        }
        match i {
            0 => value.first(*v, &mut out),
            _ => value.next(*v, &mut out),
        }
        (before, delta) = (*t, now);
    }
    out.bytes
}

/// Writes a difference of differences in as few bits as it takes.
fn difference(out: &mut Bits, d: i64) {
    let (mark, bits, width) = match d {
        0 => (0, 1, 0),
        _ if fits(d, 14) => (0b10, 2, 14),
        _ if fits(d, 17) => (0b110, 3, 17),
        _ if fits(d, 20) => (0b1110, 4, 20),
        _ => (0b1111, 4, 64),
    };
    out.push(mark, bits);
    out.push(d as u64, width);
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
