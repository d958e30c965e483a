//! The head's inverted index: label sets to series, label pairs to postings.
//!
//! Ids ascend and are never given out twice, so postings grow at their end only, what was selected before can be
//! brought up to date by looking at newer ids alone, and a reference kept by a writer never names another series. Inside,
//! a series has a number: how far its id is from `base`. Numbers fit into 32 bits though ids do not; where the oldest
//! series have gone, the base follows.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxHashMap;
use twox_hash::XxHash64;

use crate::model::{Labels, Matcher};

use super::SeriesRef;
use super::block::BlockSet;
use super::matching::{self, Postings};
use super::postings::subtract;
use super::series::MemSeries;

/// The postings of one label's values.
type Values = FxHashMap<Box<str>, Vec<u32>>;

/// Series by number, in pages on shelves; both go when all of their series have gone, and a few old series among many
/// gone ones keep little.
#[derive(Debug, Default)]
struct Slab {
    shelves: Vec<Option<Box<Shelf>>>,
}

const PAGE: usize = 256;
const SHELF: usize = 1024;
/// Series on a shelf.
const SHELF_SERIES: u64 = (PAGE * SHELF) as u64;

#[derive(Debug)]
struct Shelf {
    used: usize,
    pages: [Option<Box<Page>>; SHELF],
}

#[derive(Debug)]
struct Page {
    used: usize,
    slots: [Option<Arc<MemSeries>>; PAGE],
}

impl Slab {
    #[inline]
    fn get(&self, number: u32) -> Option<&Arc<MemSeries>> {
        let (page, slot) = (number as usize / PAGE, number as usize % PAGE);
        let shelf = self.shelves.get(page / SHELF)?.as_ref()?;
        shelf.pages.get(page % SHELF)?.as_ref()?.slots.get(slot)?.as_ref()
    }

    fn insert(&mut self, number: u32, series: Arc<MemSeries>) {
        let (page, slot) = (number as usize / PAGE, number as usize % PAGE);
        let at = page / SHELF;
        if self.shelves.len() <= at {
            self.shelves.resize_with(at + 1, || None);
        }
        let Some(shelf) = self.shelves.get_mut(at) else { return };
        let shelf = shelf.get_or_insert_with(|| Box::new(Shelf { used: 0, pages: [const { None }; SHELF] }));
        let Some(place) = shelf.pages.get_mut(page % SHELF) else { return };
        shelf.used += usize::from(place.is_none());
        let page = place.get_or_insert_with(|| Box::new(Page { used: 0, slots: [const { None }; PAGE] }));
        if let Some(slot) = page.slots.get_mut(slot) {
            page.used += usize::from(slot.is_none());
            *slot = Some(series);
        }
    }

    fn remove(&mut self, number: u32) -> Option<Arc<MemSeries>> {
        let (page, slot) = (number as usize / PAGE, number as usize % PAGE);
        let at = self.shelves.get_mut(page / SHELF)?;
        let shelf = at.as_mut()?;
        let place = shelf.pages.get_mut(page % SHELF)?;
        let page = place.as_mut()?;
        let series = page.slots.get_mut(slot)?.take()?;
        page.used -= 1;
        if page.used == 0 {
            *place = None;
            shelf.used -= 1;
        }
        if shelf.used == 0 {
            *at = None;
        }
        Some(series)
    }

