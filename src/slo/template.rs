//! Queries that name their window as `{{.window}}`.

use crate::config::yaml::{Decoder, Node};
use crate::promql::{CompileOptions, compile};

/// A window to try a query with.
const PROBE: &str = "5m";

/// A query with at least one place for its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowedQuery {
    /// The text between the places.
    pieces: Vec<String>,
}

/// One part of a query as it is written: its text and where it ends.
struct Piece<'t> {
    text: &'t str,
    start: usize,
}

impl WindowedQuery {
    /// The query over a window.
    pub fn over(&self, window: &str) -> String {
        self.pieces.join(window)
    }

    /// Reads a query; what is wrong with it is reported where it stands.
    pub(super) fn read(node: &Node, d: &Decoder) -> Option<WindowedQuery> {
        let Some(text) = node.text() else { return d.mismatch(node, "a query") };
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err((offset, message)) => {
                d.error(d.locate(node, offset), message);
                return None;
            }
        };
        if pieces.len() < 2 {
            d.error(node.position, "the query names no window, expected {{.window}} where its range stands");
            return None;
        }
        let query = WindowedQuery { pieces: pieces.iter().map(|p| p.text.to_owned()).collect() };
        match compile(&query.over(PROBE), &CompileOptions::default()) {
            Ok(_) => Some(query),
            Err(e) => {
                d.error(d.locate(node, origin(&pieces, e.span.start as usize)), e.message);
                None
            }
        }
    }

    /// Reads a selector of counters, whose rate is meant.
    pub(super) fn read_counter(node: &Node, d: &Decoder) -> Option<WindowedQuery> {
        let Some(text) = node.text() else { return d.mismatch(node, "a query") };
        if text.contains("{{") {
            return WindowedQuery::read(node, d);
        }
        let (before, selector) = ("sum(rate(", text.trim());
        let query = WindowedQuery { pieces: vec![format!("{before}{selector}["), "]))".into()] };
        match compile(&query.over(PROBE), &CompileOptions::default()) {
            Ok(_) => Some(query),
            Err(e) => {
                let offset = (e.span.start as usize).saturating_sub(before.len()).min(text.len());
                let message = format!(
                    "expected a selector of counters, or a query with {{{{.window}}}} where its range stands: {}",
                    e.message
                );
                d.error(d.locate(node, offset), message);
                None
            }
        }
    }
}

/// Cuts a query at its windows.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, (usize, String)> {
    let mut out = Vec::new();
    let mut start = 0;
    while let Some(at) = text.get(start..).and_then(|rest| rest.find("{{")).map(|at| start + at) {
        let inside = text.get(at + 2..).unwrap_or_default();
        let Some(length) = inside.find("}}") else { return Err((at, "{{ is not closed".into())) };
        let name = inside.get(..length).unwrap_or_default().trim();
        if name != ".window" {
            return Err((at, format!("unknown template {{{{{name}}}}}, expected {{{{.window}}}}")));
        }
        out.push(Piece { text: text.get(start..at).unwrap_or_default(), start });
        start = at + 2 + length + 2;
    }
    out.push(Piece { text: text.get(start..).unwrap_or_default(), start });
    Ok(out)
}

/// Where a byte of the query with windows stood in the text.
fn origin(pieces: &[Piece<'_>], offset: usize) -> usize {
    let mut filled = 0;
    let mut last = 0;
    for piece in pieces {
        last = piece.start;
        if offset < filled + piece.text.len() {
            return piece.start + offset.saturating_sub(filled);
        }
        filled += piece.text.len() + PROBE.len();
        last += piece.text.len();
    }
    last
}
