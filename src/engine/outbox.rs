//! The outbox: decides for every integration whether a flush is news, keeps what is owed until it is delivered, and
//! notes what was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::model::Labels;
use crate::notify::decision::{News, Told, Wishes, needs_update};
use crate::notify::log::{LogKey, NotificationLog};
use crate::notify::{IntegrationId, Notification, NotifiedAlert, Outcome, Reason, retry};
use crate::routing::{Flush, FlushedAlert, IntegrationSpec, RoutingConfig};
use crate::state::{Batch, Snapshot, StateError, Table};

const NEXT_ID: &str = "next_notification_id";

/// Notifications decided and not yet delivered, and the log of those that were.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) log: NotificationLog,
    owed: BTreeMap<u64, Owed>,
    by_key: FxHashMap<LogKey, u64>,
    next_id: u64,
}

#[derive(Debug)]
struct Owed {
    notification: Notification,
    news: News,
    repeat_interval: i64,
    // Attempts that may have reached the receiver although nobody knows.
    attempts: u32,
    stage: Stage,
    last_error: Option<String>,
}

/// How far a notification is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// An attempt is under way. With `reconsider`, a flush passed meanwhile: decide again when it ends.
    UnderWay { reconsider: bool },
    /// To be tried again at a time.
    Waiting { due: i64 },
    /// The receiver does not take it. The next flush decides again.
    Refused,
}

impl Owed {
    fn key(&self) -> LogKey {
        key_of(&self.notification)
    }

    /// What the integration will have been told once this is delivered. It may have been already: an attempt that
    /// seemed to fail, or was cut off by a crash, may have reached the receiver.
    fn as_told(&self) -> Told {
        let News { firing, resolved } = self.news.clone();
        Told { firing, resolved, at: self.notification.decided_at }
    }
}

/// That an integration is to be told, and what.
struct Decided {
    alerts: Vec<NotifiedAlert>,
    news: News,
    reason: Reason,
}

/// A notification that is owed, for whoever wants to look.
#[derive(Clone, Debug)]
pub struct OwedView {
    /// The notification.
    pub notification: Notification,
    /// Attempts that failed.
    pub attempts: u32,
    /// When it will be tried next; `None` while an attempt is under way, and after the receiver refused it.
    pub due: Option<i64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// What an outcome means for the group it speaks of.
#[derive(Debug)]
pub(super) struct Concluded {
    pub group_key: Arc<str>,
    pub receiver: Arc<str>,
    pub reconsider: bool,
}

/// Where the outbox puts what follows from its decisions.
#[derive(Debug, Default)]
pub(super) struct Outgo {
    pub batch: Batch,
    pub deliver: Vec<Notification>,
    pub retries: Vec<(i64, u64)>,
}

impl Outbox {
    /// Reads what was stored. What is owed is to be tried at once.
    pub(super) fn load(snapshot: &Snapshot, now: i64, out: &mut Outgo) -> Result<Self, StateError> {
        let mut outbox = Outbox { log: NotificationLog::load(snapshot)?, ..Outbox::default() };
        for (key, record) in snapshot.read::<OwedRecord>(Table::Owed) {
            let owed = record.restore(now);
            let id = owed.notification.id;
            // A record whose key does not name it was not written by this code; it is not kept.
            if key != id.to_be_bytes() {
                out.batch.delete(Table::Owed, key, false);
                continue;
            }
            out.retries.push((now, id));
            outbox.by_key.insert(owed.key(), id);
            outbox.owed.insert(id, owed);
        }
        let stored = snapshot.read::<serde_json::Value>(Table::Meta);
        let next = stored.into_iter().find(|(key, _)| key == NEXT_ID.as_bytes()).and_then(|(_, v)| v.as_u64());
        outbox.next_id = next.unwrap_or(0).max(outbox.owed.keys().next_back().map_or(0, |id| id + 1));
        Ok(outbox)
    }

