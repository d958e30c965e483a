//! Samples: a float or a native histogram at a time, and columns of samples.

use std::sync::Arc;

use super::histogram::FloatHistogram;
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
