//! The log of decisions: written by the engine's turn, read by whoever asks.
//!
//! - What is recorded is in the kernel when [`History::record`] returns, so it outlives the process; after a power cut the
//!   decisions of the last [minute](History::maintain) may be missing.
//! - A disk that hangs keeps nobody waiting for longer than a moment: decisions [wait for it](super::queue), and who reads
//!   sees what was written last.
//! - A disk that fails keeps nobody from being told: decisions that cannot be written are counted, told, and noted in the
//!   history once it can be written again.
//! - A log that is long enough, or old enough, is sealed into a segment on a thread of its own. What is too old, or too
//!   much, goes segment by segment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::clock::Stopwatch;
use crate::instrument::Counter;
use crate::state::frames::{self, Reader};

use super::decision::{Decision, What};
use super::followers::{Followers, News};
use super::pieces::{self, Form, Piece, path_of, read_log, unfinished};
use super::query::{Page, Query, Search};
use super::queue::{Handed, Queue};
use super::record::{Recorded, lines};
use super::segment::{self, Extent, Segment};

/// The length at which a log is sealed, bytes; shorter where the history is small.
const LONGEST_LOG: u64 = 16 << 20;
/// The age of its first decision at which a log is sealed, milliseconds: retention goes by whole segments.
const OLDEST_LOG: i64 = 24 * 3_600_000;
/// How many segments a history has at least when it is as long as it may be.
const PARTS: u64 = 16;
/// Numbers left out behind what cannot be read, so that none is given twice.
const GAP: u64 = 1 << 32;
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

/// How long maintenance waits for a disk that is being written to.
const PATIENCE: Duration = Duration::from_secs(1);

/// Decisions that are written as one frame: a storm's turn has more.
const MOST_AT_ONCE: usize = 4096;

/// Why a history could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("history in {}: {error}", .dir.display())]
pub struct OpenError {
    dir: PathBuf,
    error: io::Error,
}

/// How it stands with a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Bytes on disk.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Why decisions are not recorded, if they are not.
    pub failure: Option<String>,
    /// Why the last log was not sealed, if it was not.
    pub unsealed: Option<String>,
}

/// A history that is written. Clones share it.
#[derive(Clone)]
pub struct History(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    limits: Mutex<Limits>,
    // Held while decisions are written. Nobody waits for it who must not wait for the disk.
    state: Mutex<State>,
    // What those who read see.
    shown: ArcSwap<Shown>,
    queue: Queue,
    recorded: Counter,
    lost: Counter,
    // Places of which something could not be read, as told.
    damaged: Mutex<BTreeSet<String>>,
    wanted: mpsc::Sender<Wanted>,
    followers: Followers,
}

/// What the sealing thread is asked: to seal a log, or to say when it has sealed all before.
enum Wanted {
    Log(u64),
    Word(mpsc::Sender<()>),
}

/// How it stood when something was written last.
struct Shown {
    pieces: Vec<Piece>,
    last: u64,
    failure: Option<String>,
    unsealed: Option<String>,
}

struct State {
    pieces: BTreeMap<u64, Piece>,
    open: Option<Open>,
    next: u64,
    failing: Option<Failing>,
    unsealed: Option<String>,
}

/// The log that is written.
struct Open {
    first: u64,
    file: File,
    bytes: u64,
    extent: Extent,
    /// The time of its first decision.
    begun: Option<i64>,
}

/// Decisions that could not be written.
struct Failing {
    error: String,
    decisions: u64,
    since: Stopwatch,
    told: Stopwatch,
}

