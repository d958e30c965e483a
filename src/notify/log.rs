//! The notification log: what every integration was last told about every group. It is what makes a page go out once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::model::Labels;
use crate::routing::RoutedAlert;
use crate::state::{Batch, Snapshot, Table};

use super::alert_set::{Hashes, Packed, Symbols, unpack};
use super::dedup::LogEntry;
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

/// An entry and when it expires.
#[derive(Clone, Debug)]
struct Kept {
    entry: LogEntry,
    expires_at: i64,
}

/// The log.
#[derive(Clone, Debug)]
pub struct NotificationLog {
    // The longest an entry is kept after it was written, milliseconds.
    retention: i64,
    entries: BTreeMap<LogKey, Kept>,
}

impl Default for NotificationLog {
    fn default() -> Self {
        NotificationLog { retention: RETENTION, entries: BTreeMap::new() }
    }
}

impl NotificationLog {
    /// Keeps entries for so long after they were written, milliseconds.
    pub fn keep_for(&mut self, retention: i64) {
        self.retention = retention;
    }

    /// Reads the log that was stored.
    pub fn load(snapshot: &Snapshot) -> Self {
        let rows = snapshot.read::<LogRecord>(Table::NotificationLog);
        let hashed = rows.iter().any(|(_, record)| record.told.is_some());
        let known = if hashed { alerts_by_hash(snapshot) } else { FxHashMap::default() };
        let mut entries = BTreeMap::new();
        for (_, record) in rows {
            let (key, kept) = record.restore(&known);
            entries.insert(key, kept);
        }
        NotificationLog { entries, ..NotificationLog::default() }
    }

    /// What an integration knows of a group.
    pub fn get(&self, key: &LogKey) -> Option<&LogEntry> {
        self.entries.get(key).map(|kept| &kept.entry)
    }

    /// Changes what an integration knows of a group. The entry is kept for two repeat intervals, at most the retention.
    /// With `durable`, what follows from it may leave only when it is stored.
    pub fn update(
        &mut self,
        key: &LogKey,
        (repeat_interval, now): (i64, i64),
        durable: bool,
        change: impl FnOnce(&mut LogEntry),
        batch: &mut Batch,
    ) {
        let mut entry = self.entries.remove(key).map(|kept| kept.entry).unwrap_or_default();
        let before = entry.clone();
        change(&mut entry);
        let keep = self.retention.min(repeat_interval.saturating_mul(2).max(1));
        let kept = Kept { expires_at: now.saturating_add(keep), entry };
        if kept.entry != before {
            batch.put(Table::NotificationLog, record_key(key), &LogRecord::of(key, &kept), durable);
        }
        self.entries.insert(key.clone(), kept);
    }

    /// The clock leapt by `by` milliseconds (back when negative) and says `now`. Repeat intervals go on from where they
    /// stood: a leap is no reason to tell anything again, and none to be silent for longer.
    pub fn leap(&mut self, by: i64, now: i64, batch: &mut Batch) {
        for (key, kept) in &mut self.entries {
            let Some(told_at) = kept.entry.at else { continue };
            let at = told_at.saturating_add(by).min(now);
            if at != told_at {
                kept.expires_at = kept.expires_at.saturating_add(at.saturating_sub(told_at));
                kept.entry.at = Some(at);
                batch.put(Table::NotificationLog, record_key(key), &LogRecord::of(key, kept), false);
            }
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, with when they expire.
    pub fn iter(&self) -> impl Iterator<Item = (&LogKey, &LogEntry, i64)> {
        self.entries.iter().map(|(key, kept)| (key, &kept.entry, kept.expires_at))
    }

    /// Drops what has expired, but not what tells of firing alerts of a group that still exists: without it their
    /// resolve would not be sent. Nothing is in doubt of alerts that nobody knows any more.
    pub fn collect_garbage(
        &mut self,
        now: i64,
        exists: impl Fn(&str) -> bool,
        is_known: impl Fn(&Labels) -> bool,
        batch: &mut Batch,
    ) {
        self.entries.retain(|key, Kept { entry, expires_at }| {
            entry.in_doubt.retain(&is_known);
            let has_open = !entry.firing.is_empty() || !entry.in_doubt.is_empty();
            let keep = *expires_at > now || (has_open && exists(&key.group_key));
            if !keep {
                batch.delete(Table::NotificationLog, record_key(key), false);
            }
            keep
        });
    }
}

/// An entry as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct LogRecord {
    group_key: Arc<str>,
    receiver: Arc<str>,
    kind: Arc<str>,
    index: usize,
    expires_at: i64,
    #[serde(default)]
    at: Option<i64>,
    // Every label name and value of the alerts once.
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    firing: Packed,
    #[serde(default)]
    resolved: Packed,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    in_doubt: Packed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notification: Option<u64>,
    #[serde(default, skip_serializing)]
    told: Option<HashedRecord>,
}

/// What was stored of an entry before alerts were remembered by their labels.
#[derive(Debug, Deserialize)]
struct HashedRecord {
    firing: Hashes,
    resolved: Hashes,
    at: i64,
}

impl LogRecord {
    fn of(key: &LogKey, Kept { entry, expires_at }: &Kept) -> Self {
        let mut symbols = Symbols::default();
        let firing = symbols.pack(&entry.firing);
        let resolved = symbols.pack(&entry.resolved);
        let in_doubt = symbols.pack(&entry.in_doubt);
        LogRecord {
            group_key: key.group_key.clone(),
            receiver: key.integration.receiver.clone(),
            kind: key.integration.kind.clone(),
            index: key.integration.index,
            expires_at: *expires_at,
            at: entry.at,
            texts: symbols.into_texts(),
            firing,
            resolved,
            in_doubt,
            place: entry.place.clone(),
            notification: entry.notification,
            told: None,
        }
    }

