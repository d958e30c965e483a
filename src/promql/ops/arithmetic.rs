//! Binary operators on two values.

use std::sync::Arc;

use super::super::annotations::Note;
use super::super::ast::BinaryOp;
use crate::model::FloatHistogram;
use crate::model::histogram::{CounterResetHint, Reconciled};

/// Whether an operator's result is another metric than its operands.
pub(crate) fn drops_name(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Div | Mod | Pow | Atan2)
}

/// The greater of two numbers; NaN when either is.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The smaller of two numbers; NaN when either is.
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Two scalars; a comparison gives 1 or 0.
pub(crate) fn scalars(op: BinaryOp, l: f64, r: f64) -> f64 {
    match compare(op, l, r) {
        Some(true) => 1.0,
        Some(false) => 0.0,
        None => compute(op, l, r),
    }
}

/// The outcome of a comparison operator, `None` for the others.
#[inline]
pub(crate) fn compare(op: BinaryOp, l: f64, r: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Eql => l == r,
        BinaryOp::Neq => l != r,
        BinaryOp::Lss => l < r,
        BinaryOp::Lte => l <= r,
        BinaryOp::Gtr => l > r,
        BinaryOp::Gte => l >= r,
        _ => return None,
    })
}

/// The value of an arithmetic operator; NaN for the others.
#[inline]
pub(crate) fn compute(op: BinaryOp, l: f64, r: f64) -> f64 {
    match op {
        BinaryOp::Add => l + r,
        BinaryOp::Sub => l - r,
        BinaryOp::Mul => l * r,
        BinaryOp::Div => l / r,
        BinaryOp::Mod => l % r,
        BinaryOp::Pow => power(l, r),
        BinaryOp::Atan2 => l.atan2(r),
        _ => f64::NAN,
    }
}

/// Go's `math.Pow`; the corner cases are IEEE 754's, as Rust's.
fn power(l: f64, r: f64) -> f64 {
    l.powf(r)
}

/// A float or a histogram.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl Operand<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Operand::Float(_) => "float",
            Operand::Histogram(_) => "histogram",
        }
    }
}

/// What an operator makes of two values.
pub(crate) enum Outcome {
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Arc<FloatHistogram>),
    /// A comparison that holds, or does not.
    Compared(bool),
    /// Nothing: the types or the buckets do not go together. The note says so.
    Nothing,
}

/// Applies an operator where at least one side is a histogram, or where it is not defined on floats.
pub(crate) fn apply(op: BinaryOp, l: Operand<'_>, r: Operand<'_>, notes: &mut Vec<Note>) -> Outcome {
    match (l, r) {
        (Operand::Float(a), Operand::Float(b)) if !op.is_trim() => match compare(op, a, b) {
            Some(holds) => Outcome::Compared(holds),
            None => Outcome::Float(compute(op, a, b)),
        },
        (Operand::Float(f), Operand::Histogram(h)) if op == BinaryOp::Mul => Outcome::Histogram(scaled(h, f)),
        (Operand::Histogram(h), Operand::Float(f)) => match op {
            BinaryOp::Mul => Outcome::Histogram(scaled(h, f)),
            BinaryOp::Div => {
                let mut out = FloatHistogram::clone(h);
                out.div(f);
                out.compact(0);
                Outcome::Histogram(Arc::new(out))
            }
            BinaryOp::TrimUpper => Outcome::Histogram(Arc::new(h.keep_below(f))),
            BinaryOp::TrimLower => Outcome::Histogram(Arc::new(h.keep_above(f))),
            _ => incompatible(op, l, r, notes),
        },
        (Operand::Histogram(a), Operand::Histogram(b)) => match op {
            BinaryOp::Add | BinaryOp::Sub => sum(op, a, b, notes),
            BinaryOp::Eql => Outcome::Compared(a == b),
            BinaryOp::Neq => Outcome::Compared(a != b),
            _ => incompatible(op, l, r, notes),
        },
        _ => incompatible(op, l, r, notes),
    }
}

fn incompatible(op: BinaryOp, l: Operand<'_>, r: Operand<'_>, notes: &mut Vec<Note>) -> Outcome {
    notes.push(Note::IncompatibleTypes(l.type_name(), op.as_str(), r.type_name()));
    Outcome::Nothing
}

fn scaled(h: &Arc<FloatHistogram>, factor: f64) -> Arc<FloatHistogram> {
    let mut out = FloatHistogram::clone(h);
    out.mul(factor);
    out.compact(0);
    Arc::new(out)
}

fn sum(op: BinaryOp, a: &Arc<FloatHistogram>, b: &Arc<FloatHistogram>, notes: &mut Vec<Note>) -> Outcome {
    let mut out = FloatHistogram::clone(a);
    let (done, what) = if op == BinaryOp::Add { (out.add(b), "addition") } else { (out.sub(b), "subtraction") };
    match done {
        Ok(reconciled) => {
            reconciliation(reconciled, what, notes);
            if op == BinaryOp::Sub {
                out.counter_reset_hint = CounterResetHint::Gauge;
            }
            out.compact(0);
            Outcome::Histogram(Arc::new(out))
        }
        Err(_) => {
            notes.push(Note::IncompatibleBucketLayout(op.as_str()));
            Outcome::Nothing
        }
    }
}

/// Notes on what had to be settled between two histograms.
pub(crate) fn reconciliation(r: Reconciled, what: &'static str, notes: &mut Vec<Note>) {
    if r.counter_resets {
        notes.push(Note::CounterResetCollision(what));
    }
    if r.custom_bounds {
        notes.push(Note::MismatchedCustomBuckets(what));
    }
}
