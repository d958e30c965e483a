//! Putting the chain together for a time that is past, or for a notification.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::engine::GroupView;
use crate::history::{Recorded, RoutedTo, RuleName, Time, What};
use crate::model::{ALERT_NAME, Labels, duration};
use crate::routing::SharedRoute;

use super::answer::{
    MOST_EXAMINED, MOST_RULES, NOT_EXAMINED, RuleAt, alerting, failing_sources, furthest, look, may_raise, similar,
    subject, times, told_apart, word,
};
use super::asked::Asked;
use super::chain::{AlertChain, Explanation, GroupChain, IntegrationChain, PassedBy, RouteChain, RuleChain};
use super::delivery::Standing;
use super::mute::Mutes;
use super::page::page;
use super::past::{Past, Stood};
use super::route::way;
use super::sources::Sources;
use super::text;
use super::told::{Telling, Way, flush_at, muted_by, tellings};

/// Explains what is asked for as it was at a time that is past: the expression by the series, what became of its alerts
/// by the history. What neither keeps, such as the text of an expression and the timers of a route, is of now.
pub fn explain_at(asked: &Asked, sources: &Sources<'_>, at: i64) -> Explanation {
    let then = Then::new(sources, at, at);
    let stood = then.past.alerts(asked);
    let mut out = Explanation { asked: asked.text(), at: Some(Time(at)), ..Explanation::default() };
    then.tell(&stood, &mut out, |name, rule| {
        asked.wants_rule(name) && rule.spec().is_some_and(|spec| may_raise(asked, spec))
    });
    then.finish(&mut out, asked);
    out
}

/// Explains a notification by its id, which its messages carry: why it was decided, what was new in it, what became of
/// it, and the chain of each of its alerts at the time of its last decision. Nothing where the history does not know it.
pub fn explain_page(id: u64, sources: &Sources<'_>) -> Option<Explanation> {
    let (page, ended_at) = page(sources, id)?;
    let then = Then::new(sources, ended_at, page.decided_at.0);
    let mut stood = Vec::new();
    // What was new is what people ask about.
    let all = page.new.iter().chain(&page.resolved).chain(&page.still);
    let count = all.clone().count();
    for alert in all.take(sources.most) {
        let asked = Asked::Fingerprint(alert.labels.fingerprint());
        let known = then.past.alerts(&asked).into_iter().find(|stood| stood.labels == alert.labels);
        stood.extend(known);
    }
    let mut out =
        Explanation { asked: format!("notification {id}"), at: Some(Time(ended_at)), ..Explanation::default() };
    then.tell(&stood, &mut out, |_, _| false);
    out.more_alerts = count.saturating_sub(stood.len());
    out.summary = text::page_summary(&page);
    out.page = Some(page);
    out.notes = then.past.notes();
    Some(out)
}

/// A time that is past.
struct Then<'a> {
    sources: &'a Sources<'a>,
    past: Past<'a>,
    /// When expressions are looked at, milliseconds.
    examined_at: i64,
    groups: Vec<Arc<GroupView>>,
    failing: FxHashMap<(Arc<str>, Arc<str>), Arc<str>>,
    by_name: FxHashMap<Arc<str>, Vec<RuleAt>>,
}

