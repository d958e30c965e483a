//! The endpoints of a configuration, and the store that tells them of every sample.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::RemoteWriteSettings;
use super::delivery::{Backoff, Verdict, verdict};
use super::queue::Queue;
use crate::clock::Clock;
use crate::ingest::relabel;
use crate::ingest::remote_write::encode;
use crate::ingest::store::{SampleRow, SampleStore, StoreCounts};
use crate::model::{Labels, Value};
use crate::net::{HttpClient, NetError, redact_url};
use crate::tsdb::Metadata;

/// Shards of an endpoint unless its limits say otherwise.
const SHARDS: usize = 4;
/// How long queues may go on sending when the process ends.
const FLUSH_DEADLINE: Duration = Duration::from_secs(60);
/// Relabelled series a shard remembers.
const REMEMBERED: usize = 100_000;

/// Counters of one endpoint, under Prometheus' names without `prometheus_remote_storage_`.
#[derive(Debug, Default)]
pub struct SendCounters {
    /// `samples_total`: float samples sent.
    pub samples: AtomicU64,
    /// `histograms_total`: native histograms sent.
    pub histograms: AtomicU64,
    /// `samples_failed_total`: refused for good.
    pub failed: AtomicU64,
    /// `samples_retried_total`
    pub retried: AtomicU64,
    /// `samples_dropped_total`: by relabelling, age, a full queue or the end of the process.
    pub dropped: AtomicU64,
    /// `bytes_total`: compressed.
    pub bytes: AtomicU64,
    /// `samples_pending`
    pub pending: AtomicU64,
    /// `shards`
    pub shards: AtomicU64,
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

struct Writer {
    settings: Arc<RemoteWriteSettings>,
    queues: Vec<Arc<Queue>>,
    counters: Arc<SendCounters>,
    give_up: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writer {
    fn push(&self, rows: &[SampleRow]) {
        let shards = self.queues.len() as u64;
        for (i, queue) in (0u64..).zip(&self.queues) {
            let mine = rows.iter().filter(|row| shards == 1 || row.labels.hash64() % shards == i);
            add(&self.counters.dropped, queue.push(mine.cloned()));
        }
    }
}

/// The endpoints in force. Cheap to tell of samples when there is none.
pub struct RemoteWriters {
    writers: RwLock<Vec<Writer>>,
    ending: Mutex<Vec<JoinHandle<()>>>,
    clock: Arc<dyn Clock>,
    handle: Handle,
}

impl RemoteWriters {
    /// No endpoints; shards run on `handle`.
    pub fn new(clock: Arc<dyn Clock>, handle: Handle) -> Self {
        RemoteWriters { writers: RwLock::default(), ending: Mutex::default(), clock, handle }
    }

    /// Takes a configuration into force: unchanged endpoints go on, others end (once their queues are sent) or start.
    ///
    /// # Errors
    /// Endpoints that cannot be started; the others are in force.
    pub fn apply(&self, configuration: Vec<RemoteWriteSettings>) -> Vec<NetError> {
        let mut writers = self.writers.write();
        let mut old = std::mem::take(&mut *writers);
        let mut errors = Vec::new();
        for settings in configuration {
            match old.iter().position(|w| *w.settings == settings) {
                Some(i) => writers.push(old.swap_remove(i)),
                None => match self.start(settings) {
                    Ok(writer) => writers.push(writer),
                    Err(e) => errors.push(e),
                },
            }
        }
        drop(writers);
        for writer in old {
            writer.queues.iter().for_each(|q| q.close());
            self.ending.lock().extend(writer.tasks);
        }
        errors
    }

