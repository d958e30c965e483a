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

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::instrument::Counter;

use super::decision::Decision;
use super::followers::{Followers, News};
use super::pieces::{self, Form, path_of};
use super::query::{Page, Query, Search};
use super::queue::{Handed, Queue};
use super::written::{GAP, Limits, Shown, State, after_segment, resume, seal_file};

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
        let state = State::of(pieces, open, next);
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

    /// Whether all that was recorded is written within some time: before the process ends.
    pub fn finish(&self, patience: Duration) -> bool {
        self.0.queue.finish(patience)
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
            // The queue has told of it.
            state.lose(why.into(), count);
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
