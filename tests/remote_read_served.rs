//! Remote read: a real Prometheus that has no samples of its own answers with ours.

use watchbell::ingest::remote_read::{ReadRequest, encode_samples, encode_series};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, SampleBuf, Value};

use crate::support::peers::{self, prometheus};
use crate::support::service::Home;

fn fill(port: u16, start: i64) {
    let row = |name: &str, i: i64, v: f64| SampleRow {
        labels: Labels::from_pairs([("__name__", name), ("job", "a")]),
        series: None,
        t: start + i * 15_000 + i % 7,
        st: 0,
        value: Value::Float(v),
    };
    let mut all: Vec<SampleRow> = (0..400).map(|i| row("steady", i, 1.0)).collect();
    all.extend((0..400).map(|i| row("odd", i, (i as f64).sin() * 1e9)));
    let body = encode(Protocol::V1, &all);
    let (status, text) = peers::post(port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(status, 204, "{text}");
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
    for query in ["sum_over_time(steady[1h])", "sum_over_time(odd[1h])", "odd{zone=\"eu\"}", "count({job=\"a\"})"] {
        let encoded = url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>();
        let path = format!("/api/v1/query?query={encoded}&time={}", now / 1_000 - 60);
        let there: serde_json::Value = serde_json::from_str(&peers::get(theirs.port, &path).unwrap().1).unwrap();
        // Ours has no external labels on what it answers itself.
        let path = path.replace(&url::form_urlencoded::byte_serialize(b"{zone=\"eu\"}").collect::<String>(), "");
        let here = server.api(&path);
        let value = |answer: &serde_json::Value| answer["data"]["result"][0]["value"].clone();
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
