//! What a receiver remembers of the series senders write: from the bytes of their labels, as encoded, to the series.
//!
//! Senders repeat their series in the same order, so the series that followed last time is tried first: then a sample
//! costs one comparison of adjacent memory, without hashing, and without reading a label.

use std::collections::HashMap;
use std::hash::Hasher;

use rustc_hash::{FxBuildHasher, FxHasher};

use crate::tsdb::SeriesRef;

/// Bytes of labels that are remembered. When they are used up everything is forgotten and learnt anew.
const CAPACITY: usize = 64 << 20;

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    len: u32,
    series: SeriesRef,
    /// The entry that followed last time.
    next: u32,
}

/// The memory of one receiver. Its references belong to one database.
#[derive(Debug, Default)]
pub(super) struct SeriesMemo {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// By a hash of the bytes. Of two series with one hash, the later one is remembered.
    index: HashMap<u64, u32, FxBuildHasher>,
    last: Option<u32>,
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    hasher.finish()
}

impl SeriesMemo {
    #[inline]
    fn entry(&self, id: u32, key: &[u8]) -> Option<Entry> {
        let entry = *self.entries.get(id as usize)?;
        let start = entry.start as usize;
        (entry.len as usize == key.len() && self.bytes.get(start..start + key.len()) == Some(key)).then_some(entry)
    }

    /// The series that was learnt for these bytes.
    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Option<SeriesRef> {
        let likely = self.last.and_then(|last| self.entries.get(last as usize)).map_or(0, |last| last.next);
        let (id, entry) = match self.entry(likely, key) {
            Some(entry) => (likely, entry),
            None => {
                let id = *self.index.get(&hash(key))?;
                (id, self.entry(id, key)?)
            }
        };
        self.follow(id);
        Some(entry.series)
    }

    fn follow(&mut self, id: u32) {
        if let Some(last) = self.last.and_then(|last| self.entries.get_mut(last as usize)) {
            last.next = id;
        }
        self.last = Some(id);
    }

    /// Remembers the series of these bytes, also in place of another that was remembered for them.
    pub fn learn(&mut self, key: &[u8], series: SeriesRef) {
        let known =
            self.last.into_iter().chain(self.index.get(&hash(key)).copied()).find(|id| self.entry(*id, key).is_some());
        if let Some(entry) = known.and_then(|id| self.entries.get_mut(id as usize)) {
            entry.series = series;
            return;
        }
        if self.bytes.len() + key.len() > CAPACITY {
            *self = SeriesMemo::default();
        }
        let (Ok(start), Ok(len), Ok(id)) =
            (u32::try_from(self.bytes.len()), u32::try_from(key.len()), u32::try_from(self.entries.len()))
        else {
            return;
        };
        if key.len() > CAPACITY {
            return;
        }
        self.bytes.extend_from_slice(key);
        self.entries.push(Entry { start, len, series, next: id + 1 });
        self.index.insert(hash(key), id);
        self.follow(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::tsdb::Tsdb;

    #[test]
    fn series_are_found_in_any_order_by_their_bytes_only() {
        let tsdb = Tsdb::in_memory();
        let keys: Vec<String> = (0..50).map(|i| format!("series {i}")).collect();
        let refs: Vec<SeriesRef> =
            keys.iter().map(|k| tsdb.series_ref(&Labels::from_pairs([("__name__", k.as_str())])).unwrap()).collect();
        let mut memo = SeriesMemo::default();
        for (key, series) in keys.iter().zip(&refs) {
            assert_eq!(memo.find(key.as_bytes()), None);
            memo.learn(key.as_bytes(), *series);
        }
        for stride in [1, 1, 7, 49, 3] {
            for i in 0..50 {
                let i = i * stride % 50;
                assert_eq!(memo.find(keys[i].as_bytes()), Some(refs[i]), "stride {stride}");
            }
            assert_eq!(memo.find(b"series"), None);
        }
        // A series that was made anew replaces the one before.
        memo.learn(keys[3].as_bytes(), refs[4]);
        memo.find(keys[10].as_bytes());
        memo.find(keys[20].as_bytes());
        assert_eq!(memo.find(keys[3].as_bytes()), Some(refs[4]));
    }
}
