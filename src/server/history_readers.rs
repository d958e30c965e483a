//! The history as handlers share it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::error::ApiError;
use crate::history::{History, Page, Query};

/// Answers that are looked for at once.
const READERS: usize = 4;
/// Most clients that follow.
pub const FOLLOWERS: usize = 64;

/// The history, and how many may look at it.
pub struct HistoryReaders {
    /// The history.
    pub history: History,
    readers: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl HistoryReaders {
    /// Nobody looks at it yet.
    pub fn new(history: History) -> Self {
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        HistoryReaders { history, readers: Arc::new(Semaphore::new(READERS)), followers }
    }

    /// A place for one who follows.
    ///
    /// # Errors
    /// There is none.
    pub fn follow(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.followers.clone().try_acquire_owned()
    }

    /// Answers a query; whoever asks waits for a turn.
    ///
    /// # Errors
    /// The service ends.
    pub async fn ask(&self, query: Query) -> Result<Page, ApiError> {
        let ending = || ApiError::Unavailable("the server is shutting down".into());
        let turn = self.readers.clone().acquire_owned().await.map_err(|_| ending())?;
        let history = self.history.clone();
        let look = move || {
            // The turn ends when the work has ended, not when its client has left.
            let _turn = turn;
            history.query(&query)
        };
        tokio::task::spawn_blocking(look).await.map_err(|_| ending())
    }
}
