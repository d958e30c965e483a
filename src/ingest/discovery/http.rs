//! `http_sd_configs`: target groups from a server, as JSON.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::Deserialize;

use super::entries;
use super::fetch::Fetcher;
use super::group::TargetGroup;
use super::site::{Discover, Refresh, Site};
use crate::config::discovery::HttpSdConfig;
use crate::net::redact_url;

/// The label that names the URL a target was found at.
const META_URL: &str = "__meta_url";

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

struct HttpDiscovery {
    config: HttpSdConfig,
    fetcher: Fetcher,
}

impl Discover for HttpSdConfig {
    const MECHANISM: &'static str = "http";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        let interval = self.refresh_interval.as_std();
        let fetcher = Fetcher::new(&self.http, interval);
        Box::pin(site.every(interval, HttpDiscovery { config: self, fetcher }))
    }
}

impl Refresh for HttpDiscovery {
    fn refresh<'a>(&'a mut self, site: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let groups = self.groups(site).await;
            if groups.is_err() {
                site.counters.http_failures.inc();
            }
            groups
        })
    }
}

impl HttpDiscovery {
    async fn groups(&mut self, site: &Site) -> Result<Vec<TargetGroup>, String> {
        let url = self.config.url.clone();
        let seconds = format!("{}", self.config.refresh_interval.as_std().as_secs_f64());
        let headers =
            [("X-Prometheus-Refresh-Interval-Seconds", seconds), ("X-Prometheus-Set-Name", site.config.to_string())];
        let answer = self.fetcher.get(&url, &headers).await?;
        if !answer.content_type.to_ascii_lowercase().starts_with("application/json") {
            return Err(format!("unsupported content type {:?}", answer.content_type));
        }
        let shown = redact_url(&url);
        // Reading a long answer is work for a thread that may be busy for a while.
        let read = move || entries::of_json::<Entry>(&answer.body, (META_URL, &shown));
        let read =
            tokio::task::spawn_blocking(read).await.map_err(|e| format!("reading the answer ended badly: {e}"))?;
        read.map_err(|e| format!("unexpected answer: {e}"))
    }
}

impl entries::Entry for Entry {
    fn parts(self) -> (Vec<String>, BTreeMap<String, String>) {
        (self.targets, self.labels.unwrap_or_default())
    }
}
