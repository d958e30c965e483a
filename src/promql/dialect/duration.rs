//! Durations in brackets and after `offset`: literals, and expressions of them.

use super::super::annotations::Span;
use super::super::ast::{BinaryOp, Dur, DurExpr};
use super::super::error::Fault;
use super::cursor::Cursor;
use super::literal;
use super::token::Kind;

/// Deepest nesting of a duration expression.
const MAX_DEPTH: usize = 64;

/// A duration as parsed; `plain` when it is a literal with at most one sign, which needs no feature.
pub struct Parsed {
    pub expr: DurExpr,
    pub span: Span,
    pub plain: bool,
}

impl Parsed {
    /// Computes what can be computed now.
    pub fn settle(self) -> Result<Dur, Fault> {
        if depends_on_query(&self.expr) {
            return Ok(Dur::Expr(self.expr, self.span));
        }
        let ms = evaluate(&self.expr, 0, 0).and_then(millis).map_err(|text| Fault::new(self.span, text))?;
        Ok(Dur::Millis(ms))
    }
}

impl Dur {
    /// Milliseconds, in a query of this step and range.
    pub fn millis(&self, step_ms: i64, range_ms: i64) -> Result<i64, String> {
        match self {
            Dur::Millis(ms) => Ok(*ms),
            Dur::Expr(expr, _) => evaluate(expr, step_ms, range_ms).and_then(millis),
        }
    }
}

fn depends_on_query(expr: &DurExpr) -> bool {
    match expr {
        DurExpr::Number(_) => false,
        DurExpr::Step | DurExpr::Range => true,
        DurExpr::Negate(x) => depends_on_query(x),
        DurExpr::Binary(_, a, b) | DurExpr::Min(a, b) | DurExpr::Max(a, b) => {
            depends_on_query(a) || depends_on_query(b)
        }
    }
}

/// Seconds.
fn evaluate(expr: &DurExpr, step_ms: i64, range_ms: i64) -> Result<f64, String> {
    let value = |e: &DurExpr| evaluate(e, step_ms, range_ms);
    Ok(match expr {
        DurExpr::Number(v) => *v,
        DurExpr::Step => step_ms as f64 / 1000.0,
        DurExpr::Range => range_ms as f64 / 1000.0,
        DurExpr::Negate(x) => -value(x)?,
        DurExpr::Min(a, b) => value(a)?.min(value(b)?),
        DurExpr::Max(a, b) => value(a)?.max(value(b)?),
        DurExpr::Binary(op, a, b) => {
            let (a, b) = (value(a)?, value(b)?);
            match op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div if b == 0.0 => return Err("division by zero".into()),
                BinaryOp::Div => a / b,
                BinaryOp::Mod if b == 0.0 => return Err("modulo by zero".into()),
                BinaryOp::Mod => a % b,
                _ => a.powf(b),
            }
        }
    })
}

fn millis(seconds: f64) -> Result<i64, String> {
    let ms = (seconds * 1000.0).round();
    if ms.is_nan() || ms.abs() > crate::model::duration::MAX_MILLIS as f64 {
        return Err("duration out of range".into());
    }
    Ok(ms as i64)
}

/// A whole expression, as between brackets.
pub fn expression(cursor: &mut Cursor<'_>) -> Result<Parsed, Fault> {
    let start = cursor.peek().span;
    let plain = matches!(cursor.peek().kind, Kind::Number | Kind::Duration)
        && matches!(cursor.peek_at(1).kind, Kind::RightBracket | Kind::Colon);
    let (expr, end) = binary(cursor, 0, 0)?;
    Ok(Parsed { expr, span: start.to(end), plain })
}

/// What follows `offset`: signs and one operand, for an operator after it belongs to the query.
pub fn offset(cursor: &mut Cursor<'_>) -> Result<Parsed, Fault> {
    let start = cursor.peek().span;
    let signed = usize::from(matches!(cursor.peek().kind, Kind::Op(BinaryOp::Add | BinaryOp::Sub)));
    let plain = matches!(cursor.peek_at(signed).kind, Kind::Number | Kind::Duration);
    let (expr, end) = operand(cursor, 0, true)?;
    Ok(Parsed { expr, span: start.to(end), plain })
}

