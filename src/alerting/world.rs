//! The world of a server: rules query the configured datasource and write to our own storage.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Stopwatch;
use crate::datasource::Querier;
use crate::datasource::query_log::{Asked, Origin, QueryLog};
use crate::model::{Labels, Value};
use crate::promql::{
    CancelToken, Common, CompileOptions, EvalEnv, EvalStats, Evaluated, Plan, QueryValue, TickCache, VectorSample,
    comparison, compile, parse,
};
use crate::template::func::QuerySample;
use crate::template::prometheus::{Expansion, TemplateCache};
use crate::tsdb::{AppendError, Tsdb};

use super::group::{Appended, Element, RuleResult, TemplateInput, World};
use super::rule::{GroupKey, RuleSpec};
use super::series::RuleSample;

/// Where rules get their answers from, and what templates see: everything a reload can change.
#[derive(Clone)]
pub struct RuleContext {
    /// Answers queries.
    pub querier: Arc<dyn Querier>,
    /// What surrounds every query; its cancel token is replaced.
    pub env: EvalEnv,
    /// How long one query may take.
    pub timeout: Duration,
    /// How queries of templates are compiled.
    pub options: CompileOptions,
    /// `$externalLabels`.
    pub external_labels: Labels,
    /// `$externalURL`.
    pub external_url: Arc<str>,
    /// What the rules have in common. `None` where sharing saves nothing: the querier does not evaluate here.
    pub common: Option<Arc<Common>>,
    /// Whether anybody tells what alerts measure.
    pub tells_values: bool,
}

/// Runs a query for a template at a time.
pub type TemplateQuery<'a> = &'a dyn Fn(&str, i64) -> Result<Vec<VectorSample>, String>;

/// The elements of a vector, and what they cost.
type Costly = (Vec<VectorSample>, EvalStats);

/// Renders labels and annotations of alerts.
pub trait Renderer: Send + Sync {
    /// The text for one alert; the error text when the template fails.
    fn render(&self, input: &TemplateInput<'_>, context: &RuleContext, query: TemplateQuery<'_>) -> String;
}

/// Prometheus' templates, each parsed once.
impl Renderer for TemplateCache {
    fn render(&self, input: &TemplateInput<'_>, context: &RuleContext, query: TemplateQuery<'_>) -> String {
        let element = |VectorSample { labels, value, .. }| QuerySample { labels, value };
        let query = |text: &str, at: i64| Ok(query(text, at)?.into_iter().map(element).collect());
        self.get(&input.rule.name, input.text).expand(&Expansion {
            labels: input.labels,
            value: input.value,
            external_labels: &context.external_labels,
            external_url: &context.external_url,
            at: input.at,
            query: &query,
        })
    }
}

/// Rules over a datasource, with their output in our own storage.
pub struct StorageWorld {
    context: ArcSwap<RuleContext>,
    storage: Tsdb,
    renderer: Box<dyn Renderer>,
    log: Option<Arc<QueryLog>>,
}

impl StorageWorld {
    /// A world; rules' series go to `storage`, whatever answers their queries.
    pub fn new(context: RuleContext, storage: Tsdb, renderer: Box<dyn Renderer>) -> Self {
        StorageWorld { context: ArcSwap::from_pointee(context), storage, renderer, log: None }
    }

    /// The same, that notes what rules ask.
    #[must_use]
    pub fn with_log(self, log: Arc<QueryLog>) -> Self {
        StorageWorld { log: Some(log), ..self }
    }

    /// Puts another context in force. Evaluations under way end in those they began in.
    pub fn set_context(&self, context: RuleContext) {
        self.context.store(Arc::new(context));
    }

    fn render_in(&self, context: &RuleContext, input: &TemplateInput<'_>) -> String {
        // One deadline for all that a template asks: one that asks in a loop has no more time than one query.
        let env = EvalEnv { terms: input.rule.terms.clone(), ..context.env() };
        let query = |query: &str, at: i64| {
            let watch = Stopwatch::start();
            let answer = context.template_query(query, at, &env);
            let (error, stats) = (answer.as_ref().err().map(String::as_str), answer.as_ref().map(|(_, stats)| *stats));
            self.note(input.group, query, at, error, stats.unwrap_or_default(), watch.elapsed());
            Ok(answer?.0)
        };
        self.renderer.render(input, context, &query)
    }

    fn note(&self, group: &GroupKey, query: &str, at: i64, error: Option<&str>, stats: EvalStats, took: Duration) {
        let Some(log) = self.log.as_ref().filter(|log| log.is_on()) else { return };
        let origin = Origin::Rules { file: &group.file, name: &group.name };
        log.note(&Asked { query, range: (at, at, 0), error, stats, queued: Duration::ZERO, took, span: 0, origin });
    }
}

impl RuleContext {
    pub(super) fn env(&self) -> EvalEnv {
        EvalEnv { cancel: CancelToken::with_timeout(self.timeout), ..self.env.clone() }
    }

