//! Exemplars: the newest of all series, in a ring of bounded size. They are in the log, so that those of its time are there
//! again after a start, and remote write sends those that it had not sent.

use std::collections::VecDeque;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::{Labels, Matcher};

/// Exemplars that are kept unless a configuration says otherwise: Prometheus' `storage.exemplars.max_exemplars`.
pub const DEFAULT_MAX_EXEMPLARS: usize = 100_000;
/// Characters that the labels of an exemplar may have, names and values together: OpenMetrics' limit.
pub const MAX_EXEMPLAR_CHARS: usize = 128;

/// An example of what a sample counts, such as the id of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its labels.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// Milliseconds.
    pub t: i64,
    /// Whether the time is its own, and not that of the scrape.
    pub has_time: bool,
}

/// Why an exemplar was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExemplarError {
    /// Older than the newest of its series.
    #[error("out of order exemplar")]
    OutOfOrder,
    /// Its series has no sample.
    #[error("unknown series when trying to add exemplar")]
    UnknownSeries,
    /// Labels of more than 128 characters.
    #[error("label length for exemplar exceeds maximum of {MAX_EXEMPLAR_CHARS} UTF-8 characters")]
    LabelLength,
}

/// What is kept of one series.
#[derive(Debug)]
struct Kept {
    count: usize,
    newest: Exemplar,
}

