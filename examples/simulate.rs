//! Runs the fault simulator for as many seeds as asked: `cargo run --release --example simulate -- --seeds 100000`. A seed
//! that fails is printed, and the exit code is 1; `--seed S` plays one seed step by step. With `--sabotage` the hands do
//! something wrong, to see that the checker sees it.

#![allow(clippy::expect_used)]

#[path = "../tests/simulator/mod.rs"]
mod simulator;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulator::{Sabotage, Stats};

/// The program's own: a third of a run is allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "simulate [--seeds N] [--from SEED] | --seed SEED, either with [--sabotage WHAT]";
/// More failing seeds than these are not worth reading.
const MOST_FAILURES: usize = 20;

struct Asked {
    from: u64,
    seeds: u64,
    one: Option<u64>,
    sabotage: Option<Sabotage>,
}

fn asked() -> Option<Asked> {
    let mut asked = Asked { from: 0, seeds: 1000, one: None, sabotage: None };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next()?;
        let number = value.parse().ok();
        match flag.as_str() {
            "--seeds" => asked.seeds = number?,
            "--from" => asked.from = number?,
            "--seed" => asked.one = Some(number?),
            "--sabotage" => {
                let mut known = Sabotage::ALL.into_iter().map(|(sabotage, _)| sabotage);
                asked.sabotage = Some(known.find(|s| format!("{s:?}") == value)?);
            }
            _ => return None,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    match asked.one {
        Some(seed) => match simulator::run(seed, true, asked.sabotage) {
            Ok(stats) => {
                println!("seed {seed}: all that must hold holds; {stats:?}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                println!("{failure}");
                ExitCode::FAILURE
            }
        },
        None => run_all(&asked),
    }
}

fn run_all(asked: &Asked) -> ExitCode {
    let end = asked.from.saturating_add(asked.seeds);
    let (next, total, failed) = (AtomicU64::new(asked.from), Mutex::new(Stats::default()), Mutex::new(Vec::new()));
    let work = || {
        let mut own = Stats::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || failed.lock().is_ok_and(|f| f.len() >= MOST_FAILURES) {
                break;
            }
            match simulator::run(seed, false, asked.sabotage) {
                Ok(stats) => own.add(stats),
                Err(failure) => {
                    println!("{failure}");
                    if let Ok(mut failed) = failed.lock() {
                        failed.push(seed);
                    }
                }
            }
        }
        if let Ok(mut total) = total.lock() {
            total.add(own);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap_or_default();
    let stats = total.into_inner().unwrap_or_default();
    println!("{} seeds from {}: {} failed {failed:?}; {stats:?}", asked.seeds, asked.from, failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
