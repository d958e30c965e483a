//! A notification that is owed.

use std::cmp::Reverse;

use crate::notify::Notification;
use crate::notify::log::LogKey;

use super::gate::Turn;

#[derive(Debug)]
pub(super) struct Owed {
    pub notification: Notification,
    pub repeat_interval: i64,
    pub send_resolved: bool,
    // Attempts that may have reached the receiver although nobody knows.
    pub attempts: u32,
    // Since when attempts fail, and whether one was refused for good; what is owed later to the same has it from here.
    pub failing: Option<FailingSince>,
    pub stage: Stage,
    // Whether it was counted as a notification since the group's last flush, and has neither failed nor arrived.
    pub counted: bool,
    pub last_error: Option<String>,
}

/// That a group cannot be told to an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FailingSince {
    pub at: i64,
    pub refused: bool,
}

/// How far a notification is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for its turn.
    Ready,
    /// An attempt is under way. With `reconsider`, a flush passed meanwhile: decide again when it ends.
    UnderWay { reconsider: bool },
    /// To be tried again at a time; `asked`: the receiver asked for that much patience.
    Waiting { due: i64, asked: bool },
    /// The receiver does not take it. The next flush decides again.
    Refused,
}

impl Owed {
    pub fn key(&self) -> LogKey {
        LogKey { group_key: self.notification.group_key.clone(), integration: self.notification.integration.clone() }
    }

    pub fn turn(&self) -> Turn {
        let Notification { id, decided_at, .. } = self.notification;
        Turn { attempts: self.attempts, decided_at: Reverse(decided_at), id }
    }

    pub fn due(&self) -> Option<i64> {
        match self.stage {
            Stage::Waiting { due, .. } => Some(due),
            Stage::Ready | Stage::UnderWay { .. } | Stage::Refused => None,
        }
    }
}

/// A notification that is owed, for whoever wants to look.
#[derive(Clone, Debug)]
pub struct OwedView {
    /// The notification, as it would have been sent when it was decided last.
    pub notification: Notification,
    /// Attempts that failed.
    pub attempts: u32,
    /// When it will be tried next; `None` while an attempt is under way or about to be, and after the receiver refused
    /// it.
    pub due: Option<i64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}
