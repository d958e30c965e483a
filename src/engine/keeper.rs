//! Keeps state in the store, and says what is wrong when that fails: in the log at a bounded rate (when it begins, with
//! growing pauses while it lasts, when it ends), to those who ask whether the service is ready, and as numbers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::instrument::Counter;
use crate::state::{Batch, StateError, StateStore, StoreHealth};

use super::backlog::Backlog;

/// The pauses between two lines in the log while state cannot be stored: they double up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The store as others see it. Clones share it.
#[derive(Clone)]
pub struct StoreView {
    store: Arc<dyn StateStore>,
    failed_writes: Arc<Counter>,
    failure: Arc<Mutex<Option<Failure>>>,
}

/// Why state is not being stored.
#[derive(Clone, Debug)]
struct Failure {
    reason: String,
    records: usize,
}

impl StoreView {
    /// How many batches could not be written when they should have been.
    pub fn failed_writes(&self) -> u64 {
        self.failed_writes.get()
    }

    /// How many records wait for the store to take them.
    pub fn unstored(&self) -> usize {
        self.failure.lock().as_ref().map_or(0, |f| f.records)
    }

    /// Why state is not being stored, if it is not.
    pub fn trouble(&self) -> Option<String> {
        let failure = self.failure.lock();
        let Failure { reason, records } = failure.as_ref()?;
        Some(format!("state is not stored: {reason} ({records} records wait)"))
    }

    /// What the store says about itself.
    pub fn health(&self) -> StoreHealth {
        self.store.health()
    }
}

/// Writes to the store.
pub(super) struct Keeper {
    store: Arc<dyn StateStore>,
    unstored: Backlog,
    view: StoreView,
    lasting: Option<Lasting>,
}

/// A failure that lasts, and when it was last told.
struct Lasting {
    since: Stopwatch,
    told: Stopwatch,
    pause: Duration,
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn StateStore>) -> Self {
        // A store that was opened on a full disk says so before anything is written.
        let failure = store.health().failure.map(|reason| Failure { reason, records: 0 });
        let lasting = failure.as_ref().map(|_| Lasting::begin());
        let failure = Arc::new(Mutex::new(failure));
        let view = StoreView { store: store.clone(), failed_writes: Arc::default(), failure };
        Keeper { store, unstored: Backlog::default(), view, lasting }
    }

    pub(super) fn view(&self) -> StoreView {
        self.view.clone()
    }

    /// Stores a batch and all that was not stored before. A disk that fails must not keep a page from going out: what
    /// could not be stored is kept, by key, so that it never is more than the state, and is tried again with the next
    /// turn.
    pub(super) fn persist(&mut self, batch: Batch) -> Result<(), StateError> {
        let nothing = batch.is_empty() && self.unstored.is_empty();
        let stored = match nothing && self.lasting.is_some() {
            true => self.store.settle(),
            false => self.unstored.write(&*self.store, batch),
        };
        match &stored {
            Ok(()) => self.recovered(),
            Err(e) => self.failed(e),
        }
        stored
    }

    /// The last write: everything is on disk, or it is said that it is not.
    pub(super) fn finish(&mut self) {
        let stored = self.persist(Batch::default()).and_then(|()| self.store.settle());
        if let Err(e) = stored {
            tracing::error!(error = %e, records = self.unstored.len(), "state is not stored at the end");
        }
    }

    fn failed(&mut self, e: &StateError) {
        let records = self.unstored.len();
        self.view.failed_writes.inc();
        *self.view.failure.lock() = Some(Failure { reason: e.to_string(), records });
        match &mut self.lasting {
            None => {
                tracing::error!(error = %e, records, "state is not stored; pages go out all the same");
                self.lasting = Some(Lasting::begin());
            }
            Some(lasting) if lasting.told.elapsed() >= lasting.pause => {
                let seconds = lasting.since.elapsed().as_secs();
                tracing::error!(error = %e, records, seconds, "state is still not stored");
                lasting.told = Stopwatch::start();
                lasting.pause = lasting.pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            Some(_) => {}
        }
    }

    fn recovered(&mut self) {
        if let Some(lasting) = self.lasting.take() {
            *self.view.failure.lock() = None;
            tracing::info!(seconds = lasting.since.elapsed().as_secs(), "state is stored again");
        }
    }
}

impl Lasting {
    fn begin() -> Self {
        Lasting { since: Stopwatch::start(), told: Stopwatch::start(), pause: FIRST_PAUSE }
    }
}
