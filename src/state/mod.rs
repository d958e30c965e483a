//! The state store: what must outlive the process, in a handful of tables of small records.
//!
//! The store knows keys and bytes; each room encodes its own records (JSON, one object a record). A [`Batch`] is applied
//! whole or not at all. A durable batch is on disk when [`StateStore::apply`] returns: that is what "persist before
//! deliver" stands on. A batch that is not durable may be lost by a crash, which its owner has made harmless.

mod disk;
#[cfg(test)]
mod disk_tests;
pub(crate) mod frames;
mod memory;
mod metrics;
mod rescue;
mod sled_store;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::instrument::Counter;

pub use disk::DiskStore;
pub use memory::MemoryStore;

/// The version of the tables and records. A store of a newer version is refused, an older one would be migrated here.
pub const SCHEMA_VERSION: u32 = 1;

/// Why state could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// The store could not be opened, read or written.
    #[error("state store: {0}")]
    Store(String),
    /// The store was written by a newer Watchbell.
    #[error("state store has schema version {found}, this program knows {SCHEMA_VERSION}")]
    Newer {
        /// The version found.
        found: u32,
    },
}

/// The tables. The discriminants are part of the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Schema version and counters.
    Meta = 0,
    /// Alerts of rules: pending, firing, lately resolved.
    RuleAlert = 1,
    /// When a rule group was last evaluated.
    RuleGroup = 2,
    /// Alerts known to routing: firing, or resolved with the resolve not yet told.
    RoutedAlert = 3,
    /// Timers of aggregation groups.
    AggregationGroup = 4,
    /// Silences.
    Silence = 5,
    /// The notification log: what each integration was last told about a group.
    NotificationLog = 6,
    /// Notifications decided and not yet delivered.
    Owed = 7,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 8] = [
        Table::Meta,
        Table::RuleAlert,
        Table::RuleGroup,
        Table::RoutedAlert,
        Table::AggregationGroup,
        Table::Silence,
        Table::NotificationLog,
        Table::Owed,
    ];

    fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|t| *t as u8 == tag)
    }
}

/// Changes to apply together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    // Later changes to a key replace earlier ones, so a batch never carries a record twice.
    changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    durable: bool,
}

impl Batch {
    /// Writes a record. With `durable`, the batch must be on disk before anything that follows it happens.
    pub fn put<T: Serialize>(&mut self, table: Table, key: impl Into<Vec<u8>>, record: &T, durable: bool) {
        // Records are structs of strings and numbers, whose encoding cannot fail; were one not to encode, losing the
        // change would be worse than keeping the old record, so it is skipped.
        if let Ok(bytes) = serde_json::to_vec(record) {
            self.changes.insert((table, key.into()), Some(bytes));
            self.durable |= durable;
        }
    }

    /// Deletes a record.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>, durable: bool) {
        self.changes.insert((table, key.into()), None);
        self.durable |= durable;
    }

    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        self.changes.insert((table, key.to_vec()), value.map(<[u8]>::to_vec));
    }

    /// Takes in the changes of a later batch.
    pub fn merge(&mut self, later: Batch) {
        self.durable |= later.durable;
        self.changes.extend(later.changes);
    }

    /// Whether there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The number of records written or deleted.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether the batch must be on disk when applied.
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// The changes in order of table and key; `None` deletes.
    pub fn changes(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.changes.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }
}

/// Everything the store held when it was opened.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    // How many records did not decode so far; those who hold a clone see it, too.
    unreadable: Arc<Counter>,
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

/// How many records that do not decode are named in the log, of each table.
const NAMED: u64 = 10;

impl Snapshot {
    /// The records of one table in order of key, decoded. One that does not decode costs that record: it is named in the
    /// log, counted and left where it is.
    pub fn read<T: DeserializeOwned>(&self, table: Table) -> Vec<(Vec<u8>, T)> {
        self.read_as(table, Ok)
    }

    /// The same, made into something that not every record can be.
    pub fn read_as<T: DeserializeOwned, U>(
        &self,
        table: Table,
        restore: impl Fn(T) -> Result<U, String>,
    ) -> Vec<(Vec<u8>, U)> {
        let decode = |value: &[u8]| restore(serde_json::from_slice(value).map_err(|e| e.to_string())?);
        let (mut read, mut bad) = (Vec::new(), 0);
        for ((_, key), value) in self.records.range((table, Vec::new())..).take_while(|((t, _), _)| *t == table) {
            match decode(value) {
                Ok(record) => read.push((key.clone(), record)),
                Err(e) => {
                    bad += 1;
                    if bad <= NAMED {
                        let key = key.escape_ascii();
                        tracing::error!(table = ?table, key = %key, error = %e, "a record of state does not decode");
                    }
                }
            }
        }
        if bad > 0 {
            tracing::error!(table = ?table, records = bad, "records of state that do not decode are left out");
            self.unreadable.add(bad);
        }
        read
    }

