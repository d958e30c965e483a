//! The write-ahead log: records in pages, and what they say of series and samples.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use crate::model::{FloatHistogram, Labels, SampleBuf, crc32c};

use super::block::{map, numbered};
use super::bytes::Bytes;
use super::series::{Deleted, Found};

const PAGE: usize = 32 << 10;
/// Type, length, checksum.
const HEAD: usize = 7;
/// No record is longer.
const LONGEST: usize = 512 << 20;

/// What the head has that is not in blocks: series by reference, and samples.
#[derive(Default)]
pub struct Head {
    /// Labels of the series that are wanted.
    pub series: FxHashMap<u64, Labels>,
    /// Their samples, in the order in which they were found.
    pub samples: FxHashMap<u64, SampleBuf>,
    /// What was deleted.
    pub deleted: Deleted,
    /// Samples before this time are passed over.
    pub valid_from: i64,
}

impl Head {
    /// A head without samples before a time.
    pub fn valid_from(valid_from: i64) -> Self {
        Head { valid_from, ..Head::default() }
    }

    /// Adds what a folder of segments holds.
    ///
    /// # Errors
    /// Files cannot be read, or are compressed with what is not known here.
    pub fn read(&mut self, folder: &Path, found: &mut Found<'_>) -> Result<(), String> {
        let segments = numbered(folder)?;
        for (place, path) in segments.iter().enumerate() {
            let Some(bytes) = map(path)? else { continue };
            let mut records = Records { bytes: &bytes, at: 0, record: Vec::new(), damaged: 0, refused: None };
            while let Some(record) = records.next() {
                found.damaged += u64::from(self.record(record, found).is_none());
            }
            if let Some(why) = records.refused {
                return Err(format!("{}: {why}", path.display()));
            }
            // The last one may be written to this moment.
            found.damaged += if place + 1 < segments.len() { records.damaged } else { 0 };
        }
        Ok(())
    }

    fn record(&mut self, record: &[u8], found: &Found<'_>) -> Option<()> {
        let mut b = Bytes(record);
        match b.u8()? {
            1 => self.read_series(b, found),
            2 => self.read_samples(b, |b, out, t| {
                out.push(t, b.f64()?);
                Some(())
            }),
            3 => {
                while !b.0.is_empty() {
                    self.deleted.add(b.u64()?, b.varint()?, b.varint()?);
                }
                Some(())
            }
            7 | 9 => self.read_samples(b, |b, out, t| {
                out.push_histogram(t, Arc::new(integer_histogram(b)?));
                Some(())
            }),
            8 | 10 => self.read_samples(b, |b, out, t| {
                out.push_histogram(t, Arc::new(float_histogram(b)?));
                Some(())
            }),
            // Exemplars, metadata, and where chunks are.
            4..=6 => Some(()),
            _ => None,
        }
    }

    fn read_series(&mut self, mut b: Bytes<'_>, found: &Found<'_>) -> Option<()> {
        while !b.0.is_empty() {
            let reference = b.u64()?;
            let count = b.count()?;
            let mut pairs = Vec::with_capacity(count.min(64));
            for _ in 0..count {
                pairs.push((b.text()?, b.text()?));
            }
            let labels = Labels::from_pairs(pairs);
            if found.wants(&labels) {
                self.series.insert(reference, labels);
            }
        }
        Some(())
    }

