//! Requests of remote write: rows to protobuf to snappy.

use std::collections::HashMap;

use crate::ingest::store::SampleRow;
use crate::ingest::wire::WireWriter;
use crate::model::histogram::{CounterResetHint, Span};
use crate::model::{FloatHistogram, Labels, Value};

/// The versions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `prometheus.WriteRequest`
    #[default]
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

impl Protocol {
    /// The `Content-Type` of requests.
    pub fn content_type(self) -> &'static str {
        match self {
            Protocol::V1 => "application/x-protobuf",
            Protocol::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// The value of `X-Prometheus-Remote-Write-Version`.
    pub fn version(self) -> &'static str {
        match self {
            Protocol::V1 => "0.1.0",
            Protocol::V2 => "2.0.0",
        }
    }

    /// Reads a message's name in a configuration.
    pub fn parse(message: &str) -> Option<Self> {
        match message {
            "prometheus.WriteRequest" => Some(Protocol::V1),
            "io.prometheus.write.v2.Request" => Some(Protocol::V2),
            _ => None,
        }
    }
}

/// The body of a request with these rows, compressed. Consecutive rows of one series share its labels.
pub fn encode(protocol: Protocol, rows: &[SampleRow]) -> Vec<u8> {
    let message = match protocol {
        Protocol::V1 => encode_v1(rows),
        Protocol::V2 => encode_v2(rows),
    };
    // A request is far below the 4 GiB that snappy refuses.
    snap::raw::Encoder::new().compress_vec(&message).unwrap_or_default()
}

fn runs(rows: &[SampleRow]) -> impl Iterator<Item = (&Labels, &[SampleRow])> {
    rows.chunk_by(|a, b| a.labels == b.labels).filter_map(|run| Some((&run.first()?.labels, run)))
}

/// A `prometheus.WriteRequest`, not compressed.
pub fn encode_v1(rows: &[SampleRow]) -> Vec<u8> {
    let mut request = WireWriter::default();
    for (labels, run) in runs(rows) {
        request.message(1, |series| {
            for (name, value) in labels {
                series.message(1, |label| {
                    label.bytes(1, name.as_bytes());
                    label.bytes(2, value.as_bytes());
                });
            }
            for row in run {
                match &row.value {
                    Value::Float(v) => series.message(2, |s| sample(s, row, *v)),
                    Value::Histogram(h) => series.message(4, |s| histogram(s, row.t, h)),
                }
            }
        });
    }
    request.buf
}

/// An `io.prometheus.write.v2.Request`, not compressed.
pub fn encode_v2(rows: &[SampleRow]) -> Vec<u8> {
    let mut symbols: HashMap<&str, u64> = HashMap::from([("", 0)]);
    let mut table = vec![""];
    let mut all = WireWriter::default();
    for (labels, run) in runs(rows) {
        let mut refs = WireWriter::default();
        for text in labels.iter().flat_map(|(n, v)| [n, v]) {
            let reference = *symbols.entry(text).or_insert_with(|| {
                table.push(text);
                table.len() as u64 - 1
            });
            refs.varint(reference);
        }
        all.message(5, |series| {
            series.bytes(1, &refs.buf);
            for row in run {
                match &row.value {
                    Value::Float(v) => series.message(2, |s| {
                        sample(s, row, *v);
                        start(s, 3, row.st);
                    }),
                    Value::Histogram(h) => series.message(3, |s| {
                        histogram(s, row.t, h);
                        start(s, 17, row.st);
                    }),
                }
            }
        });
    }
    let mut request = WireWriter::default();
    table.iter().for_each(|symbol| request.bytes(4, symbol.as_bytes()));
    request.buf.extend_from_slice(&all.buf);
    request.buf
}

fn sample(w: &mut WireWriter, row: &SampleRow, v: f64) {
    w.double(1, v);
    w.uint(2, row.t as u64);
}

fn start(w: &mut WireWriter, number: u32, st: i64) {
    if st != 0 {
        w.uint(number, st as u64);
    }
}

fn histogram(w: &mut WireWriter, t: i64, h: &FloatHistogram) {
    let spans = |w: &mut WireWriter, number, spans: &[Span]| {
        for span in spans {
            w.message(number, |w| {
                w.sint(1, i64::from(span.offset));
                w.uint(2, u64::from(span.length));
            });
        }
    };
    w.double(2, h.count);
    w.double(3, h.sum);
    w.sint(4, i64::from(h.schema));
    w.double(5, h.zero_threshold);
    w.double(7, h.zero_count);
    spans(w, 8, &h.negative_spans);
    w.doubles(10, &h.negative_buckets);
    spans(w, 11, &h.positive_spans);
    w.doubles(13, &h.positive_buckets);
    let hint = match h.counter_reset_hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    };
    if hint != 0 {
        w.uint(14, hint);
    }
    w.uint(15, t as u64);
    w.doubles(16, &h.custom_values);
}
