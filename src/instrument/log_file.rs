//! Files of lines that others read: queries, scrapes that failed.
//!
//! One thread writes them all, so that whoever has a line to write never waits for a disk. What the disk does not take in
//! time is dropped, counted and told.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Duration;

use parking_lot::Mutex;

use super::Counter;
use crate::clock::Stopwatch;

/// Lines that may wait to be written.
pub const MOST_LINES: usize = 16_384;
/// Bytes that may wait to be written.
pub const MOST_BYTES: usize = 16 << 20;
/// Of one file, trouble is told at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Between two looks for room among what waits to be written.
const A_MOMENT: Duration = Duration::from_millis(5);

/// What the thread does next.
enum Job {
    Write(Arc<Open>, String),
    Tell(SyncSender<()>),
}

/// The thread that writes. It ends when neither the writer nor any of its files is there any more.
#[derive(Clone, Debug)]
pub struct LogWriter {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// A file that lines are appended to. It is closed when all that was given to it is written and it is dropped.
#[derive(Clone, Debug)]
pub struct LogFile {
    open: Arc<Open>,
    writer: LogWriter,
}

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    failures: Arc<Counter>,
    /// The last write ended within a line.
    is_torn: AtomicBool,
    told: Mutex<Option<Stopwatch>>,
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> io::Result<LogWriter> {
        let (jobs, to_do) = mpsc::sync_channel(MOST_LINES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = waiting.clone();
        std::thread::Builder::new().name("log-files".into()).spawn(move || write(&to_do, &left))?;
        Ok(LogWriter { jobs, waiting })
    }

    /// Opens a file to append to; makes it where it is not there. Lines that could not be written are counted in
    /// `failures`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self, path: &Path, failures: Arc<Counter>) -> io::Result<LogFile> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let (path, told) = (path.to_owned(), Mutex::new(None));
        let open = Open { file, path, failures, is_torn: AtomicBool::new(false), told };
        Ok(LogFile { open: Arc::new(open), writer: self.clone() })
    }

    /// Waits until what was given so far is written, but no longer than `patience`.
    pub fn finish(&self, patience: Duration) {
        let watch = Stopwatch::start();
        let (tell, told) = mpsc::sync_channel(1);
        let mut job = Job::Tell(tell);
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            if watch.elapsed() >= patience {
                return;
            }
            job = back;
            std::thread::sleep(A_MOMENT);
        }
        // What a disk that hangs does not take is lost with the process.
        let _ = told.recv_timeout(patience.saturating_sub(watch.elapsed()));
    }
}

impl LogFile {
    /// Appends a line, which brings no end of its own.
    pub fn append(&self, mut line: String) {
        line.push('\n');
        let (len, waiting) = (line.len(), &self.writer.waiting);
        let is_room = waiting.fetch_add(len, Ordering::Relaxed).saturating_add(len) <= MOST_BYTES;
        let job = Job::Write(self.open.clone(), line);
        if !is_room || self.writer.jobs.try_send(job).is_err() {
            waiting.fetch_sub(len, Ordering::Relaxed);
            self.open.failed("lines come faster than they can be written");
        }
    }
}

fn write(to_do: &Receiver<Job>, waiting: &AtomicUsize) {
    while let Ok(job) = to_do.recv() {
        match job {
            Job::Write(open, line) => {
                if let Err(e) = open.write(&line) {
                    open.failed(&e.to_string());
                }
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
            }
            // Who waited may have lost patience.
            Job::Tell(tell) => drop(tell.send(())),
        }
    }
}

impl Open {
    /// One call for a line, so that lines stay whole when another process appends too.
    fn write(&self, line: &str) -> io::Result<()> {
        let mut file = &self.file;
        if self.is_torn.load(Ordering::Relaxed) {
            file.write_all(b"\n")?;
        }
        let written = file.write_all(line.as_bytes());
        self.is_torn.store(written.is_err(), Ordering::Relaxed);
        written
    }

    fn failed(&self, why: &str) {
        self.failures.inc();
        let mut told = self.told.lock();
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(Stopwatch::start());
            tracing::error!(file = %self.path.display(), error = why, "a log file cannot be written; lines are lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn lines_are_appended_in_order_and_a_file_is_reopened_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "before\n").unwrap();
        let (writer, failures) = (LogWriter::start().unwrap(), Arc::new(Counter::default()));
        let file = writer.open(&path, failures.clone()).unwrap();
        (0..1_000).for_each(|i| file.append(i.to_string()));
        writer.finish(PATIENCE);
        let want: String = std::iter::once("before\n".into()).chain((0..1_000).map(|i| format!("{i}\n"))).collect();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), want);
        // As logrotate does it.
        std::fs::rename(&path, dir.path().join("a.log.1")).unwrap();
        let again = writer.open(&path, failures.clone()).unwrap();
        file.append("late".into());
        again.append("new".into());
        writer.finish(PATIENCE);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert!(std::fs::read_to_string(dir.path().join("a.log.1")).unwrap().ends_with("999\nlate\n"));
        assert_eq!(failures.get(), 0);
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted() {
        let (writer, failures) = (LogWriter::start().unwrap(), Arc::new(Counter::default()));
        assert!(writer.open(Path::new("/nothere/a.log"), failures.clone()).is_err());
        let full = writer.open(Path::new("/dev/full"), failures.clone()).unwrap();
        full.append("one".into());
        full.append("two".into());
        writer.finish(PATIENCE);
        assert_eq!(failures.get(), 2);
        full.append("x".repeat(MOST_BYTES));
        assert_eq!(failures.get(), 3, "too much at once");
    }
}
