//! Functions of instant vectors and of nothing, value by value.

use super::super::error::EvalError;
use super::super::func::{EmptyFn, MathFn};
use super::super::plan::NodeId;
use super::super::steps::{Bitmap, StepGrid, StepVector};
use super::eval::{Eval, Sink};
use super::scalar::ScalarColumn;
use crate::model::histogram::CounterResetHint;
use crate::model::{FloatHistogram, Labels};

/// A function of every float; histograms are left out.
pub(super) fn math(
    eval: &Eval<'_>,
    (f, empty): (MathFn, Option<EmptyFn>),
    input: NodeId,
    args: &[NodeId],
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let columns = args.iter().map(|a| eval.scalar(*a, grid)).collect::<Result<Vec<_>, _>>()?;
    let mut now: Vec<f64> = columns.iter().map(|c| c.at(0)).collect();
    let constant = columns.iter().all(|c| matches!(c, ScalarColumn::Constant(_)));
    eval.stream(input, grid, &mut |labels, _, row| {
        row.hists = None;
        for i in (0..grid.len()).filter(|_| empty.is_some()) {
            now.iter_mut().zip(&columns).for_each(|(slot, c)| *slot = c.at(i));
            if empty.is_some_and(|empty| empty(&now)) {
                row.present.unset(i);
            }
        }
        for i in row.present.iter() {
            if !constant {
                now.iter_mut().zip(&columns).for_each(|(slot, c)| *slot = c.at(i));
            }
            if let Some(v) = row.values.get_mut(i) {
                *v = f(*v, &now);
            }
        }
        if row.present.any() { sink(labels, true, row) } else { Ok(()) }
    })
}

/// A function of dates.
pub(super) fn date(
    eval: &Eval<'_>,
    f: fn(f64) -> f64,
    input: Option<NodeId>,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let Some(input) = input else {
        let mut row = StepVector::constant(grid.len(), 0.0);
        row.values.iter_mut().zip(grid.times()).for_each(|(v, t)| *v = f(t as f64 / 1000.0));
        return sink(&Labels::empty(), false, &mut row);
    };
    eval.stream(input, grid, &mut |labels, _, row| {
        row.hists = None;
        for i in row.present.iter() {
            if let Some(v) = row.values.get_mut(i) {
                *v = f(*v);
            }
        }
        if row.present.any() { sink(labels, true, row) } else { Ok(()) }
    })
}

/// A function of every native histogram; floats are left out.
pub(super) fn histogram(
    eval: &Eval<'_>,
    f: fn(&FloatHistogram) -> f64,
    input: NodeId,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    eval.stream(input, grid, &mut |labels, _, row| {
        let Some(column) = row.hists.take() else { return Ok(()) };
        row.present.clear();
        for (i, h) in column.iter().enumerate() {
            if let Some(h) = h {
                row.set(i, f(h));
            }
        }
        if row.present.any() { sink(labels, true, row) } else { Ok(()) }
    })
}

/// Unary minus.
pub(super) fn negate(eval: &Eval<'_>, input: NodeId, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    eval.stream(input, grid, &mut |labels, _, row| {
        row.values.iter_mut().for_each(|v| *v = -*v);
        for h in row.hists.iter_mut().flat_map(|c| c.iter_mut()).flatten() {
            let mut negative = FloatHistogram::clone(h);
            negative.mul(-1.0);
            negative.counter_reset_hint = CounterResetHint::Gauge;
            *h = std::sync::Arc::new(negative);
        }
        sink(labels, true, row)
    })
}

/// `timestamp` of something computed: the evaluation time. Start timestamps do not survive a computation.
pub(super) fn eval_time(
    eval: &Eval<'_>,
    input: NodeId,
    start: bool,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let mut out = StepVector::empty(grid.len());
    eval.stream(input, grid, &mut |labels, _, row| {
        if start {
            return Ok(());
        }
        out.reset();
        for i in row.presence().iter() {
            out.set(i, grid.time(i) as f64 / 1000.0);
        }
        sink(labels, true, &mut out)
    })
}

/// `vector(s)`
pub(super) fn vector(eval: &Eval<'_>, input: NodeId, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    let mut row = match eval.scalar(input, grid)? {
        ScalarColumn::Constant(v) => StepVector::constant(grid.len(), v),
        ScalarColumn::Steps(values) => {
            let present = Bitmap::ones(values.len());
            StepVector { values, present, hists: None }
        }
    };
    sink(&Labels::empty(), false, &mut row)
}

/// `absent(v)`: 1 at the steps where the vector is empty.
pub(super) fn absent(
    eval: &Eval<'_>,
    input: NodeId,
    labels: &[(String, String)],
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let mut missing = Bitmap::ones(grid.len());
    eval.stream(input, grid, &mut |_, _, row| {
        missing.and_not(&row.presence());
        Ok(())
    })?;
    if !missing.any() {
        return Ok(());
    }
    let mut row = StepVector::constant(grid.len(), 1.0);
    row.present = missing;
    sink(&Labels::from_pairs(labels.iter().cloned()), false, &mut row)
}
