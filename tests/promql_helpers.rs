//! A large query gives the same with helpers as on one thread: values bit by bit, notes, errors, and their order.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use watchbell::model::{FloatHistogram, Labels, Matcher, STALE_NAN, SampleBuf, Value};
use watchbell::promql::script::MemoryStorage;
use watchbell::promql::{CompileOptions, EvalEnv, EvalError, Evaluated, Features, Helpers, Limits, compile};
use watchbell::tsdb::query::StorageError;
use watchbell::tsdb::{Queryable, Series};

const INTERVAL: i64 = 15_000;
const SAMPLES: i64 = 700;
const SERIES: usize = 1_500;

/// Gauges and counters of many kinds: with gaps, resets, staleness markers, NaN, and a few histograms between.
fn storage() -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    let mut seed = 1u64;
    for i in 0..SERIES {
        let labels = Labels::from_pairs([
            ("__name__", if i % 400 == 7 { "odd" } else { "requests_total" }),
            ("i", &i.to_string()),
            ("job", &(i % 7).to_string()),
            ("all", "yes"),
        ]);
        let mut total = i as f64;
        for k in 0..SAMPLES {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let dice = seed >> 40;
            total = if dice.is_multiple_of(97) { 0.1 } else { total + (dice % 1_000) as f64 * 0.1 };
            let value = match (i % 10, dice % 50) {
                (3, 0..9) => continue,
                (4, 1) => Value::Float(STALE_NAN),
                (5, 2) => Value::Float(f64::NAN),
                (6, 3) if i % 100 == 6 => {
                    let histogram =
                        FloatHistogram { count: total, sum: total, zero_count: total, ..FloatHistogram::default() };
                    Value::Histogram(Arc::new(histogram))
                }
                _ => Value::Float(total),
            };
            storage.append(&labels, k * INTERVAL, 0, value);
        }
    }
    storage
}

fn evaluate(query: &str, storage: &dyn Queryable, env: &EvalEnv) -> Result<Evaluated, EvalError> {
    let plan = compile(query, &CompileOptions { features: Features::all() }).unwrap();
    plan.range(storage, 600_000, SAMPLES * INTERVAL, INTERVAL, env)
}

fn with_helpers(threads: usize) -> EvalEnv {
    EvalEnv { helpers: Some(Arc::new(Helpers::new(threads))), ..EvalEnv::default() }
}

/// Everything about an outcome; `{:?}` of a float tells all its bits but those of NaN.
fn told(outcome: &Result<Evaluated, EvalError>) -> String {
    match outcome {
        Ok(e) => format!("{:?} {:?} {:?}", e.value, e.annotations, (e.stats.series, e.stats.samples)),
        Err(e) => format!("{e:?}"),
    }
}

/// The threads that have read.
#[derive(Default)]
struct Readers {
    seen: Mutex<HashSet<ThreadId>>,
    another: Condvar,
    reads: AtomicUsize,
}

impl Readers {
    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// Counts the threads that read from a storage, and does something on purpose at some series.
struct Watched<'a> {
    storage: &'a MemoryStorage,
    readers: Arc<Readers>,
    flaw: Option<Flaw>,
}

#[derive(Clone, Copy)]
enum Flaw {
    Corrupt,
    Panic,
    /// Waits until a second thread reads; a minute at most, so that the test ends.
    WaitForAnother,
}

struct WatchedSeries {
    series: Arc<dyn Series>,
    readers: Arc<Readers>,
    flaw: Option<Flaw>,
}

impl<'a> Watched<'a> {
    fn new(storage: &'a MemoryStorage, flaw: Option<Flaw>) -> Self {
        Watched { storage, readers: Arc::default(), flaw }
    }
}

