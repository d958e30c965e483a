//! Ingest by remote write, then the same queries in turn.

use std::time::Duration;

use serde_json::Value;

use crate::Options;
use crate::http::Client;
use crate::load::{self, Load};
use crate::proc::{self, Kind, Server};
use crate::summary::Summary;
use crate::wire;

/// Milliseconds between samples.
const INTERVAL: i64 = 15_000;
/// Samples of one series in one request.
const PER_REQUEST: usize = 10;
/// Series in one request.
const SERIES_PER_REQUEST: usize = 1_000;

/// What rules and dashboards ask of the fleet.
const FLEET: &[&str] = &[
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_GPU_TEMP > 70",
    "DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_FREE > 0.5",
    "avg by (Hostname) (DCGM_FI_DEV_GPU_TEMP)",
    "max_over_time(DCGM_FI_DEV_GPU_TEMP[30m])",
    "increase(DCGM_FI_DEV_XID_ERRORS[1h])",
    "sum by (model) (rate(inference_requests_total[5m]))",
    r#"sum by (model) (rate(inference_requests_total{status="error"}[5m])) / sum by (model) (rate(inference_requests_total[5m]))"#,
    "histogram_quantile(0.99, sum by (le, model) (rate(inference_latency_seconds_bucket[5m])))",
    "(model_accuracy - model_accuracy offset 1h) / model_accuracy offset 1h",
    "abs(avg_over_time(prediction_mean[1h]) - avg_over_time(prediction_mean[1h] offset 1h)) / stddev_over_time(prediction_mean[2h])",
    r#"1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))"#,
    "sum by (instance, mode) (rate(node_cpu_seconds_total[5m]))",
    "kube_deployment_spec_replicas != kube_deployment_status_replicas_available",
    "increase(kube_pod_container_status_restarts_total[1h]) > 0",
    "count by (job) (up == 1)",
];

/// What rules and dashboards ask of the synthetic data.
pub const SYNTHETIC: &[&str] = &[
    "gpu_temperature_celsius",
    r#"gpu_temperature_celsius{job="svc-3"}"#,
    r#"gpu_temperature_celsius{gpu=~"[0-3]",zone!="zone-1"}"#,
    "gpu_temperature_celsius > 58",
    "sum(gpu_temperature_celsius)",
    "avg by (job) (gpu_temperature_celsius)",
    "max by (instance) (gpu_temperature_celsius)",
    "topk(5, gpu_temperature_celsius)",
    "quantile by (zone) (0.9, gpu_temperature_celsius)",
    "count by (job, zone) (up)",
    "rate(http_requests_total[5m])",
    "sum(rate(http_requests_total[5m]))",
    "sum by (job) (rate(http_requests_total[5m]))",
    "sum by (job, status) (rate(http_requests_total[1m]))",
    r#"sum by (job) (rate(http_requests_total{status="500"}[5m])) / sum by (job) (rate(http_requests_total[5m]))"#,
    "increase(http_requests_total[1h]) > 100",
    "irate(cpu_seconds_total[5m])",
    "sum without (cpu) (rate(cpu_seconds_total[5m]))",
    "avg_over_time(gpu_temperature_celsius[10m])",
    "max_over_time(gpu_temperature_celsius[1h])",
    "stddev_over_time(gpu_temperature_celsius[30m])",
    "quantile_over_time(0.95, gpu_temperature_celsius[10m])",
    "deriv(gpu_temperature_celsius[15m])",
    "predict_linear(memory_used_bytes[1h], 3600)",
    "changes(up[1h])",
    "resets(http_requests_total[1h])",
    "memory_used_bytes / memory_total_bytes",
    "memory_used_bytes / on (instance) group_left () memory_total_bytes > 0.4",
    "rate(cpu_seconds_total[5m]) * on (instance) group_left () memory_total_bytes",
    r#"http_requests_total{status="500"} and on (instance) (memory_used_bytes > 6e10)"#,
    r#"up unless on (instance) gpu_temperature_celsius{gpu="0"}"#,
    "histogram_quantile(0.99, sum by (le, job) (rate(request_duration_seconds_bucket[5m])))",
    "histogram_quantile(0.9, rate(request_duration_seconds_bucket[5m]))",
    "abs(gpu_temperature_celsius - gpu_temperature_celsius offset 1h)",
    r#"label_replace(memory_used_bytes, "host", "$1", "instance", "(.*):.*")"#,
    "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])",
    "absent(nothing_of_that_name)",
    "clamp_max(gpu_temperature_celsius, 60)",
];

