//! The process' file descriptors, shared out so that some are always left for pages and for state: clients may hold a
//! quarter, scrapes under way an eighth, and above three quarters neither gets a new one.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Stopwatch;

/// What is assumed where the limit cannot be learnt: the usual soft limit.
const ASSUMED: usize = 1024;
/// How long a count holds.
const FRESH: Duration = Duration::from_millis(250);

/// Raises the soft limit of descriptors to the hard one and gives the limit in force.
pub fn raise_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes the struct it is given, which is ours and lives until it returns.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return ASSUMED;
    }
    if limit.rlim_cur < limit.rlim_max {
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        // SAFETY: the call only reads the struct it is given.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) } == 0 {
            limit = wanted;
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// The limit; asking for it raises it.
static LIMIT: LazyLock<usize> = LazyLock::new(raise_limit);
static SCRAPES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new((*LIMIT / 8).clamp(4, Semaphore::MAX_PERMITS)));
static COUNTED: Mutex<Option<(Stopwatch, usize)>> = Mutex::new(None);

/// How many may be open.
pub fn limit() -> usize {
    *LIMIT
}

/// How many connections of clients there may be.
pub fn share_of_clients() -> usize {
    (limit() / 4).max(4)
}

/// Places for scrapes under way.
pub fn scrapes() -> &'static Semaphore {
    &SCRAPES
}

/// Whether more than half are open: connections are then closed instead of kept for the next request.
pub fn crowded() -> bool {
    open() > limit() / 2
}

/// Whether what is left is kept for pages and state.
pub fn scarce() -> bool {
    open() > limit() / 4 * 3
}

/// How many are open, counted lately; 0 where the system does not say.
fn open() -> usize {
    let mut counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    match *counted {
        Some((at, open)) if at.elapsed() < FRESH => open,
        _ => {
            let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            *counted = Some((Stopwatch::start(), open));
            open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_always_left_for_pages() {
        let limit = limit();
        assert!(share_of_clients() <= limit / 4 + 4 && scrapes().available_permits() <= limit / 8 + 4);
        // What may be opened between two counts does not reach the limit.
        assert!(limit < 64 || limit / 4 * 3 + limit / 8 < limit);
        assert!(open() > 0 || !std::path::Path::new("/proc/self/fd").exists());
        assert_eq!(raise_limit(), limit);
    }
}
