//! Functions of ranges, window by window.

use super::super::annotations::{Note, Span};
use super::super::error::EvalError;
use super::super::func::{self, FnCtx, Out, RangeMode};
use super::super::names;
use super::super::plan::{RangeCall, RangeSource};
use super::super::steps::{Bitmap, StepGrid, StepVector};
use super::reader::{self, Frame, Slide};
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
        columns,
        args: vec![0.0; call.args.len()],
        bounds: Vec::new(),
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
    columns: Vec<ScalarColumn>,
    args: Vec<f64>,
    bounds: Vec<(u32, u32)>,
    row: StepVector,
}

impl Run<'_, '_> {
    /// Evaluates all windows of one series into `row`.
    fn series(&mut self, frame: &Frame, labels: &Labels, dropped: bool, buf: &SampleBuf) -> Result<(), EvalError> {
        self.row.reset();
        match self.call.batch {
            Some(batch) if frame.mode == RangeMode::Plain && buf.hists.is_empty() && buf.float_st.is_empty() => {
                self.bounds(frame, buf);
                let windows = func::Windows {
                    ts: &buf.ts,
                    vs: &buf.vs,
                    bounds: &self.bounds,
                    first_start: frame.ends.start.saturating_sub(frame.range),
                    step: if frame.ends.len() == 1 { 0 } else { frame.ends.step },
                    range: frame.range,
                };
                batch(&windows, &mut self.row);
            }
            _ => self.one_by_one(frame, &self.eval.visible(labels, dropped), buf)?,
        }
        if self.row.present.any() {
            self.note_non_counter(labels, dropped);
        }
        Ok(())
    }

    fn bounds(&mut self, frame: &Frame, buf: &SampleBuf) {
        self.bounds.clear();
        let mut slide = Slide::default();
        for i in 0..self.grid.len() {
            let end = frame.end(i);
            let time = |k: usize| buf.ts.get(k).copied().unwrap_or(i64::MAX);
            slide.to(buf.ts.len(), time, end.saturating_sub(frame.range), end);
            self.bounds.push((slide.lo as u32, slide.hi as u32));
        }
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
