//! How it stands between a group and an integration, as readers see it.

use crate::notify::dedup::{Decision, LogEntry};
use crate::notify::log::LogKey;

use super::owed::{Owed, Stage};

/// How it stands between a group and an integration.
#[derive(Clone, Debug, PartialEq)]
pub struct TellingView {
    /// Which.
    pub key: LogKey,
    /// The last decision: why it was told, or why not.
    pub decision: Option<Decision>,
    /// What it was told last.
    pub told: Option<LogEntry>,
    /// What it is owed.
    pub owed: Option<Owing>,
}

/// A notification that is on its way. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owing {
    /// The notification's id.
    pub id: u64,
    /// When that was decided.
    pub decided_at: i64,
    /// Attempts that failed.
    pub attempts: u32,
    /// How far it is.
    pub stage: OwingStage,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// How far a notification is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwingStage {
    /// It waits for its turn: others are told before it.
    Waits,
    /// An attempt is under way.
    UnderWay,
    /// An attempt failed; the next one is at this time, milliseconds.
    Again(i64),
    /// The receiver refused it. The next flush decides again.
    Refused,
}

impl Owing {
    pub(super) fn of(owed: &Owed) -> Self {
        let stage = match owed.stage {
            Stage::Ready => OwingStage::Waits,
            Stage::UnderWay { .. } => OwingStage::UnderWay,
            Stage::Waiting { due, .. } => OwingStage::Again(due),
            Stage::Refused => OwingStage::Refused,
        };
        Owing {
            id: owed.notification.id,
            decided_at: owed.notification.decided_at,
            attempts: owed.attempts,
            stage,
            last_error: owed.last_error.clone(),
        }
    }
}
