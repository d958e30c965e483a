//! Answers of many pieces: complete over a plain connection and a compressed one; and others are served when a client leaves
//! in the middle.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value as Json;
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, Value};

use crate::support::peers;
use crate::support::service::{Home, Server};

const SERIES: i64 = 300;
const SAMPLES: i64 = 400;
const STEP: i64 = 15_000;

/// What sample `k` of series `i` is.
fn value(i: i64, k: i64) -> f64 {
    (i * 1_000 + k) as f64 / 8.0
}

/// A server with all series, and the time of the first sample, milliseconds.
fn filled(home: &Home) -> (Server, i64) {
    let server = home.start();
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) / 60_000 * 60_000;
    let start = now - SAMPLES * STEP;
    for part in (0..SERIES).collect::<Vec<_>>().chunks(50) {
        let row = |i: i64, k: i64| SampleRow {
            labels: Labels::from_pairs([("__name__", "m".to_owned()), ("i", format!("{i:03}"))]),
            series: None,
            t: start + k * STEP,
            st: 0,
            value: Value::Float(value(i, k)),
        };
        let rows: Vec<SampleRow> = part.iter().flat_map(|i| (0..SAMPLES).map(move |k| row(*i, k))).collect();
        let body = encode(Protocol::V1, &rows);
        let (status, text) = peers::post(server.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
        assert_eq!(status, 204, "{text}");
    }
    (server, start)
}

/// Asks and gives the stream, at the beginning of the answer.
fn ask(server: &Server, path: &str, header: &str) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.0.port)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Headers and body; the body's chunks put together.
fn answer(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8(all[..end].to_vec()).unwrap().to_ascii_lowercase();
    assert!(headers.contains("transfer-encoding: chunked"), "{headers}");
    let (mut rest, mut body) = (&all[end + 4..], Vec::new());
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if len == 0 {
            return (headers, body);
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + len]);
        rest = &rest[line + 4 + len..];
    }
}

#[test]
fn a_large_answer_is_complete_plain_and_compressed() {
    let home = Home::new(&[("watchbell.yaml", "{}")]);
    let (server, start) = filled(&home);
    let end = start + (SAMPLES - 1) * STEP;
    let seconds = |ms: i64| ms as f64 / 1e3;
    let path = format!("/api/v1/query_range?query=m&start={}&end={}&step=15", seconds(start), seconds(end));
    let (_, plain) = answer(ask(&server, &path, ""));
    assert!(plain.len() > 2_000_000, "{} bytes are not many pieces", plain.len());

    let json: Json = serde_json::from_slice(&plain).unwrap();
    assert_eq!((&json["status"], &json["data"]["resultType"]), (&"success".into(), &"matrix".into()));
    let result = json["data"]["result"].as_array().unwrap();
    assert_eq!(result.len() as i64, SERIES);
    for (i, series) in (0..).zip(result) {
        assert_eq!(series["metric"]["i"], format!("{i:03}"));
        let values = series["values"].as_array().unwrap();
        assert_eq!(values.len() as i64, SAMPLES);
        for (k, v) in (0..).zip(values) {
            assert_eq!(
                (v[0].as_f64(), v[1].as_str()),
                (Some(seconds(start + k * STEP)), Some(&*value(i, k).to_string()))
            );
        }
    }

    let (headers, packed) = answer(ask(&server, &path, "Accept-Encoding: gzip\r\n"));
    assert!(headers.contains("content-encoding: gzip"), "{headers}");
    assert!(packed.len() < plain.len() / 4, "{} of {} bytes", packed.len(), plain.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
    // Not `assert_eq`: these are megabytes.
    assert!(unpacked == plain);
}

#[test]
fn clients_that_leave_in_the_middle_of_an_answer_are_forgotten() {
    let home = Home::new(&[("watchbell.yaml", "{}")]);
    let (server, start) = filled(&home);
    let path = format!("/api/v1/query_range?query=m&start={}&end={}&step=1", start / 1_000, start / 1_000 + 10_000);
    for _ in 0..30 {
        let mut stream = ask(&server, &path, "");
        let mut some = [0; 4_096];
        stream.read_exact(&mut some).unwrap();
    }
    // More clients than queries may run at once have left: there is still room, and an answer.
    let at = start / 1_000 + 60;
    assert_eq!(
        server.api(&format!("/api/v1/query?query=count(m)&time={at}"))["data"]["result"][0]["value"][1],
        SERIES.to_string()
    );
}