    pub(super) fn template_query(&self, query: &str, at: i64, env: &EvalEnv) -> Result<Costly, String> {
        let plan = compile(query, &self.options).map_err(|e| e.to_string())?;
        env.cancel.check().map_err(|e| e.to_string())?;
        let evaluated = self.querier.instant(&plan, at, env).map_err(|e| e.to_string())?;
        let stats = evaluated.stats;
        Ok((vector(evaluated, at)?, stats))
    }
}

/// A result as an instant vector; a scalar is one element without labels.
fn vector(evaluated: Evaluated, at: i64) -> Result<Vec<VectorSample>, String> {
    match evaluated.value {
        QueryValue::Vector(samples) => Ok(samples),
        QueryValue::Scalar(v) => Ok(vec![VectorSample { labels: Labels::empty(), t: at, value: Value::Float(v) }]),
        QueryValue::String(_) | QueryValue::Matrix(_) => Err("rule result is not a vector or scalar".into()),
    }
}

impl RuleContext {
    /// What a rule compares; see [`World::measured`].
    fn measured(&self, rule: &RuleSpec, at: i64) -> Option<Vec<Element>> {
        if !self.tells_values {
            return None;
        }
        let source = rule.plan.source();
        let compared = parse(source, &self.options).ok().and_then(|expr| comparison(&expr))?;
        let env = EvalEnv { terms: rule.terms.clone(), ..self.env() };
        let (samples, _) = self.template_query(source.get(compared.measured)?, at, &env).ok()?;
        Some(samples.into_iter().map(|s| Element { labels: s.labels, value: s.value }).collect())
    }

    pub(super) fn query(&self, rule: &RuleSpec, at: i64, env: &EvalEnv) -> Result<RuleResult, String> {
        self.evaluate(&rule.plan, at, env)
    }

    /// What a query gives, and what the query engine remarks.
    pub(super) fn evaluate(&self, plan: &Plan, at: i64, env: &EvalEnv) -> Result<RuleResult, String> {
        let evaluated = self.querier.instant(plan, at, env).map_err(|e| e.to_string())?;
        let source = plan.source();
        let (warnings, infos) = (evaluated.annotations.warnings(source), evaluated.annotations.infos(source));
        let (partial, stats) = (evaluated.partial.clone(), evaluated.stats);
        let samples = vector(evaluated, at)?;
        let elements = samples.into_iter().map(|s| Element { labels: s.labels, value: s.value }).collect();
        Ok(RuleResult { elements, warnings, infos, partial, stats })
    }
}

impl World for StorageWorld {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        let context = self.context.load();
        context.query(rule, at, &EvalEnv { terms: rule.terms.clone(), ..context.env() })
    }

    fn answered(
        &self,
        (group, rule): (&GroupKey, &RuleSpec),
        at: i64,
        gave: &Result<RuleResult, String>,
        took: Duration,
    ) {
        let (error, stats) = (gave.as_ref().err().map(String::as_str), gave.as_ref().map(|gave| gave.stats));
        self.note(group, &rule.expr, at, error, stats.unwrap_or_default(), took);
    }

    fn measured(&self, rule: &RuleSpec, at: i64) -> Option<Vec<Element>> {
        self.context.load().measured(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.render_in(&self.context.load(), &input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        let mut appender = self.storage.appender();
        let mut appended = Appended::default();
        for (place, RuleSample { labels, t, value }) in samples.iter().enumerate() {
            match appender.append_with_st(labels, 0, *t, value.clone()) {
                Ok(_) => {}
                Err(AppendError::OutOfOrder) => appended.refuse(place, |r| &mut r.out_of_order),
                Err(AppendError::Duplicate) => appended.refuse(place, |r| &mut r.duplicate),
                Err(AppendError::TooOld | AppendError::OutOfBounds) => appended.refuse(place, |r| &mut r.too_old),
                Err(e) => return Err(e.to_string()),
            }
        }
        let committed = appender.commit().map_err(|e| e.to_string())?;
        appended.refused.out_of_order += committed.rejected;
        Ok(appended)
    }

    fn tick(self: Arc<Self>) -> Option<Arc<dyn World>> {
        let context = self.context.load_full();
        let common = context.common.clone()?;
        let cache = Arc::new(TickCache::new(common));
        Some(Arc::new(TickWorld { world: self, context, cache }))
    }
}

/// A storage world during one tick. It goes, and what it keeps with it, when the last evaluation of the tick is done.
struct TickWorld {
    world: Arc<StorageWorld>,
    context: Arc<RuleContext>,
    cache: Arc<TickCache>,
}

impl World for TickWorld {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        let env = EvalEnv { shared: Some(self.cache.clone()), ..self.context.env() };
        self.context.query(rule, at, &env)
    }

    fn answered(&self, of: (&GroupKey, &RuleSpec), at: i64, gave: &Result<RuleResult, String>, took: Duration) {
        self.world.answered(of, at, gave, took);
    }

    fn measured(&self, rule: &RuleSpec, at: i64) -> Option<Vec<Element>> {
        self.context.measured(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.world.render_in(&self.context, &input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        let outcome = self.world.append(samples);
        // Also when it failed: some of it may have been stored.
        let mut last = "";
        for sample in samples {
            let metric = sample.labels.metric_name();
            if metric != last {
                self.cache.written(metric);
                last = metric;
            }
        }
        outcome
    }
}
