//! Functions of ranges, window by window.

use super::super::annotations::{Note, Span};
use super::super::error::EvalError;
use super::super::func::{self, FnCtx, Out, RangeMode};
use super::super::names;
use super::super::plan::{RangeCall, RangeSource, SelectorNode};
use super::super::steps::{Bitmap, StepGrid, StepVector};
use super::crew;
use super::eval::{Eval, Sink};
use super::frame::Frame;
use super::leaf::{self, Gathered};
use super::reader;
use super::scalar::ScalarColumn;
use crate::model::{Labels, SampleBuf};
use crate::tsdb::Series;

/// Streams the results of a range function.
pub(super) fn stream(
    eval: &Eval<'_>,
    call: &RangeCall,
    span: Span,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let columns = call.args.iter().map(|a| eval.scalar(*a, grid)).collect::<Result<Vec<_>, _>>()?;
    let start_timestamps = eval.plan.features().start_timestamps && uses_start_timestamps(call.name);
    let place = Place { call, span, grid, columns: &columns };
    if let RangeSource::Selector(s, range) = &call.source {
        let frame = Frame::of_selector(eval, s, range, grid)?;
        let (mint, maxt) = frame.reach();
        let series = reader::select(eval, &s.matchers, mint, maxt)?;
        let task = OfSelector { place, s, frame: &frame, start_timestamps, tell: true };
        let each: crew::RowSink<'_> = &mut |_, labels, dropped, row| sink(labels, dropped, row);
        return crew::rows(eval, &series, grid.len(), &task, each);
    }
    let mut run = Run::new(eval, place);
    let mut row = StepVector::empty(grid.len());
    reader::each_series(eval, &call.source, grid, start_timestamps, &mut |frame, labels, dropped, buf| {
        run.series(frame, labels, dropped, buf, &mut row)?;
        let dropped = dropped || !call.keeps_name;
        if row.any() { sink(labels, dropped, &mut row) } else { Ok(()) }
    })
}

/// The results of a range function at one time, for a section; nothing where they do not fit into one.
pub(super) fn gather(
    eval: &Eval<'_>,
    call: &RangeCall,
    span: Span,
    grid: &StepGrid,
) -> Result<Option<Gathered>, EvalError> {
    let RangeSource::Selector(s, range) = &call.source else { return Ok(None) };
    let columns = call.args.iter().map(|a| eval.scalar(*a, grid)).collect::<Result<Vec<_>, _>>()?;
    let frame = Frame::of_selector(eval, s, range, grid)?;
    let (mint, maxt) = frame.reach();
    let series = reader::select(eval, &s.matchers, mint, maxt)?;
    let args: Vec<f64> = columns.iter().map(|c| c.at(0)).collect();
    let window = (frame.ends.start, frame.range);
    let reading = leaf::Reading { function: call.name, args: &args, at: grid.start, window };
    let shared = leaf::shared(eval, s, &reading);
    let place = Place { call, span, grid, columns: &columns };
    let task = OfSelector { place, s, frame: &frame, start_timestamps: false, tell: shared.is_none() };
    let found = leaf::gather(eval, series, shared.as_deref(), &task)?;
    if shared.is_some()
        && let Some(found) = &found
        && let Some(series) = found.rows.first().and_then(|row| found.selection.get(*row as usize))
    {
        // All have one name, and each rule says it for itself.
        note_non_counter(eval, place, series.labels());
    }
    Ok(found)
}

/// A call of a range function over a grid, its scalar arguments evaluated.
#[derive(Clone, Copy)]
struct Place<'a> {
    call: &'a RangeCall,
    span: Span,
    grid: &'a StepGrid,
    columns: &'a [ScalarColumn],
}

/// A call whose range is that of a selector.
#[derive(Clone, Copy)]
struct OfSelector<'a> {
    place: Place<'a>,
    s: &'a SelectorNode,
    frame: &'a Frame,
    start_timestamps: bool,
    /// Whether there is to be a note on metrics the function is not for.
    tell: bool,
}

struct Leaf<'e> {
    task: OfSelector<'e>,
    run: Run<'e>,
    buf: SampleBuf,
}

impl crew::Task for OfSelector<'_> {
    type Leaf<'e>
        = Leaf<'e>
    where
        Self: 'e;

    fn leaf<'e>(&'e self, eval: &'e Eval<'e>) -> Leaf<'e> {
        let run = Run { tell: self.tell, ..Run::new(eval, self.place) };
        Leaf { task: *self, run, buf: SampleBuf::default() }
    }
}

