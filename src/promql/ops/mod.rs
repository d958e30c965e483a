//! The operators: every node of a plan as a stream of series over the steps of a grid.
//!
//! A node that makes a vector calls its sink once for every series, with a column it may change in place. So a query
//! such as `sum(rate(x[5m]))` holds one series at a time, whatever their number. Operators that need all series at
//! once collect them into a [`Block`]. At one time, operators over a selection need no labels: see `section.rs`.

mod aggregate;
pub(crate) mod arithmetic;
mod binary;
mod call;
mod column;
mod crew;
mod eval;
mod frame;
mod group;
mod histogram;
mod info;
mod labels;
mod leaf;
mod matching;
mod natural;
mod output;
mod rank;
mod reader;
mod scalar;
mod section;
mod selector;
mod set;
mod subquery;
mod window;

use std::cell::Cell;
use std::sync::Arc;

use super::annotations::Span;
use super::block::Block;
use super::env::EvalEnv;
use super::error::EvalError;
use super::plan::{Node, NodeId, NodeKind, Plan};
use super::profile::Profiler;
use super::shared::{Held, Row, Slot};
use super::steps::{StepGrid, StepVector};
use super::value::{EvalStats, Evaluated};
use crate::tsdb::Queryable;
use eval::{Eval, Sink};

/// Evaluates a plan over the steps of `grid`.
pub(crate) fn run(
    plan: &Plan,
    storage: &dyn Queryable,
    grid: StepGrid,
    instant: bool,
    env: &EvalEnv,
) -> Result<Evaluated, EvalError> {
    env.cancel.check()?;
    let mut eval = Eval::new(plan, storage, env, grid, instant);
    eval.profiler = env.profile.then(|| Profiler::new(plan.nodes().len()));
    let value = output::result(&eval)?;
    let stats = EvalStats {
        series: eval.series.get(),
        samples: eval.budget.samples_read(),
        peak_samples: eval.budget.samples_peak() as u64,
    };
    let profile = eval.profiler.map(Profiler::finish).unwrap_or_default();
    let mut annotations = eval.notes.into_inner();
    annotations.keep_last(|place| smallest_around(plan, place));
    Ok(Evaluated { value, annotations, partial: None, stats, profile })
}

/// The place of the smallest expression around `place`, which is the operator that looks at what is there.
fn smallest_around(plan: &Plan, place: Span) -> Span {
    let around = |s: &Span| s.start <= place.start && s.end >= place.end && *s != place;
    let spans = plan.nodes().iter().map(|n| n.span).filter(around);
    spans.min_by_key(|s| s.end - s.start).unwrap_or(Span { start: 0, end: u32::MAX })
}

