//! How far an endpoint has got.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::metrics::SendCounters;
use super::queue::Queue;
use crate::clock::Stopwatch;
use crate::tsdb::follow::{Confirmation, LogFollower, LogPosition};

/// The same trouble is logged no more often.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What the feeder and the shards of one endpoint share.
pub(super) struct Progress {
    pub name: String,
    pub url: String,
    /// One a shard.
    pub queues: RwLock<Arc<[Arc<Queue>]>>,
    pub counters: Arc<SendCounters>,
    /// Everything before it is in the queues, or has arrived.
    pub fed: Mutex<LogPosition>,
    confirmation: Confirmation,
    /// End once the log is read.
    pub ending: AtomicBool,
    /// End now.
    pub given_up: AtomicBool,
    behind: Mutex<Behind>,
    /// When a refusal was logged last, and samples refused since.
    refused: Mutex<(Option<Stopwatch>, usize)>,
}

/// Whether samples arrive late, or not at all.
#[derive(Default)]
struct Behind {
    since: Option<Stopwatch>,
    reason: String,
    /// The log says so.
    told: bool,
    told_last: Option<Stopwatch>,
}

impl Progress {
    pub fn new((name, url): (String, String), counters: Arc<SendCounters>, follower: &LogFollower) -> Self {
        Progress {
            name,
            url,
            queues: RwLock::new(Arc::new([])),
            counters,
            fed: Mutex::new(follower.position()),
            confirmation: follower.confirmation(),
            ending: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            behind: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// The queues of this moment.
    pub fn queues(&self) -> Arc<[Arc<Queue>]> {
        self.queues.read().clone()
    }

    /// Bytes of the log from the oldest sample on that has not arrived.
    pub fn behind_bytes(&self) -> u64 {
        self.confirmation.behind()
    }

    /// Writes down how far samples have arrived.
    pub fn confirm(&self) {
        // What is fed meanwhile comes after.
        let fed = *self.fed.lock();
        let oldest = self.queues().iter().filter_map(|q| q.oldest()).min();
        if let Err(e) = self.confirmation.confirm(oldest.map_or(fed, |oldest| oldest.min(fed))) {
            self.fall_behind(&e.to_string());
        }
    }

    /// Notes that samples do not arrive as they come, which is logged when it begins; not each time where it comes and goes.
    pub fn fall_behind(&self, reason: &str) {
        let mut behind = self.behind.lock();
        if behind.since.is_none() {
            behind.since = Some(Stopwatch::start());
            self.counters.behind.set(1.0);
        }
        if behind.reason != reason {
            reason.clone_into(&mut behind.reason);
        }
        if !behind.told && behind.told_last.is_none_or(|last| last.elapsed() >= SAY_AGAIN) {
            (behind.told, behind.told_last) = (true, Some(Stopwatch::start()));
            tracing::warn!(
                remote = self.name,
                url = self.url,
                reason,
                "remote write is behind; samples are kept in the log"
            );
        }
    }

    /// Why samples do not arrive as they come, if they do not.
    pub fn behind_because(&self) -> Option<String> {
        let behind = self.behind.lock();
        behind.since.map(|_| behind.reason.clone())
    }

    /// Notes that the endpoint will never take some samples: logged once a minute at most, with what was not logged since.
    pub fn refused(&self, reason: &str, samples: usize) {
        let mut refused = self.refused.lock();
        refused.1 += samples;
        if refused.0.is_none_or(|last| last.elapsed() >= SAY_AGAIN) {
            let samples = std::mem::take(&mut refused.1);
            refused.0 = Some(Stopwatch::start());
            tracing::error!(remote = self.name, url = self.url, reason, samples, "remote write refused samples");
        }
    }

    /// Notes that a batch has arrived and little waits; logged when that was not so.
    pub fn caught_up(&self) {
        if self.queues().iter().any(|q| q.is_full()) {
            return;
        }
        let mut behind = self.behind.lock();
        let Some(since) = behind.since.take() else { return };
        self.counters.behind.set(0.0);
        if std::mem::take(&mut behind.told) {
            let seconds = since.elapsed().as_secs();
            tracing::info!(remote = self.name, url = self.url, seconds, "remote write goes on");
        }
    }
}
