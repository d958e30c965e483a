//! `ec2_sd_configs`: virtual machines of AWS EC2.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use roxmltree::Node;

use super::amazon::Service;
use super::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use super::site::{Discover, MOST_PAGES, Refresh, Site, too_many, too_many_pages};
use crate::config::discovery::Ec2SdConfig;
use crate::model::{Labels, LabelsBuilder};
use crate::net::aws;

const PREFIX: &str = "__meta_ec2_";
/// Of the API.
const VERSION: &str = "2016-11-15";
/// Machines of a page.
const PAGE: &str = "1000";

impl Discover for Ec2SdConfig {
    const MECHANISM: &'static str = "ec2";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        let interval = self.refresh_interval.as_std();
        let service = Service::new("ec2", &self.aws, &self.http, interval);
        Box::pin(site.every(interval, Ec2 { config: self, service, zones: None }))
    }
}

struct Ec2 {
    config: Ec2SdConfig,
    service: Service,
    /// The ids of availability zones, once they could be had.
    zones: Option<BTreeMap<String, String>>,
}

impl Refresh for Ec2 {
    fn refresh<'a>(&'a mut self, _: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let region = self.service.region().await?;
            if self.zones.is_none() {
                // Whoever may list machines need not be allowed to list zones.
                match self.ask("DescribeAvailabilityZones", &[]).await {
                    Ok(answer) => self.zones = Some(zones(&answer)?),
                    Err(error) => tracing::debug!(error, "Unable to describe availability zones"),
                }
            }
            let mut form = vec![("MaxResults".to_owned(), PAGE.to_owned())];
            for (i, filter) in self.config.filters.iter().enumerate() {
                form.push((format!("Filter.{}.Name", i + 1), filter.name.clone()));
                for (j, value) in filter.values.iter().enumerate() {
                    form.push((format!("Filter.{}.Value.{}", i + 1, j + 1), value.clone()));
                }
            }
            let (mut targets, mut next) = (Vec::new(), None);
            for _ in 0..MOST_PAGES {
                let mut page = form.clone();
                page.extend(next.map(|token| ("NextToken".to_owned(), token)));
                let asked = self.ask("DescribeInstances", &page).await;
                let answer = asked.map_err(|e| format!("could not describe instances: {e}"))?;
                let found;
                (found, next) = self.page(&answer, &region)?;
                targets.extend(found);
                too_many(targets.len())?;
                if next.is_none() {
                    return Ok(vec![TargetGroup { targets, labels: Labels::empty(), source: region.into() }]);
                }
            }
            Err(too_many_pages())
        })
    }
}

impl Ec2 {
    async fn ask(&mut self, action: &str, more: &[(String, String)]) -> Result<String, String> {
        self.service.post(&[("content-type", aws::FORM)], form(action, more)).await
    }

    /// The targets of a page, and the token of the next one.
    fn page(&self, answer: &str, region: &str) -> Result<(Vec<Labels>, Option<String>), String> {
        let document = roxmltree::Document::parse(answer).map_err(|e| format!("unexpected answer: {e}"))?;
        let root = document.root_element();
        let mut targets = Vec::new();
        for reservation in items(root, "reservationSet") {
            let owner = text(reservation, "ownerId");
            targets.extend(items(reservation, "instancesSet").filter_map(|i| self.target(i, owner, region)));
        }
        Ok((targets, text(root, "nextToken").map(str::to_owned)))
    }

