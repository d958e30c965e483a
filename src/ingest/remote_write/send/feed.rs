//! From the log to the shards' queues: one thread an endpoint, which waits while they are full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::metrics::SendCounters;
use super::queue::{Queue, Queued};
use crate::clock::Stopwatch;
use crate::ingest::store::SampleRow;
use crate::tsdb::follow::{Confirmation, LogFollower, LogPosition};

/// How long a wait lasts before it is looked around: whether to end, whether to say something.
const LOOK_AROUND: Duration = Duration::from_millis(200);
/// Full queues this long mean that the endpoint does not keep up.
const BEHIND_AFTER: Duration = Duration::from_secs(30);

/// The same trouble is logged no more often.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What the feeder and the shards of one endpoint share.
pub(super) struct Progress {
    pub name: String,
    pub url: String,
    pub queues: Vec<Arc<Queue>>,
    pub counters: Arc<SendCounters>,
    /// Everything before it is in the queues, or has arrived.
    fed: Mutex<LogPosition>,
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
    /// The log says so.
    told: bool,
    told_last: Option<Stopwatch>,
}

impl Progress {
    pub fn new(
        (name, url): (String, String),
        queues: Vec<Arc<Queue>>,
        counters: Arc<SendCounters>,
        follower: &LogFollower,
    ) -> Self {
        Progress {
            name,
            url,
            queues,
            counters,
            fed: Mutex::new(follower.position()),
            confirmation: follower.confirmation(),
            ending: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            behind: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Bytes of the log from the oldest sample on that has not arrived.
    pub fn behind_bytes(&self) -> u64 {
        self.confirmation.behind()
    }

    /// Writes down how far samples have arrived.
    pub fn confirm(&self) {
        // What is fed meanwhile comes after.
        let fed = *self.fed.lock();
        let oldest = self.queues.iter().filter_map(|q| q.oldest()).min();
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
        if self.queues.iter().any(|q| q.is_full()) {
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

/// Reads the log into the queues, until it is told to end.
pub(super) fn feed(mut follower: LogFollower, progress: &Progress) {
    let (mut lost, ended) = (0, || progress.given_up.load(Ordering::Relaxed));
    while !ended() {
        let position = follower.position();
        match follower.read() {
            Ok(Some(samples)) => {
                let row = |s: crate::tsdb::follow::FollowedSample| SampleRow {
                    labels: s.labels,
                    series: None,
                    t: s.t,
                    st: s.st,
                    value: s.value,
                };
                let newest = samples.iter().map(|s| s.t).max().unwrap_or(0);
                progress.counters.highest.raise(newest as f64 / 1_000.0);
                distribute(samples.into_iter().map(row), position, progress);
            }
            Ok(None) if progress.ending.load(Ordering::Relaxed) => break,
            Ok(None) => follower.wait(LOOK_AROUND),
            Err(e) => {
                progress.fall_behind(&e.to_string());
                follower.wait(LOOK_AROUND);
                std::thread::sleep(LOOK_AROUND);
            }
        }
        if !ended() {
            *progress.fed.lock() = follower.position();
        }
        let more = follower.lost() - lost;
        if more > 0 {
            lost = follower.lost();
            progress.counters.dropped.add(more);
            tracing::error!(
                remote = progress.name,
                samples = more,
                "samples of the log were lost before they could be sent"
            );
        }
        if progress.queues.iter().all(|q| q.oldest().is_none()) {
            progress.confirm();
        }
    }
    progress.queues.iter().for_each(|q| q.close());
}

/// Puts rows into the queues: those of a series always into the same one, which keeps their order.
fn distribute(rows: impl Iterator<Item = SampleRow>, position: LogPosition, progress: &Progress) {
    let shards = progress.queues.len().max(1);
    let mut parts: Vec<VecDeque<Queued>> = vec![VecDeque::new(); shards];
    for row in rows {
        let shard = if shards == 1 { 0 } else { (row.labels.hash64() % shards as u64) as usize };
        if let Some(part) = parts.get_mut(shard) {
            part.push_back(Queued { row, position });
        }
    }
    let waiting = Stopwatch::start();
    for (queue, part) in progress.queues.iter().zip(&mut parts) {
        while !part.is_empty() && !progress.given_up.load(Ordering::Relaxed) {
            queue.fill(part, LOOK_AROUND);
            if !part.is_empty() && waiting.elapsed() > BEHIND_AFTER {
                progress.fall_behind("the endpoint does not keep up");
            }
        }
    }
}
