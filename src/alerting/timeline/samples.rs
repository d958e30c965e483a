//! Columns of samples that are held in memory.

use std::sync::Arc;

use crate::model::{FloatHistogram, SampleBuf, Value};

/// Appends a sample.
pub fn push(to: &mut SampleBuf, t: i64, value: &Value) {
    match value {
        Value::Float(v) => to.push(t, *v),
        Value::Histogram(h) => to.push_histogram(t, h.clone()),
    }
}

/// Takes away what is after `until`.
pub fn cut(samples: &mut SampleBuf, until: i64) {
    let floats = samples.ts.partition_point(|t| *t <= until);
    samples.ts.truncate(floats);
    samples.vs.truncate(floats);
    let hists = samples.hists.partition_point(|(t, _)| *t <= until);
    samples.hists.truncate(hists);
}

/// Takes away what is before `t`.
pub fn drop_before(samples: &mut SampleBuf, t: i64) {
    let floats = samples.ts.partition_point(|s| *s < t);
    samples.ts.drain(..floats);
    samples.vs.drain(..floats);
    let hists = samples.hists.partition_point(|(s, _)| *s < t);
    samples.hists.drain(..hists);
}

/// What was appended to `out` since it had so many floats and histograms says nothing of when its series began.
pub fn unknown_starts(out: &mut SampleBuf, before: (usize, usize)) {
    out.float_st.resize(out.float_st.len() + out.ts.len() - before.0, 0);
    out.hist_st.resize(out.hist_st.len() + out.hists.len() - before.1, 0);
}

/// Copies the samples with `mint <= t <= maxt`.
pub fn copy_range(from: &SampleBuf, mint: i64, maxt: i64, out: &mut SampleBuf) {
    let bounds = |first: usize, last: usize| first..last.max(first);
    let floats = bounds(from.ts.partition_point(|t| *t < mint), from.ts.partition_point(|t| *t <= maxt));
    out.ts.extend_from_slice(from.ts.get(floats.clone()).unwrap_or_default());
    out.vs.extend_from_slice(from.vs.get(floats).unwrap_or_default());
    let hists = bounds(from.hists.partition_point(|(t, _)| *t < mint), from.hists.partition_point(|(t, _)| *t <= maxt));
    out.hists.extend_from_slice(from.hists.get(hists).unwrap_or_default());
}

/// The newest sample until `maxt`.
pub fn latest_in(buf: &SampleBuf, maxt: i64) -> Option<(i64, Value)> {
    let floats = buf.ts.partition_point(|t| *t <= maxt).checked_sub(1);
    let hists = buf.hists.partition_point(|(t, _)| *t <= maxt).checked_sub(1);
    let float = floats.and_then(|i| Some((*buf.ts.get(i)?, Value::Float(*buf.vs.get(i)?))));
    let hist = hists.and_then(|i| buf.hists.get(i)).map(|(t, h)| (*t, Value::Histogram(h.clone())));
    newer(float, hist)
}

/// The newest sample.
pub fn last(buf: &SampleBuf) -> Option<(i64, Value)> {
    let float = buf.ts.last().zip(buf.vs.last()).map(|(t, v)| (*t, Value::Float(*v)));
    let hist = buf.hists.last().map(|(t, h)| (*t, Value::Histogram(h.clone())));
    newer(float, hist)
}

/// The first sample after `t`.
pub fn first_after(buf: &SampleBuf, t: i64) -> Option<(i64, Value)> {
    let float = buf.ts.partition_point(|s| *s <= t);
    let float = buf.ts.get(float).zip(buf.vs.get(float)).map(|(t, v)| (*t, Value::Float(*v)));
    let hist = buf.hists.get(buf.hists.partition_point(|(s, _)| *s <= t));
    let hist = hist.map(|(t, h)| (*t, Value::Histogram(h.clone())));
    match (float, hist) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// The newer of two samples.
pub fn newer(a: Option<(i64, Value)>, b: Option<(i64, Value)>) -> Option<(i64, Value)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Two series with no time in common, merged in ascending order.
pub fn merge(a: &SampleBuf, b: &SampleBuf, out: &mut SampleBuf) {
    let mut floats: Vec<(i64, f64)> = Vec::with_capacity(a.ts.len() + b.ts.len());
    floats.extend(a.ts.iter().copied().zip(a.vs.iter().copied()));
    floats.extend(b.ts.iter().copied().zip(b.vs.iter().copied()));
    floats.sort_by_key(|(t, _)| *t);
    for (t, v) in floats {
        out.push(t, v);
    }
    let mut hists: Vec<(i64, Arc<FloatHistogram>)> = a.hists.iter().chain(&b.hists).cloned().collect();
    hists.sort_by_key(|(t, _)| *t);
    out.hists.extend(hists);
    if let Some(file) = a.damaged.as_ref().or(b.damaged.as_ref()) {
        out.damaged.get_or_insert_with(|| file.clone());
    }
}
