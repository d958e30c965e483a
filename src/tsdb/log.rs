//! Files of checked records: the form of the log's segments and of checkpoints.
//!
//! ```text
//! file    "WBLOG\0\0\x01", record*
//! record  length u32 (of the payload), crc32 u32 (of all that follows), kind u8,
//!         sequence u64 (samples logged before this record), samples u32 (in this record), payload
//! ```
//!
//! Integers are little-endian. Damage is passed over up to the next record whose checksum fits; the sequence then tells how
//! many samples the stretch held.

use super::bits::Reader;

/// The first bytes of a file.
pub(super) const MAGIC: &[u8; 8] = b"WBLOG\0\0\x01";
/// Bytes of a record besides its payload.
pub(super) const HEAD: usize = 21;
/// A longer payload is damage.
const MAX_PAYLOAD: usize = 1 << 30;
/// The kinds of records there are: of the log, of checkpoints, of the manifest.
const KINDS: [u8; 7] = [1, 2, 16, 17, 18, 19, 32];

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    /// Samples logged before this record.
    pub(super) sequence: u64,
    /// Samples in this record.
    pub(super) samples: u32,
    pub(super) payload: &'a [u8],
}

impl Record<'_> {
    /// Appends the record to `out`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.samples.to_le_bytes());
        out.extend_from_slice(self.payload);
        let crc = crc32fast::hash(out.get(at + 8..).unwrap_or(&[])).to_le_bytes();
        if let Some(slot) = out.get_mut(at + 4..at + 8) {
            slot.copy_from_slice(&crc);
        }
    }
}

/// A stretch of a file that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Torn {
    /// Where it begins.
    pub(super) offset: usize,
    /// Where it ends: behind it a record is good again, or the file ends.
    pub(super) end: usize,
    /// What is there instead of a record.
    pub(super) what: &'static str,
    /// Samples of the record that is cut short, when its head is there.
    pub(super) samples: Option<u64>,
}

/// Records behind damage are looked for until this many bytes were checked in vain.
const MAX_SEARCH: usize = 64 << 20;
/// Stretches passed over in one file; behind the last one nothing is read.
const MAX_STRETCHES: usize = 1000;

/// Reads the records of a file. Behind damage it goes on with the next record that is good.
pub(super) struct Records<'a> {
    file: &'a [u8],
    offset: usize,
    /// The stretches that were passed over, so far.
    pub(super) torn: Vec<Torn>,
    /// Bytes that may still be checked in search of a record.
    search: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        let mut records = Records { file, offset: MAGIC.len(), torn: Vec::new(), search: MAX_SEARCH };
        if !file.starts_with(MAGIC) {
            records.offset = 0;
            let what = if file.is_empty() { "the file was emptied" } else { "the file does not start as a log does" };
            records.pass_over(what, None);
        }
        records
    }

    /// How much of the file there is to keep: all up to damage that reaches its end.
    pub(super) fn good_until(&self) -> usize {
        self.torn.last().filter(|t| t.end == self.file.len()).map_or(self.file.len(), |t| t.offset)
    }

    /// Moves behind damage.
    fn pass_over(&mut self, what: &'static str, samples: Option<u64>) {
        let from = self.offset;
        let next = if self.torn.len() + 1 < MAX_STRETCHES { self.next_good(from + 1) } else { None };
        self.offset = next.unwrap_or(self.file.len());
        let samples = samples.filter(|_| next.is_none());
        self.torn.push(Torn { offset: from, end: self.offset, what, samples });
    }

    /// Where the next good record begins, from `at` on.
    fn next_good(&mut self, at: usize) -> Option<usize> {
        (at..self.file.len().saturating_sub(HEAD)).find(|at| {
            let Some(rest) = self.file.get(*at..) else { return false };
            // Most places are told apart by their heads alone.
            let Some((len, _, kind, ..)) = head(rest).filter(|h| h.0 <= rest.len() - HEAD) else { return false };
            if !KINDS.contains(&kind) || self.search < len {
                return false;
            }
            self.search -= len;
            record(rest).is_ok()
        })
    }
}

