//! Memory under churn: series that come and end all the time, fed by remote write to Watchbell and Prometheus at once.
//!
//! ```text
//! cargo bench --bench churn                        # 1,000 new series a second for an hour
//! cargo bench --bench churn -- --minutes 15        # of samples' time
//! cargo bench --bench churn -- --speed 6           # six seconds of samples a second: an hour in ten minutes
//! cargo bench --bench churn -- --new 200           # new series a second
//! cargo bench --bench churn -- --only watchbell    # or prometheus
//! ```
//!
//! A series gets a sample every 15 s and ends after a minute; 10,000 others go on. Every minute it prints what is resident;
//! at the end both are asked the same, and have to answer the same. Samples' time ends now, so at a higher speed it begins
//! in the past.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

#[path = "../peers/http.rs"]
mod http;
#[path = "../peers/proc.rs"]
#[allow(dead_code, reason = "shared by two benches")]
mod proc;
#[path = "../peers/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use proc::{Kind, Server};

/// Seconds between samples of a series, and for how long it gets them.
const INTERVAL: u64 = 15;
const LIFE: u64 = 60;
/// Series that go on.
const STEADY: u64 = 10_000;
/// Series of one request.
const BATCH: usize = 2_000;

struct Options {
    minutes: u64,
    speed: u64,
    new: u64,
    only: Option<String>,
    dir: PathBuf,
}

impl Options {
    fn parse() -> Self {
        let dir = std::env::temp_dir().join(format!("watchbell-churn-{}", std::process::id()));
        let mut o = Options { minutes: 60, speed: 1, new: 1_000, only: None, dir };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut number =
                || args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or_else(|| panic!("{arg} N"));
            match arg.as_str() {
                "--minutes" => o.minutes = number(),
                "--speed" => o.speed = number(),
                "--new" => o.new = number(),
                "--only" => o.only = args.next(),
                // What cargo passes to every bench target.
                "--bench" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        o
    }
}

fn main() {
    let options = Options::parse();
    if proc::find("prometheus").is_none() && options.only.as_deref() != Some("watchbell") {
        println!("skipped: prometheus is not on PATH");
        return;
    }
    std::fs::create_dir_all(&options.dir).expect("a directory for the servers' data");
    let client = http::Client::new();
    let kinds = [Kind::Watchbell, Kind::Prometheus].into_iter();
    let wanted = |kind: &Kind| options.only.as_deref().is_none_or(|only| only == kind.name());
    let servers: Vec<Server> = kinds.filter(wanted).map(|kind| proc::start(kind, &options.dir, &[], &client)).collect();
    run(&options, &client, &servers);
    drop(servers);
    let _ = std::fs::remove_dir_all(&options.dir);
}

fn run(options: &Options, client: &http::Client, servers: &[Server]) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let seconds = options.minutes * 60;
    let first = now - (seconds * 1000) as i64 * (options.speed as i64 - 1) / options.speed as i64;
    let begin = Instant::now();
    println!("minute  series so far  {}", servers.iter().map(|s| format!("{:>12}", s.kind.name())).collect::<String>());
    for second in 0..seconds {
        let due = Duration::from_millis(second * 1000 / options.speed);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        feed(client, servers, second, first + (second * 1000) as i64, options.new);
        if (second + 1).is_multiple_of(60) {
            report(servers, (second + 1) / 60, STEADY + options.new * (second + 1));
        }
    }
    println!("fed {} s of samples in {:.0} s", seconds, begin.elapsed().as_secs_f64());
    let cpu: Vec<String> = servers.iter().map(|s| format!("{} {:.1}", s.kind.name(), s.cpu_seconds())).collect();
    println!("CPU seconds: {}", cpu.join(", "));
    let end = first + ((seconds - 1) * 1000) as i64;
    let span = (seconds - 1).min(1800);
    for query in [
        "count(churned_total)".to_owned(),
        "count(steady)".to_owned(),
        format!("count(count_over_time(churned_total{{job=\"svc-3\"}}[{span}s]))"),
        format!("sum(max_over_time(churned_total{{job=\"svc-7\",pod=~\".*[02]7\"}}[{span}s]))"),
    ] {
        ask(client, servers, &query, end);
    }
}

/// Sends what is due in one second of samples' time.
fn feed(client: &http::Client, servers: &[Server], second: u64, t: i64, new: u64) {
    let ages = (0..LIFE).step_by(INTERVAL as usize).filter_map(|age| second.checked_sub(age));
    let churned = ages.flat_map(|born| (0..new).map(move |i| churned(born * new + i, (second - born) as f64)));
    let steady = (0..STEADY).filter(|i| i % INTERVAL == second % INTERVAL).map(|i| steady(i, second as f64));
    let rows: Vec<(Vec<(String, String)>, f64)> = churned.chain(steady).collect();
    for batch in rows.chunks(BATCH) {
        let samples: Vec<[(i64, f64); 1]> = batch.iter().map(|(_, v)| [(t, *v)]).collect();
        let series = batch.iter().zip(&samples).map(|((labels, _), samples)| wire::Series { labels, samples });
        let body = wire::write_request(series);
        for server in servers {
            let answer = client.remote_write(&format!("{}/api/v1/write", server.url), body.clone()).expect("an answer");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status < 300, "{}: {} {text}", server.kind.name(), answer.status);
        }
    }
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn churned(i: u64, value: f64) -> (Vec<(String, String)>, f64) {
    let labels = pairs([
        ("__name__", "churned_total".to_owned()),
        ("cluster", "eu-1".to_owned()),
        ("instance", format!("10.{}.{}.{}:8080", i / 65_536 % 256, i / 256 % 256, i % 256)),
        ("job", format!("svc-{}", i % 20)),
        ("namespace", format!("team-{}", i % 7)),
        ("pod", format!("svc-{}-{:08x}-{}", i % 20, i.wrapping_mul(2_654_435_761) as u32, i)),
    ]);
    (labels, value)
}

fn steady(i: u64, value: f64) -> (Vec<(String, String)>, f64) {
    let labels = pairs([
        ("__name__", "steady".to_owned()),
        ("cluster", "eu-1".to_owned()),
        ("instance", format!("node-{}:9100", i / 100)),
        ("job", "node".to_owned()),
        ("device", format!("disk-{}", i % 100)),
    ]);
    let mut labels = labels;
    labels.sort();
    (labels, value)
}

fn report(servers: &[Server], minute: u64, series: u64) {
    let resident: Vec<u64> = servers.iter().map(Server::resident_bytes).collect();
    let shown: String = resident.iter().map(|b| format!("{:>9} MiB", b >> 20)).collect();
    let ratio = match resident.as_slice() {
        [ours, theirs] => format!("  {:.1} times ours", *theirs as f64 / (*ours).max(1) as f64),
        _ => String::new(),
    };
    println!("{minute:>6}  {series:>13}  {shown}{ratio}");
}

fn ask(client: &http::Client, servers: &[Server], query: &str, at: i64) {
    let (mut values, mut shown) = (Vec::new(), Vec::new());
    for server in servers {
        let time = format!("{:.3}", at as f64 / 1000.0);
        let parameters = [("query", query.to_owned()), ("time", time)];
        let answer = client.get(&format!("{}/api/v1/query", server.url), &parameters).expect("an answer");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        values.push(json["data"]["result"][0]["value"][1].to_string());
        shown.push(format!("{} {:.0} ms", server.kind.name(), answer.took.as_secs_f64() * 1000.0));
    }
    println!("{query} = {}: {}", values[0], shown.join(", "));
    assert!(values.iter().all(|v| *v == values[0]), "the answers differ: {values:?}");
}
