//! Two vectors, series matched by labels.
//!
//! Which series belong together is settled once, from labels; what remains for the steps is arithmetic on columns and
//! operations on presence bits.

use rustc_hash::FxHashMap;

use super::super::annotations::{Note, Span};
use super::super::ast::BinaryOp;
use super::super::block::Block;
use super::super::error::EvalError;
use super::super::names;
use super::super::plan::{Many, Matching, NodeId};
use super::super::steps::{Bitmap, StepGrid, StepVector};
use super::arithmetic::{self, Operand};
use super::binary::settle;
use super::eval::{Eval, Sink, both, replay};
use super::group::Groups;
use crate::model::{Labels, LabelsBuilder};

/// An operator between two vectors.
#[derive(Clone, Copy)]
pub(super) struct Form<'m> {
    pub op: BinaryOp,
    pub bool: bool,
    pub m: &'m Matching,
    pub span: Span,
}

/// Streams the combined series.
pub(super) fn stream(
    eval: &Eval<'_>,
    form: Form<'_>,
    left: NodeId,
    right: NodeId,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let swapped = form.m.many == Many::Right;
    let (left, right) = (eval.collect(left, grid)?, eval.collect(right, grid)?);
    let (many, one) = if swapped { (&right, &left) } else { (&left, &right) };
    // As Prometheus has it: with `group_right`, `fill_left` still fills the many side.
    let (fill_many, fill_one) = (form.m.fill_left, form.m.fill_right);
    if (many.len() == 0 && fill_many.is_none()) || (one.len() == 0 && fill_one.is_none()) {
        return Ok(());
    }
    let mut join = Join {
        eval,
        form,
        swapped,
        many,
        one,
        groups: Groups::new(&form.m.key, eval.type_and_unit()),
        members: Vec::new(),
        matched: FxHashMap::default(),
        results: Results::new(eval, grid.len()),
        scratch: StepVector::empty(grid.len()),
        last_notes: FxHashMap::default(),
    };
    join.index_one_side(fill_many.is_some())?;
    let seen = join.walk_many_side(fill_one)?;
    if let Some(v) = fill_many {
        join.fill_many_side(v, &seen)?;
    }
    join.last_notes.into_values().flatten().for_each(|n| eval.note(n, form.span));
    replay(eval, &join.results.block, sink)
}

/// One side of a pair.
#[derive(Clone, Copy)]
enum Side<'b> {
    Row(&'b Block, usize),
    Fill(f64),
}

impl<'b> Side<'b> {
    fn values(&self) -> &'b [f64] {
        match self {
            Side::Row(block, i) => block.values(*i),
            Side::Fill(_) => &[],
        }
    }

    #[inline]
    fn float(&self, step: usize) -> f64 {
        match self {
            Side::Row(block, i) => block.values(*i).get(step).copied().unwrap_or_default(),
            Side::Fill(v) => *v,
        }
    }

    fn operand(&self, step: usize) -> Operand<'b> {
        match self {
            Side::Row(block, i) => match block.histogram(*i, step) {
                Some(h) => Operand::Histogram(h),
                None => Operand::Float(self.float(step)),
            },
            Side::Fill(v) => Operand::Float(*v),
        }
    }

    fn has_histograms(&self) -> bool {
        matches!(self, Side::Row(block, i) if block.histograms(*i).iter().any(Option::is_some))
    }
}

struct Join<'a, 'e> {
    eval: &'a Eval<'e>,
    form: Form<'a>,
    swapped: bool,
    many: &'a Block,
    one: &'a Block,
    groups: Groups<'a>,
    /// Rows of the one side in every group.
    members: Vec<Vec<usize>>,
    /// Where a group of a one-to-one match has found its match.
    matched: FxHashMap<usize, Bitmap>,
    results: Results,
    scratch: StepVector,
    /// What there is to say of the last pair at every step that has something to say; Prometheus tells no more.
    last_notes: FxHashMap<usize, Vec<Note>>,
}

