//! What a change of rules or routing does: two records of one history, alert by alert.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{ALERT_NAME, Labels};

use super::record::{Episode, Record, RuleRecord};

/// What the change does to the alerts that fire. Alerts are the same when they have the same name and the same labels,
/// those left out that rules put on themselves, and are active at the same time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison<'a> {
    /// Fired before, and does not now.
    pub lost: Vec<&'a Episode>,
    /// Fires now, and did not before.
    pub gained: Vec<&'a Episode>,
    /// Fires earlier: before, after.
    pub earlier: Vec<(&'a Episode, &'a Episode)>,
    /// Fires later: before, after.
    pub later: Vec<(&'a Episode, &'a Episode)>,
    /// Alerts that fire when they fired before.
    pub same: u64,
    /// Names of alerts whose rule is gone.
    pub removed_rules: Vec<&'a str>,
    /// Names of alerts whose rule is new.
    pub added_rules: Vec<&'a str>,
}

/// Compares two records of one window.
pub fn compare<'a>(before: &'a Record, after: &'a Record) -> Comparison<'a> {
    let own = own_labels(&[before, after]);
    let known = ByIdentity::of(after, &own);
    let mut found: FxHashSet<*const Episode> = FxHashSet::default();
    let mut comparison = Comparison {
        removed_rules: names_missing(before, after),
        added_rules: names_missing(after, before),
        ..Comparison::default()
    };
    for old in fired(before) {
        let mut meeting = known.meeting(old, before, after, &own).peekable();
        let Some(first) = meeting.peek().copied() else {
            comparison.lost.push(old);
            continue;
        };
        // What fired once may fire in parts now; and the parts of before may be one.
        let is_first = !found.contains(&std::ptr::from_ref(first));
        found.extend(meeting.map(std::ptr::from_ref));
        match first.fired_at.cmp(&old.fired_at) {
            std::cmp::Ordering::Less if is_first => comparison.earlier.push((old, first)),
            std::cmp::Ordering::Greater if is_first => comparison.later.push((old, first)),
            _ => comparison.same += 1,
        }
    }
    comparison.gained = fired(after).filter(|e| !found.contains(&std::ptr::from_ref(*e))).collect();
    comparison
}

fn fired(record: &Record) -> impl Iterator<Item = &Episode> {
    record.episodes.iter().filter(|e| e.fired_at.is_some())
}

/// The names of alerts that `of` has a rule for, and `other` has not, in order.
fn names_missing<'a>(of: &'a Record, other: &Record) -> Vec<&'a str> {
    let alerts = |record: &Record| record.rules.iter().filter(|r| r.alerts).map(|r| r.name.clone()).collect();
    let there: FxHashSet<_> = alerts(other);
    let mut names: Vec<&str> = Vec::new();
    for RuleRecord { name, .. } in of.rules.iter().filter(|r| r.alerts && !there.contains(&r.name)) {
        if names.last() != Some(&&**name) {
            names.push(name);
        }
    }
    names
}

/// The labels that rules put on alerts of each name themselves: a change of them makes no other alert.
fn own_labels<'a>(records: &[&'a Record]) -> FxHashMap<&'a str, Vec<&'a str>> {
    let mut own: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
    for rule in records.iter().flat_map(|r| &r.rules) {
        own.entry(&rule.name).or_default().extend(rule.own_labels.iter().map(String::as_str));
    }
    own
}

/// An alert's labels without those that rules put on themselves.
fn identity(episode: &Episode, own: &FxHashMap<&str, Vec<&str>>) -> Labels {
    match own.get(episode.labels.value(ALERT_NAME)) {
        Some(names) => episode.labels.filter(|n| n == ALERT_NAME || !names.contains(&n)),
        None => episode.labels.clone(),
    }
}

/// Alerts that fired, by their identity, each list in the order of time.
struct ByIdentity<'a>(FxHashMap<Labels, Vec<&'a Episode>>);

