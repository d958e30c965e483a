//! Which rules may be evaluated over the whole timeline at once.
//!
//! A test evaluates all rules at every tick, in order. Where a rule reads only input and what earlier rules record, it
//! makes no difference whether the ticks run inside the rules or the rules inside the ticks; then its expression is
//! evaluated as one range query, and only the state machine steps through the ticks. Where a rule reads its own output
//! or a later rule's, they belong together and run tick by tick.

use std::ops::Range;

use crate::alerting::rule::{RuleKind, RuleSpec};
use crate::alerting::series::{ALERTS, ALERTS_FOR_STATE};
use crate::model::{ALERT_NAME, METRIC_NAME, Matcher};
use crate::promql::ast::{At, Dur};
use crate::promql::func::RangeMode;
use crate::promql::plan::{NodeKind, QueryScalar, RangeSource, ReadTiming, SelectorNode};

/// Rules that run tick by tick together, or one rule alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which rules, by their place in evaluation order.
    pub rules: Range<usize>,
    /// For every rule of the segment, whether its expression can be evaluated as a range query.
    pub whole: Vec<bool>,
}

/// Splits rules in evaluation order into segments.
pub fn segments(rules: &[&RuleSpec]) -> Vec<Segment> {
    let reads: Vec<Reads> = rules.iter().map(|rule| Reads::of(rule)).collect();
    let mut out = Vec::new();
    let mut begin = 0;
    while begin < rules.len() {
        let mut end = begin + 1;
        let mut i = begin;
        while i < end {
            let later = (end..rules.len()).rev().find(|j| reads_output(&reads, rules, i, *j));
            end = later.map_or(end, |j| j + 1);
            i += 1;
        }
        let alone = |i: usize| {
            let steady = reads.get(i).is_some_and(|r| r.steady);
            steady && !(begin..end).any(|j| reads_output(&reads, rules, i, j))
        };
        out.push(Segment { rules: begin..end, whole: (begin..end).map(alone).collect() });
        begin = end;
    }
    out
}

fn reads_output(reads: &[Reads], rules: &[&RuleSpec], reader: usize, writer: usize) -> bool {
    match (reads.get(reader), rules.get(writer)) {
        (Some(reads), Some(rule)) => reads.may_read(rule),
        _ => false,
    }
}

/// What a rule reads.
struct Reads {
    /// Conditions of its selectors.
    selectors: Vec<Vec<Matcher>>,
    /// A template of it queries, which may read anything.
    anything: bool,
    /// Its expression looks neither ahead nor at the bounds of the query, so that a range query gives at every step what
    /// an instant query gives there.
    steady: bool,
}

impl Reads {
    fn of(rule: &RuleSpec) -> Self {
        let plan = &rule.plan;
        let mut selectors = Vec::new();
        let mut steady = true;
        for node in plan.nodes() {
            match &node.kind {
                NodeKind::Selector(s) | NodeKind::SampleTime { selector: s, .. } => {
                    selectors.push(s.matchers.clone());
                    steady &= is_steady(s);
                }
                NodeKind::Range(source) | NodeKind::AbsentOverTime(source, _) => {
                    steady &= push_source(source, &mut selectors);
                }
                NodeKind::RangeCall(call) => steady &= push_source(&call.source, &mut selectors),
                NodeKind::Info(info) => {
                    selectors.push(info.name_matchers.clone());
                    steady &= timing_is_steady(&info.timing);
                }
                NodeKind::QueryScalar(q) => steady &= *q == QueryScalar::Time,
                NodeKind::String(_) => steady &= node.value_type != plan.result_type(),
                _ => {}
            }
        }
        let queries = |text: &str| text.contains("{{") && text.contains("query");
        let annotations: &[(String, String)] = match &rule.kind {
            RuleKind::Alerting { annotations, .. } => annotations,
            RuleKind::Recording => &[],
        };
        let anything = rule.labels.iter().chain(annotations).any(|(_, text)| queries(text));
        Reads { selectors, anything, steady }
    }

    /// Whether a series that `rule` writes may be among those read.
    fn may_read(&self, rule: &RuleSpec) -> bool {
        if self.anything {
            return true;
        }
        match &rule.kind {
            RuleKind::Recording => self.selectors.iter().any(|s| may_match(s, &rule.name, &rule.labels, None)),
            RuleKind::Alerting { .. } => [ALERTS, ALERTS_FOR_STATE]
                .iter()
                .any(|metric| self.selectors.iter().any(|s| may_match(s, metric, &rule.labels, Some(&rule.name)))),
        }
    }
}

