//! A block's index: its symbols, and its series with where their chunks are.

use crate::model::Labels;
use crate::model::crc32c;

use super::bytes::Bytes;

const MAGIC: u32 = 0xBAAA_D700;
/// What stands before the first section.
const HEAD: usize = 5;
/// Six places and a checksum.
const TOC: usize = 6 * 8 + 4;
/// Series begin at multiples of this.
const ALIGNMENT: usize = 16;

/// A chunk of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Time of the first sample.
    pub mint: i64,
    /// Time of the last.
    pub maxt: i64,
    /// The file, and the place in it.
    pub reference: u64,
}

/// An index.
pub struct Index<'a> {
    bytes: &'a [u8],
    symbols: Vec<&'a str>,
    /// From where to where series are.
    series: (usize, usize),
}

/// A series as the index has it.
pub struct Entry {
    /// By which tombstones name it.
    pub reference: u64,
    /// Its labels.
    pub labels: Labels,
    /// Its chunks.
    pub chunks: Vec<ChunkPlace>,
}

impl<'a> Index<'a> {
    /// Reads what is needed to read series.
    ///
    /// # Errors
    /// What was found that is no index.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let mut head = Bytes(bytes);
        match (head.u32(), head.u8()) {
            (Some(MAGIC), Some(2)) => {}
            (Some(MAGIC), Some(version)) => return Err(format!("expected an index of version 2, found {version}")),
            _ => return Err("expected an index, found something else".into()),
        }
        let cut_off = || "the index is cut off or damaged".to_owned();
        let toc = bytes.len().checked_sub(TOC).and_then(|at| bytes.get(at..)).ok_or_else(cut_off)?;
        if !is_checked(toc) {
            return Err("the table of contents does not have its checksum".into());
        }
        let mut toc = Bytes(toc);
        let mut place = || toc.u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= bytes.len());
        let (symbols, series, after) = (place(), place(), place());
        let (symbols, series) = symbols.zip(series).ok_or_else(cut_off)?;
        let rest = [after, place(), place(), place()];
        // Sections that there are not are at 0.
        let end = rest.into_iter().flatten().filter(|n| *n > series).min().unwrap_or(bytes.len() - TOC);
        let symbols = read_symbols(bytes.get(symbols..).unwrap_or_default()).ok_or_else(cut_off)?;
        Ok(Index { bytes, symbols, series: (series.max(HEAD), end) })
    }

    /// The series of which `wanted` takes the labels. Gives also how many could not be read.
    pub fn series(&self, wanted: impl Fn(&Labels) -> bool) -> (Vec<Entry>, u64) {
        let (mut found, mut damaged) = (Vec::new(), 0);
        let (mut at, end) = self.series;
        loop {
            at = at.next_multiple_of(ALIGNMENT);
            if at >= end {
                return (found, damaged);
            }
            let mut b = Bytes(self.bytes.get(at..end).unwrap_or_default());
            let before = b.0.len();
            let Some(length) = b.count().filter(|n| *n > 0) else {
                // Where the next one begins is not known.
                damaged += 1;
                return (found, damaged);
            };
            let size = before - b.0.len() + length + 4;
            let entry = b.take(length + 4).filter(|entry| is_checked(entry));
            let reference = (at / ALIGNMENT) as u64;
            match entry.and_then(|entry| self.entry(Bytes(entry), reference, &wanted)) {
                Some(entry) => found.extend(entry),
                None => damaged += 1,
            }
            at += size;
        }
    }

    /// A series; `Some(None)`: it is not wanted.
    fn entry(&self, mut b: Bytes<'_>, reference: u64, wanted: &impl Fn(&Labels) -> bool) -> Option<Option<Entry>> {
        let count = b.count()?;
        let mut pairs = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let mut symbol = || self.symbols.get(usize::try_from(b.uvarint()?).ok()?).copied();
            pairs.push((symbol()?, symbol()?));
        }
        let labels = Labels::from_pairs(pairs);
        if !wanted(&labels) {
            return Some(None);
        }
        let count = b.count()?;
        let mut chunks: Vec<ChunkPlace> = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let (mint, before) = match chunks.last() {
                None => (b.varint()?, 0),
                Some(last) => (last.maxt.checked_add_unsigned(b.uvarint()?)?, last.reference),
            };
            let maxt = mint.checked_add_unsigned(b.uvarint()?)?;
            let reference = match chunks.is_empty() {
                true => b.uvarint()?,
                false => before.checked_add_signed(b.varint()?)?,
            };
            chunks.push(ChunkPlace { mint, maxt, reference });
        }
        Some(Some(Entry { reference, labels, chunks }))
    }
}

/// Whether bytes end with the checksum of those before.
pub fn is_checked(bytes: &[u8]) -> bool {
    let Some((data, sum)) = bytes.split_last_chunk::<4>() else { return false };
    crc32c(data) == u32::from_be_bytes(*sum)
}

fn read_symbols(bytes: &[u8]) -> Option<Vec<&str>> {
    let mut b = Bytes(bytes);
    let length = usize::try_from(b.u32()?).ok()?;
    let section = b.take(length.checked_add(4)?).filter(|s| is_checked(s))?;
    let mut b = Bytes(section);
    let count = usize::try_from(b.u32()?).ok().filter(|n| *n <= length)?;
    (0..count).map(|_| b.text()).collect()
}