impl<'a> Then<'a> {
    fn new(sources: &'a Sources<'a>, at: i64, examined_at: i64) -> Then<'a> {
        let past = Past::until(sources, at);
        let (groups, failing) = (sources.view.rule_groups(), past.failing());
        let mut by_name: FxHashMap<Arc<str>, Vec<RuleAt>> = FxHashMap::default();
        for rule in alerting(&groups) {
            let name = rule.spec().map(|spec| spec.name.clone());
            by_name.entry(name.unwrap_or_default()).or_default().push(rule);
        }
        Then { sources, past, examined_at, groups, failing, by_name }
    }

    /// Tells of alerts, their rules, and the rules that `wanted` picks besides.
    fn tell(&self, stood: &[Stood], out: &mut Explanation, wanted: impl Fn(&str, &RuleAt) -> bool) {
        let raised: Vec<Option<RuleAt>> = stood.iter().map(|stood| self.rule_of(stood)).collect();
        let mut rules: Vec<RuleAt> = Vec::new();
        let others = alerting(&self.groups).filter(|r| r.spec().is_some_and(|spec| wanted(&spec.name, r)));
        for rule in raised.iter().flatten().cloned().chain(others) {
            if !rules.iter().any(|known| known.is(&rule)) {
                rules.push(rule);
            }
        }
        out.more_rules = rules.len().saturating_sub(MOST_RULES);
        out.more_alerts = stood.len().saturating_sub(self.sources.most);
        for (place, (stood, rule)) in stood.iter().zip(&raised).take(self.sources.most).enumerate() {
            let known = rule.as_ref().and_then(|rule| rules.iter().position(|r| r.is(rule)));
            out.alerts.push(self.alert(stood, (rule.as_ref(), known), place < MOST_EXAMINED));
        }
        for (place, rule) in rules.iter().take(MOST_RULES).enumerate() {
            let of_rule = stood.iter().zip(&raised).filter(|(_, r)| r.as_ref().is_some_and(|r| r.is(rule)));
            let standing: Vec<Standing> = of_rule.map(|(stood, _)| stood.standing).collect();
            out.rules.push(self.rule(rule, &standing, place < MOST_EXAMINED, &out.asked));
        }
    }

    fn finish(&self, out: &mut Explanation, asked: &Asked) {
        if out.rules.is_empty() && out.alerts.is_empty() {
            out.did_you_mean = similar(asked, &self.groups);
        }
        out.summary = text::summary(out);
        out.notes = self.past.notes();
    }

    /// The rule that raised an alert, if it is still in force.
    fn rule_of(&self, stood: &Stood) -> Option<RuleAt> {
        let of_name = |name: &str| self.by_name.get(name).into_iter().flatten().cloned();
        match &stood.rule {
            Some(RuleName { group, name }) => {
                let is_in = |rule: &RuleAt| *rule.group.spec.key.to_label() == **group;
                // A file that is read by another path holds the same rules.
                let is_alike = |rule: &RuleAt| {
                    let asked = Asked::of(&stood.labels);
                    group.ends_with(&format!(";{}", rule.group.spec.key.name))
                        && rule.spec().is_some_and(|spec| may_raise(&asked, spec))
                };
                of_name(name).find(is_in).or_else(|| of_name(name).find(is_alike))
            }
            // By its series it is only known by its name; a posted one is of no rule.
            None if stood.fired_at.is_some() => None,
            None => of_name(stood.labels.value(ALERT_NAME)).next(),
        }
    }

    /// When a rule was evaluated last before expressions are looked at, milliseconds.
    fn ticked(&self, rule: &RuleAt) -> i64 {
        let (at, interval) = (self.examined_at, rule.group.spec.interval.max(1));
        let last = rule.state().and_then(|state| state.evaluated_at.or(state.restored_from));
        match last {
            Some(last) if last > at => {
                let after = last.saturating_sub(at);
                let ticks = after / interval + i64::from(after % interval > 0);
                last.saturating_sub(ticks.saturating_mul(interval))
            }
            Some(last) => last,
            None => at,
        }
    }

    fn examined(&self, rule: &RuleAt, labels: Option<&Labels>) -> Result<super::Part, String> {
        let spec = rule.spec().ok_or("the rule is gone")?;
        let at = self.ticked(rule).saturating_sub(rule.group.spec.query_offset);
        let subject = labels.map(|labels| subject(labels, spec));
        look(self.sources, rule, at, subject.as_ref().filter(|subject| !subject.labels().is_empty()))
    }

    fn alert(&self, stood: &Stood, (rule, place): (Option<&RuleAt>, Option<usize>), is_examined: bool) -> AlertChain {
        let Stood { labels, standing, .. } = stood;
        let view = self.sources.view;
        let recorded = self.past.mutes_of(labels);
        let whats: Vec<&What> = recorded.iter().map(|r| &r.decision.what).collect();
        let mutes = Mutes::recorded(view, labels, &whats, self.past.at);
        let (routes, passed_by) = self.routes(stood, &mutes);
        let (expression, not_examined) = match rule {
            Some(rule) if is_examined => told_apart(self.examined(rule, Some(labels))),
            Some(_) => (None, Some(NOT_EXAMINED.to_owned())),
            None if stood.rule.is_some() => (None, Some("its rule is not in force any more".to_owned())),
            None => (None, None),
        };
        let mut chain = AlertChain {
            labels: labels.clone(),
            fingerprint: format!("{:016x}", labels.fingerprint()),
            annotations: Labels::empty(),
            rule: place,
            generator_url: None,
            state: word(*standing).to_owned(),
            value: stood.value,
            active_at: stood.active_at,
            fires_at: match standing {
                Standing::Pending(at) if *at < i64::MAX => Some(Time(*at)),
                _ => None,
            },
            fired_at: stood.fired_at,
            kept_until: stood.kept_until,
            ends_at: stood.ends_at,
            expression,
            not_examined,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
            stage: furthest(&routes, *standing),
            next: routes.iter().flat_map(|r| &r.integrations).filter_map(|i| i.next).min(),
            routes,
            passed_by,
            decisions: self.past.of_alert(labels),
            summary: String::new(),
        };
        (chain.silenced_by, chain.inhibited_by) = (mutes.silenced_by, mutes.inhibited_by);
        chain.summary = text::alert_summary(&chain);
        chain
    }

    /// Where an alert went, and why nowhere else.
    fn routes(&self, stood: &Stood, mutes: &Mutes) -> (Vec<RouteChain>, Vec<PassedBy>) {
        let tree = self.sources.view.tree();
        let (ends, passed_by) = way(tree, &stood.labels);
        let now: Vec<RoutedTo> = ends
            .iter()
            .filter_map(|index| tree.route(*index))
            .map(|r| RoutedTo { route: r.key.clone(), receiver: r.receiver.clone() })
            .collect();
        // One that has not fired is routed nowhere yet.
        let is_routed = matches!(stood.standing, Standing::Firing | Standing::Resolved);
        let recorded = if is_routed { self.past.routes_of(&stood.labels) } else { None };
        let taken = recorded.as_ref().unwrap_or(&now);
        let routes = taken.iter().map(|to| self.route(stood, mutes, to)).collect();
        // Why it took no other route is known of the tree that took it.
        (routes, if *taken == now { passed_by } else { Vec::new() })
    }

    fn route(&self, stood: &Stood, mutes: &Mutes, to: &RoutedTo) -> RouteChain {
        let view = self.sources.view;
        let same = |route: &&SharedRoute| route.key == to.route && route.receiver == to.receiver;
        let route = view.tree().routes().find(same);
        let labels = route.map(|r| r.group_labels(&stood.labels)).unwrap_or_else(Labels::empty);
        let group_key = route.map(|r| Arc::from(r.group_key(&labels))).unwrap_or_else(|| self.group_of(stood, to));
        let decisions = self.past.of_group(&group_key);
        let muted_by = muted_by(&decisions, &to.receiver);
        let flush_at = flush_at(&decisions, &to.receiver, &stood.labels, self.past.at);
        let time = |of: fn(&SharedRoute) -> i64| route.map(|r| duration::format(of(r))).unwrap_or_default();
        let mut known = tellings(&decisions);
        let has_flushed = !known.is_empty();
        // Those of the receiver that nothing was decided about yet.
        let specs = view.routing().receivers.get(&to.receiver).map(|r| r.integrations.as_slice()).unwrap_or_default();
        for spec in specs {
            let name: Arc<str> = format!("{}[{}]", spec.kind, spec.index).into();
            known.entry((to.receiver.clone(), name)).or_default();
        }
        let wants_ends = |receiver: &str, integration: &str| {
            let all = view.routing().receivers.get(receiver).map(|r| r.integrations.as_slice()).unwrap_or_default();
            let spec = all.iter().find(|s| format!("{}[{}]", s.kind, s.index) == integration);
            spec.is_none_or(|spec| spec.send_resolved)
        };
        let integrations =
            known.iter().filter(|((receiver, _), telling)| *receiver == to.receiver || telling.stands_in);
        let integrations = integrations.map(|((receiver, name), telling)| {
            let send_resolved = wants_ends(receiver, name);
            let is_muted = !muted_by.is_empty();
            let ended_at = stood.ends_at;
            let way = Way { standing: stood.standing, ended_at, mutes, is_muted, send_resolved, flush_at };
            integration((receiver.clone(), name), telling, &stood.labels, &way)
        });
        RouteChain {
            route: to.route.clone(),
            receiver: to.receiver.clone(),
            continues: route.is_some_and(|r| r.continues()),
            group_labels: labels,
            group_wait: time(|r| r.group_wait),
            group_interval: time(|r| r.group_interval),
            repeat_interval: time(|r| r.repeat_interval),
            integrations: integrations.collect(),
            muted_by,
            muted_until: None,
            group: flush_at.map(|next_flush| GroupChain { has_flushed, next_flush, waits_for_sources_since: None }),
            group_key,
        }
    }

    /// The key of the group that an alert joined at a route that is not there any more.
    fn group_of(&self, stood: &Stood, to: &RoutedTo) -> Arc<str> {
        let of_route = |r: &Recorded| {
            let key = r.decision.group_key.clone().filter(|_| matches!(r.decision.what, What::Grouped { .. }))?;
            key.strip_prefix(&*to.route)?.starts_with(':').then_some(key)
        };
        self.past.of_alert(&stood.labels).iter().rev().find_map(of_route).unwrap_or_default()
    }

    fn rule(&self, rule: &RuleAt, standing: &[Standing], is_examined: bool, asked: &str) -> RuleChain {
        let group = &rule.group.spec;
        let spec = rule.spec();
        let (hold, keep_firing) = spec.map(|s| times(s)).unwrap_or_default();
        let name = spec.map(|s| s.name.clone()).unwrap_or_default();
        let failed = |group: &GroupView, name: &Arc<str>| {
            let key = (Arc::from(group.spec.key.to_label()), name.clone());
            self.failing.get(&key).cloned()
        };
        let error = failed(&rule.group, &name);
        let labels = Asked::parse(asked).map(|asked| asked.labels()).ok();
        let (expression, not_examined) = match standing {
            [] if is_examined => told_apart(self.examined(rule, labels.as_ref())),
            _ => (None, None),
        };
        let count = |is: fn(&Standing) -> bool| standing.iter().filter(|s| is(s)).count();
        let mut chain = RuleChain {
            file: group.key.file.clone(),
            group: group.key.name.clone(),
            name,
            expr: spec.map(|s| s.expr.clone()).unwrap_or_default(),
            hold: duration::format(hold),
            keep_firing_for: duration::format(keep_firing),
            interval: duration::format(group.interval),
            health: if error.is_some() { "err" } else { "ok" }.to_owned(),
            last_error: error,
            evaluated_at: Some(Time(self.ticked(rule))),
            next_evaluation: None,
            pending: count(|s| matches!(s, Standing::Pending(_))),
            firing: count(|s| *s == Standing::Firing),
            failing_sources: spec
                .map(|spec| failing_sources(spec, &self.groups, |group, rule, _| failed(group, &rule.name)))
                .unwrap_or_default(),
            expression,
            not_examined,
            summary: String::new(),
        };
        chain.summary = text::rule_summary(&chain);
        chain
    }
}

fn integration(
    (receiver, name): (Arc<str>, &str),
    telling: &Telling,
    alert: &Labels,
    way: &Way<'_>,
) -> IntegrationChain {
    let (stage, next) = telling.stage(alert, way);
    let end_told = telling.end_told(alert, way.ended_at).filter(|_| way.standing == Standing::Resolved);
    let told = match telling.told_of(alert) {
        _ if end_told.is_some() => Some("resolved"),
        told => told.map(|(_, resolved)| if resolved { "resolved" } else { "firing" }),
    };
    IntegrationChain {
        receiver,
        integration: name.to_owned(),
        stands_in: telling.stands_in,
        send_resolved: way.send_resolved,
        told_at: end_told.or(telling.told.as_ref().map(|(at, _)| *at)),
        told: told.map(str::to_owned),
        decision: telling.decision.clone(),
        owed: telling.owed.clone(),
        stage,
        next,
    }
}
