//! One target's scraping: what happens with an answer, from digest to store to report.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::cache::SeriesCache;
use super::classic::EntryId;
use super::digest::Digest;
use super::down::{Down, HealthChange};
use super::fetch::Pieces;
use super::metrics::Limit;
use super::reading::{Opening, Reading};
use super::report::{self, Report};
use super::settings::ScrapeSettings;
use super::target::Target;
use crate::ingest::store::{SampleRow, SampleStore, StoreCounts};
use crate::model::{Labels, STALE_NAN, Value};
use crate::net::redact_url;
use crate::tsdb::{Metadata, SeriesRef};

/// Whether a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TargetHealth {
    /// It has not been scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl TargetHealth {
    /// The name the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetHealth::Unknown => "unknown",
            TargetHealth::Up => "up",
            TargetHealth::Down => "down",
        }
    }
}

/// How a target's last scrape went.
#[derive(Clone, Debug, Default)]
pub struct ScrapeState {
    /// Whether it answered.
    pub health: TargetHealth,
    /// Why not; empty when it did.
    pub last_error: String,
    /// When, in milliseconds; 0 before the first scrape.
    pub last_scrape: i64,
    /// How long it took, in seconds.
    pub last_duration: f64,
    /// How many scrapes have been made.
    pub scrapes: u64,
    /// How many of them do not count as rounds: they were made before data was waited for anew.
    pub old_scrapes: u64,
    /// Metadata by family name.
    pub metadata: Arc<BTreeMap<String, Metadata>>,
}

/// How far samples may be ahead of their scrape, milliseconds, as in Prometheus.
const MAX_AHEAD: i64 = 10 * 60_000;

/// Scrapes one target as answers come in. Knows neither network nor clock.
pub(super) struct TargetRun {
    pub target: Arc<Target>,
    pub settings: Arc<ScrapeSettings>,
    pub state: Arc<Mutex<ScrapeState>>,
    store: Arc<dyn SampleStore>,
    cache: SeriesCache,
    report: Vec<(Labels, Option<SeriesRef>)>,
    /// Series of the run this one takes over from, until its first scrape tells which of them are still there.
    inherited: Vec<Labels>,
    /// The time of the last samples written, so that markers at the end come after them.
    last_written: Option<i64>,
    down: Down,
    /// The limit that the last scrape exceeded.
    pub exceeded: Option<Limit>,
    /// The body of the scrape that is under way.
    reading: Option<Reading>,
}

impl TargetRun {
    pub fn new(target: Arc<Target>, settings: Arc<ScrapeSettings>, store: Arc<dyn SampleStore>) -> Self {
        let report = report::series(&settings, &target.labels).into_iter().map(|labels| (labels, None)).collect();
        TargetRun {
            target,
            settings,
            state: Arc::default(),
            store,
            cache: SeriesCache::new(),
            report,
            inherited: Vec::new(),
            last_written: None,
            down: Down::default(),
            exceeded: None,
            reading: None,
        }
    }

    /// Goes on where another run of the same target ended: what was there then and is no more at the first scrape is
    /// marked stale, and nothing before.
    pub fn inherit(&mut self, mut previous: TargetRun) {
        self.inherited = previous.inherited;
        self.inherited.extend(previous.cache.lose_all().into_iter().map(|(_, labels)| labels));
        self.last_written = previous.last_written;
        self.down = previous.down;
        *self.state.lock() = previous.state.lock().clone();
    }

    /// Tells the store what the target said anew about its metrics.
    fn describe(&self, before: &BTreeMap<String, Metadata>) {
        for (family, metadata) in self.cache.metadata().iter() {
            if before.get(family) != Some(metadata) {
                self.store.describe(family, metadata);
            }
        }
    }

    /// An answer to the scrape at `at` is about to be read.
    pub fn begin(&mut self, opening: Opening, at: i64) {
        self.reading = Some(Reading::begin(opening, &mut self.cache, at));
    }

