//! What is written of a history: the log that grows, and the segments that logs become.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::state::frames::{self, Reader};

use super::decision::{Decision, What};
use super::pieces::{Form, Piece, path_of, read_log, unfinished};
use super::record::{Recorded, lines};
use super::segment::{self, Extent, Segment};

/// The length at which a log is sealed, bytes; shorter where the history is small.
const LONGEST_LOG: u64 = 16 << 20;
/// The age of its first decision at which a log is sealed, milliseconds: retention goes by whole segments.
const OLDEST_LOG: i64 = 24 * 3_600_000;
/// How many segments a history has at least when it is as long as it may be.
pub(super) const PARTS: u64 = 16;
/// Numbers left out behind what cannot be read, so that none is given twice.
pub(super) const GAP: u64 = 1 << 32;
/// The pause between two lines in the log while decisions cannot be written.
const BETWEEN_LINES: Duration = Duration::from_secs(600);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For how long, milliseconds.
    pub retention: i64,
    /// How many bytes on disk.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { retention: 30 * 24 * 3_600_000, size: 1 << 30 }
    }
}

impl Limits {
    fn longest_log(&self) -> u64 {
        LONGEST_LOG.min(self.size / PARTS).max(1)
    }

    fn oldest_log(&self) -> i64 {
        OLDEST_LOG.min(self.retention / PARTS.cast_signed()).max(1)
    }
}

/// How it stood when something was written last.
pub(super) struct Shown {
    pub(super) pieces: Vec<Piece>,
    pub(super) last: u64,
    pub(super) failure: Option<String>,
    pub(super) unsealed: Option<String>,
}

pub(super) struct State {
    pub(super) pieces: BTreeMap<u64, Piece>,
    pub(super) open: Option<Open>,
    pub(super) next: u64,
    failing: Option<Failing>,
    pub(super) unsealed: Option<String>,
}

/// The log that is written.
pub(super) struct Open {
    pub(super) first: u64,
    pub(super) file: File,
    bytes: u64,
    extent: Extent,
    /// The time of its first decision.
    begun: Option<i64>,
}

/// Decisions that could not be written.
pub(super) struct Failing {
    error: String,
    decisions: u64,
    since: Stopwatch,
    /// When it was said in the log.
    told: Option<Stopwatch>,
}

impl State {
    /// What was found, the log to go on with, and the number of the next decision.
    pub(super) fn of(pieces: BTreeMap<u64, Piece>, open: Option<Open>, next: u64) -> Self {
        State { pieces, open, next, failing: None, unsealed: None }
    }

    /// Writes decisions as one frame; returns them with their numbers.
    pub(super) fn write(&mut self, dir: &Path, decisions: Vec<Decision>) -> io::Result<Vec<Recorded>> {
        let lost = self.failing.as_ref().map(|failing| (failing.decisions, failing.error.clone()));
        let lost = lost
            .zip(decisions.first())
            .map(|((decisions, error), first)| Decision::new(first.time.0, What::Lost { decisions, error }));
        let mut extent = Extent::none();
        let (mut text, mut recorded) = (String::with_capacity(decisions.len() * 384), Vec::new());
        let numbered = (self.next..).zip(lost.into_iter().chain(decisions));
        for (seq, decision) in numbered {
            extent.add(seq, decision.time.0);
            let one = Recorded { seq, decision };
            text.push_str(&one.to_line());
            text.push('\n');
            recorded.push(one);
        }
        let mut frame = Vec::with_capacity(text.len() + frames::HEADER);
        frames::write(&mut frame, text.as_bytes())?;
        self.append(dir, &frame, extent)?;
        self.next = extent.last + 1;
        Ok(recorded)
    }

