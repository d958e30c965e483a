//! The open end of a series: its newest samples, not yet compressed.
//!
//! Appending is a push, the newest sample is at hand without decoding, and compression sees a whole chunk at once.

use std::sync::Arc;

use crate::model::is_stale;
use crate::model::{FloatHistogram, SampleBuf, Value};

use super::bits::Reader;
use super::chunk::{Chunk, ChunkEncoder, ChunkView, window_end};
use super::histogram_chunk;
use super::histogram_encode;

/// Float samples a tail takes before it is sealed: open ends are most of what many series hold in memory.
pub(super) const FLOAT_TAIL: usize = 32;
/// Float samples that a chunk grows to, tail by tail. The heads and allocations of shorter ones would take more than their
/// samples; of longer ones, a window that begins inside decodes more, from the start.
pub(super) const FLOAT_CHUNK: usize = 128;
/// Histograms a tail takes before it is sealed.
pub(super) const HISTOGRAM_TAIL: usize = 32;

/// The open end of a series.
#[derive(Debug, Default)]
pub(super) enum Tail {
    /// No sample.
    #[default]
    Empty,
    /// Float samples.
    Floats(FloatTail),
    /// Histograms of one layout.
    Histograms(Box<HistogramTail>),
}

/// Float samples as columns; times as offsets, which take half of the memory.
#[derive(Debug)]
pub(super) struct FloatTail {
    base: i64,
    /// Times at and after this belong to another chunk.
    end: i64,
    offsets: Vec<u32>,
    values: Vec<f64>,
    /// Start timestamps; empty until one is known.
    st: Vec<i64>,
}

/// Histograms that can be rows of one chunk.
#[derive(Debug)]
pub(super) struct HistogramTail {
    end: i64,
    rows: Vec<(i64, Arc<FloatHistogram>)>,
    st: Vec<i64>,
}

impl FloatTail {
    fn new(t: i64) -> Self {
        FloatTail {
            base: t,
            end: window_end(t).min(t.saturating_add(i64::from(u32::MAX))),
            offsets: Vec::new(),
            values: Vec::new(),
            st: Vec::new(),
        }
    }

    #[inline]
    fn takes(&self, t: i64) -> bool {
        t < self.end && self.values.len() < FLOAT_TAIL
    }

    #[inline]
    fn push(&mut self, t: i64, v: f64, st: i64) {
        if st != 0 || !self.st.is_empty() {
            self.st.resize(self.values.len(), 0);
            self.st.push(st);
        }
        // `takes` holds t within a u32 of the base.
        self.offsets.push((t - self.base) as u32);
        self.values.push(v);
    }

    /// Empties the tail for samples from `t` on, and keeps its memory.
    fn restart(&mut self, t: i64) {
        let mut fresh = FloatTail::new(t);
        std::mem::swap(&mut fresh.offsets, &mut self.offsets);
        std::mem::swap(&mut fresh.values, &mut self.values);
        fresh.offsets.clear();
        fresh.values.clear();
        *self = fresh;
    }

    fn times(&self) -> impl Iterator<Item = i64> {
        self.offsets.iter().map(|o| self.base + i64::from(*o))
    }

    /// The samples with `mint <= t <= maxt`, as a range of the columns.
    fn range(&self, mint: i64, maxt: i64) -> std::ops::Range<usize> {
        let time = |o: &u32| self.base + i64::from(*o);
        let from = if mint <= self.base { 0 } else { self.offsets.partition_point(|o| time(o) < mint) };
        let to = match self.offsets.last() {
            Some(last) if time(last) <= maxt => self.offsets.len(),
            _ => self.offsets.partition_point(|o| time(o) <= maxt),
        };
        from..to.max(from)
    }

    fn read(&self, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) {
        let range = self.range(mint, maxt);
        let at = out.ts.len();
        out.ts.extend(self.offsets.get(range.clone()).unwrap_or(&[]).iter().map(|o| self.base + i64::from(*o)));
        out.vs.extend_from_slice(self.values.get(range.clone()).unwrap_or(&[]));
        if st {
            out.float_st.resize(at, 0);
            out.float_st.extend_from_slice(self.st.get(range).unwrap_or(&[]));
            out.float_st.resize(out.ts.len(), 0);
        }
    }

