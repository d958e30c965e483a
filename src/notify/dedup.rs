//! Whether a group's flush becomes a notification: Alertmanager's deduplication, decided purely, with the reason why or
//! why not.

use super::alert_set::AlertSet;
use super::notification::{NotifiedAlert, Reason};
use crate::model::Labels;

/// An entry of the notification log: what an integration knows of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    /// The alerts it was told fire, and was told nothing else of since.
    pub firing: AlertSet,
    /// The alerts it was told have resolved.
    pub resolved: AlertSet,
    /// Alerts it may believe to fire although nobody can say: an attempt that seemed to fail may have been heard, or
    /// the last message left out an alert that a silence hides. Their end is told; that they fire is told again.
    pub in_doubt: AlertSet,
    /// When it was last told anything, milliseconds; `None` when no attempt is known to have arrived.
    pub at: Option<i64>,
    /// Where the group's message is, as the integration said.
    pub place: Option<String>,
    /// The notification by which it was last told.
    pub notification: Option<u64>,
}

impl LogEntry {
    /// Whether the integration may believe that an alert fires, and so has to hear of its end.
    pub fn may_believe_firing(&self, alert: &Labels) -> bool {
        self.firing.contains(alert) || self.in_doubt.contains(alert)
    }

    /// The integration has heard of `alerts`. Who wants no resolves leaves nothing in doubt.
    pub fn confirm(&mut self, alerts: AlertsToTell, send_resolved: bool, at: i64) {
        let mut in_doubt = std::mem::take(&mut self.in_doubt);
        match send_resolved {
            true => in_doubt.extend(&self.firing),
            false => in_doubt = AlertSet::default(),
        }
        in_doubt.retain(|a| !alerts.firing.contains(a) && !alerts.resolved.contains(a));
        let (place, notification) = (self.place.take(), self.notification);
        let AlertsToTell { firing, resolved } = alerts;
        *self = LogEntry { firing, resolved, in_doubt, at: Some(at), place, notification };
    }

    /// The integration may have heard of `alerts`, or not: what they contradict is no longer known.
    pub fn doubt(&mut self, alerts: &AlertsToTell) {
        self.in_doubt.extend(&alerts.firing);
        self.in_doubt.extend(&self.firing.filter(|a| alerts.resolved.contains(a)));
        self.firing.retain(|a| !alerts.resolved.contains(a));
        self.resolved.retain(|a| !alerts.firing.contains(a));
        let firing = &self.firing;
        self.in_doubt.retain(|a| !firing.contains(a));
    }
}

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertsToTell {
    /// The alerts that fire.
    pub firing: AlertSet,
    /// The alerts that have resolved.
    pub resolved: AlertSet,
}

impl AlertsToTell {
    /// What a notification tells.
    pub fn of(alerts: &[NotifiedAlert]) -> Self {
        let set = |resolved| {
            alerts.iter().filter(|a| a.is_resolved() == resolved).map(|a| a.labels.clone()).collect::<AlertSet>()
        };
        AlertsToTell { firing: set(false), resolved: set(true) }
    }
}

/// The terms on which an integration is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether it wants to hear of resolved alerts.
    pub send_resolved: bool,
    /// After how long to tell it again what has not changed, milliseconds.
    pub repeat_interval: i64,
}

/// Why an integration is not told of a group, or not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// No alert of the group may be told: see the decision's mutes.
    AllMuted,
    /// Time intervals mute the route: see the decision's mutes.
    RouteMuted,
    /// What resolved was never told to fire.
    NeverTold,
    /// All is over, and the integration wants to hear of no resolve.
    ResolvesUnwanted,
    /// It knows all this, and the repeat interval is not over.
    NothingNew {
        /// Until when it lasts, milliseconds.
        repeat_after: i64,
    },
    /// Just this is owed to it already.
    Owed {
        /// When it is tried next, milliseconds; `None` while it waits for its turn.
        due: Option<i64>,
    },
    /// It stands in for a receiver, and that one can be told.
    NotNeeded,
    /// Somebody looks after all that there is to tell.
    Acknowledged,
    /// An attempt is under way; when it has ended, it is decided again.
    UnderWay,
}

/// What keeps an alert from being told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mute {
    /// The silence of this id.
    Silence(String),
    /// This firing alert inhibits it.
    Inhibition(Labels),
    /// The time interval of this name mutes the route.
    TimeInterval(String),
}

