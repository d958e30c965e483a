//! History from a Prometheus-compatible server: what the rules read, and nothing else, slice by slice into a database in
//! memory, one request at a time.
//!
//! It is asked by remote read, which gives samples as they are stored. Where a server has none it is asked by queries of
//! ranges (`up[6h]`), which leave out staleness markers: there a series ends when the lookback is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::clock::SystemClock;
use crate::datasource::{FanoutStorage, RemoteQuerier, RemoteReadSettings, RemoteSettings};
use crate::model::{Labels, Matcher, SampleBuf, selector_text};
use crate::net::{HttpSettings, redact_url};
use crate::promql::{CancelToken, QueryValue};
use crate::tsdb::{Queryable as _, Tsdb, TsdbOptions};
use tokio::runtime::Handle;

use super::intake::{Wanted, take_in, wanted};
use super::window::Window;

/// So much time is asked for at once, milliseconds, as long as that is not too much for the server.
const SLICE: i64 = 6 * 3_600_000;
/// No slice is shorter.
const SHORTEST: i64 = 5 * 60_000;
/// How long a request may take, milliseconds.
const TIMEOUT: i64 = 120_000;
/// The most samples that are taken in: more than a gigabyte.
const MOST_SAMPLES: u64 = 1_000_000_000;

/// What was read.
pub struct Fetched {
    /// The samples.
    pub storage: Tsdb,
    /// How many there are.
    pub samples: u64,
    /// Whether the server had no remote read.
    pub by_query: bool,
    /// Rules that may read more than was asked for, by name.
    pub uncertain: Vec<Arc<str>>,
}

/// Reads what the rules read in the window. `progress` hears until when it has come.
///
/// # Errors
/// The server cannot be asked, or answers with an error to the shortest slice.
pub fn fetch(
    url: &str,
    http: &HttpSettings,
    handle: &Handle,
    groups: &[Arc<GroupSpec>],
    window: Window,
    progress: &mut dyn FnMut(i64),
) -> Result<Fetched, String> {
    let (wanted, uncertain) = wanted(groups, window);
    let storage = Tsdb::in_memory_with(TsdbOptions { retention_ms: i64::MAX });
    let mut server = Server::new(url, http, handle)?;
    let begin = wanted.iter().map(|w| w.from).min().unwrap_or(window.from);
    let (mut from, mut slice, mut samples) = (begin, SLICE, 0);
    while from <= window.to && !wanted.is_empty() {
        let to = from.saturating_add(slice - 1).min(window.to);
        match server.slice(&wanted, from, to, &storage) {
            Ok(read) => {
                samples += read;
                progress(to);
                from = to + 1;
            }
            // Too much at once: what was taken in is there already, and comes once.
            Err(_) if slice / 2 >= SHORTEST => slice /= 2,
            Err(e) => return Err(e),
        }
        if samples > MOST_SAMPLES {
            let url = redact_url(url);
            return Err(format!("{url}: more than {MOST_SAMPLES} samples: a shorter time or fewer rules are less"));
        }
    }
    Ok(Fetched { storage, samples, by_query: server.by_query, uncertain })
}

struct Server {
    read: FanoutStorage,
    query: RemoteQuerier,
    by_query: bool,
}

impl Server {
    fn new(url: &str, http: &HttpSettings, handle: &Handle) -> Result<Self, String> {
        let settings = RemoteSettings { http: http.clone(), timeout: TIMEOUT, ..RemoteSettings::new(url) };
        let query = RemoteQuerier::new(settings, handle.clone()).map_err(|e| e.to_string())?;
        let endpoint = RemoteReadSettings {
            url: format!("{}/api/v1/read", url.trim_end_matches('/')),
            name: String::new(),
            timeout: TIMEOUT,
            read_recent: true,
            required: BTreeMap::new(),
            external_labels: Labels::empty(),
            http: http.clone(),
        };
        let nothing = Tsdb::in_memory();
        let read = FanoutStorage::new(nothing, vec![endpoint], Arc::new(SystemClock), handle)
            .map_err(|(_, e)| e.to_string())?;
        Ok(Server { read, query, by_query: false })
    }

    /// Takes in the samples with `from <= t <= to`; how many.
    fn slice(&mut self, wanted: &[Wanted], from: i64, to: i64, storage: &Tsdb) -> Result<u64, String> {
        let mut samples = 0;
        for Wanted { matchers, from: first } in wanted.iter().filter(|w| w.from <= to) {
            samples += self.selection(matchers, from.max(*first), to, storage)?;
        }
        Ok(samples)
    }

    fn selection(&mut self, matchers: &[Matcher], from: i64, to: i64, storage: &Tsdb) -> Result<u64, String> {
        if !self.by_query {
            match self.read.select(matchers, from, to) {
                Ok(found) => {
                    let (mut buffer, mut samples) = (SampleBuf::default(), 0);
                    for series in found {
                        buffer.clear();
                        series.read(from, to, false, &mut buffer).map_err(|e| e.to_string())?;
                        samples += take_in(storage, series.labels(), &buffer)?.stored;
                    }
                    return Ok(samples);
                }
                // Whether that is so the query will tell: a server that does not answer it either is told of.
                Err(e) => match self.queried(matchers, from, to, storage) {
                    Ok(samples) if is_missing(&e.to_string()) => {
                        self.by_query = true;
                        return Ok(samples);
                    }
                    Ok(_) => return Err(e.to_string()),
                    Err(also) => return Err(also),
                },
            }
        }
        self.queried(matchers, from, to, storage)
    }

    fn queried(&self, matchers: &[Matcher], from: i64, to: i64, storage: &Tsdb) -> Result<u64, String> {
        // A range is open to the left, and of whole milliseconds.
        let expr = format!("{}[{}ms]", selector_text(matchers), to - from + 1);
        let answer = self.query.query(&expr, to, &CancelToken::default()).map_err(|e| e.to_string())?;
        let QueryValue::Matrix(matrix) = answer.value else {
            return Err(format!("{}: expected a matrix for {expr}", self.query.url()));
        };
        let (mut buffer, mut samples) = (SampleBuf::default(), 0);
        for series in matrix {
            buffer.clear();
            series.floats.iter().for_each(|(t, v)| buffer.push(*t, *v));
            series.histograms.iter().for_each(|(t, h)| buffer.push_histogram(*t, h.clone()));
            samples += take_in(storage, &series.labels, &buffer)?.stored;
        }
        Ok(samples)
    }
}

/// Whether a server answered that it does not have such a thing.
fn is_missing(error: &str) -> bool {
    ["HTTP status 404", "HTTP status 405", "HTTP status 400", "HTTP status 501"].iter().any(|s| error.contains(s))
}
