//! One series: its open tail, its sealed chunks in memory, and the view queries have of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::model::{Labels, SampleBuf, Value};

use super::bits::Reader;
use super::block::BlockSet;
use super::block_writer::Region;
use super::chunk::{self, Chunk, ChunkEncoder, ChunkView};
use super::cut::cut;
use super::late::Late;
use super::query::{Series, StorageError};
use super::stats::TsdbStats;
use super::tail::Tail;
use super::{AppendError, SeriesRef};

/// A series of the database. Writers hold the commit lock, so only reads run beside an append to it.
#[derive(Debug)]
pub(super) struct MemSeries {
    pub(super) labels: Labels,
    pub(super) id: SeriesRef,
    pub(super) hash: u64,
    /// Time of the newest sample, `i64::MIN` before the first: lets appends be judged without the lock.
    newest: AtomicI64,
    /// Nothing was appended since the last garbage collection.
    idle: AtomicBool,
    blocks: Arc<BlockSet>,
    state: RwLock<State>,
}

/// What the lock of a series protects.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tail: Tail,
    /// Sealed chunks, ascending in time.
    pub(super) chunks: Vec<Chunk>,
    /// Samples before this are in blocks on disk, later ones are here.
    pub(super) flushed_until: i64,
    /// Late samples that are in no block yet.
    pub(super) late: Option<Box<Late>>,
    /// How often late samples went to blocks, for readers who look into files without the lock.
    pub(super) late_flushes: u32,
    /// Whether the log knows the series.
    pub(super) logged: bool,
}

impl MemSeries {
    pub(super) fn new(id: SeriesRef, labels: Labels, hash: u64, blocks: Arc<BlockSet>) -> Self {
        let state = State { flushed_until: i64::MIN, ..State::default() };
        MemSeries {
            labels,
            id,
            hash,
            newest: AtomicI64::new(i64::MIN),
            idle: AtomicBool::new(false),
            blocks,
            state: RwLock::new(state),
        }
    }

    /// Time of the newest sample, `i64::MIN` when there never was one.
    #[inline]
    pub(super) fn newest(&self) -> i64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Marks the series as in use, which keeps it through the next garbage collection.
    #[inline]
    pub(super) fn touch(&self) {
        if self.idle.load(Ordering::Relaxed) {
            self.idle.store(false, Ordering::Relaxed);
        }
    }

    /// Marks the series as idle; whether it was already.
    pub(super) fn mark_idle(&self) -> bool {
        self.idle.swap(true, Ordering::Relaxed)
    }

    /// Judges a sample by what is committed. `Ok(false)`: it is there already, with the same value.
    #[inline]
    pub(super) fn admits(&self, t: i64, value: &Value) -> Result<bool, AppendError> {
        if t > self.newest() { Ok(true) } else { self.admits_into(&self.state.read(), t, value) }
    }

    /// The same with the lock held.
    #[inline]
    pub(super) fn admits_into(&self, state: &State, t: i64, value: &Value) -> Result<bool, AppendError> {
        let newest = self.newest();
        if t > newest {
            return Ok(true);
        }
        if t < newest {
            return Err(AppendError::OutOfOrder);
        }
        if self.newest_is(state, t, value) { Ok(false) } else { Err(AppendError::Duplicate) }
    }