    /// The number of records in all tables.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was stored.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn unreadable(&self) -> Arc<Counter> {
        self.unreadable.clone()
    }

    fn iter(&self) -> impl Iterator<Item = (&(Table, Vec<u8>), &Vec<u8>)> {
        self.records.iter()
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<&Vec<u8>> {
        self.records.get(&(table, key.to_vec()))
    }

    fn insert(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.records.insert((table, key), value);
    }

    fn apply(&mut self, batch: &Batch) {
        for (table, key, value) in batch.changes() {
            match value {
                Some(value) => self.insert(table, key.to_vec(), value.to_vec()),
                None => {
                    self.records.remove(&(table, key.to_vec()));
                }
            }
        }
    }

    /// What must change in `old` to make it this.
    fn difference<'a>(&'a self, old: &'a Snapshot) -> impl Iterator<Item = (&'a (Table, Vec<u8>), Option<&'a [u8]>)> {
        let changed = self.records.iter().filter(|(key, value)| old.records.get(*key) != Some(value));
        let gone = old.records.keys().filter(|key| !self.records.contains_key(*key));
        changed.map(|(key, value)| (key, Some(value.as_slice()))).chain(gone.map(|key| (key, None)))
    }

    /// The records of both, the newer one's where both have one.
    fn under(mut self, newer: Snapshot) -> Snapshot {
        self.records.extend(newer.records);
        self
    }
}

/// How a store is, beside what its batches return.
#[derive(Clone, Debug, Default)]
pub struct StoreHealth {
    /// Why nothing can be stored at present.
    pub failure: Option<String>,
    /// What was found damaged since the process started, and where it is set aside.
    pub damage: Option<String>,
    /// How many damaged databases lie in the data directory, for someone to look at and delete.
    pub set_aside: usize,
    /// How many records the rescue copy gave back since the process started.
    pub rescued: u64,
    /// How many records did not decode.
    pub unreadable: Arc<Counter>,
    /// Why the rescue copy is not being written.
    pub rescue_failure: Option<String>,
}

/// Keeps records across restarts.
pub trait StateStore: Send + Sync {
    /// Reads everything.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&self) -> Result<Snapshot, StateError>;

    /// Applies a batch whole; when it is durable, returns only once it is on disk.
    ///
    /// # Errors
    /// The store cannot be written; nothing of the batch counts as applied.
    fn apply(&self, batch: &Batch) -> Result<(), StateError>;

    /// Returns when everything that was applied is on disk, durable or not.
    ///
    /// # Errors
    /// The store cannot be written.
    fn settle(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// How the store is.
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Row {
        name: String,
        at: i64,
    }

    fn row(name: &str, at: i64) -> Row {
        Row { name: name.into(), at }
    }

    fn contents(store: &dyn StateStore) -> Vec<(Vec<u8>, Row)> {
        store.load().unwrap().read(Table::Silence)
    }

    fn holds_what_was_applied(store: &dyn StateStore) {
        let mut batch = Batch::default();
        batch.put(Table::Silence, "a", &row("حرارة", 1), true);
        batch.put(Table::Silence, "b", &row("b", 2), false);
        batch.put(Table::Owed, "a", &row("other table", 3), false);
        store.apply(&batch).unwrap();
        let mut batch = Batch::default();
        batch.delete(Table::Silence, "b", true);
        batch.put(Table::Silence, "c", &row("c", 4), true);
        store.apply(&batch).unwrap();
        assert_eq!(contents(store), [(b"a".to_vec(), row("حرارة", 1)), (b"c".to_vec(), row("c", 4))]);
    }

    #[test]
    fn both_stores_hold_what_was_applied() {
        holds_what_was_applied(&MemoryStore::default());
        let dir = tempfile::tempdir().unwrap();
        holds_what_was_applied(&DiskStore::open(dir.path()).unwrap());
        let again = DiskStore::open(dir.path()).unwrap();
        assert_eq!(contents(&again).len(), 2, "and after it is opened again");
    }

    #[test]
    fn a_later_change_of_a_record_replaces_the_earlier_one() {
        let mut first = Batch::default();
        first.put(Table::Silence, "a", &row("a", 1), false);
        let mut second = Batch::default();
        second.put(Table::Silence, "a", &row("a", 2), false);
        second.delete(Table::Silence, "b", true);
        first.merge(second);
        assert!(first.is_durable());
        assert_eq!(first.len(), 2);
        let store = MemoryStore::default();
        store.apply(&first).unwrap();
        assert_eq!(contents(&store), [(b"a".to_vec(), row("a", 2))]);
    }

    #[test]
    fn a_store_of_a_newer_schema_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::open(dir.path()).unwrap();
        let mut batch = Batch::default();
        batch.put(Table::Meta, sled_store::SCHEMA_KEY, &(SCHEMA_VERSION + 1), true);
        store.apply(&batch).unwrap();
        drop(store);
        let refused = DiskStore::open(dir.path()).map(|_| ()).unwrap_err();
        assert!(matches!(refused, StateError::Newer { found } if found == SCHEMA_VERSION + 1), "{refused}");
    }

    #[test]
    fn a_record_that_does_not_decode_costs_that_record() {
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        batch.put(Table::Silence, "a", &"not a row", true);
        batch.put(Table::Silence, "b", &row("b", 1), true);
        store.apply(&batch).unwrap();
        let snapshot = store.load().unwrap();
        assert_eq!(snapshot.read::<Row>(Table::Silence), [(b"b".to_vec(), row("b", 1))]);
        assert_eq!(snapshot.unreadable().get(), 1);
    }
}
