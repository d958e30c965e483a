//! The database: what its parts share, and how they are asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::{Mutex, RwLock};

use crate::clock::Stopwatch;
use crate::model::{Labels, Matcher, Value};

use super::block::BlockSet;
use super::chunk::{ChunkEncoder, MAX_COUNT, window_end};
use super::error::{AppendError, MAX_TIME};
use super::exemplars::{Exemplar, ExemplarFigures, Exemplars};
use super::files::{Files, numbered};
use super::health::Health;
use super::housekeeping::Housekeeping;
use super::index::Index;
use super::late::LateSample;
use super::manifest::Manifest;
use super::metadata::{Metadata, MetadataStore};
use super::places::{LogEnd, Places, read_places};
use super::query::{Queryable, Series, SharedSeries, StorageError};
use super::recovery::{Damage, Recovery, Restore};
use super::retention::Retention;
use super::selection::Selections;
use super::series::{MemSeries, State};
use super::stats::{Counters, TsdbStats};
use super::tombstones::Tombstones;
use super::wal::Wal;
use super::{DeleteError, SeriesRef, TsdbError};

/// 15 days, Prometheus' default.
pub const DEFAULT_RETENTION_MS: i64 = 15 * 24 * 3600 * 1000;

/// How a database is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsdbOptions {
    /// Samples older than this, by the clock that [`Tsdb::maintain`] is called with, are dropped.
    pub retention_ms: i64,
}

impl Default for TsdbOptions {
    fn default() -> Self {
        TsdbOptions { retention_ms: DEFAULT_RETENTION_MS }
    }
}

/// The time series database. Clones share it.
#[derive(Clone)]
pub struct Tsdb(Arc<Inner>);

/// What all clones share.
///
/// Locks are taken in this order: `housekeeping`, `writer`, `index`, a series' own. Reads take neither of the first two.
pub(super) struct Inner {
    pub(super) index: RwLock<Index>,
    pub(super) blocks: Arc<BlockSet>,
    pub(super) writer: Mutex<Writer>,
    pub(super) housekeeping: Mutex<Housekeeping>,
    pub(super) disk: Option<Disk>,
    pub(super) counters: Counters,
    pub(super) selections: Selections,
    pub(super) health: Health,
    /// What the last walk over all series found.
    pub(super) walked: ArcSwapOption<TsdbStats>,
    metadata: MetadataStore,
    pub(super) retention: ArcSwap<Retention>,
    /// How long it took to read the files.
    replayed_in: Duration,
    pub(super) tombstones: Tombstones,
    /// Samples before this are rejected: retention would drop them at once.
    min_valid: AtomicI64,
    /// The clock is not trusted: the bound does not rise.
    retention_held: AtomicBool,
    /// Late samples are taken up to so many milliseconds before the newest; 0: none are.
    pub(super) out_of_order_window: AtomicI64,
    /// Time of the newest sample of all.
    pub(super) newest: AtomicI64,
    pub(super) exemplars: Exemplars,
}

/// What a database with files has besides.
pub(super) struct Disk {
    pub(super) files: Files,
    /// There are samples in memory that are not in the log.
    pub(super) unlogged: AtomicBool,
    pub(super) log_end: Arc<LogEnd>,
    pub(super) places: Places,
    _lock: std::fs::File,
}

impl Disk {
    /// Bytes of the log behind the checkpoint. What is kept for followers does not count.
    pub(super) fn wal_bytes(&self) -> Result<u64, TsdbError> {
        let first = numbered(&self.files.checkpoints())?.last().map_or(0, |(n, _)| *n);
        let log = numbered(&self.files.wal())?;
        Ok(log.iter().filter(|(n, _)| *n >= first).filter_map(|(_, p)| p.metadata().ok()).map(|m| m.len()).sum())
    }
}

/// Bytes of the numbered files in a directory.
pub(super) fn bytes_in(dir: &Path) -> Result<u64, TsdbError> {
    Ok(numbered(dir)?.iter().filter_map(|(_, p)| p.metadata().ok()).map(|m| m.len()).sum())
}

/// What one commit at a time uses.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) encoder: ChunkEncoder,
    pub(super) wal: Option<Wal>,
}

impl Writer {
    /// Adds a sample to the log's batch, and its series when the log does not know it.
    #[inline]
    pub(super) fn log_sample(&mut self, series: &MemSeries, state: &mut State, t: i64, value: &Value, st: i64) {
        let Some(wal) = &mut self.wal else { return };
        if !state.logged {
            state.logged = true;
            wal.log_series(series.id, series.labels.as_bytes());
        }
        wal.log_sample(series.id, t, value, st);
    }

