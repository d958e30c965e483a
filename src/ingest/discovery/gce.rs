//! `gce_sd_configs`: virtual machines of Google Compute Engine.

use futures::future::BoxFuture;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::fetch::Fetcher;
use super::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use super::site::{Discover, MOST_PAGES, Refresh, Site, too_many, too_many_pages};
use crate::config::discovery::GceSdConfig;
use crate::model::{Labels, LabelsBuilder};
use crate::net::{Auth, HttpSettings, aws, cloud};

const PREFIX: &str = "__meta_gce_";
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";
const API: &str = "https://compute.googleapis.com/compute/v1";

impl Discover for GceSdConfig {
    const MECHANISM: &'static str = "gce";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        Box::pin(site.every(self.refresh_interval.as_std(), Gce { config: self, fetcher: None }))
    }
}

struct Gce {
    config: GceSdConfig,
    /// Once it is known who we are.
    fetcher: Option<Fetcher>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    items: Vec<Instance>,
    next_page_token: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Instance {
    id: String,
    name: String,
    zone: String,
    status: String,
    machine_type: String,
    labels: BTreeMap<String, String>,
    tags: Items<String>,
    metadata: Items<Metadata>,
    network_interfaces: Vec<Interface>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Items<T> {
    items: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Items { items: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Metadata {
    key: String,
    value: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Interface {
    name: String,
    network: String,
    subnetwork: String,
    #[serde(rename = "networkIP")]
    network_ip: String,
    access_configs: Vec<AccessConfig>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessConfig {
    r#type: String,
    #[serde(rename = "natIP")]
    nat_ip: String,
}

impl Refresh for Gce {
    fn refresh<'a>(&'a mut self, _: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let fetcher = match &mut self.fetcher {
                Some(fetcher) => fetcher,
                none => {
                    let oauth2 = cloud::google("", SCOPE, &aws::variable);
                    let oauth2 = oauth2.map_err(|e| format!("error setting up communication with GCE service: {e}"))?;
                    let settings =
                        HttpSettings { auth: Some(Auth::OAuth2(Box::new(oauth2))), ..HttpSettings::default() };
                    none.insert(Fetcher::with_settings(settings, self.config.refresh_interval.as_std()))
                }
            };
            let (mut targets, mut next) = (Vec::new(), String::new());
            for _ in 0..MOST_PAGES {
                let answer = fetcher.get(&url(&self.config, &next), &[]).await;
                let page: Page =
                    answer.map_err(|e| format!("error retrieving refresh targets from gce: {e}"))?.json()?;
                targets.extend(page.items.iter().filter_map(|i| target(i, &self.config)));
                too_many(targets.len())?;
                next = page.next_page_token;
                if next.is_empty() {
                    let source = format!("GCE_{}_{}", self.config.project, self.config.zone).into();
                    return Ok(vec![TargetGroup { targets, labels: Labels::empty(), source }]);
                }
            }
            Err(too_many_pages())
        })
    }
}

fn url(config: &GceSdConfig, page: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("alt", "json");
    for (name, value) in [("filter", config.filter.as_str()), ("pageToken", page)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("{API}/projects/{}/zones/{}/instances?{}", config.project, config.zone, query.finish())
}

fn target(instance: &Instance, config: &GceSdConfig) -> Option<Labels> {
    let first = instance.network_interfaces.first()?;
    let mut labels = LabelsBuilder::new();
    labels.set(ADDRESS, join_host_port(&first.network_ip, config.port));
    let separator = &config.tag_separator;
    let tags = &instance.tags.items;
    let tags = if tags.is_empty() { String::new() } else { format!("{separator}{}{separator}", tags.join(separator)) };
    let public = first.access_configs.first().filter(|c| c.r#type == "ONE_TO_ONE_NAT").map(|c| c.nat_ip.as_str());
    for (name, value) in [
        ("project", config.project.as_str()),
        ("zone", &instance.zone),
        ("instance_id", &instance.id),
        ("instance_name", &instance.name),
        ("instance_status", &instance.status),
        ("machine_type", &instance.machine_type),
        ("network", &first.network),
        ("subnetwork", &first.subnetwork),
        ("private_ip", &first.network_ip),
        ("public_ip", public.unwrap_or_default()),
        ("tags", &tags),
    ] {
        labels.set(format!("{PREFIX}{name}"), value);
    }
    for interface in &instance.network_interfaces {
        labels.set(format!("{PREFIX}interface_ipv4_{}", sanitize(&interface.name)), interface.network_ip.as_str());
    }
    for Metadata { key, value } in &instance.metadata.items {
        labels.set(format!("{PREFIX}metadata_{}", sanitize(key)), value.as_deref().unwrap_or_default());
    }
    for (name, value) in &instance.labels {
        labels.set(format!("{PREFIX}label_{}", sanitize(name)), value.as_str());
    }
    Some(labels.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_the_labels_of_its_first_interface() {
        let text = r#"{"items": [{"id": "42", "name": "gpu", "zone": "https://z/eu-a", "status": "RUNNING", "machineType": "https://m/a3",
            "labels": {"team.x": "ml"}, "tags": {"items": ["a", "b"]}, "metadata": {"items": [{"key": "k-1", "value": "v"}, {"key": "none"}]},
            "networkInterfaces": [{"name": "nic0", "network": "n", "subnetwork": "s", "networkIP": "10.0.0.4", "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.9"}]},
            {"name": "nic1", "networkIP": "10.1.0.4"}]}, {"name": "none"}]}"#;
        let page: Page = serde_json::from_str(text).unwrap();
        let config = GceSdConfig { project: "p".into(), zone: "eu-a".into(), ..GceSdConfig::default() };
        let found: Vec<Labels> = page.items.iter().filter_map(|i| target(i, &config)).collect();
        let want = r#"{__address__="10.0.0.4:80", __meta_gce_instance_id="42", __meta_gce_instance_name="gpu", __meta_gce_instance_status="RUNNING", __meta_gce_interface_ipv4_nic0="10.0.0.4", __meta_gce_interface_ipv4_nic1="10.1.0.4", __meta_gce_label_team_x="ml", __meta_gce_machine_type="https://m/a3", __meta_gce_metadata_k_1="v", __meta_gce_network="n", __meta_gce_private_ip="10.0.0.4", __meta_gce_project="p", __meta_gce_public_ip="203.0.113.9", __meta_gce_subnetwork="s", __meta_gce_tags=",a,b,", __meta_gce_zone="https://z/eu-a"}"#;
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
        assert!(url(&config, "next").ends_with("/projects/p/zones/eu-a/instances?alt=json&pageToken=next"));
    }
}
