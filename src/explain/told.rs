//! What an integration knew of a group at a time that is past, by the decisions that were recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::history::{Kind, Recorded, Time, What, Withheld};
use crate::model::Labels;

use super::chain::{DecisionChain, OwedChain, Stage};
use super::delivery::Standing;
use super::mute::Mutes;
use super::past::told;

/// The alerts of a notification, and whether they had resolved.
type Said = FxHashMap<Labels, bool>;

/// How it stood between a group and one of its integrations.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// What it was told last, and when.
    pub told: Option<(Time, Said)>,
    /// The last decision.
    pub decision: Option<DecisionChain>,
    /// Why it was not told, if that was decided last.
    pub withheld: Option<Withheld>,
    /// What it was owed.
    pub owed: Option<OwedChain>,
    /// When the next attempt was to be made; nothing where there was none.
    next_attempt: Option<Time>,
    refused: bool,
    /// When it was to be told again of what had not changed.
    repeat_after: Option<Time>,
    /// Whether it stood in for the route's receiver.
    pub stands_in: bool,
    said: FxHashMap<u64, Said>,
    /// When it was told of alerts' ends, whichever message told it.
    ends: FxHashMap<Labels, Time>,
}

/// How it stood with the integrations of a group, by receiver and integration, from the decisions about the group, the
/// oldest first.
pub(super) fn tellings(decisions: &[Recorded]) -> BTreeMap<(Arc<str>, Arc<str>), Telling> {
    let mut all: BTreeMap<(Arc<str>, Arc<str>), Telling> = BTreeMap::new();
    for recorded in decisions {
        let (Some(receiver), Some(integration)) = (&recorded.decision.receiver, &recorded.decision.integration) else {
            continue;
        };
        all.entry((receiver.clone(), integration.clone())).or_default().take_in(recorded);
    }
    all
}

impl Telling {
    fn take_in(&mut self, Recorded { decision, .. }: &Recorded) {
        let (now, id) = (decision.time, decision.notification.unwrap_or_default());
        if let Some(told) = told(&decision.what) {
            self.stands_in = told.instead_of.is_some();
            self.withheld = None;
            self.decide(now, true, told.reason.replace('_', " "));
            // Another process may have given the id before, and died.
            if self.owed.as_ref().is_none_or(|owed| owed.notification != id || owed.decided_at != now) {
                self.said.remove(&id);
            }
            let said = self.said.entry(id).or_default();
            said.extend(decision.alerts.iter().map(|a| (a.labels.clone(), a.resolved)));
            self.owed = Some(OwedChain { notification: id, decided_at: now, attempts: 0, last_error: None });
            (self.next_attempt, self.refused, self.repeat_after) = (None, false, None);
            return;
        }
        let is_owed = self.owed.as_ref().is_some_and(|owed| owed.notification == id);
        match &decision.what {
            What::Sent { .. } => {
                if let Some(said) = self.said.remove(&id) {
                    self.ends.extend(said.iter().filter(|(_, over)| **over).map(|(labels, _)| (labels.clone(), now)));
                    self.told = Some((now, said));
                }
                self.settle(is_owed);
            }
            What::Failed { attempt, error, next_attempt } if is_owed => {
                self.fail(*attempt, error);
                (self.next_attempt, self.refused) = (Some(*next_attempt), false);
            }
            What::GivenUp { attempt, error } if is_owed => {
                self.fail(*attempt, error);
                (self.next_attempt, self.refused) = (None, true);
            }
            What::Withdrawn { .. } => {
                self.said.remove(&id);
                self.settle(is_owed);
            }
            What::Deduplicated { told_at, repeat_after, .. } => {
                self.decide(now, false, "nothing is new, and the repeat interval is not over".to_owned());
                self.withheld = None;
                self.repeat_after = *repeat_after;
                if self.told.is_none() {
                    // What told it was decided before the decisions that are looked at, or its outcome is not recorded.
                    let said = decision.alerts.iter().map(|a| (a.labels.clone(), a.resolved)).collect();
                    self.told = told_at.map(|told_at| (told_at, said));
                }
            }
            What::Withheld { why } => {
                self.decide(now, false, decision.words());
                self.withheld = Some(*why);
                if *why == Withheld::ResolvesUnwanted
                    && let Some((_, said)) = &mut self.told
                {
                    // What is over is noted, and would be news if it came again.
                    said.retain(|alert, _| !decision.alerts.iter().any(|a| a.resolved && a.labels == *alert));
                }
            }
            _ => {}
        }
    }

    fn decide(&mut self, at: Time, tells: bool, why: String) {
        self.decision = Some(DecisionChain { at, tells, why });
    }

