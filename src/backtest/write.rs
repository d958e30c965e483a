//! What recording rules give in a backtest, written where it stays: into a data directory, or to a server by remote write.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use rustc_hash::FxHashSet;
use tokio::runtime::{Builder, Runtime};

use crate::alerting::group::{Appended, Evaluation, RuleResult, TemplateInput, World};
use crate::alerting::series::RuleSample;
use crate::alerting::timeline::TimelineWorld;
use crate::alerting::{GroupSpec, RuleKind, RuleSpec};
use crate::ingest::remote_write::send::{Backoff, Verdict, reason_of, verdict};
use crate::ingest::remote_write::{Protocol, encode};
use crate::ingest::store::SampleRow;
use crate::net::{HttpClient, HttpSettings, redact_url};
use crate::tsdb::{AppendError, Tsdb, TsdbOptions};

/// Samples in a request, as Prometheus sends them.
const ROWS: usize = 2_000;
/// How often a request is tried that a server does not take for the moment.
const TRIES: usize = 10;
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// After so many samples a data directory is looked after: memory does not grow with the window.
const LOOKED_AFTER: u64 = 1_000_000;

/// Takes samples: those of a series in the order of their times.
pub trait Sink: Send {
    /// Takes more.
    ///
    /// # Errors
    /// They are not stored. Nothing is written after that.
    fn write(&mut self, samples: Vec<RuleSample>) -> Result<(), String>;

    /// There are no more.
    ///
    /// # Errors
    /// Not all of them are stored.
    fn finish(&mut self) -> Result<(), String>;
}

/// The world of a backtest whose recording rules are written.
pub struct Writing<'a> {
    world: TimelineWorld,
    /// Metrics that recording rules give.
    recorded: FxHashSet<Arc<str>>,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    sink: &'a mut dyn Sink,
    failed: Option<String>,
    samples: u64,
}

impl<'a> Writing<'a> {
    /// The same world; what recording rules of these groups give goes to `sink`.
    pub fn new(world: TimelineWorld, groups: &[Arc<GroupSpec>], sink: &'a mut dyn Sink) -> Self {
        let recording = groups.iter().flat_map(|g| &g.rules).filter(|r| r.kind == RuleKind::Recording);
        let recorded = recording.map(|r| r.name.clone()).collect();
        Writing { world, recorded, state: Mutex::new(State { sink, failed: None, samples: 0 }) }
    }

    /// Why nothing is written any more.
    pub fn failure(&self) -> Option<String> {
        self.state.lock().failed.clone()
    }

    /// Writes the rest; how many samples were written.
    ///
    /// # Errors
    /// Not all of them are stored.
    pub fn finish(self) -> Result<u64, String> {
        let state = self.state.into_inner();
        match state.failed {
            Some(failed) => Err(failed),
            None => state.sink.finish().map(|()| state.samples),
        }
    }

    fn write(&self, samples: &[RuleSample]) {
        let recorded = samples.iter().filter(|sample| self.recorded.contains(sample.labels.metric_name()));
        let recorded: Vec<RuleSample> = recorded.cloned().collect();
        if recorded.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        if state.failed.is_none() {
            state.samples += recorded.len() as u64;
            state.failed = state.sink.write(recorded).err();
        }
    }
}

impl World for Writing<'_> {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        self.world.query(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.world.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        let appended = self.world.append(samples)?;
        self.write(samples);
        Ok(appended)
    }

    fn open(&self, groups: &[Arc<GroupSpec>]) {
        self.world.open(groups);
    }

    fn begin(&self, evaluation: &Evaluation) {
        self.world.begin(evaluation);
    }

    fn idle_until(&self, evaluation: &Evaluation) -> Option<i64> {
        self.world.idle_until(evaluation)
    }
}

/// A data directory of a Watchbell that does not run.
pub struct DataDirectory {
    storage: Tsdb,
    name: String,
    /// Samples since it was looked after.
    since: u64,
    newest: i64,
    /// Samples for which there were other values.
    differing: u64,
}

