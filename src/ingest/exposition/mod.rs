//! Exposition formats: the text format 0.0.4, OpenMetrics 1.0 and delimited protobuf.
//!
//! A parser walks a body and stops at every sample. It yields the sample's *key*: bytes that name the series as the
//! target wrote it. A scrape looks the key up in its cache and does label work only for a key it has not seen
//! ([`Parser::labels`]). Parsers borrow from the body and allocate nothing for a sample in the text formats.
//!
//! A body may come in parts ([`Parser::of_part`]): a parser reads what is complete of a part, and what it knows is carried
//! over to the next one ([`Carried`]).

mod cursor;
mod event;
mod number;
mod openmetrics;
mod part;
mod protobuf;
mod series;
mod text;

use crate::model::Labels;
use crate::tsdb::MetricType;

pub use event::{Event, MetadataLine, ParseError, ParseOptions, ParsedExemplar, ParsedSample, ParsedValue};
pub use number::format_openmetrics_float;
pub use part::{Carried, Part};

/// An exposition format, as a `Content-Type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Text,
    /// `application/openmetrics-text`
    OpenMetrics,
    /// `application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited`
    Protobuf,
}

impl Format {
    /// The format of a body with this `Content-Type`; `None` when it names none that is known.
    pub fn from_content_type(content_type: &str) -> Option<Format> {
        let media = content_type.split(';').next().unwrap_or("").trim();
        if media.eq_ignore_ascii_case("application/openmetrics-text") {
            Some(Format::OpenMetrics)
        } else if media.eq_ignore_ascii_case("application/vnd.google.protobuf") {
            Some(Format::Protobuf)
        } else if media.eq_ignore_ascii_case("text/plain") {
            Some(Format::Text)
        } else {
            None
        }
    }
}

/// A parser of any format over a body.
pub enum Parser<'a> {
    /// Of the text format 0.0.4.
    Text(text::TextParser<'a>),
    /// Of OpenMetrics.
    OpenMetrics(openmetrics::OpenMetricsParser<'a>),
    /// Of delimited protobuf.
    Protobuf(Box<protobuf::ProtobufParser<'a>>),
}

impl<'a> Parser<'a> {
    /// A parser at the start of a body that is here as a whole.
    pub fn new(format: Format, body: &'a [u8], options: ParseOptions) -> Self {
        Self::of_part(format, Part { bytes: body, last: true }, options, Carried::default())
    }

    /// A parser of the next part of a body.
    pub fn of_part(format: Format, part: Part<'a>, options: ParseOptions, carried: Carried) -> Self {
        match format {
            Format::Text => Parser::Text(text::TextParser::new(part, options, carried)),
            Format::OpenMetrics => Parser::OpenMetrics(openmetrics::OpenMetricsParser::new(part, options, carried)),
            Format::Protobuf => Parser::Protobuf(Box::new(protobuf::ProtobufParser::new(part, options))),
        }
    }

    /// At the end of a part: how many of its bytes were read, and what is to be carried over to the next part, which begins
    /// with the others.
    pub fn end(self) -> (usize, Carried) {
        match self {
            Parser::Text(p) => p.end(),
            Parser::OpenMetrics(p) => p.end(),
            Parser::Protobuf(p) => (p.read(), Carried::default()),
        }
    }

    /// Moves to the next sample or metadata, `None` at the end of the body or of what is complete of the part. `expected_key` is a key that was valid in
    /// this format before and is likely next; when it is, its text is compared instead of parsed.
    pub fn next(&mut self, expected_key: Option<&[u8]>) -> Result<Option<Event<'_>>, ParseError> {
        match self {
            Parser::Text(p) => p.next(expected_key),
            Parser::OpenMetrics(p) => p.next(expected_key),
            Parser::Protobuf(p) => p.next(),
        }
    }

    /// The labels of the sample at which the parser stands, sorted, empty ones left out.
    ///
    /// # Errors
    /// The key is not well formed: a bad name, an unterminated value, a label twice.
    pub fn labels(&self) -> Result<Labels, ParseError> {
        match self {
            Parser::Text(p) => p.labels(),
            Parser::OpenMetrics(p) => p.labels(),
            Parser::Protobuf(p) => p.labels(),
        }
    }

    /// The start timestamp of the sample at which the parser stands, in milliseconds, when the target gave a created
    /// timestamp and the options ask for it. `labels` are those of [`Parser::labels`].
    pub fn start_timestamp(&mut self, labels: &Labels) -> Option<i64> {
        match self {
            Parser::Text(_) => None,
            Parser::OpenMetrics(p) => p.start_timestamp(labels),
            Parser::Protobuf(p) => p.start_timestamp(),
        }
    }

    /// The exemplars of the sample at which the parser stands; the second time there are none.
    pub fn take_exemplars(&mut self) -> Vec<ParsedExemplar> {
        match self {
            Parser::Text(_) => Vec::new(),
            Parser::OpenMetrics(p) => p.take_exemplar().into_iter().collect(),
            Parser::Protobuf(p) => p.take_exemplars(),
        }
    }

    /// The family whose type was stated last.
    pub fn family_name(&self) -> &str {
        match self {
            Parser::Text(p) => p.family_name(),
            Parser::OpenMetrics(p) => p.family_name(),
            Parser::Protobuf(p) => p.family_name(),
        }
    }

    /// The type that was stated last, which holds for the sample at which the parser stands.
    pub fn kind(&self) -> MetricType {
        match self {
            Parser::Text(p) => p.kind(),
            Parser::OpenMetrics(p) => p.kind(),
            Parser::Protobuf(p) => p.kind(),
        }
    }
}

#[cfg(test)]
mod tests;
