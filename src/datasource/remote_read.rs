//! Remote read: the series of other servers beside our own, as `remote_read` of a configuration asks for them.
//!
//! A selection asks each endpoint that may have samples of its time and takes what it answers as series that are added to our
//! own, or joined with those of the same labels; of two samples at one time ours counts. An endpoint that fails makes the
//! query fail: an answer without its series would look like one in which they have ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::runtime::Handle;

use super::{Querier, QueryError};
use crate::clock::Clock;
use crate::config::RemoteReadConfig;
use crate::ingest::remote_write::row::Row;
use crate::ingest::wire::{Fields, WireError, WireWriter};
use crate::model::histogram::HistogramDefect;
use crate::model::{Labels, MatchOp, Matcher, SampleBuf, Value};
use crate::net::{HttpClient, HttpSettings, NetError, read_body, redact_url};
use crate::promql::{EvalEnv, Evaluated, Plan};
use crate::tsdb::{Queryable, Series, StorageError, Tsdb};

/// Bytes of an answer, compressed and not.
const MAX_ANSWER: u64 = 256 << 20;
const MAX_DECOMPRESSED: usize = 1 << 30;
/// Local storage is taken for complete from this long after its oldest block on: Prometheus' margin.
const MARGIN_MS: i64 = 4 * 3600 * 1000;

/// An endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteReadSettings {
    /// Where to.
    pub url: String,
    /// Names it in messages; the URL when empty.
    pub name: String,
    /// Milliseconds a request may take.
    pub timeout: i64,
    /// Whether it is asked for times of which local storage should have everything.
    pub read_recent: bool,
    /// It is asked only by selectors that have all of these.
    pub required: BTreeMap<String, String>,
    /// Labels that its series have because they were sent from here; taken off again.
    pub external_labels: Labels,
    /// How to reach it.
    pub http: HttpSettings,
}

impl RemoteReadSettings {
    /// The settings a configuration states.
    pub fn from_config(config: &RemoteReadConfig, external_labels: Labels) -> Self {
        let mut http = HttpSettings::from(&config.http);
        http.headers.extend(config.headers.iter().map(|(n, v)| (n.clone(), v.as_str().into())));
        RemoteReadSettings {
            url: config.url.as_str().to_owned(),
            name: config.name.clone(),
            timeout: config.remote_timeout.millis(),
            read_recent: config.read_recent,
            required: config.required_matchers.clone(),
            external_labels: if config.filter_external_labels { external_labels } else { Labels::empty() },
            http,
        }
    }
}

/// Asks one endpoint.
#[derive(Clone, Debug)]
struct RemoteReader {
    settings: RemoteReadSettings,
    client: HttpClient,
    handle: Handle,
}

impl RemoteReader {
    /// Whether it is asked by a selector.
    fn is_asked(&self, matchers: &[Matcher]) -> bool {
        let has = |name: &str, value: &str| {
            matchers.iter().any(|m| m.op == MatchOp::Equal && m.name == name && m.value == value)
        };
        self.settings.required.iter().all(|(name, value)| has(name, value))
    }

