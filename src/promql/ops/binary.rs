//! A vector and a scalar.

use super::super::annotations::Span;
use super::super::ast::BinaryOp;
use super::super::error::EvalError;
use super::super::plan::NodeId;
use super::super::steps::{StepGrid, StepVector};
use super::arithmetic::{self, Operand, Outcome};
use super::eval::{Eval, Sink};
use super::scalar::ScalarColumn;

/// An operator between a vector and a scalar.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub op: BinaryOp,
    /// The scalar stands on the left.
    pub scalar_left: bool,
    pub bool: bool,
    pub span: Span,
}

/// Streams the vector, each value combined with the scalar of its step.
pub(super) fn vector_scalar(
    eval: &Eval<'_>,
    form: Form,
    vector: NodeId,
    scalar: NodeId,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let scalar = eval.scalar(scalar, grid)?;
    let drops = arithmetic::drops_name(form.op) || form.bool;
    eval.stream(vector, grid, &mut |labels, dropped, row| {
        if row.hists.is_some() || form.op.is_trim() {
            mixed(eval, form, row, &scalar);
        } else if form.op.is_comparison() {
            compare(form, row, &scalar);
        } else {
            compute(form, row, &scalar);
        }
        if row.any() { sink(labels, dropped || drops, row) } else { Ok(()) }
    })
}

/// Floats only, arithmetic: the whole column at once, for absent values do no harm. The operator is chosen once,
/// outside the loop.
fn compute(form: Form, row: &mut StepVector, scalar: &ScalarColumn) {
    match form.op {
        BinaryOp::Add => each(form, row, scalar, |l, r| l + r),
        BinaryOp::Sub => each(form, row, scalar, |l, r| l - r),
        BinaryOp::Mul => each(form, row, scalar, |l, r| l * r),
        BinaryOp::Div => each(form, row, scalar, |l, r| l / r),
        op => each(form, row, scalar, |l, r| arithmetic::compute(op, l, r)),
    }
}

fn each(form: Form, row: &mut StepVector, scalar: &ScalarColumn, f: impl Fn(f64, f64) -> f64) {
    match (scalar, form.scalar_left) {
        (ScalarColumn::Constant(s), false) => row.values.iter_mut().for_each(|v| *v = f(*v, *s)),
        (ScalarColumn::Constant(s), true) => row.values.iter_mut().for_each(|v| *v = f(*s, *v)),
        (ScalarColumn::Steps(ss), false) => row.values.iter_mut().zip(ss).for_each(|(v, s)| *v = f(*v, *s)),
        (ScalarColumn::Steps(ss), true) => row.values.iter_mut().zip(ss).for_each(|(v, s)| *v = f(*s, *v)),
    }
}

/// Floats only, comparison: values stay where it holds, or become 1 and 0.
fn compare(form: Form, row: &mut StepVector, scalar: &ScalarColumn) {
    for i in 0..row.len() {
        let Some(v) = row.float(i) else { continue };
        let s = scalar.at(i);
        let (l, r) = if form.scalar_left { (s, v) } else { (v, s) };
        let holds = arithmetic::compare(form.op, l, r) == Some(true);
        if form.bool {
            row.set(i, f64::from(u8::from(holds)));
        } else if !holds {
            row.present.unset(i);
        }
    }
}

/// Histograms among the values.
fn mixed(eval: &Eval<'_>, form: Form, row: &mut StepVector, scalar: &ScalarColumn) {
    let mut notes = Vec::new();
    for i in row.presence().iter() {
        let hist = row.histogram(i).cloned();
        let value = match &hist {
            Some(h) => Operand::Histogram(h),
            None => Operand::Float(row.values.get(i).copied().unwrap_or_default()),
        };
        let s = Operand::Float(scalar.at(i));
        let (l, r) = if form.scalar_left { (s, value) } else { (value, s) };
        let outcome = arithmetic::apply(form.op, l, r, &mut notes);
        settle(row, i, outcome, form.bool);
    }
    notes.into_iter().for_each(|n| eval.note(n, form.span));
}

/// Puts an outcome in place of the value at step `i`; a comparison that holds keeps the value.
pub(super) fn settle(row: &mut StepVector, i: usize, outcome: Outcome, bool: bool) {
    match outcome {
        Outcome::Float(v) => {
            row.clear(i);
            row.set(i, v);
        }
        Outcome::Histogram(h) => {
            row.clear(i);
            row.set_histogram(i, h);
        }
        Outcome::Compared(holds) if bool => {
            row.clear(i);
            row.set(i, f64::from(u8::from(holds)));
        }
        Outcome::Compared(true) => {}
        Outcome::Compared(false) | Outcome::Nothing => row.clear(i),
    }
}
