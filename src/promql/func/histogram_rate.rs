//! The change between the first and the last of several native histograms.

use std::sync::Arc;

use super::super::annotations::Note;
use super::FnCtx;
use super::starts::Starts;
use crate::model::FloatHistogram;
use crate::model::histogram::{CounterResetHint, HistogramError, Reconciled};

/// A sample of a native histogram.
pub(super) type Sample = (i64, Arc<FloatHistogram>);

/// Histograms to take the difference of.
pub(super) struct Reading<'a> {
    /// At least one; two where `from_zero` is not set.
    pub hists: &'a [Sample],
    /// Their start timestamps.
    pub starts: Starts<'a>,
    /// Whether a zero sample comes before the first.
    pub from_zero: bool,
    /// Whether resets count.
    pub counter: bool,
}

/// A histogram of nothing in the layout of `of`.
fn nothing_like(of: &FloatHistogram) -> FloatHistogram {
    FloatHistogram { schema: of.schema, custom_values: of.custom_values.clone(), ..FloatHistogram::default() }
}

/// The change over a reading, resets made up for; a gauge, compacted. Says what was odd; `None` when the histograms do
/// not go together.
pub(super) fn difference(r: &Reading<'_>, ctx: &mut FnCtx<'_>) -> Option<FloatHistogram> {
    let (first, last) = (&r.hists.first()?.1, &r.hists.last()?.1);
    if r.counter && r.hists.iter().any(|(_, h)| h.counter_reset_hint == CounterResetHint::Gauge) {
        ctx.note_arg(0, Note::NativeHistogramNotCounter(ctx.metric_name()));
    }
    // Where the counter was reset right after the first sample, that one's layout does not matter.
    let reset_after_first = r.counter && reset_before(r, 1);
    let base = match r.hists.get(1) {
        _ if r.from_zero => nothing_like(first),
        Some((_, second)) if reset_after_first => nothing_like(second),
        _ => FloatHistogram::clone(first),
    };
    let seen = if r.counter { r.hists.get(1..).unwrap_or_default() } else { std::slice::from_ref(r.hists.last()?) };
    if seen.iter().any(|(_, h)| h.uses_custom_buckets() != base.uses_custom_buckets()) {
        return incompatible(ctx);
    }
    let schema = seen.iter().map(|(_, h)| h.schema).fold(base.schema, i32::min);
    let mut h = last.to_schema(schema);
    settle(h.sub(&base), "subtraction", ctx)?;
    if r.counter {
        // A reset right after the first sample has been dealt with by starting from nothing.
        let first_open = if reset_after_first && !r.from_zero { 2 } else { 1 };
        for (i, (_, before)) in r.hists.iter().enumerate().skip(first_open - 1) {
            if reset_before(r, i + 1) {
                settle(h.add(before), "addition", ctx)?;
            }
        }
    } else if [first, last].iter().any(|h| h.counter_reset_hint != CounterResetHint::Gauge) {
        ctx.note_arg(0, Note::NativeHistogramNotGauge(ctx.metric_name()));
    }
    h.counter_reset_hint = CounterResetHint::Gauge;
    h.compact(0);
    Some(h)
}

/// Whether the counter was reset between sample `i - 1` and sample `i`.
fn reset_before(r: &Reading<'_>, i: usize) -> bool {
    match r.hists.get(i.wrapping_sub(1)..=i) {
        Some([(t0, before), (t1, now)]) => now.detect_reset(before) || r.starts.reset(i, *t0, *t1),
        _ => false,
    }
}

/// The change between two successive samples, a gauge, compacted.
pub(super) fn last_difference(
    (_, before): &Sample,
    (_, now): &Sample,
    counter: bool,
    started_anew: bool,
    ctx: &mut FnCtx<'_>,
) -> Option<FloatHistogram> {
    let gauges = [before, now].map(|h| h.counter_reset_hint == CounterResetHint::Gauge);
    if counter && gauges.contains(&true) {
        ctx.note_arg(0, Note::NativeHistogramNotCounter(ctx.metric_name()));
    }
    if !counter && gauges.contains(&false) {
        ctx.note_arg(0, Note::NativeHistogramNotGauge(ctx.metric_name()));
    }
    let mut h = FloatHistogram::clone(now);
    if !(counter && (started_anew || now.detect_reset(before))) {
        settle(h.sub(before), "subtraction", ctx)?;
    }
    h.counter_reset_hint = CounterResetHint::Gauge;
    h.compact(0);
    Some(h)
}

/// Notes what an operation had to settle. Counter resets that contradict each other are what a rate deals with anyway.
pub(super) fn settle(
    outcome: Result<Reconciled, HistogramError>,
    what: &'static str,
    ctx: &mut FnCtx<'_>,
) -> Option<()> {
    match outcome {
        Ok(reconciled) => {
            if reconciled.custom_bounds {
                ctx.note_arg(0, Note::MismatchedCustomBuckets(what));
            }
            Some(())
        }
        Err(HistogramError::IncompatibleSchemas) => incompatible(ctx),
    }
}

/// Notes that exponential and custom buckets were mixed.
pub(super) fn incompatible<T>(ctx: &mut FnCtx<'_>) -> Option<T> {
    ctx.note_arg(0, Note::MixedExponentialCustom(ctx.metric_name()));
    None
}
