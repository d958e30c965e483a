//! The head: what is not in blocks yet, in chunks that were closed and in the log.

use std::path::Path;

use crate::model::SampleBuf;

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

/// Adds what is in the head of a data directory and wanted, between two times.
///
/// # Errors
/// Files cannot be read.
pub fn read(dir: &Path, from: i64, to: i64, found: &mut Found<'_>) -> Result<(), String> {
    let mut head = Head::default();
    let wal = dir.join("wal");
    if let Some(checkpoint) = newest_checkpoint(&wal) {
        head.read(&checkpoint, found)?;
    }
    head.read(&wal, found)?;
    // Samples that came out of order.
    head.read(&dir.join("wbl"), found)?;
    for path in numbered(&dir.join("chunks_head"))? {
        if let Some(bytes) = map(&path)? {
            found.damaged += u64::from(chunks(&bytes, &mut head).is_none());
        }
    }
    let Head { series, mut samples, deleted } = head;
    for (reference, labels) in series {
        if let Some(mut samples) = samples.remove(&reference) {
            // Chunks come after the log here, and hold the same.
            samples.settle((0, 0));
            found.add(labels, &samples, deleted.of(reference), from, to)?;
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

/// Adds the chunks of a file. What is not written yet is zeros.
fn chunks(bytes: &[u8], head: &mut Head) -> Option<()> {
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
            // The highest bit says that its samples came out of order.
            let samples: &mut SampleBuf = head.samples.entry(reference).or_default();
            whole(encoding & 0x7f, data, samples)?;
        }
        at += size;
    }
}
