//! From a route to the integrations it tells: the group and its timers, what was told, what is owed, and what goes out next.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::engine::{Owing, OwingStage, Tellings, Told, View};
use crate::history::Time;
use crate::model::{Labels, duration};
use crate::notify::Reason;
use crate::notify::dedup::{Decision, LogEntry, WhyNot};
use crate::promql::CancelToken;
use crate::routing::tree::RouteIndex;
use crate::routing::{GroupTimer, IntegrationSpec, SharedRoute};

use super::chain::{DecisionChain, GroupChain, IntegrationChain, OwedChain, RouteChain, Stage};
use super::mute::Mutes;

/// How far into the future the end of time intervals is looked for, and how closely, milliseconds.
const LONGEST_MUTE: i64 = 7 * 24 * 3_600_000;
const CLOSELY: i64 = 60_000;

/// Where an alert stands before it is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Inactive,
    /// It fires at this time, milliseconds, if it stays active.
    Pending(i64),
    Firing,
    Resolved,
}

/// One alert on its way through the routes.
pub(super) struct Delivery<'a> {
    pub view: &'a View,
    pub tellings: &'a Tellings<'a>,
    pub now: i64,
    pub alert: &'a Labels,
    pub standing: Standing,
    /// Of one that has resolved: what is told of its end is told at this time or later, milliseconds.
    pub ended_at: Option<i64>,
    pub mutes: &'a Mutes,
    /// When routes are not mute any more: one is that of many alerts.
    pub mute_ends: &'a MuteEnds<'a>,
}

/// When routes are not mute any more, looked for once each and not for longer than there is time.
pub(super) struct MuteEnds<'a> {
    known: RefCell<FxHashMap<RouteIndex, Option<i64>>>,
    cancel: &'a CancelToken,
}

impl<'a> MuteEnds<'a> {
    pub fn within(cancel: &'a CancelToken) -> Self {
        MuteEnds { known: RefCell::default(), cancel }
    }

    fn of(&self, view: &View, index: RouteIndex, route: &SharedRoute, now: i64) -> Option<i64> {
        let find = || {
            let from = now - now.rem_euclid(CLOSELY);
            let minutes = (1..=LONGEST_MUTE / CLOSELY).map(|n| from + n * CLOSELY);
            let mut minutes = minutes.take_while(|_| self.cancel.check().is_ok());
            minutes.find(|at| view.muting_intervals(route, *at).is_empty())
        };
        *self.known.borrow_mut().entry(index).or_insert_with(find)
    }
}

/// What is known at one route.
struct At<'a> {
    route: &'a SharedRoute,
    timer: Option<&'a GroupTimer>,
    muted: bool,
    muted_until: Option<i64>,
}

