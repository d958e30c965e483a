//! Opening a database: the checkpoint, then blocks, then the log behind the checkpoint. What is damaged is cut off or passed
//! over, what is missing is noticed by the manifest and by numbers that should follow each other; both are reported, and
//! everything else is kept.
//!
//! Series that blocks alone know are not read into memory. A block that is newer than the checkpoint may hold what
//! checkpoint or log hold as well: it counts once, by its time.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use rustc_hash::FxHashSet;

use crate::model::Labels;

use super::block::{Block, BlockSet, LabelCursor};
use super::checkpoint::{Head, Saved, SavedSeries};
use super::chunk::ChunkEncoder;
use super::exemplars::Exemplars;
use super::files::{Files, because, list, numbered};
use super::index::Index;
use super::late::LateSample;
use super::log::{MAGIC, Record, Records, Torn};
use super::manifest::Manifest;
use super::series::MemSeries;
use super::wal::{self, LoggedSample, Wal};
use super::{SeriesRef, TsdbError, checkpoint};

/// One place in a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the database's directory.
    pub file: String,
    /// From where on, bytes.
    pub offset: u64,
    /// What was found there.
    pub what: String,
    /// Bytes passed over.
    pub bytes: u64,
    /// Samples lost, where it is known.
    pub samples: Option<u64>,
}

impl Damage {
    pub(super) fn of(file: &str, what: impl Into<String>) -> Self {
        Damage { file: file.to_owned(), offset: 0, what: what.into(), bytes: 0, samples: None }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)?;
        if self.bytes > 0 {
            write!(f, " at byte {}, {} bytes passed over", self.offset, self.bytes)?;
        }
        match self.samples {
            Some(n) => write!(f, ", {n} samples lost"),
            None => f.write_str(", samples lost not known"),
        }
    }
}

/// What opening a database found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Series known.
    pub series: u64,
    /// Samples read back from checkpoint and log.
    pub samples: u64,
    /// Blocks opened.
    pub blocks: u64,
    /// What could not be read, or is not there. Everything else is kept.
    pub damages: Vec<Damage>,
}

impl Recovery {
    /// Whether nothing was damaged.
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty()
    }
}

/// A database being read back.
pub(super) struct Restore {
    pub(super) index: Index,
    pub(super) recovery: Recovery,
    blocks: Arc<BlockSet>,
    encoder: ChunkEncoder,
    /// Series of the log that nothing has introduced, looked for in blocks.
    unknown: FxHashSet<SeriesRef>,
    /// Ids from here on were never given out, and blocks from here on are newer than the checkpoint.
    head: Head,
    /// Samples logged so far.
    sequence: u64,
    pub(super) exemplars: Exemplars,
}

impl Restore {
    /// Reads everything and starts a new segment of the log.
    pub(super) fn run(files: &Files, blocks: Arc<BlockSet>) -> Result<(Restore, Wal), TsdbError> {
        let index = Index::new(blocks.clone());
        let mut restore = Restore {
            index,
            recovery: Recovery::default(),
            blocks,
            encoder: ChunkEncoder::default(),
            unknown: FxHashSet::default(),
            head: Head::default(),
            sequence: 0,
            exemplars: Exemplars::default(),
        };
        let manifest = restore.read_manifest(files);
        let first = restore.read_checkpoint(files, &manifest)?;
        restore.read_blocks(files, &manifest)?;
        let last = restore.read_log(files, first, &manifest)?;
        restore.index.reserve_ids(restore.head.next_id);
        restore.recovery.series = restore.index.len() as u64;
        let wal = Wal::create(files.wal(), last + 1, restore.sequence)?;
        Ok((restore, wal))
    }

    fn read_manifest(&mut self, files: &Files) -> Manifest {
        Manifest::read(&files.manifest())
            .unwrap_or_else(|what| {
                let text = format!("the list of files is damaged: {what}; files that are gone are not noticed");
                self.recovery.damages.push(Damage { samples: Some(0), ..Damage::of("manifest", text) });
                None
            })
            .unwrap_or_default()
    }

    fn missing(&mut self, file: String, what: &str) {
        self.recovery.damages.push(Damage::of(&file, format!("is gone: {what}")));
    }

