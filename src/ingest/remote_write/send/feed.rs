//! From the log to the shards' queues: one thread an endpoint, which waits while they are full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::progress::Progress;
use super::queue::{Item, Queue, Queued};
use super::shard::{Endpoint, Shard};
use super::shards::{EVERY_SECONDS, Rates};
use crate::clock::Stopwatch;
use crate::ingest::store::SampleRow;
use crate::model::Labels;
use crate::tsdb::Exemplar;
use crate::tsdb::follow::{FollowedSample, LogFollower, LogPosition};

/// How long a wait lasts before it is looked around: whether to end, whether to say something.
const LOOK_AROUND: Duration = Duration::from_millis(200);
/// Full queues this long mean that the endpoint does not keep up.
const BEHIND_AFTER: Duration = Duration::from_secs(30);

/// Reads the log into the queues of as many shards as are needed.
pub(super) struct Feeder {
    endpoint: Arc<Endpoint>,
    progress: Arc<Progress>,
    handle: Handle,
    shards: Vec<JoinHandle<()>>,
    rates: Rates,
    looked: Stopwatch,
}

impl Feeder {
    /// A feeder with the fewest shards.
    pub fn start(endpoint: Arc<Endpoint>, progress: Arc<Progress>, handle: Handle) -> Self {
        let fewest = endpoint.settings.queue.min_shards.max(1);
        let (rates, looked) = (Rates::default(), Stopwatch::start());
        let mut feeder = Feeder { endpoint, progress, handle, shards: Vec::new(), rates, looked };
        feeder.start_shards(fewest);
        feeder
    }

    fn start_shards(&mut self, shards: usize) {
        let q = &self.endpoint.settings.queue;
        let queues: Arc<[_]> = (0..shards).map(|_| Arc::new(Queue::new(q.capacity, q.max_samples_per_send))).collect();
        *self.progress.queues.write() = queues.clone();
        let counters = &self.progress.counters;
        for (gauge, value) in [
            (&counters.shards, shards),
            (&counters.shards_max, q.max_shards),
            (&counters.shards_min, q.min_shards),
            (&counters.shard_capacity, q.capacity),
            (&counters.max_samples_per_send, q.max_samples_per_send),
        ] {
            gauge.set(value as f64);
        }
        let run = |queue: &Arc<Queue>| {
            let shard = Shard::new(self.endpoint.clone(), queue.clone(), self.progress.clone());
            self.handle.spawn(shard.run())
        };
        self.shards = queues.iter().map(run).collect();
    }

    /// Runs until it is told to end, and all is sent or given up.
    pub fn run(mut self, mut follower: LogFollower) {
        let (mut lost, progress) = (0, self.progress.clone());
        let ended = || progress.given_up.load(Ordering::Relaxed);
        while !ended() {
            let position = follower.position();
            match follower.read() {
                Ok(Some(samples)) => self.take(samples, follower.take_exemplars(), position),
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
                let (remote, samples) = (&progress.name, more);
                tracing::error!(remote, samples, "samples of the log were lost before they could be sent");
            }
            if progress.queues().iter().all(|q| q.oldest().is_none()) {
                progress.confirm();
            }
            self.look_at_shards();
        }
        self.end_shards();
    }

    fn take(&self, samples: Vec<FollowedSample>, exemplars: Vec<(Labels, Exemplar)>, position: LogPosition) {
        let counters = &self.progress.counters;
        counters.came.add(samples.len() as u64);
        let newest = samples.iter().map(|s| s.t).max();
        newest.iter().for_each(|newest| counters.highest.raise(*newest as f64 / 1_000.0));
        let row = |FollowedSample { labels, t, st, value }: FollowedSample| {
            Item::Sample(SampleRow { labels, series: None, t, st, value })
        };
        let exemplars = exemplars.into_iter().map(|(labels, exemplar)| Item::Exemplar(labels, exemplar));
        distribute(samples.into_iter().map(row).chain(exemplars), position, &self.progress);
    }

    /// Changes the number of shards when another one is needed. What is queued is sent first, so that the samples of a series
    /// stay in order.
    fn look_at_shards(&mut self) {
        let seconds = self.looked.elapsed().as_secs_f64();
        if seconds < EVERY_SECONDS {
            return;
        }
        self.looked = Stopwatch::start();
        let (now, settings) = (self.shards.len(), &self.endpoint.settings.queue);
        let wanted = self.rates.look(&self.progress.counters, settings, now, seconds);
        if wanted != now {
            self.end_shards();
            let (remote, url) = (&self.progress.name, &self.progress.url);
            tracing::info!(remote, url, from = now, to = wanted, "remote write changes its shards");
            self.start_shards(wanted);
        }
    }

    /// Ends the shards once they have sent what is in their queues, or have been given up.
    fn end_shards(&mut self) {
        self.progress.queues().iter().for_each(|q| q.close());
        let ended = futures::future::join_all(std::mem::take(&mut self.shards));
        self.handle.block_on(ended);
    }
}

/// Puts items into the queues: those of a series always into the same one, which keeps their order.
fn distribute(items: impl Iterator<Item = Item>, position: LogPosition, progress: &Progress) {
    let queues = progress.queues();
    let shards = queues.len().max(1);
    let mut parts: Vec<VecDeque<Queued>> = vec![VecDeque::new(); shards];
    for item in items {
        let shard = if shards == 1 { 0 } else { (item.labels().hash64() % shards as u64) as usize };
        if let Some(part) = parts.get_mut(shard) {
            part.push_back(Queued { item, position });
        }
    }
    let waiting = Stopwatch::start();
    for (queue, part) in queues.iter().zip(&mut parts) {
        while !part.is_empty() && !progress.given_up.load(Ordering::Relaxed) {
            queue.fill(part, LOOK_AROUND);
            if !part.is_empty() && waiting.elapsed() > BEHIND_AFTER {
                progress.fall_behind("the endpoint does not keep up");
            }
        }
    }
}
