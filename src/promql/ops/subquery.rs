//! Subqueries: an expression over steps of its own, as samples for windows.

use std::sync::Arc;

use super::super::error::EvalError;
use super::super::plan::NodeId;
use super::super::steps::{StepGrid, StepVector};
use super::eval::Eval;
use super::frame::{EachSeries, Frame};
use crate::model::histogram::CounterResetHint;
use crate::model::{FloatHistogram, SampleBuf};

/// Streams the expression's series, one sample a step, over all steps that the frame's windows cover. Steps are
/// multiples of `step` since the epoch.
pub(super) fn each_series(
    eval: &Eval<'_>,
    inner: NodeId,
    frame: &Frame,
    step: i64,
    each: EachSeries<'_>,
) -> Result<(), EvalError> {
    let before = frame.ends.start.saturating_sub(frame.range);
    let first = before.div_euclid(step).saturating_add(1).saturating_mul(step);
    let grid = StepGrid::range(first, frame.ends.last(), step);
    if grid.len() > eval.env.limits.max_steps {
        return Err(EvalError::TooManySamples);
    }
    // Prometheus holds what the expression gives for all series before the first window is looked at.
    let (mut buf, mut held) = (SampleBuf::default(), 0usize);
    eval.stream(inner, &grid, &mut |labels, dropped, row| {
        eval.budget.work(grid.len())?;
        samples(row, &grid, &mut buf);
        held = held.saturating_add(buf.len());
        eval.budget.allow(held)?;
        if buf.is_empty() { Ok(()) } else { each(labels, dropped, &buf) }
    })
}

/// A row as samples.
pub(super) fn samples(row: &StepVector, grid: &StepGrid, buf: &mut SampleBuf) {
    buf.clear();
    for i in row.present.iter() {
        buf.push(grid.time(i), row.values.get(i).copied().unwrap_or_default());
    }
    if let Some(column) = &row.hists {
        for (i, h) in column.iter().enumerate() {
            if let Some(h) = h {
                buf.push_histogram(grid.time(i), without_hint(h));
            }
        }
    }
}

/// Steps may skip or repeat samples, so that what a hint says of a sample's predecessor no longer holds.
fn without_hint(h: &Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    match h.counter_reset_hint {
        CounterResetHint::Unknown | CounterResetHint::Gauge => h.clone(),
        CounterResetHint::Reset | CounterResetHint::NotReset => {
            Arc::new(FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..FloatHistogram::clone(h) })
        }
    }
}
