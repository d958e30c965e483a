//! A notification: what one receiver integration is told about one group of alerts at one time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::labels_serde::annotations;
use crate::model::{Labels, Reading};

/// Which integration of which receiver: `receiver/kind[index]`, Alertmanager's notion of an integration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntegrationId {
    /// The receiver's name in the routing configuration.
    pub receiver: Arc<str>,
    /// The integration's kind: `slack`, `pagerduty`, `email`, `webhook`, ...
    pub kind: Arc<str>,
    /// Its place among the receiver's integrations of that kind, from 0.
    pub index: usize,
}

/// One alert inside a notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotifiedAlert {
    /// The alert's labels, `alertname` included.
    pub labels: Labels,
    /// Rendered annotations.
    #[serde(deserialize_with = "annotations")]
    pub annotations: Labels,
    /// When it began, milliseconds.
    pub starts_at: i64,
    /// When it resolved; `None` while it fires.
    pub ends_at: Option<i64>,
    /// Link to the expression that raised it; empty when unknown.
    pub generator_url: String,
    /// The value of our rule's expression, the last one of an alert that has resolved; nothing for a posted alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Reading>,
    /// What our rule measured when it resolved, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_value: Option<Reading>,
}

impl NotifiedAlert {
    /// Whether the alert has resolved.
    pub fn is_resolved(&self) -> bool {
        self.ends_at.is_some()
    }
}

/// Why a notification is sent: decided purely, kept with the notification, shown by `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The group has not been notified before.
    FirstNotification,
    /// Alerts fire that the last notification did not carry.
    NewAlertsInGroup,
    /// Alerts resolved that the last notification showed firing.
    NewResolvedAlerts,
    /// All alerts of the group resolved.
    AllAlertsResolved,
    /// The repeat interval elapsed.
    RepeatIntervalElapsed,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 5] = [
        Reason::FirstNotification,
        Reason::NewAlertsInGroup,
        Reason::NewResolvedAlerts,
        Reason::AllAlertsResolved,
        Reason::RepeatIntervalElapsed,
    ];

    /// The word for it: in files, in the API, in the history.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::FirstNotification => "first_notification",
            Reason::NewAlertsInGroup => "new_alerts_in_group",
            Reason::NewResolvedAlerts => "new_resolved_alerts",
            Reason::AllAlertsResolved => "all_alerts_resolved",
            Reason::RepeatIntervalElapsed => "repeat_interval_elapsed",
        }
    }
}

/// One notification, ready to be rendered and delivered. Alerts are in the order that templates see: firing and
/// resolved mixed, ascending by labels, as Alertmanager sorts them.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Unique in the life of the state store, ascending.
    pub id: u64,
    /// Whom to tell.
    pub integration: IntegrationId,
    /// Alertmanager's group key, `{}/{severity="critical"}:{alertname="X"}`; identifies the group for PagerDuty's
    /// dedup key (as its SHA-256) and the webhook's `groupKey`.
    pub group_key: Arc<str>,
    /// The labels the group shares by `group_by`.
    pub group_labels: Labels,
    /// The alerts, at least one.
    pub alerts: Vec<NotifiedAlert>,
    /// Why it is sent.
    pub reason: Reason,
    /// When it was decided, milliseconds.
    pub decided_at: i64,
    /// The receiver that should have been told and could not be; nothing when it is told itself.
    pub instead_of: Option<Arc<str>>,
    /// Where the group's last message is, as the integration said; nothing when this is the first.
    pub place: Option<String>,
}

impl Notification {
    /// `true` when no alert fires any more.
    pub fn is_resolved(&self) -> bool {
        self.alerts.iter().all(NotifiedAlert::is_resolved)
    }

    /// `firing` or `resolved`, as templates and webhooks name it.
    pub fn status(&self) -> &'static str {
        if self.is_resolved() { "resolved" } else { "firing" }
    }
}
