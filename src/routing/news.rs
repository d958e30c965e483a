//! What routing decides on its own, for whoever records decisions: kept from one turn of the engine to its end.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::model::{ALERT_NAME, Labels};

use super::alert::AlertStatus;
use super::group::GroupId;

/// Something that routing decided.
#[derive(Clone, Debug)]
pub enum RoutingNews {
    /// An alert joined a group.
    Joined {
        /// The alert.
        alert: Labels,
        /// The group.
        group: GroupId,
    },
    /// What keeps an alert from being told is not what it was; nothing does when the status is empty.
    Muted {
        /// The alert.
        alert: Labels,
        /// What was found.
        status: AlertStatus,
    },
    /// The time intervals that keep a group's route mute are not what they were.
    RouteMuted {
        /// The group's key.
        group_key: Arc<str>,
        /// The receiver of its route.
        receiver: Arc<str>,
        /// The intervals.
        by: Vec<String>,
        /// The group's alerts.
        alerts: Vec<Labels>,
    },
    /// A posted alert is over because its poster fell silent.
    FellSilent {
        /// The alert.
        alert: Labels,
        /// Since when it fired, milliseconds.
        starts_at: i64,
    },
}

/// A sign of what mutes an alert; 0 where nothing does. Which of several alike alerts inhibits it makes no difference.
pub(super) fn sign(status: &AlertStatus) -> u64 {
    if !status.is_muted() {
        return 0;
    }
    let mut hasher = FxHasher::default();
    status.silenced_by.hash(&mut hasher);
    for alert in &status.inhibited_by {
        alert.value(ALERT_NAME).hash(&mut hasher);
    }
    hasher.finish().max(1)
}
