//! The outbox: decides for every integration whether a flush is to be told, keeps what is owed until it is delivered, and
//! notes in the notification log what was told.
//!
//! What is owed is decided again whenever an attempt begins: it says what is true then, to those who may hear it then.
//! When attempts begin is the [`gate`]'s to say.

mod believed;
mod fallback;
mod gate;
mod integrations;
mod owed;
mod record;
mod shown;
mod tally;
mod telling;
mod trouble;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{Time, What};
use crate::model::Labels;
use crate::notify::dedup::{AlertsToTell, Decision, LogEntry, WhyNot};
use crate::notify::log::{LogKey, NotificationLog};
use crate::notify::retry::{self, FailedAttempt};
use crate::notify::{IntegrationId, Notification, NotifiedAlert, Outcome, Reason};
use crate::routing::group::AggregationGroup;
use crate::routing::watched::Watched;
use crate::routing::{Flush, IntegrationSpec, RoutingConfig};
use crate::state::{Batch, Snapshot, Table};

use super::records::{self, Records};
use gate::{Answer, Gates};
pub(in crate::engine) use integrations::integrations_of;
use integrations::spec_of;
pub use owed::OwedView;
use owed::{FailingSince, Owed, Stage};
use record::OwedRecord;
pub use tally::{Tallies, Tally};
pub use telling::{Owing, OwingStage, TellingView};
use trouble::{Failure, Troubles};
use verdict::{Verdict, decide, decision};

const NEXT_ID: &str = "next_notification_id";

/// Notifications decided and not yet delivered, and the log of those that were.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) log: NotificationLog,
    owed: BTreeMap<u64, Owed>,
    by_key: FxHashMap<LogKey, u64>,
    next_id: u64,
    gates: Gates,
    decisions: FxHashMap<LogKey, Decision>,
    troubles: Troubles,
    tallies: Tallies,
    shown: Watched<LogKey, TellingView>,
}

/// What an outcome means for the group it speaks of.
#[derive(Debug)]
pub(super) struct Concluded {
    pub key: LogKey,
    pub group_labels: Labels,
    pub reconsider: bool,
    pub is_failure: bool,
}

/// Where the outbox puts what follows from its decisions.
#[derive(Debug, Default)]
pub(super) struct OutboxEffects {
    pub batch: Batch,
    pub deliver: Vec<Notification>,
    pub retries: Vec<(i64, u64)>,
    pub records: Records,
}

impl Outbox {
    /// Reads what was stored. What is owed is to be tried at once, and may have been heard already.
    pub(super) fn load(snapshot: &Snapshot, now: i64, out: &mut OutboxEffects) -> Self {
        let mut outbox = Outbox { log: NotificationLog::load(snapshot), ..Outbox::default() };
        for (key, record) in snapshot.read::<OwedRecord>(Table::Owed) {
            let owed = record.restore(now);
            let id = owed.notification.id;
            // A record whose key does not name it was not written by this code; it is not kept.
            if key != id.to_be_bytes() {
                out.batch.delete(Table::Owed, key, false);
                continue;
            }
            if owed.stage != Stage::Refused {
                doubt(&mut outbox.log, &owed, now, &mut out.batch);
                out.retries.push((now, id));
            }
            outbox.by_key.insert(owed.key(), id);
            outbox.owed.insert(id, owed);
        }
        let stored = snapshot.read::<serde_json::Value>(Table::Meta);
        let next = stored.into_iter().find(|(key, _)| key == NEXT_ID.as_bytes()).and_then(|(_, v)| v.as_u64());
        outbox.next_id = next.unwrap_or(0).max(outbox.owed.keys().next_back().map_or(0, |id| id + 1));
        outbox
    }

    /// Decides for every integration of the flush's receiver. `at_once`: whose turn it is begins now; otherwise there is
    /// more to come that may speak against it.
    pub(super) fn consider(
        &mut self,
        flush: &Flush,
        at_once: bool,
        config: &RoutingConfig,
        now: i64,
        out: &mut OutboxEffects,
    ) {
        self.consider_receiver(flush, &flush.route.receiver, at_once, config, now, out);
        self.consider_fallback(flush, at_once, config, now, out);
    }

