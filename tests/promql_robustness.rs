//! No query takes the process down: soups of tokens, deep and long queries, limits, cancellation.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use watchbell::model::{FloatHistogram, Labels, METRIC_NAME, Value};
use watchbell::promql::script::MemoryStorage;
use watchbell::promql::{CancelToken, CompileOptions, EvalEnv, EvalError, Features, Limits, compile};

fn storage() -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    let labels = |i: i64| Labels::from_pairs([(METRIC_NAME, "m".to_owned()), ("i", i.to_string())]);
    for i in 0..4 {
        for t in 0..20 {
            storage.append(&labels(i), t * 15_000, 0, Value::Float((t * i) as f64));
        }
    }
    let histogram = FloatHistogram { count: 1.0, sum: 1.0, ..FloatHistogram::default() };
    storage.append(&labels(9), 60_000, 0, Value::Histogram(Arc::new(histogram)));
    storage
}

fn options() -> CompileOptions {
    CompileOptions { features: Features::all() }
}

const WORDS: &[&str] = &[
    "m",
    "n",
    "{i=\"1\"}",
    "{i=~\"[0-2]|9\"}",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "1",
    "0",
    "-1",
    "1e300",
    "NaN",
    "Inf",
    "5m",
    "1y",
    "0x1F",
    "\"s\"",
    "`r`",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    ">",
    "<=",
    "</",
    ">/",
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "on(i)",
    "ignoring(i)",
    "group_left",
    "group_right(i)",
    "fill(0)",
    "by (i)",
    "without (i)",
    "offset",
    "offset 1m",
    "@ end()",
    "@ 30",
    "anchored",
    "smoothed",
    "[5m]",
    "[1m:15s]",
    "[5m:]",
    "[step()]",
    "sum",
    "sum(",
    "avg(",
    "topk(2,",
    "quantile(0.5,",
    "count_values(\"v\",",
    "limit_ratio(0.5,",
    "rate(",
    "increase(",
    "abs(",
    "time()",
    "scalar(",
    "vector(",
    "absent(",
    "histogram_quantile(0.9,",
    "label_replace(",
    "label_join(",
    "info(",
    "sort(",
    "predict_linear(",
    "quantile_over_time(2,",
    "double_exponential_smoothing(",
    "max_over_time(",
    "timestamp(",
    "start()",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn soups_of_tokens_give_results_or_errors(words in prop::collection::vec(prop::sample::select(WORDS), 1..14)) {
        let query = words.join(" ");
        if let Ok(plan) = compile(&query, &options()) {
            let storage = storage();
            let limits = Limits { max_samples: 200_000, max_steps: 20_000 };
            let env = EvalEnv { limits, cancel: CancelToken::with_timeout(Duration::from_secs(5)), ..EvalEnv::default() };
            let _ = plan.instant(&storage, 120_000, &env);
            let _ = plan.range(&storage, 0, 300_000, 15_000, &env);
            prop_assert!(!plan.outline().is_empty());
        }
    }

    #[test]
    fn texts_of_any_kind_give_plans_or_errors(query in "\\PC{0,60}") {
        let _ = compile(&query, &options());
    }
}

#[test]
fn deep_and_long_queries_are_evaluated_or_refused() {
    let storage = storage();
    for query in [
        format!("{}m{}", "abs(".repeat(150), ")".repeat(150)),
        vec!["m"; 2_000].join(" + "),
        vec!["m"; 2_000].join(" or "),
        format!("{}1", "-".repeat(3_000)),
        "(".repeat(100_000),
        "m offset ".repeat(10_000),
        format!("m{{i=~\"{}\"}}", "(a|b)*".repeat(50_000)),
        format!("m{{i=~\"{}\"}}", "a{1000}{1000}{1000}"),
        "m[292y]".into(),
        "m[1000y]".into(),
        format!("m[{}1s]", "1s+".repeat(100)),
        format!("m[{}1s]", "(".repeat(5_000)),
    ] {
        if let Ok(plan) = compile(&query, &options()) {
            let _ = plan.instant(&storage, 120_000, &EvalEnv::default());
        }
    }
}