    fn append(&mut self, dir: &Path, frame: &[u8], extent: Extent) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(begin(dir, self.next)?),
        };
        if let Err(error) = open.file.write_all(frame) {
            // Half a frame would pass for damage; where it cannot be cut, nothing may follow it.
            if open.file.set_len(open.bytes).is_err() {
                self.open = None;
            }
            return Err(error);
        }
        open.bytes += frame.len() as u64;
        open.begun.get_or_insert(extent.from);
        let all = &mut open.extent;
        (all.records, all.last) = (all.records + extent.records, extent.last);
        (all.from, all.to) = (all.from.min(extent.from), all.to.max(extent.to));
        let piece = Piece { first: open.first, form: Form::Log, bytes: open.bytes, extent: Some(*all) };
        self.pieces.insert(open.first, piece);
        Ok(())
    }

    pub(super) fn recovered(&mut self) {
        let failing = self.failing.take();
        // What was not told to begin is not told to end.
        if let Some(Failing { decisions, since, told: Some(_), .. }) = failing {
            tracing::info!(lost = decisions, seconds = since.elapsed().as_secs(), "decisions are recorded again");
        }
    }

    /// Decisions are lost, which the history is to tell once it can; gives all that are.
    pub(super) fn lose(&mut self, error: String, count: u64) -> &mut Failing {
        let begin = || Failing { error: String::new(), decisions: 0, since: Stopwatch::start(), told: None };
        let failing = self.failing.get_or_insert_with(begin);
        failing.decisions += count;
        failing.error = error;
        failing
    }

    /// Decisions could not be written.
    pub(super) fn failed(&mut self, error: &io::Error, count: u64) {
        let Failing { error, decisions, told, .. } = self.lose(error.to_string(), count);
        match told {
            None => tracing::error!(error, "decisions are not recorded in the history; pages go out all the same"),
            Some(told) if told.elapsed() < BETWEEN_LINES => return,
            Some(_) => tracing::error!(error, lost = *decisions, "decisions are still not recorded in the history"),
        }
        *told = Some(Stopwatch::start());
    }

    /// Ends the log if it is long or old enough; returns which it was.
    pub(super) fn seal_if_due(&mut self, now: i64, limits: &Limits) -> Option<u64> {
        let is_due = |open: &Open| {
            let age = open.begun.map_or(0, |begun| now.saturating_sub(begun));
            open.bytes >= limits.longest_log() || age >= limits.oldest_log()
        };
        let due = self.open.as_ref().is_some_and(is_due);
        if due { self.open.take().map(|open| open.first) } else { None }
    }

    /// Takes out what is too old, and the oldest of what is too much; never the log that is written.
    pub(super) fn over(&mut self, now: i64, is_held: bool, limits: &Limits) -> Vec<Piece> {
        let oldest = if is_held { i64::MIN } else { now.saturating_sub(limits.retention) };
        let mut total: u64 = self.pieces.values().map(|piece| piece.bytes).sum();
        let open = self.open.as_ref().map(|open| open.first);
        let mut over = Vec::new();
        // What comes before something old is old, whether it can be read or not.
        let ended = |piece: &Piece| piece.extent.is_some_and(|extent| extent.to < oldest);
        let last_old = self.pieces.values().filter(|piece| ended(piece)).map(|piece| piece.first).max();
        for piece in self.pieces.values().filter(|piece| Some(piece.first) != open) {
            let is_old = ended(piece) || (piece.extent.is_none() && last_old.is_some_and(|last| piece.first < last));
            if is_old || total > limits.size {
                total -= piece.bytes;
                over.push(*piece);
            }
        }
        self.pieces.retain(|first, _| over.iter().all(|piece| piece.first != *first));
        over
    }

    /// The logs that are to be sealed.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u64> {
        let open = self.open.as_ref().map(|open| open.first);
        self.pieces.values().filter(move |p| p.form == Form::Log && Some(p.first) != open).map(|p| p.first)
    }

    /// What those who read see.
    pub(super) fn shown(&self) -> Shown {
        Shown {
            // In order of their numbers.
            pieces: self.pieces.values().copied().collect(),
            last: self.next.saturating_sub(1),
            failure: self.failing.as_ref().map(|failing| failing.error.clone()),
            unsealed: self.unsealed.clone(),
        }
    }
}

/// Begins a log.
fn begin(dir: &Path, first: u64) -> io::Result<Open> {
    // Somebody may have taken the directory away.
    fs::create_dir_all(dir)?;
    let path = path_of(dir, first, Form::Log);
    // What a failed attempt left there holds nothing.
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(0)?;
    Ok(Open { first, file, bytes: 0, extent: Extent::none(), begun: None })
}

/// Makes a segment of a log, on disk before the log goes.
pub(super) fn seal_file(dir: &Path, first: u64) -> io::Result<(Piece, u64)> {
    let log = path_of(dir, first, Form::Log);
    let bytes = fs::read(&log)?;
    let texts: Vec<&str> = Reader::new(&bytes).filter_map(|payload| std::str::from_utf8(payload).ok()).collect();
    let all = texts.iter().flat_map(|text| lines(text));
    let (segment, extent, unreadable) = segment::seal(all, bytes.len())?;
    let (half, whole) = (unfinished(dir, first), path_of(dir, first, Form::Sealed));
    let written = write_synced(&half, &segment).and_then(|()| fs::rename(&half, &whole));
    if let Err(e) = written {
        // Half a segment takes room from what is written.
        let _ = fs::remove_file(&half);
        return Err(e);
    }
    File::open(dir)?.sync_all()?;
    // One that stays is deleted at the next start.
    let _ = fs::remove_file(&log);
    let bytes = segment.len() as u64;
    Ok((Piece { first, form: Form::Sealed, bytes, extent: Some(extent) }, unreadable))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Goes on with the last log; what follows its last good frame is cut.
pub(super) fn resume(dir: &Path, piece: &mut Piece, damaged: &mut BTreeSet<String>) -> io::Result<(u64, Option<Open>)> {
    let path = path_of(dir, piece.first, Form::Log);
    let read = read_log(&path)?;
    if read.is_damaged {
        damaged.insert(format!("segment {}: a part of its log is damaged", piece.first));
    }
    let file = OpenOptions::new().append(true).open(&path)?;
    file.set_len(read.bytes)?;
    piece.bytes = read.bytes;
    let begun = (read.extent.records > 0).then_some(read.extent.from);
    let next = (read.extent.last + 1).max(piece.first);
    let open = Open { first: piece.first, file, bytes: read.bytes, extent: read.extent, begun };
    Ok((next, Some(open)))
}

/// The number that follows a segment.
pub(super) fn after_segment(dir: &Path, piece: &Piece) -> u64 {
    let found = piece.extent.map(|extent| extent.last);
    let read = || Segment::open(&path_of(dir, piece.first, Form::Sealed)).ok()?.last_readable().ok()?;
    match found {
        Some(last) => last.max(piece.first) + 1,
        None => read().unwrap_or(piece.first).saturating_add(GAP),
    }
}