/// The exemplars of a database.
#[derive(Debug)]
pub(super) struct Exemplars(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    max: usize,
    /// With their series, as they came.
    all: VecDeque<(Labels, Exemplar)>,
    series: FxHashMap<Labels, Kept>,
    figures: ExemplarFigures,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExemplarFigures {
    /// Exemplars stored since the start.
    pub appended: u64,
    /// Refused since the start, because newer ones of their series were there.
    pub out_of_order: u64,
    /// Exemplars there are.
    pub stored: u64,
    /// The most there can be.
    pub max: u64,
    /// Series that have some.
    pub series: u64,
    /// Time of the oldest one, milliseconds.
    pub oldest: Option<i64>,
}

impl Default for Exemplars {
    fn default() -> Self {
        let figures = ExemplarFigures::default();
        let ring = Ring { max: DEFAULT_MAX_EXEMPLARS, all: VecDeque::new(), series: FxHashMap::default(), figures };
        Exemplars(Mutex::new(ring))
    }
}

impl Exemplars {
    /// Keeps at most `max`, the newest.
    pub(super) fn resize(&self, max: usize) {
        let mut ring = self.0.lock();
        ring.max = max;
        while ring.all.len() > max {
            ring.drop_oldest();
        }
        ring.all.shrink_to_fit();
    }

    /// Whether an exemplar is new: a repeat of the newest of its series is not, and none is where none are kept.
    pub(super) fn judge(&self, series: &Labels, exemplar: &Exemplar) -> Result<bool, ExemplarError> {
        let chars: usize = exemplar.labels.iter().map(|(n, v)| n.chars().count() + v.chars().count()).sum();
        if chars > MAX_EXEMPLAR_CHARS {
            return Err(ExemplarError::LabelLength);
        }
        let mut ring = self.0.lock();
        if ring.max == 0 {
            return Ok(false);
        }
        let Some(newest) = ring.series.get(series).map(|kept| &kept.newest) else { return Ok(true) };
        let verdict = exemplar.follows(newest);
        ring.figures.out_of_order += u64::from(verdict.is_err());
        verdict
    }

    /// Adds an exemplar; whether it was new.
    pub(super) fn add(&self, series: &Labels, exemplar: &Exemplar) -> bool {
        let mut ring = self.0.lock();
        let is_new = |kept: &Kept| exemplar.follows(&kept.newest) == Ok(true);
        if ring.max == 0 || !ring.series.get(series).is_none_or(is_new) {
            return false;
        }
        while ring.all.len() >= ring.max {
            ring.drop_oldest();
        }
        let kept = ring.series.entry(series.clone()).or_insert_with(|| Kept { count: 0, newest: exemplar.clone() });
        kept.count += 1;
        kept.newest = exemplar.clone();
        ring.all.push_back((series.clone(), exemplar.clone()));
        ring.figures.appended += 1;
        true
    }

    /// The exemplars in `[mint, maxt]` of series that satisfy every matcher of any of the sets, by series.
    pub(super) fn select(&self, sets: &[Vec<Matcher>], mint: i64, maxt: i64) -> Vec<(Labels, Vec<Exemplar>)> {
        let ring = self.0.lock();
        let matches = |labels: &Labels| sets.iter().any(|set| set.iter().all(|m| m.matches(labels.value(&m.name))));
        let mut found: FxHashMap<&Labels, Vec<Exemplar>> =
            ring.series.keys().filter(|labels| matches(labels)).map(|labels| (labels, Vec::new())).collect();
        for (series, exemplar) in ring.all.iter().filter(|(_, e)| (mint..=maxt).contains(&e.t)) {
            if let Some(found) = found.get_mut(series) {
                found.push(exemplar.clone());
            }
        }
        let found = found.into_iter().filter(|(_, exemplars)| !exemplars.is_empty());
        let mut found: Vec<_> = found.map(|(labels, exemplars)| (labels.clone(), exemplars)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    pub(super) fn figures(&self) -> ExemplarFigures {
        let ring = self.0.lock();
        ExemplarFigures {
            stored: ring.all.len() as u64,
            max: ring.max as u64,
            series: ring.series.len() as u64,
            oldest: ring.all.front().map(|(_, e)| e.t),
            ..ring.figures
        }
    }
}

impl Ring {
    fn drop_oldest(&mut self) {
        let Some((series, _)) = self.all.pop_front() else { return };
        let Some(kept) = self.series.get_mut(&series) else { return };
        kept.count -= 1;
        if kept.count == 0 {
            self.series.remove(&series);
        }
    }
}

impl Exemplar {
    /// Whether it is another one than `newest`, and comes after it: by time, value, labels, as one scrape gives them.
    fn follows(&self, newest: &Exemplar) -> Result<bool, ExemplarError> {
        let same_time = self.has_time == newest.has_time && (!self.has_time || self.t == newest.t);
        let same_value = self.value == newest.value || (self.value.is_nan() && newest.value.is_nan());
        if same_time && same_value && self.labels == newest.labels {
            return Ok(false);
        }
        let order = self.t.cmp(&newest.t).then_with(|| self.value.total_cmp(&newest.value));
        match order.then_with(|| self.labels.cmp(&newest.labels)) {
            std::cmp::Ordering::Less => Err(ExemplarError::OutOfOrder),
            _ => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(id: &str, t: i64, value: f64) -> Exemplar {
        Exemplar { labels: Labels::from_pairs([("id", id)]), value, t, has_time: true }
    }

    fn series(i: usize) -> Labels {
        Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
    }

    fn found(kept: &Exemplars, matcher: Matcher) -> Vec<(String, Vec<i64>)> {
        let all = kept.select(&[vec![matcher]], i64::MIN, i64::MAX).into_iter();
        all.map(|(labels, found)| (labels.value("i").to_owned(), found.iter().map(|e| e.t).collect())).collect()
    }

    #[test]
    fn an_exemplar_is_new_a_repeat_or_out_of_order() {
        let kept = Exemplars::default();
        assert!(kept.add(&series(1), &exemplar("b", 10, 2.0)));
        for (exemplar, wanted) in [
            (exemplar("b", 10, 2.0), Ok(false)),
            (exemplar("b", 11, 2.0), Ok(true)),
            (exemplar("b", 9, 2.0), Err(ExemplarError::OutOfOrder)),
            (exemplar("b", 10, 1.0), Err(ExemplarError::OutOfOrder)),
            (exemplar("a", 10, 2.0), Err(ExemplarError::OutOfOrder)),
            (exemplar("c", 10, 2.0), Ok(true)),
            (exemplar(&"é".repeat(126), 11, 2.0), Ok(true)),
            (exemplar(&"é".repeat(127), 11, 2.0), Err(ExemplarError::LabelLength)),
        ] {
            assert_eq!(kept.judge(&series(1), &exemplar), wanted, "{exemplar:?}");
        }
        assert_eq!(kept.figures().out_of_order, 3);
        // One without a time of its own is the same at each scrape.
        let scraped = |t| Exemplar { has_time: false, ..exemplar("x", t, 1.0) };
        assert!(kept.add(&series(2), &scraped(10)));
        assert_eq!(kept.judge(&series(2), &scraped(20)), Ok(false));
    }

    #[test]
    fn the_newest_are_kept_and_found_by_series() {
        let kept = Exemplars::default();
        kept.resize(4);
        for t in 0..6 {
            assert!(kept.add(&series(t as usize % 3), &exemplar("a", t, 0.0)));
        }
        assert_eq!(
            found(&kept, Matcher::equal("__name__", "m")),
            [("0".into(), vec![3]), ("1".into(), vec![4]), ("2".into(), vec![2, 5]),]
        );
        assert_eq!(found(&kept, Matcher::equal("i", "2")), [("2".into(), vec![2, 5])]);
        kept.resize(1);
        assert_eq!(found(&kept, Matcher::equal("__name__", "m")), [("2".into(), vec![5])]);
        assert_eq!((kept.figures().series, kept.figures().stored, kept.figures().oldest), (1, 1, Some(5)));
        kept.resize(0);
        assert!(!kept.add(&series(1), &exemplar("a", 9, 0.0)));
        assert_eq!((kept.judge(&series(1), &exemplar("a", 9, 0.0)), kept.figures().series), (Ok(false), 0));
    }
}
