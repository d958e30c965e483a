//! What several rules of a tick have in common, evaluated once.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::leaves::{LeafKey, LeafValues, Leaves};
use super::plan::{NodeId, NodeKind, Plan, RangeSource, SelectorNode, children};
use super::section::Section;
use crate::model::{Labels, METRIC_NAME, MatchOp, Value};

/// Sub-expressions that occur in more than one place of a set of plans: found once, when rules are loaded. The plans
/// are compiled with the same switches.
///
/// Sub-expressions are told apart by their whole text, not by a hash of it.
#[derive(Debug, Default)]
pub struct Common {
    wanted: FxHashMap<Arc<str>, Reads>,
    /// Metrics that any of them reads.
    metrics: FxHashSet<String>,
    /// One of them may read any metric.
    reads_any: bool,
}

/// The metrics a sub-expression reads; `None` for a selector that may read any.
type Reads = Arc<[Option<String>]>;

impl Common {
    /// What these plans have in common.
    pub fn of<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Self {
        // What is below something shared is evaluated once for all its places.
        let mut asked: FxHashMap<&Arc<str>, (usize, &Plan, NodeId)> = FxHashMap::default();
        for plan in plans {
            let mut stack = vec![plan.root()];
            while let Some(id) = stack.pop() {
                let node = plan.node(id);
                let kept = node.identity.as_ref().filter(|_| is_worth_keeping(&node.kind));
                if let Some(identity) = kept {
                    let (times, ..) = asked.entry(identity).or_insert((0, plan, id));
                    *times += 1;
                    if *times > 1 {
                        continue;
                    }
                }
                stack.extend(children(&node.kind));
            }
        }
        let mut common = Common::default();
        for (id, (_, plan, node)) in asked.into_iter().filter(|(_, (n, ..))| *n > 1) {
            let reads = reads(plan, node);
            common.reads_any |= reads.contains(&None);
            common.metrics.extend(reads.iter().flatten().cloned());
            common.wanted.insert(id.clone(), reads.into());
        }
        common
    }

    /// How many sub-expressions are shared.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether nothing is shared.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }
}

/// Results of what plans have in common, for the evaluations of one tick: those that begin together, over one storage,
/// in one environment. Shared by threads; the first that needs a result makes it, others wait for it.
///
/// What is written meanwhile must be told ([`TickCache::written`]), so that whoever wrote it sees it.
#[derive(Debug, Default)]
pub struct TickCache {
    common: Arc<Common>,
    results: Mutex<FxHashMap<(Arc<str>, i64), Entry>>,
    leaves: Leaves,
}

/// One element of a result: labels, whether the name is dropped, the value.
pub(crate) type Row = (Labels, bool, Value);

/// The place of a result. Whoever makes the result holds it locked; a result is made of smaller expressions only, so
/// nobody waits in a circle.
pub(crate) type Slot = Arc<Mutex<Held>>;

/// What is known of a result.
#[derive(Debug, Default)]
pub(crate) enum Held {
    /// It is to be made, by whoever holds this.
    #[default]
    Nothing,
    /// It comes with notes, which tell places in one query: everybody makes it for himself.
    Unshared,
    /// It is here.
    Rows(Arc<Vec<Row>>),
    /// It is here, its labels not made yet.
    Section(Arc<Section>),
}

#[derive(Debug)]
struct Entry {
    slot: Slot,
    reads: Reads,
}

impl TickCache {
    /// An empty cache for what plans have in common.
    pub fn new(common: Arc<Common>) -> Self {
        TickCache { common, results: Mutex::default(), leaves: Leaves::default() }
    }

    /// Samples of a metric were written: results that read it are forgotten. An evaluation that is under way may still
    /// give the result from before to those who asked before.
    pub fn written(&self, metric: &str) {
        self.leaves.written(metric);
        if self.common.reads_any || self.common.metrics.contains(metric) {
            let reads = |e: &Entry| e.reads.iter().any(|m| m.as_deref().is_none_or(|m| m == metric));
            self.results.lock().retain(|_, e| !reads(e));
        }
    }

    /// What the series of a metric are worth.
    pub(crate) fn leaf(&self, key: LeafKey) -> Arc<LeafValues> {
        self.leaves.get(key)
    }