    /// Takes some of the answer to the scrape at `at`. With the last pieces, or the first error, the scrape is over, after
    /// `seconds`: what became of it.
    pub fn take(&mut self, pieces: Result<Pieces, String>, at: i64, seconds: f64) -> Option<StoreCounts> {
        let Some(mut reading) = self.reading.take() else {
            return Some(self.over(pieces.map(drop), Digest::default(), 0, at, seconds));
        };
        let (cache, settings, target) = (&mut self.cache, &*self.settings, &self.target.labels);
        let mut exceeded = None;
        let read = pieces.and_then(|pieces| {
            let taken = reading.take(&pieces.bytes, cache, settings, target);
            let read = taken.and_then(|()| if pieces.last { reading.finish(cache, settings, target) } else { Ok(()) });
            read.map(|()| pieces.last).map_err(|e| {
                exceeded = e.limit();
                e.to_string()
            })
        });
        self.exceeded = exceeded;
        if read == Ok(false) {
            self.reading = Some(reading);
            return None;
        }
        let (found, body_size) = reading.end();
        let failed = read.is_err();
        let counts = self.over(read.map(drop), found, body_size, at, seconds);
        if failed {
            self.cache.recover();
        }
        Some(counts)
    }

    /// As [`take`](Self::take). A panic on the way, which is a defect, is a scrape that failed: the target goes on.
    pub fn take_guarded(&mut self, pieces: Result<Pieces, String>, at: i64, seconds: f64) -> Option<StoreCounts> {
        let taken = catch_unwind(AssertUnwindSafe(|| self.take(pieces, at, seconds)));
        taken.unwrap_or_else(|_| Some(self.broke(at, seconds)))
    }

    /// Reading or storing panicked. What is known of the series may be half changed: but for which of them were there, it
    /// is forgotten.
    fn broke(&mut self, at: i64, seconds: f64) -> StoreCounts {
        const PANICKED: &str = "reading or storing the scrape panicked; this is a defect";
        let (job, url) = (&self.settings.job_name, redact_url(&self.target.url));
        tracing::error!(scrape_pool = job, target_url = url, "{PANICKED}");
        self.reading = None;
        let failed = || self.over(Err(PANICKED.into()), Digest::default(), 0, at, seconds);
        let counts = catch_unwind(AssertUnwindSafe(failed));
        self.cache = SeriesCache::new();
        counts.unwrap_or_else(|_| {
            let mut state = self.state.lock();
            (state.health, state.last_error) = (TargetHealth::Down, PANICKED.into());
            (state.last_scrape, state.last_duration, state.scrapes) = (at, seconds, state.scrapes + 1);
            StoreCounts { failure: Some(PANICKED.into()), ..StoreCounts::default() }
        })
    }

    /// A scrape is over: what it found is stored, or that it failed is.
    fn over(
        &mut self,
        outcome: Result<(), String>,
        mut found: Digest,
        body_size: u64,
        at: i64,
        seconds: f64,
    ) -> StoreCounts {
        let known = self.state.lock().metadata.clone();
        if !Arc::ptr_eq(&known, self.cache.metadata()) {
            self.describe(&known);
        }
        let gone = match outcome {
            Ok(()) => self.cache.settle(),
            Err(_) => {
                // With its memory.
                found.samples = Vec::new();
                self.cache.lose_all()
            }
        };
        let report = Report {
            up: outcome.is_ok(),
            seconds,
            scraped: found.scraped,
            kept: found.kept,
            added: found.added,
            timeout: self.target.timeout,
            sample_limit: self.settings.limits.samples,
            body_size,
        };
        let counts = self.write(found, gone, Some(report), at);
        self.tell(outcome.as_ref().err(), at);
        let mut state = self.state.lock();
        state.health = if outcome.is_ok() { TargetHealth::Up } else { TargetHealth::Down };
        let not_stored = counts.failure.as_ref().map(|e| format!("the scrape could not be stored: {e}"));
        state.last_error = outcome.err().or(not_stored).unwrap_or_default();
        (state.last_scrape, state.last_duration) = (at, seconds);
        state.scrapes += 1;
        state.metadata = self.cache.metadata().clone();
        counts
    }

