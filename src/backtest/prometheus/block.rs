//! A block: a folder with an index, chunks, and what was deleted of them.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::Deserialize;

use crate::model::{Labels, SampleBuf, crc32c};

use super::bytes::Bytes;
use super::chunk;
use super::index::{ChunkPlace, Index, is_checked};
use super::series::{Deleted, Found};

const CHUNKS_MAGIC: u32 = 0x85BD_40DD;
const TOMBSTONES_MAGIC: u32 = 0x0130_BA30;

/// A block on disk.
pub struct Block {
    folder: PathBuf,
    /// Time of its first sample, milliseconds.
    pub mint: i64,
    /// Its samples are before this time.
    pub maxt: i64,
    /// Whether it holds what came late.
    pub from_late: bool,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "minTime")]
    mint: i64,
    #[serde(rename = "maxTime")]
    maxt: i64,
    version: u32,
    #[serde(default)]
    compaction: Compaction,
}

#[derive(Default, Deserialize)]
struct Compaction {
    #[serde(default)]
    hints: Vec<String>,
}

/// The hint of a block that was made of samples which came late.
const FROM_LATE: &str = "from-out-of-order";

impl Block {
    /// The block in a folder; `None` when the folder is none.
    ///
    /// # Errors
    /// Its description cannot be read.
    pub fn find(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join("meta.json");
        if !path.is_file() {
            return Ok(None);
        }
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read(&path).map_err(|e| failed(&e))?;
        let meta: Meta = serde_json::from_slice(&text).map_err(|e| failed(&e))?;
        match meta.version {
            1 => {
                let from_late = meta.compaction.hints.iter().any(|hint| hint == FROM_LATE);
                Ok(Some(Block { folder: folder.to_owned(), mint: meta.mint, maxt: meta.maxt, from_late }))
            }
            other => Err(failed(&format!("expected a block of version 1, found {other}"))),
        }
    }

    /// Adds what `found` wants of the block's samples between two times.
    ///
    /// # Errors
    /// Files cannot be read, or are not what they should be.
    pub fn read(&self, from: i64, to: i64, found: &mut Found<'_>) -> Result<(), String> {
        let index = map(&self.folder.join("index"))?;
        let (Some(index), named) = (index, |e: String| format!("{}: {e}", self.folder.join("index").display())) else {
            return Err(format!("{}: is empty", self.folder.join("index").display()));
        };
        let index = Index::open(&index).map_err(named)?;
        let (entries, damaged) = index.series(|labels: &Labels| found.wants(labels));
        found.damaged += damaged;
        let deleted = tombstones(&self.folder.join("tombstones"))?;
        let files = chunk_files(&self.folder.join("chunks"))?;
        let mut samples = SampleBuf::default();
        for entry in entries {
            samples.clear();
            for place in entry.chunks.iter().filter(|c| c.mint <= to && c.maxt >= from) {
                found.damaged += u64::from(read_chunk(&files, place, &mut samples).is_none());
                // Places may name one chunk again and again.
                found.room_for(samples.len())?;
            }
            found.add(entry.labels, &samples, deleted.of(entry.reference), from, to)?;
        }
        Ok(())
    }
}

/// A file in memory; `None` when there is nothing in it.
pub fn map(path: &Path) -> Result<Option<Mmap>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() == 0 {
        return Ok(None);
    }
    // Safety: blocks do not change once they are there. A file that its owner cuts off all the same would end the process,
    // which writes nothing.
    let map = unsafe { Mmap::map(&file) };
    map.map(Some).map_err(failed)
}

/// The numbered files of a folder, in order; none where there is no folder.
pub fn numbered(folder: &Path) -> Result<Vec<PathBuf>, String> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        if path.is_file() && path.file_name().and_then(|n| n.to_str()).is_some_and(is_number) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn chunk_files(folder: &Path) -> Result<Vec<Mmap>, String> {
    let mut maps = Vec::new();
    for path in numbered(folder)? {
        let map = map(&path)?.filter(|m| Bytes(m).u32() == Some(CHUNKS_MAGIC));
        maps.push(map.ok_or_else(|| format!("{}: expected a file of chunks, found something else", path.display()))?);
    }
    Ok(maps)
}

fn read_chunk(files: &[Mmap], place: &ChunkPlace, out: &mut SampleBuf) -> Option<()> {
    let file = files.get(usize::try_from(place.reference >> 32).ok()?)?;
    let at = usize::try_from(place.reference & 0xffff_ffff).ok()?;
    let mut b = Bytes(file.get(at..)?);
    let length = b.count()?;
    let checked = b.take(length.checked_add(5)?).filter(|c| is_checked(c))?;
    let mut b = Bytes(checked);
    let encoding = b.u8()?;
    whole(encoding, b.take(length)?, out)
}

/// Appends a chunk as a whole, or nothing of it.
pub fn whole(encoding: u8, data: &[u8], out: &mut SampleBuf) -> Option<()> {
    let before = (out.ts.len(), out.hists.len());
    let read = chunk::read(encoding, data, out);
    if read.is_none() {
        out.truncate(before.0, before.1);
    }
    read
}

/// What was deleted of a block; nothing where there is no file of it.
fn tombstones(path: &Path) -> Result<Deleted, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Deleted::default()),
        Err(e) => return Err(format!("{}: {e}", path.display())),
    };
    read_tombstones(&bytes).ok_or_else(|| format!("{}: expected tombstones, found something else", path.display()))
}

fn read_tombstones(bytes: &[u8]) -> Option<Deleted> {
    let mut b = Bytes(bytes);
    if (b.u32()?, b.u8()?) != (TOMBSTONES_MAGIC, 1) {
        return None;
    }
    let (spans, sum) = b.0.split_last_chunk::<4>()?;
    if crc32c(spans) != u32::from_be_bytes(*sum) {
        return None;
    }
    let (mut b, mut deleted) = (Bytes(spans), Deleted::default());
    while !b.0.is_empty() {
        deleted.add(b.uvarint()?, b.varint()?, b.varint()?);
    }
    Some(deleted)
}
