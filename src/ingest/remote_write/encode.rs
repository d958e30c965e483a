//! Requests of remote write: rows to protobuf to snappy.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::ingest::histogram_wire::{self, Counts};
use crate::ingest::store::SampleRow;
use crate::ingest::wire::WireWriter;
use crate::model::histogram::CounterResetHint;
use crate::model::{FloatHistogram, Labels, Value};
use crate::tsdb::{Exemplar, Metadata, MetricType};

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

    /// The message's full name.
    pub fn message(self) -> &'static str {
        match self {
            Protocol::V1 => "prometheus.WriteRequest",
            Protocol::V2 => "io.prometheus.write.v2.Request",
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

/// Tells what is known of a metric.
pub type Describe<'a> = &'a dyn Fn(&str) -> Option<Metadata>;

/// A series of a request: its labels, samples and exemplars.
type Entry<'a> = (&'a Labels, &'a [SampleRow], Vec<&'a Exemplar>);

/// What a request holds.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// Samples. Consecutive ones of one series share its labels.
    pub rows: &'a [SampleRow],
    /// Exemplars with their series. They go with the samples of their series where there are some.
    pub exemplars: &'a [(Labels, Exemplar)],
    /// What is known of a metric; 2.0 alone sends it with the series.
    pub metadata: Option<Describe<'a>>,
}

impl<'a> Request<'a> {
    fn of(rows: &'a [SampleRow]) -> Self {
        Request { rows, ..Request::default() }
    }

    /// Each series with its samples and exemplars.
    fn series(&self) -> impl Iterator<Item = Entry<'a>> {
        let mut exemplars: BTreeMap<&Labels, Vec<&Exemplar>> = BTreeMap::new();
        for (labels, exemplar) in self.exemplars {
            exemplars.entry(labels).or_default().push(exemplar);
        }
        let mut all: Vec<_> = Vec::new();
        for run in self.rows.chunk_by(|a, b| a.labels == b.labels) {
            if let Some(row) = run.first() {
                all.push((&row.labels, run, exemplars.remove(&row.labels).unwrap_or_default()));
            }
        }
        let alone = exemplars.into_iter().map(|(labels, exemplars)| (labels, [].as_slice(), exemplars));
        all.into_iter().chain(alone)
    }
}

/// The body of a request with these rows, compressed.
pub fn encode(protocol: Protocol, rows: &[SampleRow]) -> Vec<u8> {
    encode_request(protocol, &Request::of(rows))
}

/// The body of a request, compressed.
pub fn encode_request(protocol: Protocol, request: &Request<'_>) -> Vec<u8> {
    compressed(&match protocol {
        Protocol::V1 => encode_v1(request),
        Protocol::V2 => encode_v2(request),
    })
}

/// The body of a 1.0 request that tells what is known of metrics, compressed.
pub fn encode_metadata(entries: &[(String, Metadata)]) -> Vec<u8> {
    let mut request = WireWriter::default();
    for (family, known) in entries {
        request.message(3, |m| {
            m.uint(1, type_number(known.kind));
            m.bytes(2, family.as_bytes());
            m.bytes(4, known.help.as_bytes());
            m.bytes(5, known.unit.as_bytes());
        });
    }
    compressed(&request.buf)
}

fn compressed(message: &[u8]) -> Vec<u8> {
    // A request is far below the 4 GiB that snappy refuses.
    snap::raw::Encoder::new().compress_vec(message).unwrap_or_default()
}

/// The numbers both protocols give the types.
fn type_number(kind: MetricType) -> u64 {
    use MetricType::*;
    match kind {
        Unknown => 0,
        Counter => 1,
        Gauge => 2,
        Histogram => 3,
        GaugeHistogram => 4,
        Summary => 5,
        Info => 6,
        StateSet => 7,
    }
}

/// The rows as a `prometheus.WriteRequest`, not compressed, for who reads them as the result of a query.
pub fn encode_rows(rows: &[SampleRow]) -> Vec<u8> {
    write_v1(&Request::of(rows), Counts::WholeWherePossible)
}

