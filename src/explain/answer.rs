//! Putting the chain together: which rules and alerts are asked for, and what is said of each.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{Alert, AlertState, RuleKind, RuleSpec, RuleState};
use crate::config::yaml::nearest;
use crate::engine::{GroupView, Tellings, View};
use crate::history::{Number, Time};
use crate::model::{Labels, duration};
use crate::promql::EvalEnv;
use crate::routing::alerts::AlertRow;

use super::asked::Asked;
use super::chain::{AlertChain, Explanation, FailingSource, IntegrationChain, RouteChain, RuleChain, Stage};
use super::delivery::{Delivery, MuteEnds, Standing};
use super::expression::{Question, examine};
use super::mute::Mutes;
use super::part::Part;
use super::past::Past;
use super::route::way;
use super::sources::Sources;
use super::subject::Subject;
use super::text;
use super::told::tellings as then_told;

/// Most alerts and rules of which the expression is looked at.
pub(super) const MOST_EXAMINED: usize = 5;
/// Most rules that are told of.
pub(super) const MOST_RULES: usize = 20;

/// An alerting rule in force.
#[derive(Clone)]
pub(super) struct RuleAt {
    pub group: Arc<GroupView>,
    pub place: usize,
}

/// An alert that is asked for, as its rule knows it and as routing does.
#[derive(Default)]
struct Found {
    rule: Option<(RuleAt, Alert)>,
    row: Option<Arc<AlertRow>>,
}

/// Explains what is asked for.
pub fn explain(asked: &Asked, sources: &Sources<'_>) -> Explanation {
    let groups = sources.view.rule_groups();
    let found = alerts(asked, sources.view, &groups, sources.now);
    let rules = rules(asked, &groups, &found);
    let (tellings, mute_ends) = (Tellings::of(sources.view), MuteEnds::within(&sources.env.cancel));
    let past = Past::without_notes(sources, sources.now);
    let mut out = Explanation { asked: asked.text(), at: Some(Time(sources.now)), ..Explanation::default() };
    out.more_rules = rules.len().saturating_sub(MOST_RULES);
    out.more_alerts = found.len().saturating_sub(sources.most);
    for (place, (labels, found)) in found.iter().take(sources.most).enumerate() {
        let rule = found.rule.as_ref().and_then(|(rule, _)| rules.iter().position(|r| r.is(rule)));
        let knows = (&tellings, &mute_ends, &past);
        out.alerts.push(alert_chain(sources, knows, (labels, found), rule, place < MOST_EXAMINED));
    }
    for (place, rule) in rules.iter().take(MOST_RULES).enumerate() {
        let has_alert = found.iter().any(|(_, f)| f.rule.as_ref().is_some_and(|(r, _)| r.is(rule)));
        out.rules.push(rule_chain(sources, asked, &groups, rule, !has_alert && place < MOST_EXAMINED));
    }
    if out.rules.is_empty() && out.alerts.is_empty() {
        out.did_you_mean = similar(asked, &groups);
    }
    out.notes = past.notes();
    out.summary = text::summary(&out);
    out
}

impl RuleAt {
    pub fn spec(&self) -> Option<&Arc<RuleSpec>> {
        self.group.spec.rules.get(self.place)
    }

    pub fn state(&self) -> Option<&RuleState> {
        self.group.state.rules.get(self.place)
    }

    pub fn is(&self, other: &RuleAt) -> bool {
        self.place == other.place && self.group.spec.key == other.group.spec.key
    }

    /// When its expression was evaluated last; where it never was, when it would be now.
    fn examined_at(&self, now: i64) -> i64 {
        let evaluated = self.state().and_then(|s| s.evaluated_at.or(s.restored_from)).unwrap_or(now);
        evaluated.saturating_sub(self.group.spec.query_offset)
    }
}

pub(super) fn alerting(groups: &[Arc<GroupView>]) -> impl Iterator<Item = RuleAt> {
    groups.iter().flat_map(|group| {
        let is_alerting = |rule: &Arc<RuleSpec>| matches!(rule.kind, RuleKind::Alerting { .. });
        let places = group.spec.rules.iter().enumerate().filter(move |(_, rule)| is_alerting(rule));
        places.map(|(place, _)| RuleAt { group: group.clone(), place })
    })
}

