//! Aggregations that fold series one by one into their groups: `sum`, `avg`, `min`, `max`, `count`, `group`, `stddev`,
//! `stdvar`.

use rustc_hash::FxHashMap;

use super::super::annotations::{Note, Span};
use super::super::ast::AggregateOp;
use super::super::error::EvalError;
use super::super::plan::{GroupLabels, NodeId};
use super::super::steps::{StepGrid, StepVector};
use super::arithmetic;
use super::group::Groups;
use super::{Eval, Sink};
use crate::model::histogram::CompensatedHistogram;
use crate::model::kahan::Sum;
use crate::model::{FloatHistogram, Labels};

/// Streams the groups.
pub(super) fn stream(
    eval: &Eval<'_>,
    (op, place): (AggregateOp, Span),
    group: &GroupLabels,
    input: NodeId,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let mut groups = Groups::new(group, eval.type_and_unit());
    let mut dropped_groups: Vec<bool> = Vec::new();
    let mut cells = Cells::new(eval, op, grid.len(), place);
    eval.stream(input, grid, &mut |labels, dropped, row| {
        let g = groups.of(labels, dropped && !eval.delayed());
        if g >= dropped_groups.len() {
            dropped_groups.push(false);
            eval.budget.take(grid.len())?;
            cells.grow();
        }
        if let Some(flag) = dropped_groups.get_mut(g) {
            *flag |= dropped;
        }
        cells.add(g, row, labels, dropped);
        Ok(())
    })?;
    let mut row = StepVector::empty(grid.len());
    for (g, labels) in groups.labels.iter().enumerate() {
        row.reset();
        cells.finish(g, &mut row);
        if row.any() {
            sink(labels, dropped_groups.get(g).copied().unwrap_or(false), &mut row)?;
        }
    }
    eval.budget.give_back(grid.len().saturating_mul(groups.labels.len()));
    Ok(())
}

/// What a group has gathered at a step, of floats.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Floats so far.
    count: f64,
    /// The sum, the extreme, or the sum of squared distances from the mean.
    value: f64,
    /// Compensation of `value`, or of `mean`.
    c: f64,
    mean: f64,
    /// `avg` has left plain summation, which would overflow.
    incremental: bool,
}

/// What a group has gathered at a step, of histograms.
struct HistogramCell {
    sum: CompensatedHistogram,
    count: f64,
    incremental: bool,
    /// Schemas that do not go together were met: there is no result.
    incompatible: bool,
}

/// All groups at all steps.
struct Cells<'a, 'e> {
    eval: &'a Eval<'e>,
    op: AggregateOp,
    steps: usize,
    span: Span,
    cells: Vec<Cell>,
    histograms: FxHashMap<usize, HistogramCell>,
}

impl<'a, 'e> Cells<'a, 'e> {
    fn new(eval: &'a Eval<'e>, op: AggregateOp, steps: usize, span: Span) -> Self {
        Cells { eval, op, steps, span, cells: Vec::new(), histograms: FxHashMap::default() }
    }

    fn grow(&mut self) {
        self.cells.resize(self.cells.len() + self.steps, Cell::default());
    }

    /// Folds one series into group `g`.
    fn add(&mut self, g: usize, row: &StepVector, labels: &Labels, dropped: bool) {
        let base = g * self.steps;
        let Some(cells) = self.cells.get_mut(base..base + self.steps) else { return };
        match self.op {
            AggregateOp::Sum => fold(cells, row, |c, v| {
                let sum = Sum { sum: c.value, c: c.c }.add(v);
                (c.value, c.c) = (sum.sum, sum.c);
                c.count += 1.0;
            }),
            AggregateOp::Avg => fold(cells, row, average),
            AggregateOp::Count | AggregateOp::Group => fold(cells, row, |c, _| c.count += 1.0),
            AggregateOp::Min => fold(cells, row, |c, v| extreme(c, v, v < c.value)),
            AggregateOp::Max => fold(cells, row, |c, v| extreme(c, v, v > c.value)),
            _ => fold(cells, row, |c, v| {
                c.count += 1.0;
                let delta = v - c.mean;
                c.mean += delta / c.count;
                c.value += delta * (v - c.mean);
            }),
        }
        if row.hists.is_some() {
            let visible = self.eval.visible(labels, dropped);
            self.add_histograms(base, row, visible.metric_name());
        }
    }

    fn add_histograms(&mut self, base: usize, row: &StepVector, name: &str) {
        for (i, h) in row.hists.iter().flat_map(|c| c.iter()).enumerate() {
            let Some(h) = h else { continue };
            match self.op {
                AggregateOp::Sum | AggregateOp::Avg => self.add_histogram(base + i, h, name),
                AggregateOp::Count | AggregateOp::Group => {
                    if let Some(cell) = self.cells.get_mut(base + i) {
                        cell.count += 1.0;
                    }
                }
                op => self.eval.note(Note::HistogramIgnoredInAggregation(op.as_str()), self.span),
            }
        }
    }

