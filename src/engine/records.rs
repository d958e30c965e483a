//! The decisions of a turn, as the history records them: what changed, and why. Nothing here decides anything.

use std::sync::Arc;

use crate::alerting::{Alert, GroupSpec, GroupState, Health, RuleKind, RuleSpec, Transition};
use crate::history::{DecidedAlert, Decision, MOST_ALERTS, Number, RoutedTo, RuleName, Time, Told, What, Withheld};
use crate::model::Labels;
use crate::notify::dedup::{LogEntry, WhyNot};
use crate::notify::log::LogKey;
use crate::notify::{IntegrationId, Notification, Reason};
use crate::routing::{Flush, ReceivedAlert, RoutedAlert, RoutingNews};

use super::core::{Engine, TurnEffects};

/// The decisions that a turn makes known, if anybody records them.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub on: bool,
    pub decisions: Vec<Decision>,
}

impl Records {
    pub fn push(&mut self, decision: impl FnOnce() -> Decision) {
        if self.on {
            self.decisions.push(decision());
        }
    }
}

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

fn integration(id: &IntegrationId) -> Arc<str> {
    format!("{}[{}]", id.kind, id.index).into()
}

fn decided(notification: &Notification) -> impl ExactSizeIterator<Item = DecidedAlert> {
    let one = |a: &crate::notify::NotifiedAlert| DecidedAlert { labels: a.labels.clone(), resolved: a.is_resolved() };
    notification.alerts.iter().map(one)
}

/// A decision about what an integration is told of a group.
fn of_key(key: &LogKey, now: i64, what: What) -> Decision {
    Decision {
        group_key: Some(key.group_key.clone()),
        receiver: Some(key.integration.receiver.clone()),
        integration: Some(integration(&key.integration)),
        ..Decision::new(now, what)
    }
}

/// What became of a notification: with the first of its alerts, which its decision names all.
pub(super) fn about(notification: &Notification, now: i64, what: What) -> Decision {
    let Notification { id, integration: to, group_key, .. } = notification;
    let key = LogKey { group_key: group_key.clone(), integration: to.clone() };
    let decision = Decision { notification: Some(*id), ..of_key(&key, now, what) };
    decision.with_alerts(decided(notification))
}

/// That a notification was decided: with all its alerts, in as many parts as that takes.
pub(super) fn told(notification: &Notification, now: i64, records: &mut Records) {
    if !records.on {
        return;
    }
    let reason = match notification.reason {
        Reason::FirstNotification => "first_notification",
        Reason::NewAlertsInGroup => "new_alerts_in_group",
        Reason::NewResolvedAlerts => "new_resolved_alerts",
        Reason::AllAlertsResolved => "all_alerts_resolved",
        Reason::RepeatIntervalElapsed => "repeat_interval_elapsed",
    };
    let told = Told { reason: reason.into(), instead_of: notification.instead_of.clone() };
    let what = match notification.reason {
        _ if told.instead_of.is_some() => What::FellBack(told),
        Reason::RepeatIntervalElapsed => What::Repeated(told),
        _ => What::Notify(told),
    };
    let whole = Decision { alerts: Vec::new(), more_alerts: 0, ..about(notification, now, what) };
    let mut alerts = decided(notification);
    while alerts.len() > 0 {
        let part = alerts.by_ref().take(MOST_ALERTS).collect();
        records.push(|| Decision { alerts: part, ..whole.clone() });
    }
}

/// That an integration is not told of a flush, and why; nothing where something else says it: what mutes its alerts, what
/// became of the attempt before.
pub(super) fn not_told(
    key: &LogKey,
    why: &WhyNot,
    flush: &Flush,
    entry: Option<&LogEntry>,
    now: i64,
) -> Option<Decision> {
    let what = match why {
        WhyNot::NothingNew { repeat_after } => What::Deduplicated {
            against: entry.and_then(|entry| entry.notification),
            told_at: entry.and_then(|entry| entry.at).map(Time),
            repeat_after: Some(Time(*repeat_after)),
        },
        WhyNot::AllMuted => What::Withheld { why: Withheld::AllMuted },
        WhyNot::NeverTold => What::Withheld { why: Withheld::NeverTold },
        WhyNot::ResolvesUnwanted => What::Withheld { why: Withheld::ResolvesUnwanted },
        WhyNot::NotNeeded => What::Withheld { why: Withheld::NotNeeded },
        WhyNot::Acknowledged => What::Withheld { why: Withheld::Acknowledged },
        WhyNot::RouteMuted | WhyNot::Owed { .. } | WhyNot::UnderWay => return None,
    };
    let alerts = flush.alerts.iter().map(|a| DecidedAlert { labels: a.alert.labels.clone(), resolved: a.resolved });
    Some(of_key(key, now, what).with_alerts(alerts))
}
