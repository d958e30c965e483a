//! Spans: what was done from when to when, for an exporter of traces. Whoever works notes them; nothing waits for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Collect, Counter, Exposition, Figure, counter, gauge};

/// Most spans that wait to be exported; more are dropped and counted.
const MOST_WAITING: usize = 8192;

/// What a span is to those who look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside.
    Internal,
    /// A request that came in.
    Server,
    /// A request that went out.
    Client,
}

/// Which span: of which trace, and which one in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
}

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which.
    pub id: SpanId,
    /// The span it is a part of.
    pub parent: Option<u64>,
    /// What was done.
    pub name: String,
    /// What it is to others.
    pub kind: SpanKind,
    /// When it ended, milliseconds.
    pub ended_at: i64,
    /// How long it took.
    pub took: Duration,
    /// What else is to be known of it.
    pub attributes: Vec<(&'static str, String)>,
    /// Why it failed; nothing when it did not.
    pub error: Option<String>,
}

/// Takes spans. Clones share it.
#[derive(Clone, Default)]
pub struct Tracer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    // A trace is taken when the low half of its id is below this: 0 takes none.
    below: AtomicU64,
    ids: AtomicU64,
    waiting: Mutex<VecDeque<Span>>,
    taken: Counter,
    dropped: Counter,
    exported: Counter,
    failed: Counter,
}

impl Tracer {
    /// Takes so large a part of all traces from now on: 0 none, 1 all.
    pub fn sample(&self, fraction: f64) {
        // The cast saturates: 1 is all but one in 2^64.
        self.0.below.store((fraction.clamp(0.0, 1.0) * u64::MAX as f64) as u64, Ordering::Relaxed);
        if fraction <= 0.0 {
            self.0.waiting.lock().clear();
        }
    }

    /// Whether any traces are taken.
    pub fn is_on(&self) -> bool {
        self.0.below.load(Ordering::Relaxed) > 0
    }

    /// Whether a trace is taken, which follows from its id.
    fn takes(&self, trace: u128) -> bool {
        (trace as u64) < self.0.below.load(Ordering::Relaxed)
    }

    /// The id of a span that begins a trace of its own, if that is taken. `salt` makes ids differ between processes.
    pub fn begin(&self, salt: u64) -> Option<SpanId> {
        if !self.is_on() {
            return None;
        }
        let n = self.0.ids.fetch_add(1, Ordering::Relaxed);
        let trace = u128::from(mix(n ^ salt.rotate_left(32))) << 64 | u128::from(mix(n.wrapping_add(salt)));
        self.takes(trace).then(|| SpanId { trace, span: self.next(trace) })
    }

    /// The id of a span in the trace of what these bytes name, if that is taken.
    pub fn within(&self, name: &[u8]) -> Option<SpanId> {
        if !self.is_on() {
            return None;
        }
        let half = |seed| u128::from(twox_hash::XxHash64::oneshot(seed, name));
        let trace = half(1) << 64 | half(2);
        self.takes(trace).then(|| SpanId { trace, span: self.next(trace) })
    }

    /// The id of a span in a trace that somebody else has decided to take.
    pub fn child(&self, trace: u128) -> Option<SpanId> {
        self.is_on().then(|| SpanId { trace, span: self.next(trace) })
    }

    fn next(&self, trace: u128) -> u64 {
        // No id is zero.
        mix(self.0.ids.fetch_add(1, Ordering::Relaxed) ^ (trace >> 64) as u64).max(1)
    }

    /// Takes a span; it is dropped when too many wait.
    pub fn note(&self, span: Span) {
        let mut waiting = self.0.waiting.lock();
        if waiting.len() < MOST_WAITING {
            waiting.push_back(span);
            self.0.taken.inc();
        } else {
            self.0.dropped.inc();
        }
    }

    /// The spans that have waited longest, at most so many.
    pub fn take(&self, most: usize) -> Vec<Span> {
        let mut waiting = self.0.waiting.lock();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.waiting.lock().len()
    }

    /// So many were exported, or could not be.
    pub fn count(&self, spans: usize, arrived: bool) {
        if arrived { &self.0.exported } else { &self.0.failed }.add(spans as u64);
    }
}

/// Stafford's finalizer: neighbours in, nothing alike out.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

const FIGURES: [Figure<Tracer>; 5] = [
    counter("watchbell_traces_spans_total", "Spans taken to be exported.", |t| t.0.taken.get() as f64),
    counter("watchbell_traces_spans_dropped_total", "Spans dropped because too many waited.", |t| {
        t.0.dropped.get() as f64
    }),
    counter("watchbell_traces_spans_exported_total", "Spans that were exported.", |t| t.0.exported.get() as f64),
    counter("watchbell_traces_spans_failed_total", "Spans that could not be exported.", |t| t.0.failed.get() as f64),
    gauge("watchbell_traces_spans_waiting", "Spans that wait to be exported.", |t| t.waiting() as f64),
];

impl Collect for Tracer {
    fn collect(&self, out: &mut Exposition) {
        out.figures(&FIGURES, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: SpanId) -> Span {
        let (attributes, error) = (Vec::new(), None);
        let (name, kind, took) = ("x".into(), SpanKind::Internal, Duration::ZERO);
        Span { id, parent: None, name, kind, ended_at: 0, took, attributes, error }
    }

    #[test]
    fn a_part_of_traces_is_taken_and_what_waits_is_bounded() {
        let tracer = Tracer::default();
        assert!(tracer.begin(1).is_none() && tracer.within(b"a").is_none());
        tracer.sample(0.25);
        let taken = (0..4000).filter(|_| tracer.begin(7).is_some()).count();
        assert!((800..1200).contains(&taken), "{taken}");
        tracer.sample(1.0);
        let (one, again) = (tracer.within(b"a").unwrap(), tracer.within(b"a").unwrap());
        assert!(one.trace == again.trace && one.span != again.span, "two spans of one trace");
        (0..MOST_WAITING + 3).for_each(|_| tracer.note(span(one)));
        assert_eq!((tracer.waiting(), tracer.0.dropped.get()), (MOST_WAITING, 3));
        assert_eq!(tracer.take(10).len(), 10);
    }
}
