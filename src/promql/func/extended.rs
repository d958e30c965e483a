//! `anchored` and `smoothed` ranges: the change between the values at the range's very ends, instead of one carried on
//! from the samples inside.

use std::sync::Arc;

use super::super::annotations::Note;
use super::extrapolate::Change;
use super::histogram_rate::{Sample, incompatible, settle};
use super::{FnCtx, Out, RangeMode, Window};
use crate::model::FloatHistogram;
use crate::model::histogram::{CounterResetHint, HistogramError};

/// `rate`, `increase` and `delta` of an anchored or smoothed range.
pub(super) fn change(w: &Window<'_>, what: Change, ctx: &mut FnCtx<'_>) -> Out {
    let w = &from_anchor(w);
    let seconds = (w.end - w.start) as f64 / 1000.0;
    match (w.ts.is_empty(), w.hists.is_empty()) {
        (true, true) => Out::None,
        (false, false) => {
            ctx.note_arg(0, Note::MixedFloatsHistograms(ctx.metric_name()));
            Out::None
        }
        (false, true) => match float_change(w, what.of_counter()) {
            None => Out::None,
            Some(v) => Out::Float(if what == Change::Rate { v / seconds } else { v }),
        },
        (true, false) => match histogram_change(w, what.of_counter(), ctx) {
            None => Out::None,
            Some(mut h) => {
                if what == Change::Rate {
                    h.div(seconds);
                }
                Out::Histogram(Arc::new(h))
            }
        },
    }
}

/// An anchored window from its anchor on: the last sample at or before the start, be it a float or a histogram.
pub(super) fn from_anchor<'a>(w: &Window<'a>) -> Window<'a> {
    if w.mode != RangeMode::Anchored {
        return *w;
    }
    let float = w.ts.partition_point(|t| *t <= w.start).checked_sub(1).and_then(|i| w.ts.get(i)).copied();
    let histogram = w.hists.partition_point(|(t, _)| *t <= w.start).checked_sub(1).and_then(|i| w.hists.get(i));
    let Some(anchor) = float.max(histogram.map(|(t, _)| *t)) else { return *w };
    let floats = w.ts.partition_point(|t| *t < anchor);
    let histograms = w.hists.partition_point(|(t, _)| *t < anchor);
    Window {
        ts: w.ts.get(floats..).unwrap_or_default(),
        vs: w.vs.get(floats..).unwrap_or_default(),
        hists: w.hists.get(histograms..).unwrap_or_default(),
        float_st: w.float_st.get(floats..).unwrap_or_default(),
        hist_st: w.hist_st.get(histograms..).unwrap_or_default(),
        ..*w
    }
}

/// The samples that make up an extended range.
struct Selected {
    /// The sample at the left end, or the last before it, or the first there is.
    first: usize,
    /// The sample at the right end, or (smoothed) the first after it, or the last there is.
    last: usize,
    /// From the first sample after the left end (exclusive, as the value at the end stands for it)...
    inner_from: usize,
    /// ...to one past the last sample before the right end.
    inner_to: usize,
}

