//! Any text as a query: parsed, laid out, planned and evaluated.

use std::sync::LazyLock;
use std::time::Duration;

use watchbell::model::{Labels, Value};
use watchbell::promql::pretty::prettify;
use watchbell::promql::script::MemoryStorage;
use watchbell::promql::{CancelToken, CompileOptions, EvalEnv, Features, Limits, compile, parse};

static STORAGE: LazyLock<MemoryStorage> = LazyLock::new(|| {
    let mut storage = MemoryStorage::default();
    for i in 0..3 {
        let labels = Labels::from_pairs([("__name__".to_owned(), "m".to_owned()), ("i".to_owned(), i.to_string())]);
        for t in 0..20 {
            storage.append(&labels, t * 15_000, 0, Value::Float((t * i) as f64));
        }
    }
    storage
});

/// A query that is laid out reads as before, and laying it out again changes nothing. Evaluation ends within its limits.
pub fn run(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let options = CompileOptions { features: Features::all() };
    if let Ok(expr) = parse(query, &options) {
        let pretty = prettify(query, &expr);
        let again = parse(&pretty, &options).unwrap_or_else(|e| panic!("{query:?} is laid out as {pretty:?}: {e}"));
        assert_eq!(prettify(&pretty, &again), pretty, "{query:?}");
    }
    let Ok(plan) = compile(query, &options) else { return };
    let limits = Limits { max_samples: 100_000, max_steps: 10_000 };
    let cancel = CancelToken::with_timeout(Duration::from_secs(2));
    let env = EvalEnv { limits, cancel, ..EvalEnv::default() };
    let _ = plan.instant(&*STORAGE, 120_000, &env);
    let _ = plan.range(&*STORAGE, 0, 300_000, 15_000, &env);
}
