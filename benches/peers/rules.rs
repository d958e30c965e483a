//! The same rule files in Prometheus, vmalert with VictoriaMetrics, and Watchbell: CPU seconds an evaluation cycle, and
//! resident memory.
//!
//! Samples come in all the time, a thousand series after the other. Beside every server with rules runs one without, which
//! takes in the same samples at the same times: what it uses is the cost of samples and of being there, and is taken off.
//! The servers' own counters tell how many rules were evaluated, so a cycle that was skipped does not pass for a fast one.
//! All servers run at once, through the same cycles.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Options;
use crate::http::Client;
use crate::load::{self, Load, Selectors};
use crate::proc::{self, Kind, Server};
use crate::summary::Summary;
use crate::wire;

const INTERVAL: i64 = 15_000;
/// Cycles begin and end, and figures are read, this long after a full interval: between the ticks at which Watchbell's
/// groups meet, so that no group is caught half way.
const DELAY: i64 = 2_500;
/// History before the first cycle, so that windows are full.
const HISTORY: i64 = 3_600_000;
/// Series in one request.
const SERIES_PER_REQUEST: usize = 1_000;

/// Runs the part and prints its tables.
pub fn run(options: &Options, client: &Client, summary: &mut Summary) {
    if options.takes("synthetic") {
        for series in &options.rule_series {
            for selectors in [Selectors::Shared, Selectors::Own] {
                if options.selectors.as_deref().is_none_or(|s| selectors.name().starts_with(s)) {
                    run_one(options, client, &|_| load::synthetic(*series), selectors, summary);
                }
            }
        }
    }
    if options.takes("fleet") && options.selectors.as_deref().is_none_or(|s| s == "shared") {
        run_one(options, client, &load::fleet, Selectors::Shared, summary);
    }
}

fn run_one(
    options: &Options,
    client: &Client,
    load: &dyn Fn(i64) -> Load,
    selectors: Selectors,
    summary: &mut Summary,
) {
    let begin = now() / INTERVAL * INTERVAL - HISTORY;
    let mut part = Part::start(load(begin), selectors, options, client);
    let mut t = begin;
    while t + 2 * INTERVAL + DELAY <= now() {
        // Never past now: what comes next is written as it happens.
        let samples = ((now() - t - DELAY) / INTERVAL).min(20);
        (0..part.requests()).for_each(|k| part.write(k, t, samples));
        t += samples * INTERVAL;
    }
    // One cycle to come to rest after the history, then those that are measured.
    for cycle in 0..=options.cycles {
        sleep_until(t + DELAY);
        if cycle > 0 {
            part.read(client, cycle == 1);
        }
        for k in 0..part.requests() {
            sleep_until(part.due(k, t));
            part.write(k, t, 1);
        }
        t += INTERVAL;
    }
    let late = now() - (t + DELAY);
    if late > INTERVAL / 3 {
        println!("Not sound: the feed was {late} ms late.");
    }
    sleep_until(t + DELAY);
    part.read(client, false);
    part.print(summary);
}

