//! The protobuf format: a sequence of `io.prometheus.client.MetricFamily`, each with its length in front.
//!
//! A family is decoded at a time into rows; the rows of a family are then handed out one by one.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::event::{Event, MetadataLine, ParseError, ParseOptions, ParsedSample, ParsedValue};
use super::number::format_openmetrics_float;
use crate::ingest::histogram_wire::HistogramFields;
use crate::ingest::wire::{Fields, WireError, take_varint};
use crate::model::histogram::{ClassicHistogram, CounterResetHint};
use crate::model::stale::NORMAL_NAN;
use crate::model::{FloatHistogram, Labels, METRIC_NAME, Position};
use crate::tsdb::MetricType;

/// A parser of delimited protobuf.
pub struct ProtobufParser<'a> {
    rest: &'a [u8],
    options: ParseOptions,
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    kind: MetricType,
    /// The keys of the rows, one after the other: name and value of each label, each with a varint length.
    keys: Vec<u8>,
    rows: Vec<Row>,
    next_row: usize,
}

struct Row {
    key: Range<usize>,
    value: ParsedValue,
    timestamp: Option<i64>,
    start: Option<i64>,
}

/// The parts of a `Metric`, borrowed.
#[derive(Default)]
struct Metric<'a> {
    labels: Vec<(&'a str, &'a str)>,
    body: Option<(MetricType, &'a [u8])>,
    timestamp: Option<i64>,
}

impl<'a> ProtobufParser<'a> {
    pub(super) fn new(body: &'a [u8], options: ParseOptions) -> Self {
        ProtobufParser {
            rest: body,
            options,
            name: "",
            help: "",
            unit: "",
            kind: MetricType::Unknown,
            keys: Vec::new(),
            rows: Vec::new(),
            next_row: 0,
        }
    }

    pub(super) fn kind(&self) -> MetricType {
        self.kind
    }

    pub(super) fn next(&mut self) -> Result<Option<Event<'_>>, ParseError> {
        if self.next_row < self.rows.len() {
            self.next_row += 1;
            return Ok(self.rows.get(self.next_row - 1).map(|row| {
                Event::Sample(ParsedSample {
                    key: self.keys.get(row.key.clone()).unwrap_or_default(),
                    value: row.value.clone(),
                    timestamp: row.timestamp,
                })
            }));
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.family().map_err(|e| ParseError {
            position: Position::default(),
            found: e.to_string(),
            expected: if self.name.is_empty() {
                "a MetricFamily".into()
            } else {
                format!("the MetricFamily {:?}", self.name).into()
            },
        })?;
        Ok(Some(Event::Metadata(MetadataLine {
            family: Cow::Borrowed(self.name),
            kind: Some(self.kind),
            help: Some(Cow::Borrowed(self.help)),
            unit: Some(Cow::Borrowed(self.unit)),
        })))
    }

    fn row(&self) -> Option<&Row> {
        self.rows.get(self.next_row.checked_sub(1)?)
    }

    pub(super) fn start_timestamp(&self) -> Option<i64> {
        if self.options.start_timestamps { self.row()?.start } else { None }
    }

    pub(super) fn labels(&self) -> Result<Labels, ParseError> {
        let key = self.row().and_then(|row| self.keys.get(row.key.clone())).unwrap_or_default();
        let bad = |found: String, expected: &'static str| ParseError {
            position: Position::default(),
            found,
            expected: expected.into(),
        };
        let mut pairs = read_key(key).ok_or_else(|| bad("damaged bytes".into(), "a series"))?;
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

