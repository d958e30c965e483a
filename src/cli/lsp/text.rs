//! Where things are in a text: positions of the protocol, the word and the key around one.

use lsp_types::{Position, PositionEncodingKind, Range};

use crate::model;

/// What the columns of a session's positions count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// Units of two bytes, as all clients know them.
    #[default]
    Utf16,
}

impl Encoding {
    /// The one of those that a client offers: bytes where it can, for they need no counting.
    pub fn of_offered(offered: Option<&[PositionEncodingKind]>) -> Self {
        match offered.unwrap_or_default().contains(&PositionEncodingKind::UTF8) {
            true => Encoding::Utf8,
            false => Encoding::Utf16,
        }
    }

    /// Its name in the protocol.
    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    fn units(self, c: char) -> usize {
        match self {
            Encoding::Utf8 => c.len_utf8(),
            Encoding::Utf16 => c.len_utf16(),
        }
    }
}

/// A text by lines, which end as the protocol says: with `\n`, `\r\n` or `\r`.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    encoding: Encoding,
    /// The first byte of each line.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Those of a text.
    pub fn new(text: &'t str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(i, b)| match b {
            b'\n' => true,
            b'\r' => bytes.get(i + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(i, _)| i + 1)).collect();
        Lines { text, encoding, starts }
    }

    /// A line without its end; nothing behind the last.
    fn line(&self, number: usize) -> &'t str {
        let Some(start) = self.starts.get(number) else { return "" };
        let end = self.starts.get(number + 1).copied().unwrap_or(self.text.len());
        self.text.get(*start..end).unwrap_or_default().trim_end_matches(['\r', '\n'])
    }

    /// A position of ours, whose lines and columns begin with one and whose columns count characters.
    pub fn position(&self, at: model::Position) -> Position {
        let line = at.line.saturating_sub(1);
        let chars = self.line(line as usize).chars().take(at.column.saturating_sub(1) as usize);
        Position { line, character: number(chars.map(|c| self.encoding.units(c)).sum()) }
    }

    /// The byte at a position; the end of its line, or of the text, where there is no such.
    pub fn offset(&self, at: Position) -> usize {
        let Some(start) = self.starts.get(at.line as usize) else { return self.text.len() };
        let line = self.line(at.line as usize);
        let mut units = 0;
        for (i, c) in line.char_indices() {
            if units >= at.character as usize {
                return start + i;
            }
            units += self.encoding.units(c);
        }
        start + line.len()
    }

    /// The position of a byte.
    pub fn position_of(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line: number(line), character: number(before.chars().map(|c| self.encoding.units(c)).sum()) }
    }

    /// Where a word stands.
    pub fn range(&self, word: &Word<'_>) -> Range {
        Range { start: self.position_of(word.start), end: self.position_of(word.start + word.text.len()) }
    }

    /// All of the text.
    pub fn whole(&self) -> Range {
        Range { start: Position::default(), end: self.position_of(self.text.len()) }
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A word and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// Itself.
    pub text: &'t str,
    /// Its first byte.
    pub start: usize,
}

/// The longest run of such characters around a byte.
pub fn word_of(text: &str, offset: usize, belongs: impl Fn(char) -> bool) -> Word<'_> {
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let start = before.len() - before.chars().rev().take_while(|c| belongs(*c)).map(char::len_utf8).sum::<usize>();
    let length: usize = after.chars().take_while(|c| belongs(*c)).map(char::len_utf8).sum();
    Word { text: text.get(start..before.len() + length).unwrap_or_default(), start }
}

/// The name of a metric or function around a byte.
pub fn name_at(text: &str, offset: usize) -> Word<'_> {
    word_of(text, offset, |c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// The value that begins behind a key, on the key's line: without quotes, comment, or what follows it in a mapping of one
/// line.
pub fn value_at(text: &str, start: usize) -> Word<'_> {
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let quote = line.trim_start().chars().next().filter(|c| matches!(c, '\'' | '"'));
    let from = line.len() - line.trim_start().len() + quote.map_or(0, char::len_utf8);
    let rest = line.get(from..).unwrap_or_default();
    let value = match quote {
        Some(quote) => rest.split(quote).next(),
        None => rest.split([',', '}', '#']).next(),
    };
    Word { text: value.unwrap_or_default().trim_end(), start: start + from }
}