    fn add_histogram(&mut self, at: usize, h: &FloatHistogram, name: &str) {
        let Some(cell) = self.histograms.get_mut(&at) else {
            let cell = HistogramCell {
                sum: CompensatedHistogram::new(h),
                count: 1.0,
                incremental: false,
                incompatible: false,
            };
            self.histograms.insert(at, cell);
            return;
        };
        if cell.incompatible {
            return;
        }
        cell.count += 1.0;
        let mut notes = Vec::new();
        let outcome = if self.op == AggregateOp::Avg { average_histogram(cell, h) } else { cell.sum.add(h) };
        match outcome {
            Ok(reconciled) => arithmetic::reconciliation(reconciled, "aggregation", &mut notes),
            Err(_) => {
                cell.incompatible = true;
                notes.push(Note::MixedExponentialCustom(name.to_owned()));
            }
        }
        notes.into_iter().for_each(|n| self.eval.note(n, self.span));
    }

    /// The results of group `g`.
    fn finish(&mut self, g: usize, out: &mut StepVector) {
        let base = g * self.steps;
        for i in 0..self.steps {
            let Some(cell) = self.cells.get(base + i).copied() else { return };
            let histogram = self.histograms.remove(&(base + i));
            match (cell.count > 0.0, histogram) {
                (true, Some(_)) => self.eval.note(Note::MixedFloatsHistogramsAgg(self.op.as_str()), self.span),
                (true, None) => out.set(i, self.float(cell)),
                (false, Some(h)) if !h.incompatible => {
                    let mut sum = h.sum;
                    if self.op == AggregateOp::Avg && !h.incremental {
                        sum.div(h.count);
                    }
                    out.set_histogram(i, std::sync::Arc::new(sum.finish()));
                }
                _ => {}
            }
        }
    }

    fn float(&self, cell: Cell) -> f64 {
        match self.op {
            AggregateOp::Sum => Sum { sum: cell.value, c: cell.c }.value(),
            AggregateOp::Avg if cell.incremental => Sum { sum: cell.mean, c: cell.c }.value(),
            AggregateOp::Avg => cell.value / cell.count + cell.c / cell.count,
            AggregateOp::Count => cell.count,
            AggregateOp::Group => 1.0,
            AggregateOp::Min | AggregateOp::Max => cell.value,
            AggregateOp::Stddev => (cell.value / cell.count).sqrt(),
            _ => cell.value / cell.count,
        }
    }
}

/// Applies `f` to the cell of every float of a row.
#[inline]
fn fold(cells: &mut [Cell], row: &StepVector, f: impl Fn(&mut Cell, f64)) {
    if row.present.all() {
        cells.iter_mut().zip(&row.values).for_each(|(c, v)| f(c, *v));
        return;
    }
    for i in row.present.iter() {
        if let (Some(c), Some(v)) = (cells.get_mut(i), row.values.get(i)) {
            f(c, *v);
        }
    }
}

/// The first value counts, then those that are beyond it; NaN gives way to any number.
#[inline]
fn extreme(c: &mut Cell, v: f64, beyond: bool) {
    if c.count == 0.0 || beyond || c.value.is_nan() {
        c.value = v;
    }
    c.count += 1.0;
}

/// The mean as a sum over a count while the sum stays finite, then as a running mean.
#[inline]
fn average(c: &mut Cell, v: f64) {
    c.count += 1.0;
    if !c.incremental {
        let sum = Sum { sum: c.value, c: c.c }.add(v);
        if c.count == 1.0 || !sum.sum.is_infinite() {
            (c.value, c.c) = (sum.sum, sum.c);
            return;
        }
        c.incremental = true;
        c.mean = c.value / (c.count - 1.0);
        c.c /= c.count - 1.0;
    }
    let q = (c.count - 1.0) / c.count;
    let mean = Sum { sum: q * c.mean, c: q * c.c }.add(v / c.count);
    (c.mean, c.c) = (mean.sum, mean.c);
}

/// As [`average`], for histograms.
fn average_histogram(
    cell: &mut HistogramCell,
    h: &FloatHistogram,
) -> Result<crate::model::histogram::Reconciled, crate::model::histogram::HistogramError> {
    if !cell.incremental {
        let mut next = cell.sum.clone();
        let reconciled = next.add(h)?;
        if !next.has_overflow() {
            cell.sum = next;
            return Ok(reconciled);
        }
        cell.incremental = true;
        cell.sum.div(cell.count - 1.0);
    }
    cell.sum.scale((cell.count - 1.0) / cell.count);
    let mut part = h.clone();
    part.mul(1.0 / cell.count);
    cell.sum.add(&part)
}
