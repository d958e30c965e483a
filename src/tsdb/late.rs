//! Late samples: older than the newest of their series, and taken because they are within the out-of-order window.
//!
//! They wait beside the chunks of their series, in order, and are logged in records of their own. What else was sampled in
//! their time goes to blocks first; then they follow, in blocks of their own over the same spans. Readers put in order what
//! several blocks say of one time, and merges write it down in order. Of two samples at one time the one that was there
//! first is the one.

use std::sync::Arc;

use crate::model::histogram::CounterResetHint;
use crate::model::{SampleBuf, Value};

use super::chunk::{Chunk, ChunkEncoder};
use super::tail::Tail;

/// A late sample.
#[derive(Clone, Debug)]
pub(super) struct LateSample {
    pub(super) t: i64,
    pub(super) st: i64,
    pub(super) value: Value,
}

/// The late samples of a series that are in no block yet, ascending in time.
#[derive(Debug, Default)]
pub(super) struct Late {
    pub(super) samples: Vec<LateSample>,
}

impl Late {
    /// What a histogram says of the one that its sender had before it is not about the one that is before it here.
    pub(super) fn insert(&mut self, mut sample: LateSample) {
        if let Value::Histogram(h) = &mut sample.value
            && matches!(h.counter_reset_hint, CounterResetHint::Reset | CounterResetHint::NotReset)
        {
            Arc::make_mut(h).counter_reset_hint = CounterResetHint::Unknown;
        }
        let at = self.samples.partition_point(|s| s.t < sample.t);
        self.samples.insert(at, sample);
    }

    pub(super) fn within(&self, mint: i64, maxt: i64) -> &[LateSample] {
        let from = self.samples.partition_point(|s| s.t < mint);
        let to = self.samples.partition_point(|s| s.t <= maxt);
        self.samples.get(from..to).unwrap_or(&[])
    }

    /// Time of the first one.
    pub(super) fn first(&self) -> Option<i64> {
        self.samples.first().map(|s| s.t)
    }
}

/// Samples, ascending in time, as chunks.
pub(super) fn chunks_of(samples: impl Iterator<Item = LateSample>, encoder: &mut ChunkEncoder) -> Vec<Chunk> {
    let (mut tail, mut chunks) = (Tail::Empty, Vec::new());
    for LateSample { t, st, value } in samples {
        match value {
            Value::Float(v) => tail.push_float(t, v, st, &mut chunks, encoder),
            Value::Histogram(h) => tail.push_histogram(t, h, st, &mut chunks, encoder),
        }
    }
    tail.seal_onto(&mut chunks, encoder);
    chunks
}

/// What a buffer that was read with start timestamps holds, ascending in time.
pub(super) fn samples_of(buf: SampleBuf) -> Vec<LateSample> {
    let start = |st: &[i64], i: usize| st.get(i).copied().unwrap_or(0);
    let floats = buf.ts.iter().zip(&buf.vs).enumerate();
    let floats = floats.map(|(i, (t, v))| LateSample { t: *t, st: start(&buf.float_st, i), value: Value::Float(*v) });
    let histograms = buf.hists.iter().enumerate();
    let histograms = histograms.map(|(i, (t, h))| LateSample {
        t: *t,
        st: start(&buf.hist_st, i),
        value: Value::Histogram(h.clone()),
    });
    let mut all: Vec<LateSample> = floats.chain(histograms).collect();
    all.sort_by_key(|s| s.t);
    all.dedup_by_key(|s| s.t);
    all
}
