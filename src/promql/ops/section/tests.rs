//! Sections give what the streaming operators give, bit by bit, in the same order, with the same remarks: whatever series
//! there are, and whatever others have read in the same tick.

use std::sync::Arc;

use crate::model::{FloatHistogram, Labels, STALE_NAN, Value};
use crate::promql::{Common, CompileOptions, EvalEnv, Plan, QueryValue, TickCache, compile};
use crate::tsdb::Tsdb;

const MINUTE: i64 = 60_000;

/// Every operator that knows sections, and some around them that do not.
const EXPRESSIONS: &[&str] = &[
    "requests_total",
    "requests_total > 60",
    "60 < bool requests_total",
    "-load",
    "-abs(load - 7) * 2 ^ 3",
    "clamp(load, 9, 1)",
    "rate(requests_total[5m])",
    "sum by (zone) (rate(requests_total[5m]))",
    "sum by (zone, job) (rate(requests_total{job!=\"b\"}[5m]))",
    "sum without (i) (increase(requests_total[7m]))",
    "avg by (job) (load) / max by (job) (load)",
    "stddev(load) + stdvar(load)",
    "count by (zone) (load > 5) or vector(0)",
    "min(load) by (zone) < 3",
    "group by (job) (requests_total offset 2m)",
    "load / requests_total",
    "load / requests_total > 0.05",
    "load > on (i, job) requests_total",
    "load * on (zone) group_left () sum by (zone) (rate(requests_total[5m]))",
    "sum by (zone) (load) / on (zone) group_right () load",
    "load * on (zone) group_left (job) sum by (zone, job) (load)",
    "load + on (zone) requests_total",
    "load and on (i) (requests_total > 50)",
    "load unless requests_total{job=\"a\"}",
    "sum by (job) (rate(requests_total{i=~\"1.*\"}[5m])) / sum by (job) (rate(requests_total[5m])) > 0.1",
    "rate(load[5m])",
    "sum by (job) (rate({job=\"a\"}[5m]))",
    "count({__name__=~\"load|requests_total\"}) by (__name__)",
    "sum by (__name__) (load) / on (__name__) sum by (__name__) (load)",
    "avg_over_time(load[10m]) > 5",
    "quantile_over_time(0.5, load[10m])",
    "quantile_over_time(2, load[10m])",
    "predict_linear(load[10m], 60)",
    "sum(mixed)",
    "sum by (job) (rate(mixed[5m]))",
    "topk(3, load) - 1",
    "histogram_quantile(0.5, sum by (zone) (rate(mixed[5m])))",
    "absent(load)",
    "label_replace(load > 5, \"x\", \"$1\", \"i\", \"(.).*\")",
    "max_over_time(sum(load)[5m:1m])",
    "huge + huge",
    "avg(huge)",
    "avg by (job) (huge)",
    "nothing / load",
    "load @ 120",
];

/// Two jobs of ten series each: some begin late, some end, one is stale; floats that overflow, and histograms among floats.
fn storage() -> Tsdb {
    let db = Tsdb::in_memory();
    let mut appender = db.appender();
    for i in 0..20 {
        let job = if i % 3 == 0 { "a" } else { "b" };
        let labels = |name: &str| {
            let zone = format!("z{}", i % 4);
            Labels::from_pairs([("__name__", name), ("job", job), ("zone", &zone), ("i", &i.to_string())])
        };
        for k in (if i == 4 { 8 } else { 0 })..(if i == 7 { 3 } else { 12 }) {
            let (t, v) = (k * MINUTE, (i * 13 + k * (i % 5 + 1)) as f64 / 3.0);
            appender.append(&labels("requests_total"), t, v).unwrap();
            let stale = i == 9 && k == 11;
            let load = if stale { STALE_NAN } else { (v * 7.3) % 11.0 };
            appender.append(&labels("load"), t, load).unwrap();
            appender.append(&labels("huge"), t, if i % 2 == 0 { 1e308 } else { -1e307 }).unwrap();
            let value = if i == 5 {
                Value::Histogram(Arc::new(FloatHistogram { count: k as f64, sum: v, ..FloatHistogram::default() }))
            } else {
                Value::Float(v)
            };
            appender.append_with_st(&labels("mixed"), 0, t, value).unwrap();
        }
    }
    appender.commit().unwrap();
    db
}

