//! No query takes the process down: the queries of scripts, cut up and put together anew, with odd numbers in them.
//!
//! `WATCHBELL_SPLICES` sets how many are tried; `fuzz/` has the same for libFuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use watchbell::clock::Stopwatch;
use watchbell::model::Matcher;
use watchbell::promql::script::MemoryStorage;
use watchbell::promql::{CancelToken, CompileOptions, EvalEnv, Features, Limits, compile};
use watchbell::tsdb::{Queryable, Series, StorageError};

use crate::promql_differential::data;
use crate::promql_differential::random::Random;

/// A few series of every kind, whatever is asked for: the metrics that scripts name are all there.
struct Everything(Vec<Arc<dyn Series>>);

impl Everything {
    fn new(random: &mut Random) -> Self {
        let mut storage = MemoryStorage::default();
        for row in data::rows(random) {
            storage.append(&row.labels, row.t, row.t - 100_000, row.value);
        }
        let all = storage.select(&[], i64::MIN, i64::MAX).unwrap();
        Everything(all.into_iter().step_by(7).collect())
    }
}

impl Queryable for Everything {
    fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        Ok(self.0.clone())
    }

    fn label_names(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<String>, StorageError> {
        Ok(vec!["job".into()])
    }

    fn label_values(&self, _: &str, _: &[Matcher], _: i64, _: i64) -> Result<Vec<String>, StorageError> {
        Ok(vec!["a".into()])
    }
}

/// The queries of the scripts of a folder, as tokens.
fn queries(folder: &Path) -> Vec<Vec<String>> {
    let question =
        Regex::new(r"^\s*eval\w*\s+(?:instant(?:\s+at\s+\S+)?|range from \S+ to \S+ step \S+)\s+(.+)$").unwrap();
    let token = Regex::new(r#""(?:[^"\\]|\\.)*"|'[^']*'|`[^`]*`|[\w:.]+|\s+|[<>=!]=|=~|!~|</|>/|."#).unwrap();
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        let found = text.lines().filter_map(|line| Some(question.captures(line)?.get(1)?.as_str()));
        out.extend(found.map(|q| token.find_iter(q).map(|t| t.as_str().to_owned()).collect()));
    }
    out
}

const ODD: &[&str] = &[
    "0",
    "-1",
    "1e308",
    "-1e308",
    "NaN",
    "Inf",
    "-Inf",
    "9223372036854775807",
    "9223372036854775808",
    "1e-320",
    "-0",
    "0x7fffffffffffffff",
    "292y",
    "1ms",
    "0s",
    "1y",
    "5m",
    "1e19",
    "0.5",
    "start()",
    "end()",
    "step()",
    "range()",
    "1700000600",
    "-9223372036854775808",
    "\"\"",
    "\"\\xff\"",
    "1000000000000",
];

/// A query made of others.
fn splice(all: &[Vec<String>], random: &mut Random) -> String {
    let mut query = all[random.below(all.len())].clone();
    for _ in 0..1 + random.below(4) {
        let other = &all[random.below(all.len())];
        let from = random.below(other.len());
        let to = (from + 1 + random.below(8)).min(other.len());
        let at = random.below(query.len() + 1);
        let end = (at + random.below(6)).min(query.len());
        match random.below(7) {
            0 => drop(query.splice(at..end, other[from..to].iter().cloned())),
            1 => drop(query.splice(at..at, other[from..to].iter().cloned())),
            2 => drop(query.drain(at..end)),
            3 => {
                let numbers: Vec<usize> =
                    (0..query.len()).filter(|i| query[*i].starts_with(|c: char| c.is_ascii_digit())).collect();
                if !numbers.is_empty() {
                    query[numbers[random.below(numbers.len())]] = random.pick(ODD).to_owned();
                }
            }
            4 => {
                let repeated = query[at..end].to_vec();
                (0..random.below(5)).for_each(|_| drop(query.splice(at..at, repeated.iter().cloned())));
            }
            5 => {
                query = [
                    &["(".to_owned()][..],
                    &query,
                    &[") ".into(), random.pick(&["+", "or", "== bool", "/", "atan2"]).into(), " (".into()],
                    other,
                    &[")".into()],
                ]
                .concat()
            }
            _ => {
                query = [
                    &[random.pick(&["sum(", "-", "abs(", "count_over_time((", "rate((", "topk(3, "]).to_owned()][..],
                    &query,
                    &[random.pick(&[")", ")[5m:1m])", "", ")[1y:1h])"]).into()],
                ]
                .concat()
            }
        }
        query.truncate(400);
        if query.is_empty() {
            query.push("1".into());
        }
    }
    query.concat()
}

#[test]
fn queries_put_together_from_others_give_results_or_errors() {
    let tries = std::env::var("WATCHBELL_SPLICES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let mut all = queries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/promql"));
    all.extend(crate::support::shared("promqltest").iter().flat_map(|folder| queries(folder)));
    let mut random =
        Random::new(std::env::var("WATCHBELL_SPLICES_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1));
    let storage = Everything::new(&mut random);
    let (mut plans, mut results, mut slowest) = (0, 0, (Duration::ZERO, String::new()));
    for _ in 0..tries {
        let query = splice(&all, &mut random);
        let begin = Stopwatch::start();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let Ok(plan) = compile(&query, &CompileOptions { features: Features::all() }) else { return (0, 0) };
            let limits = Limits { max_samples: 200_000, max_steps: 20_000 };
            let env =
                EvalEnv { limits, cancel: CancelToken::with_timeout(Duration::from_secs(5)), ..EvalEnv::default() };
            let at = data::BEGIN + 600_000;
            let instant = plan.instant(&storage, at, &env).is_ok();
            let range = plan.range(&storage, at, at + 300_000, 30_000, &env).is_ok();
            (1, usize::from(instant || range))
        }));
        let (compiled, gave) = outcome.unwrap_or_else(|_| panic!("panics: {query}"));
        (plans, results) = (plans + compiled, results + gave);
        if begin.elapsed() > slowest.0 {
            slowest = (begin.elapsed(), query);
        }
    }
    eprintln!("{tries} queries, {plans} compile, {results} give results; the slowest takes {slowest:?}");
    assert!(results > tries / 50, "{results} of {tries} give results");
}