    /// Whether nobody has looked the series up since it was marked.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    /// Whether the newest sample says that the series has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.state.read().tail.newest_is_stale()
    }

    /// Runs `f` on the state, locked for writing.
    pub(super) fn write<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.write())
    }

    /// Runs `f` on the state, locked for reading.
    pub(super) fn with<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        f(&self.state.read())
    }

    /// Appends a sample newer than all others.
    #[inline]
    pub(super) fn push(&self, state: &mut State, t: i64, value: Value, st: i64, enc: &mut ChunkEncoder) {
        let State { tail, chunks, .. } = state;
        match value {
            Value::Float(v) => tail.push_float(t, v, st, chunks, enc),
            Value::Histogram(h) => tail.push_histogram(t, h, st, chunks, enc),
        }
        self.newest.store(t, Ordering::Release);
    }

    /// Sets the time of the newest sample where samples came in otherwise than by [`MemSeries::push`].
    pub(super) fn set_newest(&self, t: i64) {
        self.newest.store(t, Ordering::Release);
    }

    /// Whether the newest sample, at `t`, has this value.
    #[cold]
    fn newest_is(&self, state: &State, t: i64, value: &Value) -> bool {
        if state.tail.len() > 0 {
            return state.tail.newest_is(value);
        }
        let newest = match state.latest_sealed(t, t) {
            Some(None) => self.latest_flushed(t, t, state.flushed_until).ok().flatten(),
            found => found.flatten(),
        };
        newest.is_some_and(|(_, newest)| newest.is_identical(value))
    }

    /// Appends the samples that were flushed before `until`; whether late ones are among them: then the buffer is to be
    /// put in order.
    fn read_flushed(&self, mint: i64, maxt: i64, until: i64, st: bool, out: &mut SampleBuf) -> bool {
        let maxt = maxt.min(until.saturating_sub(1));
        if mint > maxt {
            return false;
        }
        let (mut mixed, begin) = (false, (out.ts.len(), out.hists.len()));
        for block in self.blocks.load().iter() {
            let at = (out.ts.len(), out.hists.len());
            block.read(self.id, mint, maxt, st, out);
            mixed |= out.goes_back(begin, at);
            // Late samples, in blocks of their own, may have come between.
            out.doubt_hint(at.1);
        }
        mixed
    }

    /// The newest sample in blocks; those of late samples may come behind others that go further.
    fn latest_flushed(&self, mint: i64, maxt: i64, until: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let maxt = maxt.min(until.saturating_sub(1));
        let mut newest: Option<(i64, Value)> = None;
        for block in self.blocks.load().iter().rev() {
            let from = newest.as_ref().map_or(mint, |(t, _)| t.saturating_add(1));
            if from > maxt {
                break;
            }
            newest = block.latest(self.id, from, maxt)?.or(newest);
        }
        Ok(newest)
    }

    /// The newest sample in the interval that did not come late, by a state that is locked.
    pub(super) fn latest_in_order(
        &self,
        state: &State,
        mint: i64,
        maxt: i64,
    ) -> Result<Option<(i64, Value)>, StorageError> {
        if let Some(found) = state.tail.latest(mint, maxt) {
            return Ok(Some(found));
        }
        if let Some(found) = state.latest_sealed(mint, maxt).ok_or_else(|| self.damaged())? {
            return Ok(Some(found));
        }
        self.latest_flushed(mint, maxt, state.flushed_until)
    }

    /// Time of the newest sample in blocks up to `maxt`.
    pub(super) fn newest_flushed(&self, maxt: i64) -> Option<i64> {
        self.blocks.load().iter().filter_map(|b| b.newest(self.id, maxt)).max()
    }

    fn damaged(&self) -> StorageError {
        StorageError::Corrupt(format!("a chunk of {}", self.labels))
    }
}

impl State {
    /// What changes when samples go to blocks.
    fn seen(&self) -> (i64, u32) {
        (self.flushed_until, self.late_flushes)
    }

