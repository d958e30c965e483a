//! The database on disk. One sled tree holds all tables, the table's tag before the key, so that a batch is atomic.
//!
//! sled may panic or never return where its files are damaged: what opens, reads and closes it runs in a thread of its
//! own, whose end is part of the answer.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::Stopwatch;

use super::{Batch, SCHEMA_VERSION, Snapshot, StateError, Table};

/// How long a database that is in use is waited for, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(10);
/// How long sled may take to open, read or close.
const LONGEST: Duration = Duration::from_secs(60);
/// Records written at once where all are written.
const CHUNK: usize = 4096;

/// The keys, in [`Table::Meta`], of the schema version and of the number of the last batch.
pub(super) const SCHEMA_KEY: &str = "schema_version";
const VERSION_KEY: &str = "batch_version";

/// Why the database cannot be used.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Its files are not what was written.
    Damaged(String),
    /// The disk has no room.
    Full(String),
    /// The system stands in the way: read-only, no permission.
    Environment(String),
    /// Another process holds it.
    Locked,
    /// A newer version wrote it.
    Newer(u32),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Damaged(detail) | Fault::Full(detail) | Fault::Environment(detail) => f.write_str(detail),
            Fault::Locked => f.write_str("another process uses the data directory"),
            Fault::Newer(found) => StateError::Newer { found: *found }.fmt(f),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::WriteZero => Fault::Full(e.to_string()),
            _ => Fault::Environment(e.to_string()),
        }
    }
}

impl From<Fault> for StateError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Newer(found) => StateError::Newer { found },
            other => StateError::Store(other.to_string()),
        }
    }
}

/// What a database holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub records: Snapshot,
    /// The number of the last batch.
    pub version: u64,
    /// Why not everything could be read.
    pub damage: Option<String>,
}

/// An open database. One process at a time can hold it open.
#[derive(Clone, Debug)]
pub(super) struct SledStore {
    db: sled::Db,
}

impl SledStore {
    /// Opens or creates the database in a directory and reads all that is readable.
    pub(super) fn open(dir: &Path) -> Result<(Self, Contents), Fault> {
        let config = sled::Config::new().path(dir).mode(sled::Mode::LowSpace).cache_capacity(32 << 20);
        guarded("open", move || {
            let store = SledStore { db: open_when_free(&config).map_err(fault)? };
            let contents = store.read();
            store.check_schema(&contents)?;
            Ok((store, contents))
        })?
    }

    /// Closes the database: its files are free when this returns.
    pub(super) fn close(self) {
        // A database that fails to close has said so before.
        let _ = guarded("close", move || drop(self));
    }

    fn read(&self) -> Contents {
        let (mut records, mut version, mut damage) = (Snapshot::default(), 0, None);
        let mut take = |key: &[u8], value: &[u8]| match logical_key(key) {
            Some((Table::Meta, key)) if key == VERSION_KEY.as_bytes() => {
                version = serde_json::from_slice(value).unwrap_or(0);
            }
            Some((table, key)) => records.insert(table, key.to_vec(), value.to_vec()),
            // A tag this version does not know belongs to nobody here.
            None => {}
        };
        // Where a page is damaged, what lies beyond it is read from the other end.
        for rows in [&mut self.db.iter() as &mut dyn Iterator<Item = _>, &mut self.db.iter().rev()] {
            let read = catch_unwind(AssertUnwindSafe(|| {
                for row in rows {
                    let (key, value) = row?;
                    take(&key, &value);
                }
                Ok::<(), sled::Error>(())
            }));
            match read {
                Ok(Ok(())) => break,
                Ok(Err(e)) => drop(damage.get_or_insert(e.to_string())),
                Err(_) => drop(damage.get_or_insert_with(|| "sled panicked while reading".into())),
            }
        }
        Contents { records, version, damage }
    }

    fn check_schema(&self, contents: &Contents) -> Result<(), Fault> {
        let found = contents.records.get(Table::Meta, SCHEMA_KEY.as_bytes());
        match found.map(|v| serde_json::from_slice::<u32>(v)) {
            Some(Ok(found)) if found > SCHEMA_VERSION => Err(Fault::Newer(found)),
            _ => Ok(()),
        }
    }

