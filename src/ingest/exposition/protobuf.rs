//! The protobuf format: a sequence of `io.prometheus.client.MetricFamily`, each with its length in front.
//!
//! A metric is decoded at a time into rows, which are then handed out one by one: what a parser holds beside the part it
//! reads is one metric's.

use std::borrow::Cow;
use std::sync::Arc;

use super::event::{Event, MetadataLine, ParseError, ParseOptions, ParsedExemplar, ParsedSample, ParsedValue};
use super::number::format_openmetrics_float;
use super::part::Part;
use crate::ingest::histogram_wire::{HistogramFields, Number};
use crate::ingest::wire::{Fields, WireError, take_varint};
use crate::model::histogram::{ClassicHistogram, CounterResetHint};
use crate::model::stale::NORMAL_NAN;
use crate::model::{BUCKET_LABEL, FloatHistogram, Labels, METRIC_NAME, Position, QUANTILE_LABEL};
use crate::tsdb::MetricType;

/// The most labels, quantiles, buckets or spans of one metric. A few bytes are enough to claim one.
const MOST_PIECES: usize = 100_000;

/// A parser of delimited protobuf.
pub struct ProtobufParser<'a> {
    part: Part<'a>,
    /// How much of the part was read.
    read: usize,
    options: ParseOptions,
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    kind: MetricType,
    /// What is left of the family.
    metrics: Fields<'a>,
    /// The labels and the timestamp of the metric.
    labels: Vec<(&'a str, &'a str)>,
    timestamp: Option<i64>,
    rows: Vec<Row>,
    next_row: usize,
    /// The key of the current row: name and value of each label, each with a varint length.
    key: Vec<u8>,
}

/// A sample of a metric.
struct Row {
    suffix: &'static str,
    /// A label that tells it from others: its name and its value, a number.
    extra: Option<(&'static str, f64)>,
    value: ParsedValue,
    start: Option<i64>,
    exemplars: Vec<ParsedExemplar>,
}

/// A classic bucket.
struct Bucket {
    bound: f64,
    cumulative: f64,
    exemplar: Option<ParsedExemplar>,
}

impl<'a> ProtobufParser<'a> {
    pub(super) fn new(part: Part<'a>, options: ParseOptions) -> Self {
        ProtobufParser {
            part,
            read: 0,
            options,
            name: "",
            help: "",
            unit: "",
            kind: MetricType::Unknown,
            metrics: Fields::new(&[]),
            labels: Vec::new(),
            timestamp: None,
            rows: Vec::new(),
            next_row: 0,
            key: Vec::new(),
        }
    }

    pub(super) fn kind(&self) -> MetricType {
        self.kind
    }

    pub(super) fn family_name(&self) -> &str {
        self.name
    }

    /// How many bytes of the part were read.
    pub(super) fn read(&self) -> usize {
        self.read
    }

    pub(super) fn next(&mut self) -> Result<Option<Event<'_>>, ParseError> {
        while self.next_row >= self.rows.len() {
            match self.metric().map_err(|e| self.error(e))? {
                true => continue,
                false if self.family().map_err(|e| self.error(e))? => return Ok(Some(self.metadata())),
                false => return Ok(None),
            }
        }
        let Some(row) = self.rows.get(self.next_row) else { return Ok(None) };
        self.next_row += 1;
        write_key(&mut self.key, self.name, &self.labels, row);
        Ok(Some(Event::Sample(ParsedSample { key: &self.key, value: row.value.clone(), timestamp: self.timestamp })))
    }

    fn error(&self, e: WireError) -> ParseError {
        let expected = match self.name {
            "" => "a MetricFamily".into(),
            name => format!("the MetricFamily {name:?}").into(),
        };
        ParseError { position: Position::default(), found: e.to_string(), expected, cut_off: false }
    }