    /// Whether all there was is in blocks.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.tail.len() == 0 && self.late.is_none()
    }

    /// Seals the tail when all of it is before `cutoff`.
    pub(super) fn seal_before(&mut self, cutoff: i64, enc: &mut ChunkEncoder) {
        if self.tail.bounds().is_some_and(|(_, last)| last < cutoff) {
            self.seal(enc);
        }
    }

    /// Seals the tail.
    pub(super) fn seal(&mut self, enc: &mut ChunkEncoder) {
        self.tail.seal_onto(&mut self.chunks, enc);
        self.tail = Tail::Empty;
    }

    /// Adds the chunks of a span of time to a block's region; whether there are any. With older chunks left, which came
    /// in since the flush began, none are: the blocks of a series are in the order of its samples.
    pub(super) fn collect(&self, start: i64, end: i64, region: &mut Region) -> bool {
        if self.chunks.first().is_none_or(|c| c.mint < start) {
            return false;
        }
        for c in self.chunks.iter().take_while(|c| c.maxt < end) {
            region.push(&c.bytes, c.count(), c.mint, c.maxt);
        }
        region.samples > 0
    }

    /// Drops what a block holds: samples up to `maxt`.
    pub(super) fn trim(&mut self, maxt: i64) {
        let flushed = self.chunks.partition_point(|c| c.maxt <= maxt);
        self.chunks.drain(..flushed);
        // One that grew since a block took its samples keeps those that came since.
        if let Some(grown) = self.chunks.first().filter(|c| c.mint <= maxt)
            && let Some((_, rest)) = cut(&grown.bytes, maxt, &mut ChunkEncoder::default())
        {
            self.chunks.splice(..1, rest);
        }
        if self.chunks.capacity() > 2 * self.chunks.len() + 8 {
            self.chunks.shrink_to_fit();
        }
        if self.tail.bounds().is_some_and(|(_, last)| last <= maxt) {
            self.tail = Tail::Empty;
        }
        self.flushed_until = self.flushed_until.max(maxt.saturating_add(1));
    }

    /// Bytes of sealed chunks.
    pub(super) fn chunk_bytes(&self) -> u64 {
        self.chunks.iter().map(|c| c.bytes.len() as u64).sum()
    }

    /// Adds what is here to the figures.
    pub(super) fn count(&self, stats: &mut TsdbStats) {
        for c in &self.chunks {
            stats.chunks += 1;
            stats.head_chunk_bytes += c.bytes.len() as u64;
            stats.head_chunk_samples += u64::from(c.count());
        }
        stats.head_samples += (self.tail.len() + self.late().len()) as u64;
        let first = self.chunks.first().map(|c| c.mint).or_else(|| self.tail.bounds().map(|(first, _)| first));
        stats.head_mint = match (stats.head_mint, first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn read(&self, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) -> Option<()> {
        let from = self.chunks.partition_point(|c| c.maxt < mint);
        for c in self.chunks.get(from..).unwrap_or(&[]).iter().take_while(|c| c.mint <= maxt) {
            ChunkView::parse(&mut Reader::new(&c.bytes))?.read(mint, maxt, st, out)?;
        }
        self.tail.read(mint, maxt, st, out);
        Some(())
    }

    /// The newest sample of the sealed chunks in the interval; the outer `None` is damage.
    fn latest_sealed(&self, mint: i64, maxt: i64) -> Option<Option<(i64, Value)>> {
        let started = self.chunks.partition_point(|c| c.mint <= maxt);
        match started.checked_sub(1).and_then(|i| self.chunks.get(i)) {
            Some(c) if c.maxt >= mint => chunk::latest(&c.bytes, mint, maxt),
            _ => Some(None),
        }
    }
}

impl Series for MemSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let begin = (out.ts.len(), out.hists.len());
        let is_mixed = loop {
            // Files are read without the lock, which a writer may be waiting for. When chunks were flushed meanwhile
            // they are in neither half: start over.
            let state = self.state.read();
            let seen = state.seen();
            if mint >= state.flushed_until {
                // Nothing of it is in files: the usual case of a rule.
                state.read(mint, maxt, start_timestamps, out).ok_or_else(|| self.damaged())?;
                break state.read_late(mint, maxt, start_timestamps, out);
            }
            drop(state);
            let is_mixed = self.read_flushed(mint, maxt, seen.0, start_timestamps, out);
            let state = self.state.read();
            if state.seen() == seen {
                let at = (out.ts.len(), out.hists.len());
                state.read(mint, maxt, start_timestamps, out).ok_or_else(|| self.damaged())?;
                out.doubt_hint(at.1);
                let is_mixed = is_mixed || out.goes_back(begin, at);
                break state.read_late(mint, maxt, start_timestamps, out) || is_mixed;
            }
            out.truncate(begin.0, begin.1);
        };
        if start_timestamps {
            out.float_st.resize(out.ts.len(), 0);
            out.hist_st.resize(out.hists.len(), 0);
        }
        if is_mixed {
            out.settle(begin);
        }
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        // One that came back and had late samples alone has no newest.
        if (i64::MIN + 1..mint).contains(&self.newest()) {
            return Ok(None);
        }
        loop {
            let (seen, found) = {
                let state = self.state.read();
                let in_order = match state.tail.latest(mint, maxt) {
                    None => state.latest_sealed(mint, maxt).ok_or_else(|| self.damaged())?,
                    found => found,
                };
                (state.seen(), newer(in_order, state.latest_late(mint, maxt)))
            };
            if found.as_ref().is_some_and(|(t, _)| *t >= seen.0) {
                return Ok(found);
            }
            let from = found.as_ref().map_or(mint, |(t, _)| t.saturating_add(1));
            let flushed = self.latest_flushed(from, maxt, seen.0)?;
            if self.state.read().seen() == seen {
                return Ok(flushed.or(found));
            }
        }
    }
}

