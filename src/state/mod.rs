//! The state store: what must outlive the process, in a handful of tables of small records.
//!
//! The store knows keys and bytes; each room encodes its own records (JSON, one object a record). A [`Batch`] is applied
//! whole or not at all. A durable batch is on disk when [`StateStore::apply`] returns: that is what "persist before
//! deliver" stands on. A batch that is not durable may be lost by a crash, which its owner has made harmless.

mod memory;
mod sled_store;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use memory::MemoryStore;
pub use sled_store::SledStore;

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
    /// A record is not what was written.
    #[error("state store: bad record in {table:?}: {detail}")]
    BadRecord {
        /// Where it stood.
        table: Table,
        /// What is wrong with it.
        detail: String,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    records: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl Snapshot {
    /// The records of one table in order of key, decoded.
    ///
    /// # Errors
    /// [`StateError::BadRecord`] for the first record that does not decode.
    pub fn read<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(Vec<u8>, T)>, StateError> {
        let from = (table, Vec::new());
        let rows = self.records.range(from..).take_while(|((t, _), _)| *t == table);
        rows.map(|((_, key), value)| match serde_json::from_slice(value) {
            Ok(record) => Ok((key.clone(), record)),
            Err(e) => Err(StateError::BadRecord { table, detail: e.to_string() }),
        })
        .collect()
    }

    /// The number of records in all tables.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was stored.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
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
        store.load().unwrap().read(Table::Silence).unwrap()
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
        holds_what_was_applied(&SledStore::open(dir.path()).unwrap());
        let again = SledStore::open(dir.path()).unwrap();
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
        let store = SledStore::open(dir.path()).unwrap();
        let mut batch = Batch::default();
        batch.put(Table::Meta, sled_store::SCHEMA_KEY, &(SCHEMA_VERSION + 1), true);
        store.apply(&batch).unwrap();
        drop(store);
        let refused = SledStore::open(dir.path()).map(|_| ()).unwrap_err();
        assert!(matches!(refused, StateError::Newer { found } if found == SCHEMA_VERSION + 1), "{refused}");
    }

    #[test]
    fn a_record_of_another_shape_is_reported_with_its_table() {
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        batch.put(Table::Silence, "a", &"not a row", true);
        store.apply(&batch).unwrap();
        let error = store.load().unwrap().read::<Row>(Table::Silence).unwrap_err();
        assert!(error.to_string().contains("Silence"), "{error}");
    }
}
