//! Merging blocks: small ones of a window into larger ones, level by level, and the windows of a day into one, so that
//! files stay few however many series come and go.

use std::sync::Arc;

use super::TsdbError;
use super::block::Block;
use super::block_format::BlockName;
use super::block_writer::merge_blocks;
use super::chunk::WINDOW_MS;
use super::db::{Disk, Inner};
use super::housekeeping::Housekeeping;
use super::maintain::{DAY_MS, LATE_MS};

/// Blocks of one level that make one of the next.
const FAN_IN: usize = 8;
/// Blocks are not merged to more series: what a merge holds in memory is some hundred bytes a series. A head of more series
/// makes larger ones anyway.
const MAX_SERIES: u64 = 1 << 19;

impl Inner {
    /// Merges what is to be merged.
    pub(super) fn merge(&self, disk: &Disk, housekeeping: &mut Housekeeping, now: i64) -> Result<(), TsdbError> {
        let blocks = self.blocks.load().to_vec();
        let most = MAX_SERIES.max(2 * self.index.read().len() as u64);
        let mut failed = None;
        for day in blocks.chunk_by(|a, b| day_of(a) == day_of(b)) {
            // The failure of one day is not that of the others.
            for (start, end, group) in groups(day, now, most) {
                let name = BlockName { start, end, number: housekeeping.next_block };
                housekeeping.next_block += 1;
                failed = self.merge_group(disk, name, group).err().or(failed);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn merge_group(&self, disk: &Disk, name: BlockName, group: &[Arc<Block>]) -> Result<(), TsdbError> {
        let labels_of = |id| self.index.read().get(id).map(|s| s.labels.clone());
        let (merged, left_out) = merge_blocks(&disk.files.blocks(), name, group, labels_of)?;
        if left_out > 0 {
            self.counters.damaged_chunks.add(left_out);
            tracing::error!(block = %name, chunks = left_out, "damaged chunks were left out of a merged block");
        }
        let names: Vec<BlockName> = group.iter().map(|b| b.name).collect();
        self.blocks.change(merged.into_iter().collect(), &names);
        self.delete_files(disk, group)
    }
}

fn day_of(block: &Arc<Block>) -> i64 {
    block.name.start.div_euclid(DAY_MS)
}

/// What of a day's blocks is to be merged, each with its span: the whole day, or some of its windows.
fn groups(day: &[Arc<Block>], now: i64, most: u64) -> Vec<(i64, i64, &[Arc<Block>])> {
    let Some(first) = day.first() else { return Vec::new() };
    let start = day_of(first) * DAY_MS;
    if start + DAY_MS <= now - LATE_MS - WINDOW_MS && is_complete(day) && series(day, most) <= most {
        return vec![(start, start + DAY_MS, day)];
    }
    let windows = day.chunk_by(|a, b| a.name.start == b.name.start && a.name.end == b.name.end);
    let small = windows.filter_map(|w| Some((w.first()?.name, level_of(w, most)?)));
    small.map(|(name, group)| (name.start, name.end, group)).collect()
}

/// Whether a day that ended is to be merged: its last window is there, or late samples have made many small blocks. What
/// came later still joins it when it is an eighth of it, or many.
fn is_complete(day: &[Arc<Block>]) -> bool {
    let whole = |b: &&Arc<Block>| b.name.end - b.name.start == DAY_MS;
    let (merged, others): (Vec<&Arc<Block>>, Vec<&Arc<Block>>) = day.iter().partition(whole);
    let bytes = |blocks: &[&Arc<Block>]| blocks.iter().map(|b| b.bytes()).sum::<u64>();
    let ends = others.iter().any(|b| b.name.end.rem_euclid(DAY_MS) == 0) || others.len() > 12;
    match merged.as_slice() {
        [] => day.len() >= 2 && ends,
        [_] => others.len() > FAN_IN || (!others.is_empty() && bytes(&others) >= bytes(&merged) / 8),
        _ => true,
    }
}

/// How many series the blocks hold, those in several counted once; counted no further than beyond `most`.
fn series(blocks: &[Arc<Block>], most: u64) -> u64 {
    let sum: u64 = blocks.iter().map(|b| b.footer.series).sum();
    if sum <= most {
        return sum;
    }
    let mut ids: Vec<u64> =
        blocks.iter().flat_map(|b| (0..b.series()).filter_map(|i| b.id(i))).map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}

/// How often a block's samples were merged. One that is large already does not join others.
fn level(block: &Block, most: u64) -> u32 {
    if block.footer.series > most / 2 { u32::MAX } else { block.footer.parts.max(1).ilog(FAN_IN as u32) }
}

/// The first blocks of a window that follow each other and are enough of one level, or of lower ones.
fn level_of(window: &[Arc<Block>], most: u64) -> Option<&[Arc<Block>]> {
    (0..=u32::MAX.ilog(FAN_IN as u32)).find_map(|wanted| {
        let runs = window.chunk_by(|a, b| (level(a, most) <= wanted) == (level(b, most) <= wanted));
        let mut enough =
            runs.filter(|run| run.len() >= FAN_IN && run.first().is_some_and(|b| level(b, most) <= wanted));
        enough.find_map(|run| {
            let mut sum = 0;
            let fits = |b: &&Arc<Block>| {
                sum += b.footer.series;
                sum <= most
            };
            let n = run.iter().take_while(fits).count();
            run.get(..n).filter(|run| run.len() >= 2)
        })
    })
}
