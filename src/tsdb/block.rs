//! Blocks: immutable files of sealed chunks, mapped into memory.
//!
//! ```text
//! magic    "WBBLOCK2"
//! regions  the chunks of each series, one behind the other
//! table    one entry a series, ascending by id: id u32, crc32 u32 of the region, offset u64, length u32, samples u32,
//!          mint i64, maxt i64
//! labels   groups of series, in the order of the table, see `block_labels`
//! sums     a checksum of each chunk, see `sums`
//! footer   offsets and checksums, see `Footer`; twice
//! ```
//!
//! A block stands alone: with its labels it can be read without log or checkpoint. A region's checksum is verified when
//! the region is first read. When it does not fit, those of its chunks tell which of them are damaged: the others are
//! read. Blocks of the first version ("WBBLOCK1": labels in one piece, no sums, one footer) are read as well; a damaged
//! region of theirs is lost as a whole.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use memmap2::Mmap;

use crate::model::{Labels, SampleBuf, Value};

use super::bits::Reader;
use super::query::StorageError;
use super::sums::{self, Readable, RegionSums};
use super::{SeriesRef, TsdbError, block_labels, chunk};

pub(super) const MAGIC: &[u8; 8] = b"WBBLOCK2";
const MAGIC_1: &[u8; 8] = b"WBBLOCK1";
const ENTRY: usize = 40;
const FOOTER: usize = 84;
const FOOTER_1: usize = 72;

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
    /// 0 in a block without them.
    pub(super) sums: u64,
    pub(super) sums_crc: u32,
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
        out.extend_from_slice(&self.sums.to_le_bytes());
        out.extend_from_slice(&self.sums_crc.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    /// Reads the footer at the end of a file, and gives where it begins. Of the two the file ends with one is enough.
    fn read(file: &[u8]) -> Option<(Self, usize)> {
        let at = |back: usize| file.len().checked_sub(back);
        let parse = |from: Option<usize>, len: usize, magic| {
            let from = from?;
            Self::parse(file.get(from..from + len)?, magic).map(|footer| (footer, from))
        };
        parse(at(2 * FOOTER), FOOTER, MAGIC)
            .or_else(|| parse(at(FOOTER), FOOTER, MAGIC).map(|(footer, from)| (footer, from.saturating_sub(FOOTER))))
            .or_else(|| parse(at(FOOTER_1), FOOTER_1, MAGIC_1))
    }

    fn parse(bytes: &[u8], magic: &[u8; 8]) -> Option<Self> {
        let (checked, rest) = bytes.split_at_checked(bytes.len().checked_sub(12)?)?;
        let mut r = Reader::new(rest);
        if r.u32()? != crc32fast::hash(checked) || r.rest() != magic {
            return None;
        }
        let mut r = Reader::new(checked);
        let first = Footer {
            table: r.u64()?,
            series: r.u64()?,
            labels: r.u64()?,
            samples: r.u64()?,
            mint: r.i64()?,
            maxt: r.i64()?,
            table_crc: r.u32()?,
            labels_crc: r.u32()?,
            parts: r.u32()?,
            sums: 0,
            sums_crc: 0,
        };
        if magic == MAGIC_1 {
            return Some(first);
        }
        Some(Footer { sums: r.u64()?, sums_crc: r.u32()?, ..first })
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

impl std::fmt::Display for BlockName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Times before 1970 have a sign, which the separator must not be taken for.
        write!(f, "{}_{}_{:08}", self.start, self.end, self.number)
    }
}

