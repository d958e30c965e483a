//! What is counted of a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use rustc_hash::FxHashMap;

use crate::model::Labels;
use crate::notify::Reason;

use super::record::{Episode, Record};
use super::shifts::{Shift, hour_and_shift, person_hours};

/// An alert flaps when it fires again so soon after it ended, milliseconds.
pub const FLAP: i64 = 3_600_000;

/// The figures of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Alerts that fired.
    pub fired: u64,
    /// Alerts that ended before they could fire.
    pub pending_only: u64,
    /// Alerts that fired again within [`FLAP`] of their end.
    pub flaps: u64,
    /// Notifications in which something fires.
    pub pages: u64,
    /// Notifications that only say that something is over.
    pub resolves: u64,
    /// The figures of the alerting rules, the noisiest first.
    pub rules: Vec<RuleFigures>,
    /// The figures of the receivers that were told, by name.
    pub receivers: Vec<ReceiverFigures>,
    /// Pages by the hour of the day.
    pub by_hour: [u64; 24],
    /// Pages by shift, in the order of [`Shift::ALL`].
    pub by_shift: [u64; 3],
    /// How many hours each shift has.
    pub person_hours: [f64; 3],
    /// The time zone of hours.
    pub zone: Tz,
}

/// The figures of an alerting rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFigures {
    /// Its place in the record.
    pub rule: usize,
    /// Alerts that fired.
    pub fired: u64,
    /// Alerts that ended before they could fire, or had not by the end.
    pub pending_only: u64,
    /// Alerts that fired again within [`FLAP`] of their end.
    pub flaps: u64,
    /// How long its alerts fired, all together, milliseconds.
    pub firing_for: i64,
    /// Pages that alerts of its name are in.
    pub pages: u64,
}

/// The figures of a receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiverFigures {
    /// Its name.
    pub receiver: Arc<str>,
    /// Notifications in which something fires.
    pub pages: u64,
    /// Those of them that only repeat.
    pub repeats: u64,
    /// Notifications that only say that something is over.
    pub resolves: u64,
    /// Pages by shift, in the order of [`Shift::ALL`].
    pub by_shift: [u64; 3],
}

impl Figures {
    /// Counts; hours are those of `zone`.
    pub fn of(record: &Record, zone: Tz) -> Self {
        let rules = rule_figures(record);
        let mut figures = Figures {
            fired: rules.iter().map(|r| r.fired).sum(),
            pending_only: rules.iter().map(|r| r.pending_only).sum(),
            flaps: rules.iter().map(|r| r.flaps).sum(),
            pages: 0,
            resolves: 0,
            rules,
            receivers: Vec::new(),
            by_hour: [0; 24],
            by_shift: [0; 3],
            person_hours: person_hours(record.window, zone),
            zone,
        };
        figures.count_told(record);
        figures
    }

    fn count_told(&mut self, record: &Record) {
        let mut receivers: BTreeMap<&Arc<str>, ReceiverFigures> = BTreeMap::new();
        for told in &record.told {
            let of = receivers.entry(&told.receiver).or_insert_with(|| ReceiverFigures {
                receiver: told.receiver.clone(),
                pages: 0,
                repeats: 0,
                resolves: 0,
                by_shift: [0; 3],
            });
            if !told.is_page() {
                of.resolves += 1;
                self.resolves += 1;
                continue;
            }
            of.pages += 1;
            self.pages += 1;
            of.repeats += u64::from(told.reason == Reason::RepeatIntervalElapsed);
            let (hour, shift) = hour_and_shift(told.at, self.zone);
            self.by_hour.iter_mut().skip(hour).take(1).for_each(|n| *n += 1);
            for (place, _) in Shift::ALL.iter().enumerate().filter(|(_, s)| **s == shift) {
                of.by_shift.iter_mut().skip(place).take(1).for_each(|n| *n += 1);
                self.by_shift.iter_mut().skip(place).take(1).for_each(|n| *n += 1);
            }
        }
        self.receivers = receivers.into_values().collect();
    }

    /// Rules of which no alert fired, in the order of the record.
    pub fn never_fired(&self) -> Vec<usize> {
        let mut never: Vec<usize> = self.rules.iter().filter(|r| r.fired == 0).map(|r| r.rule).collect();
        never.sort_unstable();
        never
    }
}

/// The figures of the alerting rules, the noisiest first: by pages, then by alerts, then as they stand.
fn rule_figures(record: &Record) -> Vec<RuleFigures> {
    let mut pages: FxHashMap<&str, u64> = FxHashMap::default();
    for name in record.told.iter().filter(|t| t.is_page()).flat_map(|t| &t.alertnames) {
        *pages.entry(name).or_default() += 1;
    }
    let alerting = record.rules.iter().enumerate().filter(|(_, r)| r.alerts);
    let mut figures: BTreeMap<usize, RuleFigures> = alerting
        .map(|(rule, of)| {
            let pages = pages.get(&*of.name).copied().unwrap_or(0);
            (rule, RuleFigures { rule, fired: 0, pending_only: 0, flaps: 0, firing_for: 0, pages })
        })
        .collect();
    // When each alert last ended.
    let mut ended: FxHashMap<(usize, &Labels), i64> = FxHashMap::default();
    for Episode { rule, labels, fired_at, ended_at, .. } in &record.episodes {
        let Some(of) = figures.get_mut(rule) else { continue };
        let Some(fired_at) = fired_at else {
            of.pending_only += 1;
            continue;
        };
        of.fired += 1;
        of.firing_for += ended_at.unwrap_or(record.window.to) - fired_at;
        let again = ended.get(&(*rule, labels)).is_some_and(|end| fired_at - end <= FLAP);
        of.flaps += u64::from(again);
        if let Some(end) = ended_at {
            ended.insert((*rule, labels), *end);
        }
    }
    let mut figures: Vec<RuleFigures> = figures.into_values().collect();
    figures.sort_by_key(|f| (std::cmp::Reverse((f.pages, f.fired)), f.rule));
    figures
}
