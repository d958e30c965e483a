//! From text to our syntax tree, through promql-parser.
//!
//! promql-parser's grammar keeps no positions and lacks duration expressions, `anchored` and `smoothed`, `</` and
//! `>/`. So a tokenizer of our own takes the query apart ([`outline`]): literals, matchers, durations and modifiers
//! are read here, with their places, and a skeleton with placeholders in their stead goes to promql-parser, which
//! decides how the parts belong together. [`lift`] then walks its tree along the parts. Limits on length, nesting
//! and patterns hold before promql-parser sees anything.

mod cursor;
mod duration;
mod lift;
mod literal;
mod modifiers;
mod outline;
mod selector;
mod token;

use super::annotations::Span;
use super::ast::Expr;
use super::error::Fault;
use super::features::Features;
use crate::model::re2;
pub(crate) use literal::string as unquote;
use outline::Outline;

/// A query parsed, and an upper bound of its tree's depth.
pub(crate) struct Parsed {
    pub expr: Expr,
    pub depth: usize,
}

/// Parses a query.
pub(crate) fn parse(source: &str, features: &Features) -> Result<Parsed, Fault> {
    let tokens = token::tokenize(source)?;
    let outline = re2::within_budget(|| outline::outline(source, &tokens, features))?;
    let depth = outline.depth;
    let expr = super::stack::with_room_for(depth, || {
        let tree = match promql_parser::parser::parse(&outline.skeleton) {
            Ok(tree) => tree,
            Err(message) => return Err(locate(&message, &outline)),
        };
        lift::lift(&tree, &outline)
    })?;
    Ok(Parsed { expr, depth })
}

/// Most pieces of a query that are tried to find the place of a defect.
const MAX_TRIES: usize = 200;

/// Finds the innermost parenthesised piece that promql-parser refuses, and says what it said in Prometheus' words.
fn locate(message: &str, outline: &Outline) -> Fault {
    for piece in outline.pieces.iter().take(MAX_TRIES) {
        let text = outline.skeleton.get(piece.skeleton.clone()).unwrap_or_default();
        if let Err(inner) = promql_parser::parser::parse(text) {
            return Fault::new(piece.span, in_prometheus_words(&inner));
        }
    }
    let start = outline.parts.first().map_or_else(Span::default, |(_, s)| *s);
    let end = outline.parts.last().map_or(start, |(_, s)| *s);
    Fault::new(start.to(end), in_prometheus_words(message))
}

fn in_prometheus_words(message: &str) -> String {
    let mut text = message.replace('\'', "\"");
    for (ours, theirs) in [("vector", "instant vector"), ("matrix", "range vector")] {
        for context in ["expected type ", "got ", "allowed on ", "of type "] {
            text = text.replace(&format!("{context}{ours}"), &format!("{context}{theirs}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;

pub use token::MAX_QUERY_LEN;
