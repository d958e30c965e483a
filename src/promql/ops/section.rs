//! Operators over sections.
//!
//! At one time an operator over a selection needs no labels but to tell which rows belong together, and that changes only
//! when series come or go. So rows are numbers here, values stand in one column, and labels are made for what is left at the
//! end. The values and their order are those of the streaming operators; what does not fit in here is left to these.

use std::sync::Arc;

use super::super::ast::{AggregateOp, BinaryOp};
use super::super::error::EvalError;
use super::super::func::RangeMode;
use super::super::plan::{GroupLabels, Many, NodeId, NodeKind, Plan, RangeSource};
use super::super::section::{Filter, Heads, Section};
use super::super::shared::{Held, Slot};
use super::super::steps::{StepGrid, StepVector};
use super::arithmetic;
use super::binary;
use super::column::Column;
use super::eval::{Eval, Sink};
use super::leaf::Gathered;
use super::{matching, selector, window};
use crate::model::METRIC_NAME;

/// A section, or nothing where the streaming operators have to do it.
type Made = Result<Option<Section>, EvalError>;

/// Streams a node's series by way of a section; `false` where that is no way, and nothing was streamed.
pub(super) fn stream(eval: &Eval<'_>, id: NodeId, grid: &StepGrid, sink: Sink<'_>) -> Result<bool, EvalError> {
    if !is_plain(eval) || grid.len() != 1 || !can_be(eval.plan, id) {
        return Ok(false);
    }
    let read = (eval.series.get(), eval.budget.samples_read());
    let section = match eval.slot(id, grid) {
        Some(slot) => shared(eval, &slot, id, grid)?,
        None => make(eval, id, grid)?,
    };
    let Some(section) = section else {
        // What did not fit once will not on the way up. It is read again, and counted once.
        eval.streams_only.set(true);
        eval.series.set(read.0);
        eval.budget.count_from(read.1);
        return Ok(false);
    };
    emit(&section, sink)?;
    Ok(true)
}

/// Streams the rows of a section.
pub(super) fn emit(section: &Section, sink: Sink<'_>) -> Result<(), EvalError> {
    let mut row = StepVector::empty(1);
    for (n, v) in section.rows.iter().zip(&section.values) {
        row.reset();
        row.set(0, *v);
        sink(&section.heads.labels(*n), section.dropped, &mut row)?;
    }
    Ok(())
}

/// Takes a section that another evaluation of this tick has left, or leaves its own.
fn shared(eval: &Eval<'_>, slot: &Slot, id: NodeId, grid: &StepGrid) -> Made {
    let mut held = slot.lock();
    match &*held {
        Held::Section(section) => return Ok(Some((**section).clone())),
        Held::Rows(_) => return Ok(None),
        Held::Unshared => {
            drop(held);
            return make(eval, id, grid);
        }
        Held::Nothing => {}
    }
    let before = eval.notes.take();
    let made = make(eval, id, grid);
    let said = eval.notes.replace(before);
    if let Ok(Some(section)) = &made {
        *held = if said.is_empty() { Held::Section(Arc::new(section.clone())) } else { Held::Unshared };
    }
    eval.notes.borrow_mut().merge(said);
    made
}

/// Whether names are names, and nobody looks at single operators.
fn is_plain(eval: &Eval<'_>) -> bool {
    let features = eval.plan.features();
    !eval.streams_only.get()
        && eval.profiler.is_none()
        && !features.delayed_name_removal
        && !features.type_and_unit_labels
        && !features.start_timestamps
}

/// Whether a node is made of operators that know sections.
fn can_be(plan: &Plan, id: NodeId) -> bool {
    use NodeKind::*;
    match &plan.node(id).kind {
        Selector(s) => s.mode == RangeMode::Plain,
        RangeCall(call) => matches!(&call.source, RangeSource::Selector(s, _) if s.mode == RangeMode::Plain),
        Math { input, .. } | Negate(input) => can_be(plan, *input),
        VectorScalar { op, vector, .. } => !op.is_trim() && can_be(plan, *vector),
        VectorVector { op, left, right, matching: m, .. } => {
            let one_name = |id| plan.node(id).one_name;
            let unique = match m.many {
                Many::None => !(m.on && m.key.labels.iter().any(|l| l == METRIC_NAME)),
                Many::Left => one_name(*left),
                Many::Right => one_name(*right),
            };
            let filled = m.fill_left.is_some() || m.fill_right.is_some();
            unique && !filled && m.include.is_empty() && !op.is_trim() && can_be(plan, *left) && can_be(plan, *right)
        }
        Set { op: BinaryOp::And | BinaryOp::Unless, left, right, .. } => can_be(plan, *left) && can_be(plan, *right),
        Aggregate { op, param: None, input, .. } => is_folding(*op) && can_be(plan, *input),
        _ => false,
    }
}

