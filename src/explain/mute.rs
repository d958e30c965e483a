//! What hides an alert: silences and firing alerts, with what they say.

use crate::engine::View;
use crate::history::Time;
use crate::model::{Labels, Matcher};
use crate::routing::alerts::AlertRow;
use crate::routing::config::InhibitSpec;
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
        let rules = &view.routing().inhibit_rules;
        let inhibited_by = status
            .inhibited_by
            .iter()
            .map(|by| inhibited_by(rules, status.inhibited_rule, &row.alert.labels, by))
            .collect();
        Mutes { silenced_by, inhibited_by, hidden, acknowledged }
    }

    /// Of one that routing does not know yet: what would hide it.
    pub fn expected(view: &View, alert: &Labels, now: i64) -> Self {
        let active = |s: &&std::sync::Arc<Silence>| s.state(now) == SilenceState::Active && s.matches(alert);
        let silenced_by: Vec<SilencedBy> = view.silences().filter(active).map(|s| silenced_by(s, now)).collect();
        let (hidden, acknowledged) = (!silenced_by.is_empty(), false);
        Mutes { silenced_by, inhibited_by: Vec::new(), hidden, acknowledged }
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

fn texts(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(ToString::to_string).collect()
}

/// The rule by which one alert inhibits another: the one at `place`, where that is known.
fn inhibited_by(rules: &[InhibitSpec], place: Option<u64>, target: &Labels, source: &Labels) -> InhibitedBy {
    let agree = |equal: &[String]| equal.iter().all(|name| source.value(name) == target.value(name));
    let known = place;
    let asked = rules.iter().enumerate().filter(|(place, _)| known.is_none_or(|known| known == *place as u64));
    for (place, rule) in asked.filter(|(_, rule)| all_match(&rule.target, target)) {
        let first = (&rule.source, &rule.equal);
        let sources = std::iter::once(first).chain(rule.also.iter().map(|s| (&s.matchers, &s.equal)));
        for (matchers, equal) in sources {
            if all_match(matchers, source) && agree(equal) {
                return InhibitedBy {
                    alert: source.clone(),
                    rule: Some(place),
                    source: texts(matchers),
                    target: texts(&rule.target),
                    equal: equal.clone(),
                };
            }
        }
    }
    InhibitedBy { alert: source.clone(), rule: None, source: Vec::new(), target: Vec::new(), equal: Vec::new() }
}
