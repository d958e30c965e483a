//! The notification log: what every integration was last told about every group. It is what makes a page go out once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::state::{Batch, Snapshot, StateError, Table};

use super::decision::Told;
use super::notification::IntegrationId;

/// How long an entry is kept after it was written, milliseconds: Alertmanager's `--data.retention`.
pub const RETENTION: i64 = 120 * 3_600_000;

/// Whom was what group told to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogKey {
    /// The group's key.
    pub group_key: Arc<str>,
    /// The integration.
    pub integration: IntegrationId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LogRecord {
    group_key: Arc<str>,
    receiver: Arc<str>,
    kind: Arc<str>,
    index: usize,
    told: Told,
    expires_at: i64,
}

/// The log.
#[derive(Clone, Debug, Default)]
pub struct NotificationLog {
    entries: BTreeMap<LogKey, (Told, i64)>,
}

impl NotificationLog {
    /// Reads the log that was stored.
    ///
    /// # Errors
    /// A record does not decode.
    pub fn load(snapshot: &Snapshot) -> Result<Self, StateError> {
        let rows = snapshot.read::<LogRecord>(Table::NotificationLog);
        let entry = |(_, r): (Vec<u8>, LogRecord)| {
            let integration = IntegrationId { receiver: r.receiver, kind: r.kind, index: r.index };
            (LogKey { group_key: r.group_key, integration }, (r.told, r.expires_at))
        };
        Ok(NotificationLog { entries: rows.into_iter().map(entry).collect() })
    }

    /// What an integration was last told about a group.
    pub fn get(&self, key: &LogKey) -> Option<&Told> {
        self.entries.get(key).map(|(told, _)| told)
    }

    /// Notes what an integration has been told. The entry is kept for two repeat intervals, at most the retention.
    pub fn put(&mut self, key: LogKey, told: Told, repeat_interval: i64, batch: &mut Batch) {
        let keep = RETENTION.min(repeat_interval.saturating_mul(2).max(1));
        let expires_at = told.at.saturating_add(keep);
        save(&key, &told, expires_at, true, batch);
        self.entries.insert(key, (told, expires_at));
    }

    /// The clock leapt by `by` milliseconds (back when negative) and says `now`. Repeat intervals go on from where they
    /// stood: a leap is no reason to tell anything again, and none to be silent for longer.
    pub fn leap(&mut self, by: i64, now: i64, batch: &mut Batch) {
        for (key, (told, expires_at)) in &mut self.entries {
            let at = told.at.saturating_add(by).min(now);
            if at != told.at {
                *expires_at = expires_at.saturating_add(at.saturating_sub(told.at));
                told.at = at;
                save(key, told, *expires_at, false, batch);
            }
        }
    }

    /// All entries, with when they expire.
    pub fn iter(&self) -> impl Iterator<Item = (&LogKey, &Told, i64)> {
        self.entries.iter().map(|(key, (told, expires_at))| (key, told, *expires_at))
    }

    /// Drops what has expired, but not what tells of firing alerts of a group that still exists: without it their
    /// resolve would not be sent.
    pub fn collect_garbage(&mut self, now: i64, exists: impl Fn(&str) -> bool, batch: &mut Batch) {
        self.entries.retain(|key, (told, expires_at)| {
            let keep = *expires_at > now || (!told.firing.is_empty() && exists(&key.group_key));
            if !keep {
                batch.delete(Table::NotificationLog, record_key(key), false);
            }
            keep
        });
    }
}

fn save(key: &LogKey, told: &Told, expires_at: i64, durable: bool, batch: &mut Batch) {
    let record = LogRecord {
        group_key: key.group_key.clone(),
        receiver: key.integration.receiver.clone(),
        kind: key.integration.kind.clone(),
        index: key.integration.index,
        expires_at,
        told: told.clone(),
    };
    batch.put(Table::NotificationLog, record_key(key), &record, durable);
}

fn record_key(key: &LogKey) -> Vec<u8> {
    let IntegrationId { receiver, kind, index } = &key.integration;
    let mut out = [key.group_key.as_bytes(), receiver.as_bytes(), kind.as_bytes()].join(&0xff);
    out.push(0xff);
    out.extend_from_slice(&(*index as u64).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MemoryStore, StateStore};

    fn key(group: &str) -> LogKey {
        let integration = IntegrationId { receiver: "r".into(), kind: "slack".into(), index: 0 };
        LogKey { group_key: group.into(), integration }
    }

    #[test]
    fn the_log_outlives_the_process_and_forgets_what_no_longer_matters() {
        let (mut log, mut batch) = (NotificationLog::default(), Batch::default());
        let firing = Told { firing: vec![1, u64::MAX], resolved: vec![], at: 1000 };
        log.put(key("lives"), firing.clone(), 500, &mut batch);
        log.put(key("gone"), firing.clone(), 500, &mut batch);
        log.put(key("over"), Told { firing: vec![], ..firing.clone() }, 500, &mut batch);
        let store = MemoryStore::default();
        store.apply(&batch).unwrap();
        let mut log = NotificationLog::load(&store.load().unwrap()).unwrap();
        assert_eq!(log.get(&key("lives")), Some(&firing));
        let exists = |group: &str| group != "gone";
        log.collect_garbage(1999, exists, &mut batch);
        assert_eq!(log.iter().count(), 3);
        log.collect_garbage(2000, exists, &mut batch);
        assert_eq!(log.iter().map(|(k, _, _)| &*k.group_key).collect::<Vec<_>>(), ["lives"]);
    }

    #[test]
    fn an_entry_is_kept_no_longer_than_the_retention() {
        let mut log = NotificationLog::default();
        log.put(key("g"), Told::default(), i64::MAX, &mut Batch::default());
        assert_eq!(log.iter().next().unwrap().2, RETENTION);
    }
}
