//! Receiving: from the body of `POST /api/v1/write` to stored samples.
//!
//! The path of a sample is short: the message is walked where it lies, the series is found by the bytes of its labels as
//! they came, and the batch is committed once. Labels are read only of series that the receiver does not remember, and
//! made only of series that are new.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Protocol;
use super::memo::SeriesMemo;
use super::row::{Row, SymbolError, Symbols};
use crate::clock::Clock;
use crate::ingest::admission::{Admission, Admitted};
use crate::ingest::wire::{Fields, WireError};
use crate::model::{Labels, METRIC_NAME, Value};
use crate::tsdb::{AppendError, Appender, Metadata, MetricType, SeriesRef, Tsdb};

/// Bounds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// Bytes of the body.
    pub body: usize,
    /// Bytes after decompression.
    pub decompressed: usize,
    /// Series in a request.
    pub series: usize,
    /// Labels of a series.
    pub labels: usize,
    /// Bytes of a label's name.
    pub label_name: usize,
    /// Bytes of a label's value.
    pub label_value: usize,
    /// Bytes that all requests under way may hold together: bodies, messages, and samples on their way into the store.
    pub in_flight: usize,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        ReceiveLimits {
            body: 32 << 20,
            decompressed: 128 << 20,
            series: 500_000,
            labels: 256,
            label_name: 1 << 10,
            label_value: 64 << 10,
            in_flight: 512 << 20,
        }
    }
}

/// What the headers of a request say; empty when absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteHeaders<'a> {
    /// `Content-Type`
    pub content_type: &'a str,
    /// `Content-Encoding`
    pub content_encoding: &'a str,
}

/// What was stored: the values of the `X-Prometheus-Remote-Write-*-Written` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Float samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars: none, they are not kept.
    pub exemplars: u64,
}

impl Written {
    /// The headers of an answer to a 2.0 request.
    pub fn headers(&self) -> [(&'static str, u64); 3] {
        [
            ("X-Prometheus-Remote-Write-Samples-Written", self.samples),
            ("X-Prometheus-Remote-Write-Histograms-Written", self.histograms),
            ("X-Prometheus-Remote-Write-Exemplars-Written", self.exemplars),
        ]
    }
}

/// A request that is refused, or of which a part is. What else was in it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WriteError {
    /// The HTTP status: 400 makes senders drop the request, 500 and 503 make them send it again.
    pub status: u16,
    /// The first thing that is wrong.
    pub message: String,
    /// What was stored nevertheless.
    pub written: Written,
}

impl WriteError {
    fn new(status: u16, message: impl Into<String>) -> Self {
        WriteError { status, message: message.into(), written: Written::default() }
    }
}

/// Buffers kept between requests, and the bytes each may have: enough that a steady stream of requests allocates nothing.
const KEPT_BUFFERS: usize = 4;
const KEPT_BYTES: usize = 16 << 20;
/// What a decoded byte may take on its way: itself, and its part of the samples that wait for the commit.
const HELD_PER_BYTE: usize = 3;
/// Samples farther ahead than this are refused, as Prometheus does: one of them would shut its series until then.
const MAX_AHEAD_MS: i64 = 10 * 60_000;
const TOO_FAR_AHEAD: &str = "out of bounds: timestamp is too far in the future";

/// Receives requests for one database.
pub struct Receiver {
    tsdb: Tsdb,
    limits: ReceiveLimits,
    clock: Arc<dyn Clock>,
    memo: Mutex<SeriesMemo>,
    buffers: Mutex<Vec<Vec<u8>>>,
    pub(super) admission: Admission,
}

impl Receiver {
    /// A receiver that stores into `tsdb`.
    pub fn new(tsdb: Tsdb, limits: ReceiveLimits, clock: Arc<dyn Clock>) -> Self {
        let admission = Admission::new(limits.in_flight);
        Receiver { tsdb, limits, clock, memo: Mutex::default(), buffers: Mutex::default(), admission }
    }

    /// Its limits.
    pub fn limits(&self) -> &ReceiveLimits {
        &self.limits
    }

    /// Admits a request that is about to be read: what it holds is reserved on the way, and given back at its end.
    pub fn admit(&self) -> Admitted {
        self.admission.enter()
    }

