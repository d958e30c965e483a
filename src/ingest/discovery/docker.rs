//! `docker_sd_configs`: containers of a Docker daemon.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::Deserialize;

use super::fetch::Fetcher;
use super::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use super::site::{Discover, Refresh, Site};
use crate::config::discovery::{DockerSdConfig, FilterConfig};
use crate::model::{Labels, LabelsBuilder};
use crate::net::HttpSettings;

const PREFIX: &str = "__meta_docker_";

impl Discover for DockerSdConfig {
    const MECHANISM: &'static str = "docker";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        let interval = self.refresh_interval.as_std();
        let daemon = Daemon::of(&self);
        Box::pin(site.every(interval, DockerDiscovery { config: self, daemon }))
    }
}

struct DockerDiscovery {
    config: DockerSdConfig,
    daemon: Daemon,
}

/// How to ask the daemon.
struct Daemon {
    fetcher: Fetcher,
    base: String,
}

impl Daemon {
    fn of(config: &DockerSdConfig) -> Daemon {
        let (scheme, rest) = config.host.split_once("://").unwrap_or(("unix", &config.host));
        let mut settings = HttpSettings::default();
        let base = match scheme {
            // What `http_config` says holds for HTTP alone.
            "unix" => {
                settings.unix_socket = Some(rest.into());
                "http://docker".to_owned()
            }
            "tcp" => format!("http://{rest}"),
            _ => {
                settings = HttpSettings::from(&config.http);
                config.host.clone()
            }
        };
        let fetcher = Fetcher::with_settings(settings, config.refresh_interval.as_std());
        Daemon { fetcher, base: base.trim_end_matches('/').to_owned() }
    }

    async fn get<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, String> {
        self.fetcher.get(&format!("{}{path}", self.base), &[]).await?.json()
    }
}

type Texts = BTreeMap<String, String>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    id: String,
    names: Option<Vec<String>>,
    labels: Option<Texts>,
    host_config: HostConfig,
    network_settings: NetworkSettings,
    ports: Option<Vec<Port>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "IPAddress")]
    ip: String,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    #[serde(rename = "IP")]
    ip: String,
    private_port: u32,
    public_port: u32,
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    id: String,
    name: String,
    scope: String,
    internal: bool,
    ingress: bool,
    labels: Option<Texts>,
}

impl Refresh for DockerDiscovery {
    fn refresh<'a>(&'a mut self, _: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let filters = filters(&self.config.filters);
            let listed = self.daemon.get::<Vec<Container>>(&format!("/containers/json{filters}")).await;
            let containers = listed.map_err(|e| format!("error while listing containers: {e}"))?;
            let networks: Vec<Network> =
                self.daemon.get("/networks").await.map_err(|e| format!("error while listing networks: {e}"))?;
            let networks: BTreeMap<String, Labels> =
                networks.iter().map(|n| (n.id.clone(), network_labels(n))).collect();
            let by_id: BTreeMap<&str, &Container> = containers.iter().map(|c| (c.id.as_str(), c)).collect();
            let targets = containers.iter().flat_map(|c| targets(c, &by_id, &networks, &self.config)).collect();
            Ok(vec![TargetGroup { targets, labels: Labels::empty(), source: "Docker".into() }])
        })
    }
}

/// Filters as the daemon's API wants them.
fn filters(filters: &[FilterConfig]) -> String {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for filter in filters {
        all.entry(&filter.name).or_default().extend(filter.values.iter().map(String::as_str));
    }
    if all.is_empty() {
        return String::new();
    }
    let json = serde_json::to_string(&all).unwrap_or_default();
    format!("?filters={}", url::form_urlencoded::byte_serialize(json.as_bytes()).collect::<String>())
}

fn network_labels(network: &Network) -> Labels {
    let mut labels = LabelsBuilder::new();
    for (name, value) in [
        ("id", network.id.clone()),
        ("name", network.name.clone()),
        ("scope", network.scope.clone()),
        ("internal", network.internal.to_string()),
        ("ingress", network.ingress.to_string()),
    ] {
        labels.set(format!("{PREFIX}network_{name}"), value);
    }
    for (name, value) in network.labels.iter().flatten() {
        labels.set(format!("{PREFIX}network_label_{}", sanitize(name)), value.as_str());
    }
    labels.build()
}

/// The networks of a container, or of the one whose network it shares.
fn networks_of<'c>(container: &'c Container, by_id: &BTreeMap<&str, &'c Container>) -> Vec<&'c Endpoint> {
    let mut of = container;
    // As many steps as there are containers at most: two may name each other.
    for _ in 0..=by_id.len() {
        let networks = of.network_settings.networks.iter().flatten();
        let mut found = networks.filter_map(|(_, endpoint)| endpoint.as_ref()).peekable();
        if found.peek().is_some() {
            return found.collect();
        }
        let shared = of.host_config.network_mode.strip_prefix("container:");
        match shared.and_then(|id| by_id.get(id)) {
            Some(next) => of = next,
            None => break,
        }
    }
    Vec::new()
}

fn targets(
    container: &Container,
    by_id: &BTreeMap<&str, &Container>,
    networks: &BTreeMap<String, Labels>,
    config: &DockerSdConfig,
) -> Vec<Labels> {
    let Some(name) = container.names.as_ref().and_then(|names| names.first()) else { return Vec::new() };
    let mode = container.host_config.network_mode.as_str();
    let mut common = LabelsBuilder::new();
    for (label, value) in [("id", container.id.as_str()), ("name", name), ("network_mode", mode)] {
        common.set(format!("{PREFIX}container_{label}"), value);
    }
    for (label, value) in container.labels.iter().flatten() {
        common.set(format!("{PREFIX}container_label_{}", sanitize(label)), value.as_str());
    }
    let mut endpoints = networks_of(container, by_id);
    if config.match_first_network {
        // They are in the order of their names.
        endpoints.truncate(1);
    }
    let mut targets = Vec::new();
    for endpoint in endpoints {
        let ip = if endpoint.ip.is_empty() { &endpoint.ipv6 } else { &endpoint.ip };
        let target = |address: String, port: Option<&Port>| {
            let mut labels = common.build().to_builder();
            for (label, value) in networks.get(&endpoint.network_id).iter().flat_map(|n| n.iter()) {
                labels.set(label, value);
            }
            labels.set(ADDRESS, address);
            labels.set(format!("{PREFIX}network_ip"), ip.as_str());
            if let Some(port) = port {
                labels.set(format!("{PREFIX}port_private"), port.private_port.to_string());
                if port.public_port > 0 {
                    labels.set(format!("{PREFIX}port_public"), port.public_port.to_string());
                    labels.set(format!("{PREFIX}port_public_ip"), port.ip.as_str());
                }
            }
            labels.build()
        };
        let ports: Vec<&Port> = container.ports.iter().flatten().filter(|p| p.r#type == "tcp").collect();
        match ports.as_slice() {
            // A container in the host's network has no ports.
            [] if mode == "host" => targets.push(target(config.host_networking_host.clone(), None)),
            [] => targets.push(target(join_host_port(ip, config.port), None)),
            ports => targets.extend(ports.iter().map(|p| target(join_host_port(ip, p.private_port), Some(p)))),
        }
    }
    targets
}
