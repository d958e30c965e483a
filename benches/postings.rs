//! From matchers to series: fresh selections, selections kept between evaluations, and what new series cost them.
#![allow(clippy::expect_used)] // a benchmark that cannot set itself up has nothing to measure

use criterion::{Criterion, criterion_group, criterion_main};

use watchbell::model::{Labels, MatchOp, Matcher};
use watchbell::tsdb::{Queryable, Tsdb};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 100 metrics of 1,000 pods on 50 nodes.
fn fleet() -> Tsdb {
    let db = Tsdb::in_memory();
    for metric in 0..100 {
        for pod in 0..1000 {
            let labels = Labels::from_pairs([
                ("__name__", format!("metric_{metric}")),
                ("job", format!("job-{}", metric % 10)),
                ("node", format!("node-{}", pod % 50)),
                ("pod", format!("pod-{pod}")),
            ]);
            db.series_ref(&labels).expect("a new database takes series");
        }
    }
    db
}

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).expect("a pattern that compiles")
}

fn select(c: &mut Criterion) {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let db = fleet();
    let mut group = c.benchmark_group("postings");
    let name = matcher(Equal, "__name__", "metric_7");
    let cases = [
        ("a name", vec![name.clone()]),
        ("a name and a node", vec![name.clone(), matcher(Equal, "node", "node-3")]),
        ("a name and alternatives", vec![name.clone(), matcher(Regex, "pod", "pod-1|pod-22|pod-333")]),
        ("a name and a pattern", vec![name.clone(), matcher(Regex, "pod", "pod-.*7")]),
        ("a name and not a node", vec![name.clone(), matcher(NotEqual, "node", "node-3")]),
        ("a name and not a pattern", vec![name, matcher(NotRegex, "pod", "pod-.*7")]),
        ("names by a pattern", vec![matcher(Regex, "__name__", "metric_[1-3]")]),
    ];
    for (case, matchers) in &cases {
        group.bench_function(format!("{case}, kept"), |b| b.iter(|| db.select_shared(matchers, 0, i64::MAX)));
        group.bench_function(format!("{case}, fresh"), |b| {
            b.iter(|| db.label_values("none", matchers, i64::MIN, i64::MAX));
        });
    }
    let mut next = 0;
    group.bench_function("a name, kept, with a new series each time", |b| {
        b.iter(|| {
            next += 1;
            let labels = Labels::from_pairs([("__name__", "new".to_owned()), ("i", next.to_string())]);
            db.series_ref(&labels).expect("takes series");
            db.select_shared(&cases[0].1, 0, i64::MAX)
        });
    });
}

criterion_group!(benches, select);
criterion_main!(benches);
