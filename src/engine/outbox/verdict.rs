//! What a flush means for one integration: whether it is told, what, and why or why not.

use crate::notify::dedup::{AlertsToTell, Decision, LogEntry, Mute, Terms, WhyNot, needs_update};
use crate::notify::{NotifiedAlert, Reason};
use crate::routing::{Flush, FlushedAlert, IntegrationSpec};

/// Most mutes kept with a decision.
const MOST_MUTES: usize = 32;

/// What came of looking at a group for one integration.
pub(super) enum Verdict {
    Tell {
        reason: Reason,
        alerts: Vec<NotifiedAlert>,
    },
    /// The integration does not want to hear it; the log learns of it.
    Note(AlertsToTell),
    Nothing(WhyNot),
}

/// Decides what an integration that knows `entry` is to hear of a flush.
pub(super) fn decide(entry: Option<&LogEntry>, spec: &IntegrationSpec, flush: &Flush, now: i64) -> Verdict {
    if !flush.muting_intervals.is_empty() {
        // Quiet hours stay quiet; a resolve that is owed waits for their end.
        return Verdict::Nothing(WhyNot::RouteMuted);
    }
    let visible = visible(flush, entry);
    if visible.is_empty() {
        return Verdict::Nothing(WhyNot::AllMuted);
    }
    let set = |resolved| visible.iter().filter(|a| a.resolved == resolved).map(|a| a.alert.labels.clone()).collect();
    let alerts = AlertsToTell { firing: set(false), resolved: set(true) };
    let acknowledged = visible.iter().filter(|a| a.status.acknowledged.is_some());
    let acknowledged = acknowledged.map(|a| a.alert.labels.clone()).collect();
    let terms = Terms { send_resolved: spec.send_resolved, repeat_interval: flush.route.repeat_interval };
    match needs_update(entry, &alerts, &acknowledged, terms, now) {
        Err(why) => Verdict::Nothing(why),
        Ok(_) if !spec.send_resolved && alerts.firing.is_empty() => Verdict::Note(alerts),
        Ok(reason) => {
            let wanted = visible.into_iter().filter(|a| spec.send_resolved || !a.resolved);
            Verdict::Tell { reason, alerts: wanted.map(notified).collect() }
        }
    }
}

/// The alerts of a flush that an integration may hear of: all but the hidden ones. That an alert has resolved is not
/// muted for one who may believe it fires.
fn visible<'a>(flush: &'a Flush, entry: Option<&LogEntry>) -> Vec<&'a FlushedAlert> {
    let ends = |a: &FlushedAlert| a.resolved && entry.is_some_and(|e| e.may_believe_firing(&a.alert.labels));
    flush.alerts.iter().filter(|a| !a.status.is_hidden() || ends(a)).collect()
}

/// Annotations that an acknowledged alert has in messages: they reach every receiver, whatever its templates.
const ACKNOWLEDGED_BY: &str = "acknowledged_by";
const ACKNOWLEDGED_BECAUSE: &str = "acknowledged_comment";

fn notified(a: &FlushedAlert) -> NotifiedAlert {
    let mut annotations = a.alert.annotations.clone();
    if let Some(silence) = &a.status.acknowledged {
        let mut with = annotations.to_builder();
        with.set(ACKNOWLEDGED_BY, silence.created_by.as_str()).set(ACKNOWLEDGED_BECAUSE, silence.comment.as_str());
        annotations = with.build();
    }
    NotifiedAlert {
        labels: a.alert.labels.clone(),
        annotations,
        starts_at: a.alert.starts_at,
        ends_at: a.alert.ends_at.filter(|_| a.resolved),
        generator_url: a.alert.generator_url.to_string(),
        value: a.alert.value,
        resolved_value: a.alert.resolved_value.filter(|_| a.resolved),
    }
}

/// A verdict as it is shown, with what keeps alerts of the flush from being told.
pub(super) fn decision(verdict: Result<Reason, WhyNot>, flush: &Flush, now: i64) -> Decision {
    let intervals = flush.muting_intervals.iter().cloned().map(Mute::TimeInterval);
    let of_alert = |a: &FlushedAlert| {
        let silences = a.status.silenced_by.iter().cloned().map(Mute::Silence);
        silences.chain(a.status.inhibited_by.iter().cloned().map(Mute::Inhibition)).collect::<Vec<_>>()
    };
    let mut mutes: Vec<Mute> = intervals.collect();
    for mute in flush.alerts.iter().flat_map(of_alert) {
        if mutes.len() >= MOST_MUTES {
            break;
        }
        if !mutes.contains(&mute) {
            mutes.push(mute);
        }
    }
    Decision { at: now, verdict, mutes }
}
