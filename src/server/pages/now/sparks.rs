//! Small plots of what the rules of a page's alerts measured in the last hour.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::RuleSpec;
use crate::engine::View;
use crate::model::Labels;
use crate::server::app::App;
use crate::server::pages::measure::{Measure, Span, as_raised};
use crate::server::pages::plot::Plot;

/// Most rules that are asked for a page, and how long one may take, milliseconds.
const MOST: usize = 8;
const PATIENCE: i64 = 400;
/// What is shown: an hour in so many steps.
const HOUR: i64 = 3_600_000;
const STEPS: i64 = 40;

/// The plots by the labels of alerts; of those that have one.
pub(super) type Sparks = FxHashMap<Labels, String>;

/// Draws the plots of these alerts. What takes too long is left out.
pub(super) async fn draw(app: &App, view: &View, alerts: &[Labels], now: i64) -> Sparks {
    let span = Span::until(now, HOUR, STEPS);
    let alerts: Vec<(&Labels, Labels)> = alerts.iter().map(|labels| (labels, as_raised(app, labels))).collect();
    let measured = rules(view, &alerts).into_iter().take(MOST).map(|(rule, interval, of_rule)| async move {
        let Some(measure) = Measure::of(app, &rule, interval) else { return Vec::new() };
        let all = measure.range(app, span, PATIENCE).await;
        let drawn = of_rule.into_iter().filter_map(|labels| {
            let points = measure.series_of(&all, labels)?.floats.clone();
            let Span { from, until, step } = span;
            let plot = Plot { from, until, step, points, threshold: measure.threshold, ..Plot::default() };
            Some((labels.clone(), plot.spark()?))
        });
        drawn.collect::<Vec<_>>()
    });
    futures::future::join_all(measured).await.into_iter().flatten().collect()
}

/// The rules that have raised alerts, each with its group's interval and its own alerts.
fn rules<'l>(view: &View, alerts: &[(&'l Labels, Labels)]) -> Vec<(Arc<RuleSpec>, i64, Vec<&'l Labels>)> {
    let mut found = Vec::new();
    for group in view.rule_groups() {
        for (spec, state) in group.spec.rules.iter().zip(&group.state.rules) {
            let raised = |(labels, raised): &(&'l Labels, Labels)| {
                (state.alerts.contains_key(raised) || state.alerts.contains_key(*labels)).then_some(*labels)
            };
            let of_rule: Vec<&Labels> = alerts.iter().filter_map(raised).collect();
            if !of_rule.is_empty() {
                found.push((spec.clone(), group.spec.interval, of_rule));
            }
        }
    }
    found
}
