//! Labels and annotations of a test's alerts, rendered as in production; `query` sees the test's series.

use crate::alerting::group::{Element, TemplateInput};
use crate::template::func::QuerySample;
use crate::template::prometheus::Expansion;

use super::world::SuiteWorld;

/// Renders one template. A failing one gives its error text.
pub fn render(world: &SuiteWorld, input: &TemplateInput<'_>) -> String {
    let query = |text: &str, at: i64| {
        let elements = world.instant(text, at)?;
        Ok(elements.into_iter().map(|Element { labels, value }| QuerySample { labels, value }).collect())
    };
    world.templates.get(&input.rule.name, input.text).expand(&Expansion {
        labels: input.labels,
        value: input.value,
        external_labels: &world.external_labels,
        external_url: &world.external_url,
        at: input.at,
        query: &query,
    })
}
