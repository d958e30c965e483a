//! Files of checked records: the form of the log's segments and of checkpoints.
//!
//! ```text
//! file    "WBLOG\0\0\x01", record*
//! record  length u32 (of the payload), crc32 u32 (of all that follows), kind u8,
//!         sequence u64 (samples logged before this record), samples u32 (in this record), payload
//! ```
//!
//! Integers are little-endian. The sequence tells how many samples a damaged stretch held once a record behind it is
//! read.

use super::bits::Reader;

/// The first bytes of a file.
pub(super) const MAGIC: &[u8; 8] = b"WBLOG\0\0\x01";
/// Bytes of a record besides its payload.
pub(super) const HEAD: usize = 21;
/// A longer payload is damage.
const MAX_PAYLOAD: usize = 1 << 30;

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

/// Where a file stopped making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Torn {
    /// Everything before this offset is good.
    pub(super) offset: usize,
    /// What is there instead of a record.
    pub(super) what: &'static str,
    /// Samples of the record that is cut short, when its head is there.
    pub(super) samples: Option<u64>,
}

/// Reads the records of a file, up to its end or the first damage.
pub(super) struct Records<'a> {
    file: &'a [u8],
    offset: usize,
    /// The damage that ended the reading.
    pub(super) torn: Option<Torn>,
}

impl<'a> Records<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        let mut records = Records { file, offset: MAGIC.len(), torn: None };
        if !file.starts_with(MAGIC) {
            records.offset = 0;
            records.stop("the file does not start as a log does", None);
        }
        records
    }

    fn stop(&mut self, what: &'static str, samples: Option<u64>) {
        self.torn = Some(Torn { offset: self.offset, what, samples });
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let rest = self.file.get(self.offset..).filter(|r| !r.is_empty() && self.torn.is_none())?;
        let mut r = Reader::new(rest);
        let head = (|| Some((r.u32()? as usize, r.u32()?, r.u8()?, r.u64()?, r.u32()?)))();
        let Some((len, crc, kind, sequence, samples)) = head else {
            self.stop("a record's head is cut short", None);
            return None;
        };
        if len > MAX_PAYLOAD {
            self.stop("a record's length is damaged", None);
            return None;
        }
        let Some(payload) = r.take(len) else {
            self.stop("a record is cut short", Some(u64::from(samples)));
            return None;
        };
        if rest.get(8..HEAD + len).map(crc32fast::hash) != Some(crc) {
            self.stop("a record's checksum does not fit", None);
            return None;
        }
        self.offset += HEAD + len;
        Some(Record { kind, sequence, samples, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_or_damaged_anywhere_gives_every_record_before() {
        let mut file = MAGIC.to_vec();
        let payloads: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i; usize::from(i) * 7]).collect();
        let mut ends = Vec::new();
        for (i, payload) in payloads.iter().enumerate() {
            Record { kind: 1, sequence: i as u64, samples: 3, payload }.put(&mut file);
            ends.push(file.len());
        }
        let read = |bytes: &[u8]| {
            let mut r = Records::new(bytes);
            let n = r.by_ref().zip(&payloads).inspect(|(r, p)| assert_eq!(r.payload, **p)).count();
            (n, r.torn.map(|t| t.offset))
        };
        assert_eq!(read(&file), (5, None));
        for at in 0..file.len() {
            let whole = ends.iter().filter(|e| **e <= at).count();
            let good = if at < MAGIC.len() { 0 } else { *ends[..whole].last().unwrap_or(&MAGIC.len()) };
            assert_eq!(read(&file[..at]), (whole, (good != at || at == 0).then_some(good)), "cut at {at}");
            let mut damaged = file.clone();
            damaged[at] ^= 0x40;
            assert_eq!(read(&damaged), (whole, Some(good)), "damaged at {at}");
        }
    }
}