impl<'a> Join<'a, '_> {
    fn nameless(&self, dropped: bool) -> bool {
        dropped && !self.eval.delayed()
    }

    fn group_of(&mut self, block: &Block, i: usize) -> usize {
        let Some(head) = block.heads.get(i) else { return 0 };
        let nameless = self.nameless(head.dropped);
        let g = self.groups.of(&head.labels, nameless);
        while self.members.len() <= g {
            self.members.push(Vec::new());
        }
        g
    }

    /// Groups the one side, which must have one series a group at every step where the other side has any.
    fn index_one_side(&mut self, everywhere: bool) -> Result<(), EvalError> {
        for i in 0..self.one.len() {
            let g = self.group_of(self.one, i);
            if let Some(rows) = self.members.get_mut(g) {
                rows.push(i);
            }
        }
        if self.members.iter().all(|rows| rows.len() < 2) {
            return Ok(());
        }
        let active = if everywhere { Bitmap::ones(self.one.steps()) } else { self.many.any_occupied() };
        for (g, rows) in self.members.iter().enumerate().filter(|(_, rows)| rows.len() > 1) {
            let mut taken: Vec<(usize, Bitmap)> = Vec::new();
            for row in rows {
                let here = both(&self.one.occupied(*row), &active);
                if let Some((other, _)) = taken.iter().find(|(_, bits)| bits.intersects(&here)) {
                    return Err(self.duplicate(g, *other, *row));
                }
                taken.push((*row, here));
            }
        }
        Ok(())
    }

    fn duplicate(&self, group: usize, a: usize, b: usize) -> EvalError {
        let side = if self.swapped { "left" } else { "right" };
        let mut pair: Vec<String> = [a, b]
            .iter()
            .filter_map(|i| self.one.heads.get(*i))
            .map(|head| self.eval.visible(&head.labels, head.dropped).to_string())
            .collect();
        pair.sort();
        let group = self.groups.labels.get(group).map(|l| l.to_string()).unwrap_or_default();
        EvalError::Execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{}];\
             many-to-many matching not allowed: matching labels must be unique on one side",
            pair.join(", ")
        ))
    }

    /// Combines every series of the many side with those it matches. Returns where every group was seen.
    fn walk_many_side(&mut self, fill_one: Option<f64>) -> Result<FxHashMap<usize, Bitmap>, EvalError> {
        let mut seen: FxHashMap<usize, Bitmap> = FxHashMap::default();
        let keep_seen = self.form.m.fill_left.is_some() || self.form.m.fill_right.is_some();
        for m in 0..self.many.len() {
            self.eval.budget.tick()?;
            let g = self.group_of(self.many, m);
            let mut rest = self.many.occupied(m);
            if keep_seen {
                seen.entry(g).or_insert_with(|| Bitmap::zeros(rest.len())).or(&rest);
            }
            for o in self.members.get(g).cloned().unwrap_or_default() {
                let steps = both(&rest, &self.one.occupied(o));
                if steps.any() {
                    rest.and_not(&steps);
                    self.pair(g, Side::Row(self.many, m), Side::Row(self.one, o), &steps)?;
                }
            }
            if let Some(v) = fill_one.filter(|_| rest.any()) {
                self.pair(g, Side::Row(self.many, m), Side::Fill(v), &rest)?;
            }
        }
        Ok(seen)
    }

    /// Combines the series of the one side with a value where their group has none on the many side.
    fn fill_many_side(&mut self, v: f64, seen: &FxHashMap<usize, Bitmap>) -> Result<(), EvalError> {
        for g in 0..self.members.len() {
            for o in self.members.get(g).cloned().unwrap_or_default() {
                let mut steps = self.one.occupied(o);
                if let Some(taken) = seen.get(&g) {
                    steps.and_not(taken);
                }
                if steps.any() {
                    self.pair(g, Side::Fill(v), Side::Row(self.one, o), &steps)?;
                }
            }
        }
        Ok(())
    }

    /// Combines two sides at `steps`, where both have a value.
    fn pair(&mut self, g: usize, many: Side<'a>, one: Side<'a>, steps: &Bitmap) -> Result<(), EvalError> {
        if self.form.m.many == Many::None {
            let matched = self.matched.entry(g).or_insert_with(|| Bitmap::zeros(steps.len()));
            if matched.intersects(steps) {
                return Err(EvalError::execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            matched.or(steps);
        }
        let (labels, dropped) = self.result_labels(g, many, one)?;
        self.eval.budget.work(steps.len())?;
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        self.combine(left, right, steps);
        self.results.put(labels, dropped, steps, &self.scratch, self.form.m.many != Many::None)
    }

    /// The values at `steps`, into the scratch row.
    fn combine(&mut self, left: Side<'a>, right: Side<'a>, steps: &Bitmap) {
        self.scratch.reset();
        let Form { op, bool, .. } = self.form;
        if left.has_histograms() || right.has_histograms() || op.is_trim() {
            for i in steps.iter() {
                let mut notes = Vec::new();
                let (l, r) = (left.operand(i), right.operand(i));
                match l {
                    Operand::Float(v) => self.scratch.set(i, v),
                    Operand::Histogram(h) => self.scratch.set_histogram(i, h.clone()),
                }
                let outcome = arithmetic::apply(op, l, r, &mut notes);
                settle(&mut self.scratch, i, outcome, bool);
                if !notes.is_empty() {
                    self.last_notes.insert(i, notes);
                }
            }
            return;
        }
        self.scratch.present.or(steps);
        if op.is_comparison() {
            for i in steps.iter() {
                let l = left.float(i);
                let holds = arithmetic::compare(op, l, right.float(i)) == Some(true);
                if bool {
                    self.scratch.set(i, f64::from(u8::from(holds)));
                } else if holds {
                    self.scratch.set(i, l);
                } else {
                    self.scratch.present.unset(i);
                }
            }
            return;
        }
        let out = &mut self.scratch.values;
        match op {
            BinaryOp::Add => columns(out, left, right, |l, r| l + r),
            BinaryOp::Sub => columns(out, left, right, |l, r| l - r),
            BinaryOp::Mul => columns(out, left, right, |l, r| l * r),
            BinaryOp::Div => columns(out, left, right, |l, r| l / r),
            op => columns(out, left, right, |l, r| arithmetic::compute(op, l, r)),
        }
    }

    /// The labels of a result, and whether its name is dropped.
    fn result_labels(&self, g: usize, many: Side<'a>, one: Side<'a>) -> Result<(Labels, bool), EvalError> {
        let group = || self.groups.labels.get(g).cloned().unwrap_or_default();
        let of = |side: Side<'a>| match side {
            Side::Row(block, i) => match block.heads.get(i) {
                Some(head) => (self.eval.visible(&head.labels, head.dropped).into_owned(), head.dropped),
                None => (Labels::empty(), false),
            },
            Side::Fill(_) => (group(), false),
        };
        let m = self.form.m;
        // As Prometheus has it: a comparison keeps the name even where the many side was to lose it.
        let (labels, _) = of(many);
        let dropped = self.form.bool;
        let drops = arithmetic::drops_name(self.form.op) || (self.form.bool && !self.eval.delayed());
        let type_and_unit = self.eval.type_and_unit();
        let keep = |name: &str| {
            let reserved = drops && names::is_reserved(name, type_and_unit);
            let matched = m.written.iter().any(|l| l == name);
            !reserved && (m.many != Many::None || matched == m.on)
        };
        let kept = labels.filter(keep);
        if m.include.is_empty() {
            return Ok((kept, dropped));
        }
        let (source, _) = of(one);
        let mut builder: LabelsBuilder = kept.to_builder();
        for name in &m.include {
            match source.get(name) {
                Some(value) => builder.set(name.as_str(), value),
                None => builder.remove(name),
            };
        }
        let made = builder.build();
        // One long label may be copied to many series.
        self.eval.budget.take_growth(&made, &kept)?;
        Ok((made, dropped))
    }
}

