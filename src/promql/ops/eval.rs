//! One evaluation of a plan: what its operators share.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::annotations::{Annotations, Note, Span};
use super::super::ast::{At, Dur};
use super::super::block::Block;
use super::super::env::EvalEnv;
use super::super::error::EvalError;
use super::super::limits::Budget;
use super::super::names;
use super::super::plan::{Node, NodeId, Plan, ReadTiming};
use super::super::profile::Profiler;
use super::super::steps::{Bitmap, StepGrid, StepVector};
use crate::model::Labels;
use crate::tsdb::Queryable;

/// Takes series one by one: labels, whether the metric name is dropped, and the values, which it may change.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&Labels, bool, &mut StepVector) -> Result<(), EvalError>;

/// One evaluation of a plan.
pub(crate) struct Eval<'a> {
    pub(super) plan: &'a Plan,
    pub(super) storage: &'a dyn Queryable,
    pub(super) env: &'a EvalEnv,
    pub(super) budget: Rc<Budget>,
    pub(super) notes: RefCell<Annotations>,
    /// The steps of the whole query: what `start()`, `end()`, `step()` and `range()` speak of.
    pub(super) query: StepGrid,
    /// Whether the query is an instant query.
    pub(super) instant: bool,
    pub(super) series: Cell<u64>,
    pub(super) profiler: Option<Profiler>,
    /// Nothing is evaluated by sections any more: something was met that does not fit into one.
    pub(super) streams_only: Cell<bool>,
}

impl<'a> Eval<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        storage: &'a dyn Queryable,
        env: &'a EvalEnv,
        query: StepGrid,
        instant: bool,
    ) -> Self {
        let budget = Rc::new(Budget::new(&env.limits, env.cancel.clone()));
        let (notes, series, streams_only) = (RefCell::default(), Cell::new(0), Cell::new(false));
        Eval { plan, storage, env, budget, notes, query, instant, series, profiler: None, streams_only }
    }

    pub(super) fn node(&self, id: NodeId) -> &'a Node {
        self.plan.node(id)
    }

    pub(super) fn note(&self, note: Note, span: Span) {
        self.notes.borrow_mut().add(note, span);
    }

    /// Samples were read from storage.
    pub(super) fn count_read(&self, samples: usize) {
        if let Some(profiler) = &self.profiler {
            profiler.count(|n| n.samples_read += samples as u64);
        }
        self.budget.read(samples);
    }

    pub(super) fn type_and_unit(&self) -> bool {
        self.plan.features().type_and_unit_labels
    }

    pub(super) fn delayed(&self) -> bool {
        self.plan.features().delayed_name_removal
    }

    /// The labels as the next operator sees them: a dropped name is gone, unless removal is delayed.
    pub(super) fn visible<'l>(&self, labels: &'l Labels, dropped: bool) -> Cow<'l, Labels> {
        if dropped && !self.delayed() {
            Cow::Owned(names::without_reserved(labels, self.type_and_unit()))
        } else {
            Cow::Borrowed(labels)
        }
    }

    /// A duration in milliseconds, in this query.
    pub(super) fn millis(&self, dur: &Dur) -> Result<i64, EvalError> {
        let (step, range) = if self.instant { (0, 0) } else { (self.query.step, self.query.end - self.query.start) };
        dur.millis(step, range).map_err(EvalError::Execution)
    }

    /// A range in milliseconds, which must be more than nothing.
    pub(super) fn range_millis(&self, dur: &Dur) -> Result<i64, EvalError> {
        match self.millis(dur)? {
            ms if ms > 0 => Ok(ms),
            _ => Err(EvalError::execution("duration must be greater than 0")),
        }
    }

    /// How far before a step its samples are read, and the one time at which all steps read, when `@` fixes it.
    pub(super) fn reading(&self, timing: &ReadTiming) -> Result<(i64, Option<i64>), EvalError> {
        let offset = match &timing.offset {
            Some(d) => self.millis(d)?,
            None => 0,
        };
        let at = timing.at.map(|at| match at {
            At::Time(t) => t,
            At::Start => self.query.start,
            At::End => self.query.end,
        });
        Ok((offset, at))
    }

    /// The grid on which a reader with this timing looks at samples, one step for all when `@` fixes the time.
    pub(super) fn reading_grid(&self, timing: &ReadTiming, grid: &StepGrid) -> Result<StepGrid, EvalError> {
        let (offset, at) = self.reading(timing)?;
        Ok(match at {
            Some(at) => StepGrid::instant(at.saturating_sub(offset)),
            None => grid.shifted(-offset),
        })
    }
}

/// Streams the rows of a block.
pub(super) fn replay(eval: &Eval<'_>, block: &Block, sink: Sink<'_>) -> Result<(), EvalError> {
    let mut row = StepVector::empty(block.steps());
    for (i, head) in block.heads.iter().enumerate() {
        eval.budget.work(block.steps())?;
        block.copy_row(i, &mut row);
        sink(&head.labels, head.dropped, &mut row)?;
    }
    Ok(())
}

/// The error of two series that became alike.
pub(super) fn same_labelset() -> EvalError {
    EvalError::execution("vector cannot contain metrics with the same labelset")
}

/// Steps present in both.
pub(super) fn both(a: &Bitmap, b: &Bitmap) -> Bitmap {
    let mut out = a.clone();
    out.and(b);
    out
}
