//! Prometheus' data directory, and Thanos' downloaded blocks, read without writing: what the rules read, into a database in
//! memory.
//!
//! - `block`, `index`, `chunk`: blocks (index of version 2; floats, histograms, float histograms; tombstones).
//! - `head`, `wal`: what is not in a block yet (chunks of the head, checkpoint and log, compressed with snappy or not).
//! - `bytes`, `bits`: numbers in them. `series`: what was found.
//!
//! Files may be damaged: what cannot be read is counted and passed over, and no length in a file is believed beyond the
//! file's end. Blocks are read one after the other, so that memory holds raw samples of one at a time.

mod bits;
mod block;
mod bytes;
mod chunk;
mod head;
mod index;
mod series;
mod wal;

use std::path::Path;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::model::Labels;
use crate::tsdb::{Tsdb, TsdbOptions};

use super::intake::{Wanted, take_in, wanted};
use super::window::Window;
use block::Block;
use series::Found;

/// What was read.
pub struct Loaded {
    /// The samples.
    pub storage: Tsdb,
    /// How many there are.
    pub samples: u64,
    /// What is played where nothing else is said: all that the directory has.
    pub window: Window,
    /// Series, chunks and records that could not be read.
    pub damaged: u64,
    /// Samples that were read and not taken, because another one of their time was there.
    pub refused: u64,
    /// Rules that may read more than was read, by name.
    pub uncertain: Vec<Arc<str>>,
}

/// Reads what the rules read between two times, where they are known.
///
/// # Errors
/// It is no data directory, files cannot be read, or there is nothing in them.
pub fn read(dir: &Path, from: Option<i64>, to: Option<i64>, groups: &[Arc<GroupSpec>]) -> Result<Loaded, String> {
    let mut blocks = blocks(dir)?;
    let has_head = dir.join("wal").is_dir();
    if blocks.is_empty() && !has_head {
        let expected = "expected Prometheus' data directory, with blocks or a wal, found neither";
        return Err(format!("{}: {expected}", dir.display()));
    }
    blocks.sort_by_key(|b| (b.mint, b.maxt));
    let begin = from.or_else(|| blocks.first().map(|b| b.mint)).unwrap_or(i64::MIN / 4);
    let (wanted, uncertain) = wanted(groups, Window { from: begin, to: to.unwrap_or(i64::MAX) });
    let storage = Tsdb::in_memory_with(TsdbOptions { retention_ms: i64::MAX });
    // What came late is in the head when what came after it is in blocks.
    storage.set_out_of_order_window(i64::MAX);
    let is_wanted = |labels: &Labels| wanted.iter().any(|w| w.takes(labels));
    let first = wanted.iter().map(|w: &Wanted| w.from).min().unwrap_or(begin);
    let mut reading = Reading {
        storage,
        samples: 0,
        damaged: 0,
        refused: 0,
        span: None,
        from: first,
        to: to.unwrap_or(i64::MAX),
        wanted: &is_wanted,
    };
    for overlapping in clusters(&blocks) {
        reading.store(|from, to, found| overlapping.iter().try_for_each(|block| block.read(from, to, found)))?;
    }
    if has_head {
        // What came in order before the end of the last block is in blocks, as far as it is not deleted.
        let in_order = blocks.iter().filter(|b| !b.from_late);
        let valid_from = in_order.map(|b| b.maxt).max().unwrap_or(i64::MIN);
        reading.store(|from, to, found| head::read(dir, valid_from, (from, to), found))?;
    }
    let (oldest, newest) =
        reading.span.ok_or_else(|| format!("{}: holds no sample that the rules read", dir.display()))?;
    let window = Window { from: from.unwrap_or(oldest), to: to.unwrap_or(newest) };
    let Reading { storage, samples, damaged, refused, .. } = reading;
    Ok(Loaded { storage, samples, window, damaged, refused, uncertain })
}

fn blocks(dir: &Path) -> Result<Vec<Block>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    let mut blocks = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // What is being made or deleted has an extension.
        if path.is_dir() && path.extension().is_none() {
            blocks.extend(Block::find(&path)?);
        }
    }
    Ok(blocks)
}

/// Blocks in groups that have no time in common, each in the order of time.
fn clusters(blocks: &[Block]) -> Vec<&[Block]> {
    let mut end = i64::MIN;
    let splits = |block: &Block| {
        let apart = block.mint >= end;
        end = end.max(block.maxt);
        apart
    };
    let mut starts: Vec<usize> = blocks.iter().map(splits).enumerate().filter(|(_, s)| *s).map(|(i, _)| i).collect();
    starts.push(blocks.len());
    starts.windows(2).filter_map(|w| blocks.get(*w.first()?..*w.last()?)).collect()
}

struct Reading<'a> {
    storage: Tsdb,
    samples: u64,
    damaged: u64,
    refused: u64,
    span: Option<(i64, i64)>,
    from: i64,
    to: i64,
    wanted: &'a dyn Fn(&Labels) -> bool,
}

impl Reading<'_> {
    /// Stores what `read` finds.
    fn store(&mut self, read: impl FnOnce(i64, i64, &mut Found<'_>) -> Result<(), String>) -> Result<(), String> {
        let mut found = Found::new(self.wanted);
        read(self.from, self.to, &mut found)?;
        self.damaged += found.damaged;
        for (labels, mut samples) in found.series {
            // Blocks that overlap hold the same samples, or others between them.
            samples.settle((0, 0));
            let taken = take_in(&self.storage, &labels, &samples)?;
            (self.samples, self.refused) = (self.samples + taken.stored, self.refused + taken.refused);
            let times = || samples.ts.first().into_iter().chain(samples.ts.last());
            let histograms = || samples.hists.first().into_iter().chain(samples.hists.last()).map(|(t, _)| t);
            for t in times().chain(histograms()) {
                let (from, to) = self.span.unwrap_or((*t, *t));
                self.span = Some((from.min(*t), to.max(*t)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
