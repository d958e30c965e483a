//! The head: what is not in blocks yet, in chunks that were closed and in the log.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::model::{Labels, SampleBuf};

use super::block::{map, numbered, whole};
use super::bytes::Bytes;
use super::index::is_checked;
use super::series::Found;
use super::wal::Head;

const CHUNKS_MAGIC: u32 = 0x0130_BC91;
/// Magic, version, padding.
const CHUNKS_HEAD: usize = 8;
/// A series' reference, two times, an encoding.
const CHUNK_HEAD: usize = 8 + 8 + 8 + 1;

/// Adds what is in the head of a data directory and wanted, between two times; of what came in order, what is not in a
/// block, which is what was sampled from `valid_from` on.
///
/// # Errors
/// Files cannot be read.
pub fn read(dir: &Path, valid_from: i64, (from, to): (i64, i64), found: &mut Found<'_>) -> Result<(), String> {
    let mut head = Head::valid_from(valid_from);
    let wal = dir.join("wal");
    if let Some(checkpoint) = newest_checkpoint(&wal) {
        head.read(&checkpoint, found)?;
    }
    head.read(&wal, found)?;
    // Samples that came out of order.
    head.valid_from = i64::MIN;
    head.read(&dir.join("wbl"), found)?;
    for path in numbered(&dir.join("chunks_head"))? {
        if let Some(bytes) = map(&path)? {
            found.damaged += u64::from(chunks(&bytes, valid_from, &mut head).is_none());
        }
    }
    let Head { series, mut samples, deleted, .. } = head;
    // A series that came back has another reference; what is deleted of it is named by one of them.
    let mut spans: FxHashMap<&Labels, Vec<(i64, i64)>> = FxHashMap::default();
    for (reference, labels) in &series {
        let of = deleted.of(*reference);
        if !of.is_empty() {
            spans.entry(labels).or_default().extend(of);
        }
    }
    for (reference, labels) in &series {
        if let Some(mut samples) = samples.remove(reference) {
            // Chunks come after the log here, and hold the same.
            samples.settle((0, 0));
            let deleted = spans.get(labels).map_or(&[][..], Vec::as_slice);
            found.add(labels.clone(), &samples, deleted, from, to)?;
        }
    }
    Ok(())
}

/// `checkpoint.00000005`: what was in the segments up to that one.
fn newest_checkpoint(wal: &Path) -> Option<std::path::PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("checkpoint.")?.parse::<u64>().ok();
    let entries = std::fs::read_dir(wal).into_iter().flatten().flatten().map(|e| e.path());
    entries.filter_map(|path| Some((number(&path)?, path))).max().map(|(_, path)| path)
}

/// The bit of an encoding that says that a chunk's samples came out of order.
const LATE: u8 = 0x80;

/// Adds the chunks of a file. What is not written yet is zeros.
fn chunks(bytes: &[u8], valid_from: i64, head: &mut Head) -> Option<()> {
    if Bytes(bytes).u32()? != CHUNKS_MAGIC {
        return None;
    }
    let mut at = CHUNKS_HEAD;
    loop {
        let chunk = bytes.get(at..).unwrap_or_default();
        let mut b = Bytes(chunk);
        if chunk.len() < CHUNK_HEAD || chunk.iter().take(CHUNK_HEAD).all(|byte| *byte == 0) {
            return Some(());
        }
        let (reference, _, _, encoding) = (b.u64()?, b.u64()?, b.u64()?, b.u8()?);
        let length = b.count()?;
        let data = b.take(length)?;
        b.take(4)?;
        let size = chunk.len() - b.0.len();
        if !is_checked(chunk.get(..size)?) {
            return None;
        }
        if head.series.contains_key(&reference) {
            let samples: &mut SampleBuf = head.samples.entry(reference).or_default();
            let before = (samples.ts.len(), samples.hists.len());
            whole(encoding & !LATE, data, samples)?;
            if encoding & LATE == 0 {
                samples.retain_from(before.0, before.1, |t| t >= valid_from);
            }
        }
        at += size;
    }
}
