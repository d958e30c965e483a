//! Late samples of the head: taken, read beside what is in order, and written to blocks of their own once what else was
//! sampled in their time is in blocks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::{SampleBuf, Value};

use super::block_format::{BlockName, Entry};
use super::block_writer::{Merged, Region, write_block};
use super::chunk::{ChunkEncoder, WINDOW_MS};
use super::db::{Disk, Inner, Tsdb};
use super::housekeeping::Housekeeping;
use super::late::{LateSample, chunks_of, samples_of};
use super::maintain::LATE_MS;
use super::series::{MemSeries, State};
use super::{AppendError, TsdbError};

impl State {
    /// Adds a late sample that was judged.
    pub(super) fn push_late(&mut self, sample: LateSample) {
        self.late.get_or_insert_default().insert(sample);
    }

    /// All late samples.
    pub(super) fn late(&self) -> &[LateSample] {
        self.late.as_ref().map_or(&[], |late| &late.samples)
    }

    /// Appends the late samples in the interval; whether there are any: then the buffer is to be put in order.
    pub(super) fn read_late(&self, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) -> bool {
        let Some(late) = &self.late else { return false };
        let found = late.within(mint, maxt);
        if st {
            out.float_st.resize(out.ts.len(), 0);
            out.hist_st.resize(out.hists.len(), 0);
        }
        for s in found {
            match &s.value {
                Value::Float(v) => {
                    out.push(s.t, *v);
                    out.float_st.extend(st.then_some(s.st));
                }
                Value::Histogram(h) => {
                    out.push_histogram(s.t, h.clone());
                    out.hist_st.extend(st.then_some(s.st));
                }
            }
        }
        !found.is_empty()
    }

    /// The newest late sample in the interval.
    pub(super) fn latest_late(&self, mint: i64, maxt: i64) -> Option<(i64, Value)> {
        let found = self.late.as_ref()?.within(mint, maxt).last()?;
        Some((found.t, found.value.clone()))
    }

    /// Adds the late samples of a span of time to a block's region; whether there are any.
    fn collect_late(&self, start: i64, end: i64, region: &mut Region, encoder: &mut ChunkEncoder) -> bool {
        let Some(late) = &self.late else { return false };
        let found = late.within(start, end.saturating_sub(1)).iter().cloned();
        chunks_of(found, encoder).iter().for_each(|c| region.push(&c.bytes, c.count(), c.mint, c.maxt));
        region.samples > 0
    }

    /// Drops what a block holds of a span: the samples of `written`, at the times that `times` tells. What came in since it
    /// was written stays.
    fn trim_late(&mut self, name: BlockName, written: &Entry, times: impl FnOnce() -> Vec<i64>) {
        let Some(late) = &mut self.late else { return };
        let last = name.end.saturating_sub(1);
        if late.within(name.start, last).len() == written.samples as usize {
            late.samples.retain(|s| !(name.start..name.end).contains(&s.t));
        } else {
            let times = times();
            late.samples.retain(|s| times.binary_search(&s.t).is_err());
        }
        if late.samples.is_empty() {
            self.late = None;
        }
        self.flushed_until = self.flushed_until.max(written.maxt.saturating_add(1));
        self.late_flushes = self.late_flushes.wrapping_add(1);
    }

    /// Takes the late samples after `newest` out: with what was newer gone, they are late no longer.
    pub(super) fn take_late_after(&mut self, newest: i64) -> Vec<LateSample> {
        let Some(late) = &mut self.late else { return Vec::new() };
        let from = late.samples.partition_point(|s| s.t <= newest);
        let taken = late.samples.split_off(from);
        if late.samples.is_empty() {
            self.late = None;
        }
        taken
    }

    /// Drops late samples before `cutoff`, which retention takes.
    pub(super) fn drop_late_before(&mut self, cutoff: i64) {
        if let Some(late) = &mut self.late {
            late.samples.retain(|s| s.t >= cutoff);
            if late.samples.is_empty() {
                self.late = None;
            }
        }
    }

