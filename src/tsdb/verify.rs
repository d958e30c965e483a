//! Looking at a database's files without touching them: what is damaged, what can be read, what opening it would keep.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::block::Block;
use super::files::{Files, because, list, numbered};
use super::log::{Record, Records};
use super::manifest::Manifest;
use super::{TsdbError, checkpoint, wal};

/// Places named of one file.
const MAX_PLACES: usize = 20;

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifiedFile {
    /// Its name, relative to the database's directory.
    pub file: String,
    /// `block`, `checkpoint`, `segment` or `manifest`.
    pub kind: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Series in it that can be read (of a segment: those it introduces).
    pub series: u64,
    /// Samples in it that can be read.
    pub samples: u64,
    /// Series it has besides, as far as that is known.
    pub series_lost: u64,
    /// Samples it has, or had, besides, as far as that is known.
    pub samples_lost: u64,
    /// What is damaged: nothing when the file is as it was written.
    pub damages: Vec<String>,
    /// What a repair keeps: opening the database repairs it.
    pub kept: String,
}

/// What a look at a database found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether a process has the database open: files may have changed during the look.
    pub in_use: bool,
    /// Whether anything is damaged or missing.
    pub damaged: bool,
    /// The files, damaged or not, and those that are gone.
    pub files: Vec<VerifiedFile>,
}

/// Looks at the files of a database. Nothing is changed.
///
/// # Errors
/// A directory or file cannot be read at all.
pub fn verify(dir: &Path) -> Result<Verification, TsdbError> {
    let files = Files::of(dir);
    // The database's own directory must be there; of those in it one that is gone is an empty one.
    list(dir)?;
    let numbered = |dir: PathBuf| if dir.exists() { numbered(&dir) } else { Ok(Vec::new()) };
    let mut found = Verification { in_use: files.in_use(), ..Verification::default() };
    let manifest = Manifest::read(&files.manifest()).unwrap_or_else(|what| {
        let kept = "everything; files that are gone are not noticed".to_owned();
        let (file, damages) = ("manifest".to_owned(), vec![what]);
        found.files.push(VerifiedFile { file, kind: "manifest", damages, kept, ..VerifiedFile::default() });
        None
    });
    let manifest = manifest.unwrap_or_default();
    let (checkpoints, segments) = (numbered(files.checkpoints())?, numbered(files.wal())?);
    let first = checkpoints.last().map_or(0, |(n, _)| *n);
    let blocks = if files.blocks().exists() { list(&files.blocks())? } else { Vec::new() };
    for path in blocks.iter().filter(|p| p.extension().is_some_and(|e| e == "block")) {
        found.files.push(block(path)?);
    }
    for name in manifest.blocks.iter().filter(|n| !n.path(&files.blocks()).exists()) {
        found.files.push(gone(format!("blocks/{name}.block"), "block"));
    }
    if let Some((_, path)) = checkpoints.last() {
        found.files.push(log(path, "checkpoint", &mut None)?);
    }
    if let Some(n) = manifest.checkpoint.filter(|n| *n > first) {
        found.files.push(gone(format!("checkpoint/{n:08}"), "checkpoint"));
    }
    let there: BTreeSet<u64> = segments.iter().map(|(n, _)| *n).collect();
    let newest = segments.last().map_or(0, |(n, _)| *n);
    let mut sequence = None;
    for (n, path) in segments.iter().filter(|(n, _)| *n >= first) {
        let mut segment = log(path, "segment", &mut sequence)?;
        if found.in_use && *n == newest {
            // Its end may be on its way to the disk.
            segment.damages.clear();
        }
        found.files.push(segment);
    }
    let expected = if first > 0 { first } else { manifest.checkpoint.unwrap_or(1) };
    for n in (expected..newest.max(manifest.segment).saturating_add(1)).filter(|n| !there.contains(n)).take(MAX_PLACES)
    {
        found.files.push(gone(format!("wal/{n:08}"), "segment"));
    }
    found.files.sort_by(|a, b| a.file.cmp(&b.file));
    found.damaged = found.files.iter().any(|f| !f.damages.is_empty());
    Ok(found)
}

fn gone(file: String, kind: &'static str) -> VerifiedFile {
    let (damages, kept) = (vec!["it is gone".to_owned()], "nothing".to_owned());
    VerifiedFile { file, kind, damages, kept, ..VerifiedFile::default() }
}