    fn consider_receiver(
        &mut self,
        flush: &Flush,
        name: &Arc<str>,
        at_once: bool,
        config: &RoutingConfig,
        now: i64,
        out: &mut OutboxEffects,
    ) {
        for (spec, key) in integrations_of(config, name, &flush.key) {
            self.shown.touch(&key);
            let owed = self.by_key.get(&key).and_then(|id| self.owed.get_mut(id));
            if let Some(Owed { stage: Stage::UnderWay { reconsider }, .. }) = owed {
                *reconsider = true;
                self.decisions.insert(key, decision(Err(WhyNot::UnderWay), flush, now));
                continue;
            }
            let Some(verdict) = self.verdict(&key, spec, flush, config, now) else { continue };
            let newly = self.settle_on(verdict, &key, spec, flush, now, out);
            let again = if at_once { self.hasten(&key) } else { None };
            // What was decided just now need not be looked at again when its turn is now.
            if at_once
                && let Some(id) = newly.or(again)
                && self.gates.next_of(&key.integration, now) == Some(id)
            {
                self.begin(id, now, out);
            }
        }
    }

    /// A flush asks again for what failed, as Alertmanager's does, whose attempts end with the interval: it need not wait for
    /// the end of its pause.
    fn hasten(&mut self, key: &LogKey) -> Option<u64> {
        let id = *self.by_key.get(key)?;
        let owed = self.owed.get_mut(&id)?;
        if !matches!(owed.stage, Stage::Waiting { asked: false, .. }) {
            return None;
        }
        owed.stage = Stage::Ready;
        if std::mem::take(&mut owed.counted) {
            self.tallies.fail(&key.integration, owed.last_error.as_deref().unwrap_or_default());
        }
        self.gates.queue(&key.integration, owed.turn());
        Some(id)
    }

    /// Makes a verdict true: what is owed from now on is what it says. Returns the id of what is newly owed.
    fn settle_on(
        &mut self,
        verdict: Verdict,
        key: &LogKey,
        spec: &IntegrationSpec,
        flush: &Flush,
        now: i64,
        out: &mut OutboxEffects,
    ) -> Option<u64> {
        let (result, newly) = match verdict {
            Verdict::Nothing(why) => {
                self.withdraw(key, now, out);
                (Err(why), None)
            }
            Verdict::Note(alerts) => {
                self.withdraw(key, now, out);
                let change = |entry: &mut LogEntry| entry.confirm(alerts, false, now);
                self.log.update(key, (flush.route.repeat_interval, now), true, change, &mut out.batch);
                (Err(WhyNot::ResolvesUnwanted), None)
            }
            Verdict::Tell { reason, alerts } => {
                let owed = self.by_key.get(key).and_then(|id| self.owed.get_mut(id));
                match owed.filter(|o| o.stage != Stage::Refused && tells_of(o, &alerts)) {
                    Some(owed) => {
                        owed.notification.alerts = alerts;
                        owed.notification.reason = reason;
                        owed.repeat_interval = flush.route.repeat_interval;
                        (Err(WhyNot::Owed { due: owed.due() }), None)
                    }
                    None => (Ok(reason), Some(self.owe(key, spec, flush, (reason, alerts), now, out))),
                }
            }
        };
        let before = self.decisions.insert(key.clone(), decision(result.clone(), flush, now));
        if out.records.on
            && let Err(why) = &result
            && !before.is_some_and(|before| before.verdict == result)
            && let Some(record) = records::not_told(key, why, flush, self.log.get(key), now)
        {
            out.records.push(|| record);
        }
        newly
    }

