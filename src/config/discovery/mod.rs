//! Service discovery: where scrape targets and Alertmanagers are found. One kind, one section.
//!
//! The kinds that Watchbell does not speak are known by name ([`others`]): they are checked as far as Prometheus checks
//! them, and refused in words.

mod cloud;
mod consul;
mod docker;
mod fixed;
mod kubernetes;
mod others;
mod simple;

use std::path::Path;

pub use self::cloud::{AwsSdConfig, AzureSdConfig, Ec2SdConfig, FilterConfig, GceSdConfig, LightsailSdConfig};
pub use self::consul::ConsulSdConfig;
pub use self::docker::DockerSdConfig;
pub use self::fixed::{FileSdConfig, StaticConfig};
pub use self::kubernetes::{
    AttachMetadataConfig, KubernetesRole, KubernetesSdConfig, NamespacesConfig, SelectorConfig,
};
pub use self::simple::{DnsRecord, DnsSdConfig, HttpSdConfig};
use super::http::HttpClientConfig;
use super::yaml::{MapReader, Node};
use crate::section;

section! {
    /// Where targets are found. Stands inside a scrape config or a set of Alertmanagers.
    pub struct Discoveries as "service discovery" with check {
        /// Listed here.
        static_configs: Vec<StaticConfig>,
        /// Listed in files.
        file_sd_configs: Vec<FileSdConfig>,
        /// Listed by a server.
        http_sd_configs: Vec<HttpSdConfig>,
        /// Records of DNS.
        dns_sd_configs: Vec<DnsSdConfig>,
        /// Objects of a Kubernetes cluster.
        kubernetes_sd_configs: Vec<KubernetesSdConfig>,
        /// Services of Consul.
        consul_sd_configs: Vec<ConsulSdConfig>,
        /// Containers of a Docker daemon.
        docker_sd_configs: Vec<DockerSdConfig>,
        /// Virtual machines of AWS EC2.
        ec2_sd_configs: Vec<Ec2SdConfig>,
        /// Virtual machines of AWS Lightsail.
        lightsail_sd_configs: Vec<LightsailSdConfig>,
        /// Virtual machines of Google Compute Engine.
        gce_sd_configs: Vec<GceSdConfig>,
        /// Virtual machines of Azure.
        azure_sd_configs: Vec<AzureSdConfig>,
    }
}

impl Discoveries {
    fn check(&mut self, m: &MapReader) {
        others::read(m);
    }

    /// The HTTP clients with which targets are looked for.
    pub fn http_clients(&self) -> impl Iterator<Item = &HttpClientConfig> {
        let http = self.http_sd_configs.iter().map(|c| &c.http);
        let kubernetes = self.kubernetes_sd_configs.iter().map(|c| &c.http);
        let consul = self.consul_sd_configs.iter().map(|c| &c.http);
        let docker = self.docker_sd_configs.iter().map(|c| &c.http);
        let ec2 = self.ec2_sd_configs.iter().map(|c| &c.http);
        let lightsail = self.lightsail_sd_configs.iter().map(|c| &c.http);
        let azure = self.azure_sd_configs.iter().map(|c| &c.http);
        http.chain(kubernetes).chain(consul).chain(docker).chain(ec2).chain(lightsail).chain(azure)
    }

    fn http_clients_mut(&mut self) -> impl Iterator<Item = &mut HttpClientConfig> {
        let http = self.http_sd_configs.iter_mut().map(|c| &mut c.http);
        let kubernetes = self.kubernetes_sd_configs.iter_mut().map(|c| &mut c.http);
        let consul = self.consul_sd_configs.iter_mut().map(|c| &mut c.http);
        let docker = self.docker_sd_configs.iter_mut().map(|c| &mut c.http);
        let ec2 = self.ec2_sd_configs.iter_mut().map(|c| &mut c.http);
        let lightsail = self.lightsail_sd_configs.iter_mut().map(|c| &mut c.http);
        let azure = self.azure_sd_configs.iter_mut().map(|c| &mut c.http);
        http.chain(kubernetes).chain(consul).chain(docker).chain(ec2).chain(lightsail).chain(azure)
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        self.http_clients_mut().for_each(|http| http.resolve_paths(dir));
        let files = self.file_sd_configs.iter_mut().flat_map(|c| &mut c.files);
        let kubeconfigs = self.kubernetes_sd_configs.iter_mut().map(|c| &mut c.kubeconfig_file);
        files.chain(kubeconfigs).for_each(|path| *path = super::secret::join_dir(dir, path));
    }

    /// As Prometheus: an address in a list is checked where no relabelling can mend it.
    pub(super) fn check_unrelabelled(m: &MapReader) {
        let lists = m.node_at("static_configs").and_then(Node::items).unwrap_or_default();
        for (list, targets) in
            lists.iter().filter_map(|list| Some((list.get("targets")?, list.get("targets")?.items()?)))
        {
            for target in targets.iter().filter_map(Node::text) {
                if target.is_empty() {
                    m.decoder().error(list.position, "a target has no address");
                } else if target.contains('/') {
                    m.decoder().error(list.position, format!("{target:?} is not a valid hostname"));
                }
            }
        }
    }
}
