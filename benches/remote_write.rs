//! Remote write received: from compressed bodies to samples in the database, and scraping of a steady target.
//!
//! `cargo bench --bench remote_write`; criterion prints samples a second of one CPU.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use watchbell::clock::SystemClock;
use watchbell::ingest::exposition::Format;
use watchbell::ingest::remote_write::{Protocol, ReceiveLimits, Receiver, WriteHeaders, encode};
use watchbell::ingest::scrape::ScrapeSettings;
use watchbell::ingest::scrape::cache::SeriesCache;
use watchbell::ingest::scrape::digest::digest;
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, Value};
use watchbell::tsdb::Tsdb;

const SERIES: usize = 20_000;
const SAMPLES_PER_REQUEST: usize = 2_000;

fn labels(i: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "inference_requests_total".to_owned()),
        ("cluster", "ml-production".to_owned()),
        ("instance", format!("10.0.{}.{}:8000", i / 250 % 250, i % 250)),
        ("job", "model-server".to_owned()),
        ("model", format!("fraud_detector_{}", i % 8)),
        ("namespace", "ml-production".to_owned()),
        ("pod", format!("model-server-7d9f8c6b5-{i:05}")),
        ("status", ["200", "400", "500"][i % 3].to_owned()),
    ])
}

/// Requests for `rounds` scrapes of all series, each series with `run` samples in a request.
fn requests(protocol: Protocol, rounds: usize, run: usize) -> Vec<Vec<u8>> {
    let all: Vec<Labels> = (0..SERIES).map(labels).collect();
    let mut out = Vec::new();
    for round in 0..rounds / run {
        for chunk in all.chunks(SAMPLES_PER_REQUEST / run) {
            let rows: Vec<SampleRow> = chunk
                .iter()
                .enumerate()
                .flat_map(|(i, labels)| (0..run).map(move |k| (i, labels, (round * run + k) as i64)))
                .map(|(i, labels, n)| SampleRow {
                    labels: labels.clone(),
                    series: None,
                    t: 1_700_000_000_000 + n * 15_000,
                    st: 0,
                    value: Value::Float((i as i64 * 7 + n * 3) as f64),
                })
                .collect();
            out.push(encode(protocol, &rows));
        }
    }
    out
}

/// Processor time of this thread: what matters is the work, not who else is at work on the machine.
fn cpu_time() -> std::time::Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a timespec that outlives the call, which only writes to it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    std::time::Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

fn remote_write(c: &mut Criterion) {
    let mut group = c.benchmark_group("remote write");
    group.sample_size(10);
    for (name, protocol, run) in [
        ("1.0, one sample a series", Protocol::V1, 1),
        ("1.0, ten samples a series", Protocol::V1, 10),
        ("2.0, one sample a series", Protocol::V2, 1),
    ] {
        let rounds = 20;
        let bodies = requests(protocol, rounds, run);
        let warm = SERIES * run / SAMPLES_PER_REQUEST;
        group.throughput(Throughput::Elements(((rounds - run) * SERIES) as u64));
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let mut total = std::time::Duration::ZERO;
                for _ in 0..iterations {
                    let receiver = Receiver::new(Tsdb::in_memory(), ReceiveLimits::default(), Arc::new(SystemClock));
                    let headers = WriteHeaders { content_type: protocol.content_type(), content_encoding: "snappy" };
                    let (first, rest) = bodies.split_at(warm);
                    let write = |body: &Vec<u8>| black_box(receiver.receive(headers, body).unwrap());
                    first.iter().for_each(|body| assert!(write(body).samples > 0));
                    let begin = cpu_time();
                    rest.iter().for_each(|body| assert!(write(body).samples > 0));
                    total += cpu_time().saturating_sub(begin);
                }
                total
            });
        });
    }
    group.finish();
}

fn steady_scrape(c: &mut Criterion) {
    let body: String = (0..5_000).map(|i| format!("{} {i}\n", labels(i).to_series_string())).collect();
    let target = Labels::from_pairs([("instance", "h:1"), ("job", "j")]);
    let settings = ScrapeSettings::new("j");
    let mut cache = SeriesCache::new();
    let mut group = c.benchmark_group("scrape");
    group.throughput(Throughput::Elements(5_000));
    group.bench_function("digest of a steady text body", |b| {
        b.iter(|| {
            let found = digest(&mut cache, &settings, &target, Format::Text, body.as_bytes(), 1).unwrap();
            black_box(found.samples.len())
        });
    });
    group.finish();
}

criterion_group!(benches, remote_write, steady_scrape);
criterion_main!(benches);