impl DataDirectory {
    /// Opens it, or makes a new one.
    ///
    /// # Errors
    /// It cannot be opened: a Watchbell uses it, for one.
    pub fn open(dir: &Path) -> Result<Self, String> {
        let name = dir.display().to_string();
        // What is older than its retention goes when the service that uses it says so.
        let options = TsdbOptions { retention_ms: i64::MAX };
        let (storage, _) = Tsdb::open(dir.join("tsdb"), options).map_err(|e| format!("{name}: {e}"))?;
        storage.set_out_of_order_window(i64::MAX);
        Ok(DataDirectory { storage, name, since: 0, newest: i64::MIN, differing: 0 })
    }

    /// Samples that were not written, as the series have other values at their times.
    pub fn differing(&self) -> u64 {
        self.differing
    }

    fn failed(&self, why: impl std::fmt::Display) -> String {
        format!("{}: {why}", self.name)
    }
}

impl Sink for DataDirectory {
    fn write(&mut self, samples: Vec<RuleSample>) -> Result<(), String> {
        let mut appender = self.storage.appender();
        for RuleSample { labels, t, value } in samples {
            self.newest = self.newest.max(t);
            self.since += 1;
            match appender.append_with_st(&labels, 0, t, value) {
                Ok(_) => {}
                Err(AppendError::Duplicate) => self.differing += 1,
                Err(e) => return Err(format!("{}: {labels}: {e}", self.name)),
            }
        }
        let committed = appender.commit().map_err(|e| format!("{}: {e}", self.name))?;
        self.differing += committed.rejected;
        if self.since >= LOOKED_AFTER {
            self.since = 0;
            self.storage.maintain(self.newest).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        if self.newest > i64::MIN {
            self.storage.maintain(self.newest).map_err(|e| self.failed(e))?;
        }
        self.storage.close().map_err(|e| self.failed(e))
    }
}

/// A server that takes remote write 1.0.
pub struct RemoteEndpoint {
    url: String,
    client: HttpClient,
    runtime: Runtime,
    rows: Vec<SampleRow>,
}

impl RemoteEndpoint {
    /// Gets ready to write there.
    ///
    /// # Errors
    /// The client cannot be built.
    pub fn new(url: &str, http: &HttpSettings) -> Result<Self, String> {
        let client = HttpClient::new(http).map_err(|e| e.to_string())?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|e| e.to_string())?;
        Ok(RemoteEndpoint { url: url.to_owned(), client, runtime, rows: Vec::new() })
    }

    /// Sends what is there, series by series.
    fn flush(&mut self) -> Result<(), String> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|a, b| (&a.labels, a.t).cmp(&(&b.labels, b.t)));
        for rows in rows.chunks(ROWS) {
            self.runtime.block_on(self.post(encode(Protocol::V1, rows)))?;
        }
        Ok(())
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), String> {
        let mut pauses = Backoff::new(30, 5_000);
        let mut why = String::new();
        for left in (0..TRIES).rev() {
            let pause = match self.try_post(body.clone()).await {
                Ok((Verdict::Sent, _)) => return Ok(()),
                Ok((Verdict::Retry { after }, reason)) => {
                    why = reason;
                    after
                }
                Ok((_, reason)) => return Err(format!("{}: {reason}", redact_url(&self.url))),
                Err(e) => {
                    why = e;
                    None
                }
            };
            if left > 0 {
                tokio::time::sleep(Duration::from_millis(pauses.pause(pause).unsigned_abs())).await;
            }
        }
        Err(format!("{}: {why}; gave up after {TRIES} tries", redact_url(&self.url)))
    }

    async fn try_post(&self, body: Vec<u8>) -> Result<(Verdict, String), String> {
        let request = self.client.request(Method::POST, &self.url).map_err(|e| e.to_string())?;
        let request = request
            .timeout(TIMEOUT)
            .header(CONTENT_TYPE, Protocol::V1.content_type())
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", Protocol::V1.version())
            .body(body);
        let response = self.client.send(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let verdict = verdict(status.as_u16(), retry_after.as_deref(), true);
        Ok((verdict, reason_of(response).await))
    }
}

impl Sink for RemoteEndpoint {
    fn write(&mut self, samples: Vec<RuleSample>) -> Result<(), String> {
        let row = |RuleSample { labels, t, value }| SampleRow { labels, series: None, t, st: 0, value };
        self.rows.extend(samples.into_iter().map(row));
        // Enough for requests of many samples of few series.
        if self.rows.len() >= 10 * ROWS { self.flush() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), String> {
        self.flush()
    }
}
