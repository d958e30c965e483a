//! Aggregations that look at all series of a group at once: `topk`, `bottomk`, `limitk`, `limit_ratio`, `quantile`,
//! `count_values`.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use super::super::annotations::{Note, Span};
use super::super::ast::AggregateOp;
use super::super::block::Block;
use super::super::error::EvalError;
use super::super::func;
use super::super::limits::Holding;
use super::super::names;
use super::super::plan::{GroupLabels, NodeId};
use super::super::steps::{StepGrid, StepVector};
use super::eval::{Eval, Sink};
use super::group::Groups;
use super::scalar::ScalarColumn;
use crate::model::Labels;
use crate::model::number::push_float_f;

/// Streams the outcome of an aggregation with a parameter.
pub(super) fn stream(
    eval: &Eval<'_>,
    (op, place): (AggregateOp, Span),
    group: &GroupLabels,
    param: NodeId,
    input: NodeId,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let column = eval.scalar(param, grid)?;
    // What the input has to say is said even when nothing of it is wanted.
    let block = eval.collect(input, grid)?;
    if !check_param(eval, op, &column, eval.node(param).span)? {
        return Ok(());
    }
    let mut groups = Groups::new(group, eval.type_and_unit());
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (i, head) in block.heads.iter().enumerate() {
        let g = groups.of(&head.labels, head.dropped && !eval.delayed());
        if g >= members.len() {
            members.push(Vec::new());
        }
        if let Some(rows) = members.get_mut(g) {
            rows.push(i);
        }
    }
    let rank = Rank { eval, op, block: &block, column, grid, span: place };
    match op {
        AggregateOp::Quantile => rank.quantiles(&groups, &members, sink),
        _ => rank.pick(&members, sink),
    }
}

/// Checks the parameter at all steps; false when there can be no result.
fn check_param(eval: &Eval<'_>, op: AggregateOp, column: &ScalarColumn, span: Span) -> Result<bool, EvalError> {
    let values = column.values();
    let nan = values.iter().any(|v| v.is_nan());
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    match op {
        AggregateOp::Quantile => {
            let odd = [(nan, f64::NAN), (max > 1.0, max), (min < 0.0, min)];
            odd.iter().filter(|(is, _)| *is).for_each(|(_, v)| eval.note(Note::InvalidQuantile(*v), span));
        }
        AggregateOp::LimitRatio => {
            if nan {
                return Err(EvalError::execution("Ratio value is NaN"));
            }
            let odd = [(max > 1.0, max, 1.0), (min < -1.0, min, -1.0)];
            odd.iter().filter(|(is, ..)| *is).for_each(|(_, v, to)| eval.note(Note::InvalidRatio(*v, *to), span));
            return Ok(max != 0.0 || min != 0.0);
        }
        _ => {
            if nan {
                return Err(EvalError::execution("Parameter value is NaN"));
            }
            if min <= i64::MIN as f64 {
                return Err(EvalError::Execution(format!("Scalar value {min} underflows int64")));
            }
            if max >= i64::MAX as f64 {
                return Err(EvalError::Execution(format!("Scalar value {max} overflows int64")));
            }
            return Ok(max >= 1.0);
        }
    }
    Ok(true)
}

struct Rank<'a, 'e> {
    eval: &'a Eval<'e>,
    op: AggregateOp,
    block: &'a Block,
    column: ScalarColumn,
    grid: &'a StepGrid,
    span: Span,
}