    /// Decodes a request and stores its samples.
    ///
    /// # Errors
    /// 415 for a content type or encoding that is not accepted, 413 for a body over the limits, 400 for a damaged
    /// message and for samples that cannot be stored (the rest is, unless a 1.0 request has samples from the future: then
    /// nothing is, as in Prometheus), 503 when requests under way leave no room, 500 when the store fails.
    pub fn receive(&self, headers: WriteHeaders<'_>, body: &[u8]) -> Result<Written, WriteError> {
        let mut admitted = self.admit();
        self.reserve(&mut admitted, body.len())?;
        self.receive_admitted(headers, body, &mut admitted)
    }

    /// The same for a request whose body is reserved already.
    ///
    /// # Errors
    /// As [`Receiver::receive`].
    pub fn receive_admitted(
        &self,
        headers: WriteHeaders<'_>,
        body: &[u8],
        admitted: &mut Admitted,
    ) -> Result<Written, WriteError> {
        let protocol = accepted_protocol(headers.content_type)?;
        let (encoding, limit) = (headers.content_encoding, self.limits.body);
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
            let text =
                format!("{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable");
            return Err(WriteError::new(415, text));
        }
        if body.len() > limit {
            return Err(WriteError::new(413, format!("body of {} bytes is over the limit of {limit}", body.len())));
        }
        let len = decompressed_len(body, &self.limits)?;
        self.reserve(admitted, len.saturating_mul(HELD_PER_BYTE))?;
        // Taken out while it is used, so that nothing is locked over the work.
        let mut buffer = self.buffers.lock().pop().unwrap_or_default();
        let result = decompress(body, len, &mut buffer).and_then(|message| {
            // A request that comes while another one uses the memory does without.
            let mut memo = self.memo.try_lock();
            let bound = self.clock.now().saturating_add(MAX_AHEAD_MS);
            Ingestion::new(&self.tsdb, &self.limits, memo.as_deref_mut(), bound).run(protocol, message)
        });
        let mut buffers = self.buffers.lock();
        if buffers.len() < KEPT_BUFFERS && buffer.capacity() <= KEPT_BYTES {
            buffers.push(buffer);
        }
        result
    }

    /// Reserves bytes for a request.
    ///
    /// # Errors
    /// 503, which senders take as a wish to try again: requests under way leave no room.
    pub fn reserve(&self, admitted: &mut Admitted, bytes: usize) -> Result<(), WriteError> {
        if admitted.reserve(bytes) {
            return Ok(());
        }
        let text = format!("remote writes under way hold all of the {} bytes they may hold", self.limits.in_flight);
        Err(WriteError::new(503, text))
    }
}

/// The protocol that a `Content-Type` names; 1.0 when there is none. Judged and answered as Prometheus does.
///
/// # Errors
/// 415 when it is not one of remote write.
pub fn accepted_protocol(content_type: &str) -> Result<Protocol, WriteError> {
    if content_type.is_empty() {
        return Ok(Protocol::V1);
    }
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or("");
    if media != "application/x-protobuf" {
        let text = format!("expected application/x-protobuf as the first (media) part, got {media} content-type");
        return Err(WriteError::new(415, text));
    }
    for part in parts {
        let Some((key, message)) = part.split_once('=') else {
            let text = format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got \
                 {part} in {content_type} content-type"
            );
            return Err(WriteError::new(415, text));
        };
        if key == "proto" {
            return Protocol::parse(message).ok_or_else(|| {
                let text = format!(
                    "got {content_type} content type; unknown remote write protobuf message {message}, supported: \
                     prometheus.WriteRequest, io.prometheus.write.v2.Request"
                );
                WriteError::new(415, text)
            });
        }
    }
    Ok(Protocol::V1)
}

/// How long the message in a body says it is, within the limits.
fn decompressed_len(body: &[u8], limits: &ReceiveLimits) -> Result<usize, WriteError> {
    let len = snap::raw::decompress_len(body).map_err(|e| WriteError::new(400, format!("snappy: {e}")))?;
    if len > limits.decompressed {
        let text = format!("message of {len} bytes is over the limit of {}", limits.decompressed);
        return Err(WriteError::new(413, text));
    }
    Ok(len)
}

fn decompress<'b>(body: &[u8], len: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], WriteError> {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let out = buffer.get_mut(..len).unwrap_or_default();
    snap::raw::Decoder::new().decompress(body, out).map_err(|e| WriteError::new(400, format!("snappy: {e}")))?;
    Ok(out)
}