impl crew::Leaf for Leaf<'_> {
    fn row(&mut self, series: &dyn Series, row: &mut StepVector) -> Result<Option<bool>, EvalError> {
        let OfSelector { place, s, frame, start_timestamps, .. } = self.task;
        if !reader::read_framed(self.run.eval, s, frame, series, start_timestamps, &mut self.buf)? {
            return Ok(None);
        }
        self.run.series(frame, series.labels(), false, &self.buf, row)?;
        Ok(row.any().then_some(!place.call.keeps_name))
    }
}

/// Functions that know what to do with start timestamps.
fn uses_start_timestamps(name: &str) -> bool {
    matches!(name, "rate" | "increase" | "irate" | "resets")
}

struct Run<'e> {
    eval: &'e Eval<'e>,
    place: Place<'e>,
    batch: Option<func::BatchFn>,
    args: Vec<f64>,
    /// Where the windows are, of the series before; all series of a call have the same frame.
    cuts: Option<func::Cuts>,
    tell: bool,
}

impl<'e> Run<'e> {
    fn new(eval: &'e Eval<'e>, place: Place<'e>) -> Self {
        // A batched function takes arguments that are the same at every step.
        let constant = place.columns.iter().all(|c| matches!(c, ScalarColumn::Constant(_)));
        let args = place.columns.iter().map(|c| c.at(0)).collect();
        Run { eval, place, batch: place.call.batch.filter(|_| constant), args, cuts: None, tell: true }
    }

    /// Evaluates all windows of one series into `row`.
    fn series(
        &mut self,
        frame: &Frame,
        labels: &Labels,
        dropped: bool,
        buf: &SampleBuf,
        row: &mut StepVector,
    ) -> Result<(), EvalError> {
        row.reset();
        let labels = &self.eval.visible(labels, dropped);
        let plain = frame.mode == RangeMode::Plain && buf.hists.is_empty() && buf.float_st.is_empty();
        match self.batch.filter(|_| plain) {
            Some(batch) => self.all_at_once(batch, frame, labels, buf, row)?,
            None => self.one_by_one(frame, labels, buf, row)?,
        }
        if self.tell && row.present.any() {
            note_non_counter(self.eval, self.place, labels);
        }
        Ok(())
    }

    fn all_at_once(
        &mut self,
        batch: func::BatchFn,
        frame: &Frame,
        labels: &Labels,
        buf: &SampleBuf,
        row: &mut StepVector,
    ) -> Result<(), EvalError> {
        let Place { call, span, grid, .. } = self.place;
        let cuts = self.cuts.get_or_insert_with(|| func::Cuts::new(&frame.ends, frame.range, grid.len()));
        cuts.fit(&buf.ts);
        let windows = func::Windows::new(cuts, &buf.vs, grid, &self.eval.env.cancel);
        let mut notes = self.eval.notes.borrow_mut();
        let mut ctx = FnCtx { notes: &mut notes, labels, call: span, args: &call.spans };
        batch(&windows, &self.args, &mut ctx, row);
        // One that was stopped has no result.
        if windows.stopped() { self.eval.budget.check() } else { Ok(()) }
    }

    fn one_by_one(
        &mut self,
        frame: &Frame,
        labels: &Labels,
        buf: &SampleBuf,
        row: &mut StepVector,
    ) -> Result<(), EvalError> {
        let Place { call, span, grid, columns } = self.place;
        let mut windows = reader::Windows::new(frame, buf);
        let mut notes = self.eval.notes.borrow_mut();
        for (i, t) in grid.times().enumerate() {
            let Some(window) = windows.at(i, t) else { continue };
            self.eval.budget.work(window.ts.len() + window.hists.len())?;
            for (slot, column) in self.args.iter_mut().zip(columns) {
                *slot = column.at(i);
            }
            let mut ctx = FnCtx { notes: &mut notes, labels, call: span, args: &call.spans };
            match (call.f)(&window, &self.args, &mut ctx) {
                Out::None => {}
                Out::Float(v) => row.set(i, v),
                Out::Histogram(h) => row.set_histogram(i, h),
                Out::Fail(text) => return Err(EvalError::execution(text)),
            }
        }
        Ok(())
    }
}

/// `rate` and `increase` make sense of counters only.
fn note_non_counter(eval: &Eval<'_>, place: Place<'_>, visible: &Labels) {
    let Place { call, span, .. } = place;
    if !matches!(call.name, "rate" | "increase") {
        return;
    }
    let name = visible.metric_name();
    if name.is_empty() {
        return;
    }
    let place = call.spans.first().copied().unwrap_or(span);
    let kind = if eval.type_and_unit() { visible.value(names::TYPE) } else { "" };
    if !kind.is_empty() {
        if kind != "counter" && kind != "histogram" {
            eval.note(Note::PossibleNonCounterLabel(kind.to_owned(), name.to_owned()), place);
        }
    } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|s| name.ends_with(s)) {
        eval.note(Note::PossibleNonCounter(name.to_owned()), place);
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
