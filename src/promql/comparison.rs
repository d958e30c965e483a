//! What an alert's expression compares with what: that is what people want to see of it.

use super::ast::{BinaryOp, Expr, ExprKind};
use std::ops::Range;

/// The comparison that decides whether an expression gives anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Where in the expression's text stands what is compared: the left side, unless that is a number.
    pub measured: Range<usize>,
    /// The number it is compared with, if it is one.
    pub threshold: Option<f64>,
}

/// The comparison of an expression; of several that all have to hold, the first.
pub fn comparison(expr: &Expr) -> Option<Comparison> {
    match &expr.kind {
        ExprKind::Paren(inner) => comparison(inner),
        ExprKind::Binary(binary) if binary.op.is_comparison() && !binary.modifiers.bool => {
            let (left, right) = (binary.left.as_number(), binary.right.as_number());
            let side = if left.is_some() { &binary.right } else { &binary.left };
            Some(Comparison { measured: side.span.start as usize..side.span.end as usize, threshold: left.or(right) })
        }
        ExprKind::Binary(binary) if matches!(binary.op, BinaryOp::And | BinaryOp::Unless) => comparison(&binary.left),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{CompileOptions, parse};

    #[test]
    fn the_side_that_is_measured_is_found_and_the_number_beside_it() {
        for (text, want) in [
            ("up == 0", Some(("up", Some(0.0)))),
            ("(rate(a[5m]) > (0.5)) and on (x) b", Some(("rate(a[5m])", Some(0.5)))),
            ("3 < sum(a)", Some(("sum(a)", Some(3.0)))),
            ("a < -1", Some(("a", Some(-1.0)))),
            ("a > b", Some(("a", None))),
            ("a > 1 unless b", Some(("a", Some(1.0)))),
            ("a > bool 1", None),
            ("absent(up)", None),
            ("a or b > 1", None),
            ("(sum by (job) (rate(errors[5m])) > 0.5)", Some(("sum by (job) (rate(errors[5m]))", Some(0.5)))),
            ("0.5 < a / b", Some(("a / b", Some(0.5)))),
            ("a > 5 and on (job) b == 1", Some(("a", Some(5.0)))),
            ("a > 5 or b > 5", None),
        ] {
            let expr = parse(text, &CompileOptions::default()).unwrap();
            let found = comparison(&expr);
            let shown = found.as_ref().map(|c| (&text[c.measured.clone()], c.threshold));
            assert_eq!(shown, want, "{text}");
        }
    }
}