/// Whether a series of this metric name may satisfy the matchers. Labels that are not known beforehand may be anything.
fn may_match(matchers: &[Matcher], metric: &str, labels: &[(String, String)], alert: Option<&str>) -> bool {
    matchers.iter().all(|m| {
        let fixed = labels.iter().find(|(n, v)| *n == m.name && !v.contains("{{")).map(|(_, v)| v.as_str());
        match (m.name.as_str(), alert) {
            (METRIC_NAME, _) => m.matches(metric),
            (ALERT_NAME, Some(name)) => m.matches(name),
            _ => fixed.is_none_or(|v| m.matches(v)),
        }
    })
}

fn push_source(source: &RangeSource, selectors: &mut Vec<Vec<Matcher>>) -> bool {
    match source {
        RangeSource::Selector(s, range) => {
            selectors.push(s.matchers.clone());
            is_steady(s) && is_known(range)
        }
        RangeSource::Subquery { range, step, timing, .. } => {
            timing_is_steady(timing) && is_known(range) && step.as_ref().is_none_or(is_known)
        }
    }
}

fn is_steady(selector: &SelectorNode) -> bool {
    selector.mode != RangeMode::Smoothed && timing_is_steady(&selector.timing)
}

fn timing_is_steady(timing: &ReadTiming) -> bool {
    let ahead = match &timing.offset {
        None => false,
        Some(Dur::Millis(ms)) => *ms < 0,
        Some(Dur::Expr(..)) => true,
    };
    // A fixed time may lie ahead of a tick.
    !ahead && !matches!(timing.at, Some(At::Time(_) | At::Start | At::End))
}

fn is_known(d: &Dur) -> bool {
    matches!(d, Dur::Millis(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{CompileOptions, compile};

    fn rule(kind: &str, name: &str, expr: &str) -> RuleSpec {
        let kind = match kind {
            "record" => RuleKind::Recording,
            _ => RuleKind::Alerting { hold: 0, keep_firing: 0, annotations: Vec::new() },
        };
        let plan = compile(expr, &CompileOptions::default()).expect("PromQL");
        RuleSpec { name: name.into(), expr: expr.into(), plan, labels: Vec::new(), kind }
    }

    fn split(rules: &[(&str, &str, &str)]) -> Vec<(Range<usize>, Vec<bool>)> {
        let specs: Vec<RuleSpec> = rules.iter().map(|(k, n, e)| rule(k, n, e)).collect();
        segments(&specs.iter().collect::<Vec<_>>()).into_iter().map(|s| (s.rules, s.whole)).collect()
    }

    #[test]
    fn rules_that_read_what_comes_before_are_evaluated_whole() {
        assert_eq!(split(&[("record", "a", "up"), ("alert", "b", "a > 1")]), [(0..1, vec![true]), (1..2, vec![true])]);
    }

    #[test]
    fn rules_that_read_what_comes_after_run_tick_by_tick_with_it() {
        assert_eq!(
            split(&[("alert", "b", "a > 1"), ("alert", "c", "up"), ("record", "a", "up"), ("record", "d", "up")]),
            [(0..3, vec![false, true, true]), (3..4, vec![true])]
        );
        assert_eq!(split(&[("record", "a", "a + 1")]), [(0..1, vec![false])]);
        assert_eq!(split(&[("alert", "x", r#"ALERTS{alertname="y"}"#), ("alert", "y", "up")]).len(), 1);
        assert_eq!(split(&[("alert", "x", r#"ALERTS{alertname="z"}"#), ("alert", "y", "up")]).len(), 2);
        assert_eq!(split(&[("alert", "x", r#"{__name__=~"a.*"}"#), ("record", "ab", "up")]).len(), 1);
    }

    #[test]
    fn expressions_that_look_ahead_are_not_evaluated_whole() {
        for expr in ["up offset -5m", "up @ 100", "up @ end()", "sum_over_time(up[5m] @ start())"] {
            assert_eq!(split(&[("alert", "x", expr)]), [(0..1, vec![false])], "{expr}");
        }
    }
}