impl Delivery<'_> {
    /// The alert at a route where it ends.
    pub fn at(&self, index: RouteIndex) -> Option<RouteChain> {
        let route = self.view.tree().route(index)?;
        let group_labels = route.group_labels(self.alert);
        let group_key: Arc<str> = route.group_key(&group_labels).into();
        let timer = self.tellings.timers(&group_key, &route.receiver).iter().find(|t| t.index == index).copied();
        let muted_by = self.view.muting_intervals(route, self.now);
        let muted_until = match muted_by.is_empty() {
            true => None,
            false => self.mute_ends.of(self.view, index, route, self.now),
        };
        let integrations = self.tellings.integrations(route, &group_key);
        let at = At { route, timer, muted: !muted_by.is_empty(), muted_until };
        Some(RouteChain {
            route: route.key.clone(),
            receiver: route.receiver.clone(),
            continues: route.continues(),
            group_wait: duration::format(route.group_wait),
            group_interval: duration::format(route.group_interval),
            repeat_interval: duration::format(route.repeat_interval),
            muted_by,
            muted_until: muted_until.map(Time),
            group: timer.map(|timer| GroupChain {
                has_flushed: timer.has_flushed,
                next_flush: Time(timer.next_flush),
                waits_for_sources_since: timer.postponed.map(Time),
            }),
            integrations: integrations.iter().map(|to| self.integration(&at, to)).collect(),
            group_labels,
            group_key,
        })
    }

    fn integration(&self, at: &At<'_>, to: &Told<'_>) -> IntegrationChain {
        let Told { spec, key, stands_in, telling } = to;
        let (entry, owed) = (telling.and_then(|t| t.told.as_ref()), telling.and_then(|t| t.owed.as_ref()));
        let decision = telling.and_then(|t| t.decision.as_ref());
        let (stage, next) = self.stage(at, spec, *stands_in, (entry, owed, decision));
        IntegrationChain {
            receiver: key.integration.receiver.clone(),
            integration: format!("{}[{}]", spec.kind, spec.index),
            stands_in: *stands_in,
            send_resolved: spec.send_resolved,
            told_at: entry.and_then(|e| e.at).map(Time),
            told: entry.and_then(|e| self.told(e, spec)).map(str::to_owned),
            decision: decision.map(decided),
            owed: owed.map(|owed| OwedChain {
                notification: owed.id,
                decided_at: Time(owed.decided_at),
                attempts: owed.attempts,
                last_error: owed.last_error.clone(),
            }),
            stage,
            next: next.map(Time),
        }
    }

    fn stage(
        &self,
        at: &At<'_>,
        spec: &IntegrationSpec,
        stands_in: bool,
        (entry, owed, decision): (Option<&LogEntry>, Option<&Owing>, Option<&Decision>),
    ) -> (Stage, Option<i64>) {
        let is_told = entry.is_some_and(|e| e.firing.contains(self.alert));
        let may_believe = entry.is_some_and(|e| e.may_believe_firing(self.alert));
        let flush = at.timer.map(|t| t.next_flush);
        match self.standing {
            Standing::Inactive => (Stage::Inactive, None),
            Standing::Pending(fires_at) => (Stage::Pending, self.unless_muted(at, at.flush_after(fires_at))),
            Standing::Firing if is_told => {
                let repeat_after = entry.and_then(|e| e.at).map(|told| told.saturating_add(at.route.repeat_interval));
                let next = owed.and_then(|owed| next_attempt(owed, flush));
                let repeat = repeat_after.map(|t| at.flush_after(t.max(self.now).saturating_add(1)));
                (Stage::Delivered, next.or_else(|| self.unless_muted(at, repeat.filter(|_| !self.mutes.acknowledged)?)))
            }
            Standing::Firing => match (self.mutes.stops_at(), owed) {
                (Some((stage, until)), _) => (stage, until.map(|until| at.flush_after(until))),
                (None, _) if at.muted => (Stage::Muted, at.muted_until.map(|until| at.flush_after(until))),
                (None, Some(owed)) => (of_owed(owed), next_attempt(owed, flush)),
                (None, None) if self.mutes.acknowledged => (Stage::Acknowledged, None),
                (None, None) if stands_in => match decision.map(|d| &d.verdict) {
                    Some(Err(WhyNot::NotNeeded)) | None => (Stage::NotNeeded, None),
                    _ => (at.waits(), flush),
                },
                (None, None) => (at.waits(), flush),
            },
            Standing::Resolved if !spec.send_resolved => (Stage::ResolveUnwanted, None),
            Standing::Resolved if entry.is_some_and(|e| self.knows_end(e)) => (Stage::Delivered, None),
            Standing::Resolved if may_believe => match owed {
                Some(owed) => (of_owed(owed), next_attempt(owed, flush)),
                None if at.muted => (Stage::Muted, at.muted_until.map(|until| at.flush_after(until))),
                None => (at.waits(), flush),
            },
            Standing::Resolved => (self.mutes.stops_at().map_or(Stage::NeverTold, |(stage, _)| stage), None),
        }
    }

    /// Whether an integration was told of this end, and not of an earlier one.
    fn knows_end(&self, entry: &LogEntry) -> bool {
        let told_since = |ended: i64| entry.at.is_some_and(|told| told >= ended);
        entry.resolved.contains(self.alert) && self.ended_at.is_none_or(told_since)
    }

    /// What an integration was told of the alert last. Of an end that it does not want only a note is made.
    fn told(&self, entry: &LogEntry, spec: &IntegrationSpec) -> Option<&'static str> {
        if entry.firing.contains(self.alert) {
            Some("firing")
        } else if entry.in_doubt.contains(self.alert) {
            Some("in_doubt")
        } else {
            (spec.send_resolved && self.knows_end(entry)).then_some("resolved")
        }
    }

    /// A time at which something would go out, if nothing hid it then.
    fn unless_muted(&self, at: &At<'_>, when: i64) -> Option<i64> {
        let muted = at.muted && at.muted_until.is_none_or(|until| until > when);
        let hidden = self.mutes.stops_at().is_some_and(|(_, until)| until.is_none_or(|until| until > when));
        (!muted && !hidden).then_some(when)
    }
}

