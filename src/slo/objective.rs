//! An objective, and what both formats read alike.

use std::collections::BTreeMap;

use super::burn::{Burn, PAGE, TICKET, rounded};
use super::template::WindowedQuery;
use crate::config::yaml::MapReader;
use crate::model::labels::is_legacy_label_name;

/// Days that a budget may be for. Shorter ones leave the slow windows (three days) nothing to see; longer ones are
/// longer than most keep samples.
pub const PERIODS: std::ops::RangeInclusive<u32> = 28..=92;

/// How requests that are bad are told.
#[derive(Clone, Debug, PartialEq)]
pub enum Sli {
    /// Bad events over all events.
    Events {
        /// What counts bad events.
        error: WindowedQuery,
        /// What counts all events.
        total: WindowedQuery,
    },
    /// Good events over all events.
    Good {
        /// What counts good events.
        good: WindowedQuery,
        /// What counts all events.
        total: WindowedQuery,
    },
    /// The share of bad events itself.
    ErrorRatio(WindowedQuery),
    /// The share of good events itself.
    SuccessRatio(WindowedQuery),
}

/// What an alert carries beside what every alert of its objective carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertMeta {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations, templates as in rules.
    pub annotations: BTreeMap<String, String>,
}

/// One objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The service it is about.
    pub service: String,
    /// Its name within the service.
    pub name: String,
    /// What it promises, for people.
    pub description: String,
    /// Per cent of good events that are promised, above 0 and below 100.
    pub percent: f64,
    /// Days that the budget is for.
    pub days: u32,
    /// Labels of everything that is recorded.
    pub labels: BTreeMap<String, String>,
    /// How bad events are told.
    pub sli: Sli,
    /// The alerts' name.
    pub alert_name: String,
    /// The alert that someone is woken for; `None` when it is switched off.
    pub page: Option<AlertMeta>,
    /// The alert that can wait for the morning; `None` when it is switched off.
    pub ticket: Option<AlertMeta>,
}

impl Objective {
    /// `service-name`, which tells objectives apart.
    pub fn id(&self) -> String {
        format!("{}-{}", self.service, self.name)
    }

    /// The share of events that may be bad.
    pub fn budget(&self) -> f64 {
        rounded((100.0 - self.percent) / 100.0)
    }
}

/// Adds an objective, unless one of the same service and name is there.
pub(super) fn add(m: &MapReader, objective: Objective, into: &mut Vec<Objective>) {
    for (severity, burns, alert) in [("page", &PAGE, &objective.page), ("ticket", &TICKET, &objective.ticket)] {
        let is_dead = |burn: &&Burn| alert.is_some() && !burn.can_be(objective.days, objective.budget());
        for Burn { short, long, .. } in burns.iter().filter(is_dead) {
            let what = format!("{}: its {severity} over {short} and {long}", objective.id());
            m.warn("name", format!("{what} asks for more bad events than there are events, and never fires"));
        }
    }
    match into.iter().any(|other| other.id() == objective.id()) {
        true => m.error("name", format!("a second objective is called {}", objective.id())),
        false => into.push(objective),
    }
}

/// Reads labels; names that the rules' own labels have are refused.
pub(super) fn labels(m: &MapReader, key: &'static str) -> BTreeMap<String, String> {
    let labels: BTreeMap<String, String> = m.get(key).unwrap_or_default();
    for name in labels.keys() {
        if !is_legacy_label_name(name) || name.starts_with("__") {
            m.error(key, format!("invalid label name {name:?}"));
        } else if name.starts_with("sloth_") {
            m.error(key, format!("label {name} is one that the rules set themselves"));
        }
    }
    labels
}

/// Reads the share that is promised, in per cent.
pub(super) fn percent(m: &MapReader, key: &'static str, found: f64) -> f64 {
    if !(found > 0.0 && found < 100.0) {
        let why = if found == 100.0 { ", which leaves no budget to burn" } else { "" };
        m.error(key, format!("found {found} %{why}, expected more than 0 and less than 100"));
    }
    found
}