/// The last decision about one group and one integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When it was made, milliseconds.
    pub at: i64,
    /// Why the integration is told, or why not.
    pub verdict: Result<Reason, WhyNot>,
    /// What kept alerts of the group from being told, each once, the first few.
    pub mutes: Vec<Mute>,
}

/// Decides as Alertmanager's deduplication stage does, and beyond it tells the end of what is in doubt. That all alerts
/// have resolved is a reason whatever the terms: the log must learn of it. Firing alerts that are `acknowledged` are told
/// with others, and are no reason themselves.
///
/// # Errors
/// Why there is nothing to tell.
pub fn needs_update(
    entry: Option<&LogEntry>,
    alerts: &AlertsToTell,
    acknowledged: &AlertSet,
    terms: Terms,
    now: i64,
) -> Result<Reason, WhyNot> {
    let told_at = entry.and_then(|e| e.at);
    let unknown = LogEntry::default();
    let entry = entry.unwrap_or(&unknown);
    let is_loud = |alert: &&Labels| !acknowledged.contains(alert);
    if alerts.firing.iter().filter(is_loud).any(|alert| !entry.firing.contains(alert)) {
        // What resolved was over: that it fires again is another matter.
        let is_first = told_at.is_none() || (entry.firing.is_empty() && entry.in_doubt.is_empty());
        return Ok(if is_first { Reason::FirstNotification } else { Reason::NewAlertsInGroup });
    }
    if alerts.firing.is_empty() {
        // What came and went unnoticed the receiver need not know.
        let ends = alerts.resolved.iter().any(|a| entry.may_believe_firing(a));
        return if ends { Ok(Reason::AllAlertsResolved) } else { Err(WhyNot::NeverTold) };
    }
    let is_quiet = !alerts.firing.iter().any(|alert| is_loud(&alert));
    // Who was told of nothing because all of it is acknowledged need not hear of its end either.
    let is_known = !is_quiet || alerts.resolved.iter().any(|a| entry.may_believe_firing(a));
    if terms.send_resolved && is_known && !alerts.resolved.is_subset(&entry.resolved) {
        return Ok(Reason::NewResolvedAlerts);
    }
    if is_quiet {
        return Err(WhyNot::Acknowledged);
    }
    let repeat_after = told_at.unwrap_or(now).saturating_add(terms.repeat_interval);
    if repeat_after < now { Ok(Reason::RepeatIntervalElapsed) } else { Err(WhyNot::NothingNew { repeat_after }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(alerts: &[u64]) -> AlertSet {
        alerts.iter().map(|n| Labels::from_pairs([("n", n.to_string())])).collect()
    }

    fn told(firing: &[u64], resolved: &[u64]) -> Option<LogEntry> {
        Some(LogEntry { firing: set(firing), resolved: set(resolved), at: Some(1000), ..LogEntry::default() })
    }

    fn to_tell(firing: &[u64], resolved: &[u64]) -> AlertsToTell {
        AlertsToTell { firing: set(firing), resolved: set(resolved) }
    }

    #[test]
    fn a_flush_becomes_a_notification_for_a_reason() {
        use Reason::*;
        let yes = Terms { send_resolved: true, repeat_interval: 100 };
        let no = Terms { send_resolved: false, ..yes };
        let nothing_new = Err(WhyNot::NothingNew { repeat_after: 1100 });
        for (why, told, firing, resolved, terms, now, want) in [
            ("first", None, vec![1], vec![], yes, 0, Ok(FirstNotification)),
            ("never told, all over", None, vec![], vec![1], yes, 0, Err(WhyNot::NeverTold)),
            ("another fires", told(&[1], &[]), vec![1, 2], vec![], yes, 1000, Ok(NewAlertsInGroup)),
            ("fires again", told(&[], &[1]), vec![1], vec![], yes, 1000, Ok(FirstNotification)),
            ("fewer fire", told(&[1, 2], &[]), vec![1], vec![], yes, 1000, nothing_new.clone()),
            ("one resolved", told(&[1, 2], &[]), vec![1], vec![2], yes, 1000, Ok(NewResolvedAlerts)),
            ("one resolved, unwanted", told(&[1, 2], &[]), vec![1], vec![2], no, 1000, nothing_new.clone()),
            ("resolved, told already", told(&[1], &[2]), vec![1], vec![2], yes, 1000, nothing_new.clone()),
            ("all resolved", told(&[1], &[]), vec![], vec![1], yes, 1000, Ok(AllAlertsResolved)),
            ("all resolved, unwanted", told(&[1], &[]), vec![], vec![1], no, 1000, Ok(AllAlertsResolved)),
            ("resolved unnoticed", told(&[], &[1]), vec![], vec![1, 2], yes, 5000, Err(WhyNot::NeverTold)),
            (
                "another resolved, this one is hidden",
                told(&[1], &[]),
                vec![],
                vec![2],
                yes,
                5000,
                Err(WhyNot::NeverTold),
            ),
            ("same, in time", told(&[1], &[]), vec![1], vec![], yes, 1100, nothing_new),
            ("same, too long ago", told(&[1], &[]), vec![1], vec![], yes, 1101, Ok(RepeatIntervalElapsed)),
        ] {
            let decided = needs_update(told.as_ref(), &to_tell(&firing, &resolved), &set(&[]), terms, now);
            assert_eq!(decided, want, "{why}");
        }
    }

    #[test]
    fn what_is_acknowledged_is_told_with_others_and_is_no_reason() {
        use Reason::*;
        let terms = Terms { send_resolved: true, repeat_interval: 100 };
        let quiet = Err(WhyNot::Acknowledged);
        for (why, told, firing, resolved, now, want) in [
            ("before its first page", None, vec![1], vec![], 0, quiet.clone()),
            ("its repetition", told(&[1], &[]), vec![1], vec![], 5000, quiet.clone()),
            ("another fires", told(&[1], &[]), vec![1, 2], vec![], 1000, Ok(NewAlertsInGroup)),
            ("another repeats", told(&[1, 2], &[]), vec![1, 2], vec![], 5000, Ok(RepeatIntervalElapsed)),
            ("another resolved", told(&[1, 2], &[]), vec![1], vec![2], 1000, Ok(NewResolvedAlerts)),
            ("another came and went unnoticed", None, vec![1], vec![2], 1000, quiet),
            ("it resolved", told(&[1], &[]), vec![], vec![1], 1000, Ok(AllAlertsResolved)),
        ] {
            let decided = needs_update(told.as_ref(), &to_tell(&firing, &resolved), &set(&[1]), terms, now);
            assert_eq!(decided, want, "{why}");
        }
    }

    #[test]
    fn what_is_in_doubt_is_told_both_ways() {
        let terms = Terms { send_resolved: true, repeat_interval: 1_000_000 };
        let decide = |e: &LogEntry, firing: &[u64], resolved: &[u64]| {
            needs_update(Some(e), &to_tell(firing, resolved), &set(&[]), terms, 2000)
        };
        let mut entry = LogEntry::default();
        entry.doubt(&to_tell(&[1], &[]));
        assert_eq!(decide(&entry, &[1], &[]), Ok(Reason::FirstNotification), "it may not have been heard");
        assert_eq!(decide(&entry, &[], &[1]), Ok(Reason::AllAlertsResolved), "it may have been heard");
        entry.confirm(to_tell(&[1, 2], &[]), true, 1500);
        assert!(entry.in_doubt.is_empty());
        entry.doubt(&to_tell(&[], &[1, 2]));
        assert_eq!(decide(&entry, &[1, 2], &[]), Ok(Reason::NewAlertsInGroup), "the resolve may have been heard");
        assert_eq!(decide(&entry, &[], &[1, 2]), Ok(Reason::AllAlertsResolved), "or not");
        entry.confirm(to_tell(&[], &[1, 2]), true, 1600);
        assert_eq!(decide(&entry, &[], &[1, 2]), Err(WhyNot::NeverTold), "now it was");
    }

    #[test]
    fn an_alert_that_is_left_out_because_it_is_hidden_is_owed_its_end() {
        let mut entry = LogEntry::default();
        entry.confirm(to_tell(&[1, 2], &[]), true, 0);
        entry.confirm(to_tell(&[3], &[1]), true, 1);
        assert_eq!(entry.in_doubt, set(&[2]), "the first is known to have resolved");
        let terms = Terms { send_resolved: true, repeat_interval: 1_000_000 };
        let decided = needs_update(Some(&entry), &to_tell(&[3], &[1, 2]), &set(&[]), terms, 2);
        assert_eq!(decided, Ok(Reason::NewResolvedAlerts));
        entry.confirm(to_tell(&[1], &[]), false, 3);
        assert!(entry.in_doubt.is_empty(), "who wants no resolves is owed none");
    }
}
