//! One series: its open tail, its sealed chunks in memory, and the view queries have of it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::model::{Labels, SampleBuf, Value};

use super::bits::Reader;
use super::chunk::{self, Chunk, ChunkEncoder, ChunkView};
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
    /// Whether the log knows the series.
    pub(super) logged: bool,
}

impl MemSeries {
    pub(super) fn new(id: SeriesRef, labels: Labels, hash: u64) -> Self {
        let state = State { flushed_until: i64::MIN, ..State::default() };
        MemSeries {
            labels,
            id,
            hash,
            newest: AtomicI64::new(i64::MIN),
            idle: AtomicBool::new(false),
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
        if state.newest_is(t, value) { Ok(false) } else { Err(AppendError::Duplicate) }
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
        let sealed = match value {
            Value::Float(v) => state.tail.push_float(t, v, st, enc),
            Value::Histogram(h) => state.tail.push_histogram(t, h, st, enc),
        };
        state.chunks.extend(sealed);
        self.newest.store(t, Ordering::Release);
    }

    /// Sets the time of the newest sample where samples came in otherwise than by [`MemSeries::push`].
    pub(super) fn set_newest(&self, t: i64) {
        self.newest.store(t, Ordering::Release);
    }

    fn damaged(&self) -> StorageError {
        StorageError::Corrupt(format!("a chunk of {}", self.labels))
    }
}

impl State {
    /// Whether the newest sample, at `t`, has this value.
    fn newest_is(&self, t: i64, value: &Value) -> bool {
        if self.tail.len() > 0 {
            return self.tail.newest_is(value);
        }
        match (self.latest_sealed(t, t), value) {
            (Some(Some((_, Value::Float(a)))), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Some(Some((_, Value::Histogram(a)))), Value::Histogram(b)) => a == *b,
            _ => false,
        }
    }

    /// Adds what is here to the figures.
    pub(super) fn count(&self, stats: &mut TsdbStats) {
        for c in &self.chunks {
            stats.chunks += 1;
            stats.head_chunk_bytes += c.bytes.len() as u64;
            stats.head_chunk_samples += ChunkView::parse(&mut Reader::new(&c.bytes)).map_or(0, |v| v.count as u64);
        }
        stats.head_samples += self.tail.len() as u64;
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
        self.state.read().read(mint, maxt, start_timestamps, out).ok_or_else(|| self.damaged())?;
        if start_timestamps {
            out.float_st.resize(out.ts.len(), 0);
            out.hist_st.resize(out.hists.len(), 0);
        }
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        if self.newest() < mint {
            return Ok(None);
        }
        let state = self.state.read();
        if let Some(found) = state.tail.latest(mint, maxt) {
            return Ok(Some(found));
        }
        state.latest_sealed(mint, maxt).ok_or_else(|| self.damaged())
    }
}