    /// Decides for every integration of the flush's receiver. Returns whether all of them know, so that resolved alerts
    /// may leave the group.
    pub(super) fn consider(&mut self, flush: &Flush, config: &RoutingConfig, now: i64, out: &mut Outgo) -> bool {
        let Some(receiver) = config.receivers.get(&flush.route.receiver) else { return true };
        let mut all_know = true;
        for spec in &receiver.integrations {
            let integration =
                IntegrationId { receiver: flush.route.receiver.clone(), kind: spec.kind.clone(), index: spec.index };
            let key = LogKey { group_key: flush.key.clone(), integration };
            if flush.route_muted {
                // Quiet hours stay quiet; a resolve that is owed waits for their end.
                all_know &= !self.owes_resolve(&key, flush);
            } else {
                self.consider_one(key.clone(), spec, flush, now, out);
                all_know &= self.knows(&key);
            }
        }
        all_know
    }

    fn owes_resolve(&self, key: &LogKey, flush: &Flush) -> bool {
        let told = self.believed(key);
        let is_owed =
            |a: &FlushedAlert| a.resolved && told.as_ref().is_some_and(|t| t.firing.contains(&a.alert.labels.hash64()));
        !self.knows(key) || flush.alerts.iter().any(is_owed)
    }

    fn knows(&self, key: &LogKey) -> bool {
        !self.by_key.contains_key(key)
    }

    /// Whether every integration of a receiver knows all that was decided about a group.
    pub(super) fn all_know(&self, group_key: &Arc<str>, receiver: &Arc<str>, config: &RoutingConfig) -> bool {
        let Some(spec) = config.receivers.get(receiver) else { return true };
        spec.integrations.iter().all(|i| {
            let integration = IntegrationId { receiver: receiver.clone(), kind: i.kind.clone(), index: i.index };
            self.knows(&LogKey { group_key: group_key.clone(), integration })
        })
    }

    fn believed(&self, key: &LogKey) -> Option<Told> {
        let owed = self.by_key.get(key).and_then(|id| self.owed.get(id));
        owed.map(Owed::as_told).or_else(|| self.log.get(key).cloned())
    }

    fn consider_one(&mut self, key: LogKey, spec: &IntegrationSpec, flush: &Flush, now: i64, out: &mut Outgo) {
        let owed = self.by_key.get(&key).and_then(|id| self.owed.get_mut(id));
        if let Some(Owed { stage: Stage::UnderWay { reconsider }, .. }) = owed {
            *reconsider = true;
            return;
        }
        let alerts = visible(flush, self.believed(&key).as_ref());
        if alerts.is_empty() {
            return;
        }
        let news = news_of(&alerts);
        let wishes = Wishes { send_resolved: spec.send_resolved, repeat_interval: flush.route.repeat_interval };
        let Some(reason) = self.reason(&key, &news, wishes, now) else {
            // Nothing more to say of what was refused.
            if let Some(id) = self.refused(&key).filter(|_| news.firing.is_empty()) {
                self.drop_owed(id, &mut out.batch);
            }
            return;
        };
        // What was owed until now is said better by what is decided here.
        if let Some(id) = self.by_key.get(&key).copied() {
            self.drop_owed(id, &mut out.batch);
        }
        if !spec.send_resolved && news.firing.is_empty() {
            let told = Told { firing: news.firing, resolved: news.resolved, at: now };
            self.log.put(key, told, flush.route.repeat_interval, &mut out.batch);
            return;
        }
        let wanted = alerts.into_iter().filter(|a| spec.send_resolved || !a.resolved).map(notified).collect();
        self.owe(key, flush, Decided { alerts: wanted, news, reason }, now, out);
    }

    /// Why the integration is to be told, seen from what it was told or will be. A refused notification told nothing,
    /// but one that was attempted before it was refused may have been heard: then its end is told.
    fn reason(&self, key: &LogKey, news: &News, wishes: Wishes, now: i64) -> Option<Reason> {
        let Some(refused) = self.refused(key).and_then(|id| self.owed.get(&id)) else {
            return needs_update(self.believed(key).as_ref(), news, wishes, now);
        };
        let may_have_heard = refused.attempts > 0 && !refused.news.firing.is_empty();
        let all_over = news.firing.is_empty() && may_have_heard;
        needs_update(self.log.get(key), news, wishes, now).or(all_over.then_some(Reason::AllAlertsResolved))
    }

    fn refused(&self, key: &LogKey) -> Option<u64> {
        let id = self.by_key.get(key)?;
        self.owed.get(id).filter(|o| o.stage == Stage::Refused).map(|_| *id)
    }

