//! The decisions of a turn, as the history records them, and those about what is told: what changed, and why. Nothing here
//! decides anything.

use std::sync::Arc;

use crate::history::{DecidedAlert, Decision, MOST_ALERTS, Time, Told, What, Withheld};
use crate::notify::dedup::{LogEntry, WhyNot};
use crate::notify::log::LogKey;
use crate::notify::{IntegrationId, Notification, Reason};
use crate::routing::Flush;

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

fn of_notification(notification: &Notification, now: i64, what: What) -> Decision {
    let (group_key, integration) = (notification.group_key.clone(), notification.integration.clone());
    Decision { notification: Some(notification.id), ..of_key(&LogKey { group_key, integration }, now, what) }
}

/// What became of a notification: with the first of its alerts, which its decision names all.
pub(super) fn about(notification: &Notification, now: i64, what: What) -> Decision {
    of_notification(notification, now, what).with_alerts(decided(notification))
}

/// That a notification was decided: with all its alerts, in as many parts as that takes.
pub(super) fn told(notification: &Notification, now: i64, records: &mut Records) {
    if !records.on {
        return;
    }
    let told = Told { reason: notification.reason.as_str().into(), instead_of: notification.instead_of.clone() };
    let what = match notification.reason {
        _ if told.instead_of.is_some() => What::FellBack(told),
        Reason::RepeatIntervalElapsed => What::Repeated(told),
        _ => What::Notify(told),
    };
    let whole = of_notification(notification, now, what);
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
