//! The text format 0.0.4.

use std::borrow::Cow;

use super::cursor::{Cursor, starts_metric_name, take_metric_name, take_series_text};
use super::event::{Event, MetadataLine, ParseError, ParseOptions, ParsedSample, ParsedValue, parse_kind};
use super::number;
use super::part::{Carried, Part};
use super::series::{self, SeriesContext, unescape};
use crate::model::Labels;
use crate::tsdb::MetricType;

/// A parser of the text format.
pub struct TextParser<'a> {
    c: Cursor<'a>,
    options: ParseOptions,
    /// The family of the last TYPE line, and its type.
    family: String,
    kind: MetricType,
    /// Where the text of the current series lies in the body.
    series: (usize, usize),
    /// Whether the body ends with this part.
    last: bool,
}

impl<'a> TextParser<'a> {
    pub(super) fn new(part: Part<'a>, options: ParseOptions, carried: Carried) -> Self {
        let c = Cursor::new(part, carried.lines);
        TextParser { c, options, family: carried.family, kind: carried.kind, series: (0, 0), last: part.last }
    }

    pub(super) fn end(self) -> (usize, Carried) {
        (self.c.at, Carried { lines: self.c.lines(), family: self.family, kind: self.kind, ..Carried::default() })
    }

    pub(super) fn kind(&self) -> MetricType {
        self.kind
    }

    pub(super) fn family_name(&self) -> &str {
        &self.family
    }

    pub(super) fn labels(&self) -> Result<Labels, ParseError> {
        let cx = SeriesContext { kind: self.kind, unit: "", options: self.options, blanks: true };
        series::labels(&self.c, self.series.0, self.series.1, &cx)
    }

    pub(super) fn next(&mut self, expected: Option<&[u8]>) -> Result<Option<Event<'a>>, ParseError> {
        loop {
            let start = self.c.at;
            self.c.take_while(|b| b == b'\n' || b == b' ' || b == b'\t');
            match self.c.peek() {
                None => return Ok(None),
                Some(b'#') => {
                    if let Some(metadata) = self.comment()? {
                        return Ok(Some(Event::Metadata(metadata)));
                    }
                }
                Some(b) if b == b'{' || starts_metric_name(b) => {
                    return match self.sample(expected) {
                        // A line feed in quotes: the next part has the rest. Blanks before it belong to its line.
                        Err(e) if e.cut_off && !self.last => {
                            self.c.at = start;
                            Ok(None)
                        }
                        read => read.map(Some),
                    };
                }
                Some(_) => return Err(self.c.error("a metric name, '{' or '#'")),
            }
        }
    }

    /// Reads a line that starts with `#`; plain comments give `None`.
    fn comment(&mut self) -> Result<Option<MetadataLine<'a>>, ParseError> {
        self.c.at += 1;
        let blank = self.c.skip_blanks();
        let is_type = self.c.rest().starts_with(b"TYPE");
        let known = blank && (is_type || self.c.rest().starts_with(b"HELP"));
        if !known || !matches!(self.c.rest().get(4), Some(b' ' | b'\t')) {
            self.c.take_line();
            return Ok(None);
        }
        self.c.at += 4;
        self.c.skip_blanks();
        let name = take_metric_name(&mut self.c).ok_or_else(|| self.c.error("a metric name"))?;
        let family = family_name(name);
        let text_at = self.c.at + 1;
        let (text, _) = self.c.take_line();
        let text = text.get(1..).unwrap_or_default();
        if !is_type {
            let help = unescape(String::from_utf8_lossy(text), false);
            return Ok(Some(MetadataLine { family, help: Some(help), ..MetadataLine::default() }));
        }
        self.kind = match text {
            b"untyped" => MetricType::Unknown,
            b"counter" | b"gauge" | b"histogram" | b"summary" => parse_kind(text).unwrap_or_default(),
            _ => {
                return Err(self.c.error_at(text_at, "a metric type (counter, gauge, histogram, summary or untyped)"));
            }
        };
        self.family.clear();
        self.family.push_str(&family);
        Ok(Some(MetadataLine { family, kind: Some(self.kind), ..MetadataLine::default() }))
    }

    fn sample(&mut self, expected: Option<&[u8]>) -> Result<Event<'a>, ParseError> {
        let start = self.c.at;
        let key = match expected.and_then(|key| self.take_expected(key)) {
            Some(key) => key,
            None => take_series_text(&mut self.c, true)?,
        };
        self.series = (start, self.c.at);
        self.c.skip_blanks();
        let value_at = self.c.at;
        let text = self.c.take_while(|b| !b" \t\n{".contains(&b));
        let value = number::parse_value(text).ok_or_else(|| self.c.error_at(value_at, "a value after the metric"))?;
        let timestamp = self.timestamp()?;
        Ok(Event::Sample(ParsedSample { key, value: ParsedValue::Float(value), timestamp }))
    }

    /// Reads the expected series text if exactly that is next.
    #[inline]
    fn take_expected(&mut self, key: &[u8]) -> Option<&'a [u8]> {
        let found = self.c.rest().get(..key.len())?;
        let after = self.c.rest().get(key.len()..)?;
        if found != key || !matches!(after.first(), Some(b' ')) || after.get(1) == Some(&b'{') {
            return None;
        }
        // A bare name and blanks may still be followed by labels.
        if !key.ends_with(b"}") && matches!(after.get(1), Some(b' ' | b'\t')) {
            return None;
        }
        self.c.at += key.len();
        Some(found)
    }

    fn timestamp(&mut self) -> Result<Option<i64>, ParseError> {
        if self.c.peek() == Some(b'\n') {
            self.c.at += 1;
            return Ok(None);
        }
        self.c.skip_blanks();
        let at = self.c.at;
        let text = self.c.take_while(|b| !b" \t\n".contains(&b));
        let timestamp = match text {
            b"" => None,
            _ => Some(number::parse_millis(text).ok_or_else(|| self.c.error_at(at, "a timestamp or the next line"))?),
        };
        self.c.skip_blanks();
        match self.c.peek() {
            None | Some(b'\n') => Ok(timestamp),
            Some(_) => Err(self.c.error("the next line after the timestamp")),
        }
    }
}

/// A family's name from its text, quoted or not.
pub(super) fn family_name(text: &[u8]) -> Cow<'_, str> {
    match text {
        [b'"', inner @ .., b'"'] => unescape(String::from_utf8_lossy(inner), true),
        _ => String::from_utf8_lossy(text),
    }
}
