//! Housekeeping: sealed chunks go to blocks, the log is replaced by checkpoints, old blocks go, and series that ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::block::Block;
use super::block_format::BlockName;
use super::block_writer::{Merged, Region, write_block};
use super::checkpoint::Head;
use super::chunk::WINDOW_MS;
use super::db::{Disk, Inner, Tsdb};
use super::files::{because, delete_before, list};
use super::housekeeping::Housekeeping;
use super::manifest::Manifest;
use super::series::MemSeries;
use super::{TsdbError, checkpoint};
use crate::instrument::Counter;

/// Samples stay in memory this long after their window ended: late ones join them.
pub(super) const LATE_MS: i64 = 15 * 60 * 1000;
/// Blocks are merged to this span.
pub(super) const DAY_MS: i64 = 24 * 3600 * 1000;
/// More sealed chunks than this are flushed though no window ended since the last flush.
const MAX_HEAD_BYTES: u64 = 64 << 20;
/// More log than this is replaced by a checkpoint though nothing was flushed; less where series left, which a start would
/// read back from it.
const MAX_WAL_BYTES: u64 = 256 << 20;
const MAX_WAL_BYTES_LEFT: u64 = 64 << 20;

impl Tsdb {
    /// Housekeeping; to be called every minute or so. `now` is the time of day, milliseconds.
    ///
    /// Chunks of windows that ended are flushed to blocks, the log is replaced by a checkpoint when that pays, blocks
    /// beyond the retention are deleted, and series that ended leave memory. Reads and appends go on meanwhile.
    pub fn maintain(&self, now: i64) -> Result<(), TsdbError> {
        let inner = self.inner();
        let mut housekeeping = inner.housekeeping.lock();
        inner.set_min_valid(now);
        // For metrics, which do not walk over all series themselves.
        let stats = self.stats();
        let Some(disk) = &inner.disk else {
            inner.drop_old_chunks();
            inner.remove_old_series();
            return Ok(());
        };
        // What one step cannot do does not keep the others from being done. What frees room comes first.
        let mut steps = Steps::of(inner);
        steps.take(disk.files.create_directories());
        steps.take(inner.delete_old_blocks(disk));
        let oldest = self.oldest_block().into_iter().chain(stats.head_mint).min();
        steps.take(inner.tombstones.forget_before(oldest.unwrap_or(inner.min_valid())));
        let flushed = steps.take(inner.flush(disk, &mut housekeeping, now)).unwrap_or(true);
        let late = steps.take(inner.flush_late(disk, &mut housekeeping, now)).unwrap_or(true);
        let left = steps.take(inner.let_series_leave(disk, &mut housekeeping, now)).unwrap_or(true);
        steps.take(inner.merge(disk, &mut housekeeping, now));
        inner.blocks.load().iter().for_each(|b| b.let_go());
        let wal_bytes = steps.take(disk.wal_bytes()).unwrap_or(0);
        let most = if left { MAX_WAL_BYTES_LEFT } else { MAX_WAL_BYTES };
        if flushed || late || disk.unlogged.load(Ordering::Relaxed) || wal_bytes > most {
            steps.take(inner.checkpoint(disk, &housekeeping));
        } else {
            steps.take(inner.sync_log(disk));
        }
        steps.take(inner.write_manifest(disk, &[]));
        let done = steps.end();
        inner.health.maintained(&done);
        done
    }

    /// Ends use of the database: what is in memory becomes durable, and the next start is quick.
    pub fn close(&self) -> Result<(), TsdbError> {
        let inner = self.inner();
        let housekeeping = inner.housekeeping.lock();
        match &inner.disk {
            Some(disk) => inner.checkpoint(disk, &housekeeping),
            None => Ok(()),
        }
    }
}

/// The steps of a maintenance: each is tried, the first error is told.
struct Steps<'a> {
    inner: &'a Inner,
    failed: Option<TsdbError>,
}

impl<'a> Steps<'a> {
    fn of(inner: &'a Inner) -> Self {
        Steps { inner, failed: None }
    }

    fn take<T>(&mut self, step: Result<T, TsdbError>) -> Option<T> {
        step.map_err(|e| {
            self.inner.counters.maintenance_failures.add(1);
            self.failed.get_or_insert(e);
        })
        .ok()
    }

