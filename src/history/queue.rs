//! Decisions on their way to the disk. A thread of its own writes them, so that a disk that hangs keeps neither the engine
//! nor anybody who reads: whoever records waits a moment for the disk, and no longer where it does not answer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::Duration;

use parking_lot::Mutex;

use super::decision::Decision;
use crate::clock::Stopwatch;

/// How long whoever records waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);
/// Decisions that may wait to be written.
pub const MOST_WAITING: usize = 65_536;
/// How long a disk may not answer before decisions pass for not recorded.
const LONGEST_HANG: Duration = Duration::from_secs(10);
/// The pause between two lines in the log while decisions are lost.
const BETWEEN_LINES: Duration = Duration::from_secs(600);
/// Why decisions are not recorded while it hangs.
const HANGS: &str = "the disk does not answer";

/// What the thread is handed: decisions, and who is told when they are written, or lost.
pub(super) struct Handed {
    pub decisions: Vec<Decision>,
    pub done: SyncSender<()>,
}

/// The way to the thread that writes.
pub(super) struct Queue {
    jobs: Sender<Handed>,
    /// Decisions that are not written yet.
    waiting: AtomicUsize,
    /// Decisions that found no room, since the thread asked last.
    dropped: AtomicU64,
    hang: Mutex<Option<Hang>>,
}

/// A disk that does not answer.
struct Hang {
    since: Stopwatch,
    lost: u64,
    told: Option<Stopwatch>,
}

impl Queue {
    pub fn new() -> (Queue, Receiver<Handed>) {
        let (jobs, handed) = mpsc::channel();
        let queue = Queue { jobs, waiting: AtomicUsize::new(0), dropped: AtomicU64::new(0), hang: Mutex::new(None) };
        (queue, handed)
    }

    /// Hands decisions over, and waits a moment until they are written. Whether there was room for them.
    pub fn hand_over(&self, decisions: Vec<Decision>) -> bool {
        let count = decisions.len();
        let (done, written) = mpsc::sync_channel(1);
        let is_room = self.waiting.fetch_add(count, Ordering::Relaxed).saturating_add(count) <= MOST_WAITING;
        // The thread lives as long as this, unless it panicked.
        if !is_room || self.jobs.send(Handed { decisions, done }).is_err() {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
            self.drop_decisions(count as u64);
            return false;
        }
        let is_hanging = self.hang.lock().is_some();
        if !is_hanging && written.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the history's disk does not answer; decisions wait for it, and pages go out all the same");
            *self.hang.lock() = Some(Hang { since: Stopwatch::start(), lost: 0, told: None });
        }
        true
    }

    /// Returns when what was handed over is written, however long that takes.
    pub fn settle(&self) {
        let (done, written) = mpsc::sync_channel(1);
        // A thread that has ended writes nothing any more.
        let _ = self.jobs.send(Handed { decisions: Vec::new(), done });
        let _ = written.recv();
    }

    /// Whether all that was handed over is written within some time.
    pub fn finish(&self, patience: Duration) -> bool {
        let (done, written) = mpsc::sync_channel(1);
        self.jobs.send(Handed { decisions: Vec::new(), done }).is_ok() && written.recv_timeout(patience).is_ok()
    }

    fn drop_decisions(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        let mut hang = self.hang.lock();
        let hang = hang.get_or_insert(Hang { since: Stopwatch::start(), lost: 0, told: None });
        hang.lost += count;
        if hang.told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES) {
            hang.told = Some(Stopwatch::start());
            tracing::error!(lost = hang.lost, error = HANGS, "decisions are not recorded in the history");
        }
    }

    /// Decisions that found no room since the last call, and why.
    pub fn take_dropped(&self) -> Option<(u64, &'static str)> {
        Some((self.dropped.swap(0, Ordering::Relaxed), HANGS)).filter(|(count, _)| *count > 0)
    }

    /// So many decisions that were handed over are written, or lost.
    pub fn wrote(&self, count: usize) {
        if self.waiting.fetch_sub(count, Ordering::Relaxed) == count
            && let Some(Hang { since, lost, .. }) = self.hang.lock().take()
        {
            tracing::info!(lost, seconds = since.elapsed().as_secs(), "the history's disk answers again");
        }
    }

    /// Why decisions are not recorded, if they are not.
    pub fn failure(&self) -> Option<&'static str> {
        let hang = self.hang.lock();
        let is_waiting = self.waiting.load(Ordering::Relaxed) > 0;
        let hangs = |hang: &Hang| is_waiting && (hang.lost > 0 || hang.since.elapsed() >= LONGEST_HANG);
        hang.as_ref().is_some_and(hangs).then_some(HANGS)
    }
}
