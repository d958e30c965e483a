//! The store on disk. One sled tree holds all tables, the table's tag before the key, so that a batch is atomic.

use std::path::Path;
use std::time::Duration;

use crate::clock::Stopwatch;

use super::{Batch, SCHEMA_VERSION, Snapshot, StateError, StateStore, Table};

/// How long a database that is in use is waited for, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(10);

/// The key, in [`Table::Meta`], of the schema version.
pub(super) const SCHEMA_KEY: &str = "schema_version";

/// Records in a sled database. One process at a time can hold it open.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
}

impl SledStore {
    /// Opens or creates the store in a directory.
    ///
    /// # Errors
    /// The directory cannot be used, another process holds it, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let db = open_when_free(&sled::Config::new().path(dir).mode(sled::Mode::LowSpace).cache_capacity(32 << 20));
        let store = SledStore { db: db.map_err(|e| StateError::Store(format!("{}: {e}", dir.display())))? };
        store.check_schema()?;
        Ok(store)
    }

    fn check_schema(&self) -> Result<(), StateError> {
        let key = physical_key(Table::Meta, SCHEMA_KEY.as_bytes());
        let Some(bytes) = self.db.get(key).map_err(store_error)? else {
            let mut batch = Batch::default();
            batch.put(Table::Meta, SCHEMA_KEY, &SCHEMA_VERSION, true);
            return self.apply(&batch);
        };
        let found: u32 = serde_json::from_slice(&bytes)
            .map_err(|e| StateError::BadRecord { table: Table::Meta, detail: e.to_string() })?;
        if found > SCHEMA_VERSION { Err(StateError::Newer { found }) } else { Ok(()) }
    }
}

/// Opens the database once whoever had it has let go of it. A database that was just closed keeps its lock for a moment,
/// until its last thread has ended.
fn open_when_free(config: &sled::Config) -> sled::Result<sled::Db> {
    let since = Stopwatch::start();
    loop {
        match config.open() {
            Err(sled::Error::Io(e)) if e.to_string().contains("acquire lock") && since.elapsed() < PATIENCE => {
                std::thread::sleep(RETRY);
            }
            opened => return opened,
        }
    }
}

impl StateStore for SledStore {
    fn load(&self) -> Result<Snapshot, StateError> {
        let mut snapshot = Snapshot::default();
        for row in self.db.iter() {
            let (key, value) = row.map_err(store_error)?;
            // A tag this version does not know belongs to nobody here.
            if let Some((table, key)) = logical_key(&key) {
                snapshot.insert(table, key.to_vec(), value.to_vec());
            }
        }
        Ok(snapshot)
    }

    fn apply(&self, batch: &Batch) -> Result<(), StateError> {
        let mut writes = sled::Batch::default();
        for (table, key, value) in batch.changes() {
            let key = physical_key(table, key);
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        self.db.apply_batch(writes).map_err(store_error)?;
        if batch.is_durable() {
            self.db.flush().map_err(store_error)?;
        }
        Ok(())
    }
}

fn physical_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.push(table as u8);
    out.extend_from_slice(key);
    out
}

fn logical_key(key: &[u8]) -> Option<(Table, &[u8])> {
    let (tag, rest) = key.split_first()?;
    Some((Table::from_tag(*tag)?, rest))
}

fn store_error(e: sled::Error) -> StateError {
    StateError::Store(e.to_string())
}
