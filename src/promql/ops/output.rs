//! The result of a query, from the series its root streams.

use rustc_hash::FxHashSet;

use super::super::error::EvalError;
use super::super::names;
use super::super::plan::{NodeKind, RangeSource};
use super::super::steps::{StepGrid, StepVector};
use super::super::value::{QueryValue, RangeSeries, VectorSample};
use super::eval::{Eval, same_labelset};
use super::reader::{self, Windows};
use crate::model::{Labels, Value};
use crate::promql::ValueType;

/// Evaluates the root.
pub(super) fn result(eval: &Eval<'_>) -> Result<QueryValue, EvalError> {
    let root = eval.plan.root();
    let node = eval.node(root);
    let grid = eval.query;
    match (&node.kind, node.value_type) {
        (NodeKind::String(s), _) => Ok(QueryValue::String(s.clone())),
        (NodeKind::Range(source), _) => matrix_of_windows(eval, source, &grid),
        (_, ValueType::Scalar) => {
            let column = eval.scalar(root, &grid)?;
            if eval.instant {
                return Ok(QueryValue::Scalar(column.at(0)));
            }
            let floats: Vec<(i64, f64)> = grid.times().enumerate().map(|(i, t)| (t, column.at(i))).collect();
            eval.budget.take(floats.len())?;
            let all = RangeSeries { labels: Labels::empty(), floats, histograms: Vec::new() };
            Ok(QueryValue::Matrix(if grid.is_empty() { Vec::new() } else { vec![all] }))
        }
        _ if eval.instant => vector(eval, &grid),
        _ => matrix(eval, &grid),
    }
}

/// The labels as the user sees them.
fn final_labels(eval: &Eval<'_>, labels: &Labels, dropped: bool) -> Labels {
    if dropped { names::without_reserved(labels, eval.type_and_unit()) } else { labels.clone() }
}

fn vector(eval: &Eval<'_>, grid: &StepGrid) -> Result<QueryValue, EvalError> {
    let root = eval.plan.root();
    let mut out = Vec::new();
    let unique = eval.node(root).one_name && !eval.delayed();
    let mut seen: FxHashSet<Labels> = FxHashSet::default();
    eval.stream(root, grid, &mut |labels, dropped, row| {
        let value = match (row.float(0), row.histogram(0)) {
            (Some(v), _) => Value::Float(v),
            (None, Some(h)) => Value::Histogram(h.clone()),
            (None, None) => return Ok(()),
        };
        eval.budget.take(1)?;
        let labels = final_labels(eval, labels, dropped);
        if !unique && !seen.insert(labels.clone()) {
            return Err(same_labelset());
        }
        out.push(VectorSample { labels, t: grid.start, value });
        Ok(())
    })?;
    Ok(QueryValue::Vector(out))
}

fn series_of(labels: Labels, row: &StepVector, grid: &StepGrid) -> RangeSeries {
    let mut floats = Vec::with_capacity(row.present.count());
    if row.present.all() {
        floats.extend(grid.times().zip(row.values.iter().copied()));
    } else {
        floats.extend(row.present.iter().filter_map(|i| Some((grid.time(i), *row.values.get(i)?))));
    }
    let column = row.hists.iter().flat_map(|c| c.iter()).enumerate();
    let histograms = column.filter_map(|(i, h)| Some((grid.time(i), h.clone()?))).collect();
    RangeSeries { labels, floats, histograms }
}

fn matrix(eval: &Eval<'_>, grid: &StepGrid) -> Result<QueryValue, EvalError> {
    let mut out: Vec<RangeSeries> = Vec::new();
    eval.stream(eval.plan.root(), grid, &mut |labels, dropped, row| {
        let series = series_of(final_labels(eval, labels, dropped), row, grid);
        let n = series.floats.len() + series.histograms.iter().map(|(_, h)| h.sample_weight()).sum::<usize>();
        if n > 0 {
            eval.budget.take(n)?;
            out.push(series);
        }
        Ok(())
    })?;
    out.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(QueryValue::Matrix(merge_alike(out)?))
}

/// Makes neighbours with equal labels one series; they may not meet at a step.
fn merge_alike(sorted: Vec<RangeSeries>) -> Result<Vec<RangeSeries>, EvalError> {
    let mut out: Vec<RangeSeries> = Vec::with_capacity(sorted.len());
    for series in sorted {
        let Some(last) = out.last_mut().filter(|l| l.labels == series.labels) else {
            out.push(series);
            continue;
        };
        last.floats.extend(series.floats);
        last.histograms.extend(series.histograms);
        last.floats.sort_by_key(|(t, _)| *t);
        last.histograms.sort_by_key(|(t, _)| *t);
        let floats: FxHashSet<i64> = last.floats.iter().map(|(t, _)| *t).collect();
        let histograms: FxHashSet<i64> = last.histograms.iter().map(|(t, _)| *t).collect();
        let apart = floats.len() == last.floats.len()
            && histograms.len() == last.histograms.len()
            && floats.is_disjoint(&histograms);
        if !apart {
            return Err(same_labelset());
        }
    }
    Ok(out)
}

/// A range vector as the result of an instant query: the samples themselves.
fn matrix_of_windows(eval: &Eval<'_>, source: &RangeSource, grid: &StepGrid) -> Result<QueryValue, EvalError> {
    let mut out = Vec::new();
    reader::each_series(eval, source, grid, false, &mut |frame, labels, dropped, buf| {
        let mut windows = Windows::new(frame, buf);
        let Some(w) = windows.at(0, grid.start) else { return Ok(()) };
        eval.budget.take(w.ts.len() + w.hists.len())?;
        out.push(RangeSeries {
            labels: final_labels(eval, labels, dropped),
            floats: w.ts.iter().copied().zip(w.vs.iter().copied()).collect(),
            histograms: w.hists.to_vec(),
        });
        Ok(())
    })?;
    out.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(QueryValue::Matrix(merge_alike(out)?))
}
