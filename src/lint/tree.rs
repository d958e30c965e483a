//! Walks over syntax trees, and small questions about them.

use crate::model::{METRIC_NAME, MatchOp};
use crate::promql::ast::{Binary, BinaryOp, Call, Dur, Expr, ExprKind, Selector};
use crate::promql::func::ValueType;

/// The parts of an expression, from left to right.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => Vec::new(),
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => vec![inner],
        ExprKind::Subquery(subquery) => vec![&subquery.expr],
        ExprKind::Call(call) => call.args.iter().collect(),
        ExprKind::Aggregate(aggregate) => aggregate.param.iter().chain([&aggregate.expr]).collect(),
        ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
    }
}

/// Calls `look` with every part of an expression and those around it, the outermost first.
pub fn walk<'a>(expr: &'a Expr, look: &mut dyn FnMut(&'a Expr, &[&'a Expr])) {
    fn go<'a>(expr: &'a Expr, above: &mut Vec<&'a Expr>, look: &mut dyn FnMut(&'a Expr, &[&'a Expr])) {
        look(expr, above);
        above.push(expr);
        for child in children(expr) {
            go(child, above, look);
        }
        above.pop();
    }
    go(expr, &mut Vec::new(), look);
}

/// Whether any part is so.
pub fn any(expr: &Expr, mut is_so: impl FnMut(&Expr) -> bool) -> bool {
    let mut found = false;
    walk(expr, &mut |part, _| found = found || is_so(part));
    found
}

/// The binary operation that an expression is.
pub fn binary(expr: &Expr) -> Option<&Binary> {
    match &expr.bare().kind {
        ExprKind::Binary(binary) => Some(binary),
        _ => None,
    }
}

/// The call that an expression is.
pub fn call(expr: &Expr) -> Option<&Call> {
    match &expr.bare().kind {
        ExprKind::Call(call) => Some(call),
        _ => None,
    }
}

/// Whether the result is one number without labels.
pub fn is_scalar(expr: &Expr) -> bool {
    match &expr.bare().kind {
        ExprKind::Number(_) => true,
        ExprKind::Negate(inner) => is_scalar(inner),
        ExprKind::Call(call) => call.func.returns == ValueType::Scalar,
        ExprKind::Binary(b) => is_scalar(&b.left) && is_scalar(&b.right),
        _ => false,
    }
}

/// The selector that an expression is, instant or of a range.
pub fn selector(expr: &Expr) -> Option<&Selector> {
    match &expr.bare().kind {
        ExprKind::Vector(selector) | ExprKind::Matrix(selector, _) => Some(selector),
        _ => None,
    }
}

/// The range of a selector or a subquery, milliseconds.
pub fn range(expr: &Expr) -> Option<i64> {
    let range = match &expr.bare().kind {
        ExprKind::Matrix(_, range) => range,
        ExprKind::Subquery(subquery) => &subquery.range,
        _ => return None,
    };
    millis(range)
}

/// A duration that is known.
pub fn millis(duration: &Dur) -> Option<i64> {
    match duration {
        Dur::Millis(ms) => Some(*ms),
        Dur::Expr(..) => None,
    }
}

/// The metric that a selector names, in front of the braces or in them.
pub fn metric(selector: &Selector) -> Option<&str> {
    if !selector.name.is_empty() {
        return Some(&selector.name);
    }
    let named = selector.matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
    named.map(|m| m.value.as_str())
}

/// All selectors of an expression.
pub fn selectors(expr: &Expr) -> Vec<(&Expr, &Selector)> {
    let mut found = Vec::new();
    walk(expr, &mut |part, _| {
        if let ExprKind::Vector(selector) | ExprKind::Matrix(selector, _) = &part.kind {
            found.push((part, selector));
        }
    });
    found
}

/// The vector from which a call takes its values: its argument that is a vector or a range of one.
pub fn input(call: &Call) -> Option<&Expr> {
    let typed = |arg: &&Expr| match &arg.bare().kind {
        ExprKind::Number(_) | ExprKind::String(_) => false,
        _ => !is_scalar(arg),
    };
    call.args.iter().find(typed)
}

/// What an expression's values are: the left side of a comparison that filters, of `and` and of `unless`.
pub fn value(expr: &Expr) -> &Expr {
    let mut expr = expr.bare();
    while let ExprKind::Binary(b) = &expr.kind {
        let keeps_left = matches!(b.op, BinaryOp::And | BinaryOp::Unless);
        let filters = b.op.is_comparison() && !b.modifiers.bool;
        if !keeps_left && !filters {
            break;
        }
        let side = if filters && is_scalar(&b.left) { &b.right } else { &b.left };
        expr = side.bare();
    }
    expr
}

/// A comparison of a vector with a number: the vector, the operator as if the vector stood on the left, the number.
#[derive(Clone, Copy)]
pub struct Threshold<'a> {
    /// What is compared.
    pub vector: &'a Expr,
    /// How.
    pub op: BinaryOp,
    /// With what.
    pub number: f64,
}

/// The comparison with a number that an expression is, if it is one.
pub fn threshold(expr: &Expr) -> Option<Threshold<'_>> {
    let ExprKind::Binary(b) = &expr.bare().kind else { return None };
    if !b.op.is_comparison() {
        return None;
    }
    match (b.left.as_number(), b.right.as_number()) {
        (None, Some(number)) => Some(Threshold { vector: &b.left, op: b.op, number }),
        (Some(number), None) => Some(Threshold { vector: &b.right, op: b.op.mirrored(), number }),
        _ => None,
    }
}

/// Functions that take counters.
pub fn is_of_counters(function: &str) -> bool {
    matches!(function, "rate" | "irate" | "increase" | "resets")
}
