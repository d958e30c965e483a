//! Range functions over six hours of one series at 15 s: all steps at once, and window by window.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use watchbell::model::histogram::{ClassicHistogram, FloatHistogram};
use watchbell::model::{Labels, notation};
use watchbell::promql::CancelToken;
use watchbell::promql::annotations::{Annotations, Span};
use watchbell::promql::func::{Cuts, FnCtx, Kind, RangeMode, Window, Windows, bucket, lookup};
use watchbell::promql::steps::{StepGrid, StepVector};

const SPACING: i64 = 15_000;
const SAMPLES: i64 = 6 * 240;
const RANGE: i64 = 5 * 60_000;
const STEP: i64 = 60_000;
const STEPS: usize = (SAMPLES * SPACING / STEP) as usize;

/// A counter that grows by fractions and is reset twice.
fn counter() -> (Vec<i64>, Vec<f64>) {
    let value = |i: i64| ((i % 600) as f64) * 1.37;
    (0..SAMPLES).map(|i| (i * SPACING, value(i))).unzip()
}

fn grid() -> StepGrid {
    StepGrid::range(0, (STEPS as i64 - 1) * STEP, STEP)
}

fn cuts(ts: &[i64], range: i64) -> Cuts {
    let mut cuts = Cuts::new(&grid(), range, STEPS);
    cuts.fit(ts);
    cuts
}

fn over_a_series(c: &mut Criterion) {
    let (ts, vs) = counter();
    let mut group = c.benchmark_group("range_function");
    group.throughput(Throughput::Elements(STEPS as u64));
    for (name, range) in [
        ("rate", RANGE),
        ("increase", 12 * RANGE),
        ("sum_over_time", RANGE),
        ("avg_over_time", 12 * RANGE),
        ("max_over_time", RANGE),
        ("max_over_time", 12 * RANGE),
        ("count_over_time", RANGE),
        ("resets", RANGE),
        ("stddev_over_time", 6 * RANGE),
        ("quantile_over_time", 2 * RANGE),
        ("deriv", 3 * RANGE),
        ("predict_linear", 12 * RANGE),
    ] {
        let Some(Kind::Range { f, batch: Some(batch), .. }) = lookup(name).map(|f| f.kind) else { continue };
        let (cuts, args) = (cuts(&ts, range), [0.9]);
        let minutes = range / 60_000;
        group.bench_function(format!("{name}[{minutes}m] batched"), |b| {
            let (grid, never) = (grid(), CancelToken::new());
            let w = Windows::new(&cuts, &vs, &grid, &never);
            let mut out = StepVector::empty(STEPS);
            let (mut notes, labels) = (Annotations::default(), Labels::empty());
            let mut ctx = FnCtx { notes: &mut notes, labels: &labels, call: Span::default(), args: &[] };
            b.iter(|| batch(black_box(&w), &args, &mut ctx, &mut out));
        });
        group.bench_function(format!("{name}[{minutes}m] by window"), |b| {
            let labels = Labels::empty();
            b.iter(|| {
                for (i, (lo, hi)) in cuts.bounds().enumerate() {
                    let end = i as i64 * STEP;
                    let w = Window {
                        ts: &ts[lo..hi],
                        vs: &vs[lo..hi],
                        hists: &[],
                        float_st: &[],
                        hist_st: &[],
                        start: end - range,
                        end,
                        at: end,
                        mode: RangeMode::Plain,
                    };
                    let mut notes = Annotations::default();
                    let mut ctx = FnCtx { notes: &mut notes, labels: &labels, call: Span::default(), args: &[] };
                    black_box(f(&w, &args, &mut ctx));
                }
            });
        });
    }
    group.finish();
}

fn over_histograms(c: &mut Criterion) {
    let text = "{{schema:3 count:60 sum:90 z_bucket:2 z_bucket_w:0.001 offset:-8 \
                buckets:[1 2 3 4 5 6 7 8 9 8 7 6 5 4 3 2 1 1 1 1]}}";
    let one = Arc::new(notation::parse_histogram(text).unwrap_or_default());
    let hists: Vec<(i64, Arc<FloatHistogram>)> = (0..20i64)
        .map(|i| {
            let mut h = FloatHistogram::clone(&one);
            h.mul(1.0 + i as f64);
            (i * SPACING, Arc::new(h))
        })
        .collect();
    let w = Window {
        ts: &[],
        vs: &[],
        hists: &hists,
        float_st: &[],
        hist_st: &[],
        start: -1,
        end: 20 * SPACING,
        at: 20 * SPACING,
        mode: RangeMode::Plain,
    };
    let mut group = c.benchmark_group("histogram");
    for name in ["rate", "sum_over_time"] {
        let Some(Kind::Range { f, .. }) = lookup(name).map(|f| f.kind) else { continue };
        group.bench_function(format!("{name}[5m] of 20 native"), |b| {
            let labels = Labels::empty();
            b.iter(|| {
                let mut notes = Annotations::default();
                let mut ctx = FnCtx { notes: &mut notes, labels: &labels, call: Span::default(), args: &[] };
                black_box(f(&w, &[], &mut ctx))
            });
        });
    }
    group.bench_function("quantile of a native one", |b| b.iter(|| black_box(&one).quantile(black_box(0.99))));
    let classic: Vec<bucket::Bucket> = (0..16)
        .map(|i| bucket::Bucket {
            upper: if i == 15 { f64::INFINITY } else { f64::from(1 << i) },
            count: f64::from(i * i),
        })
        .collect();
    group.bench_function("quantile of a classic one", |b| {
        b.iter(|| bucket::quantile(black_box(0.99), &mut classic.clone()));
    });
    group.bench_function("classic to custom buckets", |b| {
        b.iter(|| {
            let mut h = ClassicHistogram::default();
            classic.iter().for_each(|b| h.set_bucket(b.upper, b.count));
            black_box(h.convert())
        });
    });
    group.finish();
}

criterion_group!(benches, over_a_series, over_histograms);
criterion_main!(benches);
