//! Selections from the head, kept between rule evaluations.
//!
//! A rule asks for the same matchers every few seconds. Its series are kept; because ids only ascend, series created
//! since then are the only ones to look at, and only a removal of series makes the selection start over.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::Matcher;

use super::SeriesRef;
use super::index::Index;
use super::query::{Series, SharedSeries};
use super::series::MemSeries;

/// Selections kept in one generation, and series in all of them.
const MAX_ENTRIES: usize = 4096;
const MAX_SERIES: usize = 1 << 20;
/// With more new series than this a selection is made anew.
const MAX_REFRESH: u64 = 4096;

#[derive(Clone)]
struct Kept {
    series: SharedSeries,
    /// The ids of these, ascending.
    ids: Arc<[SeriesRef]>,
    next_id: u64,
    removals: u64,
}

/// The selections in use. What was not asked for during a whole generation is dropped.
#[derive(Default)]
pub(super) struct Selections {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: FxHashMap<Vec<Matcher>, Kept>,
    old: FxHashMap<Vec<Matcher>, Kept>,
    /// Series in the young generation.
    weight: usize,
}

impl Selections {
    /// The series that satisfy every matcher, and their ids, ascending.
    pub(super) fn get(&self, index: &Index, matchers: &[Matcher]) -> (SharedSeries, Arc<[SeriesRef]>) {
        let kept = self.generations.lock().find(matchers);
        if let Some(k) = &kept
            && k.removals == index.removals()
            && k.next_id == index.next_id()
        {
            return (k.series.clone(), k.ids.clone());
        }
        let (series, ids) = kept.and_then(|k| refresh(index, matchers, &k)).unwrap_or_else(|| {
            let found: Vec<_> = index.select(matchers).collect();
            let series = found.iter().map(|s| (*s).clone() as Arc<dyn Series>).collect();
            (series, found.iter().map(|s| s.id).collect())
        });
        let (next_id, removals) = (index.next_id(), index.removals());
        let fresh = Kept { series: series.clone(), ids: ids.clone(), next_id, removals };
        self.generations.lock().keep(matchers, fresh);
        (series, ids)
    }

    /// Forgets all, and with it series that are gone.
    pub(super) fn clear(&self) {
        *self.generations.lock() = Generations::default();
    }
}

/// Adds the series created since; `None` when starting over is better.
fn refresh(index: &Index, matchers: &[Matcher], kept: &Kept) -> Option<(SharedSeries, Arc<[SeriesRef]>)> {
    if kept.removals != index.removals() || index.next_id() - kept.next_id > MAX_REFRESH {
        return None;
    }
    let matches = |s: &&Arc<MemSeries>| matchers.iter().all(|m| m.matches(s.labels.value(&m.name)));
    let new: Vec<_> =
        (kept.next_id..index.next_id()).filter_map(|id| index.get(SeriesRef(id))).filter(matches).collect();
    if new.is_empty() {
        return Some((kept.series.clone(), kept.ids.clone()));
    }
    let series = kept.series.iter().cloned().chain(new.iter().map(|s| (*s).clone() as Arc<dyn Series>));
    Some((series.collect(), kept.ids.iter().copied().chain(new.iter().map(|s| s.id)).collect()))
}

impl Generations {
    fn find(&mut self, matchers: &[Matcher]) -> Option<Kept> {
        if let Some(kept) = self.young.get(matchers) {
            return Some(kept.clone());
        }
        let (key, kept) = self.old.remove_entry(matchers)?;
        self.weight += kept.series.len();
        self.young.insert(key, kept.clone());
        Some(kept)
    }

    fn keep(&mut self, matchers: &[Matcher], kept: Kept) {
        if self.young.len() >= MAX_ENTRIES || self.weight + kept.series.len() > MAX_SERIES {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += kept.series.len();
        if let Some(before) = self.young.insert(matchers.to_vec(), kept) {
            self.weight -= before.series.len();
        }
    }
}