    /// The series that satisfy every matcher, with their samples in `[mint, maxt]`.
    fn read(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<(Labels, SampleBuf)>, StorageError> {
        let external = self.settings.external_labels.iter();
        let added: Vec<(&str, &str)> = external.filter(|(name, _)| matchers.iter().all(|m| m.name != *name)).collect();
        let more: Vec<Matcher> = added.iter().map(|(name, value)| Matcher::equal(*name, *value)).collect();
        let body = request(matchers.iter().chain(&more), mint, maxt);
        let answer = self.ask(body).map_err(|why| self.failed(&why))?;
        let len = snap::raw::decompress_len(&answer).map_err(|e| self.failed(&e.to_string()))?;
        if len > MAX_DECOMPRESSED {
            return Err(self.failed(&format!("its answer of {len} bytes is over the limit of {MAX_DECOMPRESSED}")));
        }
        let message = snap::raw::Decoder::new().decompress_vec(&answer).map_err(|e| self.failed(&e.to_string()))?;
        let mut found = series_of(&message).map_err(|e| self.failed(&e.to_string()))?;
        if !added.is_empty() {
            for (labels, _) in &mut found {
                let mut builder = labels.to_builder();
                added.iter().for_each(|(name, _)| _ = builder.remove(name));
                *labels = builder.build();
            }
        }
        Ok(found)
    }

    fn failed(&self, why: &str) -> StorageError {
        let url = redact_url(&self.settings.url);
        let name = if self.settings.name.is_empty() { &url } else { &self.settings.name };
        StorageError::Remote(format!("remote read {name}: {why}"))
    }

    fn ask(&self, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let this = self.clone();
        let (send, receive) = sync_channel(1);
        self.handle.spawn(async move {
            // The receiver is gone when the process ends meanwhile.
            let _ = send.send(this.exchange(body).await);
        });
        receive.recv().map_err(|_| "the process is shutting down".to_owned())?
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let text = |e: NetError| e.to_string();
        let request = self
            .client
            .request(Method::POST, &self.settings.url)
            .map_err(text)?
            .timeout(Duration::from_millis(self.settings.timeout.max(1).unsigned_abs()))
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Read-Version", "0.1.0")
            .body(body);
        let response = self.client.send(request).await.map_err(text)?;
        let status = response.status();
        let answer = read_body(response, MAX_ANSWER).await.map_err(|e| e.to_string())?;
        if status.is_success() {
            return Ok(answer);
        }
        let answer = String::from_utf8_lossy(answer.get(..answer.len().min(200)).unwrap_or_default()).into_owned();
        Err(format!("server returned HTTP status {status}: {}", answer.lines().next().unwrap_or("")))
    }
}

/// A compressed `prometheus.ReadRequest` for samples.
fn request<'a>(matchers: impl Iterator<Item = &'a Matcher>, mint: i64, maxt: i64) -> Vec<u8> {
    let mut out = WireWriter::default();
    out.message(1, |query| {
        query.uint(1, mint as u64);
        query.uint(2, maxt as u64);
        for m in matchers {
            query.message(3, |w| {
                let op = match m.op {
                    MatchOp::Equal => 0,
                    MatchOp::NotEqual => 1,
                    MatchOp::Regex => 2,
                    MatchOp::NotRegex => 3,
                };
                w.uint(1, op);
                w.bytes(2, m.name.as_bytes());
                w.bytes(3, m.value.as_bytes());
            });
        }
    });
    // Of the two kinds of answers the one in samples.
    out.uint(2, 0);
    // A request is far below the 4 GiB that snappy refuses.
    snap::raw::Encoder::new().compress_vec(&out.buf).unwrap_or_default()
}

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum BadAnswer {
    Wire(#[from] WireError),
    Histogram(#[from] HistogramDefect),
}

/// The series of a `prometheus.ReadResponse`.
fn series_of(message: &[u8]) -> Result<Vec<(Labels, SampleBuf)>, BadAnswer> {
    let mut found = Vec::new();
    let mut results = Fields::new(message);
    while let Some(result) = results.next_field()? {
        if result.number != 1 {
            continue;
        }
        let mut all = Fields::new(result.bytes()?);
        while let Some(series) = all.next_field()? {
            if series.number == 1 {
                found.push(one_series(series.bytes()?)?);
            }
        }
    }
    Ok(found)
}

fn one_series(message: &[u8]) -> Result<(Labels, SampleBuf), BadAnswer> {
    let mut row = Row::default();
    row.decode_v1(message)?;
    row.read_labels()?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| WireError::Utf8);
    let mut pairs = Vec::with_capacity(row.labels.len());
    for (name, value) in &row.labels {
        pairs.push((text(name)?, text(value)?));
    }
    let mut samples = SampleBuf::default();
    row.samples.iter().for_each(|s| samples.push(s.t, s.v));
    for s in row.histograms {
        samples.push_histogram(s.t, Arc::new(s.h?));
    }
    samples.settle((0, 0));
    Ok((Labels::from_pairs(pairs), samples))
}

/// A series of which samples came from elsewhere.
struct ReadSeries {
    labels: Labels,
    local: Option<Arc<dyn Series>>,
    /// Ascending in time.
    samples: SampleBuf,
}

impl ReadSeries {
    /// The floats and histograms of an interval, as ranges.
    fn within(&self, mint: i64, maxt: i64) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let (ts, hists) = (&self.samples.ts, &self.samples.hists);
        let floats = ts.partition_point(|t| *t < mint)..ts.partition_point(|t| *t <= maxt);
        let histograms = hists.partition_point(|(t, _)| *t < mint)..hists.partition_point(|(t, _)| *t <= maxt);
        (floats, histograms)
    }
}

