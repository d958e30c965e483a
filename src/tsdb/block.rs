//! Blocks: immutable files of sealed chunks, mapped into memory.
//!
//! ```text
//! magic    "WBBLOCK1"
//! regions  the chunks of each series, one behind the other
//! table    one entry a series, ascending by id: id u32, crc32 u32 of the region, offset u64, length u32, samples u32,
//!          mint i64, maxt i64
//! labels   deflated: (varint size, packed labels) in the order of the table
//! footer   offsets and checksums, see `Footer`
//! ```
//!
//! A block stands alone: with its labels it can be read without log or checkpoint. A region's checksum is verified when
//! the region is first read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use memmap2::Mmap;

use crate::model::{Labels, SampleBuf, Value};

use super::bits::{Reader, put_uvarint};
use super::chunk;
use super::query::StorageError;
use super::{SeriesRef, TsdbError};

pub(super) const MAGIC: &[u8; 8] = b"WBBLOCK1";
const ENTRY: usize = 40;
const FOOTER: usize = 72;

/// The end of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Footer {
    pub(super) table: u64,
    pub(super) series: u64,
    pub(super) labels: u64,
    pub(super) samples: u64,
    pub(super) mint: i64,
    pub(super) maxt: i64,
    pub(super) table_crc: u32,
    pub(super) labels_crc: u32,
    /// Not 0: merged of so many blocks, and replaces all within its span that have lower numbers.
    pub(super) parts: u32,
}

impl Footer {
    /// The footer's bytes, its checksum and the magic included.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER);
        for v in [self.table, self.series, self.labels, self.samples, self.mint as u64, self.maxt as u64] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&self.table_crc.to_le_bytes());
        out.extend_from_slice(&self.labels_crc.to_le_bytes());
        out.extend_from_slice(&self.parts.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (checked, rest) = bytes.split_at_checked(FOOTER - 12)?;
        let mut r = Reader::new(rest);
        if r.u32()? != crc32fast::hash(checked) || r.rest() != MAGIC {
            return None;
        }
        let mut r = Reader::new(checked);
        Some(Footer {
            table: r.u64()?,
            series: r.u64()?,
            labels: r.u64()?,
            samples: r.u64()?,
            mint: r.i64()?,
            maxt: r.i64()?,
            table_crc: r.u32()?,
            labels_crc: r.u32()?,
            parts: r.u32()?,
        })
    }
}

/// Where a series is in a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: SeriesRef,
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) samples: u32,
    pub(super) mint: i64,
    pub(super) maxt: i64,
}

impl Entry {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.samples.to_le_bytes());
        out.extend_from_slice(&self.mint.to_le_bytes());
        out.extend_from_slice(&self.maxt.to_le_bytes());
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        Some(Entry {
            id: SeriesRef(r.u32()?),
            crc: r.u32()?,
            offset: r.u64()?,
            len: r.u32()?,
            samples: r.u32()?,
            mint: r.i64()?,
            maxt: r.i64()?,
        })
    }
}

/// The span of time a block is cut for, and its number: the order in which blocks were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockName {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) number: u64,
}

impl BlockName {
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        // Times before 1970 have a sign, which the separator must not be taken for.
        dir.join(format!("{}_{}_{:08}.block", self.start, self.end, self.number))
    }

    pub(super) fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".block")?;
        let mut parts = stem.split('_');
        let name = BlockName {
            start: parts.next()?.parse().ok()?,
            end: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(name)
    }
}

/// A block, open.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: BlockName,
    pub(super) path: PathBuf,
    pub(super) footer: Footer,
    map: Mmap,
    /// A bit for each region whose checksum was found right.
    verified: Box<[AtomicU64]>,
}

impl Block {
    /// Lets go of the file's pages: they stay in the system's cache, but are no longer counted as this process' memory.
    /// Reads map them again.
    pub(super) fn let_go(&self) {
        #[cfg(unix)]
        // SAFETY: the map is of a file, shared and never written through: a page that is let go is read from the file
        // again. It is advice; when it is not taken nothing changes.
        let _ = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
    }

    /// Opens and checks a block: its footer and its table, not its regions.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        let damaged = |what: &str| StorageError::Corrupt(format!("{}: {what}", path.display()));
        let name = BlockName::parse(path).ok_or_else(|| damaged("not the name of a block"))?;
        let file = File::open(path)?;
        // SAFETY: blocks are written under another name and never changed after; deleting one leaves the mapping whole.
        let map = unsafe { Mmap::map(&file)? };
        let footer = map
            .len()
            .checked_sub(FOOTER)
            .and_then(|at| map.get(at..))
            .and_then(Footer::parse)
            .ok_or_else(|| damaged("its end is cut off or damaged"))?;
        let series = usize::try_from(footer.series).map_err(|_| damaged("its footer is damaged"))?;
        let verified = (0..series.div_ceil(64).min(map.len())).map(|_| AtomicU64::new(0)).collect();
        let block = Block { name, path: path.to_owned(), footer, map, verified };
        let table = block.table().filter(|t| t.len() / ENTRY == series && t.len() % ENTRY == 0);
        if table.map(crc32fast::hash) != Some(footer.table_crc) {
            return Err(damaged("its table is damaged"));
        }
        Ok(block)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    fn slice(&self, from: u64, to: u64) -> Option<&[u8]> {
        self.map.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }

    fn table(&self) -> Option<&[u8]> {
        self.slice(self.footer.table, self.footer.labels)
    }

    fn entry(&self, i: usize) -> Option<Entry> {
        let at = i.checked_mul(ENTRY)?;
        Entry::parse(self.table()?.get(at..at + ENTRY)?)
    }

    fn id(&self, i: usize) -> Option<u32> {
        Reader::new(self.table()?.get(i.checked_mul(ENTRY)?..)?).u32()
    }

