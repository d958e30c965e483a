//! Aggregations that fold series one by one into their groups: `sum`, `avg`, `min`, `max`, `count`, `group`, `stddev`,
//! `stdvar`.

use rustc_hash::FxHashMap;

use super::super::annotations::{Note, Span};
use super::super::ast::AggregateOp;
use super::super::error::EvalError;
use super::super::limits::Holding;
use super::super::plan::{GroupLabels, NodeId};
use super::super::steps::{StepGrid, StepVector};
use super::arithmetic;
use super::column::Column;
use super::eval::{Eval, Sink};
use super::group::Groups;
use crate::model::histogram::CompensatedHistogram;
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
    let mut holding = Holding::of(&eval.budget);
    eval.stream(input, grid, &mut |labels, dropped, row| {
        let g = groups.of(labels, dropped && !eval.delayed());
        if g >= dropped_groups.len() {
            dropped_groups.push(false);
            holding.column(grid.len())?;
            cells.grow();
        }
        if let Some(flag) = dropped_groups.get_mut(g) {
            *flag |= dropped;
        }
        cells.add(g, row, labels, dropped);
        Ok(())
    })?;
    holding.samples(cells.count())?;
    let mut row = StepVector::empty(grid.len());
    for (g, labels) in groups.labels.iter().enumerate() {
        eval.budget.work(grid.len())?;
        row.reset();
        cells.finish(g, &mut row);
        if row.any() {
            sink(labels, dropped_groups.get(g).copied().unwrap_or(false), &mut row)?;
        }
    }
    Ok(())
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
    floats: Vec<Column>,
    histograms: FxHashMap<usize, HistogramCell>,
}

impl<'a, 'e> Cells<'a, 'e> {
    fn new(eval: &'a Eval<'e>, op: AggregateOp, steps: usize, span: Span) -> Self {
        Cells { eval, op, steps, span, floats: Vec::new(), histograms: FxHashMap::default() }
    }

    fn grow(&mut self) {
        self.floats.push(Column::new(self.op, self.steps));
    }

    /// How many results there are, at all steps together.
    fn count(&self) -> usize {
        let floats: usize = self.floats.iter().map(|column| column.steps_counted(self.steps)).sum();
        floats + self.histograms.len()
    }

    /// Folds one series into group `g`.
    fn add(&mut self, g: usize, row: &StepVector, labels: &Labels, dropped: bool) {
        if let Some(column) = self.floats.get_mut(g) {
            column.add(self.op, row);
        }
        if row.hists.is_some() {
            let visible = self.eval.visible(labels, dropped);
            self.add_histograms(g, row, visible.metric_name());
        }
    }

    fn add_histograms(&mut self, g: usize, row: &StepVector, name: &str) {
        let base = g * self.steps;
        for (i, h) in row.hists.iter().flat_map(|c| c.iter()).enumerate() {
            let Some(h) = h else { continue };
            match self.op {
                AggregateOp::Sum | AggregateOp::Avg => self.add_histogram(base + i, h, name),
                AggregateOp::Count | AggregateOp::Group => {
                    if let Some(column) = self.floats.get_mut(g) {
                        column.count_one(i);
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
        if let Some(column) = self.floats.get(g) {
            column.finish(self.op, out);
        }
        if self.histograms.is_empty() {
            return;
        }
        for i in 0..self.steps {
            let Some(h) = self.histograms.remove(&(g * self.steps + i)) else { continue };
            if out.present.get(i) {
                out.present.unset(i);
                self.eval.note(Note::MixedFloatsHistogramsAgg(self.op.as_str()), self.span);
            } else if !h.incompatible {
                let mut sum = h.sum;
                if self.op == AggregateOp::Avg && !h.incremental {
                    sum.div(h.count);
                }
                out.set_histogram(i, std::sync::Arc::new(sum.finish()));
            }
        }
    }
}

/// The mean as a sum over a count while the sum stays finite, then as a running mean.
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
