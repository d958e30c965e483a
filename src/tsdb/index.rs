//! The inverted index: label sets to series, label pairs to postings.
//!
//! Ids ascend and are never given out twice, so postings grow at their end only, what was selected before can be
//! brought up to date by looking at newer ids alone, and a reference kept by a writer never names another series.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxHashMap;
use twox_hash::XxHash64;

use crate::model::{Labels, MatchOp, Matcher};

use super::SeriesRef;
use super::block::BlockSet;
use super::postings::{intersect, subtract, union};
use super::series::MemSeries;

/// The postings of one label's values.
type Values = FxHashMap<Box<str>, Vec<u32>>;

/// Series by id, in blocks that go when all of their series have gone.
#[derive(Debug, Default)]
struct Slab {
    blocks: Vec<Option<Box<SlabBlock>>>,
}

const SLAB_BLOCK: usize = 256;

#[derive(Debug)]
struct SlabBlock {
    used: usize,
    slots: [Option<Arc<MemSeries>>; SLAB_BLOCK],
}

impl Slab {
    #[inline]
    fn get(&self, id: u32) -> Option<&Arc<MemSeries>> {
        let block = self.blocks.get(id as usize / SLAB_BLOCK)?.as_ref()?;
        block.slots.get(id as usize % SLAB_BLOCK)?.as_ref()
    }

    fn insert(&mut self, id: u32, series: Arc<MemSeries>) {
        let at = id as usize / SLAB_BLOCK;
        if self.blocks.len() <= at {
            self.blocks.resize_with(at + 1, || None);
        }
        let Some(block) = self.blocks.get_mut(at) else { return };
        let block = block.get_or_insert_with(|| Box::new(SlabBlock { used: 0, slots: [const { None }; SLAB_BLOCK] }));
        if let Some(slot) = block.slots.get_mut(id as usize % SLAB_BLOCK) {
            block.used += usize::from(slot.is_none());
            *slot = Some(series);
        }
    }

    fn remove(&mut self, id: u32) -> Option<Arc<MemSeries>> {
        let at = self.blocks.get_mut(id as usize / SLAB_BLOCK)?;
        let block = at.as_mut()?;
        let series = block.slots.get_mut(id as usize % SLAB_BLOCK)?.take()?;
        block.used -= 1;
        if block.used == 0 {
            *at = None;
        }
        Some(series)
    }
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    /// Where series find their flushed samples.
    blocks: Arc<BlockSet>,
    slab: Slab,
    by_labels: HashTable<u32>,
    /// Drawn by each process, so that nobody outside can prepare label sets that collide.
    seed: u64,
    names: FxHashMap<Box<str>, Values>,
    all: Vec<u32>,
    next_id: u32,
    removals: u64,
}

impl Index {
    /// An empty index of series whose flushed samples are in `blocks`.
    pub(super) fn new(blocks: Arc<BlockSet>) -> Self {
        Index {
            blocks,
            slab: Slab::default(),
            by_labels: HashTable::new(),
            seed: RandomState::new().hash_one(0u8),
            names: FxHashMap::default(),
            all: Vec::new(),
            next_id: 0,
            removals: 0,
        }
    }

    fn hash(&self, labels: &[u8]) -> u64 {
        XxHash64::oneshot(self.seed, labels)
    }

    /// The series with this id.
    #[inline]
    pub(super) fn get(&self, id: SeriesRef) -> Option<&Arc<MemSeries>> {
        self.slab.get(id.0)
    }

    /// The series with these labels, in the packed form.
    #[inline]
    pub(super) fn find(&self, labels: &[u8]) -> Option<&Arc<MemSeries>> {
        let hash = self.hash(labels);
        let id = self
            .by_labels
            .find(hash, |id| self.slab.get(*id).is_some_and(|s| s.hash == hash && s.labels.as_bytes() == labels))?;
        self.slab.get(*id)
    }

