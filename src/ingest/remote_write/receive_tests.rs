use proptest::prelude::*;

use super::*;
use crate::clock::{SystemClock, VirtualClock};
use crate::ingest::remote_write::encode;
use crate::ingest::remote_write::encode::{Request, encode_request};
use crate::ingest::store::SampleRow;
use crate::ingest::wire::WireWriter;
use crate::model::histogram::Span;
use crate::model::{FloatHistogram, Labels, Matcher, SampleBuf, Value};
use crate::tsdb::{Exemplar, MetricType, Queryable};

fn row(labels: &[(&str, &str)], t: i64, value: impl Into<Value>) -> SampleRow {
    SampleRow { labels: Labels::from_pairs(labels.iter().copied()), series: None, t, st: 0, value: value.into() }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Float(v)
    }
}

fn headers(protocol: Protocol) -> WriteHeaders<'static> {
    WriteHeaders { content_type: protocol.content_type(), content_encoding: "snappy" }
}

fn receive(headers: WriteHeaders<'_>, body: &[u8], limits: &ReceiveLimits, tsdb: &Tsdb) -> Result<Written, WriteError> {
    Receiver::new(tsdb.clone(), *limits, Arc::new(SystemClock)).receive(headers, body)
}

fn write(tsdb: &Tsdb, protocol: Protocol, rows: &[SampleRow]) -> Result<Written, WriteError> {
    receive(headers(protocol), &encode(protocol, rows), &ReceiveLimits::default(), tsdb)
}

fn write_raw(tsdb: &Tsdb, message: &[u8]) -> Result<Written, WriteError> {
    let body = snap::raw::Encoder::new().compress_vec(message).unwrap();
    receive(headers(Protocol::V1), &body, &ReceiveLimits::default(), tsdb)
}

/// Every series of a metric: `labels: t=value ...`.
fn stored(tsdb: &Tsdb, metric: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for series in tsdb.select(&[Matcher::equal("__name__", metric)], i64::MIN, i64::MAX).unwrap().iter() {
        let mut buf = SampleBuf::default();
        series.read(i64::MIN, i64::MAX, true, &mut buf).unwrap();
        let mut line = format!("{}:", series.labels());
        for (i, (t, v)) in buf.ts.iter().zip(&buf.vs).enumerate() {
            line.push_str(&format!(" {t}={v}"));
            if let Some(st) = buf.float_st.get(i).filter(|st| **st != 0) {
                line.push_str(&format!(" st={st}"));
            }
        }
        buf.hists.iter().for_each(|(t, h)| line.push_str(&format!(" {t}={}", h.to_notation())));
        lines.push(line);
    }
    lines.sort();
    lines
}

fn native() -> FloatHistogram {
    FloatHistogram {
        count: 6.0,
        sum: 18.5,
        zero_count: 1.0,
        zero_threshold: 0.001,
        schema: 1,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![2.0, 3.0],
        ..FloatHistogram::default()
    }
}

#[test]
fn samples_of_both_protocols_are_stored() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let tsdb = Tsdb::in_memory();
        let a = [("__name__", "m"), ("x", "زمن")];
        let mut rows = vec![row(&a, 1, 1.5), row(&a, 2, 2.5), row(&[("__name__", "m")], 1, -0.0)];
        rows.push(row(&[("__name__", "h")], 7, Value::Histogram(Arc::new(native()))));
        let written = write(&tsdb, protocol, &rows).unwrap();
        assert_eq!((written.samples, written.histograms), (3, 1));
        assert_eq!(stored(&tsdb, "m"), [r#"{__name__="m", x="زمن"}: 1=1.5 2=2.5"#, r#"{__name__="m"}: 1=-0"#]);
        assert_eq!(stored(&tsdb, "h"), [format!("{{__name__=\"h\"}}: 7={}", native().to_notation())]);
        // The same again is a repeat, not an error: senders retry.
        assert!(write(&tsdb, protocol, rows.get(1..).unwrap()).is_ok());
    }
}