    /// Samples whose references and times are differences to the first; `value` reads one.
    fn read_samples(
        &mut self,
        mut b: Bytes<'_>,
        value: impl Fn(&mut Bytes<'_>, &mut SampleBuf, i64) -> Option<()>,
    ) -> Option<()> {
        if b.0.is_empty() {
            return Some(());
        }
        let (first, time) = (b.u64()?, b.u64()?.cast_signed());
        let mut unwanted = SampleBuf::default();
        while !b.0.is_empty() {
            let reference = first.wrapping_add_signed(b.varint()?);
            let t = time.wrapping_add(b.varint()?);
            if t >= self.valid_from && self.series.contains_key(&reference) {
                value(&mut b, self.samples.entry(reference).or_default(), t)?;
            } else {
                unwanted.clear();
                value(&mut b, &mut unwanted, t)?;
            }
        }
        Some(())
    }
}

/// A histogram. Counts and buckets are written in two ways: `number` reads a count, `buckets` those of one sign.
fn histogram(
    b: &mut Bytes<'_>,
    number: impl Fn(&mut Bytes<'_>) -> Option<f64>,
    buckets: impl Fn(&mut Bytes<'_>) -> Option<Vec<f64>>,
) -> Option<FloatHistogram> {
    let counter_reset_hint = if b.u8()? == 3 { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
    let schema = i32::try_from(b.varint()?).ok()?;
    let (zero_threshold, zero_count, count, sum) = (b.f64()?, number(b)?, number(b)?, b.f64()?);
    let (positive_spans, negative_spans) = (spans(b)?, spans(b)?);
    let (positive_buckets, negative_buckets) = (buckets(b)?, buckets(b)?);
    let custom_values = if schema == CUSTOM_BUCKETS_SCHEMA { list(b, Bytes::f64)? } else { Vec::new() };
    Some(FloatHistogram {
        counter_reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values,
    })
}

fn integer_histogram(b: &mut Bytes<'_>) -> Option<FloatHistogram> {
    // Each bucket is its difference to the one before.
    let buckets = |b: &mut Bytes<'_>| {
        let mut count = 0_i64;
        list(b, |b| {
            count = count.wrapping_add(b.varint()?);
            Some(count as f64)
        })
    };
    histogram(b, |b| Some(b.uvarint()? as f64), buckets)
}

fn float_histogram(b: &mut Bytes<'_>) -> Option<FloatHistogram> {
    histogram(b, |b| b.f64(), |b| list(b, |b| b.f64()))
}

fn list<'a, T>(b: &mut Bytes<'a>, mut one: impl FnMut(&mut Bytes<'a>) -> Option<T>) -> Option<Vec<T>> {
    let count = b.count()?;
    (0..count).map(|_| one(b)).collect()
}

fn spans(b: &mut Bytes<'_>) -> Option<Vec<Span>> {
    list(b, |b| {
        let offset = i32::try_from(b.varint()?).ok()?;
        Some(Span { offset, length: u32::try_from(b.uvarint()?).ok()? })
    })
}

/// The records of a segment.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    record: Vec<u8>,
    /// Places that could not be read.
    damaged: u64,
    /// Why the rest is not read.
    refused: Option<&'static str>,
}

/// How a record is compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Snappy,
}

impl<'a> Records<'a> {
    /// The next record that can be read.
    fn next(&mut self) -> Option<&[u8]> {
        self.record.clear();
        let compression = loop {
            let (flags, data) = self.fragment()?;
            let compression = match flags & 0b1_1000 {
                0 => Compression::None,
                0b0_1000 => Compression::Snappy,
                _ => {
                    self.refused = Some("is compressed with zstd, which is not read; expected snappy or nothing");
                    return None;
                }
            };
            let kind = flags & 0b111;
            // A record begins; what came before it lacks its end.
            if matches!(kind, 1 | 2) {
                self.damaged += u64::from(!self.record.is_empty());
                self.record.clear();
            }
            if self.record.len() + data.len() > LONGEST {
                self.refused = Some("a record is too long");
                return None;
            }
            self.record.extend_from_slice(data);
            if matches!(kind, 1 | 4) {
                break compression;
            }
        };
        if compression == Compression::Snappy {
            let length = snap::raw::decompress_len(&self.record).ok().filter(|n| *n <= LONGEST);
            match length.and_then(|_| snap::raw::Decoder::new().decompress_vec(&self.record).ok()) {
                Some(plain) => self.record = plain,
                // A record without bytes is one that cannot be read.
                None => self.record.clear(),
            }
        }
        Some(&self.record)
    }

    /// The next fragment: its type, and its data. What does not have its checksum ends its page.
    fn fragment(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let left = PAGE - self.at % PAGE;
            let mut b = Bytes(self.bytes.get(self.at..)?);
            if b.0.is_empty() {
                return None;
            }
            if left < HEAD {
                self.at += left;
                continue;
            }
            let (flags, length, sum) = (b.u8()?, b.u16(), b.u32());
            if flags & 0b111 == 0 {
                self.at += left;
                continue;
            }
            let data = length.and_then(|n| b.take(usize::from(n))).filter(|data| HEAD + data.len() <= left);
            match data.filter(|data| sum == Some(crc32c(data)) && flags & 0b111 <= 4) {
                Some(data) => {
                    self.at += HEAD + data.len();
                    return Some((flags, data));
                }
                None => {
                    self.damaged += 1;
                    self.at += left;
                }
            }
        }
    }
}