fn is_folding(op: AggregateOp) -> bool {
    use AggregateOp::*;
    matches!(op, Sum | Avg | Min | Max | Count | Group | Stddev | Stdvar)
}

/// An operand. What costs little once its series are read is made again by each who needs it.
fn operand(eval: &Eval<'_>, id: NodeId, grid: &StepGrid) -> Made {
    use NodeKind::*;
    let worth = matches!(eval.node(id).kind, Aggregate { .. } | VectorVector { .. } | Set { .. });
    match eval.slot(id, grid).filter(|_| worth) {
        Some(slot) => shared(eval, &slot, id, grid),
        None => make(eval, id, grid),
    }
}

fn make(eval: &Eval<'_>, id: NodeId, grid: &StepGrid) -> Made {
    use NodeKind::*;
    let node = eval.node(id);
    match &node.kind {
        Selector(s) => Ok(selector::gather(eval, s, grid)?.map(|found| of(found, false))),
        RangeCall(call) => Ok(window::gather(eval, call, node.span, grid)?.map(|found| of(found, !call.keeps_name))),
        Math { f, empty, input, args, .. } => {
            let Some(mut section) = operand(eval, *input, grid)? else { return Ok(None) };
            let args = args.iter().map(|a| Ok(eval.scalar(*a, grid)?.at(0))).collect::<Result<Vec<_>, EvalError>>()?;
            if empty.is_some_and(|empty| empty(&args)) {
                section.clear();
            }
            section.values.iter_mut().for_each(|v| *v = f(*v, &args));
            Ok(Some(Section { dropped: true, ..section }))
        }
        Negate(input) => Ok(operand(eval, *input, grid)?.map(|mut section| {
            section.values.iter_mut().for_each(|v| *v = -*v);
            Section { dropped: true, ..section }
        })),
        VectorScalar { op, vector, scalar, scalar_left, bool } => {
            let form = binary::Form { op: *op, scalar_left: *scalar_left, bool: *bool, span: node.span };
            let scalar = eval.scalar(*scalar, grid)?.at(0);
            Ok(operand(eval, *vector, grid)?.map(|section| section.with_scalar(form, scalar)))
        }
        VectorVector { op, left, right, bool, matching: m } => {
            let form = matching::Form { op: *op, bool: *bool, m, span: node.span };
            let Some((left, right)) = both(eval, *left, *right, grid)? else { return Ok(None) };
            Ok(join(form, left, right))
        }
        Set { op, left, right, key } => {
            // In this order they say what there is to say.
            let sides = both(eval, *right, *left, grid)?;
            Ok(sides.map(|(right, left)| among(left, &right, key, *op == BinaryOp::And)))
        }
        Aggregate { op, group, input, .. } => match operand(eval, *input, grid)? {
            Some(section) => aggregate(eval, section, *op, group).map(Some),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Both sides of an operator, which are held at once.
fn both(eval: &Eval<'_>, a: NodeId, b: NodeId, grid: &StepGrid) -> Result<Option<(Section, Section)>, EvalError> {
    let Some(a) = operand(eval, a, grid)? else { return Ok(None) };
    let Some(b) = operand(eval, b, grid)? else { return Ok(None) };
    eval.budget.allow(a.rows.len() + b.rows.len())?;
    Ok(Some((a, b)))
}

fn of(found: Gathered, dropped: bool) -> Section {
    let Gathered { selection, rows, values } = found;
    Section { heads: Heads::of(selection), dropped, rows, values }
}

/// The heads as the next operator sees them: a dropped name is gone.
fn visible(heads: Heads, dropped: bool) -> Heads {
    if dropped { heads.filtered(Filter::Nameless) } else { heads }
}

impl Section {
    fn clear(&mut self) {
        self.rows.clear();
        self.values.clear();
    }

    /// Leaves the rows that have a new value, in place of the old one.
    fn filter_map(&mut self, mut f: impl FnMut(u32, f64) -> Option<f64>) {
        let mut left = 0;
        for i in 0..self.rows.len() {
            let (Some(row), Some(v)) = (self.rows.get(i).copied(), self.values.get(i).copied()) else { break };
            let Some(new) = f(row, v) else { continue };
            if let (Some(r), Some(v)) = (self.rows.get_mut(left), self.values.get_mut(left)) {
                (*r, *v) = (row, new);
            }
            left += 1;
        }
        self.rows.truncate(left);
        self.values.truncate(left);
    }

    fn with_scalar(mut self, form: binary::Form, scalar: f64) -> Self {
        let sides = |v: f64| if form.scalar_left { (scalar, v) } else { (v, scalar) };
        if !form.op.is_comparison() {
            for v in &mut self.values {
                let (l, r) = sides(*v);
                *v = arithmetic::compute(form.op, l, r);
            }
        } else {
            self.filter_map(|_, v| {
                let (l, r) = sides(v);
                let holds = arithmetic::compare(form.op, l, r) == Some(true);
                if form.bool { Some(f64::from(u8::from(holds))) } else { holds.then_some(v) }
            });
        }
        self.dropped |= arithmetic::drops_name(form.op) || form.bool;
        self
    }
}

/// Two sections, row by row with the same labels. Nothing where one row would match several: whether that is a mistake,
/// and how to say so, others know.
fn join(form: matching::Form<'_>, left: Section, right: Section) -> Option<Section> {
    let m = form.m;
    let swapped = m.many == Many::Right;
    let (mut many, one) = if swapped { (right, left) } else { (left, right) };
    let key = |s: &Section| visible(s.heads.clone(), s.dropped).filtered(Filter::Group(m.key.clone()));
    let meeting = key(&many).meet(&key(&one));
    // The place of each group's value on the one side.
    let mut values: Vec<Option<f64>> = vec![None; meeting.groups];
    for (row, v) in one.rows.iter().zip(&one.values) {
        let slot = values.get_mut(meeting.right(*row))?;
        if slot.replace(*v).is_some() {
            return None;
        }
    }
    let mut taken = vec![false; if m.many == Many::None { meeting.groups } else { 0 }];
    let mut twice = false;
    many.filter_map(|row, v| {
        let g = meeting.left(row);
        let other = values.get(g).copied().flatten()?;
        if let Some(taken) = taken.get_mut(g) {
            twice |= std::mem::replace(taken, true);
        }
        let (l, r) = if swapped { (other, v) } else { (v, other) };
        match arithmetic::compare(form.op, l, r) {
            None => Some(arithmetic::compute(form.op, l, r)),
            Some(holds) if form.bool => Some(f64::from(u8::from(holds))),
            Some(holds) => holds.then_some(l),
        }
    });
    if twice {
        return None;
    }
    let mut heads = visible(many.heads, many.dropped);
    if arithmetic::drops_name(form.op) || form.bool {
        heads = heads.filtered(Filter::Nameless);
    }
    if m.many == Many::None {
        heads = heads.filtered(Filter::Written { labels: m.written.clone(), keep: m.on });
    }
    Some(Section { heads, dropped: form.bool, ..many })
}

/// The rows of one side whose labels are (`and`), or are not (`unless`), among those of another.
fn among(mut left: Section, right: &Section, key: &GroupLabels, wanted: bool) -> Section {
    let of = |s: &Section| visible(s.heads.clone(), s.dropped).filtered(Filter::Group(key.clone()));
    let meeting = of(&left).meet(&of(right));
    let mut there = vec![false; meeting.groups];
    for row in &right.rows {
        there.iter_mut().skip(meeting.right(*row)).take(1).for_each(|t| *t = true);
    }
    left.filter_map(|row, v| (there.get(meeting.left(row)).copied().unwrap_or(false) == wanted).then_some(v));
    left
}

/// The groups of a section, in the order in which their first rows come.
fn aggregate(eval: &Eval<'_>, section: Section, op: AggregateOp, by: &GroupLabels) -> Result<Section, EvalError> {
    let Section { heads, dropped, rows, values } = section;
    let (heads, groups) = visible(heads, dropped).filtered(Filter::Group(by.clone())).grouped();
    eval.budget.allow(groups.len())?;
    // A group is to a column what a step is.
    let mut column = Column::new(op, groups.len());
    let mut order: Vec<u32> = Vec::new();
    for (row, v) in rows.iter().zip(&values) {
        let g = groups.of(*row);
        if column.add_at(op, g as usize, *v) {
            order.push(g);
        }
    }
    eval.budget.work(rows.len())?;
    let values = order.iter().map(|g| column.at(op, *g as usize)).collect();
    Ok(Section { heads, dropped, rows: order, values })
}

#[cfg(test)]
mod tests;
