//! A store that lives as long as the process: for unit tests of rules, the demo and the fault simulator.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Batch, Snapshot, StateError, StateStore};

/// Records in memory. Clones share one store, so a simulated restart finds what its predecessor left.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Snapshot>>);

impl StateStore for MemoryStore {
    fn load(&self) -> Result<Snapshot, StateError> {
        Ok(self.0.lock().clone())
    }

    fn apply(&self, batch: &Batch) -> Result<(), StateError> {
        self.0.lock().apply(batch);
        Ok(())
    }
}