/// The alerts that are asked for: those that fire first, then the pending ones, then what is over.
fn alerts(asked: &Asked, view: &View, groups: &[Arc<GroupView>], now: i64) -> Vec<(Labels, Found)> {
    let mut found: FxHashMap<Labels, Found> = FxHashMap::default();
    for rule in alerting(groups) {
        let Some(state) = rule.state() else { continue };
        for alert in state.alerts.values() {
            // Routing, and whoever was told, know it by the labels with which it leaves.
            let labels = view.outgoing().apply(&alert.labels).unwrap_or_else(|| alert.labels.clone());
            if !asked.wants(&labels) && !asked.wants(&alert.labels) {
                continue;
            }
            let known = found.entry(labels).or_default();
            // Of several rules with the same alert, the one in which it has come furthest.
            if known.rule.as_ref().is_none_or(|(_, other)| other.state < alert.state) {
                known.rule = Some((rule.clone(), alert.clone()));
            }
        }
    }
    for row in view.alerts().filter(|row| asked.wants(&row.alert.labels)) {
        found.entry(row.alert.labels.clone()).or_default().row = Some(row.clone());
    }
    let mut found: Vec<(Labels, Found)> = found.into_iter().collect();
    let rank = |found: &Found| match standing(found, 0, now) {
        Standing::Firing => 0,
        Standing::Pending(_) => 1,
        Standing::Resolved => 2,
        Standing::Inactive => 3,
    };
    found.sort_by(|(a, x), (b, y)| rank(x).cmp(&rank(y)).then_with(|| a.cmp(b)));
    found
}

/// The rules that are asked for by name, and those of the alerts that are.
fn rules(asked: &Asked, groups: &[Arc<GroupView>], found: &[(Labels, Found)]) -> Vec<RuleAt> {
    let mut rules: Vec<RuleAt> = Vec::new();
    for (rule, _) in found.iter().filter_map(|(_, found)| found.rule.as_ref()) {
        if !rules.iter().any(|r| r.is(rule)) {
            rules.push(rule.clone());
        }
    }
    let wanted = |rule: &RuleAt| rule.spec().is_some_and(|spec| asked.wants_rule(&spec.name) && may_raise(asked, spec));
    for rule in alerting(groups).filter(wanted) {
        if !rules.iter().any(|r| r.is(&rule)) {
            rules.push(rule);
        }
    }
    rules
}

/// Whether no label that a rule sets to a fixed value is asked for with another.
pub(super) fn may_raise(asked: &Asked, spec: &RuleSpec) -> bool {
    let wanted = asked.labels();
    let mut fixed = spec.labels.iter().filter(|(_, value)| !value.contains("{{"));
    fixed.all(|(name, value)| wanted.get(name).is_none_or(|wanted| wanted == value))
}

pub(super) fn similar(asked: &Asked, groups: &[Arc<GroupView>]) -> Vec<String> {
    let Some(name) = asked.name() else { return Vec::new() };
    let mut names: Vec<Arc<str>> = alerting(groups).filter_map(|rule| Some(rule.spec()?.name.clone())).collect();
    names.sort_unstable();
    names.dedup();
    let lower = name.to_lowercase();
    let alike = names.iter().filter(|known| {
        let known = known.to_lowercase();
        known.contains(&lower) || lower.contains(&known)
    });
    let mut alike: Vec<String> = alike.take(5).map(ToString::to_string).collect();
    if alike.is_empty() {
        let names: Vec<&str> = names.iter().map(|n| &**n).collect();
        alike.extend(nearest(name, &names).map(str::to_owned));
    }
    alike
}

/// Looks at a rule's expression for a subject, as it was at a time.
pub(super) fn look(sources: &Sources<'_>, rule: &RuleAt, at: i64, subject: Option<&Subject>) -> Result<Part, String> {
    let spec = rule.spec().ok_or("the rule is gone")?;
    let env = EvalEnv { terms: spec.terms.clone(), ..sources.env.clone() };
    examine(&spec.plan, Question { querier: sources.querier, env: &env, at, subject, most_rows: sources.most })
}

pub(super) fn subject(labels: &Labels, spec: &RuleSpec) -> Subject {
    Subject::new(labels, spec.labels.iter().map(|(name, _)| name.as_str()))
}

pub(super) const NOT_EXAMINED: &str = "there are more alerts or rules than are looked into: ask for one of them";

