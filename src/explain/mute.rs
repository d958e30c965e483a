//! What hides an alert: silences and firing alerts, with what they say.

use crate::engine::View;
use crate::history::{Time, What};
use crate::model::{Labels, Matcher};
use crate::routing::alerts::AlertRow;
use crate::routing::config::InhibitSpec;
use crate::routing::drill::is_drill;
use crate::routing::matching::all_match;
use crate::routing::{AlertStatus, Silence, SilenceState};

use super::chain::{InhibitedBy, SilencedBy, Stage};

/// What hides an alert.
#[derive(Debug, Default)]
pub(super) struct Mutes {
    pub silenced_by: Vec<SilencedBy>,
    pub inhibited_by: Vec<InhibitedBy>,
    /// Whether it is left out of messages.
    pub hidden: bool,
    /// Whether somebody looks after it.
    pub acknowledged: bool,
}

impl Mutes {
    /// Of an alert that routing knows.
    pub fn of(view: &View, row: &AlertRow, now: i64) -> Self {
        let status: AlertStatus = view.status(row, now);
        let silences = status.silenced_by.iter().filter_map(|id| view.silence(id));
        let (hidden, acknowledged) = (status.is_hidden(), status.acknowledged.is_some());
        let silenced_by = silences.map(|s| silenced_by(s, now)).collect();
        let by = status.inhibited_by.iter();
        let inhibited_by =
            by.filter_map(|by| inhibited_by(view, status.inhibited_rule, &row.alert.labels, by)).collect();
        Mutes { silenced_by, inhibited_by, hidden, acknowledged }
    }

    /// Of one that routing does not know yet: what would hide it.
    pub fn expected(view: &View, alert: &Labels, now: i64) -> Self {
        let active = |s: &&std::sync::Arc<Silence>| s.state(now) == SilenceState::Active && s.matches(alert);
        let silenced_by: Vec<SilencedBy> = view.silences().filter(active).map(|s| silenced_by(s, now)).collect();
        let inhibited_by = would_inhibit(view, alert, now);
        let hidden = !silenced_by.is_empty() || !inhibited_by.is_empty();
        Mutes { silenced_by, inhibited_by, hidden, acknowledged: false }
    }

    /// As the history recorded them: by which silences, by which alerts and rule. What those said is told where they are
    /// still there.
    pub fn recorded(view: &View, alert: &Labels, decisions: &[&What], at: i64) -> Self {
        let mut mutes = Mutes::default();
        for what in decisions {
            match what {
                What::Silenced { by, acknowledged } => {
                    mutes.acknowledged = *acknowledged;
                    mutes.hidden |= by.len() > usize::from(*acknowledged);
                    mutes.silenced_by.extend(by.iter().map(|id| match view.silence(id) {
                        Some(silence) => silenced_by(silence, at),
                        None => gone(id),
                    }));
                }
                What::Inhibited { by, rule } => {
                    mutes.hidden = true;
                    let rule = rule.or(Some(0).filter(|_| view.routing().inhibit_rules.len() == 1));
                    let bare = |by: &Labels| InhibitedBy {
                        alert: by.clone(),
                        rule: rule.and_then(|rule| usize::try_from(rule).ok()).unwrap_or_default(),
                        source: Vec::new(),
                        target: Vec::new(),
                        equal: Vec::new(),
                    };
                    let all = by.iter().map(|by| inhibited_by(view, rule, alert, by).unwrap_or_else(|| bare(by)));
                    mutes.inhibited_by.extend(all);
                }
                _ => {}
            }
        }
        mutes
    }

    /// At which stage that stops an alert, and until when, where that is known.
    pub fn stops_at(&self) -> Option<(Stage, Option<i64>)> {
        if !self.hidden {
            return None;
        }
        if !self.inhibited_by.is_empty() {
            return Some((Stage::Inhibited, None));
        }
        let until = self.silenced_by.iter().filter_map(|s| s.until).map(|t| t.0).max();
        Some((Stage::Silenced, until))
    }
}

fn silenced_by(silence: &Silence, now: i64) -> SilencedBy {
    let acknowledgement = silence.acknowledges.is_some();
    SilencedBy {
        id: silence.id.clone(),
        matchers: texts(&silence.matchers),
        created_by: silence.created_by.clone(),
        comment: silence.comment.clone(),
        until: (!acknowledgement).then(|| Time(silence.period(now).1)),
        acknowledgement,
    }
}

/// A silence that is not kept any more.
fn gone(id: &str) -> SilencedBy {
    SilencedBy {
        id: id.to_owned(),
        matchers: Vec::new(),
        created_by: String::new(),
        comment: String::new(),
        until: None,
        acknowledgement: false,
    }
}

fn texts(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(ToString::to_string).collect()
}

/// A rule's sources, with the labels that must agree.
fn sources(rule: &InhibitSpec) -> impl Iterator<Item = (&Vec<Matcher>, &Vec<String>)> {
    std::iter::once((&rule.source, &rule.equal)).chain(rule.also.iter().map(|s| (&s.matchers, &s.equal)))
}

fn agree(equal: &[String], a: &Labels, b: &Labels) -> bool {
    equal.iter().all(|name| a.value(name) == b.value(name))
}

fn inhibited(
    (place, rule): (usize, &InhibitSpec),
    (matchers, equal): (&Vec<Matcher>, &Vec<String>),
    by: &Labels,
) -> InhibitedBy {
    InhibitedBy {
        alert: by.clone(),
        rule: place,
        source: texts(matchers),
        target: texts(&rule.target),
        equal: equal.clone(),
    }
}

/// By which rule, and which of its sources, an alert inhibits another.
fn inhibited_by(view: &View, rule: Option<u64>, target: &Labels, by: &Labels) -> Option<InhibitedBy> {
    let place = usize::try_from(rule?).ok()?;
    let rule = view.routing().inhibit_rules.get(place)?;
    let source = sources(rule).find(|(m, equal)| all_match(m, by) && agree(equal, by, target))?;
    Some(inhibited((place, rule), source, by))
}

/// The alerts that would inhibit one that routing does not know yet, by the first such rule.
fn would_inhibit(view: &View, target: &Labels, now: i64) -> Vec<InhibitedBy> {
    let firing = || {
        let alerts = view.alerts().map(|row| &row.alert);
        alerts.filter(|a| !a.is_resolved(now) && !is_drill(&a.labels)).map(|a| &a.labels)
    };
    let of_rule = |(place, rule): (usize, &InhibitSpec)| {
        all_match(&rule.target, target).then_some(())?;
        let of_source = |(matchers, equal): (&Vec<Matcher>, &Vec<String>)| {
            // One that is source and target is not inhibited by another such.
            let is_both = all_match(matchers, target);
            let inhibits = |a: &&Labels| {
                all_match(matchers, a) && agree(equal, a, target) && !(is_both && all_match(&rule.target, a))
            };
            Some(inhibited((place, rule), (matchers, equal), firing().find(inhibits)?))
        };
        sources(rule).map(of_source).collect::<Option<Vec<_>>>()
    };
    view.routing().inhibit_rules.iter().enumerate().find_map(of_rule).unwrap_or_default()
}
