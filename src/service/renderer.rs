//! Renders labels and annotations of alerts.

use crate::alerting::group::TemplateInput;
use crate::alerting::world::{Renderer, RuleContext, TemplateQuery};
use crate::template::func::QuerySample;
use crate::template::prometheus::{Expansion, TemplateCache};

/// Prometheus' templates, each parsed once.
#[derive(Default)]
pub struct TemplateRenderer(TemplateCache);

impl Renderer for TemplateRenderer {
    fn render(&self, input: &TemplateInput<'_>, context: &RuleContext, query: TemplateQuery<'_>) -> String {
        let run = |text: &str, at: i64| {
            let samples = query(text, at)?;
            Ok(samples.into_iter().map(|s| QuerySample { labels: s.labels, value: s.value }).collect())
        };
        let expansion = Expansion {
            labels: input.labels,
            value: input.value,
            external_labels: &context.external_labels,
            external_url: &context.external_url,
            at: input.at,
            query: &run,
        };
        self.0.get(&input.rule.name, input.text).expand(&expansion)
    }
}