impl Series for ReadSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let begin = (out.ts.len(), out.hists.len());
        if let Some(local) = &self.local {
            local.read(mint, maxt, start_timestamps, out)?;
        }
        let (floats, histograms) = self.within(mint, maxt);
        out.ts.extend_from_slice(self.samples.ts.get(floats.clone()).unwrap_or(&[]));
        out.vs.extend_from_slice(self.samples.vs.get(floats).unwrap_or(&[]));
        out.hists.extend_from_slice(self.samples.hists.get(histograms).unwrap_or(&[]));
        if start_timestamps {
            out.float_st.resize(out.ts.len(), 0);
            out.hist_st.resize(out.hists.len(), 0);
        }
        out.settle(begin);
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let local = self.local.as_ref().map_or(Ok(None), |local| local.latest(mint, maxt))?;
        let (floats, histograms) = self.within(mint, maxt);
        let float = floats.last().and_then(|i| Some((*self.samples.ts.get(i)?, *self.samples.vs.get(i)?)));
        let histogram = histograms.last().and_then(|i| self.samples.hists.get(i)).cloned();
        let all = [local, float.map(|(t, v)| (t, Value::Float(v))), histogram.map(|(t, h)| (t, Value::Histogram(h)))];
        // Of two at one time the first, which is ours.
        Ok(all.into_iter().flatten().rev().max_by_key(|(t, _)| *t))
    }
}

/// Our series, and those that endpoints have besides.
pub struct FanoutStorage {
    local: Tsdb,
    readers: Vec<RemoteReader>,
    clock: Arc<dyn Clock>,
}

impl FanoutStorage {
    /// A storage that asks these endpoints; `handle` is the runtime that carries the requests.
    ///
    /// # Errors
    /// The place of an endpoint whose client cannot be built, and why.
    pub fn new(
        local: Tsdb,
        endpoints: Vec<RemoteReadSettings>,
        clock: Arc<dyn Clock>,
        handle: &Handle,
    ) -> Result<Self, (usize, NetError)> {
        let reader = |(i, settings): (usize, RemoteReadSettings)| {
            let client = HttpClient::new(&settings.http).map_err(|e| (i, e))?;
            Ok(RemoteReader { settings, client, handle: handle.clone() })
        };
        let readers = endpoints.into_iter().enumerate().map(reader).collect::<Result<_, _>>()?;
        Ok(FanoutStorage { local, readers, clock })
    }

    /// From when on local storage is taken to have everything.
    fn complete_from(&self) -> i64 {
        self.local.oldest_block().unwrap_or_else(|| self.clock.now()).saturating_add(MARGIN_MS)
    }
}

impl Queryable for FanoutStorage {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let mut read: BTreeMap<Labels, SampleBuf> = BTreeMap::new();
        for reader in self.readers.iter().filter(|r| r.is_asked(matchers)) {
            let until = if reader.settings.read_recent { maxt } else { maxt.min(self.complete_from()) };
            if mint > until {
                continue;
            }
            for (labels, samples) in reader.read(matchers, mint, until)? {
                let all = read.entry(labels).or_default();
                all.ts.extend(samples.ts);
                all.vs.extend(samples.vs);
                all.hists.extend(samples.hists);
            }
        }
        let local = self.local.select(matchers, mint, maxt)?;
        if read.is_empty() {
            return Ok(local);
        }
        let joined = |labels: Labels, local: Option<Arc<dyn Series>>, mut samples: SampleBuf| -> Arc<dyn Series> {
            samples.settle((0, 0));
            Arc::new(ReadSeries { labels, local, samples })
        };
        let mut all: Vec<Arc<dyn Series>> = Vec::with_capacity(local.len() + read.len());
        for series in local {
            match read.remove(series.labels()) {
                Some(samples) => all.push(joined(series.labels().clone(), Some(series), samples)),
                None => all.push(series),
            }
        }
        all.extend(read.into_iter().map(|(labels, samples)| joined(labels, None, samples)));
        Ok(all)
    }

    fn label_names(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<String>, StorageError> {
        self.local.label_names(matchers, mint, maxt)
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        mint: i64,
        maxt: i64,
    ) -> Result<Vec<String>, StorageError> {
        self.local.label_values(name, matchers, mint, maxt)
    }
}

/// Answers by our operators over our series and those of endpoints, which it waits for.
pub struct FanoutQuerier(FanoutStorage);

impl FanoutQuerier {
    /// A querier over a storage.
    pub fn new(storage: FanoutStorage) -> Self {
        FanoutQuerier(storage)
    }
}

impl Querier for FanoutQuerier {
    fn instant(&self, plan: &Plan, at: i64, env: &EvalEnv) -> Result<Evaluated, QueryError> {
        Ok(plan.instant(&self.0, at, env)?)
    }

    fn range(&self, plan: &Plan, start: i64, end: i64, step: i64, env: &EvalEnv) -> Result<Evaluated, QueryError> {
        Ok(plan.range(&self.0, start, end, step, env)?)
    }
}
