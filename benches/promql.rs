//! Queries over the database in process: selectors, the rate family, aggregations, joins, quantiles, each as an
//! instant query and as a range query of six hours. `SERIES=20000 cargo bench --bench promql` sets the size.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use watchbell::model::{Labels, METRIC_NAME};
use watchbell::promql::{CompileOptions, EvalEnv, compile};
use watchbell::tsdb::Tsdb;

#[allow(dead_code)]
#[path = "peers/data.rs"]
mod data;

const INTERVAL: i64 = 15_000;
const SAMPLES: i64 = 1_441;
const START: i64 = 1_700_000_100_000;
const END: i64 = START + (SAMPLES - 1) * INTERVAL;

const QUERIES: &[(&str, &str)] = &[
    ("select", "gpu_temperature_celsius"),
    ("select one job", r#"gpu_temperature_celsius{job="svc-3"}"#),
    ("filter", "gpu_temperature_celsius > 58"),
    ("sum", "sum(gpu_temperature_celsius)"),
    ("avg by job", "avg by (job) (gpu_temperature_celsius)"),
    ("topk", "topk(5, gpu_temperature_celsius)"),
    ("quantile", "quantile by (zone) (0.9, gpu_temperature_celsius)"),
    ("rate", "rate(http_requests_total[5m])"),
    ("sum rate", "sum by (job) (rate(http_requests_total[5m]))"),
    ("increase 1h", "increase(http_requests_total[1h]) > 100"),
    ("irate", "irate(cpu_seconds_total[5m])"),
    ("avg over time", "avg_over_time(gpu_temperature_celsius[10m])"),
    ("max over time 1h", "max_over_time(gpu_temperature_celsius[1h])"),
    ("stddev over time", "stddev_over_time(gpu_temperature_celsius[30m])"),
    ("quantile over time", "quantile_over_time(0.95, gpu_temperature_celsius[10m])"),
    ("deriv", "deriv(gpu_temperature_celsius[15m])"),
    ("join", "memory_used_bytes / memory_total_bytes"),
    ("group left", "rate(cpu_seconds_total[5m]) * on (instance) group_left () memory_total_bytes"),
    ("and", r#"http_requests_total{status="500"} and on (instance) (memory_used_bytes > 6e10)"#),
    ("histogram quantile", "histogram_quantile(0.99, sum by (le, job) (rate(request_duration_seconds_bucket[5m])))"),
    ("histogram quantile each", "histogram_quantile(0.9, rate(request_duration_seconds_bucket[5m]))"),
    ("label replace", r#"label_replace(memory_used_bytes, "host", "$1", "instance", "(.*):.*")"#),
    ("subquery", "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])"),
];

fn database(series: usize) -> Tsdb {
    let tsdb = Tsdb::in_memory();
    let ts: Vec<i64> = (0..SAMPLES).map(|i| START + i * INTERVAL).collect();
    for mut generated in data::series(series) {
        let pairs = generated.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let labels = Labels::from_pairs(pairs);
        assert!(labels.has(METRIC_NAME));
        let values: Vec<f64> = ts.iter().map(|_| generated.next()).collect();
        let id = tsdb.series_ref(&labels).unwrap();
        tsdb.append_column(id, &ts, &values).unwrap();
    }
    tsdb
}

fn queries(c: &mut Criterion) {
    let series = std::env::var("SERIES").ok().and_then(|s| s.parse().ok()).unwrap_or(2_000);
    let tsdb = database(series);
    let env = EvalEnv::default();
    for (name, query) in QUERIES {
        let plan = compile(query, &CompileOptions::default()).unwrap();
        c.bench_function(&format!("instant/{name}"), |b| {
            b.iter(|| black_box(plan.instant(&tsdb, END, &env).unwrap()));
        });
        c.bench_function(&format!("range 60s/{name}"), |b| {
            b.iter(|| black_box(plan.range(&tsdb, START, END, 60_000, &env).unwrap()));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = queries
}
criterion_main!(benches);