/// One request on its way into the store.
struct Ingestion<'t> {
    tsdb: &'t Tsdb,
    appender: Appender<'t>,
    limits: &'t ReceiveLimits,
    memo: Option<&'t mut SeriesMemo>,
    /// Samples later than this are refused.
    bound: i64,
    /// Whether a sample from the future refuses the whole request.
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

/// The metadata fields of either protocol, as they come.
#[derive(Default)]
struct MetadataFields<'a> {
    kind: u64,
    family: &'a str,
    help: &'a str,
    unit: &'a str,
}

impl<'t> Ingestion<'t> {
    fn new(tsdb: &'t Tsdb, limits: &'t ReceiveLimits, memo: Option<&'t mut SeriesMemo>, bound: i64) -> Self {
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

    fn run(mut self, protocol: Protocol, message: &[u8]) -> Result<Written, WriteError> {
        self.all_or_nothing = protocol == Protocol::V1;
        match protocol {
            Protocol::V1 => self.v1(message),
            Protocol::V2 => self.v2(message),
        }?;
        let done = self.appender.commit().map_err(|e| WriteError::new(500, e.to_string()))?;
        if done.rejected > 0 {
            self.refuse(done.rejected, || "out of order sample within the request".into());
            self.written.samples = self.written.samples.saturating_sub(done.rejected);
        }
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
            if row.samples.is_empty() && row.histograms.is_empty() {
                let text =
                    || format!("TimeSeries must contain at least one sample or histogram for series {}", shown(&row));
                self.refuse(1, text);
                continue;
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
        let Some(mut series) = self.series_of(row)? else { return Ok(()) };
        for i in 0..row.samples.len() {
            let Some(s) = row.samples.get(i).copied() else { break };
            let stored = self.append(row, &mut series, s.st, s.t, Value::Float(s.v))?;
            self.written.samples += u64::from(stored);
        }
        for s in std::mem::take(&mut row.histograms) {
            if let Err(defect) = s.h.validate() {
                self.reject(&defect.to_string(), row)?;
                continue;
            }
            let stored = self.append(row, &mut series, s.st, s.t, Value::Histogram(Arc::new(s.h)))?;
            self.written.histograms += u64::from(stored);
        }
        Ok(())
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
            Err(text) => {
                self.refuse((row.samples.len() + row.histograms.len()) as u64, || text);
                Ok(None)
            }
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
            self.appender.append_with_st(&labels, st, t, value).map_err(|reason| reason.to_string())
        });
        match made {
            Ok(new) => {
                *series = new;
                self.learn(row, new);
                Ok(true)
            }
            Err(text) => self.reject(&text, row),
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
    fn find(&mut self, row: &Row<'_>) -> Result<SeriesRef, String> {
        if pack(row, &mut self.packed)
            && let Some(series) = self.appender.find_packed(&self.packed)
        {
            return Ok(series);
        }
        let labels = self.checked_labels(row)?;
        if let Some(m) = row.metadata {
            self.describe(&MetadataFields { kind: m.kind, family: labels.metric_name(), help: m.help, unit: m.unit });
        }
        self.appender.series(&labels).map_err(|e| format!("{e} for series {labels}"))
    }

    /// The labels of a row, checked and sorted.
    fn checked_labels(&self, row: &Row<'_>) -> Result<Labels, String> {
        let invalid = |why: &str| format!("invalid metric name or label names: {why} in {}", shown(row));
        if row.labels.len() > self.limits.labels {
            return Err(format!("{} labels are over the limit of {}", row.labels.len(), self.limits.labels));
        }
        let mut pairs = Vec::with_capacity(row.labels.len());
        for (name, value) in &row.labels {
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| invalid("text that is not UTF-8"));
            let (name, value) = (text(name)?, text(value)?);
            if name.is_empty() {
                return Err(invalid("an empty label name"));
            }
            if name.len() > self.limits.label_name || value.len() > self.limits.label_value {
                return Err(invalid("a label longer than the limits"));
            }
            pairs.push((name, value));
        }
        pairs.sort_unstable();
        if let Some([(name, _), _]) = pairs.array_windows::<2>().find(|[a, b]| a.0 == b.0) {
            return Err(format!("label name {name:?} is not unique: invalid sample"));
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

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
