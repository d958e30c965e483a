//! Samples: a float or a native histogram at a time, and columns of samples.

use std::sync::Arc;

use super::histogram::{CounterResetHint, FloatHistogram};
use super::stale::is_stale;

/// What a series holds at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A float sample.
    Float(f64),
    /// A native histogram, as floats.
    Histogram(Arc<FloatHistogram>),
}

impl Value {
    /// The float, `None` for a histogram.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(v) => Some(*v),
            Value::Histogram(_) => None,
        }
    }

    /// Whether two values are the same, floats bit by bit.
    pub fn is_identical(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Histogram(a), Value::Histogram(b)) => a == b,
            _ => false,
        }
    }

    /// Whether the value is a staleness marker (for a histogram: its sum is).
    pub fn is_stale(&self) -> bool {
        match self {
            Value::Float(v) => is_stale(*v),
            Value::Histogram(h) => is_stale(h.sum),
        }
    }
}

/// Samples of one series as columns, ascending in time: floats apart from histograms, so that the common case is two
/// plain slices. Buffers are reused: [`SampleBuf::clear`] keeps their memory.
#[derive(Clone, Debug, Default)]
pub struct SampleBuf {
    /// Times of the float samples, milliseconds.
    pub ts: Vec<i64>,
    /// Values of the float samples, as long as `ts`.
    pub vs: Vec<f64>,
    /// Histogram samples, ascending in time; empty for a series of floats.
    pub hists: Vec<(i64, Arc<FloatHistogram>)>,
    /// Start timestamps (0: unknown) of the float samples: empty, or as long as `ts`. Only filled when asked for.
    pub float_st: Vec<i64>,
    /// Start timestamps (0: unknown) of the histogram samples: empty, or as long as `hists`.
    pub hist_st: Vec<i64>,
    /// The file of which a part could not be read: samples may be missing. `None` when all is here.
    pub damaged: Option<Arc<str>>,
}

impl SampleBuf {
    /// Removes all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.ts.clear();
        self.vs.clear();
        self.hists.clear();
        self.float_st.clear();
        self.hist_st.clear();
        self.damaged = None;
    }

    /// Keeps the first `floats` float samples and the first `histograms` histograms.
    pub fn truncate(&mut self, floats: usize, histograms: usize) {
        self.ts.truncate(floats);
        self.vs.truncate(floats);
        self.float_st.truncate(floats);
        self.hists.truncate(histograms);
        self.hist_st.truncate(histograms);
    }

    /// Whether what was appended at `at` begins no later than what is before it, from `begin` on, ends. Both are numbers of
    /// floats and of histograms.
    pub fn goes_back(&self, begin: (usize, usize), at: (usize, usize)) -> bool {
        let time = |i: usize| self.hists.get(i).map(|(t, _)| *t);
        let back = |begin: usize, at: usize, time: &dyn Fn(usize) -> Option<i64>| {
            begin < at && time(at).zip(time(at - 1)).is_some_and(|(next, last)| next <= last)
        };
        back(begin.0, at.0, &|i| self.ts.get(i).copied()) || back(begin.1, at.1, &time)
    }

    /// Forgets what the histogram at a place says of the one that was before it where it came from. Nothing is lost by
    /// it: who wants to know compares the two.
    pub fn doubt_hint(&mut self, at: usize) {
        if let Some((_, h)) = self.hists.get_mut(at)
            && h.counter_reset_hint == CounterResetHint::NotReset
        {
            Arc::make_mut(h).counter_reset_hint = CounterResetHint::Unknown;
        }
    }

    /// Puts what was appended from `begin` on, a number of floats and one of histograms, in the order of time. Of samples of
    /// one kind at one time the first stays. Where that moves histograms, their hints no longer speak of the one before
    /// them: nothing is known then of counter resets.
    pub fn settle(&mut self, (floats, histograms): (usize, usize)) {
        let order = order_of(self.ts.get(floats..).unwrap_or(&[]).iter().copied());
        rearrange(&mut self.ts, floats, &order);
        rearrange(&mut self.vs, floats, &order);
        rearrange(&mut self.float_st, floats, &order);
        let mixed = self.hists.get(histograms..).unwrap_or(&[]);
        let order = order_of(mixed.iter().map(|(t, _)| *t));
        if order.len() == mixed.len() && order.is_sorted() {
            return;
        }
        rearrange(&mut self.hists, histograms, &order);
        rearrange(&mut self.hist_st, histograms, &order);
        for (_, h) in self.hists.iter_mut().skip(histograms) {
            if matches!(h.counter_reset_hint, CounterResetHint::Reset | CounterResetHint::NotReset) {
                Arc::make_mut(h).counter_reset_hint = CounterResetHint::Unknown;
            }
        }
    }

    /// Keeps of the samples from a place on those at times that `keep` says. A histogram behind one that is left out says
    /// nothing of counter resets any more.
    pub fn retain_from(&mut self, floats: usize, histograms: usize, keep: impl Fn(i64) -> bool) {
        let mut kept = floats;
        for i in floats..self.ts.len() {
            if self.ts.get(i).is_some_and(|t| keep(*t)) {
                self.ts.swap(kept, i);
                self.vs.swap(kept, i);
                if self.float_st.len() > i {
                    self.float_st.swap(kept, i);
                }
                kept += 1;
            }
        }
        let (mut kept_histograms, mut is_gap) = (histograms, false);
        for i in histograms..self.hists.len() {
            if !self.hists.get(i).is_some_and(|(t, _)| keep(*t)) {
                is_gap = true;
                continue;
            }
            self.hists.swap(kept_histograms, i);
            if self.hist_st.len() > i {
                self.hist_st.swap(kept_histograms, i);
            }
            if std::mem::take(&mut is_gap) {
                self.doubt_hint(kept_histograms);
            }
            kept_histograms += 1;
        }
        self.truncate(kept, kept_histograms);
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty() && self.hists.is_empty()
    }

    /// The number of samples, floats and histograms.
    pub fn len(&self) -> usize {
        self.ts.len() + self.hists.len()
    }

    /// Appends a float sample. Times ascend.
    #[inline]
    pub fn push(&mut self, t: i64, v: f64) {
        self.ts.push(t);
        self.vs.push(v);
    }

    /// Appends a histogram sample. Times ascend.
    pub fn push_histogram(&mut self, t: i64, h: Arc<FloatHistogram>) {
        self.hists.push((t, h));
    }
}

