//! Which rules may be evaluated ahead, over many ticks at once.
//!
//! All rules are evaluated at their ticks, in order. Where a rule reads only data and what rules before it record, it makes
//! no difference whether the ticks run inside the rules or the rules inside the ticks; then its expression can be evaluated
//! as one range query, once the output of those rules is known for the stretch. Where a rule reads its own output or a later
//! rule's, each tick depends on the tick before.

use rustc_hash::FxHashMap;

use super::super::rule::{RuleKind, RuleSpec};
use super::super::series::{ALERT_STATE, ALERTS, ALERTS_FOR_STATE};
use crate::model::{ALERT_NAME, METRIC_NAME, MatchOp, Matcher};
use crate::promql::ast::{At, Dur};
use crate::promql::func::RangeMode;
use crate::promql::plan::{NodeKind, QueryScalar, RangeSource, ReadTiming, SelectorNode};

/// What is known of one rule among others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Its expression can be evaluated ahead, as far as the output of `writers` is known.
    pub ahead: bool,
    /// The rules before it whose output it may read, by their place in evaluation order.
    pub writers: Vec<usize>,
    /// Its output is to be known ahead: a rule that can be evaluated ahead may read it.
    pub is_read: bool,
}

/// The outlook of each of the rules, which are in evaluation order, each with the query offset of its group.
pub fn outlook(rules: &[(&RuleSpec, i64)]) -> Vec<Outlook> {
    let offset_of = |index: usize| rules.get(index).map_or(0, |(_, offset)| *offset);
    let rules: Vec<&RuleSpec> = rules.iter().map(|(rule, _)| *rule).collect();
    let rules = rules.as_slice();
    let by_metric = Writers::of(rules);
    let mut out: Vec<Outlook> = Vec::with_capacity(rules.len());
    let mut foreseen: Vec<bool> = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let reads = Reads::of(rule);
        let writers = by_metric.read_by(&reads, rules);
        // What is written further in the past than is read comes after the tick that it seems to come before.
        let in_order = |w: &usize| foreseen.get(*w).is_some_and(|f| *f) && offset_of(*w) <= offset_of(index);
        let ahead = reads.steady && writers.iter().all(in_order);
        foreseen.push(ahead && !asks(&rule.labels) && !by_metric.shares(index, rules));
        out.push(Outlook { ahead, writers, is_read: false });
    }
    for reader in (0..out.len()).rev() {
        let Some(Outlook { ahead: true, writers, .. }) = out.get(reader).cloned() else { continue };
        for writer in writers {
            out.iter_mut().skip(writer).take(1).for_each(|w| w.is_read = true);
        }
    }
    out
}

/// How far back a rule reads at most, the lookback not counted; `None` when it may read anything.
pub fn reach(rule: &RuleSpec) -> Option<i64> {
    let annotations: &[(String, String)] = match &rule.kind {
        RuleKind::Alerting { annotations, .. } => annotations,
        RuleKind::Recording => &[],
    };
    if asks(&rule.labels) || asks(annotations) {
        return None;
    }
    let known = |d: &Dur| match d {
        Dur::Millis(ms) => Some(*ms),
        Dur::Expr(..) => None,
    };
    let timing = |t: &ReadTiming| match (&t.at, &t.offset) {
        (Some(_), _) => None,
        (None, offset) => offset.as_ref().map_or(Some(0), known),
    };
    let source = |s: &RangeSource| match s {
        RangeSource::Selector(s, range) => Some(known(range)? + timing(&s.timing)?),
        RangeSource::Subquery { range, timing: t, .. } => Some(known(range)? + timing(t)?),
    };
    // Ranges inside ranges add up; that they do not all stand inside each other makes the sum larger than need be.
    rule.plan.nodes().iter().try_fold(0, |sum: i64, node| {
        let own = match &node.kind {
            NodeKind::Selector(s) | NodeKind::SampleTime { selector: s, .. } => timing(&s.timing)?,
            NodeKind::Range(s) | NodeKind::AbsentOverTime(s, _) => source(s)?,
            NodeKind::RangeCall(call) => source(&call.source)?,
            NodeKind::Info(info) => timing(&info.timing)?,
            _ => 0,
        };
        Some(sum.saturating_add(own.max(0)))
    })
}