/// The key whose value a byte is part of, and where that value begins: the last of the line before it, else the next above
/// that is indented less.
pub fn key_at(text: &str, offset: usize) -> Option<(&str, usize)> {
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    if let Some((key, at)) = last_key(before.get(start..)?) {
        return Some((key, start + at));
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let current = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    // In an empty line, what was written last goes on.
    let depth = if current.trim().is_empty() { usize::MAX } else { indent(current) };
    let mut end = start;
    for line in before.get(..start)?.split_inclusive('\n').rev() {
        end -= line.len();
        if line.trim().is_empty() || indent(line) >= depth {
            continue;
        }
        if let Some((key, at)) = last_key(line.trim_end()) {
            return Some((key, end + at));
        }
    }
    None
}

/// The last `key:` of a line, and where what follows it begins.
fn last_key(line: &str) -> Option<(&str, usize)> {
    let colons = line.match_indices(':').map(|(at, _)| at);
    let ends =
        colons.filter(|at| line.get(at + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])));
    ends.filter_map(|at| {
        let word = word_of(line, at, |c| c.is_alphanumeric() || c == '_');
        let before = line.get(..word.start)?.trim_end();
        let key = line.get(word.start..at)?;
        let begins = before.is_empty() || before.ends_with(['{', ',', '-']);
        (begins && !key.is_empty()).then_some((key, at + 1))
    })
    .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_units_of_the_protocol_and_characters_here() {
        let text = "a\n𝔸é: x\r\n";
        let at = |line, character| Position { line, character };
        for (encoding, colon) in [(Encoding::Utf16, 3), (Encoding::Utf8, 6)] {
            let lines = Lines::new(text, encoding);
            assert_eq!(lines.position(model::Position { line: 2, column: 3 }), at(1, colon));
            assert_eq!(lines.offset(at(1, colon)), 2 + 4 + 2);
            assert_eq!(lines.position_of(2 + 4 + 2), at(1, colon));
            // Within a character: the one after it.
            assert_eq!(lines.offset(at(1, 1)), 2 + 4);
            assert_eq!(lines.offset(at(1, 99)), text.len() - 2);
            assert_eq!(lines.offset(at(9, 9)), text.len());
            assert_eq!(lines.whole().end, at(2, 0));
        }
        assert_eq!(Lines::new("a\rb\r\nc", Encoding::Utf16).position_of(5), at(2, 0));
        assert_eq!(Lines::new("", Encoding::Utf16).whole(), Range::default());
    }

    #[test]
    fn a_value_ends_where_yaml_ends_it() {
        for (line, value) in [
            (" ops # who", "ops"),
            (" 'a, b', x: y}", "a, b"),
            (" \"a#b\"", "a#b"),
            (" ops}, {a: b}", "ops"),
            ("  ", ""),
            (" 'half", "half"),
        ] {
            let text = format!("receiver:{line}\r\nnext: 1");
            let word = value_at(&text, 9);
            assert_eq!((word.text, &text[word.start..word.start + word.text.len()]), (value, value), "{line:?}");
        }
    }

    #[test]
    fn a_key_is_on_the_line_or_above() {
        for (marked, key) in [
            ("- alert: A\n  expr: up§", Some("expr")),
            ("- alert: A\n  expr: |-\n    up\n      == §\n", Some("expr")),
            ("- {alert: A, expr: 'job:up:sum §", Some("expr")),
            ("route:\n  receiver: §", Some("receiver")),
            ("  expr: up\n  labels:\n    team: §", Some("team")),
            ("  expr: >\n    sum(\n§", Some("expr")),
            ("§", None),
        ] {
            let (offset, text) = (marked.find('§').unwrap(), marked.replace('§', ""));
            assert_eq!(key_at(&text, offset).map(|(key, _)| key), key, "{marked:?}");
        }
    }
}
