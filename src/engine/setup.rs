//! How an engine is run, and what it works on.

use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::schedule::Schedule;
use crate::model::Labels;
use crate::notify::log;
use crate::routing::{RoutingConfig, Silence};

use super::data::DataAtStart;

/// How an engine is run, for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How evaluation times are chosen.
    pub schedule: Schedule,
    /// The least time between two sendings of an alert to external Alertmanagers, milliseconds.
    pub resend_delay: i64,
    /// The driver lets the engine know the time at least this often, milliseconds: what a clock leaps over is told from
    /// what merely passed by it.
    pub heartbeat: i64,
    /// How often expired silences and log entries are dropped, milliseconds.
    pub housekeeping: i64,
    /// How long after the start nothing is flushed, milliseconds: `--dispatch.start-delay`.
    pub start_delay: i64,
    /// How long expired silences and the notification log are kept, milliseconds: `--data.retention`.
    pub retention: i64,
    /// How many posted alerts of one name are taken in; 0 for any number: `--alerts.per-alertname-limit`.
    pub alerts_per_name: usize,
    /// Whether a reload restarts the timers of groups although routing is what it was, as Alertmanager's reload does.
    pub restart_groups: bool,
    /// Whether decisions are handed out to be recorded.
    pub records: bool,
    /// How things stand with local data at the start; `None` where rules have nothing to wait for.
    pub data: Option<DataAtStart>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            schedule: Schedule::default(),
            resend_delay: 60_000,
            heartbeat: i64::MAX,
            housekeeping: 15 * 60_000,
            start_delay: 0,
            retention: log::RETENTION,
            alerts_per_name: 0,
            restart_groups: false,
            records: false,
            data: None,
        }
    }
}

/// What the engine works on: everything a reload can change.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Rule groups.
    pub groups: Vec<Arc<GroupSpec>>,
    /// Routing; `None` routes nothing.
    pub routing: Option<Arc<RoutingConfig>>,
    /// Silences that the configuration keeps.
    pub silences: Vec<Silence>,
    /// What happens to an alert's labels before it leaves the rules.
    pub outgoing: Outgoing,
    /// Whether messages tell the values of alerts, as far as their templates show.
    pub tells_values: bool,
    /// Whether alerts also go to external Alertmanagers.
    pub external_alertmanagers: bool,
    /// Where users reach this server, without a slash at the end: the beginning of alerts' generator URLs.
    pub external_url: Arc<str>,
}

/// A function from an alert's labels to those it leaves with; `None` drops the alert.
pub type Relabel = Arc<dyn Fn(&Labels) -> Option<Labels> + Send + Sync>;

/// What happens to an alert's labels before it leaves: external labels are added, then `alert_relabel_configs` apply, for
/// our own routing as for external Alertmanagers.
#[derive(Clone, Default)]
pub struct Outgoing {
    /// Labels added where the alert has none of the name.
    pub external_labels: Labels,
    /// `alert_relabel_configs`.
    pub relabel: Option<Relabel>,
}

impl Outgoing {
    /// The labels an alert leaves with.
    pub fn apply(&self, labels: &Labels) -> Option<Labels> {
        let labelled = match self.external_labels.is_empty() {
            true => labels.clone(),
            false => {
                let mut builder = self.external_labels.to_builder();
                for (name, value) in labels {
                    builder.set(name, value);
                }
                builder.build()
            }
        };
        match &self.relabel {
            Some(relabel) => relabel(&labelled).filter(|l| !l.is_empty()),
            None => Some(labelled),
        }
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outgoing { external_labels, relabel } = self;
        write!(f, "Outgoing {{ {external_labels}, relabel: {} }}", relabel.is_some())
    }
}
