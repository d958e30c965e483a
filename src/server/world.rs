//! What production evaluation sees: the datasource to query, the database to write to, templates to render.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::alerting::group::{Element, Refused, RuleResult, TemplateInput, World};
use crate::alerting::rule::RuleSpec;
use crate::alerting::series::RuleSample;
use crate::datasource::Querier;
use crate::ingest::store::{SampleRow, SampleStore};
use crate::model::{Labels, Value};
use crate::promql::{CancelToken, CompileOptions, EvalEnv, Evaluated, Limits, QueryValue, compile};
use crate::template::QuerySample;
use crate::template::prometheus::{Expansion, TemplateCache};

use super::queries::QueryOptions;

/// What a reload can change.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// External labels, for templates.
    pub external_labels: Labels,
    /// The step of subqueries that name none, milliseconds: the evaluation interval.
    pub default_step: i64,
}

/// The world of the live engine and of the demo.
pub struct RuleWorld {
    querier: ArcSwap<Box<dyn Querier>>,
    sink: Arc<dyn SampleStore>,
    options: QueryOptions,
    external_url: String,
    surroundings: ArcSwap<Surroundings>,
    templates: TemplateCache,
}

impl RuleWorld {
    /// A world that queries `querier` and writes to `sink`.
    pub fn new(
        querier: Box<dyn Querier>,
        sink: Arc<dyn SampleStore>,
        options: QueryOptions,
        external_url: String,
        surroundings: Surroundings,
    ) -> Self {
        RuleWorld {
            querier: ArcSwap::from_pointee(querier),
            sink,
            options,
            external_url,
            surroundings: ArcSwap::from_pointee(surroundings),
            templates: TemplateCache::default(),
        }
    }

    /// Puts another datasource and other surroundings in force.
    pub fn change(&self, querier: Box<dyn Querier>, surroundings: Surroundings) {
        self.querier.store(Arc::new(querier));
        self.surroundings.store(Arc::new(surroundings));
    }

    fn env(&self) -> EvalEnv {
        let timeout = Duration::from_millis(u64::try_from(self.options.timeout).unwrap_or(0));
        EvalEnv {
            lookback_ms: self.options.lookback,
            default_step_ms: self.surroundings.load().default_step,
            limits: Limits { max_samples: self.options.max_samples, ..Limits::default() },
            cancel: CancelToken::with_timeout(timeout),
        }
    }

    /// A query in a template.
    fn template_query(&self, query: &str, at: i64) -> Result<Vec<QuerySample>, String> {
        let plan = compile(query, &CompileOptions { features: self.options.features }).map_err(|e| e.to_string())?;
        let evaluated = self.querier.load().instant(&plan, at, &self.env()).map_err(|e| e.to_string())?;
        let elements = elements(evaluated.value)?;
        Ok(elements.into_iter().map(|e| QuerySample { labels: e.labels, value: e.value }).collect())
    }
}

fn elements(value: QueryValue) -> Result<Vec<Element>, String> {
    match value {
        QueryValue::Vector(samples) => {
            Ok(samples.into_iter().map(|s| Element { labels: s.labels, value: s.value }).collect())
        }
        QueryValue::Scalar(v) => Ok(vec![Element { labels: Labels::empty(), value: Value::Float(v) }]),
        QueryValue::String(_) | QueryValue::Matrix(_) => Err("rule result is not a vector or scalar".into()),
    }
}

impl World for RuleWorld {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        let evaluated = self.querier.load().instant(&rule.plan, at, &self.env()).map_err(|e| e.to_string())?;
        let Evaluated { value, annotations, .. } = evaluated;
        Ok(RuleResult {
            elements: elements(value)?,
            warnings: annotations.warnings(rule.plan.source()),
            infos: annotations.infos(rule.plan.source()),
        })
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        let surroundings = self.surroundings.load();
        let query = |text: &str, at: i64| self.template_query(text, at);
        let expansion = Expansion {
            labels: input.labels,
            value: input.value,
            external_labels: &surroundings.external_labels,
            external_url: &self.external_url,
            at: input.at,
            query: &query,
        };
        self.templates.get(&input.rule.name, input.text).expand(&expansion)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Refused, String> {
        let row = |s: &RuleSample| SampleRow {
            labels: s.labels.clone(),
            series: None,
            t: s.t,
            st: 0,
            value: s.value.clone(),
        };
        let mut rows: Vec<SampleRow> = samples.iter().map(row).collect();
        let counts = self.sink.store(&mut rows);
        match counts.failure {
            Some(failure) => Err(failure),
            None => Ok(Refused {
                out_of_order: counts.out_of_order as u64,
                duplicate: counts.duplicate as u64,
                too_old: counts.out_of_bounds as u64,
            }),
        }
    }
}