#[test]
fn a_receiver_that_remembers_series_never_mixes_them_up() {
    let tsdb = Tsdb::in_memory();
    let receiver = Receiver::new(tsdb.clone(), ReceiveLimits::default(), Arc::new(SystemClock));
    // A name of ten letters begins, packed, with the byte that is the tag of a 1.0 label.
    let series = [
        vec![("__name__", "m"), ("abcdefghij", "x"), ("b", "1")],
        vec![("__name__", "m"), ("abcdefghij", "x1"), ("b", "")],
        vec![("__name__", "m"), ("abcdefghi", "jx"), ("b", "1")],
        vec![("ABCDEFGHIJ", "x"), ("__name__", "m")],
        vec![("__name__", "m")],
    ];
    for round in 0..12i64 {
        let protocol = if round % 3 == 1 { Protocol::V1 } else { Protocol::V2 };
        let mut rows: Vec<SampleRow> =
            series.iter().enumerate().map(|(i, labels)| row(labels, round, (i as i64 * 100 + round) as f64)).collect();
        rows.rotate_left(round as usize % series.len());
        receiver.receive(headers(protocol), &encode(protocol, &rows)).unwrap();
    }
    let mut want: Vec<String> = Vec::new();
    for (i, labels) in series.iter().enumerate() {
        let samples = (0..12).map(|t| format!(" {t}={}", i * 100 + t)).collect::<String>();
        want.push(format!("{}:{samples}", Labels::from_pairs(labels.iter().copied())));
    }
    want.sort();
    assert_eq!(stored(&tsdb, "m"), want);
}

