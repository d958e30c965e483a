//! What `watchbell check` holds rules against: a server, a data directory, an exposition file.

use std::path::PathBuf;

use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::backtest::data_directory;
use super::client::flags::read;
use super::query::source::Source;
use crate::clock::{Clock, SystemClock};
use crate::config::HttpClientConfig;
use crate::datasource::{LocalQuerier, RemoteQuerier, RemoteSettings};
use crate::lint::Data;
use crate::net::HttpSettings;
use crate::promql::Features;

/// What rules are held against.
#[derive(Args, Debug, Default)]
pub struct DataFlags {
    /// Hold rules against what a server has: Watchbell or anything that speaks Prometheus' API.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the HTTP client's settings, as in `http_config`: for a server with TLS or users.
    #[arg(long = "http.config.file", value_name = "FILE", requires = "url")]
    http_config: Option<PathBuf>,
    /// Hold rules against the data directory of a Watchbell, which may be running: it is only read.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// Hold rules against an exposition file: Prometheus' text format, OpenMetrics, or delimited protobuf.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "data"])]
    exposition: Option<PathBuf>,
}

impl DataFlags {
    /// Opens the data that is named, as of now or as of its last sample. What runs requests is given too: it must live as long.
    pub fn open(&self, features: Features) -> Result<Option<(Data, Option<Runtime>)>, String> {
        if let Some(url) = &self.url {
            let http = match &self.http_config {
                Some(path) => read::<HttpClientConfig>(path)?,
                None => HttpClientConfig::default(),
            };
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.map_err(|e| e.to_string())?;
            let settings = RemoteSettings { http: HttpSettings::from(&http), ..RemoteSettings::new(url.as_str()) };
            let querier = RemoteQuerier::new(settings, runtime.handle().clone()).map_err(|e| e.to_string())?;
            let data = Data::new(Box::new(querier), SystemClock.now(), features);
            return Ok(Some((data, Some(runtime))));
        }
        if let Some(dir) = &self.data {
            let (series, last) = data_directory(dir)?;
            return Ok(Some((Data::new(Box::new(LocalQuerier::new(series)), last, features), None)));
        }
        let Some(file) = &self.exposition else { return Ok(None) };
        let source = Source::of_file(file, &features)?;
        let at = source.now();
        Ok(Some((Data::of_one_target(source.querier(at), at, features), None)))
    }
}