    fn owe(&mut self, key: LogKey, flush: &Flush, decided: Decided, now: i64, out: &mut Outgo) {
        let Decided { alerts, news, reason } = decided;
        let id = self.next_id;
        self.next_id += 1;
        let notification = Notification {
            id,
            integration: key.integration.clone(),
            group_key: flush.key.clone(),
            group_labels: flush.labels.clone(),
            alerts,
            reason,
            decided_at: now,
        };
        let owed = Owed {
            notification,
            news,
            repeat_interval: flush.route.repeat_interval,
            attempts: 0,
            stage: Stage::UnderWay { reconsider: false },
            last_error: None,
        };
        out.batch.put(Table::Meta, NEXT_ID, &self.next_id, true);
        out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(&owed), true);
        out.deliver.push(owed.notification.clone());
        self.by_key.insert(key, id);
        self.owed.insert(id, owed);
    }

    fn drop_owed(&mut self, id: u64, batch: &mut Batch) -> Option<Owed> {
        let owed = self.owed.remove(&id)?;
        self.by_key.remove(&owed.key());
        batch.delete(Table::Owed, id.to_be_bytes(), true);
        Some(owed)
    }

    /// Tries again what failed, if it still is owed and its time has come.
    pub(super) fn retry(&mut self, id: u64, now: i64, out: &mut Outgo) {
        if let Some(owed) = self.owed.get_mut(&id)
            && matches!(owed.stage, Stage::Waiting { due } if due <= now)
        {
            owed.stage = Stage::UnderWay { reconsider: false };
            out.deliver.push(owed.notification.clone());
        }
    }

    /// Takes in what became of an attempt.
    pub(super) fn conclude(&mut self, id: u64, outcome: Outcome, now: i64, out: &mut Outgo) -> Option<Concluded> {
        let owed = self.owed.get_mut(&id)?;
        let Stage::UnderWay { reconsider } = owed.stage else { return None };
        let key = owed.key();
        match outcome {
            Outcome::Retry { after, reason } => {
                owed.attempts = owed.attempts.saturating_add(1);
                owed.last_error = Some(reason);
                let due = now + retry::backoff(owed.attempts, id, after);
                owed.stage = Stage::Waiting { due };
                out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(owed), false);
                out.retries.push((due, id));
            }
            Outcome::Delivered => {
                let told = Told { at: now, ..owed.as_told() };
                let repeat_interval = owed.repeat_interval;
                self.drop_owed(id, &mut out.batch);
                self.log.put(key.clone(), told, repeat_interval, &mut out.batch);
            }
            Outcome::GiveUp { reason } => {
                owed.last_error = Some(reason);
                owed.stage = Stage::Refused;
                out.batch.put(Table::Owed, id.to_be_bytes(), &OwedRecord::of(owed), true);
            }
        }
        Some(Concluded { group_key: key.group_key, receiver: key.integration.receiver, reconsider })
    }

    /// The clock leapt by `by` milliseconds (back when negative) and says `now`. After a step back an attempt due in some
    /// time is due in that time still; after a leap ahead it may be due at once.
    pub(super) fn leap(&mut self, by: i64, now: i64, out: &mut Outgo) {
        for (id, owed) in &mut self.owed {
            if let Stage::Waiting { due } = &mut owed.stage
                && by <= 0
            {
                *due = due.saturating_add(by).max(now);
                out.retries.push((*due, *id));
            }
            let decided_at = &mut owed.notification.decided_at;
            *decided_at = decided_at.saturating_add(by).min(now);
        }
        self.log.leap(by, now, &mut out.batch);
    }

    /// Drops what is owed to integrations that are no longer configured: there is nowhere to send it.
    pub(super) fn drop_unknown(&mut self, config: &RoutingConfig, batch: &mut Batch) {
        let known = |i: &IntegrationId| {
            let spec = config.receivers.get(&i.receiver);
            spec.is_some_and(|r| r.integrations.iter().any(|s| s.kind == i.kind && s.index == i.index))
        };
        let gone = self.owed.iter().filter(|(_, o)| !known(&o.notification.integration)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<_>>() {
            self.drop_owed(id, batch);
        }
    }

    /// What is owed, oldest first.
    pub(super) fn owed(&self) -> impl Iterator<Item = OwedView> {
        self.owed.values().map(|o| OwedView {
            notification: o.notification.clone(),
            attempts: o.attempts,
            due: match o.stage {
                Stage::Waiting { due } => Some(due),
                Stage::UnderWay { .. } | Stage::Refused => None,
            },
            last_error: o.last_error.clone(),
        })
    }
}