impl History {
    /// Opens or creates a history in a directory. The torn end of a log is cut.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(dir: &Path, limits: Limits) -> Result<History, OpenError> {
        let named = |error| OpenError { dir: dir.to_owned(), error };
        fs::create_dir_all(dir).map_err(named)?;
        let (mut found, useless) = pieces::list_known(dir).map_err(named)?;
        // What stays is looked at again at the next start.
        useless.iter().for_each(|path| drop(fs::remove_file(path)));
        let mut damaged = BTreeSet::new();
        let last = found.last_mut();
        let (next, open) = match last {
            None => (1, None),
            Some(piece) if piece.form == Form::Log => resume(dir, piece, &mut damaged).unwrap_or_else(|e| {
                damaged.insert(format!("segment {}: its log cannot be gone on with: {e}", piece.first));
                (piece.first.saturating_add(GAP), None)
            }),
            Some(piece) => (after_segment(dir, piece), None),
        };
        let open_at = open.as_ref().map(|open| open.first);
        let waiting: Vec<u64> =
            found.iter().filter(|p| p.form == Form::Log && Some(p.first) != open_at).map(|p| p.first).collect();
        for piece in found.iter().filter(|p| p.form == Form::Sealed && p.extent.is_none()) {
            damaged.insert(format!("segment {}: its end is damaged", piece.first));
        }
        damaged.iter().for_each(|what| tracing::error!("history is damaged; everything else is kept: {what}"));
        let pieces = found.into_iter().map(|piece| (piece.first, piece)).collect();
        let state = State { pieces, open, next, failing: None, unsealed: None };
        let (queue, handed) = Queue::new();
        let (wanted, asked) = mpsc::channel();
        let history = History(Arc::new(Shared {
            dir: dir.to_owned(),
            limits: Mutex::new(limits),
            shown: ArcSwap::from_pointee(state.shown()),
            state: Mutex::new(state),
            queue,
            recorded: Counter::default(),
            lost: Counter::default(),
            damaged: Mutex::new(damaged),
            wanted,
            followers: Followers::default(),
        }));
        let shared = Arc::downgrade(&history.0);
        let sealing = std::thread::Builder::new().name("history".into()).spawn(move || seal_all(&shared, &asked));
        sealing.map_err(named)?;
        let shared = Arc::downgrade(&history.0);
        let writing = std::thread::Builder::new().name("history".into()).spawn(move || write_all(&shared, &handed));
        writing.map_err(named)?;
        waiting.into_iter().for_each(|first| history.ask(Wanted::Log(first)));
        Ok(history)
    }

    /// Other limits hold from the next [`History::maintain`] on.
    pub fn limit(&self, limits: Limits) {
        *self.0.limits.lock() = limits;
    }

    /// Records decisions, in the kernel when this returns, unless the disk hangs. Those that cannot be written are lost, and
    /// it is told.
    pub fn record(&self, decisions: Vec<Decision>) {
        let mut decisions = decisions.into_iter().peekable();
        while decisions.peek().is_some() {
            let part: Vec<Decision> = decisions.by_ref().take(MOST_AT_ONCE).collect();
            let count = part.len() as u64;
            if !self.0.queue.hand_over(part) {
                self.0.lost.add(count);
            }
        }
    }

    /// Deletes what is too old or too much at `now`, seals what is old enough, and returns when what was recorded is on disk.
    /// While the clock is not trusted (`is_held`), nothing is too old. A disk that hangs is left alone.
    pub fn maintain(&self, now: i64, is_held: bool) {
        let limits = *self.0.limits.lock();
        let Some(mut state) = self.0.state.try_lock_for(PATIENCE) else { return };
        state.seal_if_due(now, &limits);
        let over = state.over(now, is_held, &limits);
        self.0.show(&state);
        let open = state.open.as_ref().and_then(|open| open.file.try_clone().ok());
        let waiting: Vec<u64> = state.waiting().collect();
        drop(state);
        for piece in over {
            let removed = fs::remove_file(path_of(&self.0.dir, piece.first, piece.form));
            if let Err(e) = removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) }) {
                tracing::warn!(segment = piece.first, error = %e, "a segment of the history that is over cannot be deleted");
                // It still takes room, and is tried again.
                let mut state = self.0.state.lock();
                state.pieces.entry(piece.first).or_insert(piece);
                self.0.show(&state);
            }
        }
        // One that is asked for twice is sealed once.
        waiting.into_iter().for_each(|first| self.ask(Wanted::Log(first)));
        if let Some(Err(e)) = open.map(|file| file.sync_data()) {
            tracing::warn!(error = %e, "the history is not on disk");
        }
    }

    /// Answers a query. It reads files: not for a thread that must not wait.
    pub fn query(&self, query: &Query) -> Page {
        let shown = self.0.shown.load_full();
        let page = Search::new(&self.0.dir, query).run(&shown.pieces);
        self.tell(&page.damage);
        page
    }

    /// What is recorded from now on, as it comes.
    pub fn follow(&self) -> broadcast::Receiver<News> {
        self.0.followers.follow()
    }

    /// The number of the last decision; 0 where there is none.
    pub fn last(&self) -> u64 {
        self.0.shown.load().last
    }

    /// How it stands.
    pub fn health(&self) -> Health {
        let shown = self.0.shown.load();
        Health {
            bytes: shown.pieces.iter().map(|piece| piece.bytes).sum(),
            files: shown.pieces.len() as u64,
            failure: self.0.queue.failure().map(str::to_owned).or_else(|| shown.failure.clone()),
            unsealed: shown.unsealed.clone(),
        }
    }

    /// Decisions recorded since the start.
    pub fn recorded(&self) -> u64 {
        self.0.recorded.get()
    }

    /// Decisions that could not be recorded since the start.
    pub fn lost(&self) -> u64 {
        self.0.lost.get()
    }

    /// Places of which something could not be read since the start.
    pub fn damaged(&self) -> u64 {
        self.0.damaged.lock().len() as u64
    }

    /// Returns when what was recorded is written, and every log that was full by then has been sealed, or could not be.
    pub fn settle(&self) {
        self.0.queue.settle();
        let (word, given) = mpsc::channel();
        self.ask(Wanted::Word(word));
        // A thread that has ended has nothing to do.
        let _ = given.recv();
    }

    /// Tells what is damaged, each place once.
    fn tell(&self, damage: &BTreeSet<String>) {
        let mut told = self.0.damaged.lock();
        for what in damage.iter().filter(|what| !told.contains(*what)).cloned().collect::<Vec<_>>() {
            tracing::error!("history is damaged; everything else is answered: {what}");
            told.insert(what);
        }
    }

    fn ask(&self, wanted: Wanted) {
        self.0.ask(wanted);
    }
}

