//! From a message to stored samples.
//!
//! The path of a sample is short: the message is walked where it lies, the series is found by the bytes of its labels as
//! they came, and the batch is committed once. Labels are read only of series that the receiver does not remember, and
//! made only of series that are new.

use std::sync::Arc;

use super::Protocol;
use super::memo::SeriesMemo;
use super::request::{ReceiveLimits, WriteError, Written};
use super::row::{ExemplarRow, Row, SymbolError, Symbols};
use crate::ingest::wire::{Fields, WireError};
use crate::model::{Labels, METRIC_NAME, Value};
use crate::tsdb::{AppendError, Appender, Exemplar, ExemplarError, Metadata, MetricType, SeriesRef, Tsdb};

/// What a decoded byte may take on its way: itself, and its part of the samples that wait for the commit.
pub(super) const HELD_PER_BYTE: usize = 3;

const TOO_FAR_AHEAD: &str = "out of bounds: timestamp is too far in the future";

/// One request on its way into the store.
pub(super) struct Ingestion<'t> {
    tsdb: &'t Tsdb,
    appender: Appender<'t>,
    limits: &'t ReceiveLimits,
    memo: Option<&'t mut SeriesMemo>,
    /// Samples later than this are refused.
    bound: i64,
    /// Whether one sample that is refused refuses the whole request, as in 1.0.
    all_or_nothing: bool,
    /// The labels of the current series in the form the store looks them up by.
    packed: Vec<u8>,
    /// What the current series is remembered by, where that is not a piece of the request.
    key: Vec<u8>,
    series: usize,
    written: Written,
    /// The first thing that is wrong, and how many samples it and others like it concern.
    first_error: Option<String>,
    refused: u64,
}

/// Why a series is not stored.
enum RowDefect {
    /// Its labels are none.
    Labels(String),
    /// It is over a limit, or the store does not take it.
    Refused(String),
}

/// The metadata fields of either protocol, as they come.
#[derive(Default)]
struct MetadataFields<'a> {
    kind: u64,
    family: &'a str,
    help: &'a str,
    unit: &'a str,
}

impl<'t> Ingestion<'t> {
    pub(super) fn new(tsdb: &'t Tsdb, limits: &'t ReceiveLimits, memo: Option<&'t mut SeriesMemo>, bound: i64) -> Self {
        Ingestion {
            tsdb,
            appender: tsdb.appender(),
            limits,
            memo,
            bound,
            all_or_nothing: false,
            packed: Vec::with_capacity(512),
            key: Vec::with_capacity(512),
            series: 0,
            written: Written::default(),
            first_error: None,
            refused: 0,
        }
    }

    pub(super) fn run(mut self, protocol: Protocol, message: &[u8]) -> Result<Written, WriteError> {
        self.all_or_nothing = protocol == Protocol::V1;
        match protocol {
            Protocol::V1 => self.v1(message),
            Protocol::V2 => self.v2(message),
        }?;
        if self.all_or_nothing && self.first_error.is_some() {
            self.appender.rollback();
            self.written = Written::default();
            return self.answer();
        }
        let done = self.appender.commit().map_err(|e| WriteError::new(500, e.to_string()))?;
        if done.rejected > 0 {
            let text = || "out of order sample within the request, of which the others are stored".into();
            self.refuse(done.rejected, text);
            self.written.samples = self.written.samples.saturating_sub(done.rejected);
        }
        self.answer()
    }

    fn answer(self) -> Result<Written, WriteError> {
        let Some(mut text) = self.first_error else { return Ok(self.written) };
        if self.refused > 1 {
            text = format!("{text} (and {} more)", self.refused - 1);
        }
        Err(WriteError { status: 400, message: text, written: self.written })
    }

