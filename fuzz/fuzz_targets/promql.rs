//! Parse, plan and evaluate any text: `cargo +nightly fuzz run promql`.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use watchbell::model::{Labels, Value};
use watchbell::promql::script::MemoryStorage;
use watchbell::promql::{CancelToken, CompileOptions, EvalEnv, Features, Limits, compile};

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

fuzz_target!(|query: &str| {
    let Ok(plan) = compile(query, &CompileOptions { features: Features::all() }) else { return };
    let limits = Limits { max_samples: 100_000, max_steps: 10_000 };
    let cancel = CancelToken::with_timeout(Duration::from_secs(2));
    let env = EvalEnv { limits, cancel, ..EvalEnv::default() };
    let _ = plan.instant(&*STORAGE, 120_000, &env);
    let _ = plan.range(&*STORAGE, 0, 300_000, 15_000, &env);
});
