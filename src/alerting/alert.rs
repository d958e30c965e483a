//! One alert of one rule.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::model::Labels;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Not active: it has resolved and is remembered for a while.
    Inactive,
    /// Active for less than the rule's `for`.
    Pending,
    /// Firing.
    Firing,
}

impl AlertState {
    /// The word in the API and in `ALERTS{alertstate}`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// One alert: an instance of a rule, identified by its labels. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its identity: the result's labels without the metric name, the rule's labels, `alertname`.
    pub labels: Labels,
    /// Annotations as last rendered.
    pub annotations: Labels,
    /// Where it stands.
    pub state: AlertState,
    /// The value of the expression when it last held.
    pub value: f64,
    /// What was measured when it resolved, where that is known: see [`World::measured`](super::group::World::measured).
    pub resolved_value: Option<f64>,
    /// The evaluation that first saw it.
    pub active_at: i64,
    /// The evaluation that fired it.
    pub fired_at: Option<i64>,
    /// The evaluation that resolved it.
    pub resolved_at: Option<i64>,
    /// The first evaluation at which only `keep_firing_for` held it.
    pub keep_firing_since: Option<i64>,
    /// How much of the time since `active_at` nobody watched, because the process was down. It does not count towards
    /// `for`: an outage fires nothing by itself.
    pub unobserved: i64,
}

impl Alert {
    /// An alert seen for the first time at `at`.
    pub fn begin(labels: Labels, annotations: Labels, value: f64, at: i64) -> Self {
        Alert {
            labels,
            annotations,
            state: AlertState::Pending,
            value,
            resolved_value: None,
            active_at: at,
            fired_at: None,
            resolved_at: None,
            keep_firing_since: None,
            unobserved: 0,
        }
    }

    /// Whether it is pending or firing.
    pub fn is_active(&self) -> bool {
        self.state != AlertState::Inactive
    }
}

/// The alerts of one rule, by identity.
pub type AlertTable = FxHashMap<Labels, Alert>;

/// The state of a rule as the API shows it: the strongest state of its alerts.
pub fn rule_state(alerts: &AlertTable) -> AlertState {
    alerts.values().map(|a| a.state).max().unwrap_or(AlertState::Inactive)
}