    /// What was owed to the integration until now is said better by this.
    fn owe(
        &mut self,
        key: &LogKey,
        spec: &IntegrationSpec,
        flush: &Flush,
        (reason, alerts): (Reason, Vec<NotifiedAlert>),
        now: i64,
        out: &mut OutboxEffects,
    ) -> u64 {
        let before = self.by_key.get(key).copied().and_then(|id| self.drop_owed(id, &mut out.batch));
        let id = self.next_id;
        self.next_id += 1;
        if let Some(before) = &before {
            let what = What::Withdrawn { replaced_by: Some(id) };
            out.records.push(|| records::about(&before.notification, now, what));
        }
        let notification = Notification {
            id,
            integration: key.integration.clone(),
            group_key: flush.key.clone(),
            group_labels: flush.labels.clone(),
            alerts,
            reason,
            decided_at: now,
            instead_of: (key.integration.receiver != flush.route.receiver).then(|| flush.route.receiver.clone()),
            place: None,
        };
        records::told(&notification, now, &mut out.records);
        let owed = Owed {
            notification,
            repeat_interval: flush.route.repeat_interval,
            send_resolved: spec.send_resolved,
            attempts: before.as_ref().map_or(0, |o| o.attempts),
            failing: before.as_ref().and_then(|o| o.failing),
            stage: Stage::Ready,
            counted: false,
            last_error: before.and_then(|o| o.last_error),
        };
        out.batch.put(Table::Meta, NEXT_ID, &self.next_id, true);
        out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(&owed), true);
        self.gates.queue(&key.integration, owed.turn());
        self.by_key.insert(key.clone(), id);
        self.owed.insert(id, owed);
        id
    }

    /// What was to be told is not any more.
    fn withdraw(&mut self, key: &LogKey, now: i64, out: &mut OutboxEffects) {
        if let Some(owed) = self.by_key.get(key).and_then(|id| self.owed.get(id)) {
            out.records.push(|| records::about(&owed.notification, now, What::Withdrawn { replaced_by: None }));
        }
        self.owe_no_longer(key, now, &mut out.batch);
    }

    fn owe_no_longer(&mut self, key: &LogKey, now: i64, batch: &mut Batch) {
        if let Some(id) = self.by_key.get(key).copied() {
            self.drop_owed(id, batch);
            self.troubles.end(key, now);
        }
    }

    fn drop_owed(&mut self, id: u64, batch: &mut Batch) -> Option<Owed> {
        let owed = self.owed.remove(&id)?;
        self.gates.withdraw(&owed.notification.integration, owed.turn());
        self.by_key.remove(&owed.key());
        // Delivered, it would not be owed.
        if owed.counted && !matches!(owed.stage, Stage::UnderWay { .. }) {
            self.tallies.fail(&owed.notification.integration, owed.last_error.as_deref().unwrap_or_default());
        }
        batch.delete(Table::Owed, id.to_be_bytes(), true);
        Some(owed)
    }

    /// The time of what failed has come: it waits for its turn.
    pub(super) fn retry(&mut self, id: u64, now: i64) {
        if let Some(owed) = self.owed.get_mut(&id)
            && owed.due().is_some_and(|due| due <= now)
        {
            owed.stage = Stage::Ready;
            self.gates.queue(&owed.notification.integration, owed.turn());
            self.shown.touch(&owed.key());
        }
    }

    /// The notifications whose turn it is, at most one of each integration, each with the key of its log entry.
    pub(super) fn turns(&self, now: i64) -> Vec<(u64, LogKey)> {
        let turns = self.gates.next_of_each(now);
        turns.into_iter().filter_map(|id| Some((id, self.owed.get(&id)?.key()))).collect()
    }

    /// When the next turn comes if nothing else happens.
    pub(super) fn next_turn_at(&self) -> Option<i64> {
        self.gates.next_at()
    }

    /// Takes a turn: decides again what there is to say, and attempts to say that. Without a flush the group is no more
    /// (its route is gone).
    pub(super) fn take_turn(
        &mut self,
        id: u64,
        flush: Option<&Flush>,
        config: &RoutingConfig,
        now: i64,
        out: &mut OutboxEffects,
    ) {
        let Some(owed) = self.owed.get(&id) else { return };
        let key = owed.key();
        self.shown.touch(&key);
        let (Some(flush), Some(spec)) = (flush, spec_of(config, &key.integration)) else {
            if self.keep_resolves_only(id, now, out) {
                self.begin(id, now, out);
            }
            return;
        };
        let verdict = self.verdict(&key, spec, flush, config, now);
        // What is owed and whose turn it is is told, unless something speaks against it.
        let verdict = verdict.unwrap_or_else(|| decide(self.log.get(&key), spec, flush, now));
        let newly = self.settle_on(verdict, &key, spec, flush, now, out);
        if let Some(id) = newly.or_else(|| self.by_key.get(&key).copied()) {
            self.begin(id, now, out);
        }
    }

    /// Of a group that is no more only the end of what was told is owed: its alerts are told by the groups they are in now.
    fn keep_resolves_only(&mut self, id: u64, now: i64, out: &mut OutboxEffects) -> bool {
        let Some(owed) = self.owed.get_mut(&id) else { return false };
        let key = owed.key();
        let entry = self.log.get(&key);
        let ends = |a: &NotifiedAlert| a.is_resolved() && entry.is_some_and(|e| e.may_believe_firing(&a.labels));
        let before = owed.notification.alerts.len();
        let whole = out.records.on.then(|| owed.notification.clone());
        owed.notification.alerts.retain(ends);
        if owed.notification.alerts.is_empty() {
            whole.iter().for_each(|whole| {
                out.records.push(|| records::about(whole, now, What::Withdrawn { replaced_by: None }));
            });
            self.owe_no_longer(&key, now, &mut out.batch);
            return false;
        }
        if owed.notification.alerts.len() < before {
            out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(owed), true);
        }
        true
    }

    fn begin(&mut self, id: u64, now: i64, out: &mut OutboxEffects) {
        let Some(owed) = self.owed.get_mut(&id) else { return };
        owed.stage = Stage::UnderWay { reconsider: false };
        // The first message of a group has none before it.
        let before = self.log.get(&owed.key()).filter(|_| owed.notification.reason != Reason::FirstNotification);
        owed.notification.place = before.and_then(|entry| entry.place.clone());
        if !std::mem::replace(&mut owed.counted, true) {
            self.tallies.begin(&owed.notification.integration);
        }
        self.gates.begin(&owed.notification.integration, owed.turn(), now);
        out.deliver.push(owed.notification.clone());
    }

    /// Takes in what became of an attempt.
    pub(super) fn conclude(
        &mut self,
        id: u64,
        outcome: Outcome,
        now: i64,
        out: &mut OutboxEffects,
    ) -> Option<Concluded> {
        let answer = if matches!(outcome, Outcome::Retry { .. }) { Answer::None } else { Answer::Some };
        let began = self.gates.began(id).unwrap_or(now);
        let is_back = self.gates.end(id, answer, now);
        let is_failure = !outcome.is_delivered();
        let concluded = self.take_outcome(id, outcome, (began, now), out).map(|c| Concluded { is_failure, ..c });
        if let Some(integration) = is_back {
            self.release(&integration);
        }
        concluded
    }

    fn take_outcome(
        &mut self,
        id: u64,
        outcome: Outcome,
        (began, now): (i64, i64),
        out: &mut OutboxEffects,
    ) -> Option<Concluded> {
        let owed = self.owed.get_mut(&id)?;
        let Stage::UnderWay { reconsider } = owed.stage else { return None };
        let (key, group_labels) = (owed.key(), owed.notification.group_labels.clone());
        self.shown.touch(&key);
        match outcome {
            Outcome::Retry { after, reason } => {
                owed.attempts = owed.attempts.saturating_add(1);
                owed.failing.get_or_insert(FailingSince { at: now, refused: false });
                let failed = FailedAttempt { began, ended: now, number: owed.attempts };
                let due = retry::again_at(failed, id, after);
                owed.stage = Stage::Waiting { due, asked: after.is_some() };
                doubt(&mut self.log, owed, now, &mut out.batch);
                self.troubles.failed(&Failure { owed, error: &reason, next: Some(due) }, now);
                let what = || {
                    let error = reason.clone();
                    What::Failed { attempt: owed.attempts, error, next_attempt: Time(due) }
                };
                out.records.push(|| records::about(&owed.notification, now, what()));
                owed.last_error = Some(reason);
                out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(owed), false);
                out.retries.push((due, id));
            }
            Outcome::GiveUp { reason } => {
                owed.stage = Stage::Refused;
                owed.failing.get_or_insert(FailingSince { at: now, refused: true }).refused = true;
                owed.counted = false;
                self.tallies.fail(&owed.notification.integration, &reason);
                self.troubles.failed(&Failure { owed, error: &reason, next: None }, now);
                let what = || What::GivenUp { attempt: owed.attempts + 1, error: reason.clone() };
                out.records.push(|| records::about(&owed.notification, now, what()));
                owed.last_error = Some(reason);
                out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(owed), true);
            }
            delivered @ (Outcome::Delivered | Outcome::DeliveredAt(_)) => {
                let place = match delivered {
                    Outcome::DeliveredAt(place) => Some(place),
                    _ => owed.notification.place.take(),
                };
                let what = What::Sent { attempt: owed.attempts + 1 };
                out.records.push(|| records::about(&owed.notification, now, what));
                let alerts = AlertsToTell::of(&owed.notification.alerts);
                let (repeat_interval, send_resolved) = (owed.repeat_interval, owed.send_resolved);
                self.owe_no_longer(&key, now, &mut out.batch);
                let change = |entry: &mut LogEntry| {
                    entry.confirm(alerts, send_resolved, now);
                    entry.place = place;
                    entry.notification = Some(id);
                };
                self.log.update(&key, (repeat_interval, now), true, change, &mut out.batch);
            }
        }
        let is_failure = false;
        Some(Concluded { key, group_labels, reconsider, is_failure })
    }

    /// An integration is back: what waits to be tried again need not wait longer.
    fn release(&mut self, integration: &IntegrationId) {
        for owed in self.owed.values_mut().filter(|o| o.notification.integration == *integration) {
            if matches!(owed.stage, Stage::Waiting { asked: false, .. }) {
                owed.stage = Stage::Ready;
                self.gates.queue(integration, owed.turn());
                self.shown.touch(&owed.key());
            }
        }
    }

    /// Whether every integration of a receiver knows all that was decided about a group, and that `resolved` alerts are
    /// over.
    pub(super) fn all_know<'a>(
        &self,
        group_key: &Arc<str>,
        receiver: &Arc<str>,
        resolved: impl Iterator<Item = &'a Labels> + Clone,
        config: &RoutingConfig,
    ) -> bool {
        integrations_of(config, receiver, group_key).all(|(i, key)| {
            let is_owed_an_end = || {
                let entry = self.log.get(&key);
                entry.is_some_and(|entry| resolved.clone().any(|alert| entry.may_believe_firing(alert)))
            };
            !(self.by_key.contains_key(&key) || i.send_resolved && is_owed_an_end())
        })
    }

    /// Whether a receiver of a group may believe that an alert fires: it was told, or an attempt under way tells it.
    pub(super) fn may_know(&self, group: &AggregationGroup, alert: &Labels, config: &RoutingConfig) -> bool {
        let receivers = std::iter::once(&group.route.receiver).chain(&group.route.fallback);
        receivers.flat_map(|receiver| integrations_of(config, receiver, &group.key)).any(|(_, key)| {
            let is_being_told = |id: &u64| {
                let owed = self.owed.get(id);
                owed.is_some_and(|owed| owed.notification.alerts.iter().any(|told| told.labels == *alert))
            };
            self.log.get(&key).is_some_and(|entry| entry.may_believe_firing(alert))
                || self.by_key.get(&key).is_some_and(is_being_told)
        })
    }

    /// The clock leapt by `by` milliseconds (back when negative) and says `now`. After a step back an attempt due in some
    /// time is due in that time still; after a leap ahead it may be due at once.
    pub(super) fn leap(&mut self, by: i64, now: i64, out: &mut OutboxEffects) {
        for (id, owed) in &mut self.owed {
            let waits = owed.stage == Stage::Ready;
            if waits {
                self.gates.withdraw(&owed.notification.integration, owed.turn());
            }
            if let Stage::Waiting { due, .. } = &mut owed.stage
                && by <= 0
            {
                *due = due.saturating_add(by).max(now);
                out.retries.push((*due, *id));
            }
            let decided_at = &mut owed.notification.decided_at;
            *decided_at = decided_at.saturating_add(by).min(now);
            if waits {
                self.gates.queue(&owed.notification.integration, owed.turn());
            }
        }
        self.shown.touch_all();
        self.gates.leap(by, now);
        self.troubles.leap(by);
        self.log.leap(by, now, &mut out.batch);
    }

    /// Another configuration is in force. What is owed to integrations that are no longer configured is dropped: there is
    /// nowhere to send it. Those that failed or refused are tried again at once: they may be reached in another way now.
    pub(super) fn reconfigure(&mut self, config: &RoutingConfig, now: i64, out: &mut OutboxEffects) {
        let is_known = |i: &IntegrationId| spec_of(config, i).is_some();
        let gone = self.owed.iter().filter(|(_, o)| !is_known(&o.notification.integration)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<_>>() {
            if let Some(owed) = self.drop_owed(id, &mut out.batch) {
                out.records.push(|| records::about(&owed.notification, now, What::Withdrawn { replaced_by: None }));
            }
        }
        for owed in self.owed.values_mut() {
            if matches!(owed.stage, Stage::Waiting { asked: false, .. } | Stage::Refused) {
                owed.stage = Stage::Ready;
                self.gates.queue(&owed.notification.integration, owed.turn());
            }
        }
        self.shown.touch_all();
        self.gates.forgive(now);
        self.gates.retain(is_known);
        self.troubles.retain(is_known);
        self.decisions.retain(|key, _| is_known(&key.integration));
    }

    /// Forgets what is known of groups that are no more.
    pub(super) fn collect_garbage(
        &mut self,
        now: i64,
        group_keys: &FxHashSet<&str>,
        is_known: impl Fn(&Labels) -> bool,
        batch: &mut Batch,
    ) {
        self.shown.touch_all();
        self.log.collect_garbage(now, |key| group_keys.contains(key), is_known, batch);
        self.decisions.retain(|key, _| group_keys.contains(&*key.group_key));
    }
}

/// Nobody knows whether the integration has heard what it was to be told.
fn doubt(log: &mut NotificationLog, owed: &Owed, now: i64, batch: &mut Batch) {
    if owed.send_resolved {
        let alerts = AlertsToTell::of(&owed.notification.alerts);
        log.update(&owed.key(), (owed.repeat_interval, now), false, |entry| entry.doubt(&alerts), batch);
    }
}

fn tells_of(owed: &Owed, alerts: &[NotifiedAlert]) -> bool {
    AlertsToTell::of(&owed.notification.alerts) == AlertsToTell::of(alerts)
}