fn key_of(n: &Notification) -> LogKey {
    LogKey { group_key: n.group_key.clone(), integration: n.integration.clone() }
}

/// The alerts of a flush that an integration may hear of: all but the muted ones. That an alert has resolved is not
/// muted for one who was told it fires.
fn visible<'a>(flush: &'a Flush, told: Option<&Told>) -> Vec<&'a FlushedAlert> {
    let owed =
        |a: &FlushedAlert| a.resolved && told.is_some_and(|t| t.firing.binary_search(&a.alert.labels.hash64()).is_ok());
    flush.alerts.iter().filter(|a| !a.muted || owed(a)).collect()
}

fn news_of(alerts: &[&FlushedAlert]) -> News {
    let hashes = |resolved: bool| {
        let of_kind = alerts.iter().filter(|a| a.resolved == resolved);
        let mut hashes: Vec<u64> = of_kind.map(|a| a.alert.labels.hash64()).collect();
        hashes.sort_unstable();
        hashes
    };
    News { firing: hashes(false), resolved: hashes(true) }
}

fn notified(a: &FlushedAlert) -> NotifiedAlert {
    NotifiedAlert {
        labels: a.alert.labels.clone(),
        annotations: a.alert.annotations.clone(),
        starts_at: a.alert.starts_at,
        ends_at: a.alert.ends_at.filter(|_| a.resolved),
        generator_url: a.alert.generator_url.clone(),
    }
}

#[derive(Serialize, Deserialize)]
struct OwedRecord {
    id: u64,
    receiver: Arc<str>,
    kind: Arc<str>,
    index: usize,
    group_key: Arc<str>,
    group_labels: Labels,
    alerts: Vec<AlertRecord>,
    reason: Reason,
    decided_at: i64,
    firing: Vec<u64>,
    resolved: Vec<u64>,
    repeat_interval: i64,
    attempts: u32,
    refused: bool,
}

#[derive(Serialize, Deserialize)]
struct AlertRecord {
    labels: Labels,
    annotations: Labels,
    starts_at: i64,
    ends_at: Option<i64>,
    generator_url: String,
}

impl OwedRecord {
    fn of(owed: &Owed) -> Self {
        let n = &owed.notification;
        let alert = |a: &NotifiedAlert| AlertRecord {
            labels: a.labels.clone(),
            annotations: a.annotations.clone(),
            starts_at: a.starts_at,
            ends_at: a.ends_at,
            generator_url: a.generator_url.clone(),
        };
        OwedRecord {
            id: n.id,
            receiver: n.integration.receiver.clone(),
            kind: n.integration.kind.clone(),
            index: n.integration.index,
            group_key: n.group_key.clone(),
            group_labels: n.group_labels.clone(),
            alerts: n.alerts.iter().map(alert).collect(),
            reason: n.reason,
            decided_at: n.decided_at,
            firing: owed.news.firing.clone(),
            resolved: owed.news.resolved.clone(),
            repeat_interval: owed.repeat_interval,
            attempts: owed.attempts,
            refused: owed.stage == Stage::Refused,
        }
    }

    fn restore(self, now: i64) -> Owed {
        let alert = |a: AlertRecord| NotifiedAlert {
            labels: a.labels,
            annotations: a.annotations,
            starts_at: a.starts_at,
            ends_at: a.ends_at,
            generator_url: a.generator_url,
        };
        Owed {
            notification: Notification {
                id: self.id,
                integration: IntegrationId { receiver: self.receiver, kind: self.kind, index: self.index },
                group_key: self.group_key,
                group_labels: self.group_labels,
                alerts: self.alerts.into_iter().map(alert).collect(),
                reason: self.reason,
                decided_at: self.decided_at,
            },
            news: News { firing: self.firing, resolved: self.resolved },
            repeat_interval: self.repeat_interval,
            // The process may have ended in the middle of an attempt.
            attempts: if self.refused { self.attempts } else { self.attempts.max(1) },
            stage: if self.refused { Stage::Refused } else { Stage::Waiting { due: now } },
            last_error: None,
        }
    }
}