/// Writes what is handed over, for as long as the history is there.
fn write_all(shared: &Weak<Shared>, handed: &mpsc::Receiver<Handed>) {
    for Handed { decisions, done } in handed {
        let Some(shared) = shared.upgrade() else { return };
        let count = decisions.len();
        shared.write(decisions);
        shared.queue.wrote(count);
        drop(shared);
        // Whoever recorded may have lost patience.
        let _ = done.send(());
    }
}

/// Seals logs, one after another, for as long as the history is there.
fn seal_all(shared: &Weak<Shared>, asked: &mpsc::Receiver<Wanted>) {
    for wanted in asked {
        let Some(shared) = shared.upgrade() else { return };
        match wanted {
            Wanted::Log(first) => shared.seal(first),
            // Whoever asked may have gone away.
            Wanted::Word(word) => drop(word.send(())),
        }
    }
}

impl Shared {
    fn ask(&self, wanted: Wanted) {
        // The thread lives as long as this.
        let _ = self.wanted.send(wanted);
    }

    fn show(&self, state: &State) {
        self.shown.store(Arc::new(state.shown()));
    }

    fn write(&self, decisions: Vec<Decision>) {
        let Some(now) = decisions.last().map(|decision| decision.time.0) else { return };
        let (count, limits) = (decisions.len() as u64, *self.limits.lock());
        let mut state = self.state.lock();
        if let Some((count, why)) = self.queue.take_dropped() {
            state.failed(&io::Error::other(why), count);
        }
        match state.write(&self.dir, decisions) {
            Ok(recorded) => {
                self.recorded.add(count);
                state.recovered();
                // Who begins to follow now finds it in the files, or is told; the other way round it might be neither.
                self.show(&state);
                self.followers.tell(recorded);
            }
            Err(error) => {
                self.lost.add(count);
                state.failed(&error, count);
            }
        }
        let full = state.seal_if_due(now, &limits);
        self.show(&state);
        drop(state);
        full.into_iter().for_each(|first| self.ask(Wanted::Log(first)));
    }

