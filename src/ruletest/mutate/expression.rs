//! Alterations of an expression: its operators, its thresholds, its conditions.

use std::ops::Range;

use crate::promql::ast::{Binary, BinaryOp, Expr, ExprKind};
use crate::promql::{CompileOptions, Features, Span, parse};

use super::super::short::short;

/// One alteration of a text.
pub struct Edit {
    at: Range<usize>,
    to: String,
    /// What it does.
    pub what: String,
}

impl Edit {
    /// The text, altered.
    pub fn apply(&self, source: &str) -> String {
        let (before, after) = (source.get(..self.at.start), source.get(self.at.end..));
        format!("{}{}{}", before.unwrap_or_default(), self.to, after.unwrap_or_default())
    }
}

/// All alterations of an expression.
pub fn edits(source: &str, features: Features) -> Vec<Edit> {
    let mut out = Vec::new();
    if let Ok(expr) = parse(source, &CompileOptions { features }) {
        visit(source, &expr, &mut out);
    }
    out
}

/// Expressions are as deep as their parser lets them be.
fn visit(source: &str, expr: &Expr, out: &mut Vec<Edit>) {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => {}
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => visit(source, inner, out),
        ExprKind::Subquery(subquery) => visit(source, &subquery.expr, out),
        ExprKind::Call(call) => call.args.iter().for_each(|arg| visit(source, arg, out)),
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(|param| visit(source, param, out));
            visit(source, &aggregate.expr, out);
        }
        ExprKind::Binary(binary) => {
            visit(source, &binary.left, out);
            of_binary(source, expr.span, binary, out);
            visit(source, &binary.right, out);
        }
    }
}

fn of_binary(source: &str, whole: Span, binary: &Binary, out: &mut Vec<Edit>) {
    use BinaryOp::*;
    let side = |e: &Expr| source.get(e.span.range()).unwrap_or_default();
    let (left, right) = (side(&binary.left), side(&binary.right));
    let op = binary.op.as_str();
    let mut alone = |kept: &str, lost: &str| {
        out.push(Edit {
            at: whole.range(),
            to: format!("({kept})"),
            what: format!("{op} {} is taken away", short(lost)),
        });
    };
    match binary.op {
        And | Unless => alone(left, right),
        Or => {
            alone(left, right);
            alone(right, left);
        }
        _ => {}
    }
    let other = match binary.op {
        Eql => "!=",
        Neq => "==",
        Lss => ">",
        Gtr => "<",
        Lte => ">=",
        Gte => "<=",
        Add => "-",
        Sub => "+",
        Mul => "/",
        Div => "*",
        _ => "",
    };
    if !other.is_empty() {
        let what = format!("{op} {} becomes {other} {0}", short(right));
        out.push(Edit { at: binary.op_span.range(), to: other.to_owned(), what });
    }
    if binary.op.is_comparison() {
        for side in [&binary.left, &binary.right] {
            if let ExprKind::Number(value) = side.kind {
                out.extend(thresholds(value).map(|to| {
                    let what = format!("{op} {value} becomes {op} {to}");
                    Edit { at: side.span.range(), to: to.to_string(), what }
                }));
            }
        }
    }
}

/// A tenth above and below; one above and below zero.
fn thresholds(value: f64) -> [f64; 2] {
    // As people write numbers: without the last bits of a product.
    let neat = |v: f64| format!("{v:.9}").parse().ok().filter(|n: &f64| *n != 0.0).unwrap_or(v);
    if value == 0.0 { [1.0, -1.0] } else { [neat(value * 1.1), neat(value * 0.9)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn altered(source: &str) -> Vec<String> {
        edits(source, Features::default()).iter().map(|e| e.apply(source)).collect()
    }

    #[test]
    fn operators_thresholds_and_conditions_are_altered_one_at_a_time() {
        assert_eq!(altered("temp > 85"), ["temp < 85", "temp > 93.5", "temp > 76.5"]);
        assert_eq!(altered("up == 0"), ["up != 0", "up == 1", "up == -1"]);
        assert_eq!(altered("a / on (x) b"), ["a * on (x) b"]);
        assert_eq!(altered("a and on (x) (b)"), ["(a)"]);
        assert_eq!(altered("sum(a or b) unless c"), ["sum((a)) unless c", "sum((b)) unless c", "(sum(a or b))"]);
        assert_eq!(altered("rate(x[5m])"), [""; 0]);
    }
}