/// One way to ask: at an instant, or over a range at a step.
#[derive(Clone, Copy)]
enum Form {
    Instant,
    Range { step: i64 },
}

impl Form {
    fn label(self) -> String {
        match self {
            Form::Instant => "instant".into(),
            Form::Range { step } => format!("range {}s", step / 1_000),
        }
    }
}

/// Runs the ingest and query parts and prints their tables.
pub fn run(options: &Options, client: &Client, summary: &mut Summary) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    let end = now.as_millis() as i64 / 60_000 * 60_000;
    let start = end - (options.samples as i64 - 1) * INTERVAL;
    let loads = [load::synthetic(options.series), load::fleet(start)].into_iter().filter(|l| options.takes(l.name));
    for mut load in loads {
        let dir = options.dir.join(load.name);
        let kinds = [Kind::Prometheus, Kind::VictoriaMetrics, Kind::Watchbell];
        let servers: Vec<Server> = kinds.map(|kind| proc::start(kind, &dir, &[], client)).into();
        let window = (start.max(end - 6 * 3_600_000 + INTERVAL), end);
        ingest(options, client, &servers, &mut load, start);
        if options.wants("queries") {
            compare(options, client, &servers, &load, window, summary);
        }
        if options.hold {
            for server in &servers {
                println!("{} {}", server.kind.name(), server.url);
            }
            println!("window {} {}", window.0, window.1);
            let _ = std::io::stdin().read_line(&mut String::new());
        }
    }
}

fn ingest(options: &Options, client: &Client, servers: &[Server], load: &mut Load, start: i64) {
    let before: Vec<f64> = servers.iter().map(Server::cpu_seconds).collect();
    let mut wall = vec![Duration::ZERO; servers.len()];
    for block in 0..options.samples.div_ceil(PER_REQUEST) {
        let n = PER_REQUEST.min(options.samples - block * PER_REQUEST);
        let times = || (0..n).map(|k| start + (block * PER_REQUEST + k) as i64 * INTERVAL);
        for chunk in load.series.chunks_mut(SERIES_PER_REQUEST) {
            let samples: Vec<Vec<(i64, f64)>> =
                chunk.iter_mut().map(|s| times().map(|t| (t, (s.next)(t))).collect()).collect();
            let series = chunk.iter().zip(&samples);
            let body = wire::write_request(series.map(|(s, samples)| wire::Series { labels: &s.labels, samples }));
            for (server, wall) in servers.iter().zip(&mut wall) {
                let answer = client.remote_write(&format!("{}/api/v1/write", server.url), body.clone());
                let answer = answer.unwrap_or_else(|e| panic!("{}: {e}", server.kind.name()));
                let text = String::from_utf8_lossy(&answer.body);
                assert!(answer.status < 300, "{}: HTTP {}: {text}", server.kind.name(), answer.status);
                *wall += answer.took;
            }
        }
    }
    let count = load.series.len();
    let last = start + (options.samples as i64 - 1) * INTERVAL;
    servers.iter().for_each(|s| wait_until_visible(client, s, count, last));
    std::thread::sleep(AT_REST);
    let samples = (count * options.samples) as f64;
    println!(
        "\n## Remote write, {} data: {count} series x {} samples, {SERIES_PER_REQUEST} series x {PER_REQUEST} samples a request\n",
        load.name, options.samples
    );
    println!("| server | CPU s | wall s | M samples / CPU s | resident MB |\n|---|---:|---:|---:|---:|");
    for ((server, before), wall) in servers.iter().zip(before).zip(wall) {
        let cpu = server.cpu_seconds() - before;
        println!(
            "| {} | {cpu:.2} | {:.2} | {:.2} | {:.0} |",
            server.kind.name(),
            wall.as_secs_f64(),
            samples / cpu / 1e6,
            server.resident_bytes() as f64 / 1e6
        );
    }
}

/// What is resident is looked at so long after the work: each server has its own time at which it gives memory back.
const AT_REST: Duration = Duration::from_secs(5);

