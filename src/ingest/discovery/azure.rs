//! `azure_sd_configs`: virtual machines of Azure, alone and in scale sets.

use std::collections::BTreeMap;

use futures::future::{BoxFuture, try_join_all};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fetch::Fetcher;
use super::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use super::site::{Discover, MOST_PAGES, Refresh, Site, too_many, too_many_pages};
use crate::config::discovery::AzureSdConfig;
use crate::model::{Labels, LabelsBuilder};
use crate::net::{Auth, Credential, HttpClient, HttpSettings, aws, cloud};

const PREFIX: &str = "__meta_azure_";
const COMPUTE: &str = "api-version=2024-07-01";
const NETWORK: &str = "api-version=2024-05-01";
const NETWORK_OF_SET: &str = "api-version=2018-10-01";
/// Interfaces that are asked for side by side.
const SIDE_BY_SIDE: usize = 16;

impl Discover for AzureSdConfig {
    const MECHANISM: &'static str = "azure";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        Box::pin(site.every(self.refresh_interval.as_std(), Azure { config: self }))
    }
}

struct Azure {
    config: AzureSdConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    value: Vec<T>,
    next_link: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Machine {
    id: String,
    name: String,
    location: String,
    tags: BTreeMap<String, String>,
    properties: MachineProperties,
    /// The scale set that it is of.
    #[serde(skip)]
    scale_set: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MachineProperties {
    hardware_profile: HardwareProfile,
    storage_profile: StorageProfile,
    os_profile: OsProfile,
    network_profile: NetworkProfile,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HardwareProfile {
    vm_size: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StorageProfile {
    os_disk: OsDisk,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OsDisk {
    os_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OsProfile {
    computer_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NetworkProfile {
    network_interfaces: Vec<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    id: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interface {
    properties: InterfaceProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InterfaceProperties {
    /// Absent where the machine is switched off.
    primary: Option<bool>,
    ip_configurations: Vec<IpConfiguration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpConfiguration {
    properties: IpProperties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpProperties {
    #[serde(rename = "privateIPAddress")]
    private_ip: Option<String>,
    #[serde(rename = "publicIPAddress")]
    public_ip: Option<PublicIp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PublicIp {
    properties: PublicIpProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PublicIpProperties {
    ip_address: Option<String>,
}

/// The API as one refresh asks it.
struct Api {
    fetcher: Fetcher,
    base: &'static str,
}

impl Api {
    fn of(config: &AzureSdConfig) -> Result<Api, String> {
        let unknown = || format!("there is no cloud configuration matching the name {:?}", config.environment);
        let cloud = cloud::AzureCloud::named(&config.environment).ok_or_else(unknown)?;
        let identity = match config.authentication_method.as_str() {
            "ManagedIdentity" => cloud::AzureIdentity::Machine { client: config.client_id.clone() },
            "WorkloadIdentity" => cloud::workload(&config.tenant_id, &config.client_id, &aws::variable),
            "SDK" => cloud::AzureIdentity::Environment { tenant: config.tenant_id.clone() },
            _ => cloud::AzureIdentity::Application {
                tenant: config.tenant_id.clone(),
                client: config.client_id.clone(),
                secret: Credential::Inline(config.client_secret.expose().to_owned()),
            },
        };
        let scope = format!("{}/.default", cloud.management);
        let oauth2 = cloud::azure(cloud, identity, &scope, &aws::variable);
        let auth = Some(Auth::OAuth2(Box::new(oauth2)));
        let settings = HttpSettings { auth, ..HttpSettings::from(&config.http) };
        let fetcher = Fetcher::with_settings(settings, config.refresh_interval.as_std());
        Ok(Api { fetcher, base: cloud.management })
    }

    /// All pages of a list.
    async fn list<T: DeserializeOwned>(&mut self, path: &str) -> Result<Vec<T>, String> {
        let (mut all, mut next) = (Vec::new(), Some(format!("{}{path}?{COMPUTE}", self.base)));
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { return Ok(all) };
            let page: Page<T> = self.fetcher.get(&url, &[]).await?.json()?;
            all.extend(page.value);
            too_many(all.len())?;
            // A page tells where the next one is: only at the same server it is asked for with our token.
            next = page.next_link.filter(|link| !link.is_empty());
            let origin = |url: &str| url::Url::parse(url).map(|url| url.origin()).ok();
            if next.as_deref().is_some_and(|link| origin(link) != origin(self.base)) {
                return Err("the next page is at another server".into());
            }
        }
        Err(too_many_pages())
    }
}

impl Refresh for Azure {
    fn refresh<'a>(&'a mut self, site: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let found = self.found().await;
            if found.is_err() {
                site.counters.azure_failures.inc();
            }
            found
        })
    }
}

impl Azure {
    async fn found(&self) -> Result<Vec<TargetGroup>, String> {
        let mut api = Api::of(&self.config).map_err(|e| format!("could not create Azure client: {e}"))?;
        let group = match self.config.resource_group.as_str() {
            "" => String::new(),
            name => format!("/resourceGroups/{name}"),
        };
        let compute = format!("/subscriptions/{}{group}/providers/Microsoft.Compute", self.config.subscription_id);
        let listed = api.list::<Machine>(&format!("{compute}/virtualMachines")).await;
        let mut machines = listed.map_err(|e| format!("could not get virtual machines: {e}"))?;
        let sets = api.list::<Named>(&format!("{compute}/virtualMachineScaleSets")).await;
        for set in sets.map_err(|e| format!("could not get virtual machine scale sets: {e}"))? {
            let of_set = api.list::<Machine>(&format!("{}/virtualMachines", set.id)).await;
            let of_set = of_set.map_err(|e| format!("could not get virtual machine scale set vms: {e}"))?;
            machines.extend(of_set.into_iter().map(|machine| Machine { scale_set: set.name.clone(), ..machine }));
            too_many(machines.len())?;
        }
        let client = api.fetcher.client()?;
        let mut targets = Vec::new();
        for some in machines.chunks(SIDE_BY_SIDE) {
            let each = some.iter().map(|machine| self.target(&api, &client, machine));
            let found = try_join_all(each).await;
            let found = found.map_err(|e| format!("unable to complete Azure service discovery: {e}"))?;
            targets.extend(found.into_iter().flatten());
        }
        Ok(vec![TargetGroup { targets, labels: Labels::empty(), source: "".into() }])
    }

    async fn target(&self, api: &Api, client: &HttpClient, machine: &Machine) -> Result<Option<Labels>, String> {
        let version = if machine.scale_set.is_empty() { NETWORK } else { NETWORK_OF_SET };
        for Named { id, .. } in &machine.properties.network_profile.network_interfaces {
            let url = format!("{}{id}?{version}&$expand=ipConfigurations/publicIPAddress", api.base);
            let Some(answer) = api.fetcher.find(client, &url, &[]).await? else {
                tracing::warn!(name = id, "Network interface does not exist");
                return Ok(None);
            };
            let interface: Interface = answer.json()?;
            match interface.properties.primary {
                None => return Ok(None),
                Some(false) => {}
                Some(true) => return target(&self.config, machine, &interface.properties).map(Some),
            }
        }
        Ok(None)
    }
}

/// The name after a part of a resource's id.
fn part<'i>(id: &'i str, name: &str) -> &'i str {
    let mut parts = id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case(name)).and(parts.next()).unwrap_or_default()
}

fn target(config: &AzureSdConfig, machine: &Machine, interface: &InterfaceProperties) -> Result<Labels, String> {
    let none = || format!("unable to find a private IP for VM {}", machine.name);
    let first = &interface.ip_configurations.first().ok_or_else(none)?.properties;
    let private = first.private_ip.as_deref().ok_or_else(none)?;
    let public = first.public_ip.as_ref().and_then(|ip| ip.properties.ip_address.as_deref());
    let properties = &machine.properties;
    let mut labels = LabelsBuilder::new();
    labels.set(ADDRESS, join_host_port(private, config.port));
    for (name, value) in [
        ("subscription_id", config.subscription_id.as_str()),
        ("tenant_id", &config.tenant_id),
        ("machine_id", &machine.id),
        ("machine_name", &machine.name),
        ("machine_computer_name", &properties.os_profile.computer_name),
        ("machine_os_type", &properties.storage_profile.os_disk.os_type),
        ("machine_location", &machine.location),
        ("machine_resource_group", part(&machine.id, "resourceGroups")),
        ("machine_size", &properties.hardware_profile.vm_size),
        ("machine_scale_set", &machine.scale_set),
        ("machine_private_ip", private),
        ("machine_public_ip", public.unwrap_or_default()),
    ] {
        labels.set(format!("{PREFIX}{name}"), value);
    }
    for (name, value) in &machine.tags {
        labels.set(format!("{PREFIX}machine_tag_{}", sanitize(name)), value.as_str());
    }
    Ok(labels.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_the_labels_of_its_first_interface() {
        let machine = r#"{"id": "/subscriptions/s/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/gpu", "name": "gpu", "location": "westeurope",
            "tags": {"team.x": "ml"}, "properties": {"hardwareProfile": {"vmSize": "ND96"}, "storageProfile": {"osDisk": {"osType": "Linux"}},
            "osProfile": {"computerName": "host"}, "networkProfile": {"networkInterfaces": [{"id": "/nic"}]}}}"#;
        let interface = r#"{"properties": {"primary": true, "ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.4",
            "publicIPAddress": {"properties": {"ipAddress": "203.0.113.9"}}}}]}}"#;
        let machine: Machine = serde_json::from_str(machine).unwrap();
        let interface: Interface = serde_json::from_str(interface).unwrap();
        let config = AzureSdConfig { subscription_id: "s".into(), tenant_id: "t".into(), ..AzureSdConfig::default() };
        let want = r#"{__address__="10.0.0.4:80", __meta_azure_machine_computer_name="host", __meta_azure_machine_id="/subscriptions/s/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/gpu", __meta_azure_machine_location="westeurope", __meta_azure_machine_name="gpu", __meta_azure_machine_os_type="Linux", __meta_azure_machine_private_ip="10.0.0.4", __meta_azure_machine_public_ip="203.0.113.9", __meta_azure_machine_resource_group="RG", __meta_azure_machine_size="ND96", __meta_azure_machine_tag_team_x="ml", __meta_azure_subscription_id="s", __meta_azure_tenant_id="t"}"#;
        assert_eq!(target(&config, &machine, &interface.properties).unwrap().to_string(), want);
    }
}
