//! Where the history is: a server, data directories, an OpenMetrics file, the demo's fleet.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};

use crate::alerting::GroupSpec;
use crate::backtest::{Window, openmetrics, prometheus, reach, remote};
use crate::cli::client::flags::read;
use crate::cli::demo;
use crate::cli::progress::Progress;
use crate::cli::query::source::no_data_directory;
use crate::clock::{Clock as _, SystemClock};
use crate::config::HttpClientConfig;
use crate::net::{HttpSettings, redact_url};
use crate::tsdb::{Queryable, TsdbView};

/// Where the history is.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("source").required(true).args(["url", "data", "prometheus_data", "openmetrics", "demo"]))]
pub(in crate::cli) struct SourceArgs {
    /// A server: Prometheus, or anything that has its API. What the rules read is fetched, by default of the last day.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the HTTP client's settings, as in `http_config`: for a server with TLS or users.
    #[arg(long = "http.config.file", value_name = "FILE", requires = "url")]
    http_config: Option<PathBuf>,
    /// The data directory of a Watchbell, which may be running: it is only read.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Prometheus' data directory, or Thanos' downloaded blocks: only read.
    #[arg(long, value_name = "DIR")]
    prometheus_data: Option<PathBuf>,
    /// An OpenMetrics file in which every sample has a timestamp, such as `promtool tsdb dump-openmetrics` writes; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    openmetrics: Option<PathBuf>,
    /// The demo's fleet: eight days, and seven hours of an incident.
    #[arg(long)]
    pub demo: bool,
}

/// A history.
pub(in crate::cli) struct Source {
    /// Its series.
    pub series: Arc<dyn Queryable>,
    /// What is played where nothing else is said.
    pub window: Window,
}

/// How long before now a server's history is played, unless something else is said.
const LAST: i64 = 86_400_000;

impl SourceArgs {
    /// What it is, for people; no password of an address.
    pub fn name(&self) -> String {
        if let Some(url) = &self.url {
            return redact_url(url).to_string();
        }
        let path = self.data.as_ref().or(self.prometheus_data.as_ref()).or(self.openmetrics.as_ref());
        path.map_or_else(|| "the demo".to_owned(), |path| path.display().to_string())
    }

    /// Opens the history that rules read between two times, where they are known.
    pub fn open(&self, from: Option<i64>, to: Option<i64>, groups: &[Arc<GroupSpec>]) -> Result<Source, String> {
        if let Some(url) = &self.url {
            return self.of_server(url, from, to, groups);
        }
        if let Some(dir) = &self.data {
            return of_data(dir);
        }
        if let Some(dir) = &self.prometheus_data {
            return of_prometheus(dir, from, to, groups);
        }
        match &self.openmetrics {
            Some(path) if path.as_os_str() == "-" => of_file("standard input", std::io::stdin().lock()),
            Some(path) => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(|e| format!("{name}: {e}"))?;
                of_file(&name, file)
            }
            None => {
                let start = from.zip(reach(groups)).map(|(from, reach)| from.saturating_sub(reach));
                let (series, (from, to)) = demo::history(start, to).map_err(|e| e.to_string())?;
                Ok(Source { series: Arc::new(series), window: Window { from, to } })
            }
        }
    }

    fn of_server(
        &self,
        url: &str,
        from: Option<i64>,
        to: Option<i64>,
        groups: &[Arc<GroupSpec>],
    ) -> Result<Source, String> {
        let http = match &self.http_config {
            Some(path) => read::<HttpClientConfig>(path)?,
            None => HttpClientConfig::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        // Times that people read.
        let to = to.unwrap_or_else(|| SystemClock.now() / 60_000 * 60_000);
        let window = Window { from: from.unwrap_or(to.saturating_sub(LAST)), to };
        let mut progress = span_progress(&format!("fetching from {}", redact_url(url)), window);
        let fetched =
            remote::fetch(url, &HttpSettings::from(&http), runtime.handle(), groups, window, &mut |t| progress(t))?;
        if fetched.by_query {
            eprintln!("watchbell: no remote read there: without staleness markers, series end five minutes late");
        }
        tell_uncertain(&fetched.uncertain);
        Ok(Source { series: Arc::new(fetched.storage), window })
    }
}

/// Shows how far a window is done.
pub(in crate::cli) fn span_progress(what: &str, window: Window) -> impl FnMut(i64) + use<> {
    let length = move |to: i64| usize::try_from(to.saturating_sub(window.from)).unwrap_or(0);
    let mut progress = Progress::new(what, length(window.to));
    move |t| {
        progress.show(length(t));
        if t >= window.to {
            progress.clear();
        }
    }
}

/// Rules may read more than was read for them.
fn tell_uncertain(rules: &[Arc<str>]) {
    if !rules.is_empty() {
        let names: Vec<&str> = rules.iter().map(|n| &**n).collect();
        eprintln!("watchbell: may read what is not here (queries in templates, @): {}", names.join(", "));
    }
}

fn of_prometheus(dir: &Path, from: Option<i64>, to: Option<i64>, groups: &[Arc<GroupSpec>]) -> Result<Source, String> {
    let loaded = prometheus::read(dir, from, to, groups)?;
    if loaded.damaged > 0 {
        eprintln!("watchbell: {}: {} series, chunks or records could not be read", dir.display(), loaded.damaged);
    }
    if loaded.refused > 0 {
        let (dir, n) = (dir.display(), loaded.refused);
        eprintln!("watchbell: {dir}: {n} samples are left out: others of their series and time are there");
    }
    tell_uncertain(&loaded.uncertain);
    Ok(Source { series: Arc::new(loaded.storage), window: loaded.window })
}

/// The series of a service's data directory, only read, and the time of its last sample.
pub(in crate::cli) fn data_directory(dir: &Path) -> Result<(Arc<dyn Queryable>, i64), String> {
    of_data(dir).map(|source| (source.series, source.window.to))
}

fn of_data(dir: &Path) -> Result<Source, String> {
    let tsdb = dir.join("tsdb");
    if !tsdb.is_dir() {
        return Err(no_data_directory(dir));
    }
    let (view, recovery) = TsdbView::open(&tsdb).map_err(|e| e.to_string())?;
    for damage in &recovery.damages {
        eprintln!("watchbell: {damage}");
    }
    let (from, to) = view.span().ok_or_else(|| format!("{}: holds no sample", dir.display()))?;
    Ok(Source { series: Arc::new(view), window: Window { from, to } })
}

fn of_file(name: &str, file: impl std::io::Read) -> Result<Source, String> {
    let samples = openmetrics::read(name, file)?;
    if samples.left_out > 0 {
        let left_out = samples.left_out;
        eprintln!(
            "watchbell: {name}: left out {left_out} samples that repeat a time of their series, or go back in time"
        );
    }
    let window = samples.span.ok_or_else(|| format!("{name}: holds no sample"))?;
    Ok(Source { series: Arc::new(samples.storage), window })
}
