//! The fault simulator over some seeds; `.ci/run` and `cargo run --release --example simulate` run more.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::simulator::{Sabotage, Stats, run};

const SEEDS: u64 = 250;
/// Seeds that found something once.
const FOUND: [u64; 2] = [11_384, 18_296];

#[test]
fn whatever_fails_every_page_goes_out_once_and_every_page_is_resolved() {
    let next = AtomicU64::new(0);
    let work = || {
        let mut stats = Stats::default();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let found = n.checked_sub(SEEDS).map(|n| FOUND.get(n as usize).copied());
            let Some(seed) = found.unwrap_or(Some(n)) else { return stats };
            stats.add(run(seed, false, None).unwrap_or_else(|failure| panic!("{failure}")));
        }
    };
    let mut total = Stats::default();
    std::thread::scope(|scope| {
        for worker in [scope.spawn(work), scope.spawn(work)] {
            total.add(worker.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        }
    });
    assert!(total.crashes > 30 && total.messages > 1000, "the simulation must do something: {total:?}");
}

#[test]
fn one_seed_is_one_run() {
    let twice = [run(3, false, None), run(3, false, None)].map(|r| r.map(|s| (s.turns, s.crashes, s.messages)));
    assert_eq!(twice[0], twice[1]);
}

/// A checker that sees nothing is worth nothing: whatever the hands do wrong, some seed fails for it.
#[test]
fn the_checker_sees_every_property_break() {
    for (sabotage, property) in Sabotage::ALL {
        let sees = |seed| run(seed, false, Some(sabotage)).is_err_and(|failure| failure.contains(property));
        assert!((0..40).any(sees), "{sabotage:?} breaks nothing that is seen");
    }
}
