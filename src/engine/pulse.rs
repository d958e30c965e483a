//! Whether the engine's thread turns. A disk that does not answer holds it up, a defect ends it: in neither case does it
//! say so itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Stopwatch;

/// A thread that has not turned for so long is held up; it turns once a second at least.
const HELD_UP: Duration = Duration::from_secs(30);

/// What the thread shows of itself. Clones show the same.
#[derive(Clone)]
pub(super) struct Pulse(Arc<Inner>);

struct Inner {
    started: Stopwatch,
    // When it turned last, milliseconds since the start.
    turned_at: AtomicU64,
    is_dead: AtomicBool,
    died: Notify,
}

impl Pulse {
    pub(super) fn start() -> Self {
        Pulse(Arc::new(Inner {
            started: Stopwatch::start(),
            turned_at: AtomicU64::new(0),
            is_dead: AtomicBool::new(false),
            died: Notify::new(),
        }))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A turn begins. Says how much has passed since the last one began, milliseconds.
    pub(super) fn beat(&self) -> u64 {
        let now = self.elapsed();
        now.saturating_sub(self.0.turned_at.swap(now, Ordering::Relaxed))
    }

    /// The thread has ended, and nobody asked it to.
    pub(super) fn die(&self) {
        self.0.is_dead.store(true, Ordering::Release);
        self.0.died.notify_one();
    }

    /// How long the last turn is ago.
    pub(super) fn silence(&self) -> Duration {
        Duration::from_millis(self.elapsed().saturating_sub(self.0.turned_at.load(Ordering::Relaxed)))
    }

    /// What keeps rules from being evaluated and pages from being sent.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.0.is_dead.load(Ordering::Acquire) {
            return Some("the engine has stopped after a defect; its last words are in the log".into());
        }
        let silence = self.silence();
        (silence > HELD_UP).then(|| {
            format!("the engine has been held up for {} s, as a disk does that gives no answer", silence.as_secs())
        })
    }

    /// Returns when the thread has ended and nobody asked it to.
    pub(super) async fn death(&self) {
        self.0.died.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_ended_by_itself_is_told_of_to_who_waits_and_who_asks() {
        let pulse = Pulse::start();
        pulse.beat();
        assert_eq!(pulse.trouble(), None);
        pulse.clone().die();
        pulse.death().await;
        assert!(pulse.trouble().is_some_and(|why| why.contains("defect")));
    }
}
