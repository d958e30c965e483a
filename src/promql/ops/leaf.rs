//! What each series of a selection is worth at one time: read once a tick for all rules, whatever selects it.

use std::sync::Arc;

use super::super::error::EvalError;
use super::super::leaves::{LeafKey, LeafValues, PAGE};
use super::super::plan::SelectorNode;
use super::super::steps::StepVector;
use super::crew::{self, Leaf, Task};
use super::eval::Eval;
use crate::model::{METRIC_NAME, MatchOp};
use crate::tsdb::{Selection, SharedSeries};

/// The floats that a selection has at one time.
pub(super) struct Gathered {
    pub selection: SharedSeries,
    /// Those series that have a value, ascending.
    pub rows: Vec<u32>,
    pub values: Vec<f64>,
}

/// What is read, and how: all but which series.
pub(super) struct Reading<'r> {
    /// The range function, `""` for the latest sample.
    pub function: &'static str,
    pub args: &'r [f64],
    pub at: i64,
    /// Where the window ends, and how long it is.
    pub window: (i64, i64),
}

/// The values that others of this tick have read or will read of the same series; nothing where nobody asks together, or
/// where a write would not be noticed because any metric is read.
pub(super) fn shared(eval: &Eval<'_>, s: &SelectorNode, reading: &Reading<'_>) -> Option<Arc<LeafValues>> {
    let cache = eval.env.shared.as_ref()?;
    let metric = s.matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal)?;
    let args = reading.args.iter().map(|a| a.to_bits()).collect();
    let Reading { function, at, window, .. } = *reading;
    Some(cache.leaf(LeafKey { metric: metric.value.clone(), function, args, at, window }))
}

/// The values of all series. Nothing when there are histograms, or when what there is to say of some series has been
/// said in another rule: then all are to be streamed.
pub(super) fn gather<T: Task>(
    eval: &Eval<'_>,
    selection: SharedSeries,
    values: Option<&LeafValues>,
    task: &T,
) -> Result<Option<Gathered>, EvalError> {
    if values.is_some_and(LeafValues::is_unfit) {
        return Ok(None);
    }
    let mut found = Found { rows: Vec::with_capacity(selection.len()), values: Vec::with_capacity(selection.len()) };
    let shared = values.filter(|_| selection.has_ids());
    let floats = match shared {
        Some(shared) => {
            let before = eval.notes.take();
            let outcome = with_others(eval, &selection, shared, task, &mut found);
            let said = eval.notes.replace(before);
            if !said.is_empty() {
                shared.set_unfit();
                eval.notes.borrow_mut().merge(said);
            }
            outcome?
        }
        None => alone(eval, &selection, task, &mut found)?,
    };
    if !floats {
        values.into_iter().for_each(LeafValues::set_unfit);
    }
    let Found { rows, values } = found;
    Ok(floats.then_some(Gathered { selection, rows, values }))
}

#[derive(Default)]
struct Found {
    rows: Vec<u32>,
    values: Vec<f64>,
}

impl Found {
    #[inline]
    fn add(&mut self, row: usize, value: Option<f64>) {
        if let Some(v) = value {
            self.rows.push(row as u32);
            self.values.push(v);
        }
    }
}

/// Reads all series; `false` at the first histogram.
fn alone<T: Task>(eval: &Eval<'_>, series: &Selection, task: &T, out: &mut Found) -> Result<bool, EvalError> {
    let mut floats = true;
    let outcome = crew::rows(eval, series, 1, task, &mut |n, _, _, row| {
        floats = !row.has_histograms();
        out.add(n, row.float(0));
        // No other error is looked for when this one ends the reading.
        if floats { Ok(()) } else { Err(EvalError::Canceled) }
    });
    if floats { outcome.map(|()| true) } else { Ok(false) }
}

/// Takes what others of the tick have read and reads what they have not; `false` at the first histogram.
fn with_others<T: Task>(
    eval: &Eval<'_>,
    series: &Selection,
    values: &LeafValues,
    task: &T,
    out: &mut Found,
) -> Result<bool, EvalError> {
    let mut leaf = task.leaf(eval);
    let mut row = StepVector::empty(1);
    let mut read = |n: usize| -> Result<Option<Option<f64>>, EvalError> {
        let Some(series) = series.get(n) else { return Ok(Some(None)) };
        let there = leaf.row(&**series, &mut row)?.is_some();
        Ok((!there || !row.has_histograms()).then(|| row.float(0).filter(|_| there)))
    };
    // Neighbours by id are neighbours in the selection, which ascends.
    let mut first = 0;
    while let Some(id) = series.id(first) {
        let (number, page) = (id / PAGE, values.page(id));
        let mut page = page.as_ref().map(|p| p.lock());
        let mut n = first;
        while let Some(id) = series.id(n).filter(|id| id / PAGE == number) {
            let known = page.as_ref().and_then(|p| p.get(id));
            let value = match known {
                Some(value) => value,
                None => {
                    let Some(value) = read(n)? else { return Ok(false) };
                    page.iter_mut().for_each(|p| p.put(id, value));
                    value
                }
            };
            out.add(n, value);
            n += 1;
        }
        eval.budget.work(n - first)?;
        first = n;
    }
    Ok(true)
}