    /// Reads the newest checkpoint; the first segment that is not in it.
    fn read_checkpoint(&mut self, files: &Files, manifest: &Manifest) -> Result<u64, TsdbError> {
        let mut all = numbered(&files.checkpoints())?;
        let found = all.pop();
        if let Some(n) = manifest.checkpoint.filter(|n| found.as_ref().is_none_or(|(m, _)| m < n)) {
            self.missing(
                format!("checkpoint/{n:08}"),
                "series and samples that are in no block and no segment behind it",
            );
        }
        let Some((segment, path)) = found else { return Ok(0) };
        let map = map(&path)?;
        let mut records = Records::new(&map);
        for record in records.by_ref() {
            self.sequence = self.sequence.max(record.sequence);
            let read = match checkpoint::read(&record) {
                Some(Saved::Head(head)) => {
                    self.given_out(head.next_id);
                    self.head.next_block = head.next_block;
                    Some(())
                }
                Some(Saved::Series(saved)) => self.saved_series(saved, record.samples),
                Some(Saved::Late(id, late)) => self.index.get(id).cloned().map(|series| {
                    late.into_iter().for_each(|sample| self.put_late(&series, sample));
                }),
                None => None,
            };
            if read.is_none() {
                self.unreadable(
                    &path,
                    "a record that does not read as what it says it is",
                    Some(record.samples.into()),
                );
            }
        }
        for torn in &records.torn {
            self.torn(&path, torn);
        }
        Ok(segment)
    }

    /// Ids before `next` may have been given out.
    fn given_out(&mut self, next: u64) {
        self.head.next_id = self.head.next_id.max(next);
    }

    fn saved_series(&mut self, saved: SavedSeries<'_>, samples: u32) -> Option<()> {
        let labels = Labels::from_bytes(saved.labels)?;
        self.given_out(saved.id.0.saturating_add(1));
        let series = self.insert(saved.id, labels)?;
        series.set_newest(saved.newest);
        series.write(|state| {
            state.logged = true;
            state.flushed_until = saved.flushed_until;
            state.chunks = saved.chunks;
            state.tail = saved.tail;
        });
        self.recovery.samples += u64::from(samples);
        Some(())
    }