    fn restore(self, known: &FxHashMap<u64, Labels>) -> (LogKey, Kept) {
        let entry = match &self.told {
            Some(HashedRecord { firing, resolved, at }) => LogEntry {
                firing: firing.resolve(known),
                resolved: resolved.resolve(known),
                at: Some(*at),
                ..LogEntry::default()
            },
            None => LogEntry {
                firing: unpack(&self.firing, &self.texts),
                resolved: unpack(&self.resolved, &self.texts),
                in_doubt: unpack(&self.in_doubt, &self.texts),
                at: self.at,
                place: self.place,
                notification: self.notification,
            },
        };
        let integration = IntegrationId { receiver: self.receiver, kind: self.kind, index: self.index };
        (LogKey { group_key: self.group_key, integration }, Kept { entry, expires_at: self.expires_at })
    }
}

fn alerts_by_hash(snapshot: &Snapshot) -> FxHashMap<u64, Labels> {
    let alerts = snapshot.read::<RoutedAlert>(Table::RoutedAlert);
    alerts.into_iter().map(|(_, alert)| (alert.labels.hash64(), alert.labels)).collect()
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
    use crate::notify::alert_set::AlertSet;
    use crate::routing::ReceivedAlert;
    use crate::state::{MemoryStore, StateStore};

    fn key(group: &str) -> LogKey {
        let integration = IntegrationId { receiver: "r".into(), kind: "slack".into(), index: 0 };
        LogKey { group_key: group.into(), integration }
    }

    fn alert(instance: &str) -> Labels {
        Labels::from_pairs([("alertname", "قرص \"ممتلئ\""), ("instance", instance)])
    }

    fn set(instances: &[&str]) -> AlertSet {
        instances.iter().map(|i| alert(i)).collect()
    }

    #[test]
    fn the_log_outlives_the_process_and_forgets_what_no_longer_matters() {
        let (mut log, mut batch) = (NotificationLog::default(), Batch::default());
        let entry = |firing: &[&str], in_doubt: &[&str]| LogEntry {
            firing: set(firing),
            resolved: set(&["c"]),
            in_doubt: set(in_doubt),
            at: Some(1000),
            place: None,
            notification: Some(7),
        };
        for (group, entry) in [
            ("doubted", entry(&[], &["d"])),
            ("gone", entry(&["a", "b"], &[])),
            ("lives", entry(&["a", "b"], &["d"])),
            ("over", entry(&[], &[])),
        ] {
            log.update(&key(group), (500, 1000), true, |e| *e = entry, &mut batch);
        }
        let store = MemoryStore::default();
        store.apply(&batch).unwrap();
        let mut log = NotificationLog::load(&store.load().unwrap());
        assert_eq!(log.get(&key("lives")), Some(&entry(&["a", "b"], &["d"])));
        let exists = |group: &str| group != "gone";
        log.collect_garbage(1999, exists, |_| true, &mut batch);
        assert_eq!(log.iter().count(), 4);
        let kept = |log: &NotificationLog| log.iter().map(|(k, _, _)| k.group_key.to_string()).collect::<Vec<_>>();
        log.collect_garbage(2000, exists, |_| true, &mut batch);
        assert_eq!(kept(&log), ["doubted", "lives"]);
        log.collect_garbage(2000, exists, |l| *l != alert("d"), &mut batch);
        assert_eq!(kept(&log), ["lives"]);
    }

    #[test]
    fn what_was_stored_by_hashes_is_read_by_the_alerts_that_are_known() {
        let mut batch = Batch::default();
        let received = ReceivedAlert { labels: alert("a"), ..ReceivedAlert::default() };
        batch.put(Table::RoutedAlert, alert("a").as_bytes(), &received.settle(0, 1).unwrap(), false);
        let told = serde_json::json!({ "firing": [alert("a").hash64(), 7], "resolved": [8], "at": 5 });
        let record = serde_json::json!({
            "group_key": "g", "receiver": "r", "kind": "slack", "index": 0, "told": told, "expires_at": 9,
        });
        batch.put(Table::NotificationLog, record_key(&key("g")), &record, false);
        let store = MemoryStore::default();
        store.apply(&batch).unwrap();
        let log = NotificationLog::load(&store.load().unwrap());
        let want = LogEntry { firing: set(&["a"]), at: Some(5), ..LogEntry::default() };
        assert_eq!(log.get(&key("g")), Some(&want));
    }

    #[test]
    fn what_a_thousand_alerts_share_is_stored_once() {
        let (mut log, mut batch) = (NotificationLog::default(), Batch::default());
        let instances: Vec<String> = (0..1000).map(|i| format!("host-{i}")).collect();
        let firing: AlertSet = instances.iter().map(|i| alert(i)).collect();
        log.update(&key("g"), (1, 0), true, |e| e.firing = firing, &mut batch);
        let bytes: usize = batch.changes().map(|(_, _, value)| value.map_or(0, <[u8]>::len)).sum();
        assert!(bytes < 30_000, "{bytes} bytes");
    }

    #[test]
    fn an_entry_is_kept_no_longer_than_the_retention() {
        let mut log = NotificationLog::default();
        log.update(&key("g"), (i64::MAX, 0), true, |e| e.at = Some(0), &mut Batch::default());
        assert_eq!(log.iter().next().unwrap().2, RETENTION);
    }
}
