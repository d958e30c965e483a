//! What receivers were told in drills, and when.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::{IntegrationId, Notification, Outcome};
use crate::routing::drill::DRILL_LABEL;

/// Most drills that are remembered, and most attempts of each.
const MOST_DRILLS: usize = 16;
const MOST_ATTEMPTS: usize = 1024;

/// One attempt to tell an integration of a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillAttempt {
    /// Whom.
    pub integration: IntegrationId,
    /// Whether it told of the end.
    pub resolved: bool,
    /// When it ended, milliseconds.
    pub at: i64,
    /// Why it did not arrive; nothing when it did.
    pub error: Option<String>,
}

/// What is known of the last drills, by their names.
#[derive(Debug, Default)]
pub struct Drills(Mutex<BTreeMap<String, Vec<DrillAttempt>>>);

impl Drills {
    /// A drill begins. The names ascend with time: of too many the first is forgotten.
    pub fn begin(&self, name: &str) {
        let mut drills = self.0.lock();
        drills.insert(name.to_owned(), Vec::new());
        while drills.len() > MOST_DRILLS {
            drills.pop_first();
        }
    }

    /// What was told in a drill, in the order of time; nothing for one that is not known.
    pub fn told(&self, name: &str) -> Option<Vec<DrillAttempt>> {
        self.0.lock().get(name).cloned()
    }

    /// Takes in an attempt, if it is one of a drill.
    pub fn record(&self, notification: &Notification, outcome: &Outcome, now: i64) {
        let Some(name) = notification.alerts.first().and_then(|alert| alert.labels.get(DRILL_LABEL)) else { return };
        let mut drills = self.0.lock();
        let Some(attempts) = drills.get_mut(name).filter(|attempts| attempts.len() < MOST_ATTEMPTS) else { return };
        attempts.push(DrillAttempt {
            integration: notification.integration.clone(),
            resolved: notification.is_resolved(),
            at: now,
            error: match outcome {
                Outcome::Delivered | Outcome::DeliveredAt(_) => None,
                Outcome::Retry { reason, .. } | Outcome::GiveUp { reason } => Some(reason.clone()),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_drills_are_remembered() {
        let drills = Drills::default();
        (10..10 + MOST_DRILLS + 1).for_each(|n| drills.begin(&n.to_string()));
        assert_eq!((drills.told("10"), drills.told("11")), (None, Some(Vec::new())));
    }
}