/// Combines two columns of floats; what absent steps hold does not matter.
fn columns(out: &mut [f64], left: Side<'_>, right: Side<'_>, f: impl Fn(f64, f64) -> f64) {
    match (left, right) {
        (Side::Row(..), Side::Row(..)) => {
            let pairs = left.values().iter().zip(right.values());
            out.iter_mut().zip(pairs).for_each(|(o, (l, r))| *o = f(*l, *r));
        }
        (Side::Fill(l), Side::Row(..)) => out.iter_mut().zip(right.values()).for_each(|(o, r)| *o = f(l, *r)),
        (Side::Row(..), Side::Fill(r)) => out.iter_mut().zip(left.values()).for_each(|(o, l)| *o = f(*l, r)),
        (Side::Fill(l), Side::Fill(r)) => out.fill(f(l, r)),
    }
}

/// Result series by label set: several pairs may make one, at different steps.
struct Results {
    index: FxHashMap<Labels, usize>,
    block: Block,
    /// Where a pair was found for every series, whether or not a comparison kept it.
    found: Vec<Bitmap>,
}

impl Results {
    fn new(eval: &Eval<'_>, steps: usize) -> Self {
        Results { index: FxHashMap::default(), block: Block::new(steps, &eval.budget), found: Vec::new() }
    }

    fn put(
        &mut self,
        labels: Labels,
        dropped: bool,
        steps: &Bitmap,
        row: &StepVector,
        unique: bool,
    ) -> Result<(), EvalError> {
        match self.index.get(&labels) {
            None => {
                self.block.push(&labels, dropped, row)?;
                self.index.insert(labels, self.found.len());
                self.found.push(steps.clone());
            }
            Some(i) => {
                let Some(found) = self.found.get_mut(*i) else { return Ok(()) };
                if found.intersects(steps) {
                    return Err(if unique {
                        EvalError::execution("multiple matches for labels: grouping labels must ensure unique matches")
                    } else {
                        super::eval::same_labelset()
                    });
                }
                found.or(steps);
                self.block.merge(*i, row)?;
            }
        }
        Ok(())
    }
}