    fn seal(&self, enc: &mut ChunkEncoder) -> Option<Chunk> {
        let ts: Vec<i64> = self.times().collect();
        (!ts.is_empty()).then(|| enc.floats(&ts, &self.values, &self.st))
    }

    /// The chunk before the tail with the tail's samples behind its own, where the two may be one.
    fn joined(&self, before: &Chunk, enc: &mut ChunkEncoder) -> Option<Chunk> {
        let view = ChunkView::parse(&mut Reader::new(&before.bytes))?;
        let fits = view.count + self.values.len() <= FLOAT_CHUNK && window_end(view.mint) == self.end;
        if view.is_histograms() || !fits || view.maxt >= self.base {
            return None;
        }
        let mut all = std::mem::take(&mut enc.joined);
        all.clear();
        let st = view.has_start_timestamps() || !self.st.is_empty();
        let read = view.read(i64::MIN, i64::MAX, st, &mut all);
        self.read(i64::MIN, i64::MAX, st, &mut all);
        let chunk = read.map(|()| enc.floats(&all.ts, &all.vs, &all.float_st));
        enc.joined = all;
        chunk
    }
}

impl HistogramTail {
    fn new(t: i64) -> Self {
        HistogramTail { end: window_end(t), rows: Vec::new(), st: Vec::new() }
    }

    fn takes(&self, t: i64, h: &FloatHistogram) -> bool {
        use crate::model::histogram::CounterResetHint::{Gauge, NotReset};
        let Some((_, first)) = self.rows.first() else { return t < self.end };
        let gauge = first.counter_reset_hint == Gauge;
        t < self.end
            && self.rows.len() < HISTOGRAM_TAIL
            && h.counter_reset_hint == if gauge { Gauge } else { NotReset }
            && histogram_chunk::same_layout(first, h)
    }

    fn push(&mut self, t: i64, h: Arc<FloatHistogram>, st: i64) {
        if st != 0 || !self.st.is_empty() {
            self.st.resize(self.rows.len(), 0);
            self.st.push(st);
        }
        self.rows.push((t, h));
    }

    fn read(&self, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) {
        let from = self.rows.partition_point(|(t, _)| *t < mint);
        let to = self.rows.partition_point(|(t, _)| *t <= maxt).max(from);
        let at = out.hists.len();
        out.hists.extend_from_slice(self.rows.get(from..to).unwrap_or(&[]));
        if st {
            out.hist_st.resize(at, 0);
            out.hist_st.extend_from_slice(self.st.get(from..to).unwrap_or(&[]));
            out.hist_st.resize(out.hists.len(), 0);
        }
    }
}

impl Tail {
    /// Appends a float newer than all others. Where the tail has to be sealed for it, that goes onto the chunks.
    #[inline]
    pub(super) fn push_float(&mut self, t: i64, v: f64, st: i64, chunks: &mut Vec<Chunk>, enc: &mut ChunkEncoder) {
        if let Tail::Floats(f) = self
            && f.takes(t)
        {
            f.push(t, v, st);
            return;
        }
        self.seal_onto(chunks, enc);
        match self {
            Tail::Floats(f) => f.restart(t),
            _ => *self = Tail::Floats(FloatTail::new(t)),
        }
        if let Tail::Floats(f) = self {
            f.push(t, v, st);
        }
    }

    /// Appends a histogram newer than all others; its hint is replaced by what its predecessor makes it. Where the tail
    /// has to be sealed for it, that goes onto the chunks.
    pub(super) fn push_histogram(
        &mut self,
        t: i64,
        mut h: Arc<FloatHistogram>,
        st: i64,
        chunks: &mut Vec<Chunk>,
        enc: &mut ChunkEncoder,
    ) {
        let hint = histogram_chunk::hint_after(self.newest_histogram().map(|h| &**h), &h);
        if h.counter_reset_hint != hint {
            h = Arc::new(FloatHistogram { counter_reset_hint: hint, ..(*h).clone() });
        }
        let fits = matches!(self, Tail::Histograms(tail) if tail.takes(t, &h));
        if !fits {
            self.seal_onto(chunks, enc);
            *self = Tail::Histograms(Box::new(HistogramTail::new(t)));
        }
        if let Tail::Histograms(tail) = self {
            tail.push(t, h, st);
        }
    }

