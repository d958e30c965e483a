//! The table of kinds.

use futures::future::BoxFuture;

use super::site::{Discover, Site};
use crate::config::Discoveries;
use crate::config::discovery::{
    AzureSdConfig, ConsulSdConfig, DnsSdConfig, DockerSdConfig, Ec2SdConfig, FileSdConfig, GceSdConfig, HttpSdConfig,
    KubernetesSdConfig, LightsailSdConfig, StaticConfig,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($config:ty) from $list:expr;)*) => {
        /// What a configuration says of one discovery.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Source {
            $($(#[$doc])* $name(Box<$config>),)*
        }

        /// The kinds there are, by their names in a configuration (`KIND_sd_configs`, `static_configs`).
        pub const KINDS: &[&str] = &[$(<$config as Discover>::MECHANISM),*];

        impl Source {
            /// The discoveries of a configuration.
            pub fn of(all: &Discoveries) -> Vec<Source> {
                let mut sources = Vec::new();
                $({
                    let list: fn(&Discoveries) -> Vec<$config> = $list;
                    sources.extend(list(all).into_iter().map(|c| Source::$name(Box::new(c))));
                })*
                sources
            }

            /// The kind's name in metrics.
            pub(super) fn mechanism(&self) -> &'static str {
                match self {
                    $(Source::$name(_) => <$config as Discover>::MECHANISM,)*
                }
            }

            /// Finds targets until it is dropped.
            pub(super) fn run(self, site: Site) -> BoxFuture<'static, ()> {
                match self {
                    $(Source::$name(config) => config.run(site),)*
                }
            }
        }
    };
}

kinds! {
    /// `static_configs`, all of one list.
    Static(Vec<StaticConfig>) from |all| all.static_configs.first().map(|_| all.static_configs.clone()).into_iter().collect();
    /// `file_sd_configs`
    File(FileSdConfig) from |all| all.file_sd_configs.clone();
    /// `http_sd_configs`
    Http(HttpSdConfig) from |all| all.http_sd_configs.clone();
    /// `dns_sd_configs`
    Dns(DnsSdConfig) from |all| all.dns_sd_configs.clone();
    /// `kubernetes_sd_configs`
    Kubernetes(KubernetesSdConfig) from |all| all.kubernetes_sd_configs.clone();
    /// `consul_sd_configs`
    Consul(ConsulSdConfig) from |all| all.consul_sd_configs.clone();
    /// `docker_sd_configs`
    Docker(DockerSdConfig) from |all| all.docker_sd_configs.clone();
    /// `ec2_sd_configs`
    Ec2(Ec2SdConfig) from |all| all.ec2_sd_configs.clone();
    /// `lightsail_sd_configs`
    Lightsail(LightsailSdConfig) from |all| all.lightsail_sd_configs.clone();
    /// `gce_sd_configs`
    Gce(GceSdConfig) from |all| all.gce_sd_configs.clone();
    /// `azure_sd_configs`
    Azure(AzureSdConfig) from |all| all.azure_sd_configs.clone();
}
