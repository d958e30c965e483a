//! Remote read: queries over our series and those of a real Prometheus.

use watchbell::clock::{Clock as _, SystemClock};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, Value};

use crate::support::peers::{self, prometheus};
use crate::support::service::Home;

const WRITE: &str = "/api/v1/write";

fn row(labels: &[(&str, &str)], t: i64, v: f64) -> SampleRow {
    let value = Value::Float(v);
    SampleRow { labels: Labels::from_pairs(labels.iter().copied()), series: None, t, st: 0, value }
}

fn write(port: u16, rows: &[SampleRow]) {
    let answer = peers::post(port, WRITE, "application/x-protobuf", &encode(Protocol::V1, rows));
    assert_eq!(answer.as_ref().map(|(status, _)| *status), Some(204), "{answer:?}");
}

/// The series of an answer with their values, sorted.
fn asked(server: &crate::support::service::Server, query: &str, t: i64) -> Vec<String> {
    let query = url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>();
    let answer = server.api(&format!("/api/v1/query?query={query}&time={}", t as f64 / 1_000.0));
    let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
    let mut all: Vec<String> = result.iter().map(|r| format!("{} {}", r["metric"], r["value"][1])).collect();
    all.sort();
    all
}

#[test]
fn series_of_a_prometheus_are_joined_with_ours() {
    let Some(peer) = prometheus("global: {scrape_interval: 1h}\n") else { return };
    let now = SystemClock.now();
    let shared = [("__name__", "m"), ("job", "shared")];
    // What was sent there from here has our external label.
    let sent = [("__name__", "m"), ("job", "shared"), ("dc", "x")];
    let theirs = [("__name__", "m"), ("job", "theirs"), ("dc", "x")];
    let foreign = [("__name__", "m"), ("job", "foreign"), ("dc", "y")];
    write(peer.port, &[row(&sent, now - 90_000, 1.0), row(&sent, now - 60_000, 2.0)]);
    write(peer.port, &[row(&theirs, now - 60_000, 7.0), row(&foreign, now - 60_000, 9.0)]);
    let config = format!(
        "global: {{external_labels: {{dc: x}}}}\nremote_read:\n  - url: {}\n    read_recent: true\n  - url: http://127.0.0.1:1/read\n    \
         read_recent: true\n    required_matchers: {{far: away}}\n",
        peer.url("/api/v1/read")
    );
    let home = Home::new(&[("watchbell.yaml", &config)]);
    let server = home.start();
    write(home.port(), &[row(&shared, now - 60_000, 5.0), row(&shared, now - 30_000, 6.0)]);
    assert_eq!(
        asked(&server, "m", now),
        [r#"{"__name__":"m","job":"shared"} "6""#, r#"{"__name__":"m","job":"theirs"} "7""#]
    );
    // Their first sample, and of the second, which both have, ours.
    assert_eq!(asked(&server, "sum_over_time(m{job=\"shared\"}[5m])", now), [r#"{"job":"shared"} "12""#]);
    // Who asks by the label itself is told it.
    assert_eq!(asked(&server, "m{dc=\"y\"}", now), [r#"{"__name__":"m","dc":"y","job":"foreign"} "9""#]);
    // An endpoint that cannot be read makes the query fail.
    let (status, body) = server.get("/api/v1/query?query=m%7Bfar%3D%22away%22%7D");
    assert!(status == 500 && body.contains("remote read http://127.0.0.1:1/read"), "{status} {body}");
}

#[test]
fn what_is_recent_is_not_asked_for() {
    let config = "remote_read:\n  - url: http://127.0.0.1:1/read\n";
    let home = Home::new(&[("watchbell.yaml", config)]);
    let server = home.start();
    let now = SystemClock.now();
    write(home.port(), &[row(&[("__name__", "m")], now, 1.0)]);
    // Without a block storage is complete from the start on, but for a margin of four hours.
    let later = (now + 5 * 3_600_000) / 1_000;
    assert_eq!(server.get(&format!("/api/v1/query?query=m&time={later}")).0, 200);
    assert_eq!(server.get("/api/v1/query?query=m").0, 500);
}