    /// Shelves at the beginning that are gone.
    fn gone(&self) -> usize {
        self.shelves.iter().take_while(|s| s.is_none()).count()
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
    base: u64,
    next_id: u64,
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
            base: 0,
            next_id: 0,
            removals: 0,
        }
    }

    /// The number of a series.
    #[inline]
    fn number(&self, id: SeriesRef) -> Option<u32> {
        u32::try_from(id.0.wrapping_sub(self.base)).ok()
    }

    fn hash(&self, labels: &[u8]) -> u64 {
        XxHash64::oneshot(self.seed, labels)
    }

    /// The series with this id.
    #[inline]
    pub(super) fn get(&self, id: SeriesRef) -> Option<&Arc<MemSeries>> {
        self.slab.get(self.number(id)?)
    }

    /// The series with these labels, in the packed form.
    #[inline]
    pub(super) fn find(&self, labels: &[u8]) -> Option<&Arc<MemSeries>> {
        let hash = self.hash(labels);
        let number = self
            .by_labels
            .find(hash, |n| self.slab.get(*n).is_some_and(|s| s.hash == hash && s.labels.as_bytes() == labels))?;
        self.slab.get(*number)
    }

    /// Adds a series under the next id, or under the id it had before a restart. The labels are not in the index yet.
    /// `None` when there is no number for it: four billion ids lie between it and the oldest series, or the newest.
    pub(super) fn insert(&mut self, id: Option<SeriesRef>, labels: Labels) -> Option<Arc<MemSeries>> {
        let hash = self.hash(labels.as_bytes());
        let id = id.unwrap_or(SeriesRef(self.next_id));
        let next = id.0.checked_add(1)?;
        if self.all.is_empty() || id.0 < self.base {
            self.count_from(id.0 - id.0 % SHELF_SERIES)?;
        }
        let number = self.number(id)?;
        let series = Arc::new(MemSeries::new(id, labels, hash, self.blocks.clone()));
        for (name, value) in series.labels.iter() {
            if !self.names.contains_key(name) {
                self.names.insert(name.into(), Values::default());
            }
            let Some(values) = self.names.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(numbers) => push_sorted(numbers, number),
                None => _ = values.insert(value.into(), vec![number]),
            }
        }
        push_sorted(&mut self.all, number);
        self.slab.insert(number, series.clone());
        let slab = &self.slab;
        self.by_labels.insert_unique(hash, number, |n| slab.get(*n).map_or(0, |s| s.hash));
        if id.0 < self.next_id {
            // An old id came back: what was selected before is not brought up to date by newer ids.
            self.removals += 1;
        }
        self.next_id = self.next_id.max(next);
        Some(series)
    }

    /// Lets numbers count from `base`, a multiple of what a shelf holds. `None` when that leaves no number for some series.
    fn count_from(&mut self, base: u64) -> Option<()> {
        let (up, shift) = (base > self.base, base.abs_diff(self.base));
        if shift == 0 {
            return Some(());
        }
        if self.all.is_empty() {
            self.slab.shelves.clear();
        } else {
            let (first, last) = (*self.all.first()?, *self.all.last()?);
            let shift = u32::try_from(shift).ok()?;
            let moved = |n: u32| if up { n.checked_sub(shift) } else { n.checked_add(shift) };
            moved(first).zip(moved(last))?;
            let move_all = |numbers: &mut Vec<u32>| numbers.iter_mut().for_each(|n| *n = moved(*n).unwrap_or(*n));
            move_all(&mut self.all);
            self.names.values_mut().flat_map(|values| values.values_mut()).for_each(move_all);
            self.by_labels.iter_mut().for_each(|n| *n = moved(*n).unwrap_or(*n));
            let shelves = usize::try_from(u64::from(shift) / SHELF_SERIES).ok()?;
            if up {
                self.slab.shelves.drain(..shelves.min(self.slab.shelves.len()));
            } else {
                self.slab.shelves.splice(..0, (0..shelves).map(|_| None));
            }
        }
        self.base = base;
        self.removals += 1;
        Some(())
    }

    /// Keeps ids at and after `id` for new series.
    pub(super) fn reserve_ids(&mut self, id: u64) {
        self.next_id = self.next_id.max(id);
    }

    /// Removes series; `ids` ascend.
    pub(super) fn remove(&mut self, ids: &[SeriesRef]) {
        let numbers: Vec<u32> = ids.iter().filter_map(|id| self.number(*id)).collect();
        let mut touched: FxHashMap<Box<str>, FxHashMap<Box<str>, ()>> = FxHashMap::default();
        for &number in &numbers {
            let Some(series) = self.slab.remove(number) else { continue };
            if let Ok(entry) = self.by_labels.find_entry(series.hash, |other| *other == number) {
                entry.remove();
            }
            for (name, value) in series.labels.iter() {
                if !touched.contains_key(name) {
                    touched.insert(name.into(), FxHashMap::default());
                }
                if let Some(values) = touched.get_mut(name)
                    && !values.contains_key(value)
                {
                    values.insert(value.into(), ());
                }
            }
        }
        for (name, values) in touched {
            let Some(postings) = self.names.get_mut(&name) else { continue };
            for value in values.into_keys() {
                let Some(list) = postings.get_mut(&value) else { continue };
                subtract(list, &numbers);
                if list.is_empty() {
                    postings.remove(&value);
                } else if list.capacity() > 2 * list.len() + 16 {
                    list.shrink_to_fit();
                }
            }
            if postings.is_empty() {
                self.names.remove(&name);
            } else if postings.capacity() > 4 * postings.len() + 64 {
                postings.shrink_to_fit();
            }
        }
        subtract(&mut self.all, &numbers);
        self.removals += 1;
        let gone = self.slab.gone() as u64;
        if gone > 0 && !self.all.is_empty() {
            // It fits: every number gets smaller.
            let _ = self.count_from(self.base + gone * SHELF_SERIES);
        }
    }

    /// The number of series.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// All series, by ascending id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<MemSeries>> {
        self.all.iter().filter_map(|id| self.slab.get(*id))
    }

    /// No series has an id before this.
    pub(super) fn first_id(&self) -> u64 {
        if self.all.is_empty() { self.next_id } else { self.base }
    }

    /// The id the next new series gets.
    pub(super) fn next_id(&self) -> u64 {
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

    /// The series that satisfy every matcher, by ascending id.
    pub(super) fn select(&self, matchers: &[Matcher]) -> impl Iterator<Item = &Arc<MemSeries>> {
        matching::select(self, matchers).into_iter().filter_map(|n| self.slab.get(n))
    }
}