    fn metadata(&self) -> Event<'_> {
        Event::Metadata(MetadataLine {
            family: Cow::Borrowed(self.name),
            kind: Some(self.kind),
            help: Some(Cow::Borrowed(self.help)),
            unit: Some(Cow::Borrowed(self.unit)),
        })
    }

    pub(super) fn start_timestamp(&self) -> Option<i64> {
        let row = self.rows.get(self.next_row.checked_sub(1)?)?;
        if self.options.start_timestamps { row.start } else { None }
    }

    pub(super) fn take_exemplars(&mut self) -> Vec<ParsedExemplar> {
        let row = self.next_row.checked_sub(1).and_then(|at| self.rows.get_mut(at));
        row.map_or_else(Vec::new, |row| std::mem::take(&mut row.exemplars))
    }

    pub(super) fn labels(&self) -> Result<Labels, ParseError> {
        let bad = |found: String, expected: &'static str| ParseError {
            position: Position::default(),
            found,
            expected: expected.into(),
            cut_off: false,
        };
        let mut pairs = read_key(&self.key).ok_or_else(|| bad("damaged bytes".into(), "a series"))?;
        if self.options.type_and_unit_labels {
            pairs.retain(|(n, _)| *n != "__type__" && *n != "__unit__");
            if self.kind != MetricType::Unknown {
                pairs.push(("__type__", self.kind.as_str()));
            }
            pairs.push(("__unit__", self.unit));
        }
        pairs.sort_unstable_by_key(|(n, _)| *n);
        if let Some([(name, _), _]) = pairs.array_windows::<2>().find(|[a, b]| a.0 == b.0) {
            return Err(bad(format!("label {name:?} twice in {:?}", self.name), "each label once"));
        }
        Ok(Labels::from_sorted(pairs.into_iter().filter(|(_, v)| !v.is_empty())))
    }

    /// Reads the head of the next family; false when the part ends before it does.
    fn family(&mut self) -> Result<bool, WireError> {
        let mut rest = self.part.bytes.get(self.read..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        let message = match take_message(&mut rest) {
            Err(WireError::Truncated) if !self.part.last => return Ok(false),
            message => message?,
        };
        self.read = self.part.bytes.len() - rest.len();
        (self.name, self.help, self.unit, self.kind) = ("", "", "", MetricType::Counter);
        self.metrics = Fields::new(message);
        let mut fields = self.metrics;
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => self.name = field.str()?,
                2 => self.help = field.str()?,
                3 => self.kind = family_kind(field.u64()?),
                5 => self.unit = field.str()?,
                _ => {}
            }
        }
        Ok(true)
    }

    /// Decodes the next metric of the family; false when there is none.
    fn metric(&mut self) -> Result<bool, WireError> {
        self.rows.clear();
        (self.next_row, self.timestamp) = (0, None);
        self.labels.clear();
        let message = loop {
            match self.metrics.next_field()? {
                None => return Ok(false),
                Some(field) if field.number == 4 => break field.bytes()?,
                Some(_) => {}
            }
        };
        let mut body = None;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => push_piece(&mut self.labels, label_pair(field.bytes()?)?)?,
                2 => body = Some((MetricType::Gauge, field.bytes()?)),
                3 => body = Some((MetricType::Counter, field.bytes()?)),
                4 => body = Some((MetricType::Summary, field.bytes()?)),
                5 => body = Some((MetricType::Unknown, field.bytes()?)),
                6 => self.timestamp = Some(field.i64()?).filter(|t| *t != 0),
                7 => body = Some((MetricType::Histogram, field.bytes()?)),
                _ => {}
            }
        }
        match body {
            Some((MetricType::Histogram, body)) => self.histogram(body)?,
            Some((MetricType::Summary, body)) => self.summary(body)?,
            Some((_, body)) => self.simple(body)?,
            None => {}
        }
        Ok(true)
    }

    fn simple(&mut self, body: &[u8]) -> Result<(), WireError> {
        let (mut value, mut start, mut found) = (0.0, None, None);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => value = field.f64()?,
                2 if self.kind == MetricType::Counter => found = exemplar(field.bytes()?)?,
                3 => start = Some(timestamp(field.bytes()?)?),
                _ => {}
            }
        }
        self.push("", None, float(value), start);
        self.give(found);
        Ok(())
    }

    fn summary(&mut self, body: &[u8]) -> Result<(), WireError> {
        let (mut count, mut sum, mut quantiles, mut start) = (0, 0.0, Vec::new(), None);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => count = field.u64()?,
                2 => sum = field.f64()?,
                3 => push_piece(&mut quantiles, pair_of_doubles(field.bytes()?)?)?,
                4 => start = Some(timestamp(field.bytes()?)?),
                _ => {}
            }
        }
        self.push("_count", None, float(count as f64), start);
        self.push("_sum", None, float(sum), start);
        for (quantile, value) in quantiles {
            self.push("", Some((QUANTILE_LABEL, quantile)), float(value), start);
        }
        Ok(())
    }

    fn histogram(&mut self, body: &[u8]) -> Result<(), WireError> {
        let (mut native, mut buckets, mut start) = (HistogramFields::default(), Vec::new(), None);
        let mut exemplars = Vec::new();
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => native.count_mut().set_whole(field.u64()?),
                2 => native.sum = field.f64()?,
                3 => push_piece(&mut buckets, bucket(field.bytes()?)?)?,
                4 => native.count_mut().set_float(field.f64()?),
                5 => native.schema = field.sint()? as i32,
                6 => native.zero_threshold = field.f64()?,
                7 => native.zero_count_mut().set_whole(field.u64()?),
                8 => native.zero_count_mut().set_float(field.f64()?),
                9 => push_piece(&mut native.negative_spans, HistogramFields::span(field.bytes()?)?)?,
                10 => native.negative_deltas(field)?,
                11 => field.doubles(&mut native.negative_counts)?,
                12 => push_piece(&mut native.positive_spans, HistogramFields::span(field.bytes()?)?)?,
                13 => native.positive_deltas(field)?,
                14 => field.doubles(&mut native.positive_counts)?,
                15 => start = Some(timestamp(field.bytes()?)?),
                16 => push_piece(&mut exemplars, exemplar(field.bytes()?)?)?,
                _ => {}
            }
        }
        let (count, sum) = (native.count(), native.sum);
        let is_native = !self.options.ignore_native_histograms && native.has_native_part();
        let mut hint = CounterResetHint::Unknown;
        if self.kind == MetricType::GaugeHistogram {
            hint = CounterResetHint::Gauge;
        }
        let converts = self.options.classic_to_custom_buckets && self.kind == MetricType::Histogram;
        if is_native {
            let h = native.into_histogram(hint);
            let value = h.map_or_else(ParsedValue::Defective, |h| ParsedValue::Histogram(Arc::new(h)));
            self.push("", None, value, start);
            self.give_histogram(exemplars, &buckets);
        } else if converts && let Some(h) = custom_buckets(count, sum, &buckets) {
            // One that cannot be converted is left out, as in the text formats.
            self.push("", None, ParsedValue::Histogram(Arc::new(h)), start);
            self.give_histogram(exemplars, &buckets);
        }
        let is_classic = !is_native || !buckets.is_empty();
        if (!is_native && !converts) || (is_classic && self.options.always_classic_histograms) {
            self.push("_count", None, float(count), start);
            self.push("_sum", None, float(sum), start);
            self.classic_buckets(count, buckets, start);
        }
        Ok(())
    }

    fn classic_buckets(&mut self, count: f64, buckets: Vec<Bucket>, start: Option<i64>) {
        let is_whole = buckets.last().is_some_and(|b| b.bound == f64::INFINITY);
        for Bucket { bound, cumulative, exemplar } in buckets {
            self.push("_bucket", Some((BUCKET_LABEL, bound)), float(cumulative), start);
            self.give(exemplar);
        }
        if !is_whole {
            self.push("_bucket", Some((BUCKET_LABEL, f64::INFINITY)), float(count), start);
        }
    }

    fn push(
        &mut self,
        suffix: &'static str,
        extra: Option<(&'static str, f64)>,
        value: ParsedValue,
        start: Option<i64>,
    ) {
        self.rows.push(Row { suffix, extra, value, start, exemplars: Vec::new() });
    }

    /// Gives exemplars to the row that was pushed last.
    fn give(&mut self, exemplars: impl IntoIterator<Item = ParsedExemplar>) {
        if let Some(row) = self.rows.last_mut() {
            row.exemplars.extend(exemplars);
        }
    }

    /// The same for a native histogram: its own, which have times, or those of its buckets.
    fn give_histogram(&mut self, own: Vec<Option<ParsedExemplar>>, buckets: &[Bucket]) {
        let mut found: Vec<ParsedExemplar> = own.into_iter().flatten().filter(|e| e.timestamp.is_some()).collect();
        if found.is_empty() {
            found = buckets.iter().filter_map(|b| b.exemplar.clone()).collect();
        }
        found.sort_by(|a, b| a.timestamp.cmp(&b.timestamp).then_with(|| a.value.total_cmp(&b.value)));
        self.give(found);
    }
}

