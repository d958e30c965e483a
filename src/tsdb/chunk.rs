//! Chunks: runs of samples of one series, compressed, of one kind (floats or histograms of one layout).
//!
//! A chunk is self-delimiting, so that the chunks of a series lie one behind the other in a file:
//!
//! ```text
//! flags    u8: kind, start timestamps present, counter-reset hint of the first histogram
//! count    varint, 1..=MAX_COUNT
//! mint     zigzag varint
//! span     varint: maxt - mint
//! size     varint: bytes of the body
//! body     timestamps (deltas, pfor), start timestamps if present (deltas, pfor), then
//!          floats: one column; histograms: see `histogram_chunk`
//! ```

use crate::model::{SampleBuf, Value};

use super::bits::{Reader, put_ivarint, put_uvarint};
use super::{floats, histogram_chunk, pfor};

/// The most samples one chunk holds.
pub(super) const MAX_COUNT: usize = 480;
/// Chunks do not cross a multiple of this (2 h, Prometheus' head block range): files are cut by time.
pub(super) const WINDOW_MS: i64 = 2 * 3600 * 1000;

const HISTOGRAMS: u8 = 1;
const START_TIMESTAMPS: u8 = 2;
const HINT_SHIFT: u32 = 2;

/// The first time that lies in a later window than `t`.
pub(super) fn window_end(t: i64) -> i64 {
    t.div_euclid(WINDOW_MS).saturating_add(1).saturating_mul(WINDOW_MS)
}

/// A chunk in memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) mint: i64,
    pub(super) maxt: i64,
    pub(super) bytes: Box<[u8]>,
}

impl Chunk {
    /// The number of samples.
    pub(super) fn count(&self) -> u32 {
        ChunkView::parse(&mut Reader::new(&self.bytes)).map_or(0, |v| v.count as u32)
    }
}

/// Encodes chunks; holds the memory to do so.
#[derive(Debug, Default)]
pub(super) struct ChunkEncoder {
    pub(super) floats: floats::Encoder,
    deltas: Vec<i64>,
    scratch: Vec<i64>,
    pub(super) body: Vec<u8>,
    pub(super) frame: Vec<u8>,
    /// Samples of chunks that become one.
    pub(super) joined: SampleBuf,
}

impl ChunkEncoder {
    /// Encodes float samples: `ts` strictly ascending and not empty, `vs` as long, `st` as long or empty.
    pub(super) fn floats(&mut self, ts: &[i64], vs: &[f64], st: &[i64]) -> Chunk {
        self.start(ts, st);
        self.floats.encode(vs, &mut self.body);
        self.finish(ts, 0, st)
    }

    /// Starts a body with its time columns.
    pub(super) fn start(&mut self, ts: &[i64], st: &[i64]) {
        self.body.clear();
        self.deltas.clear();
        self.deltas.extend(ts.iter().zip(ts.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a)));
        pfor::encode(&self.deltas, &mut self.scratch, &mut self.body);
        if !st.is_empty() {
            // They mostly stay put, so their deltas do best; the first is relative to the epoch.
            self.deltas.clear();
            let mut previous = 0i64;
            for s in st {
                self.deltas.push(s.wrapping_sub(previous));
                previous = *s;
            }
            pfor::encode(&self.deltas, &mut self.scratch, &mut self.body);
        }
    }

    /// Puts the head before the body.
    pub(super) fn finish(&mut self, ts: &[i64], kind: u8, st: &[i64]) -> Chunk {
        let mint = ts.first().copied().unwrap_or(0);
        let maxt = ts.last().copied().unwrap_or(mint);
        let mut bytes = Vec::with_capacity(self.body.len() + 24);
        bytes.push(kind | if st.is_empty() { 0 } else { START_TIMESTAMPS });
        put_uvarint(&mut bytes, ts.len() as u64);
        put_ivarint(&mut bytes, mint);
        put_uvarint(&mut bytes, maxt.wrapping_sub(mint) as u64);
        put_uvarint(&mut bytes, self.body.len() as u64);
        bytes.extend_from_slice(&self.body);
        Chunk { mint, maxt, bytes: bytes.into_boxed_slice() }
    }

    /// The kind byte of a chunk of histograms whose first one has this hint.
    pub(super) fn histogram_kind(hint: u8) -> u8 {
        HISTOGRAMS | hint << HINT_SHIFT
    }
}

/// An encoded chunk, its head read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkView<'a> {
    pub(super) mint: i64,
    pub(super) maxt: i64,
    pub(super) count: usize,
    flags: u8,
    body: &'a [u8],
}

impl<'a> ChunkView<'a> {
    /// Reads the head of the chunk at the front of `r` and moves `r` behind the chunk.
    #[inline]
    pub(super) fn parse(r: &mut Reader<'a>) -> Option<Self> {
        let flags = r.u8()?;
        let count = r.size().filter(|n| (1..=MAX_COUNT).contains(n))?;
        let mint = r.ivarint()?;
        let maxt = mint.wrapping_add(r.uvarint()? as i64);
        let size = r.size()?;
        let body = r.take(size)?;
        (maxt >= mint).then_some(ChunkView { mint, maxt, count, flags, body })
    }

