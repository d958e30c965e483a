//! Compressing, reading back and appending samples, by kind of data. Prints the sizes too: they are figures of merit as
//! well.
#![allow(clippy::expect_used)] // a benchmark that cannot set itself up has nothing to measure

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use watchbell::model::{Labels, Matcher, SampleBuf};
use watchbell::tsdb::{Queryable, Series, SeriesRef, Tsdb, TsdbOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START: i64 = 1_699_999_200_000;
const STEP: i64 = 15_000;
const SAMPLES: usize = 1440;

fn noise(i: usize) -> f64 {
    let mut x = (i as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 29;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// The kinds of series there are: name, jitter of timestamps, value at step `i`.
type Kind = (&'static str, fn(usize) -> i64, fn(usize) -> f64);

const KINDS: &[Kind] = &[
    ("constant", |_| 0, |_| 1.0),
    ("steady counter", |_| 0, |i| 15.0 * i as f64),
    ("counter", |_| 0, |i| (100 * i) as f64 + (noise(i) * 40.0).floor()),
    ("counter, jitter", |i| (noise(i + 7) * 9.0) as i64, |i| (100 * i) as f64 + (noise(i) * 40.0).floor()),
    ("bytes", |_| 0, |i| 4e9 + (noise(i) * 1e6).floor() * 4096.0),
    ("gauge, 2 places", |_| 0, |i| (noise(i) * 10_000.0).round() / 100.0),
    ("seconds, 9 places", |_| 0, |i| 0.3 * i as f64 + (noise(i) * 1e8).round() / 1e9),
    ("noise", |_| 0, noise),
    ("noise kept for a minute", |_| 0, |i| noise(i / 4)),
    (
        "counter with resets and stale markers",
        |_| 0,
        |i| match i % 300 {
            299 => watchbell::model::STALE_NAN,
            k => 7.0 * k as f64,
        },
    ),
];

fn columns(kind: &Kind) -> (Vec<i64>, Vec<f64>) {
    let ts = (0..SAMPLES).map(|i| START + i as i64 * STEP + (kind.1)(i)).collect();
    (ts, (0..SAMPLES).map(kind.2).collect())
}

fn series(db: &Tsdb, i: usize) -> SeriesRef {
    let labels = Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]);
    db.series_ref(&labels).expect("a new database takes series")
}

fn only(db: &Tsdb) -> Arc<dyn Series> {
    db.select(&[Matcher::equal("__name__", "m")], 0, i64::MAX).expect("selects").remove(0)
}

fn compress(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunks/compress");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    for kind in KINDS {
        let (ts, vs) = columns(kind);
        group.bench_function(kind.0, |b| {
            let fresh = || {
                let db = Tsdb::in_memory();
                let id = series(&db, 0);
                (db, id)
            };
            b.iter_batched_ref(fresh, |(db, id)| db.append_column(*id, &ts, &vs), BatchSize::SmallInput);
        });
    }
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunks/read");
    group.throughput(Throughput::Elements(SAMPLES as u64));
    for kind in KINDS {
        let (ts, vs) = columns(kind);
        let db = Tsdb::in_memory();
        db.append_column(series(&db, 0), &ts, &vs).expect("appends");
        let stats = db.stats();
        eprintln!("{}: {:.2} bytes a sample", kind.0, stats.head_chunk_bytes as f64 / stats.head_chunk_samples as f64);
        let s = only(&db);
        let mut buf = SampleBuf::default();
        group.bench_function(kind.0, |b| {
            b.iter(|| {
                buf.clear();
                s.read(START, i64::MAX, false, &mut buf).expect("reads");
                black_box(buf.vs.last().copied())
            });
        });
    }
}

fn windows(c: &mut Criterion) {
    let db = Tsdb::in_memory();
    let (ts, vs) = columns(&KINDS[2]);
    let mut a = db.appender();
    let id = series(&db, 0);
    for (t, v) in ts.iter().zip(&vs) {
        a.append_ref(id, *t, *v).expect("appends");
    }
    a.commit().expect("commits");
    let s = only(&db);
    let end = START + SAMPLES as i64 * STEP;
    let mut buf = SampleBuf::default();
    let mut group = c.benchmark_group("chunks/window");
    group.bench_function("latest", |b| b.iter(|| s.latest(black_box(end - 300_000), end)));
    for minutes in [5, 60] {
        group.bench_function(format!("the last {minutes} min"), |b| {
            b.iter(|| {
                buf.clear();
                s.read(end - minutes * 60_000, end, false, &mut buf)
            });
        });
    }
}

fn append(c: &mut Criterion) {
    const SERIES: usize = 20_000;
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(SERIES as u64));
    group.sample_size(50);
    let dir = tempfile::tempdir().expect("a directory");
    let on_disk = Tsdb::open(dir.path(), TsdbOptions::default()).expect("opens").0;
    for (name, db) in [("memory", Tsdb::in_memory()), ("log", on_disk)] {
        let ids: Vec<SeriesRef> = (0..SERIES).map(|i| series(&db, i)).collect();
        let mut t = START;
        let mut a = db.appender();
        group.bench_function(format!("20,000 series by reference, {name}"), |b| {
            b.iter(|| {
                t += STEP;
                for (i, id) in ids.iter().enumerate() {
                    a.append_ref(*id, t, (t / 1000 + i as i64) as f64).expect("appends");
                }
                a.commit().expect("commits")
            });
        });
        let packed: Vec<Labels> =
            (0..SERIES).map(|i| Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])).collect();
        group.bench_function(format!("20,000 series by packed labels, {name}"), |b| {
            b.iter(|| {
                t += STEP;
                for labels in &packed {
                    let id = a.find_packed(labels.as_bytes()).expect("is there");
                    a.append_ref(id, t, (t / 1000) as f64).expect("appends");
                }
                a.commit().expect("commits")
            });
        });
    }
}

criterion_group!(benches, compress, read, windows, append);
criterion_main!(benches);
