//! The index of a block's labels: label pairs to the positions of series in its table. It is read where it lies, so that
//! what nobody asks for takes no memory.
//!
//! ```text
//! head      names u32, values u32, postings u32, strings u32 (where these two begin)
//! names     (string u32, first value u32)*, by name, and a last one that ends the values
//! values    (string u32, postings u32)*, by value within each name
//! postings  (varint count, varint first position, varint difference*)*
//! strings   (varint size, bytes)*
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use twox_hash::XxHash64;

use crate::model::Labels;

use super::bits::{Reader, put_uvarint};
use super::matching::Postings;

const HEAD: usize = 16;
const PAIR: usize = 8;

/// An index, as its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelIndex<'a> {
    bytes: &'a [u8],
    names: usize,
    values: usize,
    postings: usize,
    strings: usize,
    series: u32,
}

impl<'a> LabelIndex<'a> {
    /// The index of a block of so many series.
    pub(super) fn parse(bytes: &'a [u8], series: u32) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let mut next = || usize::try_from(r.u32()?).ok();
        let (names, values, postings, strings) = (next()?, next()?, next()?, next()?);
        let pairs = names.checked_add(1)?.checked_add(values)?.checked_mul(PAIR)?;
        if HEAD + pairs != postings || postings > strings || strings > bytes.len() {
            return None;
        }
        Some(LabelIndex { bytes, names, values, postings, strings, series })
    }

    fn pair(&self, at: usize) -> Option<(usize, usize)> {
        let mut r = Reader::new(self.bytes.get(at..at.checked_add(PAIR)?)?);
        Some((r.u32()? as usize, r.u32()? as usize))
    }

    fn name(&self, i: usize) -> Option<(usize, usize)> {
        self.pair(HEAD + i * PAIR)
    }

    fn value(&self, i: usize) -> Option<(usize, usize)> {
        self.pair(HEAD + (self.names + 1 + i) * PAIR)
    }

    fn string(&self, at: usize) -> Option<&'a str> {
        let mut r = Reader::new(self.bytes.get(self.strings.checked_add(at)?..)?);
        let size = r.size()?;
        std::str::from_utf8(r.take(size)?).ok()
    }

    fn list(&self, at: usize) -> Option<Vec<u32>> {
        let mut r = Reader::new(self.bytes.get(self.postings.checked_add(at)?..self.strings)?);
        let count = r.size().filter(|n| *n <= self.series as usize)?;
        let (mut out, mut last) = (Vec::with_capacity(count), 0u32);
        for _ in 0..count {
            last = last.checked_add(u32::try_from(r.uvarint()?).ok()?)?;
            out.push(last);
        }
        Some(out)
    }

    /// Which of `0..len` is this, by the strings at their places, ascending.
    fn search(&self, len: usize, at: impl Fn(usize) -> Option<usize>, wanted: &str) -> Option<usize> {
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.string(at(middle)?)?.cmp(wanted) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The values of a label, as a range of all values.
    fn range(&self, name: &str) -> std::ops::Range<usize> {
        let found = self.search(self.names, |i| Some(self.name(i)?.0), name);
        let range = found.and_then(|i| Some(self.name(i)?.1..self.name(i + 1)?.1.min(self.values)));
        range.unwrap_or(0..0)
    }

    /// Label names.
    pub(super) fn label_names(&self) -> impl Iterator<Item = &'a str> {
        let index = *self;
        (0..self.names).filter_map(move |i| index.string(index.name(i)?.0))
    }

    /// Values of a label.
    pub(super) fn label_values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let index = *self;
        self.range(name).filter_map(move |i| index.string(index.value(i)?.0))
    }

    /// Positions of the series that have all of these labels, and perhaps others.
    pub(super) fn with_labels(&self, labels: &Labels) -> Vec<u32> {
        let mut lists = Vec::with_capacity(labels.len());
        for (name, value) in labels {
            match self.of(name, value) {
                Some(list) => lists.push(list),
                None => return Vec::new(),
            }
        }
        lists.sort_by_key(|l| l.len());
        let mut lists = lists.into_iter();
        let first = lists.next().map_or_else(|| self.all(), Cow::into_owned);
        lists.fold(first, |left, list| super::postings::intersect(&left, &list))
    }
}

impl Postings for LabelIndex<'_> {
    fn all(&self) -> Vec<u32> {
        (0..self.series).collect()
    }

    fn of(&self, name: &str, value: &str) -> Option<Cow<'_, [u32]>> {
        let range = self.range(name);
        let found = self.search(range.len(), |i| Some(self.value(range.start + i)?.0), value)?;
        self.list(self.value(range.start + found)?.1).map(Cow::Owned)
    }

    fn of_values(&self, name: &str, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<Cow<'_, [u32]>> {
        let list = |i| {
            let (string, postings) = self.value(i)?;
            if wanted(self.string(string)?) { self.list(postings).map(Cow::Owned) } else { None }
        };
        self.range(name).filter_map(list).collect()
    }
}