impl Rank<'_, '_> {
    /// Streams the series picked, each where it was picked. With one step, in the order of their rank.
    fn pick(&self, members: &[Vec<usize>], sink: Sink<'_>) -> Result<(), EvalError> {
        let mut row = StepVector::empty(self.grid.len());
        if self.grid.len() == 1 {
            for rows in members {
                for i in self.chosen(rows, 0) {
                    self.block.copy_row(i, &mut row);
                    self.emit(i, &mut row, sink)?;
                }
            }
            return Ok(());
        }
        let mut picked: Vec<Vec<usize>> = vec![Vec::new(); self.block.len()];
        for step in 0..self.grid.len() {
            self.eval.budget.tick()?;
            for rows in members {
                self.eval.budget.work(rows.len())?;
                for i in self.chosen(rows, step) {
                    if let Some(steps) = picked.get_mut(i) {
                        steps.push(step);
                    }
                }
            }
        }
        let mut whole = StepVector::empty(self.grid.len());
        for (i, steps) in picked.iter().enumerate().filter(|(_, steps)| !steps.is_empty()) {
            self.block.copy_row(i, &mut whole);
            row.reset();
            for step in steps {
                match (whole.float(*step), whole.histogram(*step)) {
                    (Some(v), _) => row.set(*step, v),
                    (None, Some(h)) => row.set_histogram(*step, h.clone()),
                    (None, None) => {}
                }
            }
            self.emit(i, &mut row, sink)?;
        }
        Ok(())
    }

    fn emit(&self, i: usize, row: &mut StepVector, sink: Sink<'_>) -> Result<(), EvalError> {
        match self.block.heads.get(i) {
            Some(head) => sink(&head.labels, head.dropped, row),
            None => Ok(()),
        }
    }

    /// The rows of a group picked at a step, best first.
    fn chosen(&self, rows: &[usize], step: usize) -> Vec<usize> {
        let param = self.column.at(step);
        match self.op {
            AggregateOp::Limitk => {
                let there = rows.iter().copied().filter(|i| self.has(*i, step));
                there.take(if param < 1.0 { 0 } else { param as usize }).collect()
            }
            AggregateOp::LimitRatio => {
                let ratio = param.clamp(-1.0, 1.0);
                rows.iter().copied().filter(|i| self.has(*i, step) && self.within_ratio(*i, ratio)).collect()
            }
            _ => self.ranked(rows, step, if param < 1.0 { 0 } else { param as usize }),
        }
    }

    fn has(&self, i: usize, step: usize) -> bool {
        self.block.float(i, step).is_some() || self.block.histogram(i, step).is_some()
    }

    /// Prometheus' sampling: the series' hash as a fraction of the largest hash, so that a ratio and its negative
    /// complement share no series and leave none out.
    fn within_ratio(&self, i: usize, ratio: f64) -> bool {
        let Some(head) = self.block.heads.get(i) else { return false };
        let offset = self.eval.visible(&head.labels, head.dropped).prometheus_hash() as f64 / u64::MAX as f64;
        if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio }
    }

    fn ranked(&self, rows: &[usize], step: usize, k: usize) -> Vec<usize> {
        if k == 0 {
            return Vec::new();
        }
        let mut all: Vec<(usize, f64)> = Vec::with_capacity(rows.len());
        for i in rows {
            match self.block.float(*i, step) {
                Some(v) => all.push((*i, v)),
                None if self.block.histogram(*i, step).is_some() => {
                    self.eval.note(Note::HistogramIgnoredInAggregation(self.op.as_str()), self.span);
                }
                None => {}
            }
        }
        let top = self.op == AggregateOp::Topk;
        let order = |a: &(usize, f64), b: &(usize, f64)| {
            let by_value = match (a.1.is_nan(), b.1.is_nan()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                _ if top => b.1.total_cmp(&a.1),
                _ => a.1.total_cmp(&b.1),
            };
            by_value.then(a.0.cmp(&b.0))
        };
        if k < all.len() {
            all.select_nth_unstable_by(k, order);
            all.truncate(k);
        }
        all.sort_unstable_by(order);
        all.into_iter().map(|(i, _)| i).collect()
    }

    fn quantiles(&self, groups: &Groups<'_>, members: &[Vec<usize>], sink: Sink<'_>) -> Result<(), EvalError> {
        let mut row = StepVector::empty(self.grid.len());
        let mut columns: [Vec<f64>; STEPS_AT_ONCE] = Default::default();
        for (labels, rows) in groups.labels.iter().zip(members) {
            row.reset();
            for first in (0..self.grid.len()).step_by(STEPS_AT_ONCE) {
                self.eval.budget.work(rows.len().saturating_mul(STEPS_AT_ONCE))?;
                self.gather(rows, first, &mut columns);
                for (step, values) in (first..).zip(&mut columns).filter(|(_, values)| !values.is_empty()) {
                    row.set(step, func::quantile(self.column.at(step), values));
                }
            }
            let dropped = rows.iter().any(|i| self.block.heads.get(*i).is_some_and(|h| h.dropped));
            if row.any() {
                sink(labels, dropped, &mut row)?;
            }
        }
        Ok(())
    }

    /// The floats of some rows at some neighbouring steps, which lie side by side in memory.
    fn gather(&self, rows: &[usize], first: usize, columns: &mut [Vec<f64>; STEPS_AT_ONCE]) {
        columns.iter_mut().for_each(Vec::clear);
        let steps = first..self.grid.len().min(first + STEPS_AT_ONCE);
        for i in rows {
            for (step, values) in steps.clone().zip(columns.iter_mut()) {
                match self.block.float(*i, step) {
                    Some(v) => values.push(v),
                    None if self.block.histogram(*i, step).is_some() => {
                        self.eval.note(Note::HistogramIgnoredInAggregation("quantile"), self.span);
                    }
                    None => {}
                }
            }
        }
    }
}