/// A `prometheus.WriteRequest`, not compressed.
fn encode_v1(request: &Request<'_>) -> Vec<u8> {
    write_v1(request, Counts::Floats)
}

fn write_v1(request: &Request<'_>, counts: Counts) -> Vec<u8> {
    let mut out = WireWriter::default();
    for (labels, run, exemplars) in request.series() {
        out.message(1, |series| {
            for (name, value) in labels {
                series.message(1, |label| {
                    label.bytes(1, name.as_bytes());
                    label.bytes(2, value.as_bytes());
                });
            }
            for row in run {
                match &row.value {
                    Value::Float(v) => series.message(2, |s| sample(s, row, *v)),
                    Value::Histogram(h) => series.message(4, |s| histogram(s, row.t, h, counts)),
                }
            }
            for e in exemplars {
                series.message(3, |w| {
                    for (name, value) in &e.labels {
                        w.message(1, |label| {
                            label.bytes(1, name.as_bytes());
                            label.bytes(2, value.as_bytes());
                        });
                    }
                    value_at(w, e);
                });
            }
        });
    }
    out.buf
}

fn value_at(w: &mut WireWriter, exemplar: &Exemplar) {
    w.double(2, exemplar.value);
    w.uint(3, exemplar.t as u64);
}

/// The symbols of a 2.0 request, and what of it refers to them.
struct Symbols<'a> {
    numbers: HashMap<Cow<'a, str>, u64>,
    table: Vec<Cow<'a, str>>,
}

impl<'a> Symbols<'a> {
    fn number(&mut self, text: Cow<'a, str>) -> u64 {
        let (numbers, table) = (&mut self.numbers, &mut self.table);
        *numbers.entry(text).or_insert_with_key(|text| {
            table.push(text.clone());
            table.len() as u64 - 1
        })
    }

    fn refs(&mut self, labels: &'a Labels) -> Vec<u8> {
        let mut refs = WireWriter::default();
        labels.iter().flat_map(|(n, v)| [n, v]).for_each(|text| refs.varint(self.number(text.into())));
        refs.buf
    }
}

/// An `io.prometheus.write.v2.Request`, not compressed.
fn encode_v2(request: &Request<'_>) -> Vec<u8> {
    let mut symbols = Symbols { numbers: HashMap::from([("".into(), 0)]), table: vec!["".into()] };
    let mut all = WireWriter::default();
    for (labels, run, exemplars) in request.series() {
        let refs = symbols.refs(labels);
        let exemplars: Vec<(Vec<u8>, &Exemplar)> =
            exemplars.into_iter().map(|e| (symbols.refs(&e.labels), e)).collect();
        let known = request.metadata.and_then(|known| known(labels.metric_name()));
        all.message(5, |series| {
            series.bytes(1, &refs);
            for row in run {
                match &row.value {
                    Value::Float(v) => series.message(2, |s| {
                        sample(s, row, *v);
                        start(s, 3, row.st);
                    }),
                    Value::Histogram(h) => series.message(3, |s| {
                        histogram(s, row.t, h, Counts::Floats);
                        start(s, 17, row.st);
                    }),
                }
            }
            for (refs, e) in exemplars {
                series.message(4, |w| {
                    w.bytes(1, &refs);
                    value_at(w, e);
                });
            }
            if let Some(Metadata { kind, help, unit }) = known {
                series.message(5, |m| {
                    m.uint(1, type_number(kind));
                    m.uint(3, symbols.number(help.into()));
                    m.uint(4, symbols.number(unit.into()));
                });
            }
        });
    }
    let mut out = WireWriter::default();
    symbols.table.iter().for_each(|symbol| out.bytes(4, symbol.as_bytes()));
    out.buf.extend_from_slice(&all.buf);
    out.buf
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

fn histogram(w: &mut WireWriter, t: i64, h: &FloatHistogram, counts: Counts) {
    histogram_wire::write(w, h, &histogram_wire::REMOTE, counts);
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
