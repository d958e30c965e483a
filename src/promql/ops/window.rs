//! Functions of ranges, window by window.

use super::super::annotations::{Note, Span};
use super::super::error::EvalError;
use super::super::func::{self, FnCtx, Out, RangeMode};
use super::super::names;
use super::super::plan::{RangeCall, RangeSource};
use super::super::steps::{Bitmap, StepGrid, StepVector};
use super::reader::{self, Frame};
use super::scalar::ScalarColumn;
use super::{Eval, Sink};
use crate::model::{Labels, SampleBuf};

/// Streams the results of a range function.
pub(super) fn stream(
    eval: &Eval<'_>,
    call: &RangeCall,
    span: Span,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let columns = call.args.iter().map(|a| eval.scalar(*a, grid)).collect::<Result<Vec<_>, _>>()?;
    let mut run = Run {
        eval,
        call,
        span,
        grid,
        // A batched function takes arguments that are the same at every step.
        batch: call.batch.filter(|_| columns.iter().all(|c| matches!(c, ScalarColumn::Constant(_)))),
        args: columns.iter().map(|c| c.at(0)).collect(),
        columns,
        cuts: None,
        row: StepVector::empty(grid.len()),
    };
    let start_timestamps = eval.plan.features().start_timestamps && uses_start_timestamps(call.name);
    reader::each_series(eval, &call.source, grid, start_timestamps, &mut |frame, labels, dropped, buf| {
        run.series(frame, labels, dropped, buf)?;
        // A subquery's samples are as good as stored ones: with delayed removal, their names are not to be dropped any more.
        let dropped = (dropped && !eval.delayed()) || !call.keeps_name;
        if run.row.any() { sink(labels, dropped, &mut run.row) } else { Ok(()) }
    })
}

/// Functions that know what to do with start timestamps.
fn uses_start_timestamps(name: &str) -> bool {
    matches!(name, "rate" | "increase" | "irate" | "resets")
}

struct Run<'a, 'e> {
    eval: &'a Eval<'e>,
    call: &'a RangeCall,
    span: Span,
    grid: &'a StepGrid,
    batch: Option<func::BatchFn>,
    columns: Vec<ScalarColumn>,
    args: Vec<f64>,
    /// Where the windows are, of the series before; all series of a call have the same frame.
    cuts: Option<func::Cuts>,
    row: StepVector,
}

impl Run<'_, '_> {
    /// Evaluates all windows of one series into `row`.
    fn series(&mut self, frame: &Frame, labels: &Labels, dropped: bool, buf: &SampleBuf) -> Result<(), EvalError> {
        self.row.reset();
        let plain = frame.mode == RangeMode::Plain && buf.hists.is_empty() && buf.float_st.is_empty();
        match self.batch.filter(|_| plain) {
            Some(batch) => self.all_at_once(batch, frame, labels, dropped, buf),
            None => self.one_by_one(frame, &self.eval.visible(labels, dropped), buf)?,
        }
        if self.row.present.any() {
            self.note_non_counter(labels, dropped);
        }
        Ok(())
    }

    fn all_at_once(&mut self, batch: func::BatchFn, frame: &Frame, labels: &Labels, dropped: bool, buf: &SampleBuf) {
        let cuts = self.cuts.get_or_insert_with(|| func::Cuts::new(&frame.ends, frame.range, self.grid.len()));
        cuts.fit(&buf.ts);
        let windows = func::Windows { cuts, vs: &buf.vs, grid: self.grid };
        let mut notes = self.eval.notes.borrow_mut();
        let labels = self.eval.visible(labels, dropped);
        let mut ctx = FnCtx { notes: &mut notes, labels: &labels, call: self.span, args: &self.call.spans };
        batch(&windows, &self.args, &mut ctx, &mut self.row);
    }

    fn one_by_one(&mut self, frame: &Frame, labels: &Labels, buf: &SampleBuf) -> Result<(), EvalError> {
        let mut windows = reader::Windows::new(frame, buf);
        let mut notes = self.eval.notes.borrow_mut();
        for (i, t) in self.grid.times().enumerate() {
            let Some(window) = windows.at(i, t) else { continue };
            for (slot, column) in self.args.iter_mut().zip(&self.columns) {
                *slot = column.at(i);
            }
            let mut ctx = FnCtx { notes: &mut notes, labels, call: self.span, args: &self.call.spans };
            match (self.call.f)(&window, &self.args, &mut ctx) {
                Out::None => {}
                Out::Float(v) => self.row.set(i, v),
                Out::Histogram(h) => self.row.set_histogram(i, h),
                Out::Fail(text) => return Err(EvalError::execution(text)),
            }
        }
        Ok(())
    }

    /// `rate` and `increase` make sense of counters only.
    fn note_non_counter(&self, labels: &Labels, dropped: bool) {
        if !matches!(self.call.name, "rate" | "increase") {
            return;
        }
        let visible = self.eval.visible(labels, dropped);
        let name = visible.metric_name();
        if name.is_empty() {
            return;
        }
        let place = self.call.spans.first().copied().unwrap_or(self.span);
        let kind = if self.eval.type_and_unit() { visible.value(names::TYPE) } else { "" };
        if !kind.is_empty() {
            if kind != "counter" && kind != "histogram" {
                self.eval.note(Note::PossibleNonCounterLabel(kind.to_owned(), name.to_owned()), place);
            }
        } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|s| name.ends_with(s)) {
            self.eval.note(Note::PossibleNonCounter(name.to_owned()), place);
        }
    }
}

/// `absent_over_time`: 1 at the steps where no series has a sample in its window.
pub(super) fn absent(
    eval: &Eval<'_>,
    source: &RangeSource,
    labels: &[(String, String)],
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let mut missing = Bitmap::ones(grid.len());
    reader::each_series(eval, source, grid, false, &mut |frame, _, _, buf| {
        let mut windows = reader::Windows::new(frame, buf);
        for (i, t) in grid.times().enumerate() {
            if windows.at(i, t).is_some() {
                missing.unset(i);
            }
        }
        Ok(())
    })?;
    if !missing.any() {
        return Ok(());
    }
    let mut row = StepVector::constant(grid.len(), 1.0);
    row.present = missing;
    sink(&Labels::from_pairs(labels.iter().cloned()), false, &mut row)
}