    /// Adds a series under the next id, or under the id it had before a restart. The labels are not in the index yet.
    /// `None` when ids are used up (after four billion series).
    pub(super) fn insert(&mut self, id: Option<SeriesRef>, labels: Labels) -> Option<Arc<MemSeries>> {
        let hash = self.hash(labels.as_bytes());
        let id = id.map_or(self.next_id, |id| id.0);
        let next = id.checked_add(1)?;
        let series = Arc::new(MemSeries::new(SeriesRef(id), labels, hash, self.blocks.clone()));
        for (name, value) in series.labels.iter() {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), Values::default());
            }
            let Some(values) = self.names.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(ids) => push_sorted(ids, id),
                None => _ = values.insert(value.into(), vec![id]),
            }
        }
        push_sorted(&mut self.all, id);
        self.slab.insert(id, series.clone());
        let slab = &self.slab;
        self.by_labels.insert_unique(hash, id, |id| slab.get(*id).map_or(0, |s| s.hash));
        if id < self.next_id {
            // An old id came back: what was selected before is not brought up to date by newer ids.
            self.removals += 1;
        }
        self.next_id = self.next_id.max(next);
        Some(series)
    }

    /// Keeps ids at and after `id` for new series.
    pub(super) fn reserve_ids(&mut self, id: u32) {
        self.next_id = self.next_id.max(id);
    }

    /// Removes series; `ids` ascend.
    pub(super) fn remove(&mut self, ids: &[u32]) {
        let mut touched: FxHashMap<Box<str>, FxHashMap<Box<str>, ()>> = FxHashMap::default();
        for &id in ids {
            let Some(series) = self.slab.get(id) else { continue };
            if let Ok(entry) = self.by_labels.find_entry(series.hash, |other| *other == id) {
                entry.remove();
            }
            let Some(series) = self.slab.remove(id) else { continue };
            for (name, value) in series.labels.iter() {
                touched.entry(name.into()).or_default().entry(value.into()).or_default();
            }
        }
        for (name, values) in touched {
            let Some(postings) = self.names.get_mut(&name) else { continue };
            for value in values.into_keys() {
                let Some(list) = postings.get_mut(&value) else { continue };
                subtract(list, ids);
                if list.is_empty() {
                    postings.remove(&value);
                } else if list.capacity() > 2 * list.len() + 16 {
                    list.shrink_to_fit();
                }
            }
            if postings.is_empty() {
                self.names.remove(&name);
            }
        }
        subtract(&mut self.all, ids);
        self.removals += 1;
    }

    /// All ids, ascending.
    pub(super) fn all(&self) -> &[u32] {
        &self.all
    }

    /// All series, by ascending id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<MemSeries>> {
        self.all.iter().filter_map(|id| self.slab.get(*id))
    }

    /// The id the next new series gets.
    pub(super) fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Counts removals: selections made under another count may name series that are gone.
    pub(super) fn removals(&self) -> u64 {
        self.removals
    }

    /// Label names and their number of values.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().map(|(n, v)| (&**n, v.len()))
    }

    /// Values of a label and their number of series.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = (&str, usize)> {
        self.names.get(name).into_iter().flatten().map(|(v, ids)| (&**v, ids.len()))
    }

    /// The ids of the series that satisfy every matcher, ascending.
    pub(super) fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        // Matchers that name their values come first: what is left for the others is little.
        let (named, scanned): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|m| names_values(m));
        let (wanted, unwanted): (Vec<&Matcher>, Vec<&Matcher>) = named.into_iter().partition(|m| !m.matches_empty());
        let mut sets: Vec<Vec<&[u32]>> = wanted.iter().map(|m| self.named_postings(m)).collect();
        sets.sort_by_key(|lists| lists.iter().map(|l| l.len()).sum::<usize>());
        let mut selected: Option<Vec<u32>> = None;
        for lists in sets {
            selected = Some(match (selected, lists.as_slice()) {
                (None, [one]) => one.to_vec(),
                (None, many) => union(many.iter().copied()),
                (Some(ids), [one]) => intersect(&ids, one),
                (Some(ids), many) => intersect(&ids, &union(many.iter().copied())),
            });
        }
        for m in &unwanted {
            let ids = selected.get_or_insert_with(|| self.all.clone());
            for list in self.named_postings(m) {
                subtract(ids, list);
            }
        }
        for m in scanned {
            selected = Some(self.scan(m, selected));
        }
        selected.unwrap_or_else(|| self.all.clone())
    }

    /// Narrows a selection (`None`: everything) by a matcher that has to be tried on values.
    fn scan(&self, m: &Matcher, selected: Option<Vec<u32>>) -> Vec<u32> {
        let values = self.names.get(m.name.as_str());
        match selected {
            Some(mut ids) if ids.len() <= values.map_or(0, Values::len) => {
                ids.retain(|id| self.slab.get(*id).is_some_and(|s| m.matches(s.labels.value(&m.name))));
                ids
            }
            selected => {
                // A series without the label is among those of no value: taken out are the values that fail.
                let matches_empty = m.matches_empty();
                let lists = values.into_iter().flatten().filter(|(v, _)| m.matches(v) != matches_empty);
                let ids = union(lists.map(|(_, ids)| ids.as_slice()));
                match (selected, matches_empty) {
                    (None, false) => ids,
                    (Some(selected), false) => intersect(&selected, &ids),
                    (selected, true) => {
                        let mut left = selected.unwrap_or_else(|| self.all.clone());
                        subtract(&mut left, &ids);
                        left
                    }
                }
            }
        }
    }

    /// The postings to take (the matcher rejects empty) or to leave out (it accepts empty).
    fn named_postings(&self, m: &Matcher) -> Vec<&[u32]> {
        let Some(values) = self.names.get(m.name.as_str()) else { return Vec::new() };
        match m.op {
            MatchOp::Equal if m.value.is_empty() => values.values().map(Vec::as_slice).collect(),
            MatchOp::NotEqual if m.value.is_empty() => values.values().map(Vec::as_slice).collect(),
            MatchOp::Equal | MatchOp::NotEqual => values.get(m.value.as_str()).map(Vec::as_slice).into_iter().collect(),
            MatchOp::Regex | MatchOp::NotRegex => {
                let literals = m.regex().and_then(|r| r.literals()).unwrap_or(&[]);
                literals.iter().filter_map(|l| values.get(l.as_str())).map(Vec::as_slice).collect()
            }
        }
    }
}

