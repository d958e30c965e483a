//! What modifies operators and selectors: `by`, `on`, `group_left`, `bool`, `fill`, `@`.

use super::super::annotations::Span;
use super::super::ast::{At, BinaryModifiers, BinaryOp, Cardinality, Grouping};
use super::super::error::Fault;
use super::super::features::Features;
use super::cursor::Cursor;
use super::literal;
use super::token::Kind;

/// `by (...)` or `without (...)`, when it comes next.
pub fn aggregate_grouping(cursor: &mut Cursor<'_>) -> Result<Option<Grouping>, Fault> {
    let Some(word) = cursor.accept_word(&["by", "without"]) else { return Ok(None) };
    let without = cursor.is_word(word, &["without"]);
    Ok(Some(Grouping { without, labels: labels(cursor)? }))
}

/// `(a, b, "c d")`
fn labels(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Fault> {
    const CONTEXT: &str = "grouping opts";
    cursor.expect(Kind::LeftParen, CONTEXT, "\"(\"")?;
    let mut out = Vec::new();
    while cursor.accept(Kind::RightParen).is_none() {
        let token = cursor.peek();
        let text = cursor.text(token);
        match token.kind {
            Kind::Word if !text.contains(':') => out.push(text.to_owned()),
            Kind::String => {
                let name = literal::string(text).map_err(|e| Fault::new(token.span, e))?;
                if name.is_empty() {
                    return Err(Fault::new(token.span, "invalid label name for grouping: \"\""));
                }
                out.push(name);
            }
            _ => return Err(cursor.unexpected(CONTEXT, "label")),
        }
        cursor.next();
        if cursor.accept(Kind::Comma).is_none() && cursor.peek().kind != Kind::RightParen {
            return Err(cursor.unexpected(CONTEXT, "\",\" or \")\""));
        }
    }
    Ok(out)
}

/// Everything between a binary operator and its right side.
pub fn binary(cursor: &mut Cursor<'_>, op: BinaryOp, features: &Features) -> Result<BinaryModifiers, Fault> {
    let mut out = BinaryModifiers::default();
    if let Some(word) = cursor.accept_word(&["bool"]) {
        if !op.is_comparison() {
            return Err(Fault::new(word.span, "bool modifier can only be used on comparison operators"));
        }
        out.bool = true;
    }
    if let Some(word) = cursor.accept_word(&["on", "ignoring"]) {
        let without = cursor.is_word(word, &["ignoring"]);
        out.matching = Some(Grouping { without, labels: labels(cursor)? });
        out.cardinality = cardinality(cursor, op, &out)?;
    }
    fill(cursor, op, features, &mut out)?;
    Ok(out)
}

fn cardinality(cursor: &mut Cursor<'_>, op: BinaryOp, so_far: &BinaryModifiers) -> Result<Cardinality, Fault> {
    let Some(word) = cursor.accept_word(&["group_left", "group_right"]) else { return Ok(Cardinality::OneToOne) };
    if op.is_set() {
        return Err(Fault::new(word.span, format!("no grouping allowed for {:?} operation", op.as_str())));
    }
    let include = if cursor.peek().kind == Kind::LeftParen { labels(cursor)? } else { Vec::new() };
    if let Some(on) = so_far.matching.as_ref().filter(|m| !m.without)
        && let Some(label) = include.iter().find(|l| on.labels.contains(l))
    {
        return Err(Fault::new(word.span, format!("label {label:?} must not occur in ON and GROUP clause at once")));
    }
    Ok(if cursor.is_word(word, &["group_left"]) {
        Cardinality::GroupLeft(include)
    } else {
        Cardinality::GroupRight(include)
    })
}

/// `fill (v)`, `fill_left (v)`, `fill_right (v)`; a word of these not before a parenthesis is a metric.
fn fill(cursor: &mut Cursor<'_>, op: BinaryOp, features: &Features, out: &mut BinaryModifiers) -> Result<(), Fault> {
    while cursor.peek_at(1).kind == Kind::LeftParen
        && let Some(word) = cursor.accept_word(&["fill", "fill_left", "fill_right"])
    {
        if !features.binop_fill_modifiers {
            return Err(Fault::new(word.span, "binop fill modifiers are experimental and not enabled"));
        }
        if op.is_set() {
            return Err(Fault::new(word.span, "filling in missing series not allowed for set operators"));
        }
        let v = fill_value(cursor)?;
        let (left, right) = match cursor.text(word).to_ascii_lowercase().as_str() {
            "fill" => (Some(v), Some(v)),
            "fill_left" => (Some(v), None),
            _ => (None, Some(v)),
        };
        let twice = (left.is_some() && out.fill_left.is_some()) || (right.is_some() && out.fill_right.is_some());
        if twice {
            return Err(Fault::new(word.span, "fill value must not be set twice"));
        }
        out.fill_left = left.or(out.fill_left);
        out.fill_right = right.or(out.fill_right);
    }
    Ok(())
}

fn fill_value(cursor: &mut Cursor<'_>) -> Result<f64, Fault> {
    const CONTEXT: &str = "fill value";
    cursor.expect(Kind::LeftParen, CONTEXT, "\"(\"")?;
    let (v, _) = signed_number(cursor, CONTEXT)?;
    cursor.expect(Kind::RightParen, CONTEXT, "\")\"")?;
    Ok(v)
}

/// A number or duration in seconds, with signs.
fn signed_number(cursor: &mut Cursor<'_>, context: &str) -> Result<(f64, Span), Fault> {
    let mut negative = false;
    while let Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) = cursor.peek().kind {
        cursor.next();
        negative ^= op == BinaryOp::Sub;
    }
    let token = cursor.peek();
    let text = cursor.text(token);
    let value = match token.kind {
        Kind::Number => literal::number(text),
        Kind::Duration => Some(literal::duration_millis(text).map_err(|e| Fault::new(token.span, e))? as f64 / 1000.0),
        Kind::Word if cursor.is_word(token, &["inf"]) => Some(f64::INFINITY),
        Kind::Word if cursor.is_word(token, &["nan"]) => Some(crate::model::stale::NORMAL_NAN),
        _ => None,
    };
    let Some(v) = value else { return Err(cursor.unexpected(context, "number")) };
    cursor.next();
    Ok((if negative { -v } else { v }, token.span))
}

/// What follows `@`: a timestamp in seconds, `start()` or `end()`.
pub fn at(cursor: &mut Cursor<'_>) -> Result<(At, Span), Fault> {
    const CONTEXT: &str = "@";
    if let Some(word) = cursor.accept_word(&["start", "end"]) {
        cursor.expect(Kind::LeftParen, CONTEXT, "\"(\"")?;
        let close = cursor.expect(Kind::RightParen, CONTEXT, "\")\"")?;
        let at = if cursor.is_word(word, &["start"]) { At::Start } else { At::End };
        return Ok((at, close.span));
    }
    let (seconds, span) = signed_number(cursor, "@ modifier")?;
    // Past these bounds milliseconds do not fit 64 bits.
    if seconds.is_nan() || seconds.abs() >= (i64::MAX / 1000) as f64 {
        return Err(Fault::new(span, format!("timestamp out of bounds for @ modifier: {seconds}")));
    }
    Ok((At::Time((seconds * 1000.0).round() as i64), span))
}