/// What was written is seen by queries at once or some seconds later (VictoriaMetrics): until then, what is timed would
/// be answers about nothing.
fn wait_until_visible(client: &Client, server: &Server, series: usize, at: i64) {
    let parameters = [("query", "count({__name__!=\"\"})".to_owned()), ("time", (at / 1_000).to_string())];
    for _ in 0..300 {
        let answer = client.get(&format!("{}/api/v1/query", server.url), &parameters);
        let body = answer.map(|a| String::from_utf8_lossy(&a.body).into_owned()).unwrap_or_default();
        if body.contains(&format!("\"{series}\"")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{}: not all of {series} series are there", server.kind.name());
}

fn compare(
    options: &Options,
    client: &Client,
    servers: &[Server],
    load: &Load,
    window: (i64, i64),
    summary: &mut Summary,
) {
    let queries = if load.name == "fleet" { FLEET } else { SYNTHETIC };
    let forms = [Form::Instant, Form::Range { step: 15_000 }, Form::Range { step: 60_000 }];
    println!("\n## Queries, {} data: medians of {} runs in turn, milliseconds\n", load.name, options.runs);
    println!("| query | form | prometheus | victoria-metrics | watchbell | prom/wb | vm/wb | answer |");
    println!("|---|---|---:|---:|---:|---:|---:|---|");
    let (mut over_prom, mut over_vm, mut unequal) = (Vec::new(), Vec::new(), 0);
    for form in forms {
        for query in queries.iter().filter(|q| options.query.as_deref().is_none_or(|part| q.contains(part))) {
            let (medians, answers) = time_one(options, client, servers, query, form, window);
            let [prom, vm, own] = medians[..] else { panic!("three servers") };
            let equal = match (&answers[0], &answers[2]) {
                (Ok(a), Ok(b)) => same(a, b),
                (a, b) => Err(format!("prometheus: {a:?}, watchbell: {b:?}")),
            };
            unequal += usize::from(equal.is_err());
            over_prom.push(prom / own);
            over_vm.push(vm / own);
            println!(
                "| `{}` | {} | {prom:.2} | {vm:.2} | {own:.2} | {:.1} | {:.1} | {} |",
                query.replace('|', "\\|"),
                form.label(),
                prom / own,
                vm / own,
                equal.map_or_else(
                    |e| format!("DIFFERS: {}", e.chars().take(160).collect::<String>()),
                    |()| "equal".into()
                )
            );
        }
    }
    println!(
        "\n{} of {} answers equal Prometheus'. Median ratio: {:.1} x Prometheus (least {:.2}), {:.1} x VictoriaMetrics (least {:.2}).",
        over_prom.len() - unequal,
        over_prom.len(),
        median(&mut over_prom.clone()),
        least(&over_prom),
        median(&mut over_vm.clone()),
        least(&over_vm)
    );
    std::thread::sleep(AT_REST);
    println!("\n| server | resident MB after the queries |\n|---|---:|");
    for s in servers {
        println!("| {} | {:.0} |", s.kind.name(), s.resident_bytes() as f64 / 1e6);
    }
    let resident = servers.iter().map(|s| (s.kind, s.resident_bytes() as f64)).collect();
    summary.add(format!("{}, {} series, after the queries: resident", load.name, load.series.len()), resident);
}

type Answers = Vec<Result<String, String>>;

fn time_one(
    options: &Options,
    client: &Client,
    servers: &[Server],
    query: &str,
    form: Form,
    (start, end): (i64, i64),
) -> (Vec<f64>, Answers) {
    let seconds = |ms: i64| format!("{}", ms / 1_000);
    let (path, parameters) = match form {
        Form::Instant => ("query", vec![("query", query.to_owned()), ("time", seconds(end))]),
        Form::Range { step } => (
            "query_range",
            vec![
                ("query", query.to_owned()),
                ("start", seconds(start)),
                ("end", seconds(end)),
                ("step", seconds(step)),
            ],
        ),
    };
    let mut times = vec![Vec::new(); servers.len()];
    let mut answers = vec![Err("not asked".to_owned()); servers.len()];
    // The first round warms caches and page tables and is not counted.
    for round in 0..=options.runs {
        for (i, server) in servers.iter().enumerate() {
            let answer = client.get(&format!("{}/api/v1/{path}", server.url), &parameters);
            match answer {
                Ok(a) if round > 0 => times[i].push(a.took.as_secs_f64() * 1e3),
                Ok(a) => answers[i] = String::from_utf8(a.body).map_err(|e| e.to_string()),
                Err(e) => answers[i] = Err(e),
            }
        }
    }
    (times.iter_mut().map(|t| median(t)).collect(), answers)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Whether two API answers hold the same series with the same points; values may differ in the last bits where a sum's
/// order is not defined. Most series have the same text; only those that do not are read.
fn same(a: &str, b: &str) -> Result<(), String> {
    let (Some((head, mut x)), Some((other, mut y))) = (pieces(a), pieces(b)) else { return same_values(a, b) };
    if head != other {
        return Err(format!("{head} vs {other}"));
    }
    if x.len() != y.len() {
        return Err(format!("{} vs {} series", x.len(), y.len()));
    }
    x.sort_unstable();
    y.sort_unstable();
    x.iter().zip(&y).filter(|(a, b)| a != b).try_for_each(|(a, b)| {
        let whole = |piece: &str| format!(r#"{{"status":"success","data":{{"resultType":"","result":[{piece}]}}}}"#);
        same_values(&whole(a), &whole(b))
    })
}

/// What stands before the series of an answer, and each of them.
fn pieces(answer: &str) -> Option<(&str, Vec<&str>)> {
    let start = answer.find(r#"{"metric":"#)?;
    let (head, rest) = answer.split_at(start);
    let notes = [r#"]},"infos":["#, r#"]},"warnings":["#];
    let end = notes.iter().filter_map(|n| rest.rfind(n)).min();
    let rest = match end {
        Some(end) => rest.get(..end)?,
        None => rest.trim_end().strip_suffix("]}}")?,
    };
    let ends = rest.match_indices(r#",{"metric":"#).map(|(i, _)| i).chain([rest.len()]);
    let mut from = 0;
    let all = ends.map(|end| (rest.get(from..end).unwrap_or_default(), from = end + 1).0).collect();
    Some((head, all))
}

fn same_values(a: &str, b: &str) -> Result<(), String> {
    let [a, b]: [Value; 2] = [serde_json::from_str(a).unwrap_or_default(), serde_json::from_str(b).unwrap_or_default()];
    if a["status"] != b["status"] || a["data"]["resultType"] != b["data"]["resultType"] {
        return Err(format!("status or type: {} vs {} {}", a["status"], b["status"], b["error"]));
    }
    let (x, y) = (by_labels(&a), by_labels(&b));
    if x.len() != y.len() {
        return Err(format!("{} vs {} series", x.len(), y.len()));
    }
    for ((labels, p), (other, q)) in x.iter().zip(&y) {
        if labels != other {
            return Err(format!("series {labels} vs {other}"));
        }
        if p.len() != q.len() {
            return Err(format!("{labels}: {} vs {} points", p.len(), q.len()));
        }
        for ((t, v), (u, w)) in p.iter().zip(q) {
            let close = v == w || (v.is_nan() && w.is_nan()) || (v - w).abs() <= 1e-9 * v.abs().max(w.abs());
            if t != u || !close {
                return Err(format!("{labels}: {v} at {t} vs {w} at {u}"));
            }
        }
    }
    Ok(())
}

type Points = Vec<(f64, f64)>;

fn by_labels(answer: &Value) -> Vec<(String, Points)> {
    let point = |p: &Value| (p[0].as_f64().unwrap_or(f64::NAN), p[1].as_str().map_or(f64::NAN, number));
    let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    let mut out: Vec<(String, Points)> = result
        .iter()
        .map(|s| {
            let mut labels: Vec<String> =
                s["metric"].as_object().into_iter().flatten().map(|(n, v)| format!("{n}={v}")).collect();
            labels.sort();
            let points = match s["values"].as_array() {
                Some(all) => all.iter().map(point).collect(),
                None => vec![point(&s["value"])],
            };
            (labels.join(","), points)
        })
        .collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

fn number(s: &str) -> f64 {
    match s {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => s.parse().unwrap_or(f64::NAN),
    }
}
