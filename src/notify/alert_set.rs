//! Sets of alerts by their labels, and how they are stored: each label name and value once, however many alerts have it.

use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::model::Labels;

/// A set of alerts. The label sets are shared with whoever knows the alerts, so an alert costs a pointer here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSet(
    // Ascending by bytes.
    Vec<Labels>,
);

impl AlertSet {
    /// Whether it has no alert.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many alerts it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The alerts, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &Labels> {
        self.0.iter()
    }

    /// Whether it has an alert.
    pub fn contains(&self, alert: &Labels) -> bool {
        self.0.binary_search_by(|l| l.as_bytes().cmp(alert.as_bytes())).is_ok()
    }

    /// Whether `whole` has all of its alerts.
    pub fn is_subset(&self, whole: &AlertSet) -> bool {
        self.len() <= whole.len() && self.0.iter().all(|alert| whole.contains(alert))
    }

    /// Takes `other`'s alerts in.
    pub fn extend(&mut self, other: &AlertSet) {
        let missing: Vec<Labels> = other.0.iter().filter(|alert| !self.contains(alert)).cloned().collect();
        if !missing.is_empty() {
            self.0.extend(missing);
            self.0.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        }
    }

    /// The set of those alerts that `keep` says.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Labels) -> bool) -> Self {
        AlertSet(self.0.iter().filter(|alert| keep(alert)).cloned().collect())
    }

    /// Keeps the alerts that `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&Labels) -> bool) {
        self.0.retain(keep);
    }
}

impl FromIterator<Labels> for AlertSet {
    fn from_iter<I: IntoIterator<Item = Labels>>(alerts: I) -> Self {
        let mut alerts: Vec<Labels> = alerts.into_iter().collect();
        alerts.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        alerts.dedup();
        AlertSet(alerts)
    }
}

/// Gives every text a number.
#[derive(Debug, Default)]
pub(super) struct Symbols<'a> {
    numbers: FxHashMap<&'a str, u32>,
    texts: Vec<String>,
}

/// Alerts as they are stored: for each, the numbers of its names and values in turn.
pub(super) type Packed = Vec<Vec<u32>>;

impl<'a> Symbols<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        let next = self.texts.len() as u32;
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.texts.push(text.to_owned());
        }
        number
    }

    pub fn pack(&mut self, alerts: &'a AlertSet) -> Packed {
        let one = |labels: &'a Labels| labels.iter().flat_map(|(n, v)| [n, v]).collect::<Vec<_>>();
        alerts.iter().map(|labels| one(labels).into_iter().map(|text| self.number(text)).collect()).collect()
    }

    pub fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

/// Reads packed alerts. One that does not decode is left out: it costs that alert a second page, not all of them.
pub(super) fn unpack(packed: &Packed, texts: &[String]) -> AlertSet {
    let text = |number: &u32| texts.get(*number as usize).cloned();
    let one = |numbers: &Vec<u32>| {
        let (pairs, rest) = numbers.as_chunks::<2>();
        let pairs: Option<Vec<_>> = pairs.iter().map(|[n, v]| Some((text(n)?, text(v)?))).collect();
        pairs.filter(|_| rest.is_empty()).map(Labels::from_pairs)
    };
    packed.iter().filter_map(one).collect()
}

/// An alert set as it was remembered before: hashes of labels.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Hashes(Vec<u64>);

impl Hashes {
    /// The alerts that are meant, as far as `known` knows them.
    pub fn resolve(&self, known: &FxHashMap<u64, Labels>) -> AlertSet {
        self.0.iter().filter_map(|hash| known.get(hash).cloned()).collect()
    }
}