/// Whether the values to take or to leave out are known without trying all of them.
fn names_values(m: &Matcher) -> bool {
    match m.op {
        MatchOp::Equal | MatchOp::NotEqual => true,
        // A pattern of literals one of which is empty takes series without the label as well.
        MatchOp::Regex => m.regex().and_then(|r| r.literals()).is_some_and(|l| l.iter().all(|l| !l.is_empty())),
        MatchOp::NotRegex => m.regex().and_then(|r| r.literals()).is_some_and(|l| l.iter().all(|l| !l.is_empty())),
    }
}

/// Ids ascend, except after a restart.
fn push_sorted(ids: &mut Vec<u32>, id: u32) {
    if ids.last().is_none_or(|last| *last < id) {
        ids.push(id);
    } else if let Err(at) = ids.binary_search(&id) {
        ids.insert(at, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::METRIC_NAME;

    fn index(series: &[Labels]) -> Index {
        let mut index = Index::new(Arc::default());
        for l in series {
            index.insert(None, l.clone()).unwrap();
        }
        index
    }

    #[test]
    fn every_matcher_selects_what_it_matches() {
        let mut all = Vec::new();
        for name in ["up", "down"] {
            for job in ["", "a", "b", "node"] {
                for instance in 0..5 {
                    let instance = format!("i{instance}");
                    all.push(Labels::from_pairs([(METRIC_NAME, name), ("job", job), ("instance", &instance)]));
                }
            }
        }
        let mut index = index(&all);
        index.remove(&[3, 7, 39]);
        let left: Vec<Labels> = (0..40).filter(|i| ![3, 7, 39].contains(i)).map(|i| all[i].clone()).collect();
        let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let values = ["", "a", "node", "a|b", "a|", "|", ".*", ".+", "n.*", "[ab]?", "i[0-2]", "up", "none"];
        let mut matchers = Vec::new();
        for name in [METRIC_NAME, "job", "instance", "absent"] {
            for op in ops {
                matchers.extend(values.iter().map(|v| Matcher::new(op, name, *v).unwrap()));
            }
        }
        for a in &matchers {
            for b in &matchers {
                let want: Vec<&Labels> =
                    left.iter().filter(|l| [a, b].iter().all(|m| m.matches(l.value(&m.name)))).collect();
                let got = index.select(&[a.clone(), b.clone()]);
                let got: Vec<&Labels> = got.iter().map(|id| &index.get(SeriesRef(*id)).unwrap().labels).collect();
                assert_eq!(got, want, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_removed_series_leaves_nothing_behind_and_its_id_is_not_given_out_again() {
        let l = |i: usize| Labels::from_pairs([("i", i.to_string())]);
        let mut index = index(&(0..600).map(l).collect::<Vec<_>>());
        index.remove(&(0..600).collect::<Vec<u32>>());
        assert_eq!(index.names().count(), 0);
        assert!(index.slab.blocks.iter().all(Option::is_none));
        assert!(index.find(l(5).as_bytes()).is_none());
        assert_eq!(index.insert(None, l(5)).unwrap().id, SeriesRef(600));
    }
}