/// Where the samples with these times go: ascending, each time once.
fn order_of(times: impl Iterator<Item = i64>) -> Vec<usize> {
    let times: Vec<i64> = times.collect();
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|i| times.get(*i));
    order.dedup_by_key(|i| times.get(*i));
    order
}

/// Replaces a column from `begin` on by its elements in an order; a column that is not filled stays so.
fn rearrange<T: Clone>(column: &mut Vec<T>, begin: usize, order: &[usize]) {
    let Some(from) = column.get(begin..).filter(|from| !from.is_empty()) else { return };
    let arranged: Vec<T> = order.iter().filter_map(|i| from.get(*i).cloned()).collect();
    column.truncate(begin);
    column.extend(arranged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_say_is_put_in_order_of_time_and_the_first_to_say_it_counts() {
        let mut buf = SampleBuf::default();
        for (t, v) in [(9, 0.9), (1, 1.0), (5, 5.0), (3, 3.0), (5, 5.5), (4, 4.0)] {
            buf.push(t, v);
            buf.float_st.push(10 * t);
        }
        assert!(buf.goes_back((1, 0), (3, 0)) && !buf.goes_back((1, 0), (2, 0)) && !buf.goes_back((1, 0), (1, 0)));
        buf.settle((1, 0));
        assert_eq!(buf.ts, [9, 1, 3, 4, 5]);
        assert_eq!(buf.vs, [0.9, 1.0, 3.0, 4.0, 5.0]);
        assert_eq!(buf.float_st, [90, 10, 30, 40, 50]);
    }
    #[test]
    fn histograms_that_are_mixed_say_nothing_of_those_before_them() {
        use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
        let of = |rows: &[(i64, CounterResetHint)]| {
            let mut buf = SampleBuf::default();
            for (t, hint) in rows {
                buf.push_histogram(*t, Arc::new(FloatHistogram { counter_reset_hint: *hint, ..Default::default() }));
            }
            buf.settle((0, 0));
            buf.hists.iter().map(|(t, h)| (*t, h.counter_reset_hint)).collect::<Vec<_>>()
        };
        let in_order = [(1, Unknown), (2, NotReset), (3, Reset), (4, Gauge)];
        assert_eq!(of(&in_order), in_order);
        let mixed = [(1, Unknown), (3, NotReset), (4, Reset), (5, Gauge), (2, NotReset)];
        assert_eq!(of(&mixed), [(1, Unknown), (2, Unknown), (3, Unknown), (4, Unknown), (5, Gauge)]);
        let mut buf = SampleBuf::default();
        for hint in [NotReset, Reset, Gauge] {
            buf.push_histogram(1, Arc::new(FloatHistogram { counter_reset_hint: hint, ..Default::default() }));
        }
        (0..4).for_each(|at| buf.doubt_hint(at));
        assert_eq!(buf.hists.iter().map(|(_, h)| h.counter_reset_hint).collect::<Vec<_>>(), [Unknown, Reset, Gauge]);
    }
}
