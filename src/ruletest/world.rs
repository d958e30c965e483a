//! What production evaluation sees of a unit test: the test's storage to query and to write to, and its templates.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::alerting::group::{Element, Refused, RuleResult, TemplateInput, World};
use crate::alerting::rule::RuleSpec;
use crate::alerting::series::RuleSample;
use crate::model::{Labels, Value};
use crate::promql::value::{Evaluated, QueryValue};
use crate::promql::{CompileOptions, EvalEnv, Features};

use crate::template::func::QuerySample;
use crate::template::prometheus::{Expansion, TemplateCache};

use super::storage::SuiteStorage;

/// The most samples a query of a test may hold, as in promtool.
const MAX_SAMPLES: usize = 10_000;

/// The surroundings of one test.
pub struct SuiteWorld {
    /// The test's series.
    pub storage: SuiteStorage,
    /// External labels, for templates.
    pub external_labels: Labels,
    /// External URL, for templates.
    pub external_url: String,
    /// Parsed templates.
    pub templates: Arc<TemplateCache>,
    env: EvalEnv,
    features: Features,
    columns: Mutex<FxHashMap<RuleId, Column>>,
}

/// Which rule of the test, told by where its specification lies; the loaded rules keep it there.
type RuleId = usize;

fn id_of(spec: &RuleSpec) -> RuleId {
    std::ptr::from_ref(spec) as usize
}

/// A rule's result at every tick of a stretch, evaluated as one range query.
struct Column {
    start: i64,
    step: i64,
    ticks: Vec<Result<Vec<Element>, String>>,
}

impl SuiteWorld {
    /// The surroundings of a test; `interval` is the evaluation interval, which is also the default step of subqueries.
    pub fn new(storage: SuiteStorage, interval: i64, features: Features, templates: Arc<TemplateCache>) -> Self {
        let mut env = EvalEnv { default_step_ms: interval, ..EvalEnv::default() };
        env.limits.max_samples = MAX_SAMPLES;
        SuiteWorld {
            storage,
            external_labels: Labels::empty(),
            external_url: String::new(),
            templates,
            env,
            features,
            columns: Mutex::default(),
        }
    }

    /// Evaluates an expression at one time, as promtool does for `promql_expr_test`.
    ///
    /// # Errors
    /// Why it does not compile or cannot be evaluated.
    pub fn instant(&self, expr: &str, at: i64) -> Result<Vec<Element>, String> {
        let plan =
            crate::promql::compile(expr, &CompileOptions { features: self.features }).map_err(|e| e.to_string())?;
        let evaluated = plan.instant(&self.storage, at, &self.env).map_err(|e| e.to_string())?;
        elements(evaluated)
    }

    /// Evaluates a rule's expression at all ticks of a stretch at once; [`World::query`] then answers from the result.
    /// Gives whether any tick has an element or fails.
    pub fn prepare(&self, rule: &RuleSpec, start: i64, step: i64, ticks: usize) -> bool {
        let column = self.column(rule, start, step, ticks);
        let empty = column.as_ref().is_some_and(|c| c.ticks.iter().all(|t| t.as_ref().is_ok_and(Vec::is_empty)));
        let mut columns = self.columns.lock();
        match column {
            Some(column) => columns.insert(id_of(rule), column),
            None => columns.remove(&id_of(rule)),
        };
        !empty
    }

    /// Drops what was prepared for a rule.
    pub fn forget(&self, rule: &RuleSpec) {
        self.columns.lock().remove(&id_of(rule));
    }

    /// `None` when a tick would fail or come near a limit: then each is evaluated for itself, to fail where it fails.
    fn column(&self, rule: &RuleSpec, start: i64, step: i64, ticks: usize) -> Option<Column> {
        let end = start + step * (ticks as i64 - 1);
        // The limit on samples is one of an instant query. Windows fill up as time passes, so the last tick is the
        // heaviest of a stretch as a rule; its true cost is known from evaluating it.
        let last = rule.plan.instant(&self.storage, end, &self.env).ok()?;
        if last.stats.peak_samples > MAX_SAMPLES as u64 / 2 {
            return None;
        }
        let mut env = self.env.clone();
        env.limits.max_samples = usize::MAX;
        let evaluated = rule.plan.range(&self.storage, start, end, step, &env).ok()?;
        let mut out: Vec<Result<Vec<Element>, String>> = vec![Ok(Vec::new()); ticks];
        let QueryValue::Matrix(series) = evaluated.value else { return None };
        for s in series {
            let mut put = |t: i64, value: Value| {
                let tick = usize::try_from((t - start) / step.max(1)).ok().and_then(|i| out.get_mut(i));
                if let Some(Ok(elements)) = tick {
                    elements.push(Element { labels: s.labels.clone(), value });
                }
            };
            s.floats.iter().for_each(|(t, v)| put(*t, Value::Float(*v)));
            s.histograms.iter().for_each(|(t, h)| put(*t, Value::Histogram(h.clone())));
        }
        Some(Column { start, step, ticks: out })
    }
}

fn elements(evaluated: Evaluated) -> Result<Vec<Element>, String> {
    match evaluated.value {
        QueryValue::Vector(samples) => {
            Ok(samples.into_iter().map(|s| Element { labels: s.labels, value: s.value }).collect())
        }
        QueryValue::Scalar(v) => Ok(vec![Element { labels: Labels::empty(), value: Value::Float(v) }]),
        QueryValue::String(_) | QueryValue::Matrix(_) => Err("rule result is not a vector or scalar".into()),
    }
}

impl World for SuiteWorld {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        let key = id_of(rule);
        let prepared = self.columns.lock().get_mut(&key).and_then(|c| {
            let tick = usize::try_from((at - c.start) / c.step.max(1)).ok()?;
            c.ticks.get_mut(tick).map(|t| std::mem::replace(t, Ok(Vec::new())))
        });
        let elements = match prepared {
            Some(ready) => ready?,
            None => elements(rule.plan.instant(&self.storage, at, &self.env).map_err(|e| e.to_string())?)?,
        };
        Ok(RuleResult { elements, ..RuleResult::default() })
    }

    /// As in production; `query` sees the test's series.
    fn render(&self, input: TemplateInput<'_>) -> String {
        let query = |text: &str, at: i64| {
            let elements = self.instant(text, at)?;
            Ok(elements.into_iter().map(|Element { labels, value }| QuerySample { labels, value }).collect())
        };
        self.templates.get(&input.rule.name, input.text).expand(&Expansion {
            labels: input.labels,
            value: input.value,
            external_labels: &self.external_labels,
            external_url: &self.external_url,
            at: input.at,
            query: &query,
        })
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Refused, String> {
        Ok(self.storage.append(samples))
    }
}
