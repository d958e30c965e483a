//! Remote write over HTTP: off until asked for, and answered as Prometheus answers.

use watchbell::clock::{Clock, SystemClock};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, Value};

use crate::support::peers;
use crate::support::service::Home;

#[test]
fn remote_write_is_off_until_asked_for_and_wants_its_content_type() {
    let home = Home::new(&[("watchbell.yaml", "global: {}\n")]);
    let labels = Labels::from_pairs([("__name__", "m")]);
    let body = encode(
        Protocol::V1,
        &[SampleRow { labels, series: None, t: SystemClock.now(), st: 0, value: Value::Float(1.0) }],
    );
    let post = |port, content_type| peers::post(port, "/api/v1/write", content_type, &body).unwrap();
    let off = home.start_with(&[]);
    let text = "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n";
    assert_eq!(post(off.0.port, "application/x-protobuf"), (404, text.to_owned()));
    drop(off);
    let on = home.start();
    let text = "expected application/x-protobuf as the first (media) part, got text/plain content-type\n";
    assert_eq!(post(on.0.port, "text/plain"), (415, text.to_owned()));
    assert_eq!(post(on.0.port, "application/x-protobuf").0, 204);
    let (_, metrics) = on.get("/metrics");
    assert!(metrics.contains("watchbell_remote_write_receiver_held_bytes 0\n"), "{metrics}");
}