#[test]
fn limits_hold_while_a_query_runs() {
    let storage = storage();
    let run = |query: &str, env: &EvalEnv| {
        compile(query, &options()).unwrap().range(&storage, 0, 300_000, 1_000, env).map(|_| ())
    };
    let tight = EvalEnv { limits: Limits { max_samples: 100, ..Limits::default() }, ..EvalEnv::default() };
    assert!(matches!(run("m", &tight), Err(EvalError::TooManySamples)));
    assert!(matches!(run("m + m", &tight), Err(EvalError::TooManySamples)));
    assert!(matches!(run("count_over_time(vector(1)[1y:1ms])", &tight), Err(EvalError::TooManySamples)));
    let canceled = EvalEnv::default();
    canceled.cancel.cancel();
    assert!(matches!(run("m", &canceled), Err(EvalError::Canceled)));
    let late = EvalEnv { cancel: CancelToken::with_timeout(Duration::ZERO), ..EvalEnv::default() };
    assert!(matches!(run("m", &late), Err(EvalError::Timeout)));
    assert!(run("sum(m)", &EvalEnv::default()).is_ok());
}

#[test]
fn bytes_of_labels_count_against_the_budget() {
    let storage = storage();
    // A hundred thousand samples are 1.6 MB of text.
    let limits = Limits { max_samples: 100_000, ..Limits::default() };
    let env = EvalEnv { limits, ..EvalEnv::default() };
    let run = |query: &str| compile(query, &options()).unwrap().instant(&storage, 60_000, &env).map(|_| ());
    let grown = |times: usize| {
        let seed = "label_replace(m, \"x\", \"0123456789\", \"\", \"\")".to_owned();
        (0..times).fold(seed, |q, _| format!("label_replace({q}, \"x\", \"{}\", \"x\", \"(.*)\")", "$1".repeat(10)))
    };
    assert!(run(&grown(3)).is_ok());
    assert!(matches!(run(&grown(9)), Err(EvalError::TooManySamples)));
    // At once, in one replacement.
    let wide = format!("label_replace({}, \"x\", \"{}\", \"x\", \"(.*)\")", grown(4), "$1".repeat(100_000));
    assert!(matches!(run(&wide), Err(EvalError::TooManySamples)));
    let separator = "s".repeat(10_000);
    let joined = format!("label_join(m, \"x\", \"{separator}\", {})", vec!["\"i\""; 1_000].join(", "));
    assert!(matches!(run(&joined), Err(EvalError::TooManySamples)));
    // One long label, copied to many series.
    let long = grown(5);
    let one = format!("count by (x) ({long})");
    assert!(matches!(run(&format!("m + on() group_left(x) ({one})")), Err(EvalError::TooManySamples)));
    let name = "n".repeat(100_000);
    assert!(matches!(run(&format!("count_values by (i) (\"{name}\", m)")), Err(EvalError::TooManySamples) | Ok(())));
    // What a query holds, it gives back for the next.
    assert!(run("m + m").is_ok());
}

#[test]
fn a_query_ends_at_its_timeout_whatever_it_is_at() {
    let storage = storage();
    for query in [
        // Windows that overlap: hours of work on one series.
        "stddev_over_time(vector(time())[200s:1ms])",
        "quantile_over_time(1.5, vector(time())[200s:1ms])",
        "predict_linear(vector(time() % 7)[200s:1ms], 1)",
        "mad_over_time(vector(time())[200s:1ms])",
        "sum_over_time((vector(time()) / 7)[200s:1ms])",
        "increase(vector(-time())[200s:1ms])",
    ] {
        let cancel = CancelToken::with_timeout(Duration::from_millis(200));
        let env = EvalEnv { cancel, ..EvalEnv::default() };
        let plan = compile(query, &options()).unwrap();
        assert!(matches!(plan.range(&storage, 0, 200_000, 1, &env), Err(EvalError::Timeout)), "{query}");
    }
}

#[test]
fn an_explained_plan_tells_what_every_operator_cost() {
    let storage = storage();
    let plan = compile("sum by (i) (rate(m[1m])) / 2", &options()).unwrap();
    let env = EvalEnv { profile: true, ..EvalEnv::default() };
    let evaluated = plan.instant(&storage, 120_000, &env).unwrap();
    let outline = plan.outline();
    let texts: Vec<&str> = outline.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["vector / scalar", "├─ sum by (i)", "│  └─ rate over m[1m]", "└─ 2"]);
    let reader = &outline[2];
    let stats = evaluated.profile[reader.id.0 as usize];
    assert!(reader.reads && stats.series_read == 5 && stats.samples_read > 5, "{stats:?}");
}