impl<'a> ByIdentity<'a> {
    fn of(record: &'a Record, own: &FxHashMap<&str, Vec<&str>>) -> Self {
        let mut by: FxHashMap<Labels, Vec<&Episode>> = FxHashMap::default();
        for episode in fired(record) {
            by.entry(identity(episode, own)).or_default().push(episode);
        }
        ByIdentity(by)
    }

    /// Those that are the alert `old` and are active while it is.
    fn meeting(
        &self,
        old: &Episode,
        before: &Record,
        after: &Record,
        own: &FxHashMap<&str, Vec<&str>>,
    ) -> impl Iterator<Item = &'a Episode> {
        let (from, to) = (old.active_at, old.ended_at.unwrap_or(before.window.to));
        let end = after.window.to;
        let same = self.0.get(&identity(old, own)).cloned().unwrap_or_default();
        same.into_iter().filter(move |e| e.active_at <= to && e.ended_at.unwrap_or(end) >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::GroupKey;
    use crate::backtest::Window;

    /// An alert's host, severity, and when it was active, fired and ended.
    type Given<'a> = (&'a str, &'a str, i64, Option<i64>, Option<i64>);

    fn record(names: &[&str], episodes: &[Given<'_>]) -> Record {
        let group = GroupKey { file: "f".into(), name: "g".into() };
        let rule = |name: &&str| RuleRecord {
            group: group.clone(),
            name: (*name).into(),
            alerts: true,
            own_labels: vec!["severity".into()],
            failure: None,
        };
        let episode = |(host, severity, active_at, fired_at, ended_at): &Given<'_>| Episode {
            rule: 0,
            labels: Labels::from_pairs([("alertname", names[0]), ("host", *host), ("severity", *severity)]),
            value: 1.0,
            active_at: *active_at,
            fired_at: *fired_at,
            ended_at: *ended_at,
        };
        Record {
            window: Window { from: 0, to: 100 },
            rules: names.iter().map(rule).collect(),
            episodes: episodes.iter().map(episode).collect(),
            episodes_left_out: 0,
            told: Vec::new(),
            told_left_out: 0,
            is_routed: true,
        }
    }

    #[test]
    fn alerts_are_lost_gained_earlier_and_later() {
        let before = record(
            &["A", "Old"],
            &[
                ("same", "page", 10, Some(15), Some(20)),
                ("lost", "page", 10, Some(15), Some(20)),
                ("pending now", "page", 10, Some(15), Some(20)),
                ("elsewhen", "page", 10, Some(15), Some(20)),
                ("earlier", "page", 10, Some(15), None),
                ("later", "page", 10, Some(15), Some(20)),
                ("never", "page", 10, None, Some(20)),
                ("in parts", "page", 10, Some(15), Some(50)),
            ],
        );
        let after = record(
            &["A", "New"],
            &[
                ("same", "info", 10, Some(15), Some(20)),
                ("pending now", "info", 10, None, Some(20)),
                ("elsewhen", "info", 60, Some(65), Some(70)),
                ("earlier", "info", 8, Some(9), Some(30)),
                ("later", "info", 10, Some(18), None),
                ("in parts", "info", 10, Some(15), Some(20)),
                ("in parts", "info", 30, Some(35), Some(50)),
            ],
        );
        let got = compare(&before, &after);
        let hosts = |of: &[&Episode]| of.iter().map(|e| e.labels.value("host").to_owned()).collect::<Vec<_>>();
        assert_eq!(hosts(&got.lost), ["lost", "pending now", "elsewhen"]);
        assert_eq!(hosts(&got.gained), ["elsewhen"]);
        assert_eq!(hosts(&got.earlier.iter().map(|(a, _)| *a).collect::<Vec<_>>()), ["earlier"]);
        assert_eq!(hosts(&got.later.iter().map(|(a, _)| *a).collect::<Vec<_>>()), ["later"]);
        assert_eq!((got.same, got.removed_rules, got.added_rules), (2, vec!["Old"], vec!["New"]));
        let none = compare(&before, &before);
        assert_eq!((none.same, none.lost.len() + none.gained.len() + none.earlier.len() + none.later.len()), (7, 0));
    }
}
