//! `consul_sd_configs`: services of Consul, followed by blocking queries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::{AbortHandle, JoinSet};

use super::fetch::Fetcher;
use super::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use super::site::{Discover, Site};
use crate::clock::Stopwatch;
use crate::config::discovery::ConsulSdConfig;
use crate::model::{Labels, LabelsBuilder};

/// How long a query may wait for a change, and a pause after one that failed.
const WAIT: Duration = Duration::from_secs(120);
const RETRY: Duration = Duration::from_secs(15);
/// The most services that are followed.
const MOST_SERVICES: usize = 100_000;

/// What is told of the list of services, and of all targets, is told by these names, which no service has.
const LIST: &str = "";
const TARGETS: &str = "\n";

impl Discover for ConsulSdConfig {
    const MECHANISM: &'static str = "consul";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let agent =
                Agent { config: Arc::new(self), datacenter: "".into(), site: Arc::new(site), found: Arc::default() };
            agent.follow().await;
        })
    }
}

/// The agent that is asked, and what it has said.
#[derive(Clone)]
struct Agent {
    config: Arc<ConsulSdConfig>,
    datacenter: Arc<str>,
    site: Arc<Site>,
    /// The group of each service that is followed, once it is known.
    found: Arc<Mutex<BTreeMap<String, Option<TargetGroup>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentSelf {
    config: AgentConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentConfig {
    datacenter: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Instance {
    node: Node,
    service: Service,
    checks: Option<Vec<Check>>,
}

type Texts = Option<BTreeMap<String, String>>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    node: String,
    address: String,
    tagged_addresses: Texts,
    meta: Texts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    tags: Option<Vec<String>>,
    address: String,
    meta: Texts,
    port: u32,
    namespace: String,
    partition: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    status: String,
}

impl Agent {
    fn fetcher(&self) -> Fetcher {
        Fetcher::new(&self.config.http, WAIT + RETRY)
    }

    async fn follow(mut self) {
        let mut fetcher = self.fetcher();
        self.datacenter = self.config.datacenter.as_str().into();
        while self.datacenter.is_empty() {
            match self.ask::<AgentSelf>(&mut fetcher, "agent/self", &[], None).await {
                Ok((found, _)) => self.datacenter = found.config.datacenter.into(),
                Err(error) => self.failed(LIST, &error).await,
            }
        }
        let mut tasks = JoinSet::new();
        if !self.config.services.is_empty() && self.config.tags.is_empty() {
            for name in &self.config.services {
                self.found.lock().insert(name.clone(), None);
                tasks.spawn(self.clone().follow_service(name.clone()));
            }
            while tasks.join_next().await.is_some() {}
            return;
        }
        self.follow_catalog(fetcher, tasks).await;
    }

    /// Follows the list of services, and each service on it that is wanted.
    async fn follow_catalog(&self, mut fetcher: Fetcher, mut tasks: JoinSet<()>) {
        let (mut index, mut followed) = (0, BTreeMap::<String, AbortHandle>::new());
        loop {
            let watch = Stopwatch::start();
            let mut query = Vec::new();
            if !self.config.filter.is_empty() {
                query.push(("filter", self.config.filter.clone()));
            }
            let listed = self.ask::<BTreeMap<String, Option<Vec<String>>>>(
                &mut fetcher,
                "catalog/services",
                &query,
                Some(index),
            );
            let listed = listed.await;
            if listed.is_ok() {
                self.site.part_works(LIST);
            }
            match listed {
                Err(error) => self.failed(LIST, &error).await,
                Ok((_, at)) if at == index && index != 0 => {}
                Ok((services, at)) => {
                    index = if at < index { 0 } else { at };
                    let wanted = |(name, tags): (String, Option<Vec<String>>)| {
                        self.is_wanted(&name, &tags.unwrap_or_default()).then_some(name)
                    };
                    let names: Vec<String> = services.into_iter().filter_map(wanted).take(MOST_SERVICES).collect();
                    followed.retain(|name, task| {
                        let stays = names.binary_search(name).is_ok();
                        if !stays {
                            task.abort();
                            self.found.lock().remove(name);
                            self.site.part_works(name);
                        }
                        stays
                    });
                    for name in names {
                        if !followed.contains_key(&name) {
                            self.found.lock().insert(name.clone(), None);
                            followed.insert(name.clone(), tasks.spawn(self.clone().follow_service(name)));
                        }
                    }
                    self.publish();
                }
            }
            tokio::time::sleep(self.config.refresh_interval.as_std().saturating_sub(watch.elapsed())).await;
            while tasks.try_join_next().is_some() {}
        }
    }

    fn is_wanted(&self, name: &str, tags: &[String]) -> bool {
        let ConsulSdConfig { services, tags: wanted, .. } = &*self.config;
        (services.is_empty() || services.iter().any(|s| s == name)) && wanted.iter().all(|tag| tags.contains(tag))
    }

    async fn follow_service(self, name: String) {
        let (mut fetcher, mut index) = (self.fetcher(), 0);
        let escaped: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let path = format!("health/service/{}", escaped.replace('+', "%20"));
        loop {
            let watch = Stopwatch::start();
            let mut query: Vec<(&str, String)> = self.config.tags.iter().map(|tag| ("tag", tag.clone())).collect();
            if !self.config.health_filter.is_empty() {
                query.push(("filter", self.config.health_filter.clone()));
            }
            let asked = self.ask::<Vec<Instance>>(&mut fetcher, &path, &query, Some(index)).await;
            if asked.is_ok() {
                self.site.part_works(&name);
            }
            match asked {
                Err(error) => {
                    // One that cannot be asked for keeps nobody waiting who asks for the others.
                    if let Some(unknown @ None) = self.found.lock().get_mut(&name) {
                        *unknown = Some(self.group(&name, &[]));
                    }
                    self.publish();
                    self.failed(&name, &error).await;
                }
                Ok((_, at)) if at == index && index != 0 => {}
                Ok((instances, at)) => {
                    index = if at < index { 0 } else { at };
                    let group = self.group(&name, &instances);
                    if let Some(found) = self.found.lock().get_mut(&name) {
                        *found = Some(group);
                    }
                    self.publish();
                }
            }
            tokio::time::sleep(self.config.refresh_interval.as_std().saturating_sub(watch.elapsed())).await;
        }
    }

    async fn failed(&self, part: &str, error: &str) {
        self.site.counters.consul_rpc_failures.inc();
        self.site.part_failed(part, error);
        tokio::time::sleep(RETRY).await;
    }

    /// Hands on what is known when all of it is.
    fn publish(&self) {
        let found: Option<Vec<TargetGroup>> = self.found.lock().values().cloned().collect();
        match found.map(|groups| self.site.publish(groups)) {
            Some(Err(error)) => self.site.part_failed(TARGETS, &error),
            Some(Ok(())) => self.site.part_works(TARGETS),
            None => {}
        }
    }

    /// Asks, and waits for something newer than `index`; what was found and the index of that.
    async fn ask<T: DeserializeOwned>(
        &self,
        fetcher: &mut Fetcher,
        path: &str,
        more: &[(&str, String)],
        index: Option<u64>,
    ) -> Result<(T, u64), String> {
        let url = self.url(path, more, index);
        let token = &self.config.token;
        let headers: Vec<(&str, String)> =
            (!token.is_empty()).then(|| ("X-Consul-Token", token.expose().to_owned())).into_iter().collect();
        let answer = fetcher.get(&url, &headers).await?;
        let at = answer.headers.get("X-Consul-Index").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        Ok((answer.json()?, at.unwrap_or(0)))
    }

    fn url(&self, path: &str, more: &[(&str, String)], index: Option<u64>) -> String {
        let ConsulSdConfig { scheme, server, path_prefix, namespace, partition, .. } = &*self.config;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("dc", &*self.config.datacenter), ("ns", namespace), ("partition", partition)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if let Some(index) = index {
            query.append_pair("wait", &format!("{}ms", WAIT.as_millis()));
            if index > 0 {
                query.append_pair("index", &index.to_string());
            }
            if self.config.allow_stale {
                query.append_pair("stale", "");
            }
            for (name, value) in &self.config.node_meta {
                query.append_pair("node-meta", &format!("{name}:{value}"));
            }
        }
        query.extend_pairs(more);
        let prefix = path_prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() || prefix.starts_with('/') { "" } else { "/" };
        format!("{scheme}://{server}{slash}{prefix}/v1/{path}?{}", query.finish())
    }

    fn group(&self, name: &str, instances: &[Instance]) -> TargetGroup {
        let targets = instances.iter().map(|i| target(i, &self.config.tag_separator)).collect();
        let labels = [("__meta_consul_service", name), ("__meta_consul_dc", &*self.datacenter)];
        TargetGroup { targets, labels: Labels::from_pairs(labels), source: name.into() }
    }
}

fn target(instance: &Instance, separator: &str) -> Labels {
    let Instance { node, service, checks } = instance;
    let host = if service.address.is_empty() { &node.address } else { &service.address };
    let mut labels = LabelsBuilder::new();
    labels.set(ADDRESS, join_host_port(host, service.port));
    // With separators on both sides a pattern need not care which tag is the first.
    let tags: String = service.tags.iter().flatten().map(|tag| format!("{tag}{separator}")).collect();
    for (name, value) in [
        ("address", node.address.clone()),
        ("node", node.node.clone()),
        ("tags", format!("{separator}{}", if tags.is_empty() { separator } else { &tags })),
        ("service_address", service.address.clone()),
        ("service_port", service.port.to_string()),
        ("service_id", service.id.clone()),
        ("namespace", service.namespace.clone()),
        ("partition", service.partition.clone()),
        ("health", health(checks.as_deref().unwrap_or_default()).to_owned()),
    ] {
        labels.set(format!("__meta_consul_{name}"), value);
    }
    for (kind, texts) in
        [("metadata", &node.meta), ("service_metadata", &service.meta), ("tagged_address", &node.tagged_addresses)]
    {
        for (name, value) in texts.iter().flatten() {
            labels.set(format!("__meta_consul_{kind}_{}", sanitize(name)), value.as_str());
        }
    }
    labels.build()
}

/// The worst that any check says.
fn health(checks: &[Check]) -> &'static str {
    let is_maintenance = |c: &Check| c.id == "_node_maintenance" || c.id.starts_with("_service_maintenance:");
    let any = |status: &str| checks.iter().any(|c| c.status == status);
    if checks.iter().any(is_maintenance) {
        "maintenance"
    } else if any("critical") {
        "critical"
    } else if any("warning") {
        "warning"
    } else {
        "passing"
    }
}
