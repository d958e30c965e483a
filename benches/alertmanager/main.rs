//! Watchbell's routing beside Alertmanager: one generated configuration, the same alerts, silences and questions.
//!
//! ```text
//! cargo bench --bench alertmanager                       # 100,000 alerts, 5,000 groups, 2,000 silences
//! cargo bench --bench alertmanager -- --small            # a tenth of everything
//! cargo bench --bench alertmanager -- --only watchbell   # or alertmanager
//! cargo bench --bench alertmanager -- --dead             # the receiver does not answer
//! cargo bench --bench alertmanager -- --watchbell FILE   # another binary than the one of this crate
//! ```
//!
//! `alertmanager` is looked up on `PATH`. The servers run one after the other on loopback, each with its own data
//! directory, which is removed afterwards. Figures are medians, and Alertmanager's divided by Watchbell's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod generate;
#[path = "../peers/http.rs"]
mod http;
mod run;
mod server;
mod sink;

use std::path::PathBuf;

/// What to run.
pub struct Options {
    /// Alerts, in groups of twenty.
    pub alerts: usize,
    /// Silences, every second one with a regular expression.
    pub silences: usize,
    /// Inhibition rules.
    pub inhibit_rules: usize,
    /// Alerts of one post.
    pub batch: usize,
    /// Seconds of idleness measured.
    pub idle: u64,
    /// Whether the receiver hangs.
    pub dead: bool,
    /// The Watchbell that is measured.
    pub watchbell: PathBuf,
    /// Where the servers keep their data.
    pub dir: PathBuf,
    only: Option<String>,
}

impl Options {
    fn parse() -> Self {
        let mut o = Options {
            alerts: 100_000,
            silences: 2_000,
            inhibit_rules: 100,
            batch: 500,
            idle: 20,
            dead: false,
            watchbell: env!("CARGO_BIN_EXE_watchbell").into(),
            dir: std::env::temp_dir().join(format!("watchbell-alertmanager-{}", std::process::id())),
            only: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut number =
                |name: &str| args.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{name} N"));
            match arg.as_str() {
                "--small" => (o.alerts, o.silences, o.inhibit_rules, o.idle) = (10_000, 200, 10, 5),
                "--alerts" => o.alerts = number("--alerts"),
                "--silences" => o.silences = number("--silences"),
                "--dead" => o.dead = true,
                "--only" => o.only = args.next(),
                "--watchbell" => o.watchbell = args.next().expect("--watchbell FILE").into(),
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
    std::fs::create_dir_all(&options.dir).expect("a directory");
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let measure = |kind: server::Kind| wanted(kind.name()).then(|| run::measure(kind, &options));
    let peer = measure(server::Kind::Alertmanager);
    let ours = measure(server::Kind::Watchbell);
    run::compare(peer.as_deref(), ours.as_deref());
    let _ = std::fs::remove_dir_all(&options.dir);
}
