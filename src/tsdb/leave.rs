//! Series that have ended leave the head: what of their samples is in no block yet goes to one, then they are forgotten.

use std::sync::Arc;

use super::chunk::{ChunkEncoder, WINDOW_MS};
use super::db::{Disk, Inner};
use super::housekeeping::Housekeeping;
use super::series::MemSeries;
use super::{SeriesRef, TsdbError};

/// A series that had no sample for so long leaves the head: longer than most scrapes are apart, and than any lookback.
const QUIET_MS: i64 = 10 * 60 * 1000;
/// The same of one whose newest sample says that it ended.
const STALE_MS: i64 = 2 * 60 * 1000;
/// So many series are written to a block of their own. Fewer wait for the block of their window, which comes anyway.
const ENOUGH: usize = 8192;
/// Series that leave at once; meanwhile commits and selections wait.
const BATCH: usize = 8192;
/// A series this many ids older than the newest leaves though it goes on, and comes back with a new id: the index has
/// numbers for four billion.
const MAX_AGE: u64 = 1 << 31;

impl Inner {
    /// Lets the series that have ended leave the head; whether anything was written for it. While the clock is not trusted
    /// nothing has ended.
    pub(super) fn let_series_leave(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        now: i64,
    ) -> Result<bool, TsdbError> {
        self.let_leave(disk, housekeeping, now, ENOUGH)
    }

    /// The same; `enough` are written to a block of their own.
    pub(super) fn let_leave(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        now: i64,
        enough: usize,
    ) -> Result<bool, TsdbError> {
        if self.is_retention_held() {
            return Ok(false);
        }
        let (written, unwritten): (Vec<_>, Vec<_>) =
            self.ended_series(now).into_iter().partition(|s| s.with(|state| state.is_empty()));
        let flushes = unwritten.len() >= enough;
        let result = if flushes { self.write_out(disk, housekeeping, &unwritten) } else { Ok(()) };
        // Whatever could be written: what could not stays.
        self.remove_series(&written);
        if flushes {
            self.remove_series(&unwritten);
        }
        result.map(|()| flushes)
    }

    /// Series that had no sample for a while, nor anyone who looked them up since the last call.
    fn ended_series(&self, now: i64) -> Vec<Arc<MemSeries>> {
        let index = self.index.read();
        let ended = |s: &&Arc<MemSeries>| {
            if index.next_id().saturating_sub(s.id.0) > MAX_AGE {
                s.mark_idle();
                return true;
            }
            let silence = now.saturating_sub(s.newest());
            silence > STALE_MS && (silence > QUIET_MS || s.has_ended()) && s.mark_idle()
        };
        index.iter().filter(ended).cloned().collect()
    }

    /// Writes all that series have in memory to blocks, one a window.
    fn write_out(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        series: &[Arc<MemSeries>],
    ) -> Result<(), TsdbError> {
        let mut encoder = ChunkEncoder::default();
        series.iter().for_each(|s| s.write(|state| state.seal_before(i64::MAX, &mut encoder)));
        loop {
            let first = series.iter().filter_map(|s| s.with(|state| state.chunks.first().map(|c| c.mint))).min();
            let Some(first) = first else { return Ok(()) };
            let start = first.div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS);
            if !self.flush_span(disk, housekeeping, series, start, start.saturating_add(WINDOW_MS))? {
                return Ok(());
            }
        }
    }

    /// Removes series from the head, but for those that were looked up or appended to meanwhile. Whoever looked one up
    /// before gets to commit; whoever does so later is told that it is gone.
    fn remove_series(&self, series: &[Arc<MemSeries>]) {
        for batch in series.chunks(BATCH) {
            let _writer = self.writer.lock();
            let mut index = self.index.write();
            let leaves = |s: &&Arc<MemSeries>| s.is_idle() && s.with(|state| state.is_empty());
            let gone: Vec<SeriesRef> = batch.iter().filter(leaves).map(|s| s.id).collect();
            index.remove(&gone);
            self.blocks.load().iter().for_each(|b| b.series_left());
            self.counters.series_removed.add(gone.len() as u64);
        }
        if !series.is_empty() {
            self.selections.clear();
        }
    }

    /// Without files a series leaves when it had no sample within the retention, and its samples with it.
    pub(super) fn remove_old_series(&self) {
        let cutoff = self.min_valid();
        let old: Vec<_> = self.index.read().iter().filter(|s| s.newest() < cutoff && s.mark_idle()).cloned().collect();
        old.iter().for_each(|s| s.write(|state| state.trim(cutoff)));
        self.remove_series(&old);
    }
}