impl Postings for Index {
    fn all(&self) -> Vec<u32> {
        self.all.clone()
    }

    fn of(&self, name: &str, value: &str) -> Option<Cow<'_, [u32]>> {
        self.names.get(name)?.get(value).map(|list| Cow::Borrowed(list.as_slice()))
    }

    fn of_values(&self, name: &str, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<Cow<'_, [u32]>> {
        let values = self.names.get(name).into_iter().flatten();
        values.filter(|(v, _)| wanted(v)).map(|(_, list)| Cow::Borrowed(list.as_slice())).collect()
    }

    fn narrow(&self, m: &Matcher, selected: &mut Vec<u32>) -> bool {
        let cheaper = selected.len() <= self.names.get(m.name.as_str()).map_or(0, Values::len);
        if cheaper {
            selected.retain(|n| self.slab.get(*n).is_some_and(|s| m.matches(s.labels.value(&m.name))));
        }
        cheaper
    }
}

/// Numbers ascend, except after a restart.
fn push_sorted(numbers: &mut Vec<u32>, number: u32) {
    if numbers.last().is_none_or(|last| *last < number) {
        numbers.push(number);
    } else if let Err(at) = numbers.binary_search(&number) {
        numbers.insert(at, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{METRIC_NAME, MatchOp};

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
        index.remove(&[3, 7, 39].map(SeriesRef));
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
                let matchers = [a.clone(), b.clone()];
                let got: Vec<&Labels> = index.select(&matchers).map(|s| &s.labels).collect();
                assert_eq!(got, want, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_removed_series_leaves_nothing_behind_and_its_id_is_not_given_out_again() {
        let l = |i: usize| Labels::from_pairs([("i", i.to_string())]);
        let mut index = index(&(0..600).map(l).collect::<Vec<_>>());
        index.remove(&(0..600).map(SeriesRef).collect::<Vec<_>>());
        assert_eq!(index.names().count(), 0);
        assert!(index.slab.shelves.iter().all(Option::is_none));
        assert!(index.find(l(5).as_bytes()).is_none());
        assert_eq!(index.insert(None, l(5)).unwrap().id, SeriesRef(600));
    }

    #[test]
    fn numbers_follow_ids_beyond_32_bits() {
        let l = |i: u64| Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]);
        let mut index = Index::new(Arc::default());
        let far = (1 << 40) + 5;
        // An old series, and one that far away: there is no number for both.
        index.insert(Some(SeriesRef(3)), l(3)).unwrap();
        assert!(index.insert(Some(SeriesRef(far)), l(far)).is_none());
        index.remove(&[SeriesRef(3)]);
        index.insert(Some(SeriesRef(far)), l(far)).unwrap();
        // What comes back from before the base, as after damage, moves it back.
        let before = far - 3 * SHELF_SERIES;
        index.insert(Some(SeriesRef(before)), l(before)).unwrap();
        for i in 1..=3 {
            index.insert(None, l(far + i)).unwrap();
        }
        let found = |index: &Index| {
            let all: Vec<u64> = index.select(&[Matcher::equal("__name__", "m")]).map(|s| s.id.0).collect();
            assert_eq!(all, index.iter().map(|s| s.id.0).collect::<Vec<_>>());
            assert!(all.iter().all(|id| index.get(SeriesRef(*id)).unwrap().id.0 == *id));
            assert!(all.iter().all(|id| index.find(l(*id).as_bytes()).unwrap().id.0 == *id));
            all
        };
        assert_eq!(found(&index), [before, far, far + 1, far + 2, far + 3]);
        // The base follows where the oldest have gone.
        let base = index.base;
        index.remove(&[SeriesRef(before)]);
        assert!(index.base > base && index.slab.shelves.len() == 1);
        assert_eq!(found(&index), [far, far + 1, far + 2, far + 3]);
        assert!(index.get(SeriesRef(before)).is_none());
    }
}