/// Chooses samples by their times; `None` when the range has nothing to say.
fn select(len: usize, time: impl Fn(usize) -> i64, w: &Window<'_>) -> Option<Selected> {
    let partition = |p: &dyn Fn(i64) -> bool| {
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low + (high - low) / 2;
            if p(time(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    };
    let first = partition(&|t| t <= w.start).saturating_sub(1);
    let last = match w.mode {
        RangeMode::Smoothed => partition(&|t| t < w.end).min(len.checked_sub(1)?),
        _ => partition(&|t| t <= w.end).checked_sub(1)?,
    };
    if time(last) <= w.start || time(first) > w.end {
        return None;
    }
    let inner_from = if time(first) <= w.start { first + 1 } else { first };
    let inner_to = if time(last) >= w.end { last } else { last + 1 };
    Some(Selected { first, last, inner_from, inner_to: inner_to.max(inner_from) })
}

/// The value on the line from `(t0, v0)` to `(t1, v1)` at `t`; a counter that was reset in between rose from zero.
pub fn interpolate((t0, v0): (i64, f64), (t1, v1): (i64, f64), t: i64, counter: bool) -> f64 {
    let from = if counter && v1 < v0 { 0.0 } else { v0 };
    from + (v1 - from) * ((t - t0) as f64) / ((t1 - t0) as f64)
}

/// The same for histograms.
///
/// # Errors
/// When one has exponential and the other custom buckets.
pub fn interpolate_histogram(
    a: &Sample,
    b: &Sample,
    t: i64,
    counter: bool,
) -> Result<Arc<FloatHistogram>, HistogramError> {
    let fraction = (t - a.0) as f64 / (b.0 - a.0) as f64;
    let mut h = FloatHistogram::clone(&b.1);
    if a.1.uses_custom_buckets() != b.1.uses_custom_buckets() {
        return Err(HistogramError::IncompatibleSchemas);
    }
    if counter && b.1.detect_reset(&a.1) {
        h.mul(fraction);
        return Ok(Arc::new(h));
    }
    h.sub(&a.1)?;
    h.mul(fraction);
    h.add(&a.1)?;
    h.counter_reset_hint = b.1.counter_reset_hint;
    Ok(Arc::new(h))
}

fn float_change(w: &Window<'_>, counter: bool) -> Option<f64> {
    let at = |i: usize| Some((*w.ts.get(i)?, *w.vs.get(i)?));
    let s = select(w.ts.len(), |i| w.ts.get(i).copied().unwrap_or(i64::MAX), w)?;
    let smoothed = w.mode == RangeMode::Smoothed;
    let (first, last) = (at(s.first)?, at(s.last)?);
    let left = match at(s.first + 1) {
        Some(next) if smoothed && first.0 < w.start => interpolate(first, next, w.start, counter),
        _ => first.1,
    };
    let right = match s.last.checked_sub(1).and_then(at) {
        Some(previous) if smoothed && last.0 > w.end => interpolate(previous, last, w.end, counter),
        _ => last.1,
    };
    let mut total = right - left;
    if counter {
        let inner = w.vs.get(s.inner_from..s.inner_to).unwrap_or_default();
        let mut correction = 0.0;
        let mut before = left;
        for now in inner.iter().chain([&right]) {
            if *now < before {
                correction += before;
            }
            before = *now;
        }
        total += correction;
    }
    Some(total)
}

fn histogram_change(w: &Window<'_>, counter: bool, ctx: &mut FnCtx<'_>) -> Option<FloatHistogram> {
    let s = select(w.hists.len(), |i| w.hists.get(i).map_or(i64::MAX, |(t, _)| *t), w)?;
    let smoothed = w.mode == RangeMode::Smoothed;
    let used = w.hists.get(s.first..=s.last)?;
    let custom = used.first()?.1.uses_custom_buckets();
    note_kind(used, counter, ctx);
    let relevant = if counter { used } else { &[] };
    let ends = [used.first()?, used.last()?];
    if relevant.iter().chain(ends).any(|(_, h)| h.uses_custom_buckets() != custom) {
        return incompatible(ctx);
    }
    let (first, last) = (w.hists.get(s.first)?, w.hists.get(s.last)?);
    // Whether the left end lies in a gap with a reset; it then is a value after that reset.
    let mut crossed_left = false;
    let left = match w.hists.get(s.first + 1) {
        Some(next) if smoothed && first.0 < w.start => {
            crossed_left = counter && next.1.detect_reset(&first.1);
            interpolate_histogram(first, next, w.start, counter).ok().or_else(|| incompatible(ctx))?
        }
        _ => first.1.clone(),
    };
    let right = match s.last.checked_sub(1).and_then(|i| w.hists.get(i)) {
        Some(previous) if smoothed && last.0 > w.end => {
            interpolate_histogram(previous, last, w.end, counter).ok().or_else(|| incompatible(ctx))?
        }
        _ => last.1.clone(),
    };
    let schema = relevant.iter().map(|(_, h)| h.schema).chain([left.schema, right.schema]).min()?;
    let mut total = right.to_schema(schema);
    settle(total.sub(&left), "subtraction", ctx)?;
    if counter {
        add_lost(&mut total, w, &s, (&left, crossed_left), &right, ctx)?;
    }
    total.counter_reset_hint = CounterResetHint::Gauge;
    total.compact(0);
    Some(total)
}

/// Adds what resets between the left and the right end took away.
fn add_lost(
    total: &mut FloatHistogram,
    w: &Window<'_>,
    s: &Selected,
    (left, crossed_left): (&Arc<FloatHistogram>, bool),
    right: &Arc<FloatHistogram>,
    ctx: &mut FnCtx<'_>,
) -> Option<()> {
    let inner = w.hists.get(s.inner_from..s.inner_to).unwrap_or_default();
    let mut before = left;
    let points = inner.iter().map(|(_, h)| h).chain([right]);
    for (i, now) in points.enumerate() {
        // The value at an end may be the very sample beside it, which is no reset of itself.
        let known = (i == 0 && crossed_left) || Arc::ptr_eq(before, now);
        if !known && now.detect_reset(before) {
            settle(total.add(before), "addition", ctx)?;
        }
        before = now;
    }
    Some(())
}

/// Notes gauges among counters, or counters at the ends of gauges.
fn note_kind(used: &[Sample], counter: bool, ctx: &mut FnCtx<'_>) {
    let gauge = |s: &Sample| s.1.counter_reset_hint == CounterResetHint::Gauge;
    if counter && used.iter().any(gauge) {
        ctx.note_arg(0, Note::NativeHistogramNotCounter(ctx.metric_name()));
    }
    let ends = used.first().into_iter().chain(used.last());
    if !counter && !ends.into_iter().all(gauge) {
        ctx.note_arg(0, Note::NativeHistogramNotGauge(ctx.metric_name()));
    }
}