    /// What the log says of a scrape, which failed for `error`.
    fn tell(&mut self, error: Option<&String>, at: i64) {
        let (scrape_pool, url) = (&self.settings.job_name, || redact_url(&self.target.url));
        match self.down.scraped(error.is_none(), at) {
            Some(HealthChange::Began) => {
                let error = error.map_or("", String::as_str);
                tracing::warn!(scrape_pool, target_url = url(), error, "scrape target is down");
            }
            Some(HealthChange::Ended(scrapes)) => {
                tracing::info!(scrape_pool, target_url = url(), failed_scrapes = scrapes, "scrape target is up again");
            }
            None => {}
        }
    }

    /// The target went away: marks all its series stale.
    pub fn end(&mut self, now: i64) {
        let Some(last) = self.last_written else { return };
        let gone = self.cache.lose_all();
        // A clock that was set back counts: storage then holds nothing newer any more.
        let at = if last.saturating_sub(now) < self.target.interval { now.max(last + 1) } else { now };
        self.write(Digest::default(), gone, None, at);
    }

    /// Inherited series that are not among these rows.
    fn forsaken(&mut self, rows: &[SampleRow]) -> Vec<Labels> {
        let mut inherited = std::mem::take(&mut self.inherited);
        if !inherited.is_empty() {
            let there: HashSet<&Labels> = rows.iter().map(|row| &row.labels).collect();
            inherited.retain(|labels| !there.contains(labels));
        }
        inherited
    }

    /// Stores samples, staleness markers and the report (markers in its place when there is none).
    fn write(&mut self, found: Digest, gone: Vec<(EntryId, Labels)>, report: Option<Report>, at: i64) -> StoreCounts {
        let mut entries = Vec::with_capacity(found.samples.len() + gone.len());
        let mut rows = Vec::with_capacity(entries.capacity() + self.report.len());
        let mut ahead = 0;
        for s in found.samples {
            // What a target claims of the future would keep its series from being written until then.
            if s.t > at.saturating_add(MAX_AHEAD) {
                ahead += 1;
                continue;
            }
            let Some(entry) = self.cache.get(s.entry) else { continue };
            let Some(labels) = entry.labels.clone() else { continue };
            entries.push(s.entry);
            rows.push(SampleRow { labels, series: entry.series, t: s.t, st: s.st, value: s.value });
        }
        let marker = |labels, series| SampleRow { labels, series, t: at, st: 0, value: Value::Float(STALE_NAN) };
        for (id, labels) in gone {
            entries.push(id);
            rows.push(marker(labels, self.cache.get(id).and_then(|e| e.series)));
        }
        let values = report.map_or([STALE_NAN; 8], |r| r.values());
        for ((labels, series), v) in self.report.iter().zip(values) {
            rows.push(SampleRow { value: Value::Float(v), ..marker(labels.clone(), *series) });
        }
        rows.extend(self.forsaken(&rows).into_iter().map(|labels| marker(labels, None)));
        let mut counts = self.store.store(&mut rows);
        counts.out_of_bounds += ahead;
        for (id, row) in entries.iter().zip(&rows) {
            if let Some(entry) = self.cache.get_mut(*id) {
                entry.series = row.series;
            }
        }
        let series = |id| self.cache.get(id).and_then(|e| e.series);
        let exemplars: Vec<_> =
            found.exemplars.into_iter().filter_map(|(id, exemplar)| Some((series(id)?, exemplar))).collect();
        if !exemplars.is_empty() {
            self.store.store_exemplars(exemplars, &mut counts);
        }
        for ((_, series), row) in self.report.iter_mut().zip(rows.iter().skip(entries.len())) {
            *series = row.series;
        }
        self.last_written = Some(at);
        counts
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