/// A value, while an index is built.
#[derive(Debug)]
struct BuiltValue {
    name: u32,
    /// Where it is in the arena.
    at: u32,
    len: u32,
    /// Series that have it.
    count: u32,
}

/// Builds an index, series by series.
#[derive(Debug)]
pub(super) struct LabelIndexBuilder {
    seed: u64,
    names: HashMap<Box<str>, u32>,
    values: Vec<BuiltValue>,
    by_value: HashTable<u32>,
    arena: Vec<u8>,
    /// The values of each series, one behind the other, and where those of each series end.
    pairs: Vec<u32>,
    ends: Vec<u32>,
}

impl Default for LabelIndexBuilder {
    fn default() -> Self {
        LabelIndexBuilder {
            // So that nobody outside can prepare labels that collide.
            seed: RandomState::new().hash_one(0u8),
            names: HashMap::new(),
            values: Vec::new(),
            by_value: HashTable::new(),
            arena: Vec::new(),
            pairs: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl LabelIndexBuilder {
    /// Adds the next series of the table. `None` when the index would be larger than its offsets can say.
    pub(super) fn add(&mut self, labels: &Labels) -> Option<()> {
        for (name, value) in labels {
            let name = self.name(name)?;
            let value = self.value(name, value)?;
            self.pairs.push(value);
            self.values.get_mut(value as usize)?.count += 1;
        }
        self.ends.push(u32::try_from(self.pairs.len()).ok()?);
        Some(())
    }

    fn name(&mut self, name: &str) -> Option<u32> {
        if let Some(found) = self.names.get(name) {
            return Some(*found);
        }
        let id = u32::try_from(self.names.len()).ok()?;
        self.names.insert(name.into(), id);
        Some(id)
    }

    fn value(&mut self, name: u32, value: &str) -> Option<u32> {
        let seed = self.seed ^ u64::from(name).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = XxHash64::oneshot(seed, value.as_bytes());
        let (values, arena) = (&self.values, &self.arena);
        let text = |v: &BuiltValue| arena.get(v.at as usize..(v.at + v.len) as usize);
        let same =
            |id: &u32| values.get(*id as usize).is_some_and(|v| v.name == name && text(v) == Some(value.as_bytes()));
        if let Some(found) = self.by_value.find(hash, same) {
            return Some(*found);
        }
        let id = u32::try_from(values.len()).ok()?;
        let seed = self.seed;
        let rehash = |id: &u32| {
            let Some(v) = values.get(*id as usize) else { return 0 };
            let seed = seed ^ u64::from(v.name).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            XxHash64::oneshot(seed, text(v).unwrap_or(&[]))
        };
        self.by_value.insert_unique(hash, id, rehash);
        let (at, len) = (u32::try_from(self.arena.len()).ok()?, u32::try_from(value.len()).ok()?);
        at.checked_add(len)?;
        self.arena.extend_from_slice(value.as_bytes());
        self.values.push(BuiltValue { name, at, len, count: 0 });
        Some(id)
    }

    fn text(&self, v: &BuiltValue) -> &[u8] {
        self.arena.get(v.at as usize..(v.at + v.len) as usize).unwrap_or(&[])
    }

    /// The index's bytes.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        let lists = self.lists();
        let mut names: Vec<(&str, u32)> = self.names.iter().map(|(name, id)| (&**name, *id)).collect();
        names.sort_unstable();
        let mut rank = vec![0u32; names.len()];
        names.iter().zip(0..).for_each(|((_, id), r)| _ = rank.get_mut(*id as usize).map(|slot| *slot = r));
        let mut values: Vec<(u32, &[u8], usize)> = self
            .values
            .iter()
            .enumerate()
            .map(|(i, v)| (rank.get(v.name as usize).copied().unwrap_or(0), self.text(v), i))
            .collect();
        values.sort_unstable();
        let mut out = Sections::default();
        let mut at = 0;
        for (r, (name, _)) in names.iter().enumerate() {
            let string = out.string(name.as_bytes())?;
            out.names.push((string, at as u32));
            at += values.get(at..)?.partition_point(|(rank, ..)| *rank as usize == r);
        }
        out.names.push((0, at as u32));
        for (_, text, i) in values {
            let (string, postings) = (out.string(text)?, out.list(lists.of(i)?)?);
            out.values.push((string, postings));
        }
        out.to_bytes()
    }

    /// The positions of each value's series.
    fn lists(&self) -> Lists {
        let mut ends = Vec::with_capacity(self.values.len());
        let mut sum = 0usize;
        for v in &self.values {
            ends.push(sum);
            sum += v.count as usize;
        }
        let mut positions = vec![0u32; sum];
        let mut from = 0usize;
        for (position, end) in self.ends.iter().enumerate() {
            for value in self.pairs.get(from..*end as usize).unwrap_or(&[]) {
                let Some(slot) = ends.get_mut(*value as usize) else { continue };
                if let Some(p) = positions.get_mut(*slot) {
                    *p = position as u32;
                }
                *slot += 1;
            }
            from = *end as usize;
        }
        Lists { positions, ends }
    }
}

/// The positions of each value's series, one value's behind the other's.
struct Lists {
    positions: Vec<u32>,
    ends: Vec<usize>,
}

impl Lists {
    fn of(&self, value: usize) -> Option<&[u32]> {
        let from = value.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.positions.get(from..*self.ends.get(value)?)
    }
}

/// The sections of an index that is being written.
#[derive(Default)]
struct Sections {
    names: Vec<(u32, u32)>,
    values: Vec<(u32, u32)>,
    postings: Vec<u8>,
    strings: Vec<u8>,
}

impl Sections {
    fn string(&mut self, text: &[u8]) -> Option<u32> {
        let at = u32::try_from(self.strings.len()).ok()?;
        put_uvarint(&mut self.strings, text.len() as u64);
        self.strings.extend_from_slice(text);
        Some(at)
    }

    fn list(&mut self, positions: &[u32]) -> Option<u32> {
        let at = u32::try_from(self.postings.len()).ok()?;
        put_uvarint(&mut self.postings, positions.len() as u64);
        let mut last = 0;
        for p in positions {
            put_uvarint(&mut self.postings, u64::from(p - last));
            last = *p;
        }
        Some(at)
    }

    fn to_bytes(&self) -> Option<Vec<u8>> {
        let pairs = (self.names.len() + self.values.len()) * PAIR;
        let postings = HEAD + pairs;
        let strings = postings + self.postings.len();
        let mut out = Vec::with_capacity(strings + self.strings.len());
        let head = [self.names.len().checked_sub(1)?, self.values.len(), postings, strings];
        for n in head {
            out.extend_from_slice(&u32::try_from(n).ok()?.to_le_bytes());
        }
        for (a, b) in self.names.iter().chain(&self.values) {
            out.extend_from_slice(&a.to_le_bytes());
            out.extend_from_slice(&b.to_le_bytes());
        }
        out.extend_from_slice(&self.postings);
        out.extend_from_slice(&self.strings);
        u32::try_from(out.len()).ok()?;
        Some(out)
    }
}

/// An index of these labels, in the order of the table; the series of which they are not known have none.
pub(super) fn build<'a>(labels: impl Iterator<Item = Option<&'a Labels>>) -> Option<Vec<u8>> {
    let mut builder = LabelIndexBuilder::default();
    let none = Labels::empty();
    for l in labels {
        builder.add(l.unwrap_or(&none))?;
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::super::matching::select;
    use super::*;
    use crate::model::{MatchOp, Matcher};
    use proptest::prelude::*;

    fn labels() -> impl Strategy<Value = Labels> {
        let value = prop::sample::select(vec!["", "a", "b", "ab", "é", "x1", "x2", "x3"]);
        prop::collection::vec(value, 4).prop_map(|v| {
            let names = ["__name__", "job", "i", "zone"];
            Labels::from_pairs(names.into_iter().zip(v))
        })
    }

    proptest! {
        #[test]
        fn an_index_finds_what_matches(all in prop::collection::vec(labels(), 0..40)) {
            let bytes = build(all.iter().map(Some)).unwrap();
            let index = LabelIndex::parse(&bytes, all.len() as u32).unwrap();
            for name in ["__name__", "job", "none"] {
                for (op, value) in [
                    (MatchOp::Equal, "a"), (MatchOp::Equal, ""), (MatchOp::NotEqual, "b"), (MatchOp::NotEqual, ""),
                    (MatchOp::Regex, "a|b"), (MatchOp::Regex, "x.*"), (MatchOp::NotRegex, "x[12]"), (MatchOp::Regex, ".*"),
                ] {
                    let m = Matcher::new(op, name, value).unwrap();
                    let other = Matcher::equal("zone", "ab");
                    for matchers in [vec![m.clone()], vec![m, other]] {
                        let matches = |l: &Labels| matchers.iter().all(|m| m.matches(l.value(&m.name)));
                        let want: Vec<u32> = (0..).zip(&all).filter(|(_, l)| matches(l)).map(|(i, _)| i).collect();
                        prop_assert_eq!(select(&index, &matchers), want, "{:?}", matchers);
                    }
                }
            }
            for (i, l) in (0..).zip(&all) {
                prop_assert!(index.with_labels(l).contains(&i));
                for (name, value) in l {
                    prop_assert!(index.label_names().any(|n| n == name));
                    prop_assert!(index.label_values(name).any(|v| v == value));
                }
            }
        }

        #[test]
        fn a_damaged_index_is_read_without_harm(
            all in prop::collection::vec(labels(), 1..20), at in any::<prop::sample::Index>(), to in any::<u8>(),
        ) {
            let mut bytes = build(all.iter().map(Some)).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Some(index) = LabelIndex::parse(&bytes, all.len() as u32) {
                index.label_names().take(1000).for_each(drop);
                index.label_values("job").take(1000).for_each(drop);
                index.with_labels(&all[0]);
            }
        }
    }
}
