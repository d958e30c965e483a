//! `lightsail_sd_configs`: virtual machines of AWS Lightsail.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use super::amazon::Service;
use super::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use super::site::{Discover, MOST_PAGES, Refresh, Site, too_many, too_many_pages};
use crate::config::discovery::LightsailSdConfig;
use crate::model::{Labels, LabelsBuilder};

const PREFIX: &str = "__meta_lightsail_";
const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Lightsail_20161128.GetInstances")];

impl Discover for LightsailSdConfig {
    const MECHANISM: &'static str = "lightsail";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        let interval = self.refresh_interval.as_std();
        let service = Service::new("lightsail", &self.aws, &self.http, interval);
        Box::pin(site.every(interval, Lightsail { port: self.port, service }))
    }
}

struct Lightsail {
    port: i64,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    instances: Vec<Instance>,
    next_page_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Instance {
    name: String,
    support_code: String,
    location: Location,
    blueprint_id: String,
    bundle_id: String,
    state: State,
    private_ip_address: Option<String>,
    public_ip_address: Option<String>,
    ipv6_addresses: Option<Vec<String>>,
    tags: Option<Vec<Tag>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Location {
    availability_zone: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    name: String,
}

#[derive(Deserialize)]
struct Tag {
    key: Option<String>,
    value: Option<String>,
}

impl Refresh for Lightsail {
    fn refresh<'a>(&'a mut self, _: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let region = self.service.region().await?;
            let (mut targets, mut next) = (Vec::new(), None::<String>);
            for _ in 0..MOST_PAGES {
                let body = next.map_or_else(|| json!({}), |token| json!({"pageToken": token}));
                let asked = self.service.post(&HEADERS, body.to_string()).await;
                let answer = asked.map_err(|e| format!("could not get instances: {e}"))?;
                let answer: Answer = serde_json::from_str(&answer).map_err(|e| format!("unexpected answer: {e}"))?;
                targets.extend(answer.instances.iter().filter_map(|i| target(i, self.port, &region)));
                too_many(targets.len())?;
                next = answer.next_page_token.filter(|token| !token.is_empty());
                if next.is_none() {
                    return Ok(vec![TargetGroup { targets, labels: Labels::empty(), source: region.into() }]);
                }
            }
            Err(too_many_pages())
        })
    }
}

fn target(instance: &Instance, port: i64, region: &str) -> Option<Labels> {
    let private = instance.private_ip_address.as_deref()?;
    let mut labels = LabelsBuilder::new();
    labels.set(ADDRESS, join_host_port(private, port));
    let ipv6 = instance.ipv6_addresses.as_deref().filter(|all| !all.is_empty());
    for (name, value) in [
        ("availability_zone", instance.location.availability_zone.clone()),
        ("blueprint_id", instance.blueprint_id.clone()),
        ("bundle_id", instance.bundle_id.clone()),
        ("instance_name", instance.name.clone()),
        ("instance_state", instance.state.name.clone()),
        ("instance_support_code", instance.support_code.clone()),
        ("private_ip", private.to_owned()),
        ("public_ip", instance.public_ip_address.clone().unwrap_or_default()),
        ("ipv6_addresses", ipv6.map(|all| format!(",{},", all.join(","))).unwrap_or_default()),
        ("region", region.to_owned()),
    ] {
        labels.set(format!("{PREFIX}{name}"), value);
    }
    for tag in instance.tags.iter().flatten() {
        if let (Some(key), Some(value)) = (&tag.key, &tag.value) {
            labels.set(format!("{PREFIX}tag_{}", sanitize(key)), value.as_str());
        }
    }
    Some(labels.build())
}