    /// The same of a late sample.
    pub(super) fn log_late(&mut self, series: &MemSeries, state: &mut State, late: &LateSample) {
        let Some(wal) = &mut self.wal else { return };
        if !state.logged {
            state.logged = true;
            wal.log_series(series.id, series.labels.as_bytes());
        }
        wal.log_late(series.id, late);
    }

    pub(super) fn log_exemplar(&mut self, id: SeriesRef, exemplar: &Exemplar) {
        if let Some(wal) = &mut self.wal {
            wal.log_exemplar(id, exemplar);
        }
    }

    /// Writes the log's batch.
    fn flush_log(&mut self) -> Result<(), TsdbError> {
        self.wal.as_mut().map_or(Ok(()), Wal::write)
    }
}

impl Inner {
    fn new(options: &TsdbOptions, blocks: Arc<BlockSet>, index: Index) -> Self {
        Inner {
            index: RwLock::new(index),
            blocks,
            writer: Mutex::default(),
            housekeeping: Mutex::default(),
            disk: None,
            counters: Counters::default(),
            selections: Selections::default(),
            health: Health::default(),
            walked: ArcSwapOption::empty(),
            metadata: MetadataStore::default(),
            retention: ArcSwap::from_pointee(Retention::by_time(options.retention_ms)),
            replayed_in: Duration::ZERO,
            tombstones: Tombstones::default(),
            min_valid: AtomicI64::new(i64::MIN),
            retention_held: AtomicBool::new(false),
            out_of_order_window: AtomicI64::new(0),
            newest: AtomicI64::new(i64::MIN),
            exemplars: Exemplars::default(),
        }
    }

    #[inline]
    pub(super) fn min_valid(&self) -> i64 {
        self.min_valid.load(Ordering::Relaxed)
    }

    /// Whether the clock is not trusted: nothing is deleted by it, and nothing leaves memory.
    pub(super) fn is_retention_held(&self) -> bool {
        self.retention_held.load(Ordering::Relaxed)
    }

    /// Writes the log's batch. What is not written is in memory only, until the next checkpoint.
    pub(super) fn flush_log(&self, writer: &mut Writer) -> Result<(), TsdbError> {
        let written = writer.flush_log();
        self.health.wrote(&written);
        if let (Err(_), Some(disk)) = (&written, &self.disk) {
            self.counters.wal_failures.add(1);
            disk.unlogged.store(true, Ordering::SeqCst);
        }
        written
    }

    /// Finds the time of the newest sample anew.
    pub(super) fn find_newest(&self) {
        let head = self.index.read().iter().map(|s| s.newest()).max();
        let newest = self.blocks.load().iter().map(|b| b.footer.maxt).chain(head).max();
        self.newest.store(newest.unwrap_or(i64::MIN), Ordering::Relaxed);
    }

    /// Moves the retention's bound to where it is at `now`: it counts from the newest sample that is not in the future.
    /// What comes in under a clock that is ahead deletes nothing, and neither does a time in which nothing came in.
    pub(super) fn set_min_valid(&self, now: i64) {
        let past = |t: &i64| *t <= now;
        let head = self.index.read().iter().map(|s| s.newest()).filter(past).max();
        let newest = self.blocks.load().iter().map(|b| b.footer.maxt).filter(past).chain(head).max();
        let Some(newest) = newest.filter(|t| *t > i64::MIN) else { return };
        let time = Some(self.retention.load().time).filter(|time| *time > 0);
        let bound = time.map_or(i64::MIN, |time| newest.saturating_sub(time));
        if bound < self.min_valid() || !self.is_retention_held() {
            self.min_valid.store(bound, Ordering::Relaxed);
        }
    }
}

impl Tsdb {
    /// Opens the database in a directory, which is made when it is not there, and repairs what a crash left behind.
    ///
    /// Fails when another process has it open, or when files cannot be read or written; damage is no failure, it is
    /// reported in [`Recovery`].
    pub fn open(dir: impl AsRef<Path>, options: TsdbOptions) -> Result<(Self, Recovery), TsdbError> {
        let files = Files::create(dir.as_ref())?;
        let (lock, watch) = (files.lock()?, Stopwatch::start());
        let blocks = Arc::new(BlockSet::default());
        let (mut restored, wal) = Restore::run(&files, blocks.clone())?;
        let next_block = blocks.load().iter().map(|b| b.name.number + 1).max().unwrap_or(0);
        let mut inner = Inner::new(&options, blocks, restored.index);
        inner.find_newest();
        inner.exemplars = restored.exemplars;
        let (log_end, places) = (wal.end(), read_places(&files)?);
        inner.writer.get_mut().wal = Some(wal);
        inner.housekeeping.get_mut().next_block = next_block;
        // The first maintenance replaces what is damaged by a checkpoint.
        let damaged = !restored.recovery.is_clean();
        let (tombstones, defect) = Tombstones::of(files.tombstones());
        inner.tombstones = tombstones;
        restored.recovery.damages.extend(defect.map(|what| Damage::of("tombstones", what)));
        let names = inner.blocks.load().iter().map(|b| b.name).collect();
        Manifest::now(&files, names)?.write(&files.manifest())?;
        inner.disk = Some(Disk { files, unlogged: AtomicBool::new(damaged), log_end, places, _lock: lock });
        inner.counters.wal_corruptions.add(restored.recovery.damages.len() as u64);
        inner.replayed_in = watch.elapsed();
        Ok((Tsdb(Arc::new(inner)), restored.recovery))
    }