    fn end(self) -> Result<(), TsdbError> {
        self.failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
impl Tsdb {
    /// Lets series leave the head as maintenance does, however few there are, without the checkpoint that may follow.
    pub(super) fn let_leave_for_test(&self, now: i64) {
        let inner = self.inner();
        let mut housekeeping = inner.housekeeping.lock();
        for _ in 0..2 {
            inner.let_leave(inner.disk.as_ref().unwrap(), &mut housekeeping, now, 1).unwrap();
        }
    }

    /// Merges blocks as maintenance does, without the checkpoint that may follow.
    pub(super) fn merge_for_test(&self, now: i64) {
        let inner = self.inner();
        inner.merge(inner.disk.as_ref().unwrap(), &mut inner.housekeeping.lock(), now).unwrap();
    }
}

impl Inner {
    /// Makes what was committed durable. Commits go on meanwhile.
    fn sync_log(&self, disk: &Disk) -> Result<(), TsdbError> {
        let handle = self.writer.lock().wal.as_ref().map(|wal| wal.handle()).transpose()?;
        let Some(file) = handle else { return Ok(()) };
        file.sync_data().map_err(because("cannot sync", &disk.files.wal()))
    }

    /// All series, by ascending id.
    fn all_series(&self) -> Vec<Arc<MemSeries>> {
        self.index.read().iter().cloned().collect()
    }

    /// Writes chunks of ended windows to blocks; whether there were any.
    fn flush(&self, disk: &Disk, housekeeping: &mut Housekeeping, now: i64) -> Result<bool, TsdbError> {
        let cutoff = now.saturating_sub(LATE_MS).div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS);
        let all = self.all_series();
        let bytes = || all.iter().map(|s| s.with(|state| state.chunk_bytes())).sum::<u64>();
        if housekeeping.flushed == Some(cutoff) && bytes() <= MAX_HEAD_BYTES {
            return Ok(false);
        }
        let mut encoder = super::chunk::ChunkEncoder::default();
        let mut oldest: Option<i64> = None;
        for series in &all {
            let first = series.write(|state| {
                state.seal_before(cutoff, &mut encoder);
                state.chunks.first().map(|c| c.mint)
            });
            oldest = first.into_iter().chain(oldest).min();
        }
        let mut any = false;
        let mut start = oldest.map_or(cutoff, |t| t.div_euclid(WINDOW_MS) * WINDOW_MS);
        while start < cutoff {
            let end = self.span_end(start, cutoff);
            any |= self.flush_span(disk, housekeeping, &all, start, end)?;
            // Gaps of months are not walked through window by window.
            let next = all.iter().filter_map(|s| s.with(|state| state.chunks.first().map(|c| c.mint))).min();
            start = next.map_or(cutoff, |t| (t.div_euclid(WINDOW_MS) * WINDOW_MS).max(end));
        }
        housekeeping.flushed = Some(cutoff);
        Ok(any)
    }

    /// The end of the span that starts with the window at `start`: a day when one starts there, has ended and has no
    /// block yet. (Blocks are read in the order of their starts: one that spans others would mix the order of samples.)
    fn span_end(&self, start: i64, cutoff: i64) -> i64 {
        let day = start.saturating_add(DAY_MS);
        let free = || self.blocks.load().iter().all(|b| b.name.end <= start || b.name.start >= day);
        if start.rem_euclid(DAY_MS) == 0 && day <= cutoff && free() { day } else { start.saturating_add(WINDOW_MS) }
    }

    /// Writes the chunks of one span of time to a block and drops them from memory.
    pub(super) fn flush_span(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        all: &[Arc<MemSeries>],
        start: i64,
        end: i64,
    ) -> Result<bool, TsdbError> {
        let name = BlockName { start, end, number: housekeeping.next_block };
        let mut rest = all.iter();
        let block = write_block(&disk.files.blocks(), name, Merged::default(), |region: &mut Region| {
            Ok(rest.find_map(|s| s.with(|state| state.collect(start, end, region)).then(|| (s.id, s.labels.clone()))))
        })?;
        let Some(block) = block else { return Ok(false) };
        housekeeping.next_block += 1;
        self.counters.flushes.add(1);
        // In the set first, then gone from memory: a read finds every sample in one of the two.
        self.blocks.change(vec![block.clone()], &[]);
        let index = self.index.read();
        for entry in block.entries() {
            if let Some(series) = index.get(entry.id) {
                series.write(|state| state.trim(entry.maxt));
            }
        }
        Ok(true)
    }

    /// Deletes blocks that are no longer in the set. Of those that are damaged the file is set aside: somebody may want to
    /// look at it.
    pub(super) fn delete_files(&self, disk: &Disk, blocks: &[Arc<Block>]) -> Result<(), TsdbError> {
        if blocks.is_empty() {
            return Ok(());
        }
        self.write_manifest(disk, blocks)?;
        let mut failed = None;
        for b in blocks {
            let gone = match b.is_damaged() {
                true => std::fs::rename(&b.path, b.path.with_extension("damaged")),
                false => std::fs::remove_file(&b.path),
            };
            match gone {
                Ok(()) => self.counters.blocks_deleted.add(1),
                // Somebody deleted it, which readers do not notice while it is mapped.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => failed = Some(because("cannot remove", &b.path)(e)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Writes down what files there are, those in `gone` left out; nothing when it is written down already.
    pub(super) fn write_manifest(&self, disk: &Disk, gone: &[Arc<Block>]) -> Result<(), TsdbError> {
        let left = |b: &&Arc<Block>| gone.iter().all(|g| g.name != b.name);
        let names = self.blocks.load().iter().filter(left).map(|b| b.name).collect();
        let (path, manifest) = (disk.files.manifest(), Manifest::now(&disk.files, names)?);
        if Manifest::read(&path).ok().flatten().as_ref() == Some(&manifest) {
            return Ok(());
        }
        manifest.write(&path)
    }

    /// Deletes the files that were set aside and are beyond the retention.
    fn delete_set_aside(&self, disk: &Disk) -> Result<(), TsdbError> {
        let cutoff = self.min_valid();
        for path in list(&disk.files.blocks())?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "damaged")) {
            if BlockName::parse(&path.with_extension("block")).is_some_and(|name| name.end < cutoff) {
                std::fs::remove_file(&path).map_err(because("cannot remove", &path))?;
            }
        }
        Ok(())
    }

    /// Deletes the blocks of which every sample is beyond the retention, then the oldest of the others while files are
    /// too large.
    fn delete_old_blocks(&self, disk: &Disk) -> Result<(), TsdbError> {
        self.delete_set_aside(disk)?;
        let cutoff = self.min_valid();
        let old = self.blocks.load().iter().filter(|b| b.footer.maxt < cutoff).cloned().collect::<Vec<_>>();
        self.drop_blocks(disk, &old, &self.counters.time_retentions)?;
        self.drop_blocks(disk, &self.beyond_size(disk), &self.counters.size_retentions)
    }

    fn drop_blocks(&self, disk: &Disk, blocks: &[Arc<Block>], retentions: &Counter) -> Result<(), TsdbError> {
        let names: Vec<BlockName> = blocks.iter().map(|b| b.name).collect();
        if !names.is_empty() {
            retentions.inc();
            self.blocks.change(Vec::new(), &names);
        }
        self.delete_files(disk, blocks)
    }

    /// Without files, retention drops chunks from memory.
    fn drop_old_chunks(&self) {
        let cutoff = self.min_valid();
        for series in self.all_series() {
            series.write(|state| {
                let old = state.chunks.partition_point(|c| c.maxt < cutoff);
                state.chunks.drain(..old);
                state.drop_late_before(cutoff);
            });
        }
    }

    /// Replaces the log up to now by a checkpoint.
    pub(super) fn checkpoint(&self, disk: &Disk, housekeeping: &Housekeeping) -> Result<(), TsdbError> {
        // Columns that come in from here on may miss the checkpoint: the next one takes them.
        disk.unlogged.store(false, Ordering::SeqCst);
        // First without the lock, so that little is left to sync with it.
        self.sync_log(disk)?;
        let (segment, sequence) = {
            let mut writer = self.writer.lock();
            let Some(wal) = &mut writer.wal else { return Ok(()) };
            (wal.rotate()?, wal.sequence)
        };
        self.write_checkpoint(disk, housekeeping, segment, sequence)
    }

    /// Writes the checkpoint that replaces the log before a segment.
    pub(super) fn write_checkpoint(
        &self,
        disk: &Disk,
        housekeeping: &Housekeeping,
        segment: u64,
        sequence: u64,
    ) -> Result<(), TsdbError> {
        let (next_id, all) = {
            let index = self.index.read();
            (index.next_id(), index.iter().cloned().collect::<Vec<_>>())
        };
        let dir = disk.files.checkpoints();
        let head = Head { next_id, next_block: housekeeping.next_block };
        let written = checkpoint::write(&dir, segment, head, sequence, all.iter().map(|s| &**s));
        written.inspect_err(|_| self.counters.checkpoint_failures.add(1))?;
        self.counters.checkpoints.add(1);
        self.write_manifest(disk, &[])?;
        delete_before(&dir, segment)?;
        self.delete_segments_before(segment)
    }
}