#[test]
fn start_timestamps_come_with_the_second_protocol() {
    let tsdb = Tsdb::in_memory();
    let mut started = row(&[("__name__", "c_total")], 5000, 1.0);
    started.st = 4000;
    write(&tsdb, Protocol::V2, &[started]).unwrap();
    assert_eq!(stored(&tsdb, "c_total"), [r#"{__name__="c_total"}: 5000=1 st=4000"#]);
}

#[test]
fn what_cannot_be_stored_is_named_and_the_rest_is_stored() {
    let tsdb = Tsdb::in_memory();
    let m = [("__name__", "m")];
    write(&tsdb, Protocol::V1, &[row(&m, 10, 1.0)]).unwrap();
    let other = [("__name__", "n")];
    let error = write(&tsdb, Protocol::V2, &[row(&m, 5, 1.0), row(&m, 10, 2.0), row(&other, 1, 1.0)]).unwrap_err();
    assert_eq!(error.status, 400);
    assert_eq!(error.message, r#"out of order sample for series {__name__="m"} (and 1 more)"#);
    assert_eq!(error.written.samples, 1);
    assert_eq!(stored(&tsdb, "n"), [r#"{__name__="n"}: 1=1"#]);
    let error = write(&tsdb, Protocol::V1, &[row(&m, 10, 2.0)]).unwrap_err();
    assert_eq!(error.message, r#"duplicate sample for timestamp for series {__name__="m"}"#);
    let error = write(&tsdb, Protocol::V1, &[row(&m, 12, 2.0), row(&m, 11, 2.0)]).unwrap_err();
    assert_eq!((error.status, error.written.samples), (400, 1));
    let error = write(&tsdb, Protocol::V2, &[row(&[("x", "y")], 1, 1.0)]).unwrap_err();
    assert!(error.message.contains("no metric name"), "{error}");
}

#[test]
fn one_sample_that_is_refused_refuses_all_of_a_request_of_the_first_protocol() {
    let tsdb = Tsdb::in_memory();
    let (m, other) = ([("__name__", "m")], [("__name__", "n")]);
    write(&tsdb, Protocol::V1, &[row(&m, 10, 1.0)]).unwrap();
    let error = write(&tsdb, Protocol::V1, &[row(&other, 1, 1.0), row(&m, 5, 1.0)]).unwrap_err();
    assert_eq!((error.status, error.written), (400, Written::default()));
    assert_eq!(stored(&tsdb, "n"), [r#"{__name__="n"}:"#], "no sample");
    // A series without a name is passed over, and the others are stored, as in Prometheus.
    let written = write(&tsdb, Protocol::V1, &[row(&[("x", "y")], 1, 1.0), row(&other, 1, 1.0)]).unwrap();
    assert_eq!((written.samples, written.passed_over), (1, 1));
    assert_eq!(stored(&tsdb, "n"), [r#"{__name__="n"}: 1=1"#]);
}

#[test]
fn exemplars_are_stored_with_the_series_that_have_them() {
    let tsdb = Tsdb::in_memory();
    let m = [("__name__", "m")];
    let labels = Labels::from_pairs(m);
    let exemplar = |id: &str, t| {
        let value = 1.0;
        (labels.clone(), Exemplar { labels: Labels::from_pairs([("id", id)]), value, t, has_time: true })
    };
    for (protocol, t) in [(Protocol::V1, 10), (Protocol::V2, 20)] {
        let send = |rows: &[SampleRow], exemplars: &[(Labels, Exemplar)]| {
            let request = Request { rows, exemplars, metadata: None };
            let receiver = Receiver::new(tsdb.clone(), ReceiveLimits::default(), Arc::new(SystemClock));
            receiver.receive(headers(protocol), &encode_request(protocol, &request))
        };
        let written = send(&[row(&m, t, 1.0)], &[exemplar("a", t), exemplar("b", t + 1)]).unwrap();
        assert_eq!((written.samples, written.exemplars), (1, 2));
        // Alone, and the newest again, which is no error.
        assert_eq!(send(&[], &[exemplar("c", t + 2), exemplar("c", t + 2)]).unwrap().exemplars, 2);
        // An older one refuses the part of a 2.0 request; labels that are too long are told in the log.
        let late = send(&[row(&m, t + 1, 1.0)], &[exemplar("d", t)]);
        assert_eq!(late.as_ref().err().map(|e| e.status), (protocol == Protocol::V2).then_some(400), "{late:?}");
        assert_eq!(send(&[], &[exemplar(&"x".repeat(200), t + 3)]).unwrap().exemplars, 0);
    }
    let found = tsdb.exemplars(&[vec![Matcher::equal("__name__", "m")]], 0, 100);
    let ids = found.iter().flat_map(|(_, all)| all).map(|e| (e.labels.value("id").to_owned(), e.t));
    let want = [("a", 10), ("b", 11), ("c", 12), ("a", 20), ("b", 21), ("c", 22)];
    assert_eq!(ids.collect::<Vec<_>>(), want.map(|(id, t)| (id.to_owned(), t)));
}

#[test]
fn remembered_series_survive_their_removal() {
    let tsdb = Tsdb::in_memory();
    let receiver = Receiver::new(tsdb.clone(), ReceiveLimits::default(), Arc::new(SystemClock));
    let send = |t: i64| {
        let rows: Vec<SampleRow> =
            ["a", "b", "c"].iter().map(|x| row(&[("__name__", "m"), ("x", x)], t, t as f64)).collect();
        receiver.receive(headers(Protocol::V1), &encode(Protocol::V1, &rows)).unwrap()
    };
    for t in 1..4 {
        assert_eq!(send(t).samples, 3);
    }
    assert_eq!(stored(&tsdb, "m")[1], r#"{__name__="m", x="b"}: 1=1 2=2 3=3"#);
    // Far in the future everything is past its retention and removed, the memory's references with it.
    let later = 100 * crate::tsdb::DEFAULT_RETENTION_MS;
    write(&tsdb, Protocol::V1, &[row(&[("__name__", "other")], later, 1.0)]).unwrap();
    for round in 0..3 {
        tsdb.maintain(later + round).unwrap();
    }
    assert_eq!(stored(&tsdb, "m"), Vec::<String>::new());
    for t in later..later + 2 {
        assert_eq!(send(t).samples, 3);
    }
    let line = format!(r#"{{__name__="m", x="c"}}: {later}={later} {t}={t}"#, t = later + 1);
    assert_eq!(stored(&tsdb, "m")[2], line);
}

/// A series as another client might write it.
fn raw_series(labels: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut w = WireWriter::default();
    w.message(1, |w| {
        for (name, value) in labels {
            w.message(1, |w| {
                w.bytes(1, name);
                w.bytes(2, value);
            });
        }
        w.message(2, |w| {
            w.double(1, 1.0);
            w.uint(2, 1);
        });
    });
    w.buf
}

#[test]
fn odd_label_sets_are_brought_in_order_or_refused() {
    let tsdb = Tsdb::in_memory();
    write_raw(&tsdb, &raw_series(&[(b"z", b"1"), (b"empty", b""), (b"__name__", b"m")])).unwrap();
    assert_eq!(stored(&tsdb, "m"), [r#"{__name__="m", z="1"}: 1=1"#]);
    // In 1.0 what is no label set is passed over; one over our limits is refused.
    let too_long = "longer than the limits";
    for (labels, refusal) in [
        (&[(&b"__name__"[..], &b"m"[..]), (b"a", b"1"), (b"a", b"2")][..], None),
        (&[(b"__name__", b"m"), (b"a", b"\xff")], None),
        (&[(b"__name__", b"m"), (b"", b"1")], None),
        (&[(b"__name__", b"m"), (b"a", &[b'x'; 70_000])], Some(too_long)),
    ] {
        let answer = write_raw(&tsdb, &raw_series(labels));
        let passed_over = answer.as_ref().ok().map(|written| written.passed_over);
        assert_eq!(passed_over, refusal.is_none().then_some(1));
        let refused = answer.err().filter(|e| e.status == 400 && refusal.is_some_and(|r| e.message.contains(r)));
        assert_eq!(refused.is_some(), refusal.is_some());
    }
    assert_eq!(stored(&tsdb, "m").len(), 1);
}

#[test]
fn metadata_is_kept() {
    let tsdb = Tsdb::in_memory();
    let mut w = WireWriter::default();
    w.message(3, |w| {
        w.uint(1, 1);
        w.bytes(2, b"requests_total");
        w.bytes(4, "طلبات".as_bytes());
    });
    write_raw(&tsdb, &w.buf).unwrap();
    let known = tsdb.metadata("requests_total");
    assert_eq!((known[0].kind, known[0].help.as_str()), (MetricType::Counter, "طلبات"));
}

#[test]
fn other_types_encodings_and_sizes_are_refused() {
    let tsdb = Tsdb::in_memory();
    let body = encode(Protocol::V1, &[row(&[("__name__", "m")], 1, 1.0)]);
    let status = |content_type, content_encoding, body: &[u8], limits: &ReceiveLimits| {
        receive(WriteHeaders { content_type, content_encoding }, body, limits, &tsdb).map_err(|e| e.status)
    };
    let limits = ReceiveLimits::default();
    let proto = "application/x-protobuf";
    for (content_type, encoding, want) in [
        ("", "", None),
        (proto, "snappy", None),
        ("application/x-protobuf;proto=prometheus.WriteRequest", "snappy", None),
        ("application/json", "snappy", Some(415)),
        ("application/x-protobuf;proto=other.Request", "snappy", Some(415)),
        (proto, "gzip", Some(415)),
    ] {
        assert_eq!(status(content_type, encoding, &body, &limits).err(), want, "{content_type} {encoding}");
    }
    assert_eq!(status(proto, "snappy", b"nonsense", &limits), Err(400));
    let small = |limits: ReceiveLimits| status(proto, "snappy", &body, &limits);
    assert_eq!(small(ReceiveLimits { body: 5, ..limits }), Err(413));
    assert_eq!(small(ReceiveLimits { decompressed: 5, ..limits }), Err(413));
    assert_eq!(small(ReceiveLimits { series: 0, ..limits }), Err(413));
    assert_eq!(small(ReceiveLimits { labels: 0, ..limits }), Ok(Written { samples: 1, ..Written::default() }));
    let fresh = Tsdb::in_memory();
    let error = receive(headers(Protocol::V1), &body, &ReceiveLimits { labels: 0, ..limits }, &fresh).unwrap_err();
    assert_eq!(error.status, 400);
}

#[test]
fn a_symbol_out_of_range_costs_its_series_only() {
    let tsdb = Tsdb::in_memory();
    let mut w = WireWriter::default();
    ["", "__name__", "m"].iter().for_each(|s| w.bytes(4, s.as_bytes()));
    for refs in [[1u8, 9], [1, 2]] {
        w.message(5, |w| {
            w.bytes(1, &refs);
            w.message(2, |w| w.uint(2, 1));
        });
    }
    let body = snap::raw::Encoder::new().compress_vec(&w.buf).unwrap();
    let error = receive(headers(Protocol::V2), &body, &ReceiveLimits::default(), &tsdb).unwrap_err();
    assert!(error.message.contains("had no symbol"), "{error}");
    assert_eq!(error.written.samples, 1);
}

proptest! {
    #[test]
    fn any_message_ends_in_an_answer(message: Vec<u8>) {
        let tsdb = Tsdb::in_memory();
        for protocol in [Protocol::V1, Protocol::V2] {
            let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
            let _ = receive(headers(protocol), &body, &ReceiveLimits::default(), &tsdb);
            let _ = receive(headers(protocol), &message, &ReceiveLimits::default(), &tsdb);
        }
    }

    #[test]
    fn a_damaged_request_ends_in_an_answer(at in 0usize..200, byte: u8) {
        let rows = [
            row(&[("__name__", "m"), ("a", "b")], 1, 1.0),
            row(&[("__name__", "h")], 1, Value::Histogram(Arc::new(native()))),
        ];
        let mut message = snap::raw::Decoder::new().decompress_vec(&encode(Protocol::V1, &rows)).unwrap();
        if let Some(b) = message.get_mut(at) {
            *b = byte;
        }
        let _ = write_raw(&Tsdb::in_memory(), &message);
    }
}

#[test]
fn whole_histograms_add_up_and_fine_ones_are_made_coarser() {
    let message = |count: u64, schema: i64| {
        let mut w = WireWriter::default();
        w.message(1, |series| {
            series.message(1, |label| {
                label.bytes(1, b"__name__");
                label.bytes(2, b"h");
            });
            series.message(4, |h| {
                h.uint(1, count);
                h.double(3, 1.0);
                h.sint(4, schema);
                h.message(11, |span| {
                    span.sint(1, 1);
                    span.uint(2, 4);
                });
                // Buckets of 1, 2, 3 and 4.
                (0..4).for_each(|_| h.sint(12, 1));
                h.uint(15, 7);
            });
        });
        w.buf
    };
    let told = |count, schema| {
        let tsdb = Tsdb::in_memory();
        write_raw(&tsdb, &message(count, schema)).map_or_else(|e| e.message, |_| stored(&tsdb, "h").join(" "))
    };
    assert_eq!(told(10, 0), r#"{__name__="h"}: 7={{count:10 sum:1 offset:1 buckets:[1 2 3 4]}}"#);
    assert_eq!(told(10, 10), r#"{__name__="h"}: 7={{schema:8 count:10 sum:1 offset:1 buckets:[10]}}"#);
    let wanted =
        "10 observations found in buckets, but the Count field is 11: histogram's observation count should equal";
    assert!(told(11, 0).starts_with(wanted), "{}", told(11, 0));
    assert!(told(10, 53).starts_with("histogram has an invalid schema: 53"), "{}", told(10, 53));
}

#[test]
fn samples_from_the_future_are_refused_as_prometheus_refuses_them() {
    const MINUTE: i64 = 60_000;
    let (a, b) = ([("__name__", "m"), ("i", "a")], [("__name__", "m"), ("i", "b")]);
    for protocol in [Protocol::V1, Protocol::V2] {
        let tsdb = Tsdb::in_memory();
        let clock = Arc::new(VirtualClock::at(100 * MINUTE));
        let receiver = Receiver::new(tsdb.clone(), ReceiveLimits::default(), clock.clone());
        let write = |rows: &[SampleRow]| receiver.receive(headers(protocol), &encode(protocol, rows));
        let mixed = [row(&a, 99 * MINUTE, 1.0), row(&a, 111 * MINUTE, 2.0), row(&b, 100 * MINUTE, 3.0)];
        let refused = write(&mixed).unwrap_err();
        assert_eq!(refused.status, 400);
        assert!(refused.message.starts_with("out of bounds: timestamp is too far in the future"), "{refused}");
        // 1.0 has no way to say what was stored, so nothing is; of a 2.0 request the rest is.
        let kept: &[&str] = match protocol {
            Protocol::V1 => &[],
            Protocol::V2 => &[r#"{__name__="m", i="a"}: 5940000=1"#, r#"{__name__="m", i="b"}: 6000000=3"#],
        };
        let with_samples =
            |all: Vec<String>| all.into_iter().filter(|l| l.contains('=') && !l.ends_with(':')).collect::<Vec<_>>();
        assert_eq!(with_samples(stored(&tsdb, "m")), kept);
        // The series is not shut until the clock caught up.
        assert!(write(&[row(&a, 101 * MINUTE, 4.0), row(&b, 110 * MINUTE, 5.0)]).is_ok());
    }
}

#[test]
fn requests_that_find_no_room_are_told_to_come_again() {
    let limits = ReceiveLimits { in_flight: 1000, ..ReceiveLimits::default() };
    let receiver = Receiver::new(Tsdb::in_memory(), limits, Arc::new(SystemClock));
    let body = encode(Protocol::V1, &[row(&[("__name__", "m")], 1, 1.0)]);
    let mut other = receiver.admit();
    receiver.reserve(&mut other, 990).unwrap();
    assert_eq!(receiver.receive(headers(Protocol::V1), &body).unwrap_err().status, 503);
    assert_eq!((receiver.admission.held(), receiver.admission.turned_away()), (990, 1));
    drop(other);
    receiver.receive(headers(Protocol::V1), &body).unwrap();
    assert_eq!(receiver.admission.held(), 0);
}

#[test]
fn content_types_are_judged_as_prometheus_judges_them() {
    let v2 = "application/x-protobuf; proto=io.prometheus.write.v2.Request";
    for (content_type, want) in [
        ("", Ok(Protocol::V1)),
        ("application/x-protobuf", Ok(Protocol::V1)),
        ("application/x-protobuf;proto=prometheus.WriteRequest;q=1", Ok(Protocol::V1)),
        (v2, Ok(Protocol::V2)),
        ("text/plain", Err("expected application/x-protobuf as the first (media) part, got text/plain content-type")),
        ("APPLICATION/X-PROTOBUF", Err("expected application/x-protobuf as the first")),
        ("application/x-protobuf;proto=foo", Err("got application/x-protobuf;proto=foo content type; unknown remote")),
        ("application/x-protobuf;x", Err("as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected")),
    ] {
        match (accepted_protocol(content_type), want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => {
                assert_eq!(got.status, 415);
                assert!(got.message.starts_with(want), "{content_type}: {got}");
            }
            (got, want) => panic!("{content_type}: {got:?} for {want:?}"),
        }
    }
}