    fn target(&self, instance: Node, owner: Option<&str>, region: &str) -> Option<Labels> {
        let interfaces: Vec<Node> = items(instance, "networkInterfaceSet").collect();
        let ipv6: Vec<&str> = interfaces
            .iter()
            .flat_map(|i| items(*i, "ipv6AddressesSet"))
            .filter_map(|a| text(a, "ipv6Address"))
            .collect();
        let private = text(instance, "privateIpAddress");
        // Where there is no IPv4 address, the first of IPv6.
        let host = private.or_else(|| ipv6.first().copied())?;
        let mut labels = LabelsBuilder::new();
        labels.set(ADDRESS, join_host_port(host, self.config.port));
        let zone =
            text(instance, "availabilityZone").or_else(|| text(child(instance, "placement")?, "availabilityZone"));
        let zone_id = zone.and_then(|zone| self.zones.as_ref()?.get(zone)).map(String::as_str);
        let vpc = text(instance, "vpcId");
        for (name, value) in [
            ("ami", text(instance, "imageId")),
            ("architecture", text(instance, "architecture")),
            ("availability_zone", zone),
            ("availability_zone_id", zone_id),
            ("instance_id", text(instance, "instanceId")),
            ("instance_lifecycle", text(instance, "instanceLifecycle")),
            ("instance_state", child(instance, "instanceState").and_then(|state| text(state, "name"))),
            ("instance_type", text(instance, "instanceType")),
            ("owner_id", owner),
            ("platform", text(instance, "platform")),
            ("private_dns_name", text(instance, "privateDnsName")),
            ("private_ip", private),
            ("public_dns_name", text(instance, "dnsName").filter(|_| text(instance, "ipAddress").is_some())),
            ("public_ip", text(instance, "ipAddress")),
            ("region", Some(region)),
            ("vpc_id", vpc),
            ("primary_subnet_id", text(instance, "subnetId").filter(|_| vpc.is_some())),
        ] {
            labels.set(format!("{PREFIX}{name}"), value.unwrap_or_default());
        }
        if vpc.is_some() {
            let mut subnets: Vec<&str> = Vec::new();
            for subnet in interfaces.iter().filter_map(|i| text(*i, "subnetId")) {
                if !subnets.contains(&subnet) {
                    subnets.push(subnet);
                }
            }
            labels.set(format!("{PREFIX}subnet_id"), listed(&subnets));
            labels.set(format!("{PREFIX}ipv6_addresses"), if ipv6.is_empty() { String::new() } else { listed(&ipv6) });
            labels.set(format!("{PREFIX}primary_ipv6_addresses"), primary_ipv6(&interfaces));
        }
        for tag in items(instance, "tagSet") {
            if let (Some(name), Some(value)) = (text(tag, "key"), child(tag, "value")) {
                labels.set(format!("{PREFIX}tag_{}", sanitize(name)), value.text().unwrap_or_default());
            }
        }
        Some(labels.build())
    }
}

fn form(action: &str, more: &[(String, String)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", VERSION).extend_pairs(more);
    form.finish()
}

/// With separators on both sides a pattern need not care which is the first.
fn listed(values: &[&str]) -> String {
    format!(",{},", values.join(","))
}

/// The primary address of each interface at the place of its index; empty where it has none.
fn primary_ipv6(interfaces: &[Node]) -> String {
    /// The most interfaces of a machine that are looked at.
    const MOST: usize = 256;
    let mut found: Vec<&str> = Vec::new();
    for interface in interfaces {
        let index =
            child(*interface, "attachment").and_then(|a| text(a, "deviceIndex")).and_then(|i| i.parse::<usize>().ok());
        let primary = items(*interface, "ipv6AddressesSet").find(|a| text(*a, "isPrimaryIpv6") == Some("true"));
        if let (Some(index), Some(address)) =
            (index.filter(|i| *i < MOST), primary.and_then(|a| text(a, "ipv6Address")))
        {
            found.resize(found.len().max(index + 1), "");
            if let Some(place) = found.get_mut(index) {
                *place = address;
            }
        }
    }
    if found.is_empty() { String::new() } else { listed(&found) }
}

fn zones(answer: &str) -> Result<BTreeMap<String, String>, String> {
    let document = roxmltree::Document::parse(answer).map_err(|e| format!("unexpected answer: {e}"))?;
    let zone = |zone: Node| Some((text(zone, "zoneName")?.to_owned(), text(zone, "zoneId")?.to_owned()));
    Ok(items(document.root_element(), "availabilityZoneInfo").filter_map(zone).collect())
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|c| c.tag_name().name() == name)
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|t| !t.is_empty())
}

/// The items of a list.
fn items<'a, 'i>(node: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i> {
    child(node, name).into_iter().flat_map(|list| list.children()).filter(|c| c.tag_name().name() == "item")
}
