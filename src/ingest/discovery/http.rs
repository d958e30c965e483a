//! `http_sd_configs`: target groups from a server, as JSON.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::Deserialize;

use super::fetch::Fetcher;
use super::group::TargetGroup;
use super::site::{Discover, Refresh, Site};
use crate::config::discovery::HttpSdConfig;
use crate::model::Labels;
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
        let entries: Vec<Option<Entry>> = answer.json()?;
        let shown = redact_url(&url);
        let group = |(i, entry): (usize, Option<Entry>)| {
            let entry = entry.ok_or_else(|| format!("nil target group item found (index {i})"))?;
            let labels = entry.labels.unwrap_or_default().into_iter().chain([(META_URL.to_owned(), shown.clone())]);
            Ok(TargetGroup::of_addresses(&entry.targets, Labels::from_pairs(labels), format!("{shown}:{i}")))
        };
        entries.into_iter().enumerate().map(group).collect()
    }
}