impl Queryable for Watched<'_> {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let found = self.storage.select(matchers, mint, maxt)?;
        let watched = found.into_iter().enumerate().map(|(n, series)| {
            let flaw = self.flaw.filter(|_| n == 900);
            Arc::new(WatchedSeries { series, readers: self.readers.clone(), flaw }) as Arc<dyn Series>
        });
        Ok(watched.collect())
    }

    fn label_names(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<String>, StorageError> {
        self.storage.label_names(matchers, mint, maxt)
    }

    fn label_values(&self, name: &str, m: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<String>, StorageError> {
        self.storage.label_values(name, m, mint, maxt)
    }
}

impl Series for WatchedSeries {
    fn labels(&self) -> &Labels {
        self.series.labels()
    }

    fn read(&self, mint: i64, maxt: i64, st: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let Readers { seen, another, reads } = &*self.readers;
        reads.fetch_add(1, Ordering::Relaxed);
        let mut readers = seen.lock().unwrap();
        readers.insert(std::thread::current().id());
        another.notify_all();
        match self.flaw {
            Some(Flaw::Corrupt) => return Err(StorageError::Corrupt("on purpose".into())),
            Some(Flaw::Panic) => {
                drop(readers);
                panic!("on purpose")
            }
            Some(Flaw::WaitForAnother) => {
                drop(another.wait_timeout_while(readers, Duration::from_secs(60), |seen| seen.len() < 2).unwrap());
            }
            None => drop(readers),
        }
        self.series.read(mint, maxt, st, out)
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        self.series.latest(mint, maxt)
    }
}

#[test]
fn helpers_change_nothing_but_the_time() {
    let storage = storage();
    for query in [
        "{all=\"yes\"}",
        "sum by (job) (requests_total)",
        "avg(requests_total)",
        "topk(3, requests_total)",
        "rate({all=\"yes\"}[5m])",
        "stddev by (job) (rate({all=\"yes\"}[2m]))",
        "quantile_over_time(0.9, requests_total[5m])",
        "quantile_over_time(scalar(sum(odd)) / 1e9, requests_total[5m])",
        "last_over_time(requests_total[1m]) > 1000",
        "sum(increase(requests_total[5m] smoothed))",
        "{all=\"yes\"} @ 3000 - {all=\"yes\"} offset 5m",
        "max_over_time(sum by (job) (delta(requests_total[1m]))[10m:30s])",
        "absent(requests_total{i=\"5000\"})",
        // The labels of two series become alike: an error.
        "label_replace(rate({all=\"yes\"}[1m]), \"i\", \"\", \"\", \"\")",
    ] {
        let alone = told(&evaluate(query, &storage, &EvalEnv::default()));
        for threads in [1, 3] {
            // Where many series are read, a helper does read some.
            let watched = Watched::new(&storage, Some(Flaw::WaitForAnother));
            let together = told(&evaluate(query, &watched, &with_helpers(threads)));
            // Not `assert_eq`: these are megabytes.
            assert!(alone == together, "{query} with {threads} helpers");
        }
    }
}

#[test]
fn helpers_are_used_when_there_are_any() {
    let storage = storage();
    let readers = |query: &str, helpers: usize, flaw: Option<Flaw>| {
        let watched = Watched::new(&storage, flaw);
        evaluate(query, &watched, &with_helpers(helpers)).unwrap();
        watched.readers.count()
    };
    assert!(readers("sum(rate(requests_total[5m]))", 2, Some(Flaw::WaitForAnother)) >= 2);
    assert!(readers("sum(requests_total)", 1, Some(Flaw::WaitForAnother)) == 2);
    assert_eq!(readers("sum(requests_total)", 0, None), 1);
}

#[test]
fn limits_hold_and_errors_end_it_for_everyone() {
    let storage = storage();
    let query = "rate({all=\"yes\"}[5m])";
    let alone = Limits { max_samples: 100_000, ..Limits::default() };
    let env = EvalEnv { limits: alone, ..with_helpers(2) };
    let watched = Watched::new(&storage, None);
    assert!(matches!(evaluate(query, &watched, &env), Err(EvalError::TooManySamples)));
    let reads = watched.readers.reads.load(Ordering::Relaxed);
    assert!(reads < SERIES / 2, "{reads} series were read after the limit was met");

    let outcome = evaluate(query, &Watched::new(&storage, Some(Flaw::Corrupt)), &with_helpers(2));
    assert_eq!(
        told(&outcome),
        told(&evaluate(query, &Watched::new(&storage, Some(Flaw::Corrupt)), &EvalEnv::default()))
    );

    let canceled = with_helpers(2);
    canceled.cancel.cancel();
    assert!(matches!(evaluate(query, &storage, &canceled), Err(EvalError::Canceled)));
}

#[test]
fn a_panic_in_any_thread_is_one_of_the_query_and_leaves_nobody_waiting() {
    let storage = storage();
    let env = with_helpers(2);
    for _ in 0..3 {
        let watched = Watched::new(&storage, Some(Flaw::Panic));
        let query = std::panic::AssertUnwindSafe(|| evaluate("sum(rate({all=\"yes\"}[5m]))", &watched, &env));
        assert!(std::panic::catch_unwind(query).is_err());
    }
    // The helpers are free again.
    let alone = told(&evaluate("sum(requests_total)", &storage, &EvalEnv::default()));
    assert_eq!(told(&evaluate("sum(requests_total)", &storage, &env)), alone);
}
