//! What a decision takes in the history, and how long answers take, over `RECORDS` decisions (a million unless told).
//!
//!     RECORDS=10000000 cargo bench --bench history

use watchbell::clock::Stopwatch;
use watchbell::history::{Decision, History, Limits, Query, Time, What};
use watchbell::model::{Labels, MatchOp, Matcher};

fn alert(n: u64) -> Labels {
    Labels::from_pairs([
        ("alertname", format!("A{}", n % 3)),
        ("instance", format!("host-{n}")),
        ("severity", "critical".into()),
    ])
}

/// Something about alert `n`: that it fires, or that one of two receivers was told of it.
fn decision(time: i64, n: u64) -> Decision {
    if n.is_multiple_of(3) {
        return Decision::about(time, alert(n), What::Firing { rule: None, value: None, active_at: Time(time) });
    }
    Decision {
        receiver: Some(if n.is_multiple_of(2) { "team" } else { "other" }.into()),
        group_key: Some(format!("{{}}:{{n={}}}", n % 2).into()),
        notification: Some(n),
        ..Decision::about(time, alert(n), What::Sent { attempt: 1 })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records: u64 = std::env::var("RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir()?;
    let history = History::open(dir.path(), Limits { size: u64::MAX, ..Limits::default() })?;
    let begun = Stopwatch::start();
    for turn in 0..records / 10 {
        // One in ten thousand is about an alert of its own.
        let of = |n: u64| if n.is_multiple_of(10_000) { n } else { n % 5_000 };
        history.record((0..10).map(|i| decision((turn * 1_000).cast_signed(), of(turn * 10 + i))).collect());
    }
    let written = begun.elapsed();
    history.settle();
    let bytes = history.health().bytes;
    let each = written.as_secs_f64() * 1e6 / records as f64;
    println!("{records} decisions: {:.1} bytes each, recorded in {each:.2} us each", bytes as f64 / records as f64);
    let rare = alert(records / 2 / 10_000 * 10_000);
    let instance =
        |value: &str| -> Result<_, String> { Ok(vec![vec![Matcher::new(MatchOp::Equal, "instance", value)?]]) };
    for (what, query) in [
        ("the newest 100", Query::default()),
        ("a rare alert", Query { fingerprint: Some(rare.fingerprint()), ..Query::default() }),
        ("a rare alert by label", Query { selectors: instance(rare.value("instance"))?, ..Query::default() }),
        ("a notification", Query { notification: Some(4_243), ..Query::default() }),
        ("nothing", Query { selectors: instance("nowhere")?, ..Query::default() }),
        ("the first thousand seconds", Query { from: Some(0), to: Some(1_000_000), ..Query::default() }),
    ] {
        let query = Query { limit: 100, ..query };
        let begun = Stopwatch::start();
        let page = history.query(&query);
        println!("{what}: {} decisions in {:.1} ms", page.decisions.len(), begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}
