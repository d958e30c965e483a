//! What is owed, as it is stored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Labels;
use crate::notify::{IntegrationId, Notification, NotifiedAlert, Reason};

use super::owed::{FailingSince, Owed, Stage};

/// A notification that is owed.
#[derive(Serialize, Deserialize)]
pub(super) struct OwedRecord {
    id: u64,
    receiver: Arc<str>,
    kind: Arc<str>,
    index: usize,
    group_key: Arc<str>,
    group_labels: Labels,
    alerts: Vec<NotifiedAlert>,
    reason: Reason,
    decided_at: i64,
    repeat_interval: i64,
    #[serde(default = "wanted")]
    send_resolved: bool,
    attempts: u32,
    refused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instead_of: Option<Arc<str>>,
}

fn wanted() -> bool {
    true
}

impl OwedRecord {
    pub fn of(owed: &Owed) -> Self {
        let n = &owed.notification;
        OwedRecord {
            id: n.id,
            receiver: n.integration.receiver.clone(),
            kind: n.integration.kind.clone(),
            index: n.integration.index,
            group_key: n.group_key.clone(),
            group_labels: n.group_labels.clone(),
            alerts: n.alerts.clone(),
            reason: n.reason,
            decided_at: n.decided_at,
            repeat_interval: owed.repeat_interval,
            send_resolved: owed.send_resolved,
            attempts: owed.attempts,
            refused: owed.stage == Stage::Refused,
            instead_of: n.instead_of.clone(),
        }
    }

    /// What was stored, to be attempted at `now`.
    pub fn restore(self, now: i64) -> Owed {
        Owed {
            notification: Notification {
                id: self.id,
                integration: IntegrationId { receiver: self.receiver, kind: self.kind, index: self.index },
                group_key: self.group_key,
                group_labels: self.group_labels,
                alerts: self.alerts,
                reason: self.reason,
                decided_at: self.decided_at,
                instead_of: self.instead_of,
                place: None,
            },
            repeat_interval: self.repeat_interval,
            send_resolved: self.send_resolved,
            // The process may have ended in the middle of an attempt.
            attempts: if self.refused { self.attempts } else { self.attempts.max(1) },
            failing: self.refused.then_some(FailingSince { at: self.decided_at, refused: true }),
            stage: if self.refused { Stage::Refused } else { Stage::Waiting { due: now, asked: false } },
            counted: false,
            last_error: None,
        }
    }
}
