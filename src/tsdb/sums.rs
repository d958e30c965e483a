//! The checksums of a block's chunks: what makes a damaged chunk cost that chunk, and a damaged table nothing.
//!
//! ```text
//! for each series, in the order of the table: varint id, varint chunks, (varint length, crc32 u32)*
//! ```
//!
//! Regions lie one behind the other, so ids and lengths are all that a table says, times and counts aside, which the
//! chunks say themselves.

use super::SeriesRef;
use super::bits::{Reader, put_uvarint};
use super::block_format::Entry;
use super::chunk::ChunkView;

/// Appends the checksums of one region.
pub(super) fn put(out: &mut Vec<u8>, id: SeriesRef, region: &[u8]) {
    let (mut chunks, mut n) = (Vec::new(), 0u64);
    let mut r = Reader::new(region);
    while !r.is_empty() {
        let from = r.rest();
        // What does not parse is one piece: it was written so, and is told when it is read.
        let len = match ChunkView::parse(&mut r) {
            Some(_) => from.len() - r.rest().len(),
            None => {
                r = Reader::new(&[]);
                from.len()
            }
        };
        put_uvarint(&mut chunks, len as u64);
        chunks.extend_from_slice(&crc32fast::hash(from.get(..len).unwrap_or(from)).to_le_bytes());
        n += 1;
    }
    put_uvarint(out, id.0);
    put_uvarint(out, n);
    out.extend_from_slice(&chunks);
}

/// The checksums of one region's chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegionSums<'a> {
    pub(super) id: SeriesRef,
    chunks: u64,
    rest: Reader<'a>,
}

impl<'a> RegionSums<'a> {
    fn parse(r: &mut Reader<'a>) -> Option<Self> {
        let (id, chunks) = (SeriesRef(r.uvarint()?), r.uvarint()?);
        let sums = RegionSums { id, chunks, rest: *r };
        for _ in 0..chunks {
            r.uvarint()?;
            r.u32()?;
        }
        Some(sums)
    }

    /// Lengths and checksums.
    fn iter(self) -> impl Iterator<Item = (usize, u32)> {
        let mut r = self.rest;
        (0..self.chunks).map_while(move |_| Some((r.size()?, r.u32()?)))
    }

    /// Bytes of the region.
    fn len(self) -> usize {
        self.iter().fold(0usize, |sum, (len, _)| sum.saturating_add(len))
    }

    /// The chunks of a region, each with whether it is as it was written.
    pub(super) fn chunks(self, region: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
        let mut at = 0usize;
        self.iter().map_while(move |(len, crc)| {
            let from = at;
            at = at.checked_add(len)?;
            let chunk = region.get(from..at)?;
            let good = crc32fast::hash(chunk) == crc && ChunkView::parse(&mut Reader::new(chunk)).is_some();
            Some((chunk, good))
        })
    }
}

/// The checksums of all regions, in the order of the table.
pub(super) fn regions(section: &[u8]) -> impl Iterator<Item = RegionSums<'_>> {
    let mut r = Reader::new(section);
    std::iter::from_fn(move || if r.is_empty() { None } else { RegionSums::parse(&mut r) })
}

/// What the readable chunks of a region say of themselves: bytes, samples, first and last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Readable {
    pub(super) samples: u32,
    pub(super) chunks: u32,
    pub(super) damaged: u32,
    /// `None` when nothing is readable.
    pub(super) span: Option<(i64, i64)>,
}

impl Readable {
    /// Counts one chunk.
    pub(super) fn add(&mut self, chunk: &[u8], good: bool) {
        match ChunkView::parse(&mut Reader::new(chunk)).filter(|_| good) {
            Some(view) => {
                self.chunks += 1;
                self.samples = self.samples.saturating_add(view.count as u32);
                self.span = Some((self.span.map_or(view.mint, |s| s.0), view.maxt));
            }
            None => self.damaged += 1,
        }
    }

    pub(super) fn of(sums: RegionSums<'_>, region: &[u8]) -> Self {
        let mut readable = Readable::default();
        sums.chunks(region).for_each(|(chunk, good)| readable.add(chunk, good));
        readable
    }
}

/// Makes a damaged table anew from checksums and chunks. Regions begin at `offset` of the file.
pub(super) fn rebuild_table(file: &[u8], offset: u64, section: &[u8]) -> Vec<u8> {
    let (mut table, mut offset) = (Vec::new(), offset);
    for sums in regions(section) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let region = at.checked_add(sums.len()).and_then(|end| file.get(at..end)).unwrap_or(&[]);
        let readable = Readable::of(sums, region);
        // A checksum that cannot fit leads a read to those of the chunks.
        let crc = crc32fast::hash(region) ^ u32::from(readable.damaged > 0);
        let (mint, maxt) = readable.span.unwrap_or((i64::MAX, i64::MIN));
        let (len, samples) = (region.len() as u32, readable.samples);
        Entry { id: sums.id, crc, offset, len, samples, mint, maxt }.put(&mut table);
        offset += region.len() as u64;
    }
    table
}