fn described(path: &Path, kind: &'static str) -> VerifiedFile {
    let mut parts: Vec<_> = path.components().rev().take(2).map(|c| c.as_os_str().to_string_lossy()).collect();
    parts.reverse();
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    VerifiedFile { file: parts.join("/"), kind, bytes, kept: "everything".to_owned(), ..VerifiedFile::default() }
}

fn block(path: &Path) -> Result<VerifiedFile, TsdbError> {
    // A file that cannot be read at all is another matter than one whose bytes are wrong.
    std::fs::File::open(path).map_err(because("cannot open", path))?;
    let mut file = described(path, "block");
    let block = match Block::open(path) {
        Ok(block) => block,
        Err(e) => {
            file.damages.push(e.to_string());
            file.kept = "nothing; it is set aside".to_owned();
            return Ok(file);
        }
    };
    file.damages.extend(block.defects().into_iter().map(str::to_owned));
    let unlabelled = block.labels().iter().filter(|l| l.is_none()).count();
    if unlabelled > 0 {
        file.damages.push(format!("the labels of {unlabelled} series; they are kept where the checkpoint knows them"));
    }
    if block.index_is_damaged() {
        file.damages.push("its index of labels, which is made anew from them".to_owned());
    }
    let mut damaged = 0usize;
    for i in 0..usize::try_from(block.footer.series).unwrap_or(0) {
        let Some((entry, bytes, readable)) = block.look_at(i) else { break };
        file.samples += u64::from(entry.samples);
        file.series += u64::from(!bytes.is_empty());
        if let Some(readable) = readable {
            damaged += 1;
            if damaged <= MAX_PLACES {
                let (lost, all) = (readable.damaged, readable.damaged + readable.chunks);
                file.damages.push(format!("series {}: {lost} of {all} chunks", entry.id.0));
            }
        }
    }
    if damaged > MAX_PLACES {
        file.damages.push(format!("and {} series more", damaged - MAX_PLACES));
    }
    file.series_lost = block.footer.series.saturating_sub(file.series);
    file.samples_lost = block.footer.samples.saturating_sub(file.samples);
    if file.samples_lost > 0 {
        file.kept = format!("{} of {} samples", file.samples, block.footer.samples);
    }
    Ok(file)
}

/// A segment or a checkpoint. `sequence` is how many samples were logged before, where that is known.
fn log(path: &Path, kind: &'static str, sequence: &mut Option<u64>) -> Result<VerifiedFile, TsdbError> {
    let bytes = std::fs::read(path).map_err(because("cannot read", path))?;
    let mut file = described(path, kind);
    let mut records = Records::new(&bytes);
    for record in records.by_ref() {
        if kind == "segment" {
            let missing = sequence.map_or(0, |before| record.sequence.saturating_sub(before));
            *sequence = Some(record.sequence.saturating_add(record.samples.into()));
            file.samples_lost += missing;
        }
        count(&record, &mut file);
    }
    let places = records.torn.len();
    for torn in records.torn.iter().take(MAX_PLACES) {
        let bytes = torn.end.saturating_sub(torn.offset);
        file.damages.push(format!("{} at byte {}, {bytes} bytes", torn.what, torn.offset));
        file.samples_lost += torn.samples.unwrap_or(0);
    }
    if places > MAX_PLACES {
        file.damages.push(format!("and {} places more", places - MAX_PLACES));
    }
    if file.damages.is_empty() && file.samples_lost > 0 {
        file.damages.push(format!("{} samples are missing before one of its records", file.samples_lost));
    }
    if !file.damages.is_empty() {
        file.kept = format!("{} samples", file.samples);
    }
    Ok(file)
}

/// Counts what a record holds, as far as it reads.
fn count(record: &Record<'_>, file: &mut VerifiedFile) {
    let all = u64::from(record.samples);
    match record.kind {
        wal::SERIES => {
            let (good, bad): (Vec<_>, Vec<_>) = wal::read_series(record.payload).partition(Option::is_some);
            file.series += good.len() as u64;
            file.series_lost += bad.len() as u64;
        }
        wal::SAMPLES | wal::LATE => {
            let good = wal::read_samples(record.payload).flatten().count() as u64;
            file.samples += good;
            file.samples_lost += all.saturating_sub(good);
        }
        wal::EXEMPLARS => {}
        _ => match checkpoint::read(record) {
            Some(checkpoint::Saved::Head(_)) => {}
            Some(checkpoint::Saved::Series(_)) => {
                file.series += 1;
                file.samples += all;
            }
            Some(checkpoint::Saved::Late(..)) => file.samples += all,
            None => {
                file.series_lost += 1;
                file.samples_lost += all;
            }
        },
    }
}
