//! Rules as spans.

use std::sync::Arc;
use std::time::Duration;

use crate::alerting::group::{Appended, Element, RuleResult, TemplateInput, World};
use crate::alerting::rule::{GroupKey, RuleSpec};
use crate::alerting::series::RuleSample;
use crate::alerting::{Evaluation, GroupSpec};
use crate::clock::{Clock, Stopwatch};
use crate::instrument::spans::{Span, SpanKind, Tracer};

/// A world that notes what each rule asks of it.
pub(in crate::service) struct TracedWorld {
    /// The world.
    pub world: Arc<dyn World>,
    /// Where spans are noted.
    pub tracer: Tracer,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl World for TracedWorld {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        // The rules evaluated at one time are one trace.
        let Some(id) = self.tracer.within(&at.to_be_bytes()) else { return self.world.query(rule, at) };
        let watch = Stopwatch::start();
        let result = self.world.query(rule, at);
        let count = result.as_ref().map_or(0, |r| r.elements.len());
        self.tracer.note(Span {
            id,
            parent: None,
            name: "rule".into(),
            kind: SpanKind::Internal,
            ended_at: self.clock.now(),
            took: watch.elapsed(),
            attributes: vec![
                ("name", rule.name.to_string()),
                ("type", rule.kind_name().into()),
                ("elements", count.to_string()),
            ],
            error: result.as_ref().err().cloned(),
        });
        result
    }

    fn answered(&self, of: (&GroupKey, &RuleSpec), at: i64, gave: &Result<RuleResult, String>, took: Duration) {
        self.world.answered(of, at, gave, took);
    }

    fn measured(&self, rule: &RuleSpec, at: i64) -> Option<Vec<Element>> {
        self.world.measured(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.world.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        self.world.append(samples)
    }

    fn tick(self: Arc<Self>) -> Option<Arc<dyn World>> {
        let world = self.world.clone().tick()?;
        Some(Arc::new(TracedWorld { world, tracer: self.tracer.clone(), clock: self.clock.clone() }))
    }

    fn open(&self, groups: &[Arc<GroupSpec>]) {
        self.world.open(groups);
    }

    fn begin(&self, evaluation: &Evaluation) {
        self.world.begin(evaluation);
    }

    fn idle_until(&self, evaluation: &Evaluation) -> Option<i64> {
        self.world.idle_until(evaluation)
    }
}