    fn seal(&self, first: u64) {
        let is_log = self.state.lock().pieces.get(&first).is_some_and(|piece| piece.form == Form::Log);
        if !is_log {
            return;
        }
        let sealed = seal_file(&self.dir, first);
        let mut state = self.state.lock();
        match sealed {
            Ok((piece, unreadable)) => {
                state.unsealed = None;
                match state.pieces.get_mut(&first) {
                    Some(known) => *known = piece,
                    // Its time was over meanwhile.
                    None => drop(fs::remove_file(path_of(&self.dir, first, Form::Sealed))),
                }
                if unreadable > 0 {
                    tracing::error!(
                        segment = first,
                        decisions = unreadable,
                        "decisions that do not decode are left out"
                    );
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => {
                let error = e.to_string();
                if state.unsealed.as_ref() != Some(&error) {
                    tracing::warn!(segment = first, error, "a log of the history is not sealed; it is tried again");
                }
                state.unsealed = Some(error);
            }
        }
        self.show(&state);
    }
}

/// Makes a segment of a log, on disk before the log goes.
fn seal_file(dir: &Path, first: u64) -> io::Result<(Piece, u64)> {
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
fn resume(dir: &Path, piece: &mut Piece, damaged: &mut BTreeSet<String>) -> io::Result<(u64, Option<Open>)> {
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
fn after_segment(dir: &Path, piece: &Piece) -> u64 {
    let found = piece.extent.map(|extent| extent.last);
    let read = || Segment::open(&path_of(dir, piece.first, Form::Sealed)).ok()?.last_readable().ok()?;
    match found {
        Some(last) => last.max(piece.first) + 1,
        None => read().unwrap_or(piece.first).saturating_add(GAP),
    }
}

impl State {
    /// Writes decisions as one frame; returns them with their numbers.
    fn write(&mut self, dir: &Path, decisions: Vec<Decision>) -> io::Result<Vec<Recorded>> {
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

    fn recovered(&mut self) {
        if let Some(Failing { decisions, since, .. }) = self.failing.take() {
            tracing::info!(lost = decisions, seconds = since.elapsed().as_secs(), "decisions are recorded again");
        }
    }

    fn failed(&mut self, error: &io::Error, count: u64) {
        let error = error.to_string();
        let (since, told) = (Stopwatch::start(), Stopwatch::start());
        let Some(failing) = &mut self.failing else {
            tracing::error!(error, "decisions are not recorded in the history; pages go out all the same");
            self.failing = Some(Failing { error, decisions: count, since, told });
            return;
        };
        failing.decisions += count;
        failing.error = error;
        if failing.told.elapsed() >= BETWEEN_LINES {
            failing.told = told;
            let (error, lost) = (&failing.error, failing.decisions);
            tracing::error!(error, lost, "decisions are still not recorded in the history");
        }
    }

    /// Ends the log if it is long or old enough; returns which it was.
    fn seal_if_due(&mut self, now: i64, limits: &Limits) -> Option<u64> {
        let is_due = |open: &Open| {
            let age = open.begun.map_or(0, |begun| now.saturating_sub(begun));
            open.bytes >= limits.longest_log() || age >= limits.oldest_log()
        };
        let due = self.open.as_ref().is_some_and(is_due);
        if due { self.open.take().map(|open| open.first) } else { None }
    }

    /// Takes out what is too old, and the oldest of what is too much; never the log that is written.
    fn over(&mut self, now: i64, is_held: bool, limits: &Limits) -> Vec<Piece> {
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
    fn waiting(&self) -> impl Iterator<Item = u64> {
        let open = self.open.as_ref().map(|open| open.first);
        self.pieces.values().filter(move |p| p.form == Form::Log && Some(p.first) != open).map(|p| p.first)
    }

    /// What those who read see.
    fn shown(&self) -> Shown {
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

/// Answers a query from the files of a history that nobody writes, or someone else does.
///
/// # Errors
/// There is no history, or it cannot be read.
pub fn query_dir(dir: &Path, query: &Query) -> Result<Page, OpenError> {
    let (pieces, _) = pieces::list_known(dir).map_err(|error| OpenError { dir: dir.to_owned(), error })?;
    Ok(Search::new(dir, query).run(&pieces))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
