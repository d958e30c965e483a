//! Threads that evaluate groups side by side. A few suffice while evaluations only compute; when all of them wait (for a
//! remote datasource that hangs), more are started, so that a late group never delays another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::Stopwatch;

/// Most threads, whatever hangs.
const MOST_THREADS: usize = 256;
/// A job that waited this long calls for another thread.
const PATIENCE: Duration = Duration::from_millis(250);
/// A thread beyond the usual number ends after idling this long.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Its threads end when it is dropped and the jobs are done.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    usual: usize,
}

struct State {
    jobs: VecDeque<(Stopwatch, Job)>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// A pool of usually `usual` threads, started as they are needed.
    pub(super) fn new(usual: usize) -> Self {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, closed: false };
        Pool { shared: Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), usual: usual.max(1) }) }
    }

    /// Has a job done.
    pub(super) fn submit(&self, job: Job) {
        let mut state = self.shared.state.lock();
        state.jobs.push_back((Stopwatch::start(), job));
        if state.idle < state.jobs.len() && state.threads < self.shared.usual {
            self.add_thread(&mut state);
        }
        self.shared.wake.notify_one();
    }

    /// Starts a thread if a job has waited for too long. Returns after how long to ask again, while jobs wait.
    pub(super) fn relieve(&self) -> Option<Duration> {
        let mut state = self.shared.state.lock();
        let waited = state.jobs.front().map(|(since, _)| since.elapsed())?;
        if waited >= PATIENCE && state.threads < MOST_THREADS {
            self.add_thread(&mut state);
            self.shared.wake.notify_one();
        }
        Some(PATIENCE)
    }

    fn add_thread(&self, state: &mut State) {
        let shared = self.shared.clone();
        let spawned = std::thread::Builder::new().name("evaluate".into()).spawn(move || work(&shared));
        // Without another thread the jobs wait for those there are; if there are none, the next job tries again.
        state.threads += usize::from(spawned.is_ok());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut state = shared.state.lock();
    loop {
        if let Some((_, job)) = state.jobs.pop_front() {
            parking_lot::MutexGuard::unlocked(&mut state, job);
            continue;
        }
        if state.closed {
            break;
        }
        state.idle += 1;
        let idled = shared.wake.wait_for(&mut state, IDLE).timed_out();
        state.idle -= 1;
        if idled && state.jobs.is_empty() && state.threads > shared.usual {
            break;
        }
    }
    state.threads -= 1;
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_that_hang_do_not_keep_others_waiting() {
        let pool = Pool::new(1);
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (done, finished) = mpsc::channel();
        for _ in 0..3 {
            let (held, done) = (held.clone(), done.clone());
            pool.submit(Box::new(move || {
                let _ = held.lock().recv();
                let _ = done.send("hung");
            }));
        }
        pool.submit(Box::new(move || {
            let _ = done.send("quick");
        }));
        let first = loop {
            if let Ok(first) = finished.recv_timeout(PATIENCE) {
                break first;
            }
            pool.relieve();
        };
        assert_eq!(first, "quick");
        drop(release);
        assert_eq!(finished.iter().count(), 3);
    }
}
