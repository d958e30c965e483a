//! Remote read: a real Prometheus that has no samples of its own answers with ours.

use watchbell::ingest::remote_read::{ReadRequest, encode_samples, encode_series};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use watchbell::model::{FloatHistogram, Labels, SampleBuf, Value};

use crate::support::peers::{self, prometheus};
use crate::support::service::Home;

/// A histogram that grows, with more buckets from the hundredth on, of a power of two as threshold, then of another number,
/// and now and then the end of the series.
fn exponential(i: i64) -> FloatHistogram {
    if i == 250 {
        return FloatHistogram::stale_marker();
    }
    // It begins anew at 350.
    let n = if i < 350 { i as f64 } else { (i - 350) as f64 };
    let (length, mut positive_buckets) = (if i < 100 { 2 } else { 3 }, vec![n, n * 2.0, n * 0.25]);
    positive_buckets.truncate(length);
    FloatHistogram {
        schema: 2,
        zero_threshold: if i < 300 { 2_f64.powi(-128) } else { 0.001 },
        zero_count: n,
        count: n * 2.0 + positive_buckets.iter().sum::<f64>(),
        sum: n.sqrt(),
        positive_spans: vec![Span { offset: -3, length: 1 }, Span { offset: 2, length: length as u32 - 1 }],
        positive_buckets,
        negative_spans: vec![Span { offset: 1_000, length: 1 }],
        negative_buckets: vec![n],
        ..FloatHistogram::default()
    }
}

/// A gauge with bounds of its own.
fn custom(i: i64) -> FloatHistogram {
    let n = (i % 10) as f64;
    FloatHistogram {
        counter_reset_hint: CounterResetHint::Gauge,
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: n * 2.0,
        sum: n * 3.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![n, n],
        custom_values: vec![0.025, std::f64::consts::PI, 5e9],
        ..FloatHistogram::default()
    }
}

fn fill(port: u16, start: i64) {
    let row = |name: &str, i: i64, value: Value| SampleRow {
        labels: Labels::from_pairs([("__name__", name), ("job", "a")]),
        series: None,
        t: start + i * 15_000 + i % 7,
        st: 0,
        value,
    };
    let mut all: Vec<SampleRow> = (0..400).map(|i| row("steady", i, Value::Float(1.0))).collect();
    all.extend((0..400).map(|i| row("odd", i, Value::Float((i as f64).sin() * 1e9))));
    all.extend((0..400).map(|i| row("latency", i, Value::Histogram(exponential(i).into()))));
    all.extend((0..400).map(|i| row("sizes", i, Value::Histogram(custom(i).into()))));
    let mixed = |i: i64| match i % 50 {
        0..25 => Value::Float(i as f64),
        _ => Value::Histogram(exponential(i).into()),
    };
    // A request has a series' floats before its histograms, so each run takes one.
    let mixed: Vec<SampleRow> = (0..400).map(|i| row("mixed", i, mixed(i))).collect();
    for rows in std::iter::once(&*all).chain(mixed.chunks(25)) {
        let body = encode(Protocol::V1, rows);
        let (status, text) = peers::post(port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
        assert_eq!(status, 204, "{text}");
    }
}

#[test]
fn a_prometheus_reads_our_samples_in_chunks_as_we_have_them() {
    let home = Home::new(&[("watchbell.yaml", "global: {external_labels: {zone: eu}}\n")]);
    let server = home.start();
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) / 60_000 * 60_000;
    fill(server.0.port, now - 400 * 15_000);
    let config =
        format!("remote_read: [{{url: 'http://127.0.0.1:{}/api/v1/read', read_recent: true}}]\n", server.0.port);
    let Some(theirs) = prometheus(&config) else { return };
    for query in [
        "sum_over_time(steady[1h])",
        "sum_over_time(odd[1h])",
        "odd{zone=\"eu\"}",
        "count({job=\"a\"})",
        "latency offset 20m",
        "last_over_time(latency[50m] offset 80m)",
        "sum_over_time(latency[80m])",
        "count_over_time(latency[80m])",
        "rate(latency[10m])",
        "increase(latency[20m])",
        "resets(latency[20m])",
        "sizes",
        "sum_over_time(sizes[80m])",
        "count_over_time(mixed[80m])",
        "mixed offset 8m",
    ] {
        let encoded = url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>();
        let path = format!("/api/v1/query?query={encoded}&time={}", now / 1_000 - 60);
        let there: serde_json::Value = serde_json::from_str(&peers::get(theirs.port, &path).unwrap().1).unwrap();
        // Ours has no external labels on what it answers itself.
        let path = path.replace(&url::form_urlencoded::byte_serialize(b"{zone=\"eu\"}").collect::<String>(), "");
        let here = server.api(&path);
        let value = |answer: &serde_json::Value| {
            let first = &answer["data"]["result"][0];
            first.get("value").or(first.get("histogram")).cloned().unwrap_or_default()
        };
        assert_eq!(value(&there), value(&here), "{query}: {there}");
        assert!(value(&there).is_array(), "{query}: {there}");
    }
}

#[test]
fn who_takes_samples_alone_gets_them_and_what_is_no_request_is_refused() {
    let home = Home::new(&[("watchbell.yaml", "")]);
    let server = home.start_with(&["--web.enable-remote-write-receiver", "--storage.remote.read-sample-limit=300"]);
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) / 60_000 * 60_000;
    fill(server.0.port, now - 400 * 15_000);
    // A query for the steady series: start, end, one matcher.
    let query = |start: i64, end: i64| {
        let mut message = watchbell::ingest::wire::WireWriter::default();
        message.message(1, |query| {
            query.uint(1, start as u64);
            query.uint(2, end as u64);
            query.message(3, |matcher| {
                matcher.bytes(2, b"__name__");
                matcher.bytes(3, b"steady");
            });
        });
        snap::raw::Encoder::new().compress_vec(&message.buf).unwrap()
    };
    let ask = |body: &[u8]| peers::post(server.0.port, "/api/v1/read", "application/x-protobuf", body).unwrap();
    let begin = now - 400 * 15_000;
    let asked = query(begin, begin + 100 * 15_000);
    assert!(ReadRequest::decode(&asked, 1 << 20).unwrap().takes_samples);
    assert_eq!(ask(&asked).0, 200);
    let (status, text) = ask(&query(0, now));
    assert_eq!((status, text.as_str()), (400, "exceeded sample limit (300)\n"));
    assert_eq!(ask(b"no snappy").0, 400);
    // What is encoded is what a request of remote write is, in a result.
    let mut samples = SampleBuf::default();
    samples.push(7, 0.5);
    let encoded = encode_samples(&[encode_series(&Labels::from_pairs([("a", "b")]), &samples)]);
    let message = snap::raw::Decoder::new().decompress_vec(&encoded).unwrap();
    assert_eq!(message.first(), Some(&0x0a));
}
