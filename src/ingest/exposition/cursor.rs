//! A place in a text body: scanning by bytes, and errors with line and column.

use std::borrow::Cow;

use super::event::ParseError;
use super::part::Part;
use crate::model::Position;

/// A position in a body, or in the part of it that is here.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    pub body: &'a [u8],
    pub at: usize,
    /// Line feeds before the part.
    pub lines: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a part, of which only whole lines are read unless it is the last.
    pub fn new(part: Part<'a>, lines: usize) -> Self {
        let whole = match part.last {
            true => part.bytes.len(),
            false => part.bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1),
        };
        Cursor { body: part.bytes.get(..whole).unwrap_or_default(), at: 0, lines }
    }

    /// Line feeds up to this place.
    pub fn lines(&self) -> usize {
        let read = self.body.get(..self.at).unwrap_or_default();
        self.lines + read.iter().filter(|b| **b == b'\n').count()
    }

    /// What has not been read.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// Reads `expected` if it is next.
    #[inline]
    pub fn eat(&mut self, expected: &[u8]) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Reads bytes while `accept` holds.
    #[inline]
    pub fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let n = rest.iter().position(|&b| !accept(b)).unwrap_or(rest.len());
        self.at += n;
        rest.get(..n).unwrap_or_default()
    }

    /// Reads blanks and tabs; whether there were any.
    #[inline]
    pub fn skip_blanks(&mut self) -> bool {
        !self.take_while(|b| b == b' ' || b == b'\t').is_empty()
    }

    /// Reads up to the end of the line, without the line feed, which is read too. The flag says whether there was one.
    pub fn take_line(&mut self) -> (&'a [u8], bool) {
        let line = self.take_while(|b| b != b'\n');
        (line, self.eat(b"\n"))
    }

    /// Reads a quoted string, quotes included. Leaves the cursor where it was when the closing quote is missing.
    pub fn take_quoted(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let mut i = 1;
        loop {
            match rest.get(i)? {
                b'"' => {
                    self.at += i + 1;
                    return rest.get(..=i);
                }
                b'\\' => i += 2,
                _ => i += 1,
            }
        }
    }

    /// An error at this place.
    #[cold]
    pub fn error(&self, expected: impl Into<Cow<'static, str>>) -> ParseError {
        self.error_at(self.at, expected)
    }

    /// An error at an offset of the body.
    #[cold]
    pub fn error_at(&self, at: usize, expected: impl Into<Cow<'static, str>>) -> ParseError {
        let (before, after) = self.body.split_at(at.min(self.body.len()));
        let line = self.lines + before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
        let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        ParseError {
            position: Position { line: to_u32(line), column: to_u32(column) },
            found: describe(after),
            expected: expected.into(),
            cut_off: false,
        }
    }

    /// The same, where the error is that the body ends here.
    #[cold]
    fn cut_off(&self, at: usize, expected: &'static str) -> ParseError {
        ParseError { cut_off: true, ..self.error_at(at, expected) }
    }
}

/// The longest excerpt an error shows, in characters.
const EXCERPT: usize = 40;

/// What stands at the start of `bytes`, for a message: a word, or the end of the line or of the body.
fn describe(bytes: &[u8]) -> String {
    match bytes.first() {
        None => "the end of the body".into(),
        Some(b'\n') => "the end of the line".into(),
        Some(b' ' | b'\t') => "a blank".into(),
        Some(_) => {
            let end = bytes.iter().position(|b| b" \t\n".contains(b)).unwrap_or(bytes.len());
            let word = String::from_utf8_lossy(bytes.get(..end.min(EXCERPT * 4)).unwrap_or_default());
            let shown: String = word.chars().take(EXCERPT).collect();
            let more = if word.chars().nth(EXCERPT).is_some() { "..." } else { "" };
            format!("{:?}", shown + more)
        }
    }
}

const NAME_START: u8 = 1;
const NAME: u8 = 2;
const COLON: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut t = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if b.is_ascii_alphabetic() || b == b'_' {
            t[i] = NAME_START | NAME;
        } else if b.is_ascii_digit() {
            t[i] = NAME;
        } else if b == b':' {
            t[i] = COLON;
        }
        i += 1;
    }
    t
};

/// Whether a metric name may start with this byte.
#[inline]
pub(super) fn starts_metric_name(b: u8) -> bool {
    CLASSES[b as usize] & (NAME_START | COLON) != 0
}

/// Whether a metric name may go on with this byte.
#[inline]
pub(super) fn in_metric_name(b: u8) -> bool {
    CLASSES[b as usize] & (NAME | COLON) != 0
}

/// Whether a label name may start with this byte.
#[inline]
pub(super) fn starts_label_name(b: u8) -> bool {
    CLASSES[b as usize] & NAME_START != 0
}

/// Whether a label name may go on with this byte.
#[inline]
pub(super) fn in_label_name(b: u8) -> bool {
    CLASSES[b as usize] & NAME != 0
}

/// Reads a metric name in the classic character set or in quotes (quotes included); `None` when there is none.
pub(super) fn take_metric_name<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    match c.peek()? {
        b'"' => c.take_quoted(),
        b if starts_metric_name(b) => Some(c.take_while(in_metric_name)),
        _ => None,
    }
}

/// Reads the text of a series: a name, labels, or both. Only the extent is found here, by the rules of quoting; what is
/// inside is checked when the labels are read. `blanks` allows them between name and brace.
pub(super) fn take_series_text<'a>(c: &mut Cursor<'a>, blanks: bool) -> Result<&'a [u8], ParseError> {
    let start = c.at;
    let name = c.take_while(in_metric_name);
    let mut end = c.at;
    if blanks {
        c.skip_blanks();
    }
    if c.peek() == Some(b'{') {
        skip_braces(c)?;
        end = c.at;
    } else if name.is_empty() {
        return Err(c.error("a metric name"));
    }
    c.at = end;
    Ok(c.body.get(start..end).unwrap_or_default())
}

/// Moves past a brace and what it encloses.
fn skip_braces(c: &mut Cursor<'_>) -> Result<(), ParseError> {
    let open = c.at;
    loop {
        match c.peek() {
            None => return Err(c.cut_off(open, "labels with a closing brace")),
            Some(b'}') => {
                c.at += 1;
                return Ok(());
            }
            Some(b'"') => {
                if c.take_quoted().is_none() {
                    return Err(c.cut_off(c.at, "a string with a closing quote"));
                }
            }
            Some(_) => c.at += 1,
        }
    }
}
