//! `watchbell test rules` beside promtool, whole processes on the same files in the same run.
//!
//! ```text
//! cargo bench --bench rule_tests             # every file of WATCHBELL_SHARED/ruletests, and a month of error budget
//! ```
//!
//! `promtool` is looked up on `PATH`. Each file is run by both in turn; then all files by one process of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    let Some(promtool) = find("promtool") else {
        println!("skipped: promtool is not on PATH");
        return;
    };
    let mut rows = Vec::new();
    let files = files();
    for file in &files {
        let theirs = time(Command::new(&promtool).args(["test", "rules"]).arg(file));
        // Ours are so short that the least of three says what a process costs.
        let ours = (0..3).map(|_| time(watchbell().arg(file))).min().unwrap();
        rows.push((file, theirs, ours));
    }
    println!("| files | promtool s | watchbell s | ratio | least ratio of a file |\n|---|---:|---:|---:|---:|");
    let sum = |pick: fn(&(&PathBuf, Duration, Duration)) -> Duration| rows.iter().map(pick).sum::<Duration>();
    let (theirs, ours) = (sum(|r| r.1), sum(|r| r.2));
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    let (slowest, least) =
        rows.iter().map(|(f, a, b)| (f, ratio(*a, *b))).min_by(|a, b| a.1.total_cmp(&b.1)).expect("at least one file");
    println!(
        "| {}, one process a file | {:.2} | {:.2} | {:.1} | {least:.1} ({}) |",
        rows.len(),
        theirs.as_secs_f64(),
        ours.as_secs_f64(),
        ratio(theirs, ours),
        slowest.file_name().unwrap_or_default().to_string_lossy()
    );
    let one = time(watchbell().args(&files));
    println!(
        "| {}, one process for all of ours | {:.2} | {:.2} | {:.1} | |",
        rows.len(),
        theirs.as_secs_f64(),
        one.as_secs_f64(),
        ratio(theirs, one)
    );
    let month = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ruletest/month_test.yml");
    let (theirs, ours) =
        (time(Command::new(&promtool).args(["test", "rules"]).arg(&month)), time(watchbell().arg(&month)));
    println!(
        "| 30 days at one-minute steps, subqueries over weeks | {:.2} | {:.2} | {:.1} | |",
        theirs.as_secs_f64(),
        ours.as_secs_f64(),
        ratio(theirs, ours)
    );
}

fn watchbell() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(["test", "rules"]);
    command
}

fn files() -> Vec<PathBuf> {
    let Some(shared) = std::env::var_os("WATCHBELL_SHARED") else {
        println!("skipped: the field's files (WATCHBELL_SHARED is not set)");
        return vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ruletest/month_test.yml")];
    };
    let root = Path::new(&shared).join("ruletests");
    let index = std::fs::read_to_string(root.join("INDEX.tsv")).expect("INDEX.tsv");
    index.lines().skip(1).filter_map(|l| l.split('\t').next()).map(|f| root.join(f)).collect()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())
}

fn time(command: &mut Command) -> Duration {
    let begin = Instant::now();
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the command starts");
    begin.elapsed()
}
