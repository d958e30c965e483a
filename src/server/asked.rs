//! Queries that were asked lately: compiled once, and known to be short work or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::promql::{CompileOptions, Plan, PromqlError, compile};

/// How long a piece of work took the last time.
#[derive(Debug, Default)]
pub struct Cost(AtomicU64);

/// Work that took longer than this is not short.
const SHORT: Duration = Duration::from_micros(500);

impl Cost {
    /// Whether the work was done before and was short.
    pub fn is_short(&self) -> bool {
        matches!(self.0.load(Ordering::Relaxed), ns if ns > 0 && u128::from(ns) < SHORT.as_nanos())
    }

    /// Notes how long it took.
    pub fn note(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(ns.max(1), Ordering::Relaxed);
    }
}

/// A query that was asked.
#[derive(Debug)]
pub struct Asked {
    /// Compiled.
    pub plan: Arc<Plan>,
    /// What it cost as an instant query.
    pub instant: Cost,
    /// What it cost as a range query.
    pub range: Cost,
}

/// The queries that were asked lately. Dashboards and scripts ask the same few again and again.
#[derive(Debug, Default)]
pub struct AskedQueries(Mutex<Generations>);

/// What was asked since the last change of generations, and before it: what is asked again moves to the young ones, the
/// rest goes with the next change.
#[derive(Debug, Default)]
struct Generations {
    young: FxHashMap<Box<str>, Arc<Asked>>,
    old: FxHashMap<Box<str>, Arc<Asked>>,
}

/// Queries of a generation.
const GENERATION: usize = 256;
/// A longer query is compiled every time.
const LONGEST: usize = 4 << 10;

impl AskedQueries {
    /// A query's plan, compiled now or lately. All calls have the same options.
    ///
    /// # Errors
    /// It does not compile; such a query is not kept.
    pub fn compiled(&self, query: &str, options: &CompileOptions) -> Result<Arc<Asked>, PromqlError> {
        if let Some(asked) = self.lock().find(query) {
            return Ok(asked);
        }
        let plan = compile(query, options)?;
        let asked = Arc::new(Asked { plan, instant: Cost::default(), range: Cost::default() });
        if query.len() <= LONGEST && !may_be_large(query) {
            self.lock().keep(query.into(), asked.clone());
        }
        Ok(asked)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, query: &str) -> Option<Arc<Asked>> {
        if let Some(asked) = self.young.get(query) {
            return Some(asked.clone());
        }
        let (query, asked) = self.old.remove_entry(query)?;
        self.keep(query, asked.clone());
        Some(asked)
    }

    fn keep(&mut self, query: Box<str>, asked: Arc<Asked>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(query, asked);
    }
}

/// Whether a short text may make a large plan: counted repetitions and Unicode classes in regular expressions do.
fn may_be_large(query: &str) -> bool {
    let bytes = query.as_bytes();
    bytes.windows(2).any(|w| matches!(w, [b'{', d] if d.is_ascii_digit()) || matches!(w, [b'\\', b'p' | b'P']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(asked: &AskedQueries, query: &str) -> Arc<Asked> {
        asked.compiled(query, &CompileOptions::default()).unwrap()
    }

    #[test]
    fn a_query_is_compiled_once_while_it_is_asked() {
        let asked = AskedQueries::default();
        let first = ask(&asked, "up == 0");
        for i in 0..GENERATION * 10 {
            ask(&asked, &format!("metric_{i}"));
            assert!(i % 100 > 0 || Arc::ptr_eq(&first, &ask(&asked, "up == 0")));
        }
        let kept = |g: &Generations| g.young.len() + g.old.len();
        let kept = kept(&asked.lock());
        assert!(kept <= 2 * GENERATION, "{kept}");
        // Nobody asked for this one again.
        assert!(asked.lock().find("metric_0").is_none());
    }

    #[test]
    fn what_does_not_compile_or_may_be_large_is_not_kept() {
        let asked = AskedQueries::default();
        assert!(asked.compiled("up ==", &CompileOptions::default()).is_err());
        ask(&asked, "x{a=~\"(b{100}){9}\"}");
        ask(&asked, "x{a=~\"\\\\p{Greek}+\"}");
        ask(&asked, &format!("up{}", " ".repeat(LONGEST)));
        assert_eq!(asked.lock().young.len(), 0);
    }

    #[test]
    fn work_is_short_when_it_was() {
        let cost = Cost::default();
        assert!(!cost.is_short());
        cost.note(Duration::from_micros(50));
        assert!(cost.is_short());
        cost.note(Duration::from_secs(3));
        assert!(!cost.is_short());
    }
}
