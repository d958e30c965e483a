//! What a rule measures: the compared side of its expression over time, for the plots of pages and of messages.

use std::sync::Arc;

use crate::alerting::RuleSpec;
use crate::model::{Labels, METRIC_NAME};
use crate::promql::{CompileOptions, QueryValue, RangeSeries, comparison, parse};
use crate::server::app::App;
use crate::server::asked::Asked;
use crate::server::error::ApiError;
use crate::server::measured::Question;

/// The compared side of a rule's expression, and what it is compared with.
pub(in crate::server) struct Measure {
    asked: Arc<Asked>,
    rule: Arc<RuleSpec>,
    /// How often the rule is evaluated, milliseconds.
    interval: i64,
    /// The number, if it is one.
    pub threshold: Option<f64>,
}

/// The times of a plot, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Span {
    pub from: i64,
    pub until: i64,
    pub step: i64,
}

impl Span {
    /// So much time up to now in so many steps, which stand at times that stay: a line does not dance when its page is
    /// made anew.
    pub fn until(now: i64, length: i64, steps: i64) -> Span {
        let step = (length / steps).max(1_000);
        let until = now.div_euclid(step) * step;
        Span { from: until - length / step * step, until, step }
    }
}

/// The labels of an alert as its rule raised it: external labels are added when it leaves.
pub(in crate::server) fn as_raised(app: &App, labels: &Labels) -> Labels {
    let view = app.config.load();
    let external = &view.external_labels;
    labels.filter(|name| !external.has(name) || external.value(name) != labels.value(name))
}

impl Measure {
    /// What a rule measures that is evaluated so often; all of its expression where it compares nothing.
    pub fn of(app: &App, rule: &Arc<RuleSpec>, interval: i64) -> Option<Measure> {
        let source = rule.plan.source();
        let options = CompileOptions { features: app.queries.options().features };
        let compared = parse(source, &options).ok().and_then(|expr| comparison(&expr));
        let text = compared.as_ref().map_or(Some(source), |c| source.get(c.measured.clone()))?;
        let asked = app.queries.compiled(text).ok()?;
        Some(Measure { asked, rule: rule.clone(), interval, threshold: compared.and_then(|c| c.threshold) })
    }

    /// Its series, if that takes no longer than `patience`, milliseconds.
    pub async fn range(&self, app: &App, span: Span, patience: i64) -> Arc<Vec<RangeSeries>> {
        self.try_range(app, span, patience).await.unwrap_or_default()
    }

    /// The same.
    ///
    /// # Errors
    /// The query failed, or there was no time for it.
    pub async fn try_range(&self, app: &App, span: Span, patience: i64) -> Result<Arc<Vec<RangeSeries>>, ApiError> {
        let Span { from, until, step } = span;
        let querier = (**app.querier.load()).clone();
        let expr = self.asked.plan.source().to_owned();
        let question = Question { querier: querier.clone(), expr, times: (from, until, step), interval: self.interval };
        if let Some(known) = app.measured.get(&question, app.engine.now()) {
            return Ok(known);
        }
        let asked = self.asked.clone();
        let run =
            app.queries.run(Some(patience), move |env| Ok(querier.range(&asked.plan, from, until, step, &env)?));
        match run.await?.value {
            QueryValue::Matrix(all) => {
                let all = Arc::new(all);
                app.measured.keep(question, all.clone(), app.engine.now());
                Ok(all)
            }
            _ => Ok(Arc::default()),
        }
    }

    /// The series that an alert of the rule was made of: it has the alert's labels, but for those that the rule sets.
    pub fn series_of<'s>(&self, all: &'s [RangeSeries], alert: &Labels) -> Option<&'s RangeSeries> {
        let is_set = |name: &str| self.rule.labels.iter().any(|(n, _)| n == name);
        all.iter().find(|series| {
            let mut pairs = series.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
            pairs.all(|(name, value)| alert.value(name) == value || is_set(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_stand_at_times_that_stay() {
        let (a, b) = (Span::until(100_000, 60_000, 6), Span::until(109_999, 60_000, 6));
        assert_eq!((a.from, a.until, a.step), (40_000, 100_000, 10_000));
        assert_eq!((b.from, b.until), (a.from, a.until));
    }
}