    fn settle(&mut self, is_owed: bool) {
        if is_owed {
            (self.owed, self.next_attempt, self.refused) = (None, None, false);
        }
    }

    fn fail(&mut self, attempt: u32, error: &str) {
        if let Some(owed) = &mut self.owed {
            (owed.attempts, owed.last_error) = (attempt, Some(error.to_owned()));
        }
    }

    /// What it was told of an alert, and when: whether that had resolved.
    pub fn told_of(&self, alert: &Labels) -> Option<(Time, bool)> {
        let (at, said) = self.told.as_ref()?;
        Some((*at, *said.get(alert)?))
    }

    /// When it was told that an alert had resolved which did at a time.
    pub fn end_told(&self, alert: &Labels, ended_at: Option<Time>) -> Option<Time> {
        self.ends.get(alert).copied().filter(|told| ended_at.is_none_or(|ended| *told >= ended))
    }

    fn owed_stage(&self) -> Option<Stage> {
        self.owed.as_ref().map(|owed| match owed.last_error {
            _ if self.refused => Stage::Refused,
            Some(_) => Stage::Retrying,
            None => Stage::Queued,
        })
    }

    /// How far an alert had come here, and when something was to go out next.
    pub fn stage(&self, alert: &Labels, way: &Way<'_>) -> (Stage, Option<Time>) {
        let told = self.told_of(alert);
        let waits = if self.decision.is_some() { Stage::GroupInterval } else { Stage::GroupWait };
        let owed = self.owed_stage();
        match way.standing {
            Standing::Inactive => (Stage::Inactive, None),
            Standing::Pending(_) => (Stage::Pending, None),
            Standing::Firing if told.is_some_and(|(_, resolved)| !resolved) => {
                (Stage::Delivered, self.next_attempt.or(self.repeat_after))
            }
            Standing::Firing => match (way.mutes.stops_at(), owed) {
                (Some((stage, until)), _) => (stage, until.map(Time)),
                (None, _) if way.is_muted => (Stage::Muted, None),
                (None, Some(owed)) => (owed, self.next_attempt),
                (None, None) if way.mutes.acknowledged => (Stage::Acknowledged, None),
                (None, None) if self.withheld == Some(Withheld::NotNeeded) => (Stage::NotNeeded, None),
                (None, None) => (waits, way.flush_at),
            },
            Standing::Resolved => match told {
                _ if self.end_told(alert, way.ended_at).is_some() => (Stage::Delivered, None),
                _ if !way.send_resolved || self.withheld == Some(Withheld::ResolvesUnwanted) => {
                    (Stage::ResolveUnwanted, None)
                }
                Some((_, false)) if way.is_muted && owed.is_none() => (Stage::Muted, None),
                Some((_, false)) => (owed.unwrap_or(waits), self.next_attempt.or(way.flush_at)),
                // What it was told is an end before this one.
                Some((_, true)) | None => (way.mutes.stops_at().map_or(Stage::NeverTold, |(stage, _)| stage), None),
            },
        }
    }
}

/// What lies between an alert and an integration.
pub(super) struct Way<'a> {
    pub standing: Standing,
    /// When it resolved, where it has.
    pub ended_at: Option<Time>,
    pub mutes: &'a Mutes,
    /// Whether time intervals muted the route.
    pub is_muted: bool,
    pub send_resolved: bool,
    /// When the group was to be flushed, where that lay ahead.
    pub flush_at: Option<Time>,
}

/// The time intervals that muted a group's route, and when its alert is told with it.
pub(super) fn muted_by(decisions: &[Recorded], receiver: &str) -> Vec<String> {
    let of_route = |r: &&Recorded| {
        matches!(r.decision.kind(), Kind::Muted | Kind::Unmuted) && r.decision.receiver.as_deref() == Some(receiver)
    };
    match decisions.iter().rev().find(of_route).map(|r| &r.decision.what) {
        Some(What::Muted { by }) => by.clone(),
        _ => Vec::new(),
    }
}

/// When an alert's group was to be flushed, as decided when the alert joined it.
pub(super) fn flush_at(decisions: &[Recorded], receiver: &str, alert: &Labels, at: i64) -> Option<Time> {
    let joined = |r: &&Recorded| {
        r.decision.receiver.as_deref() == Some(receiver) && r.decision.alerts.iter().any(|a| a.labels == *alert)
    };
    let found = decisions.iter().rev().filter(joined).find_map(|r| match r.decision.what {
        What::Grouped { flush_at } => Some(flush_at),
        _ => None,
    });
    found.filter(|flush| flush.0 > at)
}
