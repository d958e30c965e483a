//! Where a query's series are: a server, a data directory, an exposition file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Handle;

use super::exposition::Exposition;
use crate::clock::{Clock, SystemClock};
use crate::datasource::{LocalQuerier, Querier, RemoteQuerier, RemoteSettings};
use crate::promql::Features;
use crate::tsdb::{Tsdb, TsdbError, TsdbOptions};

/// The service on this machine.
const DEFAULT_URL: &str = "http://127.0.0.1:9095";

/// What to query.
#[derive(Args, Debug)]
pub struct SourceArgs {
    /// The server: Watchbell or anything that speaks Prometheus' API.
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    url: String,
    /// Query the data directory of a service that does not run, instead of a server.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "file"])]
    data: Option<PathBuf>,
    /// Query an exposition file: Prometheus' text format, OpenMetrics, or delimited protobuf; `-` is standard input.
    ///
    /// Samples without a timestamp are at the query's time. When all have one, that is by default the newest of them.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    file: Option<PathBuf>,
}

impl SourceArgs {
    /// Whether nothing was named.
    pub(super) fn is_default(&self) -> bool {
        self.data.is_none() && self.file.is_none() && self.url == DEFAULT_URL
    }
}

/// Where a query's series are, opened.
pub(in crate::cli) enum Source {
    /// A server.
    Server(Box<RemoteQuerier>),
    /// A data directory.
    Data(Arc<Tsdb>),
    /// An exposition file.
    File(Exposition),
}

impl Source {
    /// Opens what arguments name. `stats`: a server is asked what the query cost.
    pub fn open(args: &SourceArgs, features: &Features, stats: bool, handle: &Handle) -> Result<Self, String> {
        if let Some(file) = &args.file {
            return Source::of_file(file, features);
        }
        if let Some(dir) = &args.data {
            return Ok(Source::Data(Arc::new(open_data(dir)?)));
        }
        let mut settings = RemoteSettings::new(args.url.as_str());
        settings.params.extend(stats.then(|| ("stats".to_owned(), "true".to_owned())));
        let querier = RemoteQuerier::new(settings, handle.clone()).map_err(|e| e.to_string())?;
        Ok(Source::Server(Box::new(querier)))
    }

    /// Opens an exposition file.
    pub fn of_file(file: &Path, features: &Features) -> Result<Self, String> {
        Exposition::read(file, features).map(Source::File)
    }

    /// The time of a query that names none.
    pub fn now(&self) -> i64 {
        match self {
            Source::File(exposition) => exposition.newest(),
            Source::Server(_) | Source::Data(_) => None,
        }
        .unwrap_or_else(|| SystemClock.now())
    }

    /// The server, when it is one.
    pub fn server(&self) -> Option<String> {
        match self {
            Source::Server(querier) => Some(querier.url()),
            Source::Data(_) | Source::File(_) => None,
        }
    }

    /// What answers; samples of a file that have no timestamp are at `at`.
    pub fn querier(self, at: i64) -> Box<dyn Querier> {
        match self {
            Source::Server(querier) => querier,
            Source::Data(tsdb) => Box::new(LocalQuerier::new(tsdb)),
            Source::File(exposition) => Box::new(LocalQuerier::new(Arc::new(exposition.into_storage(at)))),
        }
    }
}

/// Why a directory is not taken for a service's.
pub(in crate::cli) fn no_data_directory(dir: &Path) -> String {
    let expected = "expected the data directory of a service, which has a folder tsdb, found none there";
    format!("--data {}: {expected}", dir.display())
}

/// Opens a database that is there: opening would make one that is not.
pub(in crate::cli) fn open_data(dir: &Path) -> Result<Tsdb, String> {
    let tsdb = dir.join("tsdb");
    if !tsdb.is_dir() {
        return Err(no_data_directory(dir));
    }
    match Tsdb::open(tsdb, TsdbOptions { retention_ms: i64::MAX }) {
        Ok((tsdb, recovery)) => {
            for damage in &recovery.damages {
                eprintln!("watchbell: {damage}");
            }
            Ok(tsdb)
        }
        Err(e @ TsdbError::Locked(_)) => Err(format!("{e}; if that is the service, query it with --url")),
        Err(e) => Err(e.to_string()),
    }
}