/// The newer of two samples; of two at one time the first.
pub(super) fn newer(a: Option<(i64, Value)>, b: Option<(i64, Value)>) -> Option<(i64, Value)> {
    match (&a, &b) {
        (Some((a, _)), Some((b, _))) if a < b => {}
        (Some(_), _) => return a,
        (None, _) => {}
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsdb::tail::{FLOAT_CHUNK, FLOAT_TAIL};

    const STEP: i64 = 15_000;

    fn series() -> MemSeries {
        MemSeries::new(SeriesRef(1), Labels::empty(), 0, Arc::default())
    }

    fn push(series: &MemSeries, samples: std::ops::Range<i64>) {
        let mut encoder = ChunkEncoder::default();
        series.write(|state| {
            // Every hundredth sample knows when its counter began.
            let st = |i: i64| if i % 100 == 99 { i } else { 0 };
            samples.for_each(|i| series.push(state, i * STEP, Value::Float(i as f64), st(i), &mut encoder));
        });
    }

    fn read(series: &MemSeries) -> Vec<(i64, i64)> {
        let mut out = SampleBuf::default();
        series.read(i64::MIN, i64::MAX, true, &mut out).unwrap();
        assert!(out.ts.iter().zip(&out.vs).all(|(t, v)| *t == *v as i64 * STEP));
        out.ts.iter().zip(&out.float_st).map(|(t, st)| (t / STEP, *st)).collect()
    }

    #[test]
    fn sealed_tails_join_the_chunk_before_them_until_it_is_long_enough() {
        let series = series();
        push(&series, 0..970);
        let want: Vec<(i64, i64)> = (0..970).map(|i| (i, if i % 100 == 99 { i } else { 0 })).collect();
        assert_eq!(read(&series), want);
        series.with(|state| {
            let counts: Vec<usize> = state.chunks.iter().map(|c| c.count() as usize).collect();
            // A window of two hours has 480 samples.
            let window = [FLOAT_CHUNK, FLOAT_CHUNK, FLOAT_CHUNK, 480 - 3 * FLOAT_CHUNK];
            assert_eq!(counts, [window, window].concat(), "the last {} are open", state.tail.len());
            assert!(state.tail.len() <= FLOAT_TAIL);
        });
    }

    #[test]
    fn a_chunk_that_grew_since_a_block_took_it_keeps_what_came_since() {
        let series = series();
        push(&series, 0..40);
        let mut region = Region::default();
        let taken = series.with(|state| {
            assert!(state.collect(0, i64::MAX, &mut region));
            state.chunks.last().map(|c| c.maxt)
        });
        push(&series, 40..120);
        series.write(|state| state.trim(taken.unwrap()));
        assert_eq!(read(&series).first(), Some(&(FLOAT_TAIL as i64, 0)));
        assert_eq!(read(&series).len(), 120 - FLOAT_TAIL);
    }
}
