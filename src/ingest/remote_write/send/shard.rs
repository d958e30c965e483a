//! A shard: takes batches from its queue and sends each until it has arrived or never will.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use tokio::sync::watch;

use super::RemoteWriteSettings;
use super::delivery::{Backoff, Verdict, reason_of, verdict};
use super::progress::Progress;
use super::queue::{Item, Queue};
use crate::clock::{Clock, Stopwatch};
use crate::ingest::relabel;
use crate::ingest::remote_write::encode::{Describe, Request, encode_request};
use crate::ingest::remote_write::{Protocol, WRITTEN_HEADERS};
use crate::ingest::store::SampleRow;
use crate::model::{Labels, Value};
use crate::net::{HttpClient, NetError};
use crate::tsdb::{Exemplar, Metadata, Tsdb};

/// Relabelled series a shard remembers.
const REMEMBERED: usize = 100_000;

/// An endpoint, as its shards reach it.
pub(super) struct Endpoint {
    pub settings: Arc<RemoteWriteSettings>,
    pub client: HttpClient,
    pub storage: Tsdb,
    pub clock: Arc<dyn Clock>,
    pub gave_up: watch::Receiver<bool>,
    /// It answered that it does not know 2.0.
    pub speaks_v1_only: AtomicBool,
}

impl Endpoint {
    /// The version of the protocol in which it is spoken to.
    pub fn protocol(&self) -> Protocol {
        if self.speaks_v1_only.load(Ordering::Relaxed) { Protocol::V1 } else { self.settings.protocol }
    }

    /// Whether an answer says that it does not know the protocol, and there is an older one.
    fn falls_back(&self, protocol: Protocol, status: u16, progress: &Progress) -> bool {
        let falls_back = status == 415 && protocol == Protocol::V2;
        if falls_back && !self.speaks_v1_only.swap(true, Ordering::Relaxed) {
            let (remote, url) = (&progress.name, &progress.url);
            tracing::warn!(remote, url, "the endpoint does not take remote write 2.0 and is sent 1.0 from now on");
        }
        falls_back
    }

    /// Posts a body; what it means, and why where it is not a success.
    pub async fn post(&self, protocol: Protocol, body: Vec<u8>, progress: &Progress) -> (Verdict, String) {
        match self.try_post(protocol, body, progress).await {
            Ok(answer) => answer,
            Err(e) => (Verdict::Retry { after: None }, e.to_string()),
        }
    }

    async fn try_post(
        &self,
        protocol: Protocol,
        body: Vec<u8>,
        progress: &Progress,
    ) -> Result<(Verdict, String), NetError> {
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
        if self.falls_back(protocol, status.as_u16(), progress) {
            return Ok((Verdict::Encode, String::new()));
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let outcome = verdict(status.as_u16(), retry_after.as_deref(), self.settings.queue.retry_on_http_429);
        if outcome == Verdict::Sent && protocol == Protocol::V2 && wrote_nothing(response.headers()) {
            let reason =
                "the answer's headers say that nothing was written, as those of an endpoint that knows 1.0 alone";
            return Ok((Verdict::Drop, reason.to_owned()));
        }
        let reason = if outcome == Verdict::Sent { String::new() } else { reason_of(response).await };
        Ok((outcome, reason))
    }
}

/// Whether the headers of an answer to a 2.0 request say that nothing of it was written.
fn wrote_nothing(headers: &HeaderMap) -> bool {
    let wrote = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|n| n.trim() != "0");
    !WRITTEN_HEADERS.iter().any(|name| wrote(name))
}

/// What is sent at once.
#[derive(Default)]
struct Batch {
    rows: Vec<SampleRow>,
    exemplars: Vec<(Labels, Exemplar)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.exemplars.is_empty()
    }
}

pub(super) struct Shard {
    endpoint: Arc<Endpoint>,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    /// What series are sent as; `None` when relabelling drops them.
    relabelled: HashMap<Labels, Option<Labels>>,
}

impl Shard {
    pub fn new(endpoint: Arc<Endpoint>, queue: Arc<Queue>, progress: Arc<Progress>) -> Self {
        Shard { endpoint, queue, progress, relabelled: HashMap::new() }
    }

    /// Sends what the queue gives, until it ends or is given up.
    pub async fn run(mut self) {
        let deadline = self.endpoint.settings.queue.batch_send_deadline;
        let deadline = Duration::from_millis(deadline.max(1).unsigned_abs());
        while let Some(items) = self.queue.next_batch(deadline).await {
            let time = |item: &Item| match item {
                Item::Sample(row) => row.t,
                Item::Exemplar(..) => i64::MIN,
            };
            let newest = items.iter().map(time).max().unwrap_or(i64::MIN);
            let batch = self.prepared(items);
            if !batch.is_empty() && !self.deliver(&batch).await {
                // What is left is not taken for arrived: the next start sends it.
                return;
            }
            self.queue.arrived();
            if newest > i64::MIN {
                self.progress.counters.highest_sent.raise(newest as f64 / 1_000.0);
            }
            self.progress.confirm();
        }
    }

