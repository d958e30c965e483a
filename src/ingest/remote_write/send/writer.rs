//! The endpoints of a configuration, and the shards that send.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::RemoteWriteSettings;
use super::delivery::{Backoff, Verdict, verdict};
use super::feed::{Progress, feed};
use super::metrics::{ENDPOINT, SendCounters};
use super::queue::Queue;
use crate::clock::Clock;
use crate::ingest::relabel;
use crate::ingest::remote_write::encode;
use crate::ingest::store::SampleRow;
use crate::instrument::{Collect, Exposition};
use crate::model::{Labels, Value};
use crate::net::{HttpClient, NetError, redact_url};
use crate::tsdb::{Tsdb, TsdbError};

/// Shards of an endpoint unless its limits say otherwise.
const SHARDS: usize = 4;
/// Relabelled series a shard remembers.
const REMEMBERED: usize = 100_000;

struct Writer {
    settings: Arc<RemoteWriteSettings>,
    /// The name under which it follows the log.
    follower: String,
    progress: Arc<Progress>,
    give_up: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writer {
    /// Ends once what is in the log has been sent.
    fn end(&self) {
        self.progress.ending.store(true, Ordering::Relaxed);
    }

    /// Ends now. What was not sent stays in the log.
    fn give_up(&self) {
        self.progress.given_up.store(true, Ordering::Relaxed);
        self.progress.queues.iter().for_each(|q| q.close());
        self.give_up.send_replace(true);
    }
}

/// The endpoints in force. Each follows the database's log, so that nothing needs to be told to it, and what was not sent
/// when the process ends is sent after the next start.
pub struct RemoteWriters {
    writers: Mutex<Vec<Writer>>,
    ending: Mutex<Vec<Writer>>,
    storage: Tsdb,
    clock: Arc<dyn Clock>,
    handle: Handle,
}

/// Why an endpoint was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its client cannot be built.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The log cannot be followed.
    #[error(transparent)]
    Log(#[from] TsdbError),
    /// Its thread cannot be started.
    #[error("remote write: {0}")]
    Thread(std::io::Error),
    /// The database has no log.
    #[error("remote write sends what is in the log of the data directory, and there is none")]
    NoLog,
}

impl RemoteWriters {
    /// No endpoints; they will send what `storage` logs, on `handle`.
    pub fn new(storage: Tsdb, clock: Arc<dyn Clock>, handle: Handle) -> Self {
        RemoteWriters { writers: Mutex::default(), ending: Mutex::default(), storage, clock, handle }
    }

    /// Takes a configuration into force: unchanged endpoints go on, others end (once what is in the log is sent) or start.
    /// One whose settings changed goes on where it was.
    ///
    /// # Errors
    /// Endpoints that cannot be started; the others are in force.
    pub fn apply(&self, configuration: Vec<RemoteWriteSettings>) -> Vec<StartError> {
        let mut writers = self.writers.lock();
        let mut old = std::mem::take(&mut *writers);
        let names = follower_names(&configuration);
        for gone in old.iter().filter(|w| !configuration.contains(&w.settings)) {
            // Its heir reads again what it leaves behind.
            if names.contains(&gone.follower) { gone.give_up() } else { gone.end() }
        }
        let mut errors = Vec::new();
        for (settings, name) in configuration.into_iter().zip(&names) {
            match old.iter().position(|w| *w.settings == settings && w.follower == *name) {
                Some(i) => writers.push(old.swap_remove(i)),
                None => match self.start(settings, name) {
                    Ok(writer) => writers.push(writer),
                    Err(e) => errors.push(e),
                },
            }
        }
        let mut ending = self.ending.lock();
        ending.retain(|w| w.tasks.iter().any(|t| !t.is_finished()));
        ending.extend(old);
        errors.extend(self.storage.keep_followers(&names).err().map(StartError::from));
        errors
    }

    fn start(&self, settings: RemoteWriteSettings, name: &str) -> Result<Writer, StartError> {
        let client = HttpClient::new(&settings.http)?;
        let follower = self.storage.follow(name)?.ok_or(StartError::NoLog)?;
        let q = &settings.queue;
        let shards = SHARDS.min(q.max_shards).max(q.min_shards).max(1);
        let queues: Vec<_> = (0..shards).map(|_| Arc::new(Queue::new(q.capacity, q.max_samples_per_send))).collect();
        let counters = Arc::new(SendCounters::default());
        counters.shards.set(shards as f64);
        let (give_up, gave_up) = watch::channel(false);
        let settings = Arc::new(settings);
        let told = (settings.name.clone(), redact_url(&settings.url));
        let progress = Arc::new(Progress::new(told, queues.clone(), counters, &follower));
        let tasks = queues.into_iter().map(|queue| {
            let shard = Shard {
                settings: settings.clone(),
                client: client.clone(),
                queue,
                progress: progress.clone(),
                gave_up: gave_up.clone(),
                clock: self.clock.clone(),
                relabelled: HashMap::new(),
            };
            self.handle.spawn(shard.run())
        });
        let mut tasks: Vec<_> = tasks.collect();
        // A thread of its own: it waits, and reads files.
        let (fed, (done, is_done)) = (progress.clone(), oneshot::channel());
        let run = move || {
            feed(follower, &fed);
            // Nobody may wait for it.
            let _ = done.send(());
        };
        std::thread::Builder::new().name("remote-write".into()).spawn(run).map_err(StartError::Thread)?;
        tasks.push(self.handle.spawn(async move { _ = is_done.await }));
        Ok(Writer { settings, follower: name.to_owned(), progress, give_up, tasks })
    }