    /// Every record but the database's own, in order. `each` says whether to go on.
    pub(super) fn for_each(
        &self,
        mut each: impl FnMut(Table, &[u8], &[u8]) -> std::io::Result<()>,
    ) -> Result<(), Fault> {
        caught(|| {
            for row in self.db.iter() {
                let (key, value) = row.map_err(fault)?;
                match logical_key(&key) {
                    Some((Table::Meta, key)) if key == VERSION_KEY.as_bytes() => {}
                    Some((table, key)) => each(table, key, &value)?,
                    None => {}
                }
            }
            Ok(())
        })
    }

    /// Applies a batch whole, as the one of number `version`.
    pub(super) fn apply(&self, batch: &Batch, version: u64) -> Result<(), Fault> {
        let mut writes = sled::Batch::default();
        for (table, key, value) in batch.changes() {
            let key = physical_key(table, key);
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        writes.insert(physical_key(Table::Meta, VERSION_KEY.as_bytes()), version.to_string().as_bytes());
        caught(|| self.db.apply_batch(writes).map_err(fault))
    }

    /// Writes a snapshot over what is there, which is `old`, on disk when this returns.
    pub(super) fn replace(&self, old: &Snapshot, new: &Snapshot, version: u64) -> Result<(), Fault> {
        let mut part = Batch::default();
        for ((table, key), value) in new.difference(old) {
            part.set(*table, key, value);
            if part.len() >= CHUNK {
                self.apply(&std::mem::take(&mut part), version)?;
            }
        }
        self.apply(&part, version)?;
        self.flush()
    }

    /// Returns when everything applied is on disk.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        caught(|| self.db.flush().map(|_| ()).map_err(fault))
    }
}

fn caught<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(Fault::Damaged("sled panicked".into())))
}

/// What `act` returns in a thread of its own, which may panic or never come back.
fn guarded<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let (done, ended) = mpsc::channel();
    let body = move || {
        // Who waited may have given up.
        let _ = done.send(act());
    };
    let thread = std::thread::Builder::new().name("state".into()).spawn(body);
    let thread = thread.map_err(|e| Fault::Environment(format!("cannot start a thread: {e}")))?;
    match ended.recv_timeout(LONGEST) {
        Ok(value) => {
            // The thread has nothing left to do.
            let _ = thread.join();
            Ok(value)
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Fault::Damaged(format!("it did not {what} within {LONGEST:?}"))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Fault::Damaged(format!("sled panicked: {what}"))),
    }
}

/// Opens the database once whoever had it has let go of it. A database that was just closed keeps its lock for a moment,
/// until its last thread has ended.
fn open_when_free(config: &sled::Config) -> sled::Result<sled::Db> {
    let since = Stopwatch::start();
    loop {
        match config.open() {
            Err(e) if is_lock(&e) && since.elapsed() < PATIENCE => std::thread::sleep(RETRY),
            opened => return opened,
        }
    }
}

fn is_lock(e: &sled::Error) -> bool {
    matches!(e, sled::Error::Io(e) if e.to_string().contains("acquire lock"))
}

/// Errors of the surroundings do not mean that the files are bad.
fn fault(e: sled::Error) -> Fault {
    match e {
        locked if is_lock(&locked) => Fault::Locked,
        sled::Error::Io(io) if is_environment(&io) => io.into(),
        other => Fault::Damaged(other.to_string()),
    }
}

fn is_environment(e: &std::io::Error) -> bool {
    use ErrorKind::{
        FileTooLarge, NotADirectory, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        WriteZero,
    };
    match e.kind() {
        FileTooLarge | NotADirectory | OutOfMemory | PermissionDenied | ReadOnlyFilesystem => true,
        StorageFull | QuotaExceeded | WriteZero => true,
        // sled clones its errors, which leaves the kind and not the number: descriptors that ran out are told by text.
        _ => e.to_string().contains("Too many open files"),
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