    /// All entries, ascending by id.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.table().unwrap_or(&[]).chunks_exact(ENTRY).filter_map(Entry::parse)
    }

    /// The position of a series in the table. Ids are dense, mostly, so the search starts where it should be.
    fn find(&self, id: SeriesRef) -> Option<usize> {
        let (mut low, mut high) = (0usize, self.footer.series as usize);
        let (first, last) = (self.id(0)?, self.id(high.checked_sub(1)?)?);
        if !(first..=last).contains(&id.0) {
            return None;
        }
        let span = u64::from(last - first).max(1);
        let mut probe = (u64::from(id.0 - first) * (high as u64 - 1) / span) as usize;
        while low < high {
            match self.id(probe)?.cmp(&id.0) {
                std::cmp::Ordering::Equal => return Some(probe),
                std::cmp::Ordering::Less => low = probe + 1,
                std::cmp::Ordering::Greater => high = probe,
            }
            probe = low + (high - low) / 2;
        }
        None
    }

    /// A region's bytes, checked.
    fn region(&self, i: usize, entry: &Entry) -> Result<&[u8], StorageError> {
        let damaged = || StorageError::Corrupt(format!("{}: the chunks of series {}", self.path.display(), entry.id.0));
        let bytes = self.slice(entry.offset, entry.offset.saturating_add(u64::from(entry.len))).ok_or_else(damaged)?;
        let Some(word) = self.verified.get(i / 64) else { return Err(damaged()) };
        let bit = 1 << (i % 64);
        if word.load(Ordering::Relaxed) & bit == 0 {
            if crc32fast::hash(bytes) != entry.crc {
                return Err(damaged());
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    /// The region of a series, if it has samples in the interval.
    fn region_in(&self, id: SeriesRef, mint: i64, maxt: i64) -> Result<Option<&[u8]>, StorageError> {
        if self.footer.maxt < mint || self.footer.mint > maxt {
            return Ok(None);
        }
        let Some(i) = self.find(id) else { return Ok(None) };
        match self.entry(i) {
            Some(e) if e.maxt >= mint && e.mint <= maxt => self.region(i, &e).map(Some),
            _ => Ok(None),
        }
    }

    /// The region of the series at position `i`, whatever its times.
    pub(super) fn region_at(&self, i: usize) -> Result<Option<(Entry, &[u8])>, StorageError> {
        self.entry(i).map(|e| Ok((e, self.region(i, &e)?))).transpose()
    }

    /// Appends the samples of a series with `mint <= t <= maxt`.
    pub(super) fn read(
        &self,
        id: SeriesRef,
        mint: i64,
        maxt: i64,
        st: bool,
        out: &mut SampleBuf,
    ) -> Result<(), StorageError> {
        let Some(region) = self.region_in(id, mint, maxt)? else { return Ok(()) };
        chunk::read_all(region, mint, maxt, st, out).ok_or_else(|| self.undecodable(id))
    }

    /// The newest sample of a series with `mint <= t <= maxt`.
    pub(super) fn latest(&self, id: SeriesRef, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let Some(region) = self.region_in(id, mint, maxt)? else { return Ok(None) };
        chunk::latest(region, mint, maxt).ok_or_else(|| self.undecodable(id))
    }

    fn undecodable(&self, id: SeriesRef) -> StorageError {
        StorageError::Corrupt(format!("{}: a chunk of series {} cannot be decoded", self.path.display(), id.0))
    }

    /// The labels of all series, in the order of the table.
    pub(super) fn labels(&self) -> Result<Vec<Labels>, StorageError> {
        let damaged = || StorageError::Corrupt(format!("{}: its labels are damaged", self.path.display()));
        let end = (self.map.len() - FOOTER) as u64;
        let packed = self.slice(self.footer.labels, end).ok_or_else(damaged)?;
        if crc32fast::hash(packed) != self.footer.labels_crc {
            return Err(damaged());
        }
        let mut raw = Vec::new();
        flate2::read::DeflateDecoder::new(packed).read_to_end(&mut raw)?;
        let mut r = Reader::new(&raw);
        (0..self.footer.series)
            .map(|_| {
                let size = r.size()?;
                Labels::from_bytes(r.take(size)?)
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(damaged)
    }
}

/// Deflates labels, in the order of the table.
pub(super) fn pack_labels<'a>(labels: impl Iterator<Item = &'a Labels>) -> std::io::Result<Vec<u8>> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut size = Vec::new();
    for l in labels {
        size.clear();
        put_uvarint(&mut size, l.as_bytes().len() as u64);
        std::io::Write::write_all(&mut out, &size)?;
        std::io::Write::write_all(&mut out, l.as_bytes())?;
    }
    out.finish()
}

/// The blocks of a database, by start of their span, then number: of each series, ascending in time.
#[derive(Debug, Default)]
pub(super) struct BlockSet {
    blocks: ArcSwap<Vec<Arc<Block>>>,
}

impl BlockSet {
    /// The blocks of this moment.
    pub(super) fn load(&self) -> arc_swap::Guard<Arc<Vec<Arc<Block>>>> {
        self.blocks.load()
    }

    /// Adds blocks and removes others, in one step. Only one thread at a time may change the set.
    pub(super) fn change(&self, add: Vec<Arc<Block>>, remove: &[BlockName]) {
        let mut all: Vec<Arc<Block>> =
            self.load().iter().filter(|b| !remove.contains(&b.name)).cloned().chain(add).collect();
        all.sort_by_key(|b| (b.name.start, b.name.number));
        self.blocks.store(Arc::new(all));
    }
}

/// Turns a block's error into the database's.
pub(super) fn unreadable(e: StorageError) -> TsdbError {
    TsdbError::Damaged(e.to_string())
}
