//! The alert state machine: pending → firing → resolved, to Prometheus' letter.

use std::collections::hash_map::Entry;

use crate::model::Labels;

use super::alert::{Alert, AlertState, AlertTable};

/// How long a resolved alert is remembered after it resolved, milliseconds.
pub const RESOLVED_RETENTION: i64 = 15 * 60_000;

/// One element of the rule's result, its labels and annotations rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The identity of the alert it means.
    pub labels: Labels,
    /// Rendered annotations.
    pub annotations: Labels,
    /// The element's value.
    pub value: f64,
}

/// The durations and the limit that govern one rule's alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// The rule's `for`, milliseconds.
    pub hold: i64,
    /// The rule's `keep_firing_for`, milliseconds.
    pub keep_firing: i64,
    /// The group's `limit`, 0 for none.
    pub limit: usize,
}

/// What became of one alert at one evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    /// Active, and not for long enough to fire.
    Pending(Alert),
    /// It fires.
    Fired(Alert),
    /// It goes on firing with other annotations.
    Refreshed(Alert),
    /// It goes on firing, and `keep_firing_for` took hold of it or let go.
    Held(Alert),
    /// It fired and does no longer.
    Resolved(Alert),
    /// It was pending and ended before it could fire.
    Vanished(Alert),
    /// It resolved long enough ago to be forgotten.
    Forgotten(Alert),
}

impl Transition {
    /// The same, to be changed.
    pub(super) fn alert_mut(&mut self) -> &mut Alert {
        match self {
            Transition::Pending(a)
            | Transition::Fired(a)
            | Transition::Refreshed(a)
            | Transition::Held(a)
            | Transition::Resolved(a)
            | Transition::Vanished(a)
            | Transition::Forgotten(a) => a,
        }
    }

    /// The alert after the transition.
    pub fn alert(&self) -> &Alert {
        match self {
            Transition::Pending(a)
            | Transition::Fired(a)
            | Transition::Refreshed(a)
            | Transition::Held(a)
            | Transition::Resolved(a)
            | Transition::Vanished(a)
            | Transition::Forgotten(a) => a,
        }
    }
}

/// The rule failed; nothing changed unless the text says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Two elements of the result mean one alert.
    #[error("vector contains metrics with the same labelset after applying alert labels")]
    DuplicateLabels,
    /// More alerts are active than the group allows. The rule's alerts are dropped, as in Prometheus.
    #[error("exceeded limit of {limit} with {active} alerts")]
    LimitExceeded {
        /// The group's limit.
        limit: usize,
        /// Pending and firing alerts.
        active: usize,
    },
}

/// Moves every alert of a rule on to the evaluation at `at`, and tells what changed in `transitions`.
///
/// # Errors
/// [`StepError`]. With duplicate labels the table is untouched. When the limit is exceeded the table is emptied and
/// `transitions` tells of the alerts that end by it.
pub fn step(
    table: &mut AlertTable,
    instances: Vec<Instance>,
    at: i64,
    terms: &Terms,
    transitions: &mut Vec<Transition>,
) -> Result<(), StepError> {
    let mut seen = rustc_hash::FxHashSet::with_capacity_and_hasher(instances.len(), Default::default());
    if !instances.iter().all(|i| seen.insert(&i.labels)) {
        return Err(StepError::DuplicateLabels);
    }
    let before = (terms.limit > 0).then(|| table.clone());
    // What the result lacks is settled first: an alert that the result brings is never absent.
    let mut absent: Vec<Labels> = table.keys().filter(|l| !seen.contains(l)).cloned().collect();
    absent.sort();
    let first = transitions.len();
    for labels in absent {
        let Some(alert) = table.remove(&labels) else { continue };
        if let Some(kept) = absent_alert(alert, at, terms, transitions) {
            table.insert(labels, kept);
        }
    }
    for instance in instances {
        present_alert(table, instance, at, terms, transitions);
    }
    let active = table.values().filter(|a| a.is_active()).count();
    match before {
        Some(before) if active > terms.limit => {
            table.clear();
            transitions.truncate(first);
            end_all(before, at, transitions);
            Err(StepError::LimitExceeded { limit: terms.limit, active })
        }
        _ => Ok(()),
    }
}

/// Ends every alert of a table, because its rule is gone or over its limit.
pub fn end_all(table: AlertTable, at: i64, transitions: &mut Vec<Transition>) {
    let mut alerts: Vec<Alert> = table.into_values().collect();
    alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
    transitions.extend(alerts.into_iter().map(|mut alert| match alert.state {
        AlertState::Pending => Transition::Vanished(alert),
        AlertState::Inactive => Transition::Forgotten(alert),
        AlertState::Firing => {
            resolve(&mut alert, at);
            Transition::Resolved(alert)
        }
    }));
}

/// The result no longer has the alert. Returns it while it is remembered.
fn absent_alert(mut alert: Alert, at: i64, terms: &Terms, transitions: &mut Vec<Transition>) -> Option<Alert> {
    match alert.state {
        AlertState::Pending => {
            transitions.push(Transition::Vanished(alert));
            None
        }
        AlertState::Inactive if alert.resolved_at.is_none_or(|t| at - t > RESOLVED_RETENTION) => {
            transitions.push(Transition::Forgotten(alert));
            None
        }
        AlertState::Inactive => Some(alert),
        AlertState::Firing => {
            if terms.keep_firing > 0 {
                let started = alert.keep_firing_since.is_none();
                let since = *alert.keep_firing_since.get_or_insert(at);
                if at - since < terms.keep_firing {
                    if started {
                        transitions.push(Transition::Held(alert.clone()));
                    }
                    return Some(alert);
                }
            }
            resolve(&mut alert, at);
            transitions.push(Transition::Resolved(alert.clone()));
            Some(alert)
        }
    }
}

fn resolve(alert: &mut Alert, at: i64) {
    alert.state = AlertState::Inactive;
    alert.resolved_at = Some(at);
}

/// The result has the alert.
fn present_alert(
    table: &mut AlertTable,
    instance: Instance,
    at: i64,
    terms: &Terms,
    transitions: &mut Vec<Transition>,
) {
    let Instance { labels, annotations, value } = instance;
    let begin = |labels: &Labels| Alert::begin(labels.clone(), Labels::empty(), value, at);
    let (alert, begun) = match table.entry(labels) {
        Entry::Vacant(place) => {
            let alert = begin(place.key());
            (place.insert(alert), true)
        }
        Entry::Occupied(place) => {
            // Resolved and back: it begins anew.
            let begun = !place.get().is_active();
            let alert = place.into_mut();
            if begun {
                *alert = begin(&alert.labels);
            }
            (alert, begun)
        }
    };
    let held = alert.keep_firing_since.take().is_some();
    let rephrased = alert.annotations != annotations;
    alert.value = value;
    alert.annotations = annotations;
    if alert.state == AlertState::Pending && at - alert.active_at - alert.unobserved >= terms.hold {
        alert.state = AlertState::Firing;
        alert.fired_at = Some(at);
        transitions.push(Transition::Fired(alert.clone()));
    } else if alert.state == AlertState::Pending && begun {
        transitions.push(Transition::Pending(alert.clone()));
    } else if held {
        transitions.push(Transition::Held(alert.clone()));
    } else if alert.state == AlertState::Firing && rephrased {
        transitions.push(Transition::Refreshed(alert.clone()));
    }
}

#[cfg(test)]
mod tests;