/// Length of the payload, checksum, kind, sequence, samples.
type Head = (usize, u32, u8, u64, u32);

fn head(bytes: &[u8]) -> Option<Head> {
    let mut r = Reader::new(bytes);
    Some((r.u32()? as usize, r.u32()?, r.u8()?, r.u64()?, r.u32()?))
}

/// How long the payload is of a record that begins with `bytes`; `None` when that cannot be.
pub(super) fn payload_len(bytes: &[u8]) -> Option<usize> {
    head(bytes).map(|(len, ..)| len).filter(|len| *len <= MAX_PAYLOAD)
}

/// The record at the front of `bytes`, or what is there instead, and how many samples it held where that is known.
pub(super) fn record(bytes: &[u8]) -> Result<Record<'_>, (&'static str, Option<u64>)> {
    let (len, crc, kind, sequence, samples) = head(bytes).ok_or(("a record's head is cut short", None))?;
    if len > MAX_PAYLOAD {
        return Err(("a record's length is damaged", None));
    }
    let cut = ("a record is cut short", Some(u64::from(samples)));
    let payload = bytes.get(HEAD..HEAD + len).ok_or(cut)?;
    if bytes.get(8..HEAD + len).map(crc32fast::hash) != Some(crc) {
        return Err(("a record's checksum does not fit", None));
    }
    Ok(Record { kind, sequence, samples, payload })
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        loop {
            let rest = self.file.get(self.offset..).filter(|r| !r.is_empty())?;
            match record(rest) {
                Ok(record) => {
                    self.offset += HEAD + record.payload.len();
                    return Some(record);
                }
                Err((what, samples)) => self.pass_over(what, samples),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (Vec<u8>, Vec<Vec<u8>>, Vec<usize>) {
        let mut file = MAGIC.to_vec();
        let payloads: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i; usize::from(i) * 7]).collect();
        let mut ends = vec![file.len()];
        for (i, payload) in payloads.iter().enumerate() {
            Record { kind: 1, sequence: i as u64, samples: 3, payload }.put(&mut file);
            ends.push(file.len());
        }
        (file, payloads, ends)
    }

    #[test]
    fn a_file_cut_anywhere_gives_every_record_before() {
        let (file, payloads, ends) = file();
        for at in 0..=file.len() {
            let mut records = Records::new(&file[..at]);
            let n = records.by_ref().zip(&payloads).inspect(|(r, p)| assert_eq!(r.payload, **p)).count();
            let whole = ends.iter().filter(|e| **e <= at).count();
            assert_eq!(n, whole.saturating_sub(1), "cut at {at}");
            assert_eq!(records.good_until(), if whole == 0 { 0 } else { ends[whole - 1] }, "cut at {at}");
            assert_eq!(records.torn.is_empty(), at == ends[whole.max(1) - 1], "cut at {at}");
        }
    }

    #[test]
    fn a_damaged_byte_costs_the_record_it_is_in() {
        let (file, payloads, ends) = file();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x40;
            let mut records = Records::new(&damaged);
            let got: Vec<u64> = records.by_ref().map(|r| r.sequence).collect();
            // The first bytes belong to no record.
            let hit = ends.iter().filter(|e| **e <= at).count().checked_sub(1).map(|n| n as u64);
            let want: Vec<u64> = (0..payloads.len() as u64).filter(|n| Some(*n) != hit).collect();
            assert_eq!(got, want, "damaged at {at}");
            let [torn] = &records.torn[..] else { panic!("damaged at {at}: {:?}", records.torn) };
            let from = hit.map_or(0, |n| ends[n as usize]);
            assert_eq!((torn.offset, torn.end), (from, hit.map_or(ends[0], |n| ends[n as usize + 1])), "at {at}");
        }
    }
}