    fn family(&mut self) -> Result<(), WireError> {
        let len = take_varint(&mut self.rest)?;
        let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
        let (message, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        (self.name, self.help, self.unit, self.kind) = ("", "", "", MetricType::Counter);
        self.keys.clear();
        self.rows.clear();
        self.next_row = 0;
        let mut metrics = Vec::new();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => self.name = field.str()?,
                2 => self.help = field.str()?,
                3 => self.kind = family_kind(field.u64()?),
                4 => metrics.push(field.bytes()?),
                5 => self.unit = field.str()?,
                _ => {}
            }
        }
        metrics.into_iter().try_for_each(|metric| self.metric(metric))
    }

    fn metric(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        let mut metric = Metric::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => metric.labels.push(label_pair(field.bytes()?)?),
                2 => metric.body = Some((MetricType::Gauge, field.bytes()?)),
                3 => metric.body = Some((MetricType::Counter, field.bytes()?)),
                4 => metric.body = Some((MetricType::Summary, field.bytes()?)),
                5 => metric.body = Some((MetricType::Unknown, field.bytes()?)),
                6 => metric.timestamp = Some(field.i64()?).filter(|t| *t != 0),
                7 => metric.body = Some((MetricType::Histogram, field.bytes()?)),
                _ => {}
            }
        }
        match metric.body {
            Some((MetricType::Histogram, body)) => self.histogram(&metric, body),
            Some((MetricType::Summary, body)) => self.summary(&metric, body),
            Some((_, body)) => self.simple(&metric, body),
            None => Ok(()),
        }
    }

    fn simple(&mut self, metric: &Metric<'_>, body: &[u8]) -> Result<(), WireError> {
        let (mut value, mut start) = (0.0, None);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => value = field.f64()?,
                3 => start = Some(timestamp(field.bytes()?)?),
                _ => {}
            }
        }
        self.push(metric, "", None, float(value), start);
        Ok(())
    }

    fn summary(&mut self, metric: &Metric<'_>, body: &[u8]) -> Result<(), WireError> {
        let (mut count, mut sum, mut quantiles, mut start) = (0, 0.0, Vec::new(), None);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => count = field.u64()?,
                2 => sum = field.f64()?,
                3 => quantiles.push(pair_of_doubles(field.bytes()?)?),
                4 => start = Some(timestamp(field.bytes()?)?),
                _ => {}
            }
        }
        self.push(metric, "_count", None, float(count as f64), start);
        self.push(metric, "_sum", None, float(sum), start);
        for (quantile, value) in quantiles {
            self.push(metric, "", Some(("quantile", &format_openmetrics_float(quantile))), float(value), start);
        }
        Ok(())
    }

    fn histogram(&mut self, metric: &Metric<'_>, body: &[u8]) -> Result<(), WireError> {
        let (mut native, mut buckets, mut start) = (HistogramFields::default(), Vec::new(), None);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => native.set_count(field.u64()? as f64),
                2 => native.sum = field.f64()?,
                3 => buckets.push(bucket(field.bytes()?)?),
                4 => native.set_float_count(field.f64()?),
                5 => native.schema = field.sint()? as i32,
                6 => native.zero_threshold = field.f64()?,
                7 => native.zero_count = field.u64()? as f64,
                8 => native.zero_count = field.f64()?,
                9 => native.negative_spans.push(HistogramFields::span(field.bytes()?)?),
                10 => native.negative_deltas(field)?,
                11 => field.doubles(&mut native.negative_counts)?,
                12 => native.positive_spans.push(HistogramFields::span(field.bytes()?)?),
                13 => native.positive_deltas(field)?,
                14 => field.doubles(&mut native.positive_counts)?,
                15 => start = Some(timestamp(field.bytes()?)?),
                _ => {}
            }
        }
        let (count, sum) = (native.count, native.sum);
        let is_native = !self.options.ignore_native_histograms && native.has_native_part();
        let mut hint = CounterResetHint::Unknown;
        if self.kind == MetricType::GaugeHistogram {
            hint = CounterResetHint::Gauge;
        }
        let mut converted = is_native;
        if is_native {
            let h = native.into_histogram(hint)?;
            self.push(metric, "", None, ParsedValue::Histogram(Arc::new(h)), start);
        } else if self.options.classic_to_custom_buckets
            && let Some(mut h) = custom_buckets(count, sum, &buckets)
        {
            h.counter_reset_hint = hint;
            converted = true;
            self.push(metric, "", None, ParsedValue::Histogram(Arc::new(h)), start);
        }
        if !converted || self.options.always_classic_histograms {
            self.push(metric, "_count", None, float(count), start);
            self.push(metric, "_sum", None, float(sum), start);
            self.classic_buckets(metric, count, &buckets, start);
        }
        Ok(())
    }

    fn classic_buckets(&mut self, metric: &Metric<'_>, count: f64, buckets: &[(f64, f64)], start: Option<i64>) {
        for (bound, cumulative) in buckets {
            self.push(metric, "_bucket", Some(("le", &format_openmetrics_float(*bound))), float(*cumulative), start);
        }
        if buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.push(metric, "_bucket", Some(("le", "+Inf")), float(count), start);
        }
    }

    fn push(
        &mut self,
        metric: &Metric<'_>,
        suffix: &str,
        extra: Option<(&str, &str)>,
        value: ParsedValue,
        start: Option<i64>,
    ) {
        let from = self.keys.len();
        push_text(&mut self.keys, &[METRIC_NAME]);
        push_text(&mut self.keys, &[self.name, suffix]);
        for (name, value) in metric.labels.iter().copied().chain(extra) {
            push_text(&mut self.keys, &[name]);
            push_text(&mut self.keys, &[value]);
        }
        self.rows.push(Row { key: from..self.keys.len(), value, timestamp: metric.timestamp, start });
    }
}

fn custom_buckets(count: f64, sum: f64, buckets: &[(f64, f64)]) -> Option<FloatHistogram> {
    let mut classic = ClassicHistogram::default();
    buckets.iter().for_each(|(bound, cumulative)| classic.set_bucket(*bound, *cumulative));
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

/// Upper bound and cumulative count of a classic bucket.
fn bucket(message: &[u8]) -> Result<(f64, f64), WireError> {
    let (mut bound, mut count) = (0.0, 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => count = field.u64()? as f64,
            2 => bound = field.f64()?,
            4 => count = field.f64()?,
            _ => {}
        }
    }
    Ok((bound, count))
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