    pub(super) fn is_histograms(&self) -> bool {
        self.flags & HISTOGRAMS != 0
    }

    pub(super) fn has_start_timestamps(&self) -> bool {
        self.flags & START_TIMESTAMPS != 0
    }

    /// Appends the samples with `mint <= t <= maxt` to `out`. `None` when the bytes are damaged; `out` may then hold
    /// part of them.
    pub(super) fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Option<()> {
        if self.is_histograms() {
            return self.read_histograms(mint, maxt, start_timestamps, out);
        }
        let at = out.ts.len();
        let mut r = Reader::new(self.body);
        self.times(&mut r, &mut out.ts)?;
        // Samples behind the interval are not decoded; those before it have to be, the coding leads through them.
        let want = if self.maxt <= maxt { self.count } else { end_of(&out.ts, at, maxt) };
        out.ts.truncate(at + want);
        self.st_column(&mut r, want, start_timestamps.then_some((&mut out.float_st, at)))?;
        floats::decode(&mut r, self.count, want, &mut out.vs)?;
        if self.mint < mint {
            let skip = start_of(&out.ts, at, mint);
            out.ts.drain(at..at + skip);
            out.vs.drain(at..at + skip);
            if start_timestamps {
                out.float_st.drain(at..at + skip);
            }
        }
        Some(())
    }

    fn read_histograms(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Option<()> {
        let mut r = Reader::new(self.body);
        let mut ts = Vec::with_capacity(self.count);
        self.times(&mut r, &mut ts)?;
        let (from, to) = (start_of(&ts, 0, mint), end_of(&ts, 0, maxt));
        let mut st = Vec::new();
        self.st_column(&mut r, to, start_timestamps.then_some((&mut st, 0)))?;
        let wanted = ts.get(from..to).unwrap_or(&[]);
        if wanted.is_empty() {
            return Some(());
        }
        let hint = self.flags >> HINT_SHIFT;
        histogram_chunk::decode(&mut r, self.count, from, wanted, hint, &mut out.hists)?;
        if start_timestamps {
            out.hist_st.resize(out.hists.len() - wanted.len(), 0);
            out.hist_st.extend(st.get(from..to).unwrap_or(&[]));
        }
        Some(())
    }

    fn times(&self, r: &mut Reader<'a>, out: &mut Vec<i64>) -> Option<()> {
        pfor::Column::parse(r, self.count - 1)?.sums_into(self.mint, self.count, out)
    }

    /// Passes over the start timestamps, or appends the first `want` to a column that is `at` long.
    fn st_column(&self, r: &mut Reader<'a>, want: usize, out: Option<(&mut Vec<i64>, usize)>) -> Option<()> {
        let column = match self.flags & START_TIMESTAMPS {
            0 => None,
            _ => Some(pfor::Column::parse(r, self.count)?),
        };
        let Some((out, at)) = out else { return Some(()) };
        out.resize(at, 0);
        match column {
            None => out.resize(at + want, 0),
            Some(column) => {
                out.resize(at + want, 0);
                let (_, new) = out.split_at_mut(at);
                column.values_into(new)?;
                let mut sum = 0i64;
                for slot in new {
                    sum = sum.wrapping_add(*slot);
                    *slot = sum;
                }
            }
        }
        Some(())
    }
}

/// How many of `ts[at..]` are before `mint`.
fn start_of(ts: &[i64], at: usize, mint: i64) -> usize {
    ts.get(at..).map_or(0, |new| new.partition_point(|t| *t < mint))
}

/// How many of `ts[at..]` are not after `maxt`.
fn end_of(ts: &[i64], at: usize, maxt: i64) -> usize {
    ts.get(at..).map_or(0, |new| new.partition_point(|t| *t <= maxt))
}

/// Reads chunks that lie one behind the other: appends the samples with `mint <= t <= maxt`. `None` on damage.
pub(super) fn read_all(bytes: &[u8], mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) -> Option<()> {
    let mut r = Reader::new(bytes);
    while !r.is_empty() {
        let view = ChunkView::parse(&mut r)?;
        if view.mint > maxt {
            break;
        }
        if view.maxt >= mint {
            view.read(mint, maxt, st, out)?;
        }
    }
    Some(())
}

/// The newest sample with `mint <= t <= maxt` of chunks that lie one behind the other; the outer `None` is damage.
pub(super) fn latest(bytes: &[u8], mint: i64, maxt: i64) -> Option<Option<(i64, Value)>> {
    let mut r = Reader::new(bytes);
    let mut last = None;
    while !r.is_empty() {
        let view = ChunkView::parse(&mut r)?;
        if view.mint > maxt {
            break;
        }
        last = Some(view);
    }
    // Chunks before the last one that starts in time end before it starts: they hold nothing newer.
    let Some(view) = last.filter(|v| v.maxt >= mint) else { return Some(None) };
    let mut buf = SampleBuf::default();
    view.read(mint, maxt, false, &mut buf)?;
    let float = buf.ts.last().zip(buf.vs.last()).map(|(t, v)| (*t, Value::Float(*v)));
    Some(float.or_else(|| buf.hists.pop().map(|(t, h)| (t, Value::Histogram(h)))))
}