fn alert_chain(
    sources: &Sources<'_>,
    (tellings, mute_ends, past): (&Tellings<'_>, &MuteEnds<'_>, &Past<'_>),
    (labels, found): (&Labels, &Found),
    rule: Option<usize>,
    is_examined: bool,
) -> AlertChain {
    let Sources { view, now, .. } = *sources;
    let routed = found.row.as_ref().map(|row| &row.alert);
    let of_rule = found.rule.as_ref();
    let hold = of_rule.and_then(|(rule, _)| Some(times(rule.spec()?))).unwrap_or_default();
    let standing = standing(found, hold.0, now);
    let mutes = match &found.row {
        Some(row) => Mutes::of(view, row, now),
        None => Mutes::expected(view, labels, now),
    };
    let (ends, passed_by) = way(view.tree(), labels);
    let ends_at = routed.and_then(|a| a.ends_at).or(of_rule.and_then(|(_, a)| a.resolved_at));
    // A poster may say again and again that it is over, later each time.
    let ended_at = if of_rule.is_some() { ends_at } else { routed.map(|a| a.starts_at) };
    let ended_at = ended_at.filter(|_| standing == Standing::Resolved);
    let delivery = Delivery { view, tellings, now, alert: labels, standing, ended_at, mutes: &mutes, mute_ends };
    let mut routes: Vec<RouteChain> = ends.into_iter().filter_map(|index| delivery.at(index)).collect();
    if standing == Standing::Resolved {
        routes.iter_mut().for_each(|route| recall_end(past, labels, ended_at.map(Time), route));
    }
    let (expression, not_examined) = match of_rule {
        Some((rule, alert)) if is_examined && alert.is_active() => match rule.spec() {
            Some(spec) => told_apart(look(sources, rule, rule.examined_at(now), Some(&subject(&alert.labels, spec)))),
            None => (None, None),
        },
        Some((_, alert)) if alert.is_active() => (None, Some(NOT_EXAMINED.to_owned())),
        _ => (None, None),
    };
    let mut chain = AlertChain {
        labels: labels.clone(),
        fingerprint: format!("{:016x}", labels.fingerprint()),
        annotations: routed
            .map(|a| &a.annotations)
            .or(of_rule.map(|(_, a)| &a.annotations))
            .cloned()
            .unwrap_or_default(),
        rule,
        generator_url: routed.filter(|_| rule.is_none()).map(|a| a.generator_url.clone()),
        state: word(standing).to_owned(),
        value: of_rule.map(|(_, alert)| Number(alert.value)),
        active_at: of_rule.map(|(_, alert)| Time(alert.active_at)),
        fires_at: match standing {
            Standing::Pending(at) => Some(Time(at)),
            _ => None,
        },
        fired_at: of_rule.map_or_else(|| routed.map(|a| a.starts_at), |(_, alert)| alert.fired_at).map(Time),
        kept_until: of_rule.and_then(|(_, a)| a.keep_firing_since).map(|since| Time(since.saturating_add(hold.1))),
        ends_at: ends_at.map(Time),
        expression,
        not_examined,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        stage: furthest(&routes, standing),
        next: routes.iter().flat_map(|r| &r.integrations).filter_map(|i| i.next).min(),
        routes,
        passed_by,
        decisions: Vec::new(),
        summary: String::new(),
    };
    (chain.silenced_by, chain.inhibited_by) = (mutes.silenced_by, mutes.inhibited_by);
    chain.summary = text::alert_summary(&chain);
    chain
}

/// Once a group's later messages leave an alert out, its history alone knows who was told of its end.
fn recall_end(past: &Past<'_>, alert: &Labels, ended_at: Option<Time>, route: &mut RouteChain) {
    let is_left_out = |i: &IntegrationChain| i.send_resolved && i.told.is_none();
    if !route.integrations.iter().any(is_left_out) {
        return;
    }
    let known = then_told(&past.of_group(&route.group_key));
    for integration in route.integrations.iter_mut().filter(|i| is_left_out(i)) {
        let key = (integration.receiver.clone(), integration.integration.as_str().into());
        if let Some(told_at) = known.get(&key).and_then(|telling| telling.end_told(alert, ended_at)) {
            integration.stage = Stage::Delivered;
            (integration.told, integration.told_at) = (Some("resolved".to_owned()), Some(told_at));
        }
    }
}

pub(super) fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Inactive => "inactive",
        Standing::Pending(_) => "pending",
        Standing::Firing => "firing",
        Standing::Resolved => "resolved",
    }
}

/// `for` and `keep_firing_for`, milliseconds.
pub(super) fn times(spec: &RuleSpec) -> (i64, i64) {
    match &spec.kind {
        RuleKind::Alerting { hold, keep_firing, .. } => (*hold, *keep_firing),
        RuleKind::Recording => (0, 0),
    }
}

