//! What several rules of a tick have in common, evaluated once.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::plan::{NodeId, NodeKind, Plan, RangeSource, SelectorNode, children};
use crate::model::{Labels, METRIC_NAME, MatchOp, Value};

/// Results of sub-expressions that occur in more than one place of a set of plans, kept from one evaluation to the
/// next while the evaluation time stays the same. Shared by threads.
///
/// Sub-expressions are told apart by their whole text, not by a hash of it.
#[derive(Debug, Default)]
pub struct TickCache {
    wanted: FxHashSet<Arc<str>>,
    results: Mutex<FxHashMap<(Arc<str>, i64), Entry>>,
}

/// One element of a result: labels, whether the name is dropped, the value.
pub(crate) type Row = (Labels, bool, Value);

#[derive(Clone, Debug)]
struct Entry {
    rows: Arc<Vec<Row>>,
    /// Metrics that were read; `None` for a selector that may read any.
    reads: Arc<[Option<String>]>,
}

impl TickCache {
    /// A cache for what these plans have in common.
    pub fn for_plans<'p>(plans: impl IntoIterator<Item = &'p Plan> + Clone) -> Self {
        let mut everywhere: FxHashMap<&str, usize> = FxHashMap::default();
        for plan in plans.clone() {
            for node in plan.nodes() {
                if let Some(id) = &node.identity {
                    *everywhere.entry(id).or_default() += 1;
                }
            }
        }
        let repeated =
            |id: &Option<Arc<str>>| id.as_ref().is_some_and(|id| everywhere.get(&**id).is_some_and(|n| *n > 1));
        // What only occurs below something repeated is evaluated with that.
        let mut topmost: FxHashMap<Arc<str>, usize> = FxHashMap::default();
        for plan in plans {
            let mut covered: FxHashSet<NodeId> = FxHashSet::default();
            for (i, node) in plan.nodes().iter().enumerate().rev() {
                let here = NodeId(i as u32);
                if repeated(&node.identity) || covered.contains(&here) {
                    covered.extend(children(&node.kind));
                }
                if !covered.contains(&here) && repeated(&node.identity) && is_worth_keeping(&node.kind) {
                    node.identity.iter().for_each(|id| *topmost.entry(id.clone()).or_default() += 1);
                }
            }
        }
        let wanted = topmost.into_iter().filter(|(_, n)| *n > 1).map(|(id, _)| id).collect();
        TickCache { wanted, results: Mutex::default() }
    }

    /// Forgets all results: at the start or the end of a tick.
    pub fn clear(&self) {
        self.results.lock().clear();
    }

    /// A rule has written samples of a metric: results that read it are forgotten.
    pub fn written(&self, metric: &str) {
        let reads = |e: &Entry| e.reads.iter().any(|m| m.as_deref().is_none_or(|m| m == metric));
        self.results.lock().retain(|_, e| !reads(e));
    }

    /// How many sub-expressions are shared.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether nothing is shared.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(crate) fn wants(&self, identity: &str) -> bool {
        self.wanted.contains(identity)
    }

    pub(crate) fn get(&self, identity: &Arc<str>, at: i64) -> Option<Arc<Vec<Row>>> {
        self.results.lock().get(&(identity.clone(), at)).map(|e| e.rows.clone())
    }

    pub(crate) fn put(&self, identity: &Arc<str>, at: i64, rows: Vec<Row>, plan: &Plan, node: NodeId) {
        let entry = Entry { rows: Arc::new(rows), reads: reads(plan, node).into() };
        self.results.lock().insert((identity.clone(), at), entry);
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
        let cache = Arc::new(TickCache::for_plans([&*one, &*two]));
        assert_eq!(cache.len(), 1);
        let env = EvalEnv { shared: Some(cache.clone()), ..EvalEnv::default() };
        assert_eq!(value(&one, &storage(3.0), &env), 3.0);
        // The second plan takes the first one's result, whatever storage says now.
        assert_eq!(value(&two, &storage(100.0), &env), 6.0);
        cache.written("b");
        assert_eq!(value(&two, &storage(100.0), &env), 6.0);
        cache.written("a");
        assert_eq!(value(&two, &storage(100.0), &env), 200.0);
        cache.clear();
        assert_eq!(value(&one, &storage(4.0), &env), 4.0);
    }

    #[test]
    fn different_places_and_literals_are_told_apart() {
        let plans = [plan("sum(rate(a[5m]))"), plan("  sum( rate(a[5m]) ) "), plan("sum(rate(a[6m]))")];
        let cache = TickCache::for_plans(plans.iter().map(|p| &**p));
        assert_eq!(cache.len(), 1);
    }
}
