//! Blocks: immutable files of sealed chunks, mapped into memory.
//!
//! ```text
//! magic    "WBBLOCK3"
//! regions  the chunks of each series, one behind the other
//! table    one entry a series, ascending by id: id u64, crc32 u32 of the region, offset u64, length u32, samples u32,
//!          mint i64, maxt i64
//! labels   groups of series, in the order of the table, see `block_labels`
//! index    of labels, see `label_index`
//! sums     a checksum of each chunk, see `sums`
//! footer   offsets and checksums, see `Footer`; twice
//! ```
//!
//! A block stands alone: with its labels it can be read without log or checkpoint. A region's checksum is verified when
//! the region is first read. When it does not fit, those of its chunks tell which of them are damaged: the others are
//! read. Blocks of the second version ("WBBLOCK2": ids of 32 bits, no index) and the first ("WBBLOCK1": besides, labels in
//! one piece, no sums, one footer) are read as well; a damaged region of the first is lost as a whole.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use memmap2::Mmap;

use crate::model::{Labels, SampleBuf, Value};

use super::block_format::{BlockName, ENTRY, Entry, Footer, MAGIC, Version};
use super::label_index::{self, LabelIndex};
use super::query::StorageError;
use super::sums::{self, Readable, RegionSums};
use super::{SeriesRef, TsdbError, block_labels, chunk};

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
    /// Where each group of labels begins.
    label_groups: OnceLock<Box<[u64]>>,
    /// The index of labels where the file has none, or a damaged one; empty where the one in the file is good.
    index: OnceLock<Box<[u8]>>,
    /// What is known of series that left the head.
    left: AtomicU8,
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
        let mut block = Block {
            name,
            path: path.to_owned(),
            footer,
            map,
            end,
            rebuilt: None,
            label_groups: OnceLock::new(),
            index: OnceLock::new(),
            left: AtomicU8::new(Left::Unknown as u8),
            has_sums: false,
            verified,
            damaged: AtomicBool::new(false),
        };
        block.has_sums = block.sums().map(crc32fast::hash) == Some(footer.sums_crc);
        let whole = |t: &&[u8], entry: usize| series.checked_mul(entry) == Some(t.len());
        let table = block.table().filter(|t| whole(t, footer.version.entry()));
        if table.map(crc32fast::hash) == Some(footer.table_crc) {
            return Ok(block);
        }
        let sums = block.sums().filter(|_| block.has_sums);
        let table = sums.map(|s| sums::rebuild_table(&block.map, MAGIC.len() as u64, s));
        block.rebuilt = table.filter(|t| whole(&t.as_slice(), ENTRY)).map(Vec::into_boxed_slice);
        if block.rebuilt.is_none() {
            return Err(damaged("its table is damaged"));
        }
        Ok(block)
    }

    /// Where it stands among blocks whose spans begin at the same time: a merged block where those were that it replaces.
    pub(super) fn rank(&self) -> u64 {
        let merged = self.footer.parts > 0 && self.footer.version == Version::Third;
        if merged { self.footer.replaces.0 } else { self.name.number }
    }

    /// Where it stands among all blocks.
    pub(super) fn order(&self) -> (i64, u64) {
        (self.name.start, self.rank())
    }

    /// Whether this block holds what `other` holds, because it was merged of it.
    pub(super) fn replaces(&self, other: &Block) -> bool {
        let within = self.name.start <= other.name.start && other.name.end <= self.name.end;
        let (from, to) = match self.footer.version {
            Version::Third => self.footer.replaces,
            _ => (0, u64::MAX),
        };
        self.footer.parts > 0 && within && self.name.number > other.name.number && (from..=to).contains(&other.rank())
    }

    /// What is wrong with a block that was opened nevertheless; its labels and regions are not looked at.
    pub(super) fn defects(&self) -> Vec<&'static str> {
        let mut defects = Vec::new();
        if !self.footer.is_whole(&self.map, self.end) {
            defects.push("one of its footers is damaged");
        }
        if self.rebuilt.is_some() {
            defects.push("its table is damaged, and made anew from its checksums");
        }
        if self.footer.sums != 0 && !self.has_sums {
            defects.push("its checksums of chunks are damaged");
        }
        if !Version::begins(&self.map) {
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

    /// Bytes of an entry of the table.
    fn entry_len(&self) -> usize {
        if self.rebuilt.is_some() { ENTRY } else { self.footer.version.entry() }
    }

    fn entry_bytes(&self, i: usize) -> Option<&[u8]> {
        let len = self.entry_len();
        let at = i.checked_mul(len)?;
        self.table()?.get(at..at + len)
    }

    /// The entry at a position of the table.
    pub(super) fn entry(&self, i: usize) -> Option<Entry> {
        Entry::parse(self.entry_bytes(i)?)
    }

    /// The id of the series at a position of the table.
    pub(super) fn id(&self, i: usize) -> Option<SeriesRef> {
        Entry::id(self.entry_bytes(i)?)
    }

    /// The number of series.
    pub(super) fn series(&self) -> usize {
        // As many as there are bits of whether their regions were verified.
        usize::try_from(self.footer.series).unwrap_or(0).min(64 * self.verified.len())
    }

    /// All entries, ascending by id.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.table().unwrap_or(&[]).chunks_exact(self.entry_len()).filter_map(Entry::parse)
    }

    /// The position of a series in the table. Ids are dense, mostly, so the search starts where it should be.
    pub(super) fn find(&self, id: SeriesRef) -> Option<usize> {
        let (mut low, mut high) = (0usize, self.series());
        let (first, last) = (self.id(0)?, self.id(high.checked_sub(1)?)?);
        if !(first..=last).contains(&id) {
            return None;
        }
        let share = (id.0 - first.0) as f64 / (last.0 - first.0).max(1) as f64;
        let mut probe = ((share * (high - 1) as f64) as usize).min(high - 1);
        while low < high {
            match self.id(probe)?.cmp(&id) {
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
        self.entry(i).filter(|e| e.is_within(mint, maxt)).map(|e| (i, e))
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
        if let Some((i, entry)) = self.find_in(id, mint, maxt) {
            self.read_entry(i, &entry, (mint, maxt), st, out);
        }
    }

    /// The same of the series at position `i`, whose entry this is.
    pub(super) fn read_entry(&self, i: usize, entry: &Entry, (mint, maxt): (i64, i64), st: bool, out: &mut SampleBuf) {
        let (floats, histograms) = (out.ts.len(), out.hists.len());
        if let Some(region) = self.region(i, entry)
            && chunk::read_all(region, mint, maxt, st, out).is_some()
        {
            return;
        }
        out.truncate(floats, histograms);
        out.damaged = Some(self.file_name().into());
        self.note_damaged_chunks(entry.id);
        let (good, _) = self.salvage(i, entry);
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
        self.latest_of_entry(i, &entry, (mint, maxt))
    }

    /// The same of the series at position `i`, whose entry this is.
    ///
    /// # Errors
    /// As above.
    pub(super) fn latest_of_entry(
        &self,
        i: usize,
        entry: &Entry,
        (mint, maxt): (i64, i64),
    ) -> Result<Option<(i64, Value)>, StorageError> {
        self.region(i, entry).and_then(|region| chunk::latest(region, mint, maxt)).ok_or_else(|| {
            self.note_damaged_chunks(entry.id);
            StorageError::Corrupt(format!("{}: the chunks of series {}", self.path.display(), entry.id.0))
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

    /// Where its labels are.
    fn packed_labels(&self) -> &[u8] {
        let f = &self.footer;
        let to = [f.index, f.sums].into_iter().find(|at| *at > 0).unwrap_or(self.end as u64);
        self.slice(f.labels, to).unwrap_or(&[])
    }

    /// Series whose labels are had together.
    pub(super) fn label_group(&self) -> usize {
        match self.footer.version {
            Version::First => self.series().max(1),
            Version::Second => block_labels::LARGE_GROUP,
            Version::Third => block_labels::GROUP,
        }
    }

    /// The labels of a group of series, in the order of the table; `None` for those that are damaged.
    pub(super) fn labels_of_group(&self, group: usize) -> Vec<Option<Labels>> {
        let (size, packed) = (self.label_group(), self.packed_labels());
        let series = self.series().saturating_sub(group.saturating_mul(size)).min(size);
        if self.footer.version == Version::First {
            let good = crc32fast::hash(packed) == self.footer.labels_crc;
            return block_labels::unpack_whole(packed, series, good);
        }
        let offsets = self.label_groups.get_or_init(|| block_labels::group_offsets(packed).into());
        let at = offsets.get(group).and_then(|at| usize::try_from(*at).ok()).unwrap_or(packed.len());
        block_labels::unpack_group(packed.get(at..).unwrap_or(&[]), series)
    }

    /// The labels of all series, in the order of the table; `None` for those that are damaged.
    pub(super) fn labels(&self) -> Vec<Option<Labels>> {
        (0..self.series().div_ceil(self.label_group())).flat_map(|group| self.labels_of_group(group)).collect()
    }

    fn stored_index(&self) -> Option<&[u8]> {
        let from = Some(self.footer.index).filter(|at| *at > 0)?;
        self.slice(from, self.footer.sums).filter(|index| crc32fast::hash(index) == self.footer.index_crc)
    }

    /// Whether there should be an index of labels, and it is not as it was written.
    pub(super) fn index_is_damaged(&self) -> bool {
        self.footer.index > 0 && self.stored_index().is_none()
    }

    /// The index of labels; it is made where the file has none. `None` when it cannot be made.
    pub(super) fn index(&self) -> Option<LabelIndex<'_>> {
        let made = self.index.get_or_init(|| {
            if self.stored_index().is_some() {
                return Box::default();
            }
            if self.index_is_damaged() {
                self.note_damage("its index of labels");
            }
            let labels = self.labels();
            label_index::build(labels.iter().map(Option::as_ref)).unwrap_or_default().into()
        });
        let bytes = if made.is_empty() { self.slice(self.footer.index, self.footer.sums)? } else { made };
        LabelIndex::parse(bytes, u32::try_from(self.series()).ok()?)
    }

    /// Whether it has series that are not in the head. They stay so, and others may follow them; `in_head` is asked only
    /// where that is not known.
    pub(super) fn has_left(&self, in_head: impl Fn(SeriesRef) -> bool) -> bool {
        match self.left.load(Ordering::Relaxed) {
            known if known == Left::None as u8 => false,
            known if known == Left::Some as u8 => true,
            _ => {
                let left = (0..self.series()).filter_map(|i| self.id(i)).any(|id| !in_head(id));
                self.left.store(if left { Left::Some } else { Left::None } as u8, Ordering::Relaxed);
                left
            }
        }
    }

    /// Notes that series left the head: some of them may be here.
    pub(super) fn series_left(&self) {
        let (none, unknown) = (Left::None as u8, Left::Unknown as u8);
        let _ = self.left.compare_exchange(none, unknown, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What is known of a block's series that left the head.
#[derive(Clone, Copy, Debug)]
enum Left {
    Unknown,
    None,
    Some,
}

/// The labels of a block's series, for those who look at them in the order of the table: a group is inflated once.
#[derive(Debug)]
pub(super) struct LabelCursor<'a> {
    block: &'a Block,
    group: Option<(usize, Vec<Option<Labels>>)>,
}

impl<'a> LabelCursor<'a> {
    pub(super) fn new(block: &'a Block) -> Self {
        LabelCursor { block, group: None }
    }

    /// The labels of the series at position `i`; `None` when they are damaged, which is noted.
    pub(super) fn get(&mut self, i: usize) -> Option<Labels> {
        let (wanted, at) = (i / self.block.label_group(), i % self.block.label_group());
        if self.group.as_ref().is_none_or(|(group, _)| *group != wanted) {
            self.group = Some((wanted, self.block.labels_of_group(wanted)));
        }
        let (_, labels) = self.group.as_ref()?;
        let found = labels.get(at)?.clone();
        if found.is_none() {
            self.block.note_damage("its labels");
        }
        found
    }
}

/// The blocks of a database, by start of their span, then rank: of each series, ascending in time.
#[derive(Debug, Default)]
pub(super) struct BlockSet {
    blocks: ArcSwap<Vec<Arc<Block>>>,
}

impl BlockSet {
    /// The blocks of this moment.
    pub(super) fn load(&self) -> arc_swap::Guard<Arc<Vec<Arc<Block>>>> {
        self.blocks.load()
    }

    /// The labels of a series, as far as a block has them.
    pub(super) fn labels_of(&self, id: SeriesRef) -> Option<Labels> {
        self.load().iter().rev().find_map(|b| LabelCursor::new(b).get(b.find(id)?))
    }

    /// Adds blocks and removes others, in one step. Only one thread at a time may change the set.
    pub(super) fn change(&self, add: Vec<Arc<Block>>, remove: &[BlockName]) {
        let mut all: Vec<Arc<Block>> =
            self.load().iter().filter(|b| !remove.contains(&b.name)).cloned().chain(add).collect();
        all.sort_by_key(|b| b.order());
        self.blocks.store(Arc::new(all));
    }
}

/// Turns a block's error into the database's.
pub(super) fn unreadable(e: StorageError) -> TsdbError {
    TsdbError::Damaged(e.to_string())
}