impl Eval<'_> {
    /// Streams the series of a vector node over the steps of `grid`.
    fn stream(&self, id: NodeId, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
        let node = self.node(id);
        if grid.is_empty() {
            return Ok(());
        }
        if node.invariant && grid.len() > 1 {
            let once = StepGrid::instant(grid.start);
            let mut wide = StepVector::empty(grid.len());
            return self.measured(id, &once, &mut |labels, dropped, row| {
                repeat(row, &mut wide);
                sink(labels, dropped, &mut wide)
            });
        }
        if section::stream(self, id, grid, sink)? {
            return Ok(());
        }
        match self.slot(id, grid) {
            Some(slot) => self.shared(&slot, id, sink),
            None => self.measured(id, grid, sink),
        }
    }

    /// The place of a node's result, if the rules of this tick share it.
    fn slot(&self, id: NodeId, grid: &StepGrid) -> Option<Slot> {
        let (cache, identity) = (self.env.shared.as_ref()?, self.node(id).identity.as_ref()?);
        if self.instant && *grid == self.query { cache.slot(identity, grid.start) } else { None }
    }

    /// Takes a result that another evaluation of this tick has left, or leaves its own.
    fn shared(&self, slot: &Slot, id: NodeId, sink: Sink<'_>) -> Result<(), EvalError> {
        let mut held = slot.lock();
        let rows = match &*held {
            Held::Rows(rows) => rows.clone(),
            Held::Unshared => {
                drop(held);
                return self.measured(id, &self.query, sink);
            }
            Held::Section(section) => {
                let section = section.clone();
                drop(held);
                return section::emit(&section, sink);
            }
            Held::Nothing => {
                let before = self.notes.take();
                let made = self.rows(id);
                let said = self.notes.replace(before);
                let rows = Arc::new(made?);
                *held = if said.is_empty() { Held::Rows(rows.clone()) } else { Held::Unshared };
                self.notes.borrow_mut().merge(said);
                rows
            }
        };
        // What the sink does must not keep others waiting.
        drop(held);
        let mut row = StepVector::empty(1);
        for (labels, dropped, value) in rows.iter() {
            row.reset();
            row.set_value(0, value.clone());
            sink(labels, *dropped, &mut row)?;
        }
        Ok(())
    }

    /// The rows a node gives at the time of an instant query.
    fn rows(&self, id: NodeId) -> Result<Vec<Row>, EvalError> {
        let mut rows = Vec::new();
        let taken = Cell::new(0);
        let made = self.measured(id, &self.query, &mut |labels, dropped, row| {
            rows.extend(row.value(0).map(|v| (labels.clone(), dropped, v)));
            taken.set(taken.get() + 1);
            self.budget.take(1)
        });
        self.budget.give_back(taken.get());
        made.map(|()| rows)
    }

    /// Streams a node, and where asked for, measures what that costs.
    fn measured(&self, id: NodeId, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
        let node = self.node(id);
        let Some(profiler) = &self.profiler else { return self.produce(node, grid, sink) };
        let above = profiler.switch(Some(id));
        let outcome = self.produce(node, grid, &mut |labels, dropped, row| {
            profiler.count(|n| n.series += 1);
            profiler.switch(above);
            let outcome = sink(labels, dropped, row);
            profiler.switch(Some(id));
            outcome
        });
        profiler.switch(above);
        outcome
    }

    fn produce(&self, node: &Node, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
        use NodeKind::*;
        match &node.kind {
            Selector(s) => selector::stream(self, s, grid, sink),
            SampleTime { selector: s, start } => selector::sample_times(self, s, *start, grid, sink),
            RangeCall(call) => window::stream(self, call, node.span, grid, sink),
            AbsentOverTime(source, labels) => window::absent(self, source, labels, grid, sink),
            Math { f, empty, input, args, .. } => call::math(self, (*f, *empty), *input, args, grid, sink),
            Date { f, input, .. } => call::date(self, *f, *input, grid, sink),
            Histogram { f, input, .. } => call::histogram(self, *f, *input, grid, sink),
            Negate(input) => call::negate(self, *input, grid, sink),
            EvalTime { input, start } => call::eval_time(self, *input, *start, grid, sink),
            ScalarToVector(input) => call::vector(self, *input, grid, sink),
            Absent(input, labels) => call::absent(self, *input, labels, grid, sink),
            VectorScalar { op, vector, scalar, scalar_left, bool } => {
                let form = binary::Form { op: *op, scalar_left: *scalar_left, bool: *bool, span: node.span };
                binary::vector_scalar(self, form, *vector, *scalar, grid, sink)
            }
            VectorVector { op, left, right, bool, matching: m } => matching::stream(
                self,
                matching::Form { op: *op, bool: *bool, m, span: node.span },
                *left,
                *right,
                grid,
                sink,
            ),
            Set { op, left, right, key } => set::stream(self, *op, *left, *right, key, grid, sink),
            Aggregate { op, group, param, input, place } => match param {
                Some(p) => rank::stream(self, (*op, *place), group, *p, *input, grid, sink),
                None => aggregate::stream(self, (*op, *place), group, *input, grid, sink),
            },
            CountValues { label, group, input } => rank::count_values(self, label, group, *input, grid, sink),
            MergeDropped(input) => labels::merge_dropped(self, *input, grid, sink),
            LabelReplace { input, dst, replacement, src, regex } => {
                let rule = labels::Replace { dst, replacement, src, regex };
                labels::replace(self, *input, &rule, grid, sink)
            }
            LabelJoin { input, dst, separator, sources } => {
                labels::join(self, *input, dst, separator, sources, grid, sink)
            }
            Sort { input, descending } => labels::sort(self, *input, *descending, node.span, grid, sink),
            SortByLabel { input, descending, labels: by } => {
                labels::sort_by_label(self, *input, *descending, by, node.span, grid, sink)
            }
            HistogramQuantile { quantile, input, spans } => {
                histogram::quantile(self, *quantile, *input, *spans, grid, sink)
            }
            HistogramQuantiles { label, quantiles, input, input_span } => {
                histogram::quantiles(self, label, quantiles, *input, *input_span, grid, sink)
            }
            HistogramFraction { lower, upper, input, input_span } => {
                histogram::fraction(self, [*lower, *upper], *input, *input_span, grid, sink)
            }
            Info(info) => info::stream(self, info, grid, sink),
            Number(_)
            | String(_)
            | QueryScalar(_)
            | Range(_)
            | ScalarMinMax { .. }
            | ScalarBinary { .. }
            | VectorToScalar(_) => Ok(()),
        }
    }

    /// Collects the series of a vector node.
    fn collect(&self, id: NodeId, grid: &StepGrid) -> Result<Block, EvalError> {
        let mut block = Block::new(grid.len(), &self.budget);
        self.stream(id, grid, &mut |labels, dropped, row| block.push(labels, dropped, row))?;
        Ok(block)
    }
}

/// Fills `wide` with the one step of `row`.
fn repeat(row: &StepVector, wide: &mut StepVector) {
    wide.reset();
    if let Some(v) = row.float(0) {
        wide.values.fill(v);
        wide.present.fill();
    } else if let Some(h) = row.histogram(0) {
        wide.hists = Some(Box::new(vec![Some(h.clone()); wide.len()]));
    }
}