    /// Name, redacted URL and counters of each endpoint.
    pub fn counters(&self) -> Vec<(String, String, Arc<SendCounters>)> {
        let one = |w: &Writer| {
            let (counters, pending) =
                (w.progress.counters.clone(), w.progress.queues.iter().map(|q| q.len()).sum::<usize>());
            counters.pending.set(pending as f64);
            counters.behind_bytes.set(w.progress.behind_bytes() as f64);
            (w.progress.name.clone(), w.progress.url.clone(), counters)
        };
        self.writers.lock().iter().map(one).collect()
    }

    /// Sends what is in the log, for at most `patience`, and ends. What was not sent is sent after the next start.
    pub async fn shutdown(&self, patience: Duration) {
        let mut all = std::mem::take(&mut *self.writers.lock());
        all.append(&mut *self.ending.lock());
        all.iter().for_each(Writer::end);
        let tasks: Vec<_> = all.iter_mut().flat_map(|w| std::mem::take(&mut w.tasks)).collect();
        let ended = futures::future::join_all(tasks);
        tokio::pin!(ended);
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            all.iter().for_each(Writer::give_up);
            ended.await;
        }
    }
}

impl Collect for RemoteWriters {
    fn collect(&self, out: &mut Exposition) {
        let endpoints = self.counters();
        if endpoints.is_empty() {
            return;
        }
        let labels = |name, url| vec![("remote_name", name), ("url", url)];
        let named = endpoints.iter().map(|(name, url, counters)| (labels(name.as_str(), url.as_str()), &**counters));
        out.figures_by(&ENDPOINT, &named.collect::<Vec<_>>());
    }
}

impl Drop for RemoteWriters {
    fn drop(&mut self) {
        self.writers.lock().iter().chain(&*self.ending.lock()).for_each(Writer::give_up);
    }
}

/// Names under which endpoints follow the log: the same after a restart, whatever else changes in their settings, and no
/// secret in them.
fn follower_names(configuration: &[RemoteWriteSettings]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for settings in configuration {
        let of = if settings.name.is_empty() { &settings.url } else { &settings.name };
        let hash = twox_hash::XxHash64::oneshot(0, of.as_bytes());
        let twins = names.iter().filter(|n| n.starts_with(&format!("{hash:016x}"))).count();
        names.push(if twins == 0 { format!("{hash:016x}") } else { format!("{hash:016x}-{twins}") });
    }
    names
}

struct Shard {
    settings: Arc<RemoteWriteSettings>,
    client: HttpClient,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    gave_up: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
    /// What series are sent as; `None` when relabelling drops them.
    relabelled: HashMap<Labels, Option<Labels>>,
}

impl Shard {
    async fn run(mut self) {
        let deadline = Duration::from_millis(self.settings.queue.batch_send_deadline.max(1).unsigned_abs());
        while let Some(batch) = self.queue.next_batch(deadline).await {
            let (taken, newest) = (batch.len(), batch.iter().map(|row| row.t).max().unwrap_or(0));
            let rows: Vec<SampleRow> = batch.into_iter().filter_map(|row| self.prepared(row)).collect();
            self.progress.counters.dropped.add((taken - rows.len()) as u64);
            if !rows.is_empty() && !self.deliver(&rows).await {
                // What is left is not taken for arrived: the next start sends it.
                return;
            }
            self.queue.arrived();
            self.progress.counters.highest_sent.raise(newest as f64 / 1_000.0);
            self.progress.confirm();
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

    /// Sends rows until they have arrived or never will; `false` when it was given up before.
    async fn deliver(&mut self, rows: &[SampleRow]) -> bool {
        let body = encode(self.settings.protocol, rows);
        let (counters, mut gave_up) = (self.progress.counters.clone(), self.gave_up.clone());
        let mut backoff = Backoff::new(self.settings.queue.min_backoff, self.settings.queue.max_backoff);
        loop {
            let (outcome, reason) = tokio::select! {
                sent = self.send(body.clone()) => sent,
                _ = gave_up.wait_for(|g| *g) => return false,
            };
            match outcome {
                Verdict::Sent => {
                    let histograms = rows.iter().filter(|r| matches!(r.value, Value::Histogram(_))).count();
                    counters.histograms.add(histograms as u64);
                    counters.samples.add((rows.len() - histograms) as u64);
                    counters.bytes.add(body.len() as u64);
                    self.progress.caught_up();
                    return true;
                }
                Verdict::Drop => {
                    counters.failed.add(rows.len() as u64);
                    self.progress.refused(&reason, rows.len());
                    return true;
                }
                Verdict::Retry { after } => {
                    let pause = Duration::from_millis(backoff.pause(after).unsigned_abs());
                    counters.retried.add(rows.len() as u64);
                    let (remote, url) = (&self.progress.name, &self.progress.url);
                    tracing::debug!(
                        remote,
                        url,
                        reason,
                        pause_ms = pause.as_millis() as u64,
                        "remote write tries again"
                    );
                    self.progress.fall_behind(&reason);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = gave_up.wait_for(|g| *g) => return false,
                    }
                    if rows.iter().all(|row| self.too_old(row)) {
                        counters.dropped.add(rows.len() as u64);
                        return true;
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
