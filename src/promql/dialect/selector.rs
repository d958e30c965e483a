//! Selectors: a metric name and matchers in braces.

use super::super::annotations::Span;
use super::super::ast::BinaryOp;
use super::super::error::Fault;
use super::cursor::Cursor;
use super::literal;
use super::token::{Kind, Token};
use crate::model::{METRIC_NAME, MatchOp, Matcher};

/// Most matchers in one selector.
const MAX_MATCHERS: usize = 1_000;

/// Reads matchers after an optional metric name that has been taken already. `bare` selectors (the second argument of
/// `info`) may match everything.
pub fn selector(
    cursor: &mut Cursor<'_>,
    name: Option<Token>,
    bare: bool,
) -> Result<(String, Vec<Matcher>, Span), Fault> {
    let mut span = name.map_or_else(|| cursor.peek().span, |t| t.span);
    let mut metric = name.map(|t| cursor.text(t).to_owned());
    let mut matchers = Vec::new();
    if cursor.peek().kind == Kind::LeftBrace {
        let named = metric.is_some();
        let end = braces(cursor, &mut metric, &mut matchers)?;
        span = span.to(end);
        if named && matchers.iter().any(|m: &Matcher| m.name == METRIC_NAME) {
            let other = matchers.iter().find(|m| m.name == METRIC_NAME).map_or("", |m| m.value.as_str());
            let name = metric.as_deref().unwrap_or_default();
            return Err(Fault::new(span, format!("metric name must not be set twice: {name:?} or {other:?}")));
        }
    }
    if let Some(name) = &metric {
        let matcher = Matcher::new(MatchOp::Equal, METRIC_NAME, name.as_str());
        matchers.push(matcher.map_err(|e| Fault::new(span, e))?);
    } else if !bare && matchers.iter().all(|m| m.matches("")) {
        return Err(Fault::new(span, "vector selector must contain at least one non-empty matcher"));
    }
    Ok((metric.unwrap_or_default(), matchers, span))
}

/// `{a="b", "c d"=~"e", "metric"}`; returns the place of the closing brace.
fn braces(cursor: &mut Cursor<'_>, metric: &mut Option<String>, out: &mut Vec<Matcher>) -> Result<Span, Fault> {
    const CONTEXT: &str = "label matching";
    cursor.next();
    loop {
        if let Some(close) = cursor.accept(Kind::RightBrace) {
            return Ok(close.span);
        }
        if out.len() >= MAX_MATCHERS {
            return Err(Fault::new(cursor.peek().span, "too many matchers in one selector"));
        }
        matcher(cursor, metric, out)?;
        if cursor.accept(Kind::Comma).is_none() && cursor.peek().kind != Kind::RightBrace {
            return Err(cursor.unexpected(CONTEXT, "\",\" or \"}\""));
        }
    }
}

/// The reason at the end of what the regex engine says over several lines.
fn reason(error: &str) -> &str {
    let last = error.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or(error);
    last.strip_prefix("error: ").unwrap_or(last)
}

fn matcher(cursor: &mut Cursor<'_>, metric: &mut Option<String>, out: &mut Vec<Matcher>) -> Result<(), Fault> {
    const CONTEXT: &str = "label matching";
    let token = cursor.peek();
    let text = cursor.text(token);
    let name = match token.kind {
        Kind::Word if !text.contains(':') => text.to_owned(),
        Kind::String => literal::string(text).map_err(|e| Fault::new(token.span, e))?,
        _ => return Err(cursor.unexpected(CONTEXT, "identifier or \"}\"")),
    };
    cursor.next();
    let op = match cursor.peek().kind {
        Kind::Eql => MatchOp::Equal,
        Kind::Op(BinaryOp::Neq) => MatchOp::NotEqual,
        Kind::EqlRegex => MatchOp::Regex,
        Kind::NeqRegex => MatchOp::NotRegex,
        Kind::Comma | Kind::RightBrace if token.kind == Kind::String => {
            if let Some(first) = metric {
                let text = format!("metric name must not be set twice: {first:?} or {name:?}");
                return Err(Fault::new(token.span, text));
            }
            *metric = Some(name);
            return Ok(());
        }
        _ => return Err(cursor.unexpected(CONTEXT, "label matching operator")),
    };
    cursor.next();
    let quoted = cursor.expect(Kind::String, CONTEXT, "string")?;
    let value = literal::string(cursor.text(quoted)).map_err(|e| Fault::new(quoted.span, e))?;
    let matcher = Matcher::new(op, name, value)
        .map_err(|e| Fault::new(quoted.span, format!("error parsing regexp: {}", reason(&e))))?;
    out.push(matcher);
    Ok(())
}