    fn v1(&mut self, message: &[u8]) -> Result<(), WriteError> {
        let mut row = Row::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field().map_err(damaged)? {
            match field.number {
                1 => {
                    row.decode_v1(field.bytes().map_err(damaged)?).map_err(damaged)?;
                    self.row(&mut row)?;
                }
                3 => self.describe(&metadata_v1(field.bytes().map_err(damaged)?).map_err(damaged)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn v2(&mut self, message: &[u8]) -> Result<(), WriteError> {
        // Symbols come before the series that refer to them by convention, not by rule.
        let mut symbols = Symbols::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field().map_err(damaged)? {
            if field.number == 4 {
                symbols.push(field.bytes().map_err(damaged)?);
            }
        }
        symbols.check().map_err(|e| WriteError::new(400, e.to_string()))?;
        let mut row = Row::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field().map_err(damaged)? {
            if field.number != 5 {
                continue;
            }
            match row.decode_v2(field.bytes().map_err(damaged)?, &symbols) {
                Ok(()) => {}
                Err(SymbolError::Wire(e)) => return Err(damaged(e)),
                Err(e) => {
                    self.refuse(1, || e.to_string());
                    continue;
                }
            }
            self.row(&mut row)?;
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, samples: u64, text: impl FnOnce() -> String) {
        self.refused += samples;
        if self.first_error.is_none() {
            self.first_error = Some(text());
        }
    }

    fn row(&mut self, row: &mut Row<'_>) -> Result<(), WriteError> {
        self.series += 1;
        if self.series > self.limits.series {
            return Err(WriteError::new(413, format!("more than {} series in a request", self.limits.series)));
        }
        let is_empty = row.samples.is_empty() && row.histograms.is_empty() && row.exemplars.is_empty();
        if is_empty {
            // Nothing to store; its labels are judged all the same.
            row.read_labels().map_err(damaged)?;
            if let Err(defect) = self.checked_labels(row) {
                self.refuse_row(row, defect);
            }
            return Ok(());
        }
        let Some(mut series) = self.series_of(row)? else { return Ok(()) };
        for i in 0..row.samples.len() {
            let Some(s) = row.samples.get(i).copied() else { break };
            let stored = self.append(row, &mut series, s.st, s.t, Value::Float(s.v))?;
            self.written.samples += u64::from(stored);
        }
        for s in std::mem::take(&mut row.histograms) {
            let h = match s.h {
                Ok(h) => h,
                Err(defect) => {
                    self.reject(&defect.to_string(), row)?;
                    continue;
                }
            };
            let stored = self.append(row, &mut series, s.st, s.t, Value::Histogram(Arc::new(h)))?;
            self.written.histograms += u64::from(stored);
        }
        for exemplar in std::mem::take(&mut row.exemplars) {
            self.exemplar(row, series, &exemplar);
        }
        Ok(())
    }

    /// Adds an exemplar. One that is out of order refuses the part of a 2.0 request; others that are not taken are told in the
    /// log alone, as Prometheus has it.
    fn exemplar(&mut self, row: &Row<'_>, series: SeriesRef, exemplar: &ExemplarRow<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let labels = Labels::from_pairs(exemplar.labels.iter().map(|(n, v)| (text(n), text(v))));
        let stored = Exemplar { labels, value: exemplar.value, t: exemplar.t, has_time: exemplar.t != 0 };
        match self.appender.append_exemplar(series, stored) {
            Ok(()) => self.written.exemplars += 1,
            Err(e @ ExemplarError::OutOfOrder) if !self.all_or_nothing => {
                self.refuse(1, || format!("{e} for series {}", shown(row)));
            }
            Err(e) => tracing::debug!(error = %e, "an exemplar of a remote write was not taken"),
        }
    }

    /// The series of a row, `None` when the row is refused.
    #[inline]
    fn series_of(&mut self, row: &mut Row<'_>) -> Result<Option<SeriesRef>, WriteError> {
        if row.key.is_empty() && self.memo.is_some() {
            remembered_key(row, &mut self.key);
        }
        if let Some(memo) = self.memo.as_deref_mut()
            && let Some(series) = memo.find(if row.key.is_empty() { &self.key } else { row.key })
        {
            return Ok(Some(series));
        }
        row.read_labels().map_err(damaged)?;
        match self.find(row) {
            Ok(series) => {
                self.learn(row, series);
                Ok(Some(series))
            }
            Err(defect) => {
                self.refuse_row(row, defect);
                Ok(None)
            }
        }
    }

    #[cold]
    fn refuse_row(&mut self, row: &Row<'_>, defect: RowDefect) {
        let samples = (row.samples.len() + row.histograms.len()).max(1) as u64;
        match defect {
            RowDefect::Labels(text) if self.all_or_nothing => {
                // As in Prometheus: such a series is passed over.
                tracing::debug!(reason = text, "a series of a remote write was passed over");
                self.written.passed_over += samples;
            }
            RowDefect::Labels(text) | RowDefect::Refused(text) => self.refuse(samples, || text),
        }
    }

    fn learn(&mut self, row: &Row<'_>, series: SeriesRef) {
        if let Some(memo) = self.memo.as_deref_mut() {
            memo.learn(if row.key.is_empty() { &self.key } else { row.key }, series);
        }
    }

    /// Adds a sample; whether it was taken.
    #[inline]
    fn append(
        &mut self,
        row: &mut Row<'_>,
        series: &mut SeriesRef,
        st: i64,
        t: i64,
        value: Value,
    ) -> Result<bool, WriteError> {
        if t > self.bound {
            if self.all_or_nothing {
                return Err(WriteError::new(400, TOO_FAR_AHEAD));
            }
            return self.reject(TOO_FAR_AHEAD, row);
        }
        let judged = match &value {
            Value::Float(v) if st == 0 => self.appender.append_ref(*series, t, *v),
            _ => self.appender.append_ref_with_st(*series, st, t, value.clone()),
        };
        match judged {
            Ok(_) => Ok(true),
            Err(AppendError::UnknownSeries) => self.append_anew(row, series, st, t, value),
            Err(reason) => self.reject(&reason.to_string(), row),
        }
    }

    /// Adds a sample of a series that was removed since it was remembered: it is made anew.
    #[cold]
    fn append_anew(
        &mut self,
        row: &mut Row<'_>,
        series: &mut SeriesRef,
        st: i64,
        t: i64,
        value: Value,
    ) -> Result<bool, WriteError> {
        row.read_labels().map_err(damaged)?;
        let made = self.checked_labels(row).and_then(|labels| {
            let appended = self.appender.append_with_st(&labels, st, t, value);
            appended.map_err(|reason| RowDefect::Refused(reason.to_string()))
        });
        match made {
            Ok(new) => {
                *series = new;
                self.learn(row, new);
                Ok(true)
            }
            Err(RowDefect::Labels(text) | RowDefect::Refused(text)) => self.reject(&text, row),
        }
    }

    /// Notes a sample that cannot be stored.
    #[cold]
    fn reject(&mut self, reason: &str, row: &mut Row<'_>) -> Result<bool, WriteError> {
        row.read_labels().map_err(damaged)?;
        self.refuse(1, || format!("{reason} for series {}", shown(row)));
        Ok(false)
    }

    /// The series of a row; labels are made only when it is new.
    fn find(&mut self, row: &Row<'_>) -> Result<SeriesRef, RowDefect> {
        if pack(row, &mut self.packed)
            && let Some(series) = self.appender.find_packed(&self.packed)
        {
            return Ok(series);
        }
        let labels = self.checked_labels(row)?;
        if let Some(m) = row.metadata {
            self.describe(&MetadataFields { kind: m.kind, family: labels.metric_name(), help: m.help, unit: m.unit });
        }
        self.appender.series(&labels).map_err(|e| RowDefect::Refused(format!("{e} for series {labels}")))
    }

    /// The labels of a row, checked and sorted.
    fn checked_labels(&self, row: &Row<'_>) -> Result<Labels, RowDefect> {
        let invalid =
            |why: &str| RowDefect::Labels(format!("invalid metric name or label names: {why} in {}", shown(row)));
        if row.labels.len() > self.limits.labels {
            let text = format!("{} labels are over the limit of {}", row.labels.len(), self.limits.labels);
            return Err(RowDefect::Refused(text));
        }
        let mut pairs = Vec::with_capacity(row.labels.len());
        for (name, value) in &row.labels {
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| invalid("text that is not UTF-8"));
            let (name, value) = (text(name)?, text(value)?);
            if name.is_empty() {
                return Err(invalid("an empty label name"));
            }
            if name.len() > self.limits.label_name || value.len() > self.limits.label_value {
                return Err(RowDefect::Refused(format!("a label longer than the limits in {}", shown(row))));
            }
            pairs.push((name, value));
        }
        pairs.sort_unstable();
        if let Some([(name, _), _]) = pairs.array_windows::<2>().find(|[a, b]| a.0 == b.0) {
            return Err(RowDefect::Labels(format!("label name {name:?} is not unique: invalid sample")));
        }
        let labels = Labels::from_sorted(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        if !labels.has(METRIC_NAME) {
            return Err(invalid("no metric name"));
        }
        Ok(labels)
    }

    fn describe(&self, m: &MetadataFields<'_>) {
        let kind = metric_type(m.kind);
        if m.family.is_empty() || (kind == MetricType::Unknown && m.help.is_empty() && m.unit.is_empty()) {
            return;
        }
        self.tsdb.set_metadata(m.family, Metadata { kind, help: m.help.to_owned(), unit: m.unit.to_owned() });
    }
}

fn damaged(e: WireError) -> WriteError {
    WriteError::new(400, format!("remote write message: {e}"))
}

/// A row's labels for a message.
fn shown(row: &Row<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Labels::from_pairs(row.labels.iter().map(|(n, v)| (text(n), text(v)))).to_string()
}

/// Packs labels as [`Labels`] does; false when they are not in the one form that can be looked up: ascending by name,
/// no value empty.
#[inline]
fn pack(row: &Row<'_>, packed: &mut Vec<u8>) -> bool {
    packed.clear();
    let mut previous: &[u8] = &[];
    for (name, value) in &row.labels {
        if *name <= previous || value.is_empty() {
            return false;
        }
        previous = name;
        push_bytes(packed, name);
        push_bytes(packed, value);
    }
    true
}

/// What a series is remembered by whose labels are not in one piece: the labels as they came. The first byte sets it apart
/// from a piece of a 1.0 request, which begins with a tag.
#[inline]
fn remembered_key(row: &Row<'_>, key: &mut Vec<u8>) {
    key.clear();
    key.push(0);
    for (name, value) in &row.labels {
        push_bytes(key, name);
        push_bytes(key, value);
    }
}

#[inline]
fn push_bytes(packed: &mut Vec<u8>, bytes: &[u8]) {
    let mut n = bytes.len();
    while n >= 0x80 {
        packed.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    packed.push(n as u8);
    packed.extend_from_slice(bytes);
}

fn metadata_v1(message: &[u8]) -> Result<MetadataFields<'_>, WireError> {
    let mut m = MetadataFields::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => m.kind = field.u64()?,
            2 => m.family = field.str()?,
            4 => m.help = field.str()?,
            5 => m.unit = field.str()?,
            _ => {}
        }
    }
    Ok(m)
}

/// The numbers both protocols give the types.
fn metric_type(n: u64) -> MetricType {
    use MetricType::*;
    match n {
        1 => Counter,
        2 => Gauge,
        3 => Histogram,
        4 => GaugeHistogram,
        5 => Summary,
        6 => Info,
        7 => StateSet,
        _ => Unknown,
    }
}