/// Floats that a line of the processor's cache holds.
const STEPS_AT_ONCE: usize = 8;

/// `count_values`: a series for every value that occurs, with the number of series that have it.
pub(super) fn count_values(
    eval: &Eval<'_>,
    label: &str,
    group: &GroupLabels,
    input: NodeId,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let mut rows: FxHashMap<Labels, usize> = FxHashMap::default();
    let mut out: Vec<(Labels, StepVector)> = Vec::new();
    let mut holding = Holding::of(&eval.budget);
    // A label named by the grouping takes the value's place only when it is kept.
    let kept = |name: &str| group.labels.binary_search_by(|l| l.as_str().cmp(name)).is_ok() != group.without;
    let label_kept = !group.without || kept(label);
    eval.stream(input, grid, &mut |labels, dropped, row| {
        let nameless = dropped && !eval.delayed();
        let base =
            labels.filter(|n| kept(n) && n != label && !(nameless && names::is_reserved(n, eval.type_and_unit())));
        let mut last: Option<(String, usize)> = None;
        for i in row.presence().iter() {
            eval.budget.tick()?;
            let mut text = String::new();
            match (row.float(i), row.histogram(i)) {
                (Some(v), _) => push_float_f(&mut text, v),
                (None, Some(h)) => text = h.to_string(),
                (None, None) => continue,
            }
            let at = match &last {
                Some((t, at)) if *t == text => *at,
                _ => {
                    let mut builder = base.to_builder();
                    if label_kept {
                        builder.set(label, text.as_str());
                    }
                    let result = builder.build();
                    let at = *rows.entry(result.clone()).or_insert(out.len());
                    if at == out.len() {
                        holding.column(grid.len())?;
                        eval.budget.take_growth(&result, labels)?;
                        out.push((result, StepVector::empty(grid.len())));
                    }
                    last = Some((text, at));
                    at
                }
            };
            if let Some((_, counts)) = out.get_mut(at) {
                let before = counts.float(i);
                if before.is_none() {
                    holding.samples(1)?;
                }
                counts.set(i, before.unwrap_or(0.0) + 1.0);
            }
        }
        Ok(())
    })?;
    // A name that was asked for stays, even where it was to be dropped.
    for (labels, mut row) in out {
        sink(&labels, false, &mut row)?;
    }
    Ok(())
}
