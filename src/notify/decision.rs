//! Whether a group's flush becomes a notification: decided purely, with the reason.

use super::notification::Reason;

/// What an integration was last told about a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Told {
    /// Hashes of the alerts it was told fire, ascending.
    pub firing: Vec<u64>,
    /// Hashes of the alerts it was told have resolved, ascending.
    pub resolved: Vec<u64>,
    /// When it was told, milliseconds.
    pub at: i64,
}

/// What there is to tell now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Hashes of the alerts that fire, ascending.
    pub firing: Vec<u64>,
    /// Hashes of the alerts that have resolved, ascending.
    pub resolved: Vec<u64>,
}

/// The terms on which an integration wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Whether it wants to hear of resolved alerts while others fire.
    pub send_resolved: bool,
    /// After how long to tell it again what has not changed, milliseconds.
    pub repeat_interval: i64,
}

/// Decides as Alertmanager's deduplication stage does. That all alerts have resolved is always a reason, whatever the
/// wishes: the log must learn of it.
pub fn needs_update(told: Option<&Told>, news: &News, wishes: Wishes, now: i64) -> Option<Reason> {
    let Some(told) = told else {
        return (!news.firing.is_empty()).then_some(Reason::FirstNotification);
    };
    if !is_subset(&news.firing, &told.firing) {
        return Some(Reason::NewAlertsInGroup);
    }
    if news.firing.is_empty() {
        // Without a firing alert in what was told, alerts came and went unnoticed: the receiver need not know.
        return (!told.firing.is_empty()).then_some(Reason::AllAlertsResolved);
    }
    if wishes.send_resolved && !is_subset(&news.resolved, &told.resolved) {
        return Some(Reason::NewResolvedAlerts);
    }
    (told.at < now - wishes.repeat_interval).then_some(Reason::RepeatIntervalElapsed)
}

/// Whether every element of `part` is in `whole`; both ascend.
fn is_subset(part: &[u64], whole: &[u64]) -> bool {
    part.iter().all(|hash| whole.binary_search(hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_becomes_a_notification_for_a_reason() {
        let told = |firing: &[u64], resolved: &[u64]| {
            Some(Told { firing: firing.to_vec(), resolved: resolved.to_vec(), at: 1000 })
        };
        let yes = Wishes { send_resolved: true, repeat_interval: 100 };
        let no = Wishes { send_resolved: false, ..yes };
        for (why, told, firing, resolved, wishes, now, want) in [
            ("first", None, vec![1], vec![], yes, 0, Some(Reason::FirstNotification)),
            ("never told, all over", None, vec![], vec![1], yes, 0, None),
            ("another fires", told(&[1], &[]), vec![1, 2], vec![], yes, 1000, Some(Reason::NewAlertsInGroup)),
            ("fires again", told(&[], &[1]), vec![1], vec![], yes, 1000, Some(Reason::NewAlertsInGroup)),
            ("fewer fire", told(&[1, 2], &[]), vec![1], vec![], yes, 1000, None),
            ("one resolved", told(&[1, 2], &[]), vec![1], vec![2], yes, 1000, Some(Reason::NewResolvedAlerts)),
            ("one resolved, unwanted", told(&[1, 2], &[]), vec![1], vec![2], no, 1000, None),
            ("resolved, told already", told(&[1], &[2]), vec![1], vec![2], yes, 1000, None),
            ("all resolved", told(&[1], &[]), vec![], vec![1], yes, 1000, Some(Reason::AllAlertsResolved)),
            ("all resolved, unwanted", told(&[1], &[]), vec![], vec![1], no, 1000, Some(Reason::AllAlertsResolved)),
            ("resolved unnoticed", told(&[], &[1]), vec![], vec![1, 2], yes, 5000, None),
            ("same, in time", told(&[1], &[]), vec![1], vec![], yes, 1100, None),
            ("same, too long ago", told(&[1], &[]), vec![1], vec![], yes, 1101, Some(Reason::RepeatIntervalElapsed)),
        ] {
            assert_eq!(needs_update(told.as_ref(), &News { firing, resolved }, wishes, now), want, "{why}");
        }
    }
}
