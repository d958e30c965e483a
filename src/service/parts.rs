//! What outlives the process, opened.

use std::path::Path;
use std::sync::Arc;

use crate::history::{History, Limits};
use crate::state::{DiskStore, StateStore};
use crate::tsdb::{Retention, Tsdb, TsdbOptions};

use super::error::ServiceError;
use super::owner;

/// Where in a data directory the history lies.
pub const HISTORY: &str = "history";
/// Damaged places that are logged when storage is opened.
const MAX_DAMAGES_TOLD: usize = 20;

/// Storage that a service goes on with: of its data directory, or what a demo has filled.
pub struct Parts {
    /// Series.
    pub storage: Tsdb,
    /// Alerts, silences, notifications.
    pub store: Arc<dyn StateStore>,
    /// Decisions; none are recorded where there is none.
    pub history: Option<History>,
    /// Why none are recorded, where they should be.
    pub unrecorded: Option<String>,
}

impl Parts {
    /// Opens the storage in a data directory; reports what a crash has damaged.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(dir: &Path, retention: Retention, limits: Limits) -> Result<Parts, ServiceError> {
        let dirs = ["tsdb", "state", "state.rescue"].map(|name| dir.join(name));
        owner::claim(dir, &dirs)?;
        let (storage, recovery) = Tsdb::open(dir.join("tsdb"), TsdbOptions { retention_ms: retention.time })?;
        storage.set_retention(retention);
        for damage in recovery.damages.iter().take(MAX_DAMAGES_TOLD) {
            tracing::error!(damage = %damage, "storage is damaged; everything else is kept");
        }
        let more = recovery.damages.len().saturating_sub(MAX_DAMAGES_TOLD);
        if more > 0 {
            tracing::error!(more, "storage is damaged in more places; `watchbell tsdb verify` names them");
        }
        tracing::info!(
            series = recovery.series,
            samples = recovery.samples,
            blocks = recovery.blocks,
            "storage opened"
        );
        let (history, unrecorded) = open_history(dir, limits);
        Ok(Parts { storage, store: Arc::new(DiskStore::open(dir)?), history, unrecorded })
    }

    /// Opens the state in a data directory, without series.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_state(dir: &Path, limits: Limits) -> Result<Parts, ServiceError> {
        owner::claim(dir, &["state", "state.rescue"].map(|name| dir.join(name)))?;
        let (history, unrecorded) = open_history(dir, limits);
        Ok(Parts { storage: Tsdb::in_memory(), store: Arc::new(DiskStore::open(dir)?), history, unrecorded })
    }
}

/// Opens the history, or says why it cannot be. Nothing is recorded then: that keeps no page back.
fn open_history(dir: &Path, limits: Limits) -> (Option<History>, Option<String>) {
    let path = dir.join(HISTORY);
    if let Err(e) = owner::claim(dir, std::slice::from_ref(&path)) {
        tracing::error!(error = %e, "the directory of the history cannot be made");
    }
    match History::open(&path, limits) {
        Ok(history) => (Some(history), None),
        Err(e) => {
            tracing::error!(error = %e, "no decisions are recorded; pages go out all the same");
            (None, Some(e.to_string()))
        }
    }
}
