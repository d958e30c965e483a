//! Series that left the head, found in blocks, and joined with those of the head that have their labels.
//!
//! A series leaves the head when it has had no sample for a while and all of its samples are in blocks. Comes it back, it
//! is another one to the head, with another id; to whoever asks it is one series, by its labels. What has left is known
//! by the blocks alone: each has an index of its labels, read where it lies in the file, so that a series that is gone
//! takes no memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::{Labels, Matcher, SampleBuf, Value};

use super::block::{Block, LabelCursor};
use super::block_format::Entry;
use super::db::Inner;
use super::index::Index;
use super::matching;
use super::query::{Series, SharedSeries, StorageError};
use super::series::MemSeries;
use super::{AppendError, SeriesRef};

/// Series that have left the head which one selection may hold, a few hundred bytes each.
const MAX_LEFT: usize = 1 << 20;

/// Where a block has samples of a series.
#[derive(Clone, Debug)]
struct Part {
    block: Arc<Block>,
    at: u32,
    mint: i64,
}

/// A series of which blocks hold a past that the head knows nothing of.
struct JoinedSeries {
    labels: Labels,
    /// Ascending in time.
    past: Vec<Part>,
    /// What comes after it.
    head: Option<Arc<dyn Series>>,
}

impl JoinedSeries {
    /// The parts that have samples in the interval, ascending.
    fn parts(&self, mint: i64, maxt: i64) -> impl DoubleEndedIterator<Item = (&Block, usize, Entry)> {
        self.past.iter().filter_map(move |p| {
            let entry = p.block.entry(p.at as usize)?;
            entry.is_within(mint, maxt).then_some((&*p.block, p.at as usize, entry))
        })
    }
}

impl Series for JoinedSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let (mut is_mixed, begin) = (false, (out.ts.len(), out.hists.len()));
        let mut part = |out: &mut SampleBuf, read: &mut dyn FnMut(&mut SampleBuf) -> Result<(), StorageError>| {
            let at = (out.ts.len(), out.hists.len());
            read(out)?;
            if start_timestamps {
                out.float_st.resize(out.ts.len(), 0);
                out.hist_st.resize(out.hists.len(), 0);
            }
            is_mixed |= out.goes_back(begin, at);
            out.doubt_hint(at.1);
            Ok::<(), StorageError>(())
        };
        for (block, at, entry) in self.parts(mint, maxt) {
            part(out, &mut |out| {
                block.read_entry(at, &entry, (mint, maxt), start_timestamps, out);
                Ok(())
            })?;
        }
        if let Some(head) = &self.head {
            part(out, &mut |out| head.read(mint, maxt, start_timestamps, out))?;
        }
        // Late samples are in blocks of their own, or in the head.
        if is_mixed {
            out.settle(begin);
        }
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let mut newest = self.head.as_ref().map_or(Ok(None), |head| head.latest(mint, maxt))?;
        for (block, at, entry) in self.parts(mint, maxt).rev() {
            let from = newest.as_ref().map_or(mint, |(t, _)| t.saturating_add(1));
            if from <= maxt.min(entry.maxt) {
                newest = block.latest_of_entry(at, &entry, (from, maxt))?.or(newest);
            }
        }
        Ok(newest)
    }
}

/// What a selection finds at one moment: series of the head, and the blocks in which there are others.
struct Snapshot {
    head: SharedSeries,
    blocks: Vec<Arc<Block>>,
}

impl Snapshot {
    /// Positions in a block of series that matched and are not of the head, with samples in the interval.
    fn left(&self, block: &Block, matchers: &[Matcher], mint: i64, maxt: i64) -> Vec<(u32, i64)> {
        let Some(index) = block.index() else { return Vec::new() };
        let matched = matching::select(&index, matchers).into_iter();
        let found = matched.filter_map(|at| {
            let entry = block.entry(at as usize).filter(|e| e.is_within(mint, maxt))?;
            (!self.head.has(entry.id.0)).then_some((at, entry.mint))
        });
        found.collect()
    }
}

impl Inner {
    /// The blocks with samples in the interval that have series which are not in the head.
    fn blocks_with_left(&self, index: &Index, mint: i64, maxt: i64) -> Vec<Arc<Block>> {
        let blocks = self.blocks.load();
        let within = blocks.iter().filter(|b| b.footer.maxt >= mint && b.footer.mint <= maxt);
        within.filter(|b| b.has_left(|id| index.get(id).is_some())).cloned().collect()
    }

    /// Series leave the head after their last block is in the set: under the index's lock none is in neither.
    fn snapshot(&self, index: &Index, matchers: &[Matcher], mint: i64, maxt: i64) -> Snapshot {
        let head = self.selections.get(index, matchers);
        Snapshot { head, blocks: self.blocks_with_left(index, mint, maxt) }
    }

