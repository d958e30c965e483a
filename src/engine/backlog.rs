//! What a failing store has not taken yet. A disk that fails must not keep a page from going out, nor make the process
//! forget: what could not be stored is kept and goes with the next batch.

use crate::state::{Batch, StateError, StateStore};

/// Changes that are not in the store. Those of one record replace each other, so it never holds more than the state.
#[derive(Debug, Default)]
pub struct Backlog(Batch);

impl Backlog {
    /// Applies a batch and all that was not taken before.
    ///
    /// # Errors
    /// The store took none of it; it is kept.
    pub fn write(&mut self, store: &dyn StateStore, batch: Batch) -> Result<(), StateError> {
        self.0.merge(batch);
        if !self.0.is_empty() {
            store.apply(&self.0)?;
            self.0 = Batch::default();
        }
        Ok(())
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the store has everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::state::{MemoryStore, Snapshot, Table};

    #[derive(Default)]
    struct Disk {
        full: AtomicBool,
        records: MemoryStore,
    }

    impl StateStore for Disk {
        fn load(&self) -> Result<Snapshot, StateError> {
            self.records.load()
        }

        fn apply(&self, batch: &Batch) -> Result<(), StateError> {
            match self.full.load(Ordering::Relaxed) {
                true => Err(StateError::Store("no space left on device".into())),
                false => self.records.apply(batch),
            }
        }
    }

    #[test]
    fn what_a_full_disk_refused_is_stored_with_the_next_batch() {
        let (disk, mut backlog) = (Disk::default(), Backlog::default());
        let one = |key: &str, value: u32| {
            let mut batch = Batch::default();
            batch.put(Table::Meta, key, &value, true);
            batch
        };
        disk.full.store(true, Ordering::Relaxed);
        assert!(backlog.write(&disk, one("a", 1)).is_err());
        assert!(backlog.write(&disk, one("a", 2)).is_err());
        assert!(backlog.write(&disk, Batch::default()).is_err(), "asked again, it still is not stored");
        assert_eq!(backlog.len(), 1);
        disk.full.store(false, Ordering::Relaxed);
        assert!(backlog.write(&disk, one("b", 3)).is_ok());
        assert!(backlog.is_empty());
        let stored = disk.load().unwrap().read::<u32>(Table::Meta);
        assert_eq!(stored, [(b"a".to_vec(), 2), (b"b".to_vec(), 3)]);
    }
}