    fn read_blocks(&mut self, files: &Files, manifest: &Manifest) -> Result<(), TsdbError> {
        for name in manifest.blocks.iter().filter(|n| !n.path(&files.blocks()).exists()) {
            self.missing(format!("blocks/{name}.block"), "the samples of a span of time");
        }
        let mut opened = Vec::new();
        for path in list(&files.blocks())?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "block")) {
            match Block::open(&path) {
                Ok(block) => {
                    for what in block.defects() {
                        block.note_damage(what);
                        let damage = Damage { samples: Some(0), ..Damage::of(&name(&path), what) };
                        self.recovery.damages.push(damage);
                    }
                    opened.push(Arc::new(block));
                }
                Err(e) => {
                    // Out of the way, not deleted: somebody may want to look at it.
                    let aside = path.with_extension("damaged");
                    std::fs::rename(&path, &aside).map_err(because("cannot rename", &path))?;
                    let bytes = std::fs::metadata(&aside).map_or(0, |m| m.len());
                    let what = format!("{e}; set aside as {}", name(&aside));
                    self.recovery.damages.push(Damage { bytes, ..Damage::of(&name(&path), what) });
                }
            }
        }
        let opened = self.drop_merged(opened)?;
        self.recovery.blocks = opened.len() as u64;
        for block in &opened {
            let last = block.series().checked_sub(1).and_then(|i| block.id(i));
            self.given_out(last.map_or(0, |id| id.0.saturating_add(1)));
        }
        for block in opened.iter().filter(|b| self.is_newer(b)) {
            for entry in block.entries() {
                if let Some(series) = self.index.get(entry.id) {
                    flushed_to(series, entry.maxt);
                }
            }
        }
        self.blocks.change(opened, &[]);
        Ok(())
    }

    /// Removes blocks that a crash left beside the block they were merged into.
    fn drop_merged(&self, blocks: Vec<Arc<Block>>) -> Result<Vec<Arc<Block>>, TsdbError> {
        let merged: Vec<Arc<Block>> = blocks.iter().filter(|b| b.footer.parts > 0).cloned().collect();
        let mut kept = Vec::new();
        for block in blocks {
            if merged.iter().any(|m| m.replaces(&block)) {
                std::fs::remove_file(&block.path).map_err(because("cannot remove", &block.path))?;
            } else {
                kept.push(block);
            }
        }
        Ok(kept)
    }

    /// Whether a block was written after the checkpoint.
    fn is_newer(&self, block: &Block) -> bool {
        block.name.number >= self.head.next_block
    }

    /// A series that the log introduces may have gone to blocks since.
    fn find_flushed(&self, series: &MemSeries) {
        let blocks = self.blocks.load();
        let newest = blocks.iter().filter(|b| self.is_newer(b)).filter_map(|b| b.newest(series.id, i64::MAX)).max();
        if let Some(newest) = newest {
            flushed_to(series, newest);
        }
    }

    /// A series that the log speaks of and nothing before it has introduced, because that is damaged: blocks may know it.
    #[cold]
    fn find_in_blocks(&mut self, id: SeriesRef) -> Option<()> {
        if !self.unknown.insert(id) {
            return None;
        }
        let blocks = self.blocks.clone();
        let mut unlabelled = None;
        let labels = blocks.load().iter().rev().find_map(|b| {
            let at = b.find(id)?;
            LabelCursor::new(b).get(at).or_else(|| {
                unlabelled = Some((b.path.clone(), b.entry(at).map(|e| e.samples.into())));
                None
            })
        });
        if let (None, Some((path, samples))) = (&labels, unlabelled) {
            self.unreadable(&path, "labels of series that nothing else knows", samples);
        }
        let series = self.insert(id, labels?)?;
        if let Some(newest) = blocks.load().iter().filter_map(|b| b.newest(id, i64::MAX)).max() {
            flushed_to(&series, newest);
        }
        Some(())
    }

    /// Reads the segments from number `first` on; the number of the last one.
    fn read_log(&mut self, files: &Files, first: u64, manifest: &Manifest) -> Result<u64, TsdbError> {
        let segments = numbered(&files.wal())?;
        let newest = segments.last().map_or(0, |(n, _)| *n);
        // Without a checkpoint the log begins at its beginning.
        let mut expected = if first > 0 { first } else { manifest.checkpoint.unwrap_or(1) };
        // Where samples may be missing before the next record.
        let mut damage: Option<usize> = None;
        for (n, path) in segments.into_iter().filter(|(n, _)| *n >= first) {
            damage = self.missing_segments(expected..n).or(damage);
            expected = expected.max(n + 1);
            let map = map(&path)?;
            let mut records = Records::new(&map);
            let mut known = 0;
            while let Some(record) = records.next() {
                for torn in records.torn.iter().skip(known) {
                    damage = Some(self.recovery.damages.len());
                    self.torn(&path, torn);
                }
                known = records.torn.len();
                self.account_for(&path, &record, damage.take());
                self.replay(&path, &record);
            }
            for torn in records.torn.iter().skip(known) {
                damage = Some(self.recovery.damages.len());
                self.torn(&path, torn);
            }
            let good = records.good_until();
            if n == newest && (good < map.len() || map.is_empty()) {
                drop(map);
                // Cut off, so that it is told once.
                truncate(&path, good)?;
            }
        }
        self.missing_segments(expected..manifest.segment.saturating_add(1));
        Ok(newest.max(first).max(manifest.segment))
    }

    /// Reports segments that are not there; where.
    fn missing_segments(&mut self, gone: std::ops::Range<u64>) -> Option<usize> {
        let at = self.recovery.damages.len();
        match gone.end.saturating_sub(gone.start) {
            0 => return None,
            1 => self.missing(format!("wal/{:08}", gone.start), "the samples logged in it"),
            n => {
                let text = format!("and so are the {} segments behind it: the samples logged in them", n - 1);
                self.missing(format!("wal/{:08}", gone.start), &text);
            }
        }
        Some(at)
    }

    /// Finds out by a record's sequence how many samples are missing before it, because of the damage noted at `at` or
    /// without a trace.
    fn account_for(&mut self, path: &Path, record: &Record<'_>, at: Option<usize>) {
        let before = std::mem::replace(&mut self.sequence, record.sequence.saturating_add(record.samples.into()));
        let lost = record.sequence.saturating_sub(before);
        match at.and_then(|at| self.recovery.damages.get_mut(at)) {
            Some(damage) => damage.samples = Some(lost),
            // When the beginning of the log is gone it is not known how many there were.
            None if lost > 0 && before > 0 => {
                self.unreadable(path, "records are missing before one of its", Some(lost));
            }
            None => {}
        }
    }

    fn replay(&mut self, path: &Path, record: &Record<'_>) {
        let mut lost = 0u64;
        match record.kind {
            wal::SERIES => {
                for one in wal::read_series(record.payload) {
                    if one.and_then(|(id, labels)| self.logged_series(id, labels)).is_none() {
                        self.unreadable(path, "a series that does not read as one", None);
                    }
                }
            }
            wal::SAMPLES => {
                let mut read = 0;
                for sample in wal::read_samples(record.payload).flatten() {
                    read += 1;
                    lost += u64::from(!self.logged_sample(sample));
                }
                lost += u64::from(record.samples).saturating_sub(read);
            }
            wal::LATE => {
                let mut read = 0;
                for LoggedSample { id, t, st, value } in wal::read_samples(record.payload).flatten() {
                    read += 1;
                    match self.logged(id) {
                        Some(series) => self.put_late(&series, LateSample { t, st, value }),
                        None => lost += 1,
                    }
                }
                lost += u64::from(record.samples).saturating_sub(read);
            }
            wal::EXEMPLARS => {
                for (id, exemplar) in wal::read_exemplars(record.payload).flatten() {
                    if let Some(series) = self.index.get(id) {
                        self.exemplars.add(&series.labels, &exemplar);
                    }
                }
            }
            _ => lost = u64::from(record.samples),
        }
        if lost > 0 {
            self.unreadable(path, "samples of series that a damaged place introduced", Some(lost));
        }
    }

    fn logged_series(&mut self, id: SeriesRef, labels: &[u8]) -> Option<()> {
        self.given_out(id.0.saturating_add(1));
        let labels = Labels::from_bytes(labels)?;
        if let Some(known) = self.index.get(id) {
            return (known.labels == labels).then_some(());
        }
        let series = self.insert(id, labels)?;
        series.write(|state| state.logged = true);
        self.find_flushed(&series);
        Some(())
    }

    /// Adds a series, unless a newer one has its labels. An older one was removed before this one was created.
    fn insert(&mut self, id: SeriesRef, labels: Labels) -> Option<Arc<MemSeries>> {
        if let Some(other) = self.index.find(labels.as_bytes()).map(|s| s.id) {
            if other > id {
                return None;
            }
            self.index.remove(&[other]);
        }
        self.index.insert(Some(id), labels)
    }

    /// Puts a sample back; `false` when its series is not known.
    #[inline]
    fn logged_sample(&mut self, sample: LoggedSample) -> bool {
        let LoggedSample { id, t, st, value } = sample;
        let Some(series) = self.logged(id) else { return false };
        if t > series.newest() {
            series.write(|state| {
                state.logged = true;
                series.push(state, t, value, st, &mut self.encoder);
            });
            self.recovery.samples += 1;
        }
        true
    }

    /// The series that the log speaks of.
    #[inline]
    fn logged(&mut self, id: SeriesRef) -> Option<Arc<MemSeries>> {
        self.given_out(id.0.saturating_add(1));
        if self.index.get(id).is_none() {
            self.find_in_blocks(id)?;
        }
        self.index.get(id).cloned()
    }

    /// Puts a late sample back, unless a block has it.
    fn put_late(&mut self, series: &MemSeries, sample: LateSample) {
        let put = series.write(|state| {
            state.logged = true;
            let is_new = series.admits_late(state, sample.t, &sample.value) == Ok(true);
            if is_new {
                state.push_late(sample);
            }
            is_new
        });
        self.recovery.samples += u64::from(put);
    }

    fn torn(&mut self, path: &Path, torn: &Torn) {
        let (offset, bytes) = (torn.offset as u64, torn.end.saturating_sub(torn.offset) as u64);
        let samples = torn.samples;
        self.recovery.damages.push(Damage { offset, bytes, samples, ..Damage::of(&name(path), torn.what) });
    }

    fn unreadable(&mut self, path: &Path, what: &str, samples: Option<u64>) {
        let file = name(path);
        if let Some(d) = self.recovery.damages.iter_mut().find(|d| d.file == file && d.what == what) {
            d.samples = d.samples.zip(samples).map(|(a, b)| a + b);
            return;
        }
        self.recovery.damages.push(Damage { samples, ..Damage::of(&file, what) });
    }
}

/// Blocks hold a series' samples up to this time.
fn flushed_to(series: &MemSeries, maxt: i64) {
    series.write(|state| state.trim(maxt));
    series.set_newest(series.newest().max(maxt));
}

/// A file's name with its directory's.
fn name(path: &Path) -> String {
    let mut parts: Vec<_> = path.components().rev().take(2).map(|c| c.as_os_str().to_string_lossy()).collect();
    parts.reverse();
    parts.join("/")
}

fn map(path: &Path) -> Result<Mmap, TsdbError> {
    let file = File::open(path).map_err(because("cannot open", path))?;
    // SAFETY: the directory is locked, so only this process writes its files, and it does not write this one while it
    // is mapped.
    unsafe { Mmap::map(&file) }.map_err(because("cannot read", path))
}

/// Cuts a torn end off, so that the file reads as whole from now on.
fn truncate(path: &Path, len: usize) -> Result<(), TsdbError> {
    let failed = because("cannot truncate", path);
    let mut file = File::options().write(true).open(path).map_err(&failed)?;
    file.set_len(len as u64).map_err(&failed)?;
    if len < MAGIC.len() {
        std::io::Write::write_all(&mut file, MAGIC).map_err(&failed)?;
    }
    file.sync_all().map_err(&failed)
}