    fn newest_histogram(&self) -> Option<&Arc<FloatHistogram>> {
        match self {
            Tail::Histograms(tail) => tail.rows.last().map(|(_, h)| h),
            _ => None,
        }
    }

    /// The tail whose samples a chunk holds.
    pub(super) fn reopen(view: &ChunkView<'_>) -> Option<Tail> {
        let mut buf = SampleBuf::default();
        view.read(i64::MIN, i64::MAX, true, &mut buf)?;
        let known = |st: Vec<i64>| if st.iter().all(|t| *t == 0) { Vec::new() } else { st };
        if view.is_histograms() {
            let tail = HistogramTail { end: window_end(view.mint), rows: buf.hists, st: known(buf.hist_st) };
            return Some(Tail::Histograms(Box::new(tail)));
        }
        let mut tail = FloatTail::new(view.mint);
        let offsets = buf.ts.iter().map(|t| u32::try_from(t.wrapping_sub(view.mint)).ok());
        tail.offsets = offsets.collect::<Option<Vec<_>>>()?;
        tail.values = buf.vs;
        tail.st = known(buf.float_st);
        Some(Tail::Floats(tail))
    }

    /// Puts the samples behind those of the chunks: into the last of them while that is small.
    pub(super) fn seal_onto(&self, chunks: &mut Vec<Chunk>, enc: &mut ChunkEncoder) {
        if let (Tail::Floats(f), Some(last)) = (self, chunks.last_mut())
            && let Some(joined) = f.joined(last, enc)
        {
            *last = joined;
        } else {
            chunks.extend(self.seal(enc));
        }
    }

    /// The samples as a chunk; `None` when there are none.
    pub(super) fn seal(&self, enc: &mut ChunkEncoder) -> Option<Chunk> {
        match self {
            Tail::Empty => None,
            Tail::Floats(f) => f.seal(enc),
            Tail::Histograms(h) => histogram_encode::encode(enc, &h.rows, &h.st),
        }
    }

    /// Appends the samples with `mint <= t <= maxt` to `out`.
    pub(super) fn read(&self, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) {
        match self {
            Tail::Empty => {}
            Tail::Floats(f) => f.read(mint, maxt, st, out),
            Tail::Histograms(h) => h.read(mint, maxt, st, out),
        }
    }

    /// The newest sample with `mint <= t <= maxt`.
    #[inline]
    pub(super) fn latest(&self, mint: i64, maxt: i64) -> Option<(i64, Value)> {
        match self {
            Tail::Empty => None,
            Tail::Floats(f) => {
                let i = f.range(mint, maxt).next_back()?;
                Some((f.base + i64::from(*f.offsets.get(i)?), Value::Float(*f.values.get(i)?)))
            }
            Tail::Histograms(h) => {
                let (t, h) = h.rows.iter().rev().find(|(t, _)| *t <= maxt)?;
                (*t >= mint).then(|| (*t, Value::Histogram(h.clone())))
            }
        }
    }

    /// Times of the first and the last sample.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        match self {
            Tail::Empty => None,
            Tail::Floats(f) => Some((f.base, f.base + i64::from(*f.offsets.last()?))),
            Tail::Histograms(h) => Some((h.rows.first()?.0, h.rows.last()?.0)),
        }
    }

    /// The number of samples.
    pub(super) fn len(&self) -> usize {
        match self {
            Tail::Empty => 0,
            Tail::Floats(f) => f.values.len(),
            Tail::Histograms(h) => h.rows.len(),
        }
    }

    /// Whether the newest sample marks the end of its series.
    pub(super) fn newest_is_stale(&self) -> bool {
        match self {
            Tail::Empty => false,
            Tail::Floats(f) => f.values.last().is_some_and(|v| is_stale(*v)),
            Tail::Histograms(h) => h.rows.last().is_some_and(|(_, h)| is_stale(h.sum)),
        }
    }

    /// Whether the newest sample, at the time asked about, is this one.
    pub(super) fn newest_is(&self, value: &Value) -> bool {
        match (self, value) {
            (Tail::Floats(f), Value::Float(v)) => f.values.last().is_some_and(|n| n.to_bits() == v.to_bits()),
            (Tail::Histograms(t), Value::Histogram(h)) => t.rows.last().is_some_and(|(_, n)| n == h),
            _ => false,
        }
    }
}