/// Reads a message with its length in front.
fn take_message<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], WireError> {
    let len = take_varint(rest)?;
    let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
    let (message, after) = rest.split_at_checked(len).ok_or(WireError::Truncated)?;
    *rest = after;
    Ok(message)
}

fn push_piece<T>(pieces: &mut Vec<T>, piece: T) -> Result<(), WireError> {
    if pieces.len() >= MOST_PIECES {
        return Err(WireError::TooMany(MOST_PIECES));
    }
    pieces.push(piece);
    Ok(())
}

fn custom_buckets(count: f64, sum: f64, buckets: &[Bucket]) -> Option<FloatHistogram> {
    let mut classic = ClassicHistogram::default();
    buckets.iter().for_each(|b| classic.set_bucket(b.bound, b.cumulative));
    classic.set_count(count);
    classic.set_sum(sum);
    classic.convert().ok()
}

fn float(v: f64) -> ParsedValue {
    ParsedValue::Float(if v.is_nan() { NORMAL_NAN } else { v })
}

fn push_text(out: &mut Vec<u8>, parts: &[&str]) {
    let mut n = parts.iter().map(|p| p.len()).sum::<usize>();
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    parts.iter().for_each(|p| out.extend_from_slice(p.as_bytes()));
}

fn write_key(key: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], row: &Row) {
    key.clear();
    push_text(key, &[METRIC_NAME]);
    push_text(key, &[name, row.suffix]);
    for (name, value) in labels {
        push_text(key, &[name]);
        push_text(key, &[value]);
    }
    if let Some((name, value)) = row.extra {
        push_text(key, &[name]);
        push_text(key, &[&format_openmetrics_float(value)]);
    }
}