    /// The place for a result, if it is one that is shared.
    pub(crate) fn slot(&self, identity: &Arc<str>, at: i64) -> Option<Slot> {
        let reads = self.common.wanted.get(identity)?;
        let mut results = self.results.lock();
        let entry = results.entry((identity.clone(), at));
        let entry = entry.or_insert_with(|| Entry { slot: Slot::default(), reads: reads.clone() });
        Some(entry.slot.clone())
    }
}

/// Whether evaluating a node costs more than keeping its result.
fn is_worth_keeping(kind: &NodeKind) -> bool {
    !matches!(
        kind,
        NodeKind::Number(_)
            | NodeKind::String(_)
            | NodeKind::QueryScalar(_)
            | NodeKind::ScalarBinary { .. }
            | NodeKind::ScalarMinMax { .. }
            | NodeKind::VectorToScalar(_)
            | NodeKind::ScalarToVector(_)
            | NodeKind::Range(_)
            | NodeKind::Selector(_)
    )
}

/// The metrics that a node and those below it read.
fn reads(plan: &Plan, node: NodeId) -> Vec<Option<String>> {
    let mut out = Vec::new();
    let mut stack = vec![node];
    let metric = |s: &SelectorNode| {
        let named = s.matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
        named.map(|m| m.value.clone())
    };
    while let Some(id) = stack.pop() {
        let kind = &plan.node(id).kind;
        let source = match kind {
            NodeKind::RangeCall(call) => Some(&call.source),
            NodeKind::AbsentOverTime(source, _) | NodeKind::Range(source) => Some(source),
            _ => None,
        };
        match (kind, source) {
            (NodeKind::Selector(s) | NodeKind::SampleTime { selector: s, .. }, _) => out.push(metric(s)),
            (_, Some(RangeSource::Selector(s, _))) => out.push(metric(s)),
            (NodeKind::Info(_), _) => out.push(None),
            _ => {}
        }
        stack.extend(children(kind));
    }
    out.sort();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::script::MemoryStorage;
    use crate::promql::{CompileOptions, EvalEnv, Plan, QueryValue, compile};

    fn plan(source: &str) -> Arc<Plan> {
        compile(source, &CompileOptions::default()).unwrap()
    }

    fn storage(v: f64) -> MemoryStorage {
        let mut storage = MemoryStorage::default();
        for (t, v) in [(0, 0.0), (60_000, v)] {
            storage.append(&Labels::from_pairs([(METRIC_NAME, "a"), ("job", "x")]), t, 0, Value::Float(v));
        }
        storage
    }

    fn value(plan: &Plan, storage: &MemoryStorage, env: &EvalEnv) -> f64 {
        match plan.instant(storage, 60_000, env).unwrap().value {
            QueryValue::Vector(v) => v.first().and_then(|s| s.value.as_float()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_rules_have_in_common_is_evaluated_once_until_it_is_written() {
        let (one, two) = (plan("sum(sum_over_time(a[5m])) > 0"), plan("sum(sum_over_time(a[5m])) * 2"));
        let common = Arc::new(Common::of([&*one, &*two]));
        assert_eq!(common.len(), 1);
        let cache = Arc::new(TickCache::new(common.clone()));
        let env = EvalEnv { shared: Some(cache.clone()), ..EvalEnv::default() };
        assert_eq!(value(&one, &storage(3.0), &env), 3.0);
        // The second plan takes the first one's result, whatever storage says now.
        assert_eq!(value(&two, &storage(100.0), &env), 6.0);
        cache.written("b");
        assert_eq!(value(&two, &storage(100.0), &env), 6.0);
        cache.written("a");
        assert_eq!(value(&two, &storage(100.0), &env), 200.0);
        let env = EvalEnv { shared: Some(Arc::new(TickCache::new(common))), ..EvalEnv::default() };
        assert_eq!(value(&one, &storage(4.0), &env), 4.0);
    }

    #[test]
    fn different_places_and_literals_are_told_apart() {
        let plans = [plan("sum(rate(a[5m]))"), plan("  sum( rate(a[5m]) ) "), plan("sum(rate(a[6m]))")];
        assert_eq!(Common::of(plans.iter().map(|p| &**p)).len(), 1);
    }
}
