//! The files of a history: each is named by the number of its first decision. A log takes decisions as they come; when it
//! is long enough it is sealed into a segment with an index.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::state::frames::Reader;

use super::record::{Recorded, lines};
use super::segment::{Extent, Segment};

/// In which form decisions lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they were written, a frame a turn of the engine.
    Log,
    /// In compressed blocks, with an index.
    Sealed,
}

/// A file of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of its first decision, which names it.
    pub first: u64,
    pub form: Form,
    pub bytes: u64,
    /// What it holds, where that is known without reading it.
    pub extent: Option<Extent>,
}

/// The path of a file.
pub(super) fn path_of(dir: &Path, first: u64, form: Form) -> PathBuf {
    let extension = match form {
        Form::Log => "log",
        Form::Sealed => "segment",
    };
    dir.join(format!("{first:016}.{extension}"))
}

/// The path of a segment that is being written.
pub(super) fn unfinished(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:016}.segment.tmp"))
}

/// The files of a history in order of their numbers, by their names and sizes alone; and those that are no use to anybody:
/// half a segment, a log that was sealed.
pub(super) fn list(dir: &Path) -> io::Result<(Vec<Piece>, Vec<PathBuf>)> {
    let mut found: BTreeMap<u64, Piece> = BTreeMap::new();
    let mut useless = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((Ok(first), extension)) = name.split_once('.').map(|(n, rest)| (n.parse::<u64>(), rest)) else {
            continue;
        };
        let form = match extension {
            "log" => Form::Log,
            "segment" => Form::Sealed,
            "segment.tmp" => {
                useless.push(path);
                continue;
            }
            _ => continue,
        };
        // A log that was sealed meanwhile is looked for as what it is now.
        let bytes = match entry.metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            metadata => metadata?.len(),
        };
        let piece = Piece { first, form, bytes, extent: None };
        match found.get(&first).map(|known| known.form) {
            None => drop(found.insert(first, piece)),
            // The process ended before the log was deleted.
            Some(Form::Log) => {
                useless.push(path_of(dir, first, Form::Log));
                found.insert(first, piece);
            }
            Some(Form::Sealed) => useless.push(path),
        }
    }
    Ok((found.into_values().collect(), useless))
}

/// The same, with what the ends of segments say.
pub(super) fn list_known(dir: &Path) -> io::Result<(Vec<Piece>, Vec<PathBuf>)> {
    let (mut pieces, useless) = list(dir)?;
    for piece in pieces.iter_mut().filter(|piece| piece.form == Form::Sealed) {
        // One that cannot be read costs itself alone.
        piece.extent = Segment::open(&path_of(dir, piece.first, Form::Sealed)).ok().and_then(|segment| segment.extent);
    }
    Ok((pieces, useless))
}

/// What is good of a log.
#[derive(Debug)]
pub(super) struct LogRead {
    pub extent: Extent,
    /// Where its last good frame ends.
    pub bytes: u64,
    pub is_damaged: bool,
}

/// Reads a log to its end.
pub(super) fn read_log(path: &Path) -> io::Result<LogRead> {
    let bytes = fs::read(path)?;
    let mut reader = Reader::new(&bytes);
    let (mut extent, mut end) = (Extent::none(), 0);
    while let Some(payload) = reader.next() {
        end = reader.position() as u64;
        for line in lines(std::str::from_utf8(payload).unwrap_or_default()) {
            if let Ok(Recorded { seq, decision }) = Recorded::parse(line) {
                extent.add(seq, decision.time.0);
            }
        }
    }
    Ok(LogRead { extent, bytes: end, is_damaged: reader.damaged })
}