fn standing(found: &Found, hold: i64, now: i64) -> Standing {
    let routed = found.row.as_ref().map(|row| row.alert.is_resolved(now));
    match (&found.rule, routed) {
        (_, Some(false)) => Standing::Firing,
        (Some((_, alert)), _) if alert.state == AlertState::Pending => {
            let waited = alert.active_at.saturating_add(alert.unobserved);
            Standing::Pending(waited.saturating_add(hold))
        }
        (_, Some(true)) => Standing::Resolved,
        (Some((_, alert)), None) if alert.state == AlertState::Firing => Standing::Firing,
        (Some((_, alert)), None) if alert.fired_at.is_some() => Standing::Resolved,
        (_, None) => Standing::Inactive,
    }
}

/// How far an alert has come at the route where it came furthest.
pub(super) fn furthest(routes: &[RouteChain], standing: Standing) -> Stage {
    let of_route = |route: &RouteChain| route.integrations.iter().map(|i| i.stage).max();
    let nobody = match standing {
        Standing::Inactive => Stage::Inactive,
        Standing::Pending(_) => Stage::Pending,
        Standing::Firing | Standing::Resolved => Stage::NoIntegration,
    };
    routes.iter().filter_map(of_route).max().unwrap_or(nobody)
}

pub(super) fn told_apart(looked: Result<Part, String>) -> (Option<Part>, Option<String>) {
    match looked {
        Ok(part) => (Some(part), None),
        Err(why) => (None, Some(why)),
    }
}

fn rule_chain(
    sources: &Sources<'_>,
    asked: &Asked,
    groups: &[Arc<GroupView>],
    rule: &RuleAt,
    is_examined: bool,
) -> RuleChain {
    let group = &rule.group;
    let empty = RuleState::default();
    let state = rule.state().unwrap_or(&empty);
    let count = |wanted: AlertState| state.alerts.values().filter(|a| a.state == wanted).count();
    let (pending, firing) = (count(AlertState::Pending), count(AlertState::Firing));
    let spec = rule.spec();
    let (hold, keep_firing) = spec.map(|s| times(s)).unwrap_or_default();
    let (expression, not_examined) = match spec {
        Some(spec) if is_examined => {
            let subject = subject(&asked.labels(), spec);
            let subject = (!subject.labels().is_empty()).then_some(&subject);
            told_apart(look(sources, rule, rule.examined_at(sources.now), subject))
        }
        _ => (None, None),
    };
    let mut chain = RuleChain {
        file: group.spec.key.file.clone(),
        group: group.spec.key.name.clone(),
        name: spec.map(|s| s.name.clone()).unwrap_or_default(),
        expr: spec.map(|s| s.plan.source().into()).unwrap_or_default(),
        hold: duration::format(hold),
        keep_firing_for: duration::format(keep_firing),
        interval: duration::format(group.spec.interval),
        health: state.health.as_str().to_owned(),
        last_error: state.last_error.clone(),
        evaluated_at: state.evaluated_at.or(state.restored_from).map(Time),
        next_evaluation: Some(Time(group.next_at)),
        pending,
        firing,
        failing_sources: spec
            .map(|spec| failing_sources(spec, groups, |_, _, state| state.last_error.clone()))
            .unwrap_or_default(),
        expression,
        not_examined,
        summary: String::new(),
    };
    chain.summary = text::rule_summary(&chain);
    chain
}

/// The recording rules that a rule reads from and that cannot be evaluated.
pub(super) fn failing_sources(
    spec: &RuleSpec,
    groups: &[Arc<GroupView>],
    error: impl Fn(&GroupView, &RuleSpec, &RuleState) -> Option<Arc<str>>,
) -> Vec<FailingSource> {
    let read: Vec<String> = spec.plan.selectors().into_iter().filter_map(|s| s.metric).collect();
    let mut failing = Vec::new();
    for group in groups {
        for (rule, state) in group.spec.rules.iter().zip(&group.state.rules) {
            let is_source =
                matches!(rule.kind, RuleKind::Recording) && read.iter().any(|metric| **metric == *rule.name);
            if let Some(error) = Some(()).filter(|()| is_source).and_then(|()| error(group, rule, state)) {
                failing.push(FailingSource { record: rule.name.clone(), group: group.spec.key.name.clone(), error });
            }
        }
    }
    failing
}
