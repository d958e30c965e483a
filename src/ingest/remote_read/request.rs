//! A `prometheus.ReadRequest`.

use crate::ingest::wire::{Fields, WireError};
use crate::model::{MatchOp, Matcher};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    /// Each has a result of its own.
    pub queries: Vec<ReadQuery>,
    /// Whether samples are taken: who says nothing takes nothing else.
    pub takes_samples: bool,
    /// Whether streamed chunks are taken.
    pub takes_chunks: bool,
    /// Whether they are taken sooner than samples.
    pub prefers_chunks: bool,
}

/// One query.
#[derive(Clone, Debug, Default)]
pub struct ReadQuery {
    /// From when, milliseconds.
    pub start: i64,
    /// Until when, milliseconds.
    pub end: i64,
    /// Conditions of series.
    pub matchers: Vec<Matcher>,
}

/// Queries of a request, at most.
const MOST_QUERIES: usize = 1_000;
/// Conditions of a query, at most.
const MOST_MATCHERS: usize = 1_000;

impl ReadRequest {
    /// Reads a message, which is compressed; `most` bytes of it at most.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(body: &[u8], most: usize) -> Result<ReadRequest, String> {
        let len = snap::raw::decompress_len(body).map_err(|e| format!("snappy: {e}"))?;
        if len > most {
            return Err(format!("message of {len} bytes is over the limit of {most}"));
        }
        let message = snap::raw::Decoder::new().decompress_vec(body).map_err(|e| format!("snappy: {e}"))?;
        decode(&message).map_err(|e| e.to_string())?
    }
}

fn decode(message: &[u8]) -> Result<Result<ReadRequest, String>, WireError> {
    let (mut request, mut types) = (ReadRequest::default(), Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => match query(field.bytes()?)? {
                Ok(query) => request.queries.push(query),
                Err(why) => return Ok(Err(why)),
            },
            2 => field.varints(&mut types, |kind| kind)?,
            _ => {}
        }
        if request.queries.len() > MOST_QUERIES {
            return Ok(Err(format!("more than {MOST_QUERIES} queries")));
        }
    }
    request.takes_samples = types.is_empty() || types.contains(&0);
    request.takes_chunks = types.contains(&1);
    request.prefers_chunks = types.iter().find(|kind| **kind <= 1) == Some(&1);
    Ok(Ok(request))
}

fn query(message: &[u8]) -> Result<Result<ReadQuery, String>, WireError> {
    let mut query = ReadQuery::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => query.start = field.i64()?,
            2 => query.end = field.i64()?,
            3 => match matcher(field.bytes()?)? {
                Ok(matcher) => query.matchers.push(matcher),
                Err(why) => return Ok(Err(why)),
            },
            _ => {}
        }
        if query.matchers.len() > MOST_MATCHERS {
            return Ok(Err(format!("more than {MOST_MATCHERS} matchers")));
        }
    }
    Ok(Ok(query))
}

fn matcher(message: &[u8]) -> Result<Result<Matcher, String>, WireError> {
    let (mut kind, mut name, mut value) = (0, "", "");
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => kind = field.u64()?,
            2 => name = field.str()?,
            3 => value = field.str()?,
            _ => {}
        }
    }
    let op = match kind {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        _ => return Ok(Err(format!("unknown type of matcher {kind}"))),
    };
    Ok(Matcher::new(op, name, value))
}
