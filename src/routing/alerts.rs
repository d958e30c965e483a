//! The alerts that routing knows, each with what follows from its labels: that is found out once, not at every look.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::Labels;

use super::alert::{AlertStatus, RoutedAlert};
use super::inhibit::{Inhibited, InhibitionState};
use super::marks::Mark;
use super::muters::{SilenceMemo, SilenceSet};
use super::pages::{Pages, Places};
use super::tree::RouteIndex;

/// What follows from an alert's labels under the configuration in force.
#[derive(Debug)]
pub struct Known {
    /// The routes it ends at.
    pub routes: Box<[RouteIndex]>,
    /// What inhibition has to do with it.
    pub inhibition: InhibitionState,
    /// Which silences speak of it.
    pub silences: SilenceMemo,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// What was found of it when its group last flushed.
    pub mark: Mark,
}

/// An alert as readers see it.
#[derive(Debug)]
pub struct AlertRow {
    /// The alert.
    pub alert: RoutedAlert,
    /// What follows from its labels.
    pub known: Arc<Known>,
}

impl AlertRow {
    /// Why it is or is not told, time intervals aside.
    pub fn status(&self, silences: &SilenceSet, now: i64) -> AlertStatus {
        let mut silencing = silences.silencing(&self.alert.labels, &self.known.silences, now);
        if self.alert.is_resolved(now) {
            // The acknowledgement ends with the alert, be it that nobody has looked since.
            silencing.retain(|s| s.acknowledges.is_none());
        }
        let mut silenced_by: Vec<String> = silencing.iter().map(|s| s.id.clone()).collect();
        silenced_by.sort_unstable();
        let acknowledged = silencing.into_iter().find(|s| s.acknowledges.is_some());
        let Inhibited { by: inhibited_by, rule: inhibited_rule } = self.known.inhibition.inhibited(now);
        AlertStatus { silenced_by, inhibited_by, inhibited_rule, muted_by: Vec::new(), acknowledged }
    }
}

/// Alerts by their labels.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    places: FxHashMap<Labels, usize>,
    free: Places,
    rows: Pages<AlertRow>,
}

impl Alerts {
    pub fn get(&self, labels: &Labels) -> Option<&RoutedAlert> {
        self.row(labels).map(|row| &row.alert)
    }

    pub fn row(&self, labels: &Labels) -> Option<&Arc<AlertRow>> {
        self.rows.get(*self.places.get(labels)?)
    }

    pub fn contains(&self, labels: &Labels) -> bool {
        self.places.contains_key(labels)
    }

    /// Takes in a new alert, or what was heard of one that is known.
    pub fn insert(&mut self, mut alert: RoutedAlert, known: Arc<Known>) {
        let place = match self.row(&alert.labels) {
            Some(row) => {
                // What says the same shares its memory.
                alert.labels = row.alert.labels.clone();
                if alert.annotations == row.alert.annotations {
                    alert.annotations = row.alert.annotations.clone();
                }
                if alert.generator_url == row.alert.generator_url {
                    alert.generator_url = row.alert.generator_url.clone();
                }
                self.places.get(&alert.labels).copied()
            }
            None => None,
        };
        let place = place.unwrap_or_else(|| {
            let place = self.free.take();
            self.places.insert(alert.labels.clone(), place);
            place
        });
        self.rows.set(place, Some(Arc::new(AlertRow { alert, known })));
    }

    pub fn remove(&mut self, labels: &Labels) -> Option<Arc<AlertRow>> {
        let place = self.places.remove(labels)?;
        let row = self.rows.get(place).cloned();
        self.rows.set(place, None);
        self.free.give_back(place);
        row
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<AlertRow>> {
        self.rows.iter()
    }

    /// All rows, to be shown.
    pub fn rows(&self) -> &Pages<AlertRow> {
        &self.rows
    }

    /// Takes out all alerts.
    pub fn drain(&mut self) -> Vec<RoutedAlert> {
        std::mem::take(self).rows.iter().map(|row| row.alert.clone()).collect()
    }
}