    fn start(&self, settings: RemoteWriteSettings) -> Result<Writer, NetError> {
        let client = HttpClient::new(&settings.http)?;
        let q = &settings.queue;
        let shards = SHARDS.min(q.max_shards).max(q.min_shards).max(1);
        let queues: Vec<_> = (0..shards).map(|_| Arc::new(Queue::new(q.capacity, q.max_samples_per_send))).collect();
        let counters = Arc::new(SendCounters::default());
        counters.shards.store(shards as u64, Ordering::Relaxed);
        let (give_up, gave_up) = watch::channel(false);
        let settings = Arc::new(settings);
        let tasks = queues.iter().map(|queue| {
            let shard = Shard {
                settings: settings.clone(),
                client: client.clone(),
                queue: queue.clone(),
                counters: counters.clone(),
                gave_up: gave_up.clone(),
                clock: self.clock.clone(),
                relabelled: HashMap::new(),
            };
            self.handle.spawn(shard.run())
        });
        let tasks = tasks.collect();
        Ok(Writer { settings, queues, counters, give_up, tasks })
    }

    /// Queues rows for every endpoint. Never waits: a queue that is full loses its oldest samples, and counts them.
    pub fn push(&self, rows: &[SampleRow]) {
        for writer in &*self.writers.read() {
            writer.push(rows);
        }
    }

    /// Name, redacted URL and counters of each endpoint.
    pub fn counters(&self) -> Vec<(String, String, Arc<SendCounters>)> {
        let one = |w: &Writer| {
            let pending: usize = w.queues.iter().map(|q| q.len()).sum();
            w.counters.pending.store(pending as u64, Ordering::Relaxed);
            (w.settings.name.clone(), redact_url(&w.settings.url), w.counters.clone())
        };
        self.writers.read().iter().map(one).collect()
    }

    /// Sends what is queued, for at most a minute, and ends.
    pub async fn shutdown(&self) {
        let writers = std::mem::take(&mut *self.writers.write());
        let mut tasks = std::mem::take(&mut *self.ending.lock());
        let mut give_up = Vec::new();
        for writer in writers {
            writer.queues.iter().for_each(|q| q.close());
            tasks.extend(writer.tasks);
            give_up.push(writer.give_up);
        }
        let all = futures::future::join_all(tasks);
        tokio::pin!(all);
        if tokio::time::timeout(FLUSH_DEADLINE, &mut all).await.is_err() {
            give_up.iter().for_each(|g| {
                g.send_replace(true);
            });
            all.await;
        }
    }
}

/// Stores samples and tells the endpoints of them.
pub struct TeeStore {
    /// Where samples are stored.
    pub store: Arc<dyn SampleStore>,
    /// Who is told of them.
    pub writers: Arc<RemoteWriters>,
}

impl SampleStore for TeeStore {
    fn store(&self, rows: &mut [SampleRow]) -> StoreCounts {
        let counts = self.store.store(rows);
        self.writers.push(rows);
        counts
    }

    fn describe(&self, metric: &str, metadata: &Metadata) {
        self.store.describe(metric, metadata);
    }
}

struct Shard {
    settings: Arc<RemoteWriteSettings>,
    client: HttpClient,
    queue: Arc<Queue>,
    counters: Arc<SendCounters>,
    gave_up: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
    /// What series are sent as; `None` when relabelling drops them.
    relabelled: HashMap<Labels, Option<Labels>>,
}

impl Shard {
    async fn run(mut self) {
        let deadline = Duration::from_millis(self.settings.queue.batch_send_deadline.max(1).unsigned_abs());
        while let Some(batch) = self.queue.next_batch(deadline).await {
            let taken = batch.len();
            let rows: Vec<SampleRow> = batch.into_iter().filter_map(|row| self.prepared(row)).collect();
            add(&self.counters.dropped, taken - rows.len());
            if !rows.is_empty() {
                self.deliver(&rows).await;
            }
        }
    }

    /// The row as it is sent, `None` when it is not.
    fn prepared(&mut self, mut row: SampleRow) -> Option<SampleRow> {
        if matches!(row.value, Value::Histogram(_)) && !self.settings.send_native_histograms {
            return None;
        }
        if self.too_old(&row) {
            return None;
        }
        if self.relabelled.len() > REMEMBERED {
            self.relabelled.clear();
        }
        let settings = &self.settings;
        let sent = self.relabelled.entry(row.labels.clone()).or_insert_with(|| outgoing(&row.labels, settings));
        row.labels = sent.clone()?;
        Some(row)
    }

