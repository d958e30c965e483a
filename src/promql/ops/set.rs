//! `and`, `or`, `unless`.

use super::super::ast::BinaryOp;
use super::super::error::EvalError;
use super::super::plan::{GroupLabels, NodeId};
use super::super::steps::{Bitmap, StepGrid};
use super::eval::{Eval, Sink, replay};
use super::group::Groups;

/// Streams a set operation. Where a group of one side is present is one bitmap a group, so that the work per series is
/// one look-up and one operation on bits.
pub(super) fn stream(
    eval: &Eval<'_>,
    op: BinaryOp,
    left: NodeId,
    right: NodeId,
    key: &GroupLabels,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let mut presence = Presence { groups: Groups::new(key, eval.type_and_unit()), bits: Vec::new(), steps: grid.len() };
    let nameless = |dropped: bool| dropped && !eval.delayed();
    if op == BinaryOp::Or {
        let block = eval.collect(left, grid)?;
        for (i, head) in block.heads.iter().enumerate() {
            let g = presence.groups.of(&head.labels, nameless(head.dropped));
            presence.add(g, &block.occupied(i));
        }
        replay(eval, &block, sink)?;
        return eval.stream(right, grid, &mut |labels, dropped, row| {
            if let Some(taken) = presence.find(labels, nameless(dropped)) {
                let mut keep = Bitmap::ones(grid.len());
                keep.and_not(taken);
                row.retain(&keep);
            }
            if row.any() { sink(labels, dropped, row) } else { Ok(()) }
        });
    }
    eval.stream(right, grid, &mut |labels, dropped, row| {
        let g = presence.groups.of(labels, nameless(dropped));
        presence.add(g, &row.presence());
        Ok(())
    })?;
    eval.stream(left, grid, &mut |labels, dropped, row| {
        match (presence.find(labels, nameless(dropped)), op) {
            (Some(other), BinaryOp::And) => row.retain(other),
            (Some(other), _) => {
                let mut keep = Bitmap::ones(grid.len());
                keep.and_not(other);
                row.retain(&keep);
            }
            (None, BinaryOp::And) => return Ok(()),
            (None, _) => {}
        }
        if row.any() { sink(labels, dropped, row) } else { Ok(()) }
    })
}

/// Where every group of a side is present.
struct Presence<'a> {
    groups: Groups<'a>,
    bits: Vec<Bitmap>,
    steps: usize,
}

impl Presence<'_> {
    fn add(&mut self, group: usize, bits: &Bitmap) {
        while self.bits.len() <= group {
            self.bits.push(Bitmap::zeros(self.steps));
        }
        if let Some(all) = self.bits.get_mut(group) {
            all.or(bits);
        }
    }

    fn find(&mut self, labels: &crate::model::Labels, nameless: bool) -> Option<&Bitmap> {
        let g = self.groups.find(labels, nameless)?;
        self.bits.get(g)
    }
}