    /// The items as they are sent.
    fn prepared(&mut self, items: Vec<Item>) -> Batch {
        let mut batch = Batch::default();
        let mut dropped = 0;
        for item in items {
            let unwanted = match &item {
                Item::Sample(row) => {
                    let is_histogram = matches!(row.value, Value::Histogram(_));
                    (is_histogram && !self.endpoint.settings.send_native_histograms) || self.is_too_old(row.t)
                }
                Item::Exemplar(_, exemplar) => self.is_too_old(exemplar.t),
            };
            let labels = if unwanted { None } else { self.outgoing(item.labels()) };
            match (item, labels) {
                (Item::Sample(row), Some(labels)) => batch.rows.push(SampleRow { labels, ..row }),
                (Item::Exemplar(_, exemplar), Some(labels)) => batch.exemplars.push((labels, exemplar)),
                (Item::Sample(_), None) => dropped += 1,
                (Item::Exemplar(..), None) => {}
            }
        }
        self.progress.counters.dropped.add(dropped);
        batch
    }

    /// The labels under which a series is sent, `None` when it is not.
    fn outgoing(&mut self, labels: &Labels) -> Option<Labels> {
        if self.relabelled.len() > REMEMBERED {
            self.relabelled.clear();
        }
        let settings = &self.endpoint.settings;
        self.relabelled.entry(labels.clone()).or_insert_with(|| outgoing(labels, settings)).clone()
    }

    fn is_too_old(&self, t: i64) -> bool {
        let limit = self.endpoint.settings.queue.sample_age_limit;
        limit > 0 && self.endpoint.clock.now().saturating_sub(t) > limit
    }

    fn encoded(&self, protocol: Protocol, batch: &Batch) -> Vec<u8> {
        let storage = &self.endpoint.storage;
        let described = |metric: &str| -> Option<Metadata> { metadata_of(storage, metric) };
        let described: Describe<'_> = &described;
        let metadata = Some(described).filter(|_| self.endpoint.settings.metadata.send);
        encode_request(protocol, &Request { rows: &batch.rows, exemplars: &batch.exemplars, metadata })
    }

    /// Sends a batch until it has arrived or never will; `false` when it was given up before.
    async fn deliver(&mut self, batch: &Batch) -> bool {
        let (endpoint, progress) = (self.endpoint.clone(), self.progress.clone());
        let (counters, mut gave_up) = (&progress.counters, endpoint.gave_up.clone());
        let queue = &endpoint.settings.queue;
        let mut backoff = Backoff::new(queue.min_backoff, queue.max_backoff);
        let mut protocol = endpoint.protocol();
        let mut body = self.encoded(protocol, batch);
        let samples = batch.rows.len();
        loop {
            let sending = Stopwatch::start();
            let (outcome, reason) = tokio::select! {
                sent = endpoint.post(protocol, body.clone(), &progress) => sent,
                _ = gave_up.wait_for(|g| *g) => return false,
            };
            match outcome {
                Verdict::Sent => {
                    let histograms = batch.rows.iter().filter(|r| matches!(r.value, Value::Histogram(_))).count();
                    counters.histograms.add(histograms as u64);
                    counters.samples.add((samples - histograms) as u64);
                    counters.exemplars.add(batch.exemplars.len() as u64);
                    counters.bytes.add(body.len() as u64);
                    counters.send_micros.add(sending.elapsed().as_micros() as u64);
                    progress.caught_up();
                    return true;
                }
                Verdict::Encode => {
                    protocol = endpoint.protocol();
                    body = self.encoded(protocol, batch);
                }
                Verdict::Drop => {
                    counters.failed.add(samples as u64);
                    progress.refused(&reason, samples);
                    return true;
                }
                Verdict::Retry { after } => {
                    let pause = Duration::from_millis(backoff.pause(after).unsigned_abs());
                    counters.retried.add(samples as u64);
                    let (remote, url, pause_ms) = (&progress.name, &progress.url, pause.as_millis() as u64);
                    tracing::debug!(remote, url, reason, pause_ms, "remote write tries again");
                    progress.fall_behind(&reason);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = gave_up.wait_for(|g| *g) => return false,
                    }
                    if samples > 0 && batch.rows.iter().all(|row| self.is_too_old(row.t)) {
                        counters.dropped.add(samples as u64);
                        return true;
                    }
                }
            }
        }
    }
}

/// What is known of a metric, or of the family that it belongs to.
fn metadata_of(storage: &Tsdb, metric: &str) -> Option<Metadata> {
    let family =
        || ["_bucket", "_count", "_sum", "_total", "_created", "_info"].iter().find_map(|s| metric.strip_suffix(s));
    let known = |name: &str| storage.metadata(name).into_iter().next();
    known(metric).or_else(|| known(family()?))
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