    /// The series that satisfy every matcher and may have samples in the interval.
    pub(super) fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<SharedSeries, StorageError> {
        let snapshot = self.snapshot(&self.index.read(), matchers, mint, maxt);
        let mut past: HashMap<Labels, Vec<Part>> = HashMap::new();
        for_each_left(&snapshot, matchers, mint, maxt, |block, at, first, labels| {
            past.entry(labels).or_default().push(Part { block: block.clone(), at, mint: first });
        })?;
        if past.is_empty() {
            return Ok(snapshot.head);
        }
        let mut all: Vec<Arc<dyn Series>> = Vec::with_capacity(snapshot.head.len() + past.len());
        for series in snapshot.head.iter() {
            match past.remove(series.labels()) {
                Some(past) => all.push(joined(series.labels().clone(), past, Some(series.clone()))),
                None => all.push(series.clone()),
            }
        }
        all.extend(past.into_iter().map(|(labels, past)| joined(labels, past, None)));
        Ok(Arc::new(all.into_iter().collect()))
    }

    /// Calls `f` with the labels of the series that satisfy every matcher and have samples in the interval; those in the
    /// head are judged by their newest sample alone.
    pub(super) fn for_each_match(
        &self,
        matchers: &[Matcher],
        (mint, maxt): (i64, i64),
        mut f: impl FnMut(&Labels),
    ) -> Result<(), StorageError> {
        let index = self.index.read();
        let snapshot = self.snapshot(&index, matchers, mint, maxt);
        let ids = (0..snapshot.head.len()).filter_map(|i| snapshot.head.id(i));
        let head = ids.filter_map(|id| index.get(SeriesRef(id)));
        // One without a newest may have late samples alone; most never had one.
        let is_late = |s: &MemSeries| {
            s.newest() == i64::MIN && s.with(|state| !state.late().is_empty() || state.flushed_until > i64::MIN)
        };
        head.filter(|s| s.newest() >= mint || is_late(s)).for_each(|s| f(&s.labels));
        drop(index);
        for_each_left(&snapshot, matchers, mint, maxt, |_, _, _, labels| f(&labels))
    }

    /// Label names, or the values of one label, of all series with samples in the interval that left the head, and of
    /// others beside them.
    pub(super) fn add_left(&self, name: Option<&str>, (mint, maxt): (i64, i64), out: &mut BTreeSet<String>) {
        let blocks = self.blocks_with_left(&self.index.read(), mint, maxt);
        for index in blocks.iter().filter_map(|b| b.index()) {
            let mut add = |text: &str| {
                if !out.contains(text) {
                    out.insert(text.to_owned());
                }
            };
            match name {
                Some(name) => index.label_values(name).for_each(&mut add),
                None => index.label_names().for_each(&mut add),
            }
        }
    }

    /// The newest sample that blocks hold of a series which has none in the head, when it is not before `t`.
    fn past_from(&self, labels: &Labels, t: i64) -> Option<(i64, Arc<Block>, u32)> {
        let blocks = self.blocks.load();
        let mut newest: Option<(i64, Arc<Block>, u32)> = None;
        for block in blocks.iter().filter(|b| b.footer.maxt >= t) {
            let Some(index) = block.index() else { continue };
            let mut cursor = LabelCursor::new(block);
            for at in index.with_labels(labels) {
                let Some(entry) = block.entry(at as usize) else { continue };
                let newer = entry.maxt >= t && newest.as_ref().is_none_or(|(t, ..)| *t < entry.maxt);
                if newer && cursor.get(at as usize).as_ref() == Some(labels) {
                    newest = Some((entry.maxt, block.clone(), at));
                }
            }
        }
        newest
    }

    /// Time of the newest sample of a series, where one that is in blocks alone is not before `t`.
    pub(super) fn newest_from(&self, series: &MemSeries, t: i64) -> i64 {
        match series.newest() {
            i64::MIN => self.past_from(&series.labels, t).map_or(i64::MIN, |(newest, ..)| newest),
            newest => newest,
        }
    }

    /// Judges the first sample of a series in the head by what blocks hold of its labels.
    pub(super) fn admits_first(&self, labels: &Labels, t: i64, value: &Value) -> Result<bool, AppendError> {
        let Some((newest, block, at)) = self.past_from(labels, t) else { return Ok(true) };
        if newest > t {
            return Err(AppendError::OutOfOrder);
        }
        let at = at as usize;
        let there = block.entry(at).and_then(|e| block.latest_of_entry(at, &e, (t, t)).ok().flatten());
        if there.is_some_and(|(_, there)| there.is_identical(value)) { Ok(false) } else { Err(AppendError::Duplicate) }
    }
}

fn joined(labels: Labels, mut past: Vec<Part>, head: Option<Arc<dyn Series>>) -> Arc<dyn Series> {
    past.sort_by_key(|p| p.mint);
    Arc::new(JoinedSeries { labels, past, head })
}

/// Calls `f` with every series of a snapshot's blocks that matches and left the head: where it is, the time of its first
/// sample there, its labels. Those whose labels are damaged are left out, which is noted.
fn for_each_left(
    snapshot: &Snapshot,
    matchers: &[Matcher],
    mint: i64,
    maxt: i64,
    mut f: impl FnMut(&Arc<Block>, u32, i64, Labels),
) -> Result<(), StorageError> {
    let mut count = 0;
    for block in &snapshot.blocks {
        let left = snapshot.left(block, matchers, mint, maxt);
        count += left.len();
        if count > MAX_LEFT {
            return Err(StorageError::TooMany(MAX_LEFT));
        }
        let mut labels = LabelCursor::new(block);
        for (at, first) in left {
            if let Some(labels) = labels.get(at as usize) {
                f(block, at, first, labels);
            }
        }
    }
    Ok(())
}