    /// A database without files: what it holds ends with it.
    pub fn in_memory() -> Self {
        Self::in_memory_with(TsdbOptions::default())
    }

    /// A database without files, with options.
    pub fn in_memory_with(options: TsdbOptions) -> Self {
        let blocks = Arc::new(BlockSet::default());
        let index = Index::new(blocks.clone());
        Tsdb(Arc::new(Inner::new(&options, blocks, index)))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The series with these labels, created when it is new.
    pub fn series_ref(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        self.appender().series(labels)
    }

    /// Appends many float samples of one series at once: times strictly ascending, values as many. Compresses as it
    /// goes, and different series can be filled from different threads. For backfill: the samples are not written to
    /// the log, they are durable after the next [`Tsdb::maintain`] or [`Tsdb::close`].
    ///
    /// Stops at the first sample that does not fit and gives the reason; the ones before it are kept.
    pub fn append_column(&self, id: SeriesRef, ts: &[i64], vs: &[f64]) -> Result<(), AppendError> {
        let series = {
            let index = self.0.index.read();
            let series = index.get(id).ok_or(AppendError::UnknownSeries)?;
            series.touch();
            series.clone()
        };
        let mut encoder = ChunkEncoder::default();
        let (n, result) = series.write(|state| {
            let (n, result) = self.0.check_column(&series, ts);
            let (ts, vs) = (ts.get(..n).unwrap_or(&[]), vs.get(..n).unwrap_or(&[]));
            push_column(&series, state, ts, vs, &mut encoder);
            (ts.len().min(vs.len()), result)
        });
        self.0.counters.floats.add(n as u64);
        if let Some(disk) = &self.0.disk {
            disk.unlogged.store(true, Ordering::SeqCst);
        }
        if let Err(reason) = result {
            self.0.counters.reject(reason);
        }
        result
    }

    /// How long it took to read the files at the start.
    pub fn replayed_in(&self) -> Duration {
        self.0.replayed_in
    }

    /// What is wrong with the storage now, if anything is: what was committed is not on disk, or maintenance fails. For
    /// readiness.
    pub fn trouble(&self) -> Option<String> {
        self.0.health.trouble()
    }

    /// The files of the blocks in which something was found damaged.
    pub fn damaged_blocks(&self) -> Vec<String> {
        self.0.blocks.load().iter().filter(|b| b.is_damaged()).map(|b| b.file_name().into_owned()).collect()
    }

    /// Whether retention stands still, because the clock may be ahead of the time: nothing is deleted by it meanwhile.
    pub fn hold_retention(&self, hold: bool) {
        self.0.retention_held.store(hold, Ordering::Relaxed);
    }

    /// Whether retention stands still.
    pub fn is_retention_held(&self) -> bool {
        self.0.is_retention_held()
    }

    /// When the oldest block begins, milliseconds; `None` where there is none.
    pub fn oldest_block(&self) -> Option<i64> {
        self.0.blocks.load().iter().map(|b| b.footer.mint).min()
    }

    /// Keeps at most `max` exemplars, the newest of all series; 0: none.
    pub fn set_max_exemplars(&self, max: usize) {
        self.0.exemplars.resize(max);
    }

    /// The exemplars in `[mint, maxt]` of series that satisfy every matcher of any of the sets, by series.
    pub fn exemplars(&self, sets: &[Vec<Matcher>], mint: i64, maxt: i64) -> Vec<(Labels, Vec<Exemplar>)> {
        self.0.exemplars.select(sets, mint, maxt)
    }

    /// What is counted of exemplars.
    pub fn exemplar_figures(&self) -> ExemplarFigures {
        self.0.exemplars.figures()
    }

    /// Records what is known of a metric.
    pub fn set_metadata(&self, metric: &str, metadata: Metadata) {
        self.0.metadata.set(metric, metadata);
    }

    /// What is known of one metric.
    pub fn metadata(&self, metric: &str) -> Vec<Metadata> {
        self.0.metadata.of(metric)
    }

    /// What is known of all metrics, by name.
    pub fn all_metadata(&self) -> Vec<(String, Vec<Metadata>)> {
        self.0.metadata.all()
    }

    /// The label sets of the series that satisfy every matcher of any of the sets and have samples in `[mint, maxt]`.
    pub fn series(&self, sets: &[Vec<Matcher>], mint: i64, maxt: i64) -> Result<Vec<Labels>, StorageError> {
        let mut found = Vec::new();
        for matchers in sets {
            for s in self.select_shared(matchers, mint, maxt)?.iter() {
                // A series that is damaged there had samples there.
                match s.latest(mint, maxt) {
                    Ok(None) => {}
                    Ok(Some(_)) | Err(StorageError::Corrupt(_)) => found.push(s.labels().clone()),
                    Err(e) => return Err(e),
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Deletes the samples in `[mint, maxt]` of the series that satisfy every matcher of any of the sets: no answer has them
    /// from now on. What comes in later is not deleted. Gives the number of series that lost samples.
    ///
    /// # Errors
    /// Series could not be read, or it could not be written down; nothing is deleted then.
    pub fn delete_series(&self, sets: &[Vec<Matcher>], mint: i64, maxt: i64) -> Result<usize, DeleteError> {
        let mut spans = Vec::new();
        for matchers in sets {
            for series in self.select_shared(matchers, mint, maxt)?.iter() {
                let newest = series.latest(mint, maxt)?;
                spans.extend(newest.map(|(t, _)| (series.labels().clone(), (mint, t))));
            }
        }
        let count = spans.len();
        self.0.tombstones.bury(spans)?;
        Ok(count)
    }
}

impl Inner {
    /// How many samples of a column fit behind a series' newest, and why the next one does not.
    fn check_column(&self, series: &MemSeries, ts: &[i64]) -> (usize, Result<(), AppendError>) {
        let mut newest = ts.first().map_or(i64::MIN, |t| self.newest_from(series, *t));
        for (i, &t) in ts.iter().enumerate() {
            let reason = if !(-MAX_TIME..=MAX_TIME).contains(&t) {
                AppendError::OutOfBounds
            } else if t < self.min_valid() {
                AppendError::TooOld
            } else if t <= newest {
                AppendError::OutOfOrder
            } else {
                newest = t;
                continue;
            };
            return (i, Err(reason));
        }
        (ts.len(), Ok(()))
    }
}

/// Seals the tail and compresses the column behind it, chunk by chunk.
fn push_column(series: &MemSeries, state: &mut State, ts: &[i64], vs: &[f64], encoder: &mut ChunkEncoder) {
    if state.tail.len() > 0 {
        state.seal(encoder);
    }
    let (mut ts, mut vs) = (ts, vs);
    while let Some(first) = ts.first() {
        let end = window_end(*first);
        let n = ts.partition_point(|t| *t < end).min(MAX_COUNT).min(vs.len());
        if n == 0 {
            return;
        }
        let (head, rest) = ts.split_at(n);
        let (values, rest_values) = vs.split_at(n);
        state.chunks.push(encoder.floats(head, values, &[]));
        if let Some(last) = head.last() {
            series.set_newest(*last);
        }
        (ts, vs) = (rest, rest_values);
    }
}

impl Queryable for Tsdb {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        Ok(self.select_shared(matchers, mint, maxt)?.iter().cloned().collect())
    }

    fn select_shared(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<SharedSeries, StorageError> {
        // Before the series: what is deleted may meanwhile be taken out of the blocks, and is still in those selected.
        let deleted = self.0.tombstones.now();
        Ok(deleted.cover(self.0.select(matchers, mint, maxt)?))
    }

    fn label_names(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<String>, StorageError> {
        let mut names = BTreeSet::new();
        if matchers.is_empty() {
            names.extend(self.0.index.read().names().map(|(n, _)| n.to_owned()));
            self.0.add_left(None, (mint, maxt), &mut names);
            return Ok(names.into_iter().collect());
        }
        self.0.for_each_match(matchers, (mint, maxt), |labels| {
            for (name, _) in labels {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        })?;
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        mint: i64,
        maxt: i64,
    ) -> Result<Vec<String>, StorageError> {
        let mut values = BTreeSet::new();
        if matchers.is_empty() {
            values.extend(self.0.index.read().values(name).map(|(v, _)| v.to_owned()));
            self.0.add_left(Some(name), (mint, maxt), &mut values);
            return Ok(values.into_iter().collect());
        }
        self.0.for_each_match(matchers, (mint, maxt), |labels| {
            if let Some(value) = labels.get(name)
                && !values.contains(value)
            {
                values.insert(value.to_owned());
            }
        })?;
        Ok(values.into_iter().collect())
    }
}
