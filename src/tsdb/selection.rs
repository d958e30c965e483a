//! Selections kept between rule evaluations.
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

/// Selections kept in one generation, and series in all of them.
const MAX_ENTRIES: usize = 4096;
const MAX_SERIES: usize = 1 << 20;
/// With more new series than this a selection is made anew.
const MAX_REFRESH: u32 = 4096;

#[derive(Clone)]
struct Kept {
    series: SharedSeries,
    next_id: u32,
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
    /// The series that satisfy every matcher.
    pub(super) fn get(&self, index: &Index, matchers: &[Matcher]) -> SharedSeries {
        let kept = self.generations.lock().find(matchers);
        if let Some(k) = &kept
            && k.removals == index.removals()
            && k.next_id == index.next_id()
        {
            return k.series.clone();
        }
        let series = kept.and_then(|k| refresh(index, matchers, &k)).unwrap_or_else(|| {
            let ids = index.select(matchers);
            ids.iter().filter_map(|id| index.get(SeriesRef(*id))).map(|s| s.clone() as Arc<dyn Series>).collect()
        });
        let fresh = Kept { series: series.clone(), next_id: index.next_id(), removals: index.removals() };
        self.generations.lock().keep(matchers, fresh);
        series
    }

    /// Forgets all, and with it series that are gone.
    pub(super) fn clear(&self) {
        *self.generations.lock() = Generations::default();
    }
}

/// Adds the series created since; `None` when starting over is better.
fn refresh(index: &Index, matchers: &[Matcher], kept: &Kept) -> Option<SharedSeries> {
    if kept.removals != index.removals() || index.next_id() - kept.next_id > MAX_REFRESH {
        return None;
    }
    let mut new = (kept.next_id..index.next_id())
        .filter_map(|id| index.get(SeriesRef(id)))
        .filter(|s| matchers.iter().all(|m| m.matches(s.labels.value(&m.name))))
        .map(|s| s.clone() as Arc<dyn Series>)
        .peekable();
    if new.peek().is_none() {
        return Some(kept.series.clone());
    }
    Some(kept.series.iter().cloned().chain(new).collect())
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