/// Everything there is to see of a result, floats bit by bit.
fn seen(plan: &Plan, db: &Tsdb, env: &EvalEnv, at: i64) -> String {
    let evaluated = match plan.instant(db, at, env) {
        Ok(evaluated) => evaluated,
        Err(e) => return e.to_string(),
    };
    let notes: Vec<String> = evaluated.annotations.iter().map(|(n, span)| format!("{n} at {span:?}")).collect();
    let QueryValue::Vector(samples) = evaluated.value else { return format!("{:?}", evaluated.value) };
    let one = |v: &Value| match v {
        Value::Float(v) => format!("{:016x}", v.to_bits()),
        Value::Histogram(h) => format!("{h:?}"),
    };
    let samples: Vec<String> = samples.iter().map(|s| format!("{} {}", s.labels, one(&s.value))).collect();
    format!("{samples:#?} {notes:?}")
}

#[test]
fn sections_give_what_streams_give_alone_and_in_a_tick() {
    let db = storage();
    let plans: Vec<_> = EXPRESSIONS.iter().map(|e| compile(e, &CompileOptions::default()).unwrap()).collect();
    // What is measured operator by operator is streamed.
    let streamed = EvalEnv { profile: true, ..EvalEnv::default() };
    for at in [11 * MINUTE, 11 * MINUTE + 30_000, 3 * MINUTE] {
        let shared = || Some(Arc::new(TickCache::new(Arc::new(Common::default()))));
        let ticks =
            [EvalEnv { shared: shared(), ..EvalEnv::default() }, EvalEnv { shared: shared(), ..EvalEnv::default() }];
        for round in 0..2 {
            for n in 0..plans.len() {
                let (first, second) = (n, plans.len() - 1 - n);
                for (n, env) in [(first, &ticks[0]), (second, &ticks[1]), (first, &EvalEnv::default())] {
                    let want = seen(&plans[n], &db, &streamed, at);
                    assert_eq!(seen(&plans[n], &db, env, at), want, "{} at {at}, round {round}", EXPRESSIONS[n]);
                }
            }
        }
    }
}

#[test]
fn what_is_written_in_a_tick_is_seen_by_the_rules_after_it() {
    let db = storage();
    let plan = compile("sum(load)", &CompileOptions::default()).unwrap();
    let cache = Arc::new(TickCache::new(Arc::new(Common::default())));
    let env = EvalEnv { shared: Some(cache.clone()), ..EvalEnv::default() };
    let at = 12 * MINUTE;
    let before = seen(&plan, &db, &env, at);
    let mut appender = db.appender();
    let labels = Labels::from_pairs([("__name__", "load"), ("job", "a"), ("zone", "z0"), ("i", "0")]);
    appender.append(&labels, at, 1e6).unwrap();
    appender.commit().unwrap();
    // What others of the tick have read stays as it was, until a rule has written it.
    assert_eq!(seen(&plan, &db, &env, at), before);
    cache.written("requests_total");
    assert_eq!(seen(&plan, &db, &env, at), before);
    cache.written("load");
    let after = seen(&plan, &db, &env, at);
    assert_ne!(after, before);
    assert_eq!(after, seen(&plan, &db, &EvalEnv::default(), at));
}

#[test]
fn groups_follow_series_as_they_come() {
    let db = storage();
    let plan = compile("sum by (zone) (load) / count by (zone) (load)", &CompileOptions::default()).unwrap();
    let (env, streamed) = (EvalEnv::default(), EvalEnv { profile: true, ..EvalEnv::default() });
    let at = 11 * MINUTE;
    for i in 0..6 {
        assert_eq!(seen(&plan, &db, &env, at), seen(&plan, &db, &streamed, at), "with {i} more");
        let mut appender = db.appender();
        let zone = format!("new{}", i / 2);
        let labels = Labels::from_pairs([("__name__", "load"), ("zone", &zone), ("i", &format!("n{i}"))]);
        appender.append(&labels, at, f64::from(i)).unwrap();
        appender.commit().unwrap();
    }
}
