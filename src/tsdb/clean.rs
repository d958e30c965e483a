//! Deleted samples taken out of the files: blocks that hold any are written again without them.
//!
//! The new block replaces the old one as a merged block replaces those it was merged of, so that a crash in between leaves
//! one of the two. What was deleted is forgotten last, after a checkpoint: until then the log may hold such samples, and a
//! start would read them back.

use std::sync::Arc;

use super::block::{Block, LabelCursor};
use super::block_format::{BlockName, Version};
use super::block_writer::{Merged, Region, write_block};
use super::chunk::{self, ChunkEncoder};
use super::db::{Disk, Inner, Tsdb};
use super::housekeeping::Housekeeping;
use super::late::{chunks_of, samples_of};
use super::series::MemSeries;
use super::tombstones::{Deleted, Spans};
use super::{SeriesRef, TsdbError};
use crate::model::{Labels, SampleBuf};

/// What was taken out of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Blocks that were written again, or went.
    pub blocks: u64,
    /// Samples that were taken out.
    pub samples: u64,
}

impl Tsdb {
    /// Takes [deleted](Tsdb::delete_series) samples out of the blocks. Those that are in memory stay hidden until they are in
    /// a block, and can be taken out of it then.
    ///
    /// # Errors
    /// A block could not be written. What is deleted stays hidden.
    pub fn clean_tombstones(&self) -> Result<Cleaned, TsdbError> {
        let inner = self.inner();
        let Some(disk) = &inner.disk else { return Ok(Cleaned::default()) };
        let mut housekeeping = inner.housekeeping.lock();
        let before = inner.tombstones.now();
        let mut cleaned = Cleaned::default();
        if before.is_empty() {
            return Ok(cleaned);
        }
        for block in inner.blocks.load().to_vec() {
            let taken = inner.clean_block(disk, &mut housekeeping, &block, &before)?;
            cleaned.samples += taken;
            cleaned.blocks += u64::from(taken > 0);
        }
        inner.checkpoint(disk, &housekeeping)?;
        let in_memory = |labels: &Labels| {
            let series = inner.index.read().find(labels.as_bytes()).cloned();
            series.and_then(|series| oldest_in_memory(&series))
        };
        inner.tombstones.forget_written(&before, in_memory)?;
        Ok(cleaned)
    }
}

/// Time of the oldest sample of a series that is in no block.
fn oldest_in_memory(series: &MemSeries) -> Option<i64> {
    series.with(|state| {
        let chunks = state.chunks.first().map(|chunk| chunk.mint);
        let tail = state.tail.bounds().map(|(first, _)| first);
        let late = state.late().first().map(|sample| sample.t);
        chunks.into_iter().chain(tail).chain(late).min()
    })
}

impl Inner {
    /// Writes a block again without what is deleted of it; how many samples that were.
    fn clean_block(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        block: &Arc<Block>,
        deleted: &Deleted,
    ) -> Result<u64, TsdbError> {
        let labels_of = |id| self.index.read().get(id).map(|s| s.labels.clone());
        if !Rest::of(block, deleted, &labels_of).any_deleted() {
            return Ok(0);
        }
        let name = BlockName { number: housekeeping.next_block, ..block.name };
        housekeeping.next_block += 1;
        let mut rest = Rest::of(block, deleted, &labels_of);
        let written = write_block(&disk.files.blocks(), name, successor_of(block), |region| Ok(rest.next(region)))?;
        if rest.damaged > 0 {
            self.counters.damaged_chunks.add(rest.damaged);
            tracing::error!(block = %name, chunks = rest.damaged, "damaged chunks were left out of a block that was cleaned");
        }
        let taken = rest.taken;
        self.blocks.change(written.into_iter().collect(), &[block.name]);
        self.delete_files(disk, std::slice::from_ref(block))?;
        Ok(taken)
    }
}

/// What a block says that holds what another one held.
fn successor_of(block: &Block) -> Merged {
    match Merged::again(block) {
        merged if merged.parts > 0 && block.footer.version == Version::Third => merged,
        // One that the head wrote: as if it had been merged of itself.
        merged => Merged { parts: merged.parts.max(1), replaces: (block.rank(), block.rank()) },
    }
}