/// How tightly `^` binds.
const POW: usize = 3;

fn precedence(op: BinaryOp) -> Option<usize> {
    match op {
        BinaryOp::Add | BinaryOp::Sub => Some(1),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => Some(2),
        BinaryOp::Pow => Some(POW),
        _ => None,
    }
}

fn binary(cursor: &mut Cursor<'_>, least: usize, depth: usize) -> Result<(DurExpr, Span), Fault> {
    let (mut left, mut span) = operand(cursor, depth, false)?;
    while let Kind::Op(op) = cursor.peek().kind {
        let Some(p) = precedence(op).filter(|p| *p >= least) else { break };
        cursor.next();
        // `^` groups to the right, the others to the left.
        let (right, end) = binary(cursor, if op == BinaryOp::Pow { p } else { p + 1 }, depth + 1)?;
        left = DurExpr::Binary(op, Box::new(left), Box::new(right));
        span = span.to(end);
    }
    Ok((left, span))
}

/// One operand with its signs. A sign binds weaker than `^`, unless `alone`: then no operator belongs to the operand.
fn operand(cursor: &mut Cursor<'_>, depth: usize, alone: bool) -> Result<(DurExpr, Span), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::new(cursor.peek().span, "duration expression is nested too deeply"));
    }
    let token = cursor.peek();
    let text = cursor.text(token);
    match token.kind {
        Kind::Number => {
            cursor.next();
            let v = literal::number(text).ok_or_else(|| Fault::new(token.span, literal::bad_number(text)))?;
            Ok((DurExpr::Number(v), token.span))
        }
        Kind::Duration => {
            cursor.next();
            let ms = literal::duration_millis(text).map_err(|e| Fault::new(token.span, e))?;
            Ok((DurExpr::Number(ms as f64 / 1000.0), token.span))
        }
        Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
            cursor.next();
            let (inner, end) = if alone { operand(cursor, depth + 1, true)? } else { binary(cursor, POW, depth + 1)? };
            let signed = if op == BinaryOp::Sub { DurExpr::Negate(Box::new(inner)) } else { inner };
            Ok((signed, token.span.to(end)))
        }
        Kind::LeftParen => {
            cursor.next();
            let (inner, _) = binary(cursor, 0, depth + 1)?;
            let end = cursor.expect(Kind::RightParen, "duration expression", "\")\"")?;
            Ok((inner, token.span.to(end.span)))
        }
        Kind::Word => call(cursor, depth),
        _ => Err(cursor.unexpected("duration expression", "number, duration, step(), or range()")),
    }
}

/// `step()`, `range()`, `min_of(a, b)`, `max_of(a, b)`.
fn call(cursor: &mut Cursor<'_>, depth: usize) -> Result<(DurExpr, Span), Fault> {
    const CONTEXT: &str = "duration expression";
    let token = cursor.peek();
    if !cursor.is_word(token, &["step", "range", "min_of", "max_of"]) {
        return Err(cursor.unexpected(CONTEXT, "number, duration, step(), or range()"));
    }
    cursor.next();
    cursor.expect(Kind::LeftParen, CONTEXT, "\"(\"")?;
    let expr = if cursor.is_word(token, &["step"]) {
        DurExpr::Step
    } else if cursor.is_word(token, &["range"]) {
        DurExpr::Range
    } else {
        let (a, _) = binary(cursor, 0, depth + 1)?;
        cursor.expect(Kind::Comma, CONTEXT, "\",\"")?;
        let (b, _) = binary(cursor, 0, depth + 1)?;
        let (a, b) = (Box::new(a), Box::new(b));
        if cursor.is_word(token, &["min_of"]) { DurExpr::Min(a, b) } else { DurExpr::Max(a, b) }
    };
    let end = cursor.expect(Kind::RightParen, CONTEXT, "\")\"")?;
    Ok((expr, token.span.to(end.span)))
}
