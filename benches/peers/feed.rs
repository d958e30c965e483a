//! Instant queries while 100,000 samples a second come in: 100,000 series, each of them once a second.
//!
//! One server after the other, each under the same feed for as long, so that none waits for another. Every query is asked
//! once a round; rounds begin at fixed times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Options;
use crate::http::Client;
use crate::load::{self, Load};
use crate::proc::{self, Kind};
use crate::queries;
use crate::summary::Summary;
use crate::wire;

/// Milliseconds between two samples of a series.
const INTERVAL: i64 = 1_000;
const SERIES: usize = 100_000;
const SERIES_PER_REQUEST: usize = 1_000;
/// Samples a series before the feed begins, 15 s apart.
const HISTORY: i64 = 60;
/// Queries whose answers are small: what is timed is not the printing of 20,000 series.
const QUERIES: usize = 33;

/// Runs the part and prints its table.
pub fn run(options: &Options, client: &Client, summary: &mut Summary) {
    let asked: Vec<&str> = queries::SYNTHETIC.iter().copied().filter(|q| !is_raw(q)).take(QUERIES).collect();
    let kinds = [Kind::Prometheus, Kind::VictoriaMetrics, Kind::Watchbell].into_iter().filter(|k| options.peer(*k));
    let all: Vec<(Kind, Outcome)> = kinds.map(|kind| (kind, under_feed(kind, &asked, options, client))).collect();
    println!("\n## {} instant queries while 100,000 samples a second come in, milliseconds\n", asked.len());
    println!("| server | median | p99 | most | rounds | CPU s | resident MB |\n|---|---:|---:|---:|---:|---:|---:|");
    for (kind, o) in &all {
        println!(
            "| {} | {:.2} | {:.1} | {:.1} | {} | {:.1} | {:.0} |",
            kind.name(),
            o.quantile(0.5),
            o.quantile(0.99),
            o.quantile(1.0),
            o.rounds,
            o.cpu,
            o.resident / 1e6
        );
    }
    println!("\n| query | {} |", all.iter().map(|(k, _)| k.name()).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---:|".repeat(all.len()));
    for (i, query) in asked.iter().enumerate() {
        let figures: Vec<String> = all.iter().map(|(_, o)| format!("{:.2}", o.median_of(i))).collect();
        println!("| `{}` | {} |", query.replace('|', "\\|"), figures.join(" | "));
    }
    let ratios = |kind: Kind| -> Option<f64> {
        let of = |kind: Kind| all.iter().find(|(k, _)| *k == kind).map(|(_, o)| o);
        let (peer, own) = (of(kind)?, of(Kind::Watchbell)?);
        let mut each: Vec<f64> = (0..asked.len()).map(|i| peer.median_of(i) / own.median_of(i)).collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2).copied()
    };
    let typical = |kind: Kind| (kind, if kind == Kind::Watchbell { 1.0 } else { ratios(kind).unwrap_or(f64::NAN) });
    summary.add(
        "queries under 100,000 samples/s: median of the queries' ratios".into(),
        all.iter().map(|(k, _)| typical(*k)).collect(),
    );
    let p99 = all.iter().map(|(k, o)| (*k, o.quantile(0.99))).collect();
    summary.add("queries under 100,000 samples/s: p99 of all".into(), p99);
    summary.add("under that feed: resident".into(), all.iter().map(|(k, o)| (*k, o.resident)).collect());
}

/// Whether the answer has a row for each of very many series.
fn is_raw(query: &str) -> bool {
    ["gpu_temperature_celsius", "rate(http_requests_total[5m])", "increase(http_requests_total[1h]) > 100"]
        .contains(&query)
        || query.starts_with("irate(")
        || query.starts_with("clamp_max(")
}

/// What a server did under the feed.
struct Outcome {
    /// Milliseconds of each query, round by round.
    took: Vec<Vec<f64>>,
    rounds: usize,
    cpu: f64,
    resident: f64,
}

impl Outcome {
    fn quantile(&self, q: f64) -> f64 {
        let mut all: Vec<f64> = self.took.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let at = ((all.len() as f64 * q).ceil() as usize).clamp(1, all.len().max(1)) - 1;
        all.get(at).copied().unwrap_or(f64::NAN)
    }

    fn median_of(&self, query: usize) -> f64 {
        let mut all = self.took.get(query).cloned().unwrap_or_default();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

fn under_feed(kind: Kind, asked: &[&str], options: &Options, client: &Client) -> Outcome {
    let server = proc::start(kind, &options.dir.join("feed"), &[], client);
    let write = format!("{}/api/v1/write", server.url);
    let (ended, began) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let client = Client::new();
            let mut load = load::synthetic(SERIES);
            let first = now() - HISTORY * 15_000;
            send(&client, &write, &mut load, first, HISTORY, 15_000);
            began.store(true, Ordering::SeqCst);
            let mut t = first + HISTORY * 15_000;
            while !ended.load(Ordering::SeqCst) {
                send(&client, &write, &mut load, t, 1, INTERVAL);
                t += INTERVAL;
                std::thread::sleep(Duration::from_millis((t - now()).max(0) as u64));
            }
            let late = (now() - t) / INTERVAL;
            if late > 2 {
                println!("Not sound: {} was fed {late} s late.", kind.name());
            }
        });
        while !began.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_secs(5));
        let outcome = ask(&server, asked, options, client);
        ended.store(true, Ordering::SeqCst);
        outcome
    })
}

fn ask(server: &proc::Server, asked: &[&str], options: &Options, client: &Client) -> Outcome {
    let round = Duration::from_secs(6);
    let rounds = (options.feed_seconds / round.as_secs()).max(1) as usize;
    let (begin, cpu) = (Instant::now(), server.cpu_seconds());
    let mut took = vec![Vec::new(); asked.len()];
    for n in 0..rounds {
        std::thread::sleep((round * n as u32).saturating_sub(begin.elapsed()));
        for (query, took) in asked.iter().zip(&mut took) {
            let parameters = [("query", (*query).to_owned()), ("time", format!("{:.3}", now() as f64 / 1e3))];
            let answer = client.get(&format!("{}/api/v1/query", server.url), &parameters).expect("an answer");
            assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.body));
            took.push(answer.took.as_secs_f64() * 1e3);
        }
    }
    let cpu = server.cpu_seconds() - cpu;
    Outcome { took, rounds, cpu, resident: server.resident_bytes() as f64 }
}

/// Writes `samples` samples of every series, from `t` on, a thousand series at a time.
fn send(client: &Client, url: &str, load: &mut Load, t: i64, samples: i64, interval: i64) {
    for chunk in load.series.chunks_mut(SERIES_PER_REQUEST) {
        let times = || (0..samples).map(|k| t + k * interval);
        let values: Vec<Vec<(i64, f64)>> =
            chunk.iter_mut().map(|s| times().map(|t| (t, (s.next)(t))).collect()).collect();
        let series = chunk.iter().zip(&values).map(|(s, v)| wire::Series { labels: &s.labels, samples: v });
        let answer = client.remote_write(url, wire::write_request(series)).expect("remote write");
        assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.body));
    }
}
