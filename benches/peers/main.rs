//! Watchbell beside Prometheus and VictoriaMetrics on the same work in the same run.
//!
//! ```text
//! cargo bench --bench peers                       # everything: ingest, queries, rule cycles
//! cargo bench --bench peers -- --small            # a tenth of the data: a smoke test
//! cargo bench --bench peers -- --only queries     # ingest, queries, rules or feed
//! cargo bench --bench peers -- --only rules --rule-series 100000 --selectors own   # 20,000 and 100,000, shared and own
//! cargo bench --bench peers -- --peers watchbell,prometheus                        # not all of them
//! cargo bench --bench peers -- --runs 3          # timed runs of a query; 7 by default
//! cargo bench --bench peers -- --query deriv      # only queries with this text
//! cargo bench --bench peers -- --only ingest --hold   # leave the servers up with the data, until the input ends
//! cargo bench --bench peers -- --dataset fleet      # synthetic, fleet or both
//! ```
//!
//! `prometheus` and `victoria-metrics` are looked up on `PATH`; the Watchbell that is measured is the release binary of
//! this crate. All servers run on loopback with their own data directories, which are removed afterwards. Figures are
//! medians and ratios against a peer; absolute times only show what the ratios are made of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod data;
mod feed;
mod http;
mod load;
mod proc;
mod queries;
mod rules;
mod summary;
mod wire;

use std::path::PathBuf;

/// What to run.
pub struct Options {
    /// Series of the generated data set.
    pub series: usize,
    /// Samples a series, 15 s apart.
    pub samples: usize,
    /// Timed runs of a query.
    pub runs: usize,
    /// Evaluation cycles that are measured.
    pub cycles: u32,
    /// Rules generated over the fleet.
    pub rules: usize,
    /// Series of the generated data set under rules.
    pub rule_series: Vec<usize>,
    /// Only rules whose selectors are `shared` or `own`.
    pub selectors: Option<String>,
    /// Seconds of the feed under which queries are asked.
    pub feed_seconds: u64,
    peers: Option<String>,
    /// Only queries that contain this.
    pub query: Option<String>,
    /// Leave the servers up after the ingest, until the standard input ends.
    pub hold: bool,
    /// The data set, `synthetic` or `fleet`; both when not given.
    pub dataset: Option<String>,
    only: Option<String>,
    /// Where the servers keep their data.
    pub dir: PathBuf,
}

impl Options {
    fn parse() -> Self {
        let mut o = Options {
            series: 20_000,
            samples: 1_440,
            runs: 7,
            cycles: 6,
            rules: 1_000,
            rule_series: vec![20_000, 100_000],
            selectors: None,
            feed_seconds: 60,
            peers: None,
            query: None,
            hold: false,
            dataset: None,
            only: None,
            dir: std::env::temp_dir().join(format!("watchbell-peers-{}", std::process::id())),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--small" => {
                    (o.series, o.samples, o.runs, o.cycles, o.rules) = (2_000, 1_440, 3, 2, 100);
                    (o.rule_series, o.feed_seconds) = (vec![2_000], 10);
                }
                "--dataset" => o.dataset = args.next(),
                "--only" => o.only = args.next(),
                "--runs" => o.runs = args.next().and_then(|n| n.parse().ok()).expect("--runs takes a number"),
                "--cycles" => o.cycles = args.next().and_then(|n| n.parse().ok()).expect("--cycles takes a number"),
                "--rule-series" => {
                    o.rule_series =
                        vec![args.next().and_then(|n| n.parse().ok()).expect("--rule-series takes a number")];
                }
                "--selectors" => o.selectors = args.next(),
                "--peers" => o.peers = args.next(),
                "--query" => o.query = args.next(),
                "--hold" => o.hold = true,
                // What cargo passes to every bench target.
                "--bench" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        o
    }

    /// Whether a data set is asked for.
    pub fn takes(&self, dataset: &str) -> bool {
        self.dataset.as_deref().is_none_or(|d| d == dataset || d == "both")
    }

    /// Whether a server is to be measured.
    pub fn peer(&self, kind: proc::Kind) -> bool {
        self.peers.as_deref().is_none_or(|all| all.split(',').any(|p| p == kind.name()))
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn main() {
    let options = Options::parse();
    let missing = ["prometheus", "victoria-metrics", "vmalert"]
        .into_iter()
        .filter(|p| proc::find(p).is_none())
        .collect::<Vec<_>>();
    if !missing.is_empty() {
        println!("skipped: not on PATH: {}", missing.join(", "));
        return;
    }
    std::fs::create_dir_all(&options.dir).expect("a directory for the servers' data");
    let client = http::Client::new();
    let mut summary = summary::Summary::default();
    if options.wants("queries") || options.wants("ingest") {
        queries::run(&options, &client, &mut summary);
    }
    if options.wants("rules") {
        rules::run(&options, &client, &mut summary);
    }
    if options.wants("feed") {
        feed::run(&options, &client, &mut summary);
    }
    summary.print();
    let _ = std::fs::remove_dir_all(&options.dir);
}
