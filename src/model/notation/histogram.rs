//! `{{schema:1 sum:-0.3 count:3 buckets:[1 2 1] offset:1}}`

use super::NotationError;
use super::cursor::Cursor;
use crate::model::FloatHistogram;
use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span, is_exponential};

type Parsed<T> = Result<T, NotationError>;

const KEYS: &str = "schema, count, sum, z_bucket, z_bucket_w, buckets, offset, n_buckets, n_offset, custom_values or \
                    counter_reset_hint";

/// What has been read of a histogram.
#[derive(Default)]
struct Draft {
    h: FloatHistogram,
    offset: i32,
    negative_offset: i32,
    seen: Vec<String>,
}

/// Reads a histogram; `{{` is next.
pub(super) fn histogram(c: &mut Cursor<'_>) -> Parsed<FloatHistogram> {
    c.need("{{")?;
    let mut draft = Draft::default();
    loop {
        let spaced = c.spaces();
        if c.eat("}}") {
            break;
        }
        if spaced && draft.seen.is_empty() {
            return c.expected("\"}}\": no space is before the first of a histogram's entries");
        }
        draft.entry(c)?;
        if c.peek().is_some_and(|next| !next.is_whitespace() && next != '}') {
            return c.expected("a space or \"}}\"");
        }
    }
    Ok(draft.finish())
}

impl Draft {
    fn entry(&mut self, c: &mut Cursor<'_>) -> Parsed<()> {
        let before = c.rest();
        let key = c.take_while(|ch| ch.is_ascii_alphanumeric() || ch == '_').to_ascii_lowercase();
        if key.is_empty() {
            return c.expected(&format!("{KEYS}, or \"}}}}\""));
        }
        if self.seen.contains(&key) {
            return c.fail(format!("duplicate key {key:?} in histogram"));
        }
        c.need(":")?;
        match key.as_str() {
            "schema" => self.h.schema = schema(c)?,
            "count" => self.h.count = number(c)?,
            "sum" => self.h.sum = number(c)?,
            "z_bucket" => self.h.zero_count = number(c)?,
            "z_bucket_w" => self.h.zero_threshold = unsigned(c)?,
            "buckets" => self.h.positive_buckets = list(c)?,
            "n_buckets" => self.h.negative_buckets = list(c)?,
            "offset" => self.offset = integer(c)?,
            "n_offset" => self.negative_offset = integer(c)?,
            "custom_values" => self.h.custom_values = list(c)?,
            "counter_reset_hint" => self.h.counter_reset_hint = hint(c)?,
            _ => return c.back_to(before).fail(format!("bad histogram descriptor {key:?}, expected {KEYS}")),
        }
        self.seen.push(key);
        Ok(())
    }

    fn finish(self) -> FloatHistogram {
        let span = |offset: i32, counts: &[f64]| match u32::try_from(counts.len()) {
            Ok(0) | Err(_) => Vec::new(),
            Ok(length) => vec![Span { offset, length }],
        };
        let mut h = self.h;
        h.positive_spans = span(self.offset, &h.positive_buckets);
        h.negative_spans = span(self.negative_offset, &h.negative_buckets);
        h
    }
}

/// A number as histograms have them: with `-` at most, and a digit before its point.
fn number(c: &mut Cursor<'_>) -> Parsed<f64> {
    let negative = c.eat("-");
    let v = unsigned(c)?;
    Ok(if negative { -v } else { v })
}

fn unsigned(c: &mut Cursor<'_>) -> Parsed<f64> {
    if c.peek() == Some('.') { c.expected("a digit before the point") } else { c.unsigned_float() }
}

fn integer(c: &mut Cursor<'_>) -> Parsed<i32> {
    let before = c.rest();
    let negative = c.eat("-");
    let digits = c.take_while(|ch| ch.is_ascii_digit());
    match digits.parse::<i32>() {
        Ok(n) => Ok(if negative { -n } else { n }),
        Err(_) => c.back_to(before).expected("a whole number"),
    }
}

fn schema(c: &mut Cursor<'_>) -> Parsed<i32> {
    match integer(c)? {
        s if is_exponential(s) || s == CUSTOM_BUCKETS_SCHEMA => Ok(s),
        s => c.fail(format!("unknown histogram schema {s}, expected -4 to 8 or {CUSTOM_BUCKETS_SCHEMA}")),
    }
}

fn hint(c: &mut Cursor<'_>) -> Parsed<CounterResetHint> {
    match c.take_while(|ch| ch.is_ascii_alphanumeric() || ch == '_').to_ascii_lowercase().as_str() {
        "unknown" => Ok(CounterResetHint::Unknown),
        "reset" => Ok(CounterResetHint::Reset),
        "not_reset" => Ok(CounterResetHint::NotReset),
        "gauge" => Ok(CounterResetHint::Gauge),
        other => c.fail(format!("unknown counter reset hint {other:?}, expected unknown, reset, not_reset or gauge")),
    }
}

/// `[1 2 3]`: not empty, no space before the first number, and none of them below zero without digits.
fn list(c: &mut Cursor<'_>) -> Parsed<Vec<f64>> {
    c.need("[")?;
    let mut all = Vec::new();
    loop {
        let before = c.rest();
        let v = number(c)?;
        if v == f64::NEG_INFINITY {
            return c.back_to(before).expected("a number");
        }
        all.push(v);
        if c.peek().is_some_and(|next| !next.is_whitespace() && next != ']') {
            return c.expected("a space or \"]\"");
        }
        c.spaces();
        if c.eat("]") {
            return Ok(all);
        }
    }
}
