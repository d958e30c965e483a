//! The same rule files in Prometheus and Watchbell: CPU seconds an evaluation cycle, and resident memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_yaml::Value;

use crate::Options;
use crate::data;
use crate::http::Client;
use crate::proc::{self, Kind, Server};
use crate::wire;

const INTERVAL: i64 = 15_000;

/// Runs the part and prints its table.
pub fn run(options: &Options, client: &Client) {
    let files = rule_files(options);
    let count: usize =
        files.iter().map(|f| std::fs::read_to_string(f).unwrap_or_default().matches("expr:").count()).sum();
    let servers: Vec<Server> = [Kind::Prometheus, Kind::Watchbell]
        .into_iter()
        .map(|kind| proc::start(kind, &options.dir, &files, client))
        .collect();
    let mut all = data::series(options.series);
    // An hour of history, so that windows are full; then live samples while the cycles are measured.
    let mut t = now() / INTERVAL * INTERVAL - 3_600_000;
    while t <= now() {
        // Never past now: what comes next is written as it happens.
        let due = (now() - t) / INTERVAL + 1;
        write(client, &servers, &mut all, &mut t, due.min(20));
    }
    let (mut cpu, mut written) = (Vec::new(), Vec::new());
    for s in &servers {
        cpu.push(s.cpu_seconds());
    }
    for _ in 0..options.cycles {
        std::thread::sleep(Duration::from_millis((t - now()).max(0) as u64));
        // What the live samples cost is measured apart and taken off: the figure is of rules.
        let before: Vec<f64> = servers.iter().map(Server::cpu_seconds).collect();
        write(client, &servers, &mut all, &mut t, 1);
        written.push(servers.iter().zip(before).map(|(s, b)| s.cpu_seconds() - b).collect::<Vec<f64>>());
    }
    std::thread::sleep(Duration::from_millis((t - now()).max(0) as u64));
    println!("\n## Rule cycles: {count} rules, 15 s interval, {} series, {} cycles\n", options.series, options.cycles);
    println!("| server | CPU s a cycle | of that live samples | resident MB |\n|---|---:|---:|---:|");
    let mut figures = Vec::new();
    for (i, s) in servers.iter().enumerate() {
        let cycles = f64::from(options.cycles);
        let ingest: f64 = written.iter().map(|w| w[i]).sum::<f64>() / cycles;
        let cycle = (s.cpu_seconds() - cpu[i]) / cycles;
        let memory = s.resident_bytes() as f64 / 1e6;
        println!("| {} | {cycle:.3} | {ingest:.3} | {memory:.0} |", s.kind.name());
        figures.push((cycle - ingest, memory));
    }
    let ((a, ma), (b, mb)) = (figures[0], figures[1]);
    println!("\nRules alone: Prometheus / Watchbell = {:.1} in CPU, {:.1} in memory.", a / b, ma / mb);
    for s in &servers {
        let answer = client.get(&format!("{}/api/v1/rules", s.url), &[]).expect("the rules");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        println!("{}: {} rules healthy", s.kind.name(), text.matches(r#""health":"ok""#).count());
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

fn write(client: &Client, servers: &[Server], all: &mut [data::Generated], t: &mut i64, samples: i64) {
    for chunk in all.chunks_mut(1_000) {
        let values: Vec<Vec<(i64, f64)>> =
            chunk.iter_mut().map(|s| (0..samples).map(|k| (*t + k * INTERVAL, s.next())).collect()).collect();
        let series = chunk.iter().zip(&values).map(|(s, v)| wire::Series { labels: &s.labels, samples: v });
        let body = wire::write_request(series);
        for s in servers {
            let answer = client.remote_write(&format!("{}/api/v1/write", s.url), body.clone()).expect("remote write");
            assert!(answer.status < 300, "{}: {}", s.kind.name(), String::from_utf8_lossy(&answer.body));
        }
    }
    *t += samples * INTERVAL;
}

/// The mission's rules, kube-prometheus' where they are at hand, and generated ones, all as plain rule files.
fn rule_files(options: &Options) -> Vec<PathBuf> {
    let mut sources = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/ml-production-alerts.yaml"))];
    if let Some(shared) = std::env::var_os("WATCHBELL_SHARED") {
        let dir = Path::new(&shared).join("rules/kube-prometheus");
        sources.extend(std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()));
    } else {
        println!("skipped: kube-prometheus' rules (WATCHBELL_SHARED is not set)");
    }
    let mut files = Vec::new();
    for source in sources {
        let Ok(text) = std::fs::read_to_string(&source) else { continue };
        let object: Value = serde_yaml::from_str(&text).expect("YAML");
        let mut groups = object["spec"]["groups"].clone();
        for group in groups.as_sequence_mut().into_iter().flatten() {
            if let Some(group) = group.as_mapping_mut() {
                group.insert("interval".into(), "15s".into());
            }
        }
        let plain = Value::Mapping([(Value::from("groups"), groups)].into_iter().collect());
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = options.dir.join(format!("{name}.yml"));
        std::fs::write(&path, serde_yaml::to_string(&plain).expect("YAML")).expect("a rule file");
        files.push(path);
    }
    let path = options.dir.join("generated.yml");
    std::fs::write(&path, generated(options.rules)).expect("a rule file");
    files.push(path);
    files
}

/// `n` rules of the shapes that fleets have: rates by job and zone, ratios, thresholds, quantiles, aggregations.
fn generated(n: usize) -> String {
    let mut out = String::from("groups:\n");
    for i in 0..n {
        if i % 20 == 0 {
            out.push_str(&format!("  - name: generated-{}\n    interval: 15s\n    rules:\n", i / 20));
        }
        let (job, zone) = (i % 10, i % 3);
        let expr = match i % 8 {
            0 => format!(r#"sum by (zone) (rate(http_requests_total{{job="svc-{job}"}}[5m]))"#),
            1 => format!(
                r#"sum(rate(http_requests_total{{job="svc-{job}",status="500"}}[5m])) / sum(rate(http_requests_total{{job="svc-{job}"}}[5m])) > 0.9"#
            ),
            2 => format!(r#"avg_over_time(gpu_temperature_celsius{{job="svc-{job}"}}[10m]) > {}"#, 90 + i % 9),
            3 => format!(
                r#"histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket{{job="svc-{job}"}}[5m]))) > 10"#
            ),
            4 => format!(r#"max by (instance) (gpu_temperature_celsius{{zone="zone-{zone}"}}) > {}"#, 95 + i % 7),
            5 => format!(r#"memory_used_bytes{{job="svc-{job}"}} / memory_total_bytes{{job="svc-{job}"}} > 0.99"#),
            6 => format!(r#"sum by (job) (rate(cpu_seconds_total{{zone="zone-{zone}"}}[5m]))"#),
            _ => format!(r#"count by (zone) (up{{job="svc-{job}"}} == 0)"#),
        };
        let head = if matches!(i % 8, 0 | 6) {
            format!("      - record: generated:metric:{i}\n")
        } else {
            format!("      - alert: Generated{i}\n        for: 5m\n        labels: {{severity: warning}}\n")
        };
        out.push_str(&head);
        out.push_str(&format!("        expr: '{expr}'\n"));
    }
    out
}