    /// The first late sample before `cutoff`, where nothing else that is older than that is in memory.
    fn late_to_flush(&self, cutoff: i64) -> Option<i64> {
        let first = self.late.as_ref()?.first().filter(|t| *t < cutoff)?;
        let tail = self.tail.bounds().map(|(first, _)| first);
        self.chunks.first().map(|c| c.mint).or(tail).is_none_or(|t| t >= cutoff).then_some(first)
    }
}

impl MemSeries {
    /// Judges a late sample: `Ok(false)` when it is there already, with the same value.
    pub(super) fn admits_late(&self, state: &State, t: i64, value: &Value) -> Result<bool, AppendError> {
        let there = state.latest_late(t, t).or_else(|| self.latest_in_order(state, t, t).ok().flatten());
        match there {
            None => Ok(true),
            Some((_, there)) if there.is_identical(value) => Ok(false),
            Some(_) => Err(AppendError::Duplicate),
        }
    }
}

impl Tsdb {
    /// Takes samples that are older than the newest of their series by up to `window` milliseconds less than the newest of
    /// all; 0: none, as Prometheus' `out_of_order_time_window`.
    pub fn set_out_of_order_window(&self, window: i64) {
        self.inner().out_of_order_window.store(window.max(0), Ordering::Relaxed);
    }
}

impl Inner {
    /// Whether a sample that is older than the newest of its series is taken; why it is not.
    pub(super) fn takes_late(&self, t: i64) -> Result<(), AppendError> {
        match self.out_of_order_window.load(Ordering::Relaxed) {
            0 => Err(AppendError::OutOfOrder),
            window if t >= self.newest.load(Ordering::Relaxed).saturating_sub(window) => Ok(()),
            _ => Err(AppendError::TooOld),
        }
    }

    /// Writes the late samples of windows that ended to blocks; whether there were any. To be called after the flush of
    /// what else was sampled in these windows.
    pub(super) fn flush_late(&self, disk: &Disk, housekeeping: &mut Housekeeping, now: i64) -> Result<bool, TsdbError> {
        let cutoff = now.saturating_sub(LATE_MS).div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS);
        // Once a window, as the others: a block and a checkpoint for each late sample would be many.
        if housekeeping.late_flushed == Some(cutoff) {
            return Ok(false);
        }
        let first = |s: &Arc<MemSeries>| s.with(|state| state.late_to_flush(cutoff));
        let all: Vec<Arc<MemSeries>> = self.index.read().iter().filter(|s| first(s).is_some()).cloned().collect();
        let mut any = false;
        while let Some(first) = all.iter().filter_map(first).min() {
            let start = first.div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS);
            let name = BlockName { start, end: start.saturating_add(WINDOW_MS), number: housekeeping.next_block };
            self.flush_late_window(disk, name, &all)?;
            housekeeping.next_block += 1;
            any = true;
        }
        housekeeping.late_flushed = Some(cutoff);
        Ok(any)
    }

    fn flush_late_window(&self, disk: &Disk, name: BlockName, all: &[Arc<MemSeries>]) -> Result<(), TsdbError> {
        let (mut rest, mut encoder) = (all.iter(), ChunkEncoder::default());
        let block = write_block(&disk.files.blocks(), name, Merged::default(), |region: &mut Region| {
            Ok(rest.find_map(|s| {
                let any = s.with(|state| state.collect_late(name.start, name.end, region, &mut encoder));
                any.then(|| (s.id, s.labels.clone()))
            }))
        })?;
        self.counters.flushes.add(1);
        let Some(block) = block else { return Ok(()) };
        // In the set first, then gone from memory: a read finds every sample in one of the two.
        self.blocks.change(vec![block.clone()], &[]);
        let index = self.index.read();
        for entry in block.entries() {
            let Some(series) = index.get(entry.id) else { continue };
            let times = || {
                let mut buf = SampleBuf::default();
                block.read(entry.id, i64::MIN, i64::MAX, true, &mut buf);
                samples_of(buf).iter().map(|s| s.t).collect()
            };
            series.write(|state| state.trim_late(name, &entry, times));
        }
        Ok(())
    }
}
