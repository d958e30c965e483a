//! A table that readers see, of what is kept elsewhere: rows are made again for what changed since somebody looked last.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::pages::{Pages, Places};

/// Rows by keys. Nothing is noted until somebody looks for the first time: a replay that nobody looks at keeps no list.
#[derive(Debug)]
pub struct Watched<K, T> {
    rows: Pages<T>,
    places: FxHashMap<K, usize>,
    free: Places,
    changed: FxHashSet<K>,
    /// What was kept elsewhere changed altogether, or was never looked at.
    anew: bool,
}

impl<K, T> Default for Watched<K, T> {
    fn default() -> Self {
        Watched {
            rows: Pages::default(),
            places: FxHashMap::default(),
            free: Places::default(),
            changed: FxHashSet::default(),
            anew: true,
        }
    }
}

impl<K: Clone + Eq + Hash, T> Watched<K, T> {
    /// The row of a key is to be made again.
    pub fn touch(&mut self, key: &K) {
        if !self.anew {
            self.changed.insert(key.clone());
        }
    }

    /// All rows are to be made again.
    pub fn touch_all(&mut self) {
        self.anew = true;
        self.changed = FxHashSet::default();
    }

    /// The rows, made again where that is needed: of `all` keys there are, by `row`, which gives nothing for a key that is
    /// no more.
    pub fn look(&mut self, all: impl FnOnce() -> Vec<K>, row: impl Fn(&K) -> Option<T>) -> &Pages<T> {
        if self.anew {
            *self = Watched { anew: false, changed: all().into_iter().collect(), ..Watched::default() };
        }
        for key in std::mem::take(&mut self.changed) {
            match (row(&key), self.places.get(&key).copied()) {
                (Some(row), Some(place)) => self.rows.set(place, Some(Arc::new(row))),
                (Some(row), None) => {
                    let place = self.free.take();
                    self.rows.set(place, Some(Arc::new(row)));
                    self.places.insert(key, place);
                }
                (None, Some(place)) => {
                    self.rows.set(place, None);
                    self.free.give_back(place);
                    self.places.remove(&key);
                }
                (None, None) => {}
            }
        }
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn rows_are_made_again_for_what_changed() {
        let mut kept = BTreeMap::from([(1, 10), (2, 20)]);
        let mut watched = Watched::default();
        watched.touch(&9);
        assert!(watched.changed.is_empty(), "nobody has looked");
        let look = |watched: &mut Watched<i32, i32>, kept: &BTreeMap<i32, i32>| {
            let rows = watched.look(|| kept.keys().copied().collect(), |key| kept.get(key).copied());
            let mut rows: Vec<i32> = rows.iter().map(|row| **row).collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(look(&mut watched, &kept), [10, 20]);
        kept.insert(1, 11);
        kept.remove(&2);
        kept.insert(3, 30);
        assert_eq!(look(&mut watched, &kept), [10, 20], "nothing was said");
        [1, 2, 3].iter().for_each(|key| watched.touch(key));
        assert_eq!(look(&mut watched, &kept), [11, 30]);
        kept = BTreeMap::from([(7, 70)]);
        watched.touch_all();
        assert_eq!(look(&mut watched, &kept), [70]);
    }
}