impl At<'_> {
    fn waits(&self) -> Stage {
        match self.timer {
            Some(timer) if timer.has_flushed => Stage::GroupInterval,
            _ => Stage::GroupWait,
        }
    }

    /// The group's first flush at or after a time; of a group that is made then, its first.
    fn flush_after(&self, time: i64) -> i64 {
        let Some(timer) = self.timer else { return time.saturating_add(self.route.group_wait) };
        let interval = self.route.group_interval.max(1);
        let missing = time.saturating_sub(timer.next_flush).max(0);
        let intervals = missing / interval + i64::from(missing % interval > 0);
        timer.next_flush.saturating_add(intervals.saturating_mul(interval))
    }
}

fn of_owed(owed: &Owing) -> Stage {
    match owed.stage {
        OwingStage::Waits => Stage::Queued,
        OwingStage::UnderWay => Stage::Sending,
        OwingStage::Again(_) => Stage::Retrying,
        OwingStage::Refused => Stage::Refused,
    }
}

fn next_attempt(owed: &Owing, flush: Option<i64>) -> Option<i64> {
    match owed.stage {
        OwingStage::Again(due) => Some(due),
        OwingStage::Refused => flush,
        OwingStage::Waits | OwingStage::UnderWay => None,
    }
}

fn decided(decision: &Decision) -> DecisionChain {
    let why = match &decision.verdict {
        Ok(reason) => why_told(*reason),
        Err(why) => why_not(why),
    };
    DecisionChain { at: Time(decision.at), tells: decision.verdict.is_ok(), why: why.to_owned() }
}

fn why_told(reason: Reason) -> &'static str {
    match reason {
        Reason::FirstNotification => "the group's first notification",
        Reason::NewAlertsInGroup => "new alerts fire in the group",
        Reason::NewResolvedAlerts => "alerts of the group resolved",
        Reason::AllAlertsResolved => "all alerts of the group resolved",
        Reason::RepeatIntervalElapsed => "the repeat interval is over",
    }
}

fn why_not(why: &WhyNot) -> &'static str {
    match why {
        WhyNot::AllMuted => "all alerts of the group are silenced or inhibited",
        WhyNot::RouteMuted => "time intervals mute the route",
        WhyNot::NeverTold => "what resolved was never told to fire",
        WhyNot::ResolvesUnwanted => "all is over, and resolves are not wanted",
        WhyNot::NothingNew { .. } => "nothing is new, and the repeat interval is not over",
        WhyNot::Owed { .. } => "just this is owed already",
        WhyNot::NotNeeded => "the receiver that it stands in for can be told",
        WhyNot::Acknowledged => "somebody looks after all that there is to tell",
        WhyNot::UnderWay => "an attempt is under way; it is decided again when that has ended",
    }
}
