//! The mission's rules over eight days of the demo's fleet at 30 s: `watchbell backtest`, and vmalert's replay over
//! VictoriaMetrics, which answers its queries from the same samples on the same machine, in the same run.
//!
//! ```text
//! cargo bench --bench backtest
//! ```
//!
//! VictoriaMetrics and vmalert are looked for on `PATH`; without them only our own time is told. Loading the samples is in
//! no figure, but for the one of `--demo`, which makes them itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use watchbell::fleet::{Fleet, SCRAPE_INTERVAL};
use watchbell::tsdb::{Tsdb, TsdbOptions};

/// Monday, 2 March 2026, 06:00 UTC, as in the demo.
const END: i64 = 1_772_431_200_000;
const DAYS: i64 = 8;
const BEGIN: i64 = END - DAYS * 86_400_000;
const FROM: &str = "2026-02-22T06:00:00Z";
const TO: &str = "2026-03-02T06:00:00Z";
/// Each is run so often; the best counts.
const ROUNDS: usize = 3;

fn main() {
    let dir = std::env::temp_dir().join(format!("watchbell-bench-backtest-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let fleet = Fleet::new(7, BEGIN, END);
    let rows = usize::try_from((END - BEGIN) / SCRAPE_INTERVAL).unwrap_or(0) + 1;
    println!("{} series, {} samples, {FROM} to {TO}", fleet.series().len(), fleet.series().len() * rows);
    store(&fleet, rows, &dir.join("data"));
    let rules = dir.join("rules.yml");
    std::fs::write(&rules, plain_rules()).expect("rules");
    let own = env!("CARGO_BIN_EXE_watchbell");
    let common = ["backtest", "--interval", "30s", "--from", FROM, "--to", TO, "--rules"];
    let backtest = |source: &[&str]| {
        let mut command = Command::new(own);
        command.args(common).arg(&rules).args(source).current_dir(&dir);
        command
    };
    let data = best(|| backtest(&["--data", "data"]));
    let demo = best(|| backtest(&["--demo"]));
    println!("\n| what | seconds | times ours |\n|---|---:|---:|");
    println!("| watchbell backtest --data | {data:.2} | 1 |");
    println!("| watchbell backtest --demo (makes the samples) | {demo:.2} | |");
    if let Some((vm, vmalert)) = find("victoria-metrics").zip(find("vmalert")) {
        let replay = replay(&vm, &vmalert, &fleet, rows, &dir, &rules);
        println!("| vmalert -replay over VictoriaMetrics | {replay:.2} | {:.1} |", replay / data);
    }
    let _ = std::fs::remove_dir_all(&dir);
}

/// The seconds of the fastest run.
fn best(command: impl Fn() -> Command) -> f64 {
    let one = || {
        let begin = Instant::now();
        let ran = command().stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a command");
        assert!(ran.success(), "{:?}", command());
        begin.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(|_| one()).fold(f64::INFINITY, f64::min)
}

/// The mission's rules as vmalert takes them: without the Kubernetes object around them.
fn plain_rules() -> String {
    let text = include_str!("../../rules/ml-production-alerts.yaml");
    let object: serde_yaml::Value = serde_yaml::from_str(text).expect("YAML");
    serde_yaml::to_string(&object["spec"]).expect("YAML")
}

/// The fleet as the data directory of a service.
fn store(fleet: &Fleet, rows: usize, dir: &Path) {
    let (tsdb, _) = Tsdb::open(dir.join("tsdb"), TsdbOptions { retention_ms: i64::MAX }).expect("a database");
    let times: Vec<i64> = (0..rows as i64).map(|i| BEGIN + i * SCRAPE_INTERVAL).collect();
    let mut values = vec![0.0; rows];
    for series in fleet.series() {
        series.fill(BEGIN, SCRAPE_INTERVAL, &mut values);
        let id = tsdb.series_ref(&series.labels).expect("a series");
        tsdb.append_column(id, &times, &values).expect("samples");
    }
    tsdb.close().expect("files");
}

/// A server that ends with its owner.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The seconds of vmalert's replay.
fn replay(vm: &Path, vmalert: &Path, fleet: &Fleet, rows: usize, dir: &Path, rules: &Path) -> f64 {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let mut command = Command::new(vm);
    command.arg(format!("-storageDataPath={}", dir.join("vm").display()));
    command.args(["-retentionPeriod=10y", "-loggerLevel=ERROR", "-search.latencyOffset=0s"]);
    command.arg(format!("-httpListenAddr=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Server(command.spawn().expect("victoria-metrics"));
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    import(fleet, rows, port);
    let url = format!("http://127.0.0.1:{port}");
    best(|| {
        let mut command = Command::new(vmalert);
        command.arg(format!("-rule={}", rules.display())).arg(format!("-datasource.url={url}"));
        command.arg(format!("-remoteWrite.url={url}")).arg("-evaluationInterval=30s");
        command.args([format!("-replay.timeFrom={FROM}"), format!("-replay.timeTo={TO}")]);
        command.args(["-replay.disableProgressBar", "-replay.rulesDelay=0s", "-loggerLevel=ERROR"]);
        command
    })
}

/// Sends the fleet's samples, a request a series, and waits until they can be queried.
fn import(fleet: &Fleet, rows: usize, port: u16) {
    let mut values = vec![0.0; rows];
    for series in fleet.series() {
        series.fill(BEGIN, SCRAPE_INTERVAL, &mut values);
        let labels = serde_json::to_string(&series.labels).expect("JSON");
        let mut line = format!("{{\"metric\":{labels},\"values\":[");
        for (i, v) in values.iter().enumerate() {
            let _ = write!(line, "{}{v}", if i > 0 { "," } else { "" });
        }
        line.push_str("],\"timestamps\":[");
        for i in 0..rows as i64 {
            let _ = write!(line, "{}{}", if i > 0 { "," } else { "" }, BEGIN + i * SCRAPE_INTERVAL);
        }
        line.push_str("]}\n");
        request(port, "/api/v1/import", &line);
    }
    // Recent parts become visible to queries.
    request(port, "/internal/force_flush", "");
}

fn request(port: u16, path: &str, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("a request");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("an answer");
    assert!(answer.contains(" 200 ") || answer.contains(" 204 "), "{path}: {}", answer.lines().next().unwrap_or(""));
}

/// A command on `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())
}
