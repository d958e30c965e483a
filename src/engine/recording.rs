//! What the history records of evaluations, posted alerts and routing. Nothing here decides anything.

use std::sync::Arc;

use crate::alerting::{Alert, GroupSpec, GroupState, Health, RuleKind, RuleSpec, Transition};
use crate::history::{DecidedAlert, Decision, Number, RoutedTo, RuleName, Time, What};
use crate::model::Labels;
use crate::routing::{ReceivedAlert, RoutedAlert, RoutingNews};

use super::core::{Engine, TurnEffects};

impl Engine {
    /// What became of the alerts and rules of a group at its evaluation.
    pub(super) fn record_evaluation(
        &self,
        spec: &GroupSpec,
        before: &GroupState,
        after: &GroupState,
        transitions: &[(usize, Transition)],
        now: i64,
        out: &mut TurnEffects,
    ) {
        if !out.outbox.records.on {
            return;
        }
        let health = before.rules.iter().map(|r| r.health == Health::Bad).chain(std::iter::repeat(false));
        for ((rule, before), after) in spec.rules.iter().zip(health).zip(&after.rules) {
            if before != (after.health == Health::Bad) {
                let what = What::Evaluation { rule: name_of(spec, rule), error: after.last_error.clone() };
                out.outbox.records.push(|| Decision::new(now, what));
            }
        }
        for (index, transition) in transitions {
            let Some(rule) = spec.rules.get(*index) else { continue };
            if let Some(what) = transition_of(name_of(spec, rule), rule, transition) {
                let alert = transition.alert();
                // As receivers know it; one that relabelling drops goes by its rule's labels.
                let labels = self.setup.outgoing.apply(&alert.labels).unwrap_or_else(|| alert.labels.clone());
                out.outbox.records.push(|| Decision::about(now, labels, what));
            }
        }
    }

    /// Takes in a posted alert.
    pub(super) fn receive(&mut self, alert: ReceivedAlert, now: i64, out: &mut TurnEffects) -> Result<(), String> {
        let alert = alert.settle(now, self.router.resolve_timeout())?;
        let labels = out.outbox.records.on.then(|| alert.labels.clone());
        let state = |engine: &Engine, labels: &Labels| {
            // One whose end has passed unnoticed fires for all that is recorded.
            let fires = |a: &RoutedAlert| !a.is_resolved(now) || a.ends_by_silence();
            engine.router.alert(labels).map(|a| (fires(a), a.starts_at))
        };
        let before = labels.as_ref().and_then(|labels| state(self, labels));
        self.router.receive(alert, now, &mut out.outbox.batch);
        let Some(labels) = labels else { return Ok(()) };
        let fired = before.is_some_and(|(fires, _)| fires);
        let what = match state(self, &labels) {
            Some((true, at)) if !fired => What::Firing { rule: None, value: None, active_at: Time(at) },
            Some((false, at)) if fired => {
                What::Resolved { rule: None, value: None, fired_at: Time(at), timed_out: false }
            }
            _ => return Ok(()),
        };
        out.outbox.records.push(|| Decision::about(now, labels, what));
        Ok(())
    }

    /// What routing decided since the last call.
    pub(super) fn record_routing(&mut self, now: i64, out: &mut TurnEffects) {
        let news = self.router.take_news();
        let mut routed: Option<&Labels> = None;
        for one in &news {
            match one {
                RoutingNews::Joined { alert, group } => {
                    // An alert joins all its groups at once.
                    if routed.replace(alert) != Some(alert) {
                        let routes = self.router.routes_of(alert);
                        let routes =
                            routes.map(|r| RoutedTo { route: r.key.clone(), receiver: r.receiver.clone() }).collect();
                        out.outbox.records.push(|| Decision::about(now, alert.clone(), What::Routed { routes }));
                    }
                    let Some(group) = self.router.group(*group) else { continue };
                    out.outbox.records.push(|| Decision {
                        group_key: Some(group.key.clone()),
                        receiver: Some(group.route.receiver.clone()),
                        ..Decision::about(now, alert.clone(), What::Grouped { flush_at: Time(group.next_flush) })
                    });
                }
                RoutingNews::Muted { alert, status } => {
                    let mut say = |what| out.outbox.records.push(|| Decision::about(now, alert.clone(), what));
                    if !status.silenced_by.is_empty() {
                        let acknowledged = status.acknowledged.is_some();
                        say(What::Silenced { by: status.silenced_by.clone(), acknowledged });
                    }
                    if !status.inhibited_by.is_empty() {
                        say(What::Inhibited { by: status.inhibited_by.clone(), rule: status.inhibited_rule });
                    }
                    if !status.is_muted() {
                        say(What::Unmuted {});
                    }
                }
                RoutingNews::RouteMuted { group_key, receiver, by, alerts } => {
                    let what = if by.is_empty() { What::Unmuted {} } else { What::Muted { by: by.clone() } };
                    out.outbox.records.push(|| Decision {
                        group_key: Some(group_key.clone()),
                        receiver: Some(receiver.clone()),
                        ..Decision::new(now, what).with_alerts(alerts.iter().cloned().map(DecidedAlert::of))
                    });
                }
                RoutingNews::FellSilent { alert, starts_at } => {
                    let fired_at = Time(*starts_at);
                    let what = What::Resolved { rule: None, value: None, fired_at, timed_out: true };
                    out.outbox.records.push(|| Decision::about(now, alert.clone(), what));
                }
            }
        }
    }

    /// How many groups and rules there are.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let rules = self.slots.values().map(|slot| slot.spec.rules.len() as u64).sum();
        (self.slots.len() as u64, rules)
    }
}

fn name_of(spec: &GroupSpec, rule: &RuleSpec) -> RuleName {
    RuleName { group: spec.key.to_label().into(), name: Arc::from(&*rule.name) }
}

fn transition_of(rule_name: RuleName, rule: &RuleSpec, transition: &Transition) -> Option<What> {
    let RuleKind::Alerting { hold, keep_firing, .. } = &rule.kind else { return None };
    let Alert { value, active_at, unobserved, .. } = transition.alert();
    let (value, since) = (Number(*value), Time(*active_at));
    Some(match transition {
        Transition::Pending(_) => {
            let fires_at = Time(active_at.saturating_add(*unobserved).saturating_add(*hold));
            What::Pending { rule: rule_name, value, active_at: since, fires_at }
        }
        Transition::Fired(_) => What::Firing { rule: Some(rule_name), value: Some(value), active_at: since },
        Transition::Held(alert) => {
            let until = alert.keep_firing_since.map(|at| Time(at.saturating_add(*keep_firing)));
            What::KeptFiring { rule: rule_name, value, until }
        }
        Transition::Resolved(alert) => What::Resolved {
            rule: Some(rule_name),
            value: alert.resolved_value.map(Number),
            fired_at: Time(alert.fired_at.unwrap_or(*active_at)),
            timed_out: false,
        },
        Transition::Vanished(_) => What::Inactive { rule: rule_name, value, active_at: since },
        Transition::Refreshed(_) | Transition::Forgotten(_) => return None,
    })
}