fn read_key(mut key: &[u8]) -> Option<Vec<(&str, &str)>> {
    fn text<'k>(key: &mut &'k [u8]) -> Option<&'k str> {
        let len = usize::try_from(take_varint(key).ok()?).ok()?;
        let (text, rest) = key.split_at_checked(len)?;
        *key = rest;
        std::str::from_utf8(text).ok()
    }
    let mut pairs = Vec::new();
    while !key.is_empty() {
        pairs.push((text(&mut key)?, text(&mut key)?));
    }
    Some(pairs)
}

fn family_kind(n: u64) -> MetricType {
    use MetricType::*;
    match n {
        0 => Counter,
        1 => Gauge,
        2 => Summary,
        4 => Histogram,
        5 => GaugeHistogram,
        _ => Unknown,
    }
}

fn label_pair(message: &[u8]) -> Result<(&str, &str), WireError> {
    let (mut name, mut value) = ("", "");
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => name = field.str()?,
            2 => value = field.str()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn pair_of_doubles(message: &[u8]) -> Result<(f64, f64), WireError> {
    let mut pair = (0.0, 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => pair.0 = field.f64()?,
            2 => pair.1 = field.f64()?,
            _ => {}
        }
    }
    Ok(pair)
}

fn bucket(message: &[u8]) -> Result<Bucket, WireError> {
    let (mut bucket, mut cumulative) = (Bucket { bound: 0.0, cumulative: 0.0, exemplar: None }, Number::default());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => cumulative.set_whole(field.u64()?),
            2 => bucket.bound = field.f64()?,
            3 => bucket.exemplar = exemplar(field.bytes()?)?,
            4 => cumulative.set_float(field.f64()?),
            _ => {}
        }
    }
    bucket.cumulative = cumulative.value();
    Ok(bucket)
}

/// An exemplar; `None` when it is none because it has a label twice.
fn exemplar(message: &[u8]) -> Result<Option<ParsedExemplar>, WireError> {
    let (mut pairs, mut value, mut time) = (Vec::new(), 0.0, None);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => push_piece(&mut pairs, label_pair(field.bytes()?)?)?,
            2 => value = field.f64()?,
            3 => time = Some(timestamp(field.bytes()?)?),
            _ => {}
        }
    }
    pairs.sort_unstable();
    if pairs.array_windows::<2>().any(|[a, b]| a.0 == b.0) {
        return Ok(None);
    }
    let labels = Labels::from_sorted(pairs.into_iter().filter(|(_, v)| !v.is_empty()));
    Ok(Some(ParsedExemplar { labels, value, timestamp: time }))
}

/// A `google.protobuf.Timestamp` in milliseconds.
fn timestamp(message: &[u8]) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => seconds = field.i64()?,
            2 => nanos = field.i64()?,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}