/// The conditions of a rule's selectors.
pub fn selectors(rule: &RuleSpec) -> Vec<Vec<Matcher>> {
    Reads::of(rule).selectors
}

/// The metrics that a rule writes.
fn metrics(rule: &RuleSpec) -> Vec<&str> {
    match &rule.kind {
        RuleKind::Recording => vec![&rule.name],
        RuleKind::Alerting { .. } => vec![ALERTS, ALERTS_FOR_STATE],
    }
}

/// Whether a template queries, which may read anything.
fn asks(templates: &[(String, String)]) -> bool {
    templates.iter().any(|(_, text)| text.contains("{{") && text.contains("query"))
}

/// Which rules write a metric.
struct Writers<'a>(FxHashMap<&'a str, Vec<usize>>);

impl<'a> Writers<'a> {
    fn of(rules: &[&'a RuleSpec]) -> Self {
        let mut by_metric: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
        for (index, rule) in rules.iter().enumerate() {
            for metric in metrics(rule) {
                by_metric.entry(metric).or_default().push(index);
            }
        }
        Writers(by_metric)
    }

    /// The rules whose output may be among what is read.
    fn read_by(&self, reads: &Reads, rules: &[&RuleSpec]) -> Vec<usize> {
        let mut found = Vec::new();
        for matchers in &reads.selectors {
            let name = matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
            let named = name.and_then(|m| self.0.get_key_value(m.value.as_str()));
            let groups: Vec<_> = match name {
                Some(_) => named.into_iter().collect(),
                None => self.0.iter().collect(),
            };
            for (metric, writers) in groups {
                let may = |w: &&usize| rules.get(**w).is_some_and(|rule| may_match(matchers, metric, rule));
                found.extend(writers.iter().filter(may).copied());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether another rule may write a series that this one writes.
    fn shares(&self, index: usize, rules: &[&RuleSpec]) -> bool {
        let Some(rule) = rules.get(index) else { return false };
        let others = metrics(rule).into_iter().flat_map(|m| self.0.get(m).into_iter().flatten());
        others.filter(|o| **o != index).any(|o| rules.get(*o).is_some_and(|other| !are_apart(rule, other)))
    }
}

/// Whether a label that both rules set tells their series apart.
fn are_apart(a: &RuleSpec, b: &RuleSpec) -> bool {
    let named = |rule: &RuleSpec| matches!(rule.kind, RuleKind::Alerting { .. }).then(|| rule.name.clone());
    let alerts = named(a).zip(named(b)).is_some_and(|(a, b)| a != b);
    let fixed = |(name, value): &(String, String)| {
        let is_set = name != ALERT_NAME && name != ALERT_STATE;
        let other = b.labels.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        is_set && other.is_some_and(|other| other != value && !other.contains("{{") && !value.contains("{{"))
    };
    alerts || a.labels.iter().any(fixed)
}

/// What a rule reads.
struct Reads {
    /// Conditions of its selectors.
    selectors: Vec<Vec<Matcher>>,
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
        Reads { selectors, steady }
    }
}

/// Whether a series of this metric that a rule writes may satisfy the matchers. Labels that are not known beforehand may be
/// anything.
fn may_match(matchers: &[Matcher], metric: &str, rule: &RuleSpec) -> bool {
    matchers.iter().all(|m| {
        let fixed = rule.labels.iter().find(|(n, v)| *n == m.name && !v.contains("{{")).map(|(_, v)| v.as_str());
        match (m.name.as_str(), &rule.kind) {
            (METRIC_NAME, _) => m.matches(metric),
            (ALERT_NAME, RuleKind::Alerting { .. }) => m.matches(&rule.name),
            (ALERT_STATE, RuleKind::Alerting { .. }) => true,
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

    fn rule(kind: &str, name: &str, labels: &[(&str, &str)], expr: &str) -> RuleSpec {
        let kind = match kind {
            "record" => RuleKind::Recording,
            _ => RuleKind::Alerting { hold: 0, keep_firing: 0, annotations: Vec::new() },
        };
        let plan = compile(expr, &CompileOptions::default()).expect("PromQL");
        let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        RuleSpec { name: name.into(), expr: expr.into(), plan, labels, kind, terms: None }
    }

    /// Of each rule whether it is evaluated ahead, and whether its output is written ahead.
    fn looked_at(rules: &[(&str, &str, &str)]) -> Vec<(bool, bool)> {
        let specs: Vec<RuleSpec> = rules.iter().map(|(k, n, e)| rule(k, n, &[], e)).collect();
        seen(&specs).into_iter().map(|o| (o.ahead, o.is_read)).collect()
    }

    fn seen(rules: &[RuleSpec]) -> Vec<Outlook> {
        outlook(&rules.iter().map(|rule| (rule, 0)).collect::<Vec<_>>())
    }

    #[test]
    fn rules_that_read_what_comes_before_are_evaluated_ahead() {
        assert_eq!(looked_at(&[("record", "a", "up"), ("alert", "b", "a > 1")]), [(true, true), (true, false)]);
        assert_eq!(
            looked_at(&[("alert", "x", "up"), ("alert", "y", r#"ALERTS{alertname="x"}"#), ("alert", "z", "ALERTS")]),
            [(true, true), (true, false), (false, false)],
            "z reads itself, and y is read by nobody else"
        );
    }

    #[test]
    fn rules_that_read_what_comes_after_are_not() {
        assert_eq!(
            looked_at(&[("alert", "b", "a > 1"), ("alert", "c", "up"), ("record", "a", "up"), ("record", "d", "up")]),
            [(false, false), (true, false), (true, false), (true, false)]
        );
        assert_eq!(looked_at(&[("record", "a", "a + 1"), ("record", "b", "a")]), [(false, false), (false, false)]);
        assert_eq!(looked_at(&[("alert", "x", r#"ALERTS{alertname="y"}"#), ("alert", "y", "up")])[0], (false, false));
        assert_eq!(looked_at(&[("alert", "x", r#"ALERTS{alertname="z"}"#), ("alert", "y", "up")])[0], (true, false));
        assert_eq!(looked_at(&[("alert", "x", r#"{__name__=~"a.*"}"#), ("record", "ab", "up")])[0], (false, false));
    }

    #[test]
    fn expressions_that_look_ahead_are_not() {
        for expr in ["up offset -5m", "up @ 100", "up @ end()", "sum_over_time(up[5m] @ start())"] {
            assert_eq!(looked_at(&[("alert", "x", expr)]), [(false, false)], "{expr}");
        }
    }

    #[test]
    fn what_two_rules_may_write_is_not_known_ahead() {
        let ahead = |first: &[(&str, &str)], second: &[(&str, &str)], expr: &str| {
            let rules =
                [rule("record", "a", first, "up"), rule("record", "a", second, "down"), rule("alert", "b", &[], expr)];
            seen(&rules)[2].ahead
        };
        assert!(!ahead(&[], &[], "a"));
        assert!(!ahead(&[("q", "0.9")], &[], "a"));
        assert!(ahead(&[("q", "0.9")], &[("q", "0.5")], "a"));
        let asking = [("team", r#"{{ with query "up" }}{{ end }}"#)];
        let rules = [rule("alert", "a", &asking, "up"), rule("alert", "b", &[], r#"ALERTS{alertname="a"}"#)];
        assert_eq!(seen(&rules).iter().map(|o| o.ahead).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_is_written_further_in_the_past_than_is_read_is_not_known_ahead() {
        let rules = [rule("record", "a", &[], "up"), rule("alert", "b", &[], "a")];
        let ahead = |writes: i64, reads: i64| outlook(&[(&rules[0], writes), (&rules[1], reads)])[1].ahead;
        assert!(ahead(0, 0) && ahead(0, 60_000) && ahead(60_000, 60_000));
        assert!(!ahead(60_000, 0));
    }
}