fn sleep_until(t: i64) {
    std::thread::sleep(Duration::from_millis((t - now()).max(0) as u64));
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

/// One data set in its servers.
struct Part {
    load: Load,
    selectors: Selectors,
    rules: usize,
    pairs: Vec<Pair>,
    /// One for each server.
    clients: Vec<Client>,
}

/// A server with rules and one without, and what was read of them at the end of every cycle.
struct Pair {
    ruled: Server,
    plain: Server,
    readings: Vec<Reading>,
    begin: [f64; 2],
}

/// Of one cycle.
struct Reading {
    /// CPU seconds, with rules and without.
    cpu: [f64; 2],
    /// Resident bytes, with rules and without.
    resident: [u64; 2],
    counts: Counts,
}

/// What a server says of its rules, since its start.
#[derive(Clone, Copy, Default)]
struct Counts {
    evaluations: f64,
    failures: f64,
    iterations: f64,
    missed: f64,
}

impl Part {
    fn start(load: Load, selectors: Selectors, options: &Options, client: &Client) -> Part {
        let dir =
            options.dir.join(format!("{}-{}-{}", load.name, load.series.len(), selectors.name().replace(' ', "-")));
        std::fs::create_dir_all(&dir).expect("a directory for rule files");
        let (files, rules) = load.rule_files(&dir, options.rules, selectors);
        let start = |kind: Kind, files: &[PathBuf]| proc::start(kind, &dir, files, client);
        let pair = |kind: Kind| Pair {
            ruled: start(kind, &files),
            plain: start(kind, &[]),
            readings: Vec::new(),
            begin: [0.0; 2],
        };
        let kinds = [Kind::Prometheus, Kind::VictoriaMetrics, Kind::Watchbell];
        let pairs: Vec<Pair> = kinds.into_iter().filter(|k| options.peer(*k)).map(pair).collect();
        let clients = pairs.iter().flat_map(|_| [Client::new(), Client::new()]).collect();
        Part { load, selectors, rules, pairs, clients }
    }

    /// How many requests a sample of every series takes.
    fn requests(&self) -> usize {
        self.load.series.len().div_ceil(SERIES_PER_REQUEST)
    }

    /// When the series of request `k` have their sample of the cycle at `t`.
    fn due(&self, k: usize, t: i64) -> i64 {
        t + DELAY + k as i64 * INTERVAL / self.requests() as i64
    }

    /// Writes the next samples of the series of request `k` to all servers.
    fn write(&mut self, k: usize, t: i64, samples: i64) {
        let due = self.due(k, t);
        let times = || (0..samples).map(|n| due + n * INTERVAL);
        let Some(chunk) = self.load.series.chunks_mut(SERIES_PER_REQUEST).nth(k) else { return };
        let values: Vec<Vec<(i64, f64)>> =
            chunk.iter_mut().map(|s| times().map(|t| (t, (s.next)(t))).collect()).collect();
        let series = chunk.iter().zip(&values).map(|(s, v)| wire::Series { labels: &s.labels, samples: v });
        let body = wire::write_request(series);
        // To all at once: on a busy machine the feed would not keep up otherwise.
        let (body, clients) = (&body, &self.clients);
        let servers = self.pairs.iter().flat_map(|p| [&p.ruled, &p.plain]);
        std::thread::scope(|scope| {
            for (s, client) in servers.zip(clients) {
                scope.spawn(move || {
                    let answer = client.remote_write(&format!("{}/api/v1/write", s.url), body.clone());
                    let answer = answer.expect("remote write");
                    assert!(answer.status < 300, "{}: {}", s.kind.name(), String::from_utf8_lossy(&answer.body));
                });
            }
        });
    }

    /// Reads what the servers used in the cycle that ends now. What the reading itself costs is in no cycle.
    fn read(&mut self, client: &Client, first: bool) {
        for pair in &mut self.pairs {
            let servers = [&pair.ruled, &pair.plain];
            let [ruled, plain] = servers.map(Server::cpu_seconds);
            let cpu = if first { [0.0; 2] } else { [ruled - pair.begin[0], plain - pair.begin[1]] };
            let resident = servers.map(Server::resident_bytes);
            let counts = Counts::of(client, &pair.ruled);
            pair.readings.push(Reading { cpu, resident, counts });
            pair.begin = servers.map(Server::cpu_seconds);
        }
    }

    fn print(&self, summary: &mut Summary) {
        let (load, rules) = (&self.load, self.rules);
        let cycles = self.pairs.first().map_or(0, |p| p.readings.len() - 1);
        println!(
            "\n## Rule cycles, {}: {rules} rules of {}, {} series, {cycles} cycles of 15 s\n",
            load.name,
            self.selectors.name(),
            load.series.len()
        );
        println!("| | {} |", self.pairs.iter().map(|p| p.ruled.kind.name()).collect::<Vec<_>>().join(" | "));
        println!("|---|{}", "---:|".repeat(self.pairs.len()));
        let row = |what: &str, figure: &dyn Fn(&Pair) -> String| {
            println!("| {what} | {} |", self.pairs.iter().map(figure).collect::<Vec<_>>().join(" | "));
        };
        let n = cycles as f64;
        row("CPU s a cycle", &|p| format!("{:.3}", p.cpu(0) / n));
        row("of that without rules", &|p| format!("{:.3}", p.cpu(1) / n));
        row("rules alone, mean", &|p| format!("{:.3}", p.rules_alone() / n));
        row("rules alone, median (least, most)", &|p| {
            let mut all: Vec<f64> = p.readings.iter().skip(1).map(|r| r.cpu[0] - r.cpu[1]).collect();
            all.sort_by(f64::total_cmp);
            format!("{:.3} ({:.3}, {:.3})", all[all.len() / 2], all[0], all[all.len() - 1])
        });
        row("rules evaluated a cycle", &|p| format!("{:.1}", p.counted(|c| c.evaluations) / n));
        row("groups evaluated a cycle", &|p| format!("{:.1}", p.counted(|c| c.iterations - c.missed) / n));
        row("evaluations failed", &|p| format!("{:.0}", p.counted(|c| c.failures)));
        row("CPU ms for 1,000 rules evaluated", &|p| format!("{:.2}", p.of_a_thousand()));
        row("resident MB after the first cycle", &|p| format!("{:.1}", p.resident(1)));
        row("resident MB after the last cycle", &|p| format!("{:.1}", p.resident(cycles)));
        row("of that without rules", &|p| {
            format!("{:.1}", p.readings.last().map_or(0.0, |r| r.resident[1] as f64 / 1e6))
        });
        let what = format!("{rules} rules a cycle, {}, {} series", self.selectors.name(), load.series.len());
        let all =
            |figure: &dyn Fn(&Pair) -> f64| self.pairs.iter().map(|p| (p.ruled.kind, figure(p))).collect::<Vec<_>>();
        summary.add(format!("{what}: CPU, ingest taken off"), all(&|p| p.of_a_thousand()));
        summary.add(format!("{what}: resident"), all(&|p| p.resident(cycles)));
        let plain = |p: &Pair| p.readings.last().map_or(0.0, |r| r.resident[1] as f64);
        summary.add(format!("{} series, fed, no rules: resident", load.series.len()), all(&plain));
        for p in &self.pairs {
            let evaluated = p.counted(|c| c.evaluations) / n;
            if (evaluated - rules as f64).abs() > 0.03 * rules as f64 {
                println!("Not sound: {} evaluated {evaluated:.0} of {rules} rules a cycle.", p.ruled.kind.name());
            }
        }
    }
}

impl Pair {
    fn cpu(&self, which: usize) -> f64 {
        self.readings.iter().map(|r| r.cpu[which]).sum()
    }

    fn rules_alone(&self) -> f64 {
        self.cpu(0) - self.cpu(1)
    }

    /// What a counter grew by over all cycles.
    fn counted(&self, what: impl Fn(&Counts) -> f64) -> f64 {
        match (self.readings.first(), self.readings.last()) {
            (Some(first), Some(last)) => what(&last.counts) - what(&first.counts),
            _ => 0.0,
        }
    }

    /// Milliseconds of CPU for 1,000 rules evaluated.
    fn of_a_thousand(&self) -> f64 {
        self.rules_alone() / self.counted(|c| c.evaluations) * 1e6
    }

    fn resident(&self, cycle: usize) -> f64 {
        self.readings.get(cycle).map_or(0.0, |r| r.resident[0] as f64 / 1e6)
    }
}

impl Counts {
    fn of(client: &Client, server: &Server) -> Counts {
        let answer = client.get(&server.metrics, &[]).expect("metrics");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let sum = |name: &str| -> f64 {
            let is_named = |l: &&str| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            let values = text.lines().filter(is_named).filter_map(|l| l.rsplit(' ').next());
            values.filter_map(|v| v.parse::<f64>().ok()).sum()
        };
        if server.kind == Kind::VictoriaMetrics {
            return Counts {
                evaluations: sum("vmalert_execution_total"),
                failures: sum("vmalert_execution_errors_total"),
                iterations: sum("vmalert_iteration_total"),
                missed: sum("vmalert_iteration_missed_total"),
            };
        }
        let of = |name: &str| sum(&format!("{}_{name}", server.kind.name()));
        Counts {
            evaluations: of("rule_evaluations_total"),
            failures: of("rule_evaluation_failures_total"),
            iterations: of("rule_group_iterations_total"),
            missed: of("rule_group_iterations_missed_total"),
        }
    }
}