impl BlockName {
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{self}.block"))
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
    /// Where the first footer begins.
    end: usize,
    /// The table, where the one in the file is damaged.
    rebuilt: Option<Box<[u8]>>,
    /// Whether the checksums of the chunks are there, and as they were written.
    has_sums: bool,
    /// A bit for each region whose checksum was found right.
    verified: Box<[AtomicU64]>,
    /// Something in it was found damaged.
    damaged: AtomicBool,
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
        let (footer, end) = Footer::read(&map).ok_or_else(|| damaged("its end is cut off or damaged"))?;
        let series = usize::try_from(footer.series).map_err(|_| damaged("its footer is damaged"))?;
        let verified = (0..series.div_ceil(64).min(map.len())).map(|_| AtomicU64::new(0)).collect();
        let (rebuilt, has_sums, damage) = (None, false, AtomicBool::new(false));
        let mut block =
            Block { name, path: path.to_owned(), footer, map, end, rebuilt, has_sums, verified, damaged: damage };
        block.has_sums = block.sums().map(crc32fast::hash) == Some(footer.sums_crc);
        let whole = |t: &&[u8]| series.checked_mul(ENTRY) == Some(t.len());
        if block.table().filter(whole).map(crc32fast::hash) == Some(footer.table_crc) {
            return Ok(block);
        }
        let sums = block.sums().filter(|_| block.has_sums);
        let table = sums.map(|s| sums::rebuild_table(&block.map, MAGIC.len() as u64, s));
        block.rebuilt = table.filter(|t| whole(&t.as_slice())).map(Vec::into_boxed_slice);
        if block.rebuilt.is_none() {
            return Err(damaged("its table is damaged"));
        }
        Ok(block)
    }

    /// What is wrong with a block that was opened nevertheless; its labels and regions are not looked at.
    pub(super) fn defects(&self) -> Vec<&'static str> {
        let mut defects = Vec::new();
        let is_2 = self.footer.sums != 0;
        if is_2 && self.map.get(self.end..self.end + FOOTER) != self.map.get(self.end + FOOTER..) {
            defects.push("one of its footers is damaged");
        }
        if self.rebuilt.is_some() {
            defects.push("its table is damaged, and made anew from its checksums");
        }
        if is_2 && !self.has_sums {
            defects.push("its checksums of chunks are damaged");
        }
        if !self.map.starts_with(MAGIC) && !self.map.starts_with(MAGIC_1) {
            defects.push("its beginning is damaged");
        }
        defects
    }

    /// Whether anything in it was found damaged.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Notes damage, which is logged once a block.
    #[cold]
    pub(super) fn note_damage(&self, what: &str) {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            let block = self.path.display();
            tracing::error!(%block, what, "a block is damaged; queries over it go without what cannot be read");
        }
    }

    fn note_damaged_chunks(&self, id: SeriesRef) {
        if !self.is_damaged() {
            self.note_damage(&format!("chunks of series {}", id.0));
        }
    }

    /// Its file's name.
    pub(super) fn file_name(&self) -> Cow<'_, str> {
        self.path.file_name().unwrap_or_default().to_string_lossy()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    fn slice(&self, from: u64, to: u64) -> Option<&[u8]> {
        self.map.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }

    fn table(&self) -> Option<&[u8]> {
        match &self.rebuilt {
            Some(table) => Some(table),
            None => self.slice(self.footer.table, self.footer.labels),
        }
    }

    fn sums(&self) -> Option<&[u8]> {
        let from = usize::try_from(self.footer.sums).ok().filter(|at| *at > 0)?;
        self.map.get(from..self.end)
    }

    /// The checksums of the region at position `i`, if the block has them.
    fn sums_of(&self, i: usize, entry: &Entry) -> Option<RegionSums<'_>> {
        let sums = self.sums().filter(|_| self.has_sums)?;
        sums::regions(sums).nth(i).filter(|s| s.id == entry.id)
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

    /// A region's bytes, as they are in the file.
    fn raw_region(&self, entry: &Entry) -> Option<&[u8]> {
        self.slice(entry.offset, entry.offset.checked_add(u64::from(entry.len))?)
    }

    /// A region's bytes, checked; `None` when they are damaged.
    #[inline]
    fn region(&self, i: usize, entry: &Entry) -> Option<&[u8]> {
        let bytes = self.raw_region(entry)?;
        let word = self.verified.get(i / 64)?;
        let bit = 1 << (i % 64);
        if word.load(Ordering::Relaxed) & bit == 0 {
            if crc32fast::hash(bytes) != entry.crc {
                return None;
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Some(bytes)
    }

    /// What is readable of a damaged region: its good chunks, one behind the other.
    #[cold]
    fn salvage(&self, i: usize, entry: &Entry) -> (Vec<u8>, Readable) {
        let (mut good, mut readable) = (Vec::new(), Readable::default());
        let Some((region, sums)) = self.raw_region(entry).zip(self.sums_of(i, entry)) else {
            return (good, Readable { damaged: 1, ..readable });
        };
        for (chunk, is_good) in sums.chunks(region) {
            readable.add(chunk, is_good);
            if is_good {
                good.extend_from_slice(chunk);
            }
        }
        (good, readable)
    }

    /// Where a series is in the table, if it has samples in the interval.
    fn find_in(&self, id: SeriesRef, mint: i64, maxt: i64) -> Option<(usize, Entry)> {
        if self.footer.maxt < mint || self.footer.mint > maxt {
            return None;
        }
        let i = self.find(id)?;
        self.entry(i).filter(|e| e.maxt >= mint && e.mint <= maxt).map(|e| (i, e))
    }

    /// The readable chunks of the series at position `i`, whatever their times, and what is readable of its region where
    /// not all is, which is noted.
    pub(super) fn region_at(&self, i: usize) -> Option<(Entry, Cow<'_, [u8]>, Option<Readable>)> {
        self.look_at(i).inspect(|(entry, _, damage)| {
            if damage.is_some() {
                self.note_damaged_chunks(entry.id);
            }
        })
    }

    /// The same, not noted.
    pub(super) fn look_at(&self, i: usize) -> Option<(Entry, Cow<'_, [u8]>, Option<Readable>)> {
        let entry = self.entry(i)?;
        if let Some(bytes) = self.region(i, &entry) {
            return Some((entry, Cow::Borrowed(bytes), None));
        }
        let (good, readable) = self.salvage(i, &entry);
        let (mint, maxt) = readable.span.unwrap_or((entry.mint, entry.maxt));
        Some((Entry { samples: readable.samples, mint, maxt, ..entry }, Cow::Owned(good), Some(readable)))
    }

    /// Appends the samples of a series with `mint <= t <= maxt`. Those of damaged chunks are left out, which is told in the
    /// buffer.
    pub(super) fn read(&self, id: SeriesRef, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) {
        let Some((i, entry)) = self.find_in(id, mint, maxt) else { return };
        let (floats, histograms) = (out.ts.len(), out.hists.len());
        if let Some(region) = self.region(i, &entry)
            && chunk::read_all(region, mint, maxt, st, out).is_some()
        {
            return;
        }
        out.truncate(floats, histograms);
        out.damaged = Some(self.file_name().into());
        self.note_damaged_chunks(id);
        let (good, _) = self.salvage(i, &entry);
        if chunk::read_all(&good, mint, maxt, st, out).is_none() {
            out.truncate(floats, histograms);
        }
    }

    /// The newest sample of a series with `mint <= t <= maxt`.
    ///
    /// # Errors
    /// The series has damaged chunks: the newest sample that is left may be found by reading all.
    pub(super) fn latest(&self, id: SeriesRef, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let Some((i, entry)) = self.find_in(id, mint, maxt) else { return Ok(None) };
        self.region(i, &entry).and_then(|region| chunk::latest(region, mint, maxt)).ok_or_else(|| {
            self.note_damaged_chunks(id);
            StorageError::Corrupt(format!("{}: the chunks of series {}", self.path.display(), id.0))
        })
    }

    /// Time of the newest sample of a series up to `maxt`; `None` when there is none, or it cannot be read.
    pub(super) fn newest(&self, id: SeriesRef, maxt: i64) -> Option<i64> {
        let entry = self.entry(self.find(id)?)?;
        if entry.maxt <= maxt {
            return Some(entry.maxt);
        }
        self.latest(id, i64::MIN, maxt).ok().flatten().map(|(t, _)| t)
    }

    /// The labels of all series, in the order of the table; `None` for those that are damaged.
    pub(super) fn labels(&self) -> Vec<Option<Labels>> {
        let series = usize::try_from(self.footer.series).unwrap_or(0).min(self.map.len());
        match self.footer.sums {
            0 => {
                let packed = self.slice(self.footer.labels, self.end as u64).unwrap_or(&[]);
                let good = crc32fast::hash(packed) == self.footer.labels_crc;
                block_labels::unpack_whole(packed, series, good)
            }
            sums => block_labels::unpack(self.slice(self.footer.labels, sums).unwrap_or(&[]), series),
        }
    }
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
