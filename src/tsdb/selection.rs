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
use super::query::{Selection, Series, SeriesTable, SharedSeries};
use super::series::MemSeries;

/// Selections kept in one generation, and series in all of them: 32 MB of numbers, and some more of what readers work out.
const MAX_ENTRIES: usize = 8192;
const MAX_SERIES: usize = 1 << 23;
/// With more new series than this a selection is made anew.
const MAX_REFRESH: u64 = 4096;
/// Series that are yet to come have a place in a new table.
const AHEAD: u64 = 4096;

#[derive(Clone)]
struct Kept {
    series: SharedSeries,
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
    /// Where selections find their series. Another one takes its place when ids outgrow it.
    table: Option<Arc<SeriesTable>>,
}

impl Selections {
    /// The series that satisfy every matcher, by ascending id.
    pub(super) fn get(&self, index: &Index, matchers: &[Matcher]) -> SharedSeries {
        let (kept, table) = {
            let mut generations = self.generations.lock();
            (generations.find(matchers), generations.table(index))
        };
        if let Some(k) = &kept
            && k.removals == index.removals()
            && k.next_id == index.next_id()
        {
            return k.series.clone();
        }
        let refreshed = kept.as_ref().and_then(|k| refresh(index, matchers, k, &table));
        let series = refreshed.unwrap_or_else(|| anew(index, matchers, kept.map(|k| k.series), &table));
        let fresh = Kept { series: series.clone(), next_id: index.next_id(), removals: index.removals() };
        self.generations.lock().keep(matchers, fresh);
        series
    }

    /// Forgets all, and with it series that are gone.
    pub(super) fn clear(&self) {
        *self.generations.lock() = Generations::default();
    }
}

/// Selects from the whole index. What is kept stays where nothing has changed for it: readers have worked things out from
/// it.
fn anew(index: &Index, matchers: &[Matcher], kept: Option<SharedSeries>, table: &Arc<SeriesTable>) -> SharedSeries {
    let found: Vec<&Arc<MemSeries>> = index.select(matchers).collect();
    let same =
        |kept: &SharedSeries| kept.len() == found.len() && (0..).zip(&found).all(|(i, s)| kept.id(i) == Some(s.id.0));
    kept.filter(same).unwrap_or_else(|| of_series(found.into_iter(), table))
}

fn of_series<'i>(found: impl Iterator<Item = &'i Arc<MemSeries>>, table: &Arc<SeriesTable>) -> SharedSeries {
    let numbers = found.filter_map(|s| table.add(s.id.0, || s.clone() as Arc<dyn Series>)).collect();
    Arc::new(Selection::numbered(numbers, table.clone()))
}

/// Adds the series created since; `None` when starting over is better.
fn refresh(index: &Index, matchers: &[Matcher], kept: &Kept, table: &Arc<SeriesTable>) -> Option<SharedSeries> {
    if kept.removals != index.removals() || index.next_id() - kept.next_id > MAX_REFRESH {
        return None;
    }
    let matches = |s: &&Arc<MemSeries>| matchers.iter().all(|m| m.matches(s.labels.value(&m.name)));
    let new: Vec<_> =
        (kept.next_id..index.next_id()).filter_map(|id| index.get(SeriesRef(id))).filter(matches).collect();
    if new.is_empty() {
        return Some(kept.series.clone());
    }
    let ids = (0..kept.series.len()).filter_map(|i| kept.series.id(i));
    let old = ids.filter_map(|id| index.get(SeriesRef(id)));
    Some(of_series(old.chain(new), table))
}

impl Generations {
    /// The table, one that has a place for all series of an index.
    fn table(&mut self, index: &Index) -> Arc<SeriesTable> {
        let (first, end) = (index.first_id(), index.next_id());
        match &self.table {
            Some(table) if table.reaches(first, end) => table.clone(),
            _ => {
                let room = (end - first) / 2 + AHEAD;
                self.table.insert(Arc::new(SeriesTable::new(first, end.saturating_add(room)))).clone()
            }
        }
    }

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
