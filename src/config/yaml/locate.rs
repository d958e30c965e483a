//! Where inside the file a byte of a scalar's value stood.
//!
//! A value differs from its source by quotes, escapes, indentation and folded line ends. The two texts are walked side by
//! side: white space of the value consumes white space of the source, everything else stands for itself or an escape.

use super::node::{Node, Style, Value};
use crate::model::Position;

/// The position in `source` of the byte `offset` of the scalar's value; the node's own position when it is no scalar.
pub fn locate(source: &str, node: &Node, offset: usize) -> Position {
    let Value::Scalar(value, style) = &node.value else { return node.position };
    let Some(raw) = source.get(node.start..node.end.max(node.start)) else { return node.position };
    let mut walk = Walk { rest: raw, at: node.position };
    walk.enter(*style);
    for (i, c) in value.char_indices() {
        walk.seek(c, *style);
        if i >= offset {
            return walk.at;
        }
        walk.take(*style);
    }
    walk.at
}

/// The byte at a line and column of a text.
pub(super) fn offset_of(text: &str, at: Position) -> usize {
    let before: usize = text.split_inclusive('\n').take(at.line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.chars().take(at.column.saturating_sub(1) as usize).map(char::len_utf8).sum::<usize>()
}

struct Walk<'a> {
    rest: &'a str,
    at: Position,
}

impl Walk<'_> {
    /// Steps over an opening quote or a block scalar's header line.
    fn enter(&mut self, style: Style) {
        match style {
            Style::Plain => {}
            Style::SingleQuoted | Style::DoubleQuoted => self.skip(),
            Style::Literal | Style::Folded => {
                while !self.rest.is_empty() && self.at.line != 0 {
                    let ended = self.rest.starts_with('\n');
                    self.skip();
                    if ended {
                        break;
                    }
                }
            }
        }
    }

    /// Moves to where `c` of the value is written. White space may be indentation or a folded line end, so it is stepped
    /// over only before something else.
    fn seek(&mut self, c: char, style: Style) {
        if c.is_whitespace() {
            return;
        }
        while let Some(here) = self.rest.chars().next() {
            let folded = here == '\\' && style == Style::DoubleQuoted && is_line_continuation(self.rest);
            if !here.is_whitespace() && !folded {
                return;
            }
            self.skip();
        }
    }

    /// Steps over the source of one character of the value.
    fn take(&mut self, style: Style) {
        let count = match style {
            Style::DoubleQuoted => escape_length(self.rest),
            Style::SingleQuoted if self.rest.starts_with("''") => 2,
            _ => 1,
        };
        (0..count).for_each(|_| self.skip());
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        match chars.next() {
            Some('\n') => self.at = Position { line: self.at.line.saturating_add(1), column: 1 },
            Some(_) => self.at.column = self.at.column.saturating_add(1),
            None => {}
        }
        self.rest = chars.as_str();
    }
}

fn is_line_continuation(rest: &str) -> bool {
    rest.strip_prefix('\\').is_some_and(|r| r.starts_with(['\n', '\r']))
}

fn escape_length(rest: &str) -> usize {
    match rest.strip_prefix('\\').and_then(|r| r.chars().next()) {
        None => 1,
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        Some(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Limits, parse};
    use super::*;

    /// Finds `needle` in the value of `expr` and asks where it is in the file.
    fn find(source: &str, needle: &str) -> (u32, u32) {
        let documents = parse(source, Limits::default()).unwrap();
        let node = documents.roots[0].get("expr").unwrap();
        let offset = node.text().unwrap().find(needle).unwrap();
        let Position { line, column } = locate(source, node, offset);
        (line, column)
    }

    #[test]
    fn a_place_in_a_value_is_found_in_the_file() {
        for (source, needle, want) in [
            ("expr: a + b", "b", (1, 11)),
            ("x: 1\nexpr: a +\n   b", "b", (3, 4)),
            ("expr: 'it''s b'", "b", (1, 14)),
            ("expr: \"\\\"q\\\" b\"", "b", (1, 14)),
            ("expr: \"a\\u0041 b\"", "b", (1, 16)),
            ("expr: \"a\\\n   b\"", "b", (2, 4)),
            ("expr: |\n  a\n    + b\n", "b", (3, 7)),
            ("expr: |-\n\n  a\n\n  b", "b", (5, 3)),
            ("expr: >\n  a\n  b c\n", "c", (3, 5)),
            ("expr: >-\r\n  a\r\n  b\r\n", "b", (3, 3)),
            ("expr: |\n  زمن b\n", "b", (2, 7)),
            ("expr: | # note\n  a\n  b\n", "b", (3, 3)),
        ] {
            assert_eq!(find(source, needle), want, "{source:?}");
        }
    }
}