/// What is left of a block, series by series.
struct Rest<'a, L> {
    block: &'a Block,
    deleted: &'a Deleted,
    labels: LabelCursor<'a>,
    labels_of: L,
    at: usize,
    encoder: ChunkEncoder,
    /// Samples that were left out because they are deleted.
    taken: u64,
    /// Chunks that were left out because they cannot be read.
    damaged: u64,
}

impl<'a, L: Fn(SeriesRef) -> Option<Labels>> Rest<'a, L> {
    fn of(block: &'a Block, deleted: &'a Deleted, labels_of: L) -> Self {
        let (labels, encoder) = (LabelCursor::new(block), ChunkEncoder::default());
        Rest { block, deleted, labels, labels_of, at: 0, encoder, taken: 0, damaged: 0 }
    }

    /// Whether a sample of the block is deleted.
    fn any_deleted(mut self) -> bool {
        let (mut region, deleted) = (Region::default(), self.deleted);
        (0..self.block.series()).any(|i| {
            let Some(entry) = self.block.entry(i) else { return false };
            let spans = self.labels_at(i, entry.id).and_then(|labels| deleted.spans(&labels));
            if !spans.is_some_and(|spans| spans.touch(entry.mint, entry.maxt)) {
                return false;
            }
            // Only a look at the samples tells whether there is one.
            region.clear();
            self.take(i, &mut region);
            self.taken > 0
        })
    }

    fn labels_at(&mut self, i: usize, id: SeriesRef) -> Option<Labels> {
        self.labels.get(i).or_else(|| (self.labels_of)(id))
    }

