//! The history of a simulated service: whether it says of everything that receivers hear why they hear it.

use std::collections::{BTreeMap, BTreeSet};

use watchbell::history::{Decision, Kind};
use watchbell::model::Labels;
use watchbell::notify::Notification;

/// Alerts and whether they had resolved, the receiver, the key of the group.
type Told = (BTreeSet<(Labels, bool)>, String, String);

/// What was recorded, as far as it matters for what is told.
#[derive(Default)]
pub struct Chronicle {
    /// The alerts of each notification, with whether they had resolved, and whom it is for.
    told: BTreeMap<u64, Told>,
    fired: BTreeSet<Labels>,
    resolved: BTreeSet<Labels>,
    grouped: BTreeSet<Labels>,
}

impl Chronicle {
    pub fn take_in(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            let labels = decision.alerts.iter().map(|a| a.labels.clone());
            match decision.kind() {
                Kind::Firing => self.fired.extend(labels),
                Kind::Resolved => self.resolved.extend(labels),
                Kind::Grouped => self.grouped.extend(labels),
                Kind::Notify | Kind::Repeated | Kind::FellBack => {
                    let alerts = decision.alerts.iter().map(|a| (a.labels.clone(), a.resolved)).collect();
                    let text = |t: &Option<std::sync::Arc<str>>| t.as_deref().unwrap_or_default().to_owned();
                    let told = (alerts, text(&decision.receiver), text(&decision.group_key));
                    // An id that was decided and not stored before a crash is given again.
                    self.told.extend(decision.notification.map(|id| (id, told)));
                }
                _ => {}
            }
        }
    }

    /// Whether the history has the chain that leads to a notification.
    ///
    /// # Errors
    /// What is missing.
    pub fn explains(&self, n: &Notification) -> Result<(), String> {
        let Some((alerts, receiver, group_key)) = self.told.get(&n.id) else {
            return Err(format!("no decision to tell notification {}", n.id));
        };
        if *receiver != *n.integration.receiver || *group_key != *n.group_key {
            return Err(format!("notification {} was decided for {receiver} and {group_key}", n.id));
        }
        for alert in &n.alerts {
            if !alerts.contains(&(alert.labels.clone(), alert.is_resolved())) {
                return Err(format!("notification {} was decided without {}", n.id, alert.labels));
            }
            if !self.fired.contains(&alert.labels) {
                return Err(format!("{} never fired", alert.labels));
            }
            if !self.grouped.contains(&alert.labels) {
                return Err(format!("{} never joined a group", alert.labels));
            }
            if alert.is_resolved() && !self.resolved.contains(&alert.labels) {
                return Err(format!("{} never resolved", alert.labels));
            }
        }
        Ok(())
    }
}
