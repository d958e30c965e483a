//! Vectors that find each other by labels, and series that find nobody.

use rustc_hash::FxHashMap;

use crate::model::{Labels, METRIC_NAME};
use crate::promql::ast::{BinaryModifiers, Grouping};

use super::lens::Lens;
use super::part::{Difference, Finding, Row, Side};

/// Most series that are looked through for the one that is most like another.
const MOST_COMPARED: usize = 1_000;

/// By which labels partners find each other.
pub(super) struct Keys {
    grouping: Grouping,
}

impl Keys {
    pub fn of(modifiers: &BinaryModifiers) -> Self {
        let all = || Grouping { without: true, labels: Vec::new() };
        Keys { grouping: modifiers.matching.clone().unwrap_or_else(all) }
    }

    /// What a series has to have in common with its partner.
    pub fn key(&self, labels: &Labels) -> Labels {
        labels.filter(|name| self.counts(name))
    }

    fn counts(&self, name: &str) -> bool {
        let named = self.grouping.labels.iter().any(|l| l == name);
        if self.grouping.without { !named && name != METRIC_NAME } else { named }
    }

    /// The series of a side by their keys.
    pub fn index<'r>(&self, rows: &'r [Row]) -> FxHashMap<Labels, &'r Row> {
        rows.iter().rev().map(|row| (self.key(&row.labels), row)).collect()
    }

    /// In a sentence.
    pub fn text(&self) -> String {
        let names = self.grouping.labels.join(", ");
        match (self.grouping.without, names.is_empty()) {
            (true, true) => "all labels".to_owned(),
            (true, false) => format!("ignoring ({names})"),
            (false, _) => format!("on ({names})"),
        }
    }

    fn differences(&self, here: &Labels, there: &Labels) -> Vec<Difference> {
        let (here, there) = (self.key(here), self.key(there));
        let mut names: Vec<&str> = here.iter().chain(there.iter()).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let differing = names.into_iter().filter(|name| here.value(name) != there.value(name));
        let difference = |name: &str| Difference {
            name: name.to_owned(),
            here: here.value(name).to_owned(),
            there: there.value(name).to_owned(),
        };
        differing.map(difference).collect()
    }
}

/// The series of a side that have no partner on the other, if there are any: of the asked alert, where one is asked for.
pub(super) fn alone(lens: &Lens<'_>, keys: &Keys, side: Side, here: &[Row], there: &[Row]) -> Option<Finding> {
    let partners = keys.index(there);
    let mine: Vec<&Row> = here.iter().filter(|row| lens.is_related(&row.labels)).collect();
    let mut lonely = mine.iter().filter(|row| !partners.contains_key(&keys.key(&row.labels)));
    let example = lonely.next()?.labels.clone();
    let count = 1 + lonely.count();
    let with_differences = |row: &Row| (keys.differences(&example, &row.labels), row.labels.clone());
    let nearest = there.iter().take(MOST_COMPARED).map(with_differences).min_by_key(|(d, _)| d.len());
    let (differences, nearest) = nearest.map_or_else(Default::default, |(d, labels)| (d, Some(labels)));
    Some(Finding::NoPartner { side, count, of: mine.len(), by: keys.text(), example, nearest, differences })
}

/// `unless`: what the right side took away.
pub(super) fn taken_away(lens: &Lens<'_>, keys: &Keys, left: &[Row], right: &[Row]) -> Option<Finding> {
    let partners = keys.index(right);
    let gone = |row: &Row| Some((row.labels.clone(), partners.get(&keys.key(&row.labels))?.labels.clone()));
    let mut gone = left.iter().filter(|row| lens.is_related(&row.labels)).filter_map(gone);
    let (example, by) = gone.next()?;
    Some(Finding::TakenAway { count: 1 + gone.count(), example, by })
}