    /// The next series of which something is left, with that in `region`.
    fn next(&mut self, region: &mut Region) -> Option<(SeriesRef, Labels)> {
        while self.at < self.block.series() {
            let i = self.at;
            self.at += 1;
            region.clear();
            let found = self.take(i, region).filter(|_| !region.bytes.is_empty());
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// What is left of the series at position `i`. Without a readable chunk, or when nobody knows its labels, it is left
    /// out, as by a merge.
    fn take(&mut self, i: usize, region: &mut Region) -> Option<(SeriesRef, Labels)> {
        let (block, deleted) = (self.block, self.deleted);
        let (entry, bytes, damage) = block.region_at(i)?;
        self.damaged += damage.map_or(0, |d| u64::from(d.damaged));
        let labels = self.labels_at(i, entry.id)?;
        match deleted.spans(&labels).filter(|spans| spans.touch(entry.mint, entry.maxt)) {
            None if bytes.is_empty() => {}
            None => region.push(&bytes, entry.samples, entry.mint, entry.maxt),
            Some(spans) => self.filter(&bytes, spans, region),
        }
        Some((entry.id, labels))
    }

    fn filter(&mut self, bytes: &[u8], spans: &Spans, region: &mut Region) {
        let mut buf = SampleBuf::default();
        if chunk::read_all(bytes, i64::MIN, i64::MAX, true, &mut buf).is_none() {
            // Its checksum was right: it never did decode. The file is set aside.
            self.damaged += 1;
            self.block.note_damage("chunks that do not decode");
            return;
        }
        buf.float_st.resize(buf.ts.len(), 0);
        buf.hist_st.resize(buf.hists.len(), 0);
        let mut samples = samples_of(buf);
        let before = samples.len();
        samples.retain(|sample| spans.at(sample.t).is_none());
        self.taken += (before - samples.len()) as u64;
        let chunks = chunks_of(samples.into_iter(), &mut self.encoder);
        chunks.iter().for_each(|c| region.push(&c.bytes, c.count(), c.mint, c.maxt));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Queryable;
    use super::super::disk_tests::{DAY, HOUR, append, contents, copy, difference, files, labels, open};
    use super::*;
    use crate::model::Matcher;

    fn of(i: usize) -> Vec<Vec<Matcher>> {
        vec![vec![Matcher::equal("__name__", "m"), Matcher::equal("i", &*i.to_string())]]
    }

    fn bytes(dir: &Path) -> u64 {
        files(dir, "blocks").iter().map(|path| std::fs::metadata(path).unwrap().len()).sum()
    }

    /// A day and a half of three series, the last hours of it in memory.
    fn filled(dir: &Path) -> Tsdb {
        let (db, _) = open(dir);
        for hour in 0..36 {
            for minute in 0..60 {
                let t = hour * HOUR + minute * 60_000;
                (0..3).for_each(|i| append(&db, i, t, (t / 1_000) as f64 / 7.0));
            }
            db.maintain((hour + 1) * HOUR).unwrap();
        }
        db
    }

    #[test]
    fn deleted_samples_leave_the_files_and_do_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let db = filled(dir.path());
        db.delete_series(&of(0), i64::MIN, i64::MAX).unwrap();
        db.delete_series(&of(1), 3 * HOUR, 30 * HOUR).unwrap();
        let (want, before) = (contents(&db), bytes(dir.path()));
        let cleaned = db.clean_tombstones().unwrap();
        // What is in memory stays hidden.
        assert!(cleaned.samples > 27 * 60 + 30 * 60 && cleaned.blocks > 1, "{cleaned:?}");
        assert_eq!(difference(&contents(&db), &want), None);
        assert!(bytes(dir.path()) < before * 2 / 3, "{} of {before}", bytes(dir.path()));
        assert_eq!(db.clean_tombstones().unwrap(), Cleaned::default(), "once is enough");
        let hidden = std::fs::read_to_string(dir.path().join("tombstones")).unwrap();
        assert_eq!(hidden.lines().count(), 1, "of the series whose newest samples are in memory: {hidden}");
        // As after a crash, and with what was hidden in blocks by now.
        drop(db);
        let (db, recovery) = open(dir.path());
        assert!(recovery.is_clean(), "{recovery:?}");
        assert_eq!(difference(&contents(&db), &want), None);
        append(&db, 2, 40 * HOUR, 1.0);
        db.maintain(40 * HOUR).unwrap();
        let cleaned = db.clean_tombstones().unwrap();
        assert!(cleaned.samples > 0, "{cleaned:?}");
        db.maintain(3 * DAY).unwrap();
        db.close().unwrap();
        drop(db);
        let (db, recovery) = open(dir.path());
        assert!(recovery.is_clean(), "{recovery:?}");
        let mut want = want;
        want.get_mut(&labels(2).to_string()).unwrap().push((40 * HOUR, 1.0f64.to_bits()));
        assert_eq!(difference(&contents(&db), &want), None);
        assert!(db.select(&of(0)[0], i64::MIN, i64::MAX).unwrap().is_empty());
    }

    #[test]
    fn a_crash_between_the_new_block_and_the_end_loses_and_brings_back_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let db = filled(dir.path());
        db.delete_series(&of(1), i64::MIN, 20 * HOUR).unwrap();
        db.delete_series(&of(2), 10 * HOUR, i64::MAX).unwrap();
        let want = contents(&db);
        let before = tempfile::tempdir().unwrap();
        copy(dir.path(), before.path());
        let kept = |name: &str, from: &Path, to: &Path| _ = std::fs::copy(from.join(name), to.join(name)).unwrap();
        kept("tombstones", dir.path(), before.path());
        kept("manifest", dir.path(), before.path());
        db.clean_tombstones().unwrap();
        // New blocks beside the old ones, one by one; the log, the list of files and the tombstones as before.
        for block in files(dir.path(), "blocks") {
            let to = before.path().join("blocks").join(block.file_name().unwrap());
            if !to.exists() {
                std::fs::copy(&block, &to).unwrap();
            }
            let crashed = tempfile::tempdir().unwrap();
            copy(before.path(), crashed.path());
            kept("tombstones", before.path(), crashed.path());
            let (again, _) = open(crashed.path());
            assert_eq!(difference(&contents(&again), &want), None);
            again.clean_tombstones().unwrap();
            assert_eq!(difference(&contents(&again), &want), None);
        }
    }

    #[test]
    fn without_files_and_without_deletions_there_is_nothing_to_do() {
        assert_eq!(Tsdb::in_memory().clean_tombstones().unwrap(), Cleaned::default());
        let dir = tempfile::tempdir().unwrap();
        let db = filled(dir.path());
        let before = files(dir.path(), "blocks");
        assert_eq!(db.clean_tombstones().unwrap(), Cleaned::default());
        db.delete_series(&of(1), 36 * HOUR - 60_000, i64::MAX).unwrap();
        assert_eq!(db.clean_tombstones().unwrap(), Cleaned::default());
        assert_eq!(files(dir.path(), "blocks"), before, "blocks without deleted samples stay");
    }
}