    fn too_old(&self, row: &SampleRow) -> bool {
        let limit = self.settings.queue.sample_age_limit;
        limit > 0 && self.clock.now().saturating_sub(row.t) > limit
    }

    async fn deliver(&mut self, rows: &[SampleRow]) {
        let body = encode(self.settings.protocol, rows);
        let mut backoff = Backoff::new(self.settings.queue.min_backoff, self.settings.queue.max_backoff);
        loop {
            let (outcome, reason) = self.send(body.clone()).await;
            match outcome {
                Verdict::Sent => {
                    let histograms = rows.iter().filter(|r| matches!(r.value, Value::Histogram(_))).count();
                    add(&self.counters.histograms, histograms);
                    add(&self.counters.samples, rows.len() - histograms);
                    add(&self.counters.bytes, body.len());
                    return;
                }
                Verdict::Drop => {
                    add(&self.counters.failed, rows.len());
                    tracing::error!(
                        remote = self.settings.name,
                        url = redact_url(&self.settings.url),
                        reason,
                        samples = rows.len(),
                        "Remote write refused samples"
                    );
                    return;
                }
                Verdict::Retry { after } => {
                    let pause = Duration::from_millis(backoff.pause(after).unsigned_abs());
                    add(&self.counters.retried, rows.len());
                    tracing::warn!(
                        remote = self.settings.name,
                        url = redact_url(&self.settings.url),
                        reason,
                        pause_ms = pause.as_millis() as u64,
                        "Remote write failed, retrying"
                    );
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = self.gave_up.wait_for(|g| *g) => {
                            add(&self.counters.dropped, rows.len());
                            return;
                        }
                    }
                    if rows.iter().all(|row| self.too_old(row)) {
                        add(&self.counters.dropped, rows.len());
                        return;
                    }
                }
            }
        }
    }

    async fn send(&self, body: Vec<u8>) -> (Verdict, String) {
        match self.try_send(body).await {
            Ok(answer) => answer,
            Err(e) => (Verdict::Retry { after: None }, e.to_string()),
        }
    }

    async fn try_send(&self, body: Vec<u8>) -> Result<(Verdict, String), NetError> {
        let protocol = self.settings.protocol;
        let request = self
            .client
            .request(Method::POST, &self.settings.url)?
            .timeout(Duration::from_millis(self.settings.remote_timeout.max(1).unsigned_abs()))
            .header(CONTENT_TYPE, protocol.content_type())
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", protocol.version())
            .body(body);
        let response = self.client.send(request).await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let outcome = verdict(status.as_u16(), retry_after.as_deref(), self.settings.queue.retry_on_http_429);
        let mut reason = format!("server returned HTTP status {status}");
        if outcome != Verdict::Sent
            && let Ok(text) = read_line(response).await
            && !text.is_empty()
        {
            reason = format!("{reason}: {text}");
        }
        Ok((outcome, reason))
    }
}

/// The labels a series is sent under: external ones added, then relabelled.
fn outgoing(labels: &Labels, settings: &RemoteWriteSettings) -> Option<Labels> {
    let mut builder = labels.to_builder();
    for (name, value) in &settings.external_labels {
        if builder.get(name).is_none() {
            builder.set(name, value);
        }
    }
    if !relabel::process_builder(&mut builder, &settings.write_relabel) {
        return None;
    }
    Some(builder.build()).filter(|l| !l.is_empty())
}

/// The first line of an answer, for a message.
async fn read_line(mut response: reqwest::Response) -> Result<String, NetError> {
    let chunk = response.chunk().await?.unwrap_or_default();
    let text = String::from_utf8_lossy(chunk.get(..chunk.len().min(1024)).unwrap_or_default()).into_owned();
    Ok(text.lines().next().unwrap_or("").to_owned())
}
