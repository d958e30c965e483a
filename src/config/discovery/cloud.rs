//! `ec2_sd_configs`, `lightsail_sd_configs`, `gce_sd_configs` and `azure_sd_configs`: virtual machines of clouds.

use crate::config::http::HttpClientConfig;
use crate::config::identity::SigV4Config;
use crate::config::secret::Secret;
use crate::config::yaml::{Duration, MapReader};
use crate::section;

section! {
    /// A filter of a list: a name and the values it may have.
    pub struct FilterConfig as "filter" {
        /// What is looked at.
        name: String,
        /// What it may be.
        values: Vec<String>,
    }
}

section! {
    /// Who asks a service of AWS, and where.
    pub struct AwsSdConfig as "AWS" {
        /// Another endpoint than AWS' own.
        endpoint: String,
        /// Region; that of the environment or the machine when empty.
        region: String,
        /// Access key.
        access_key: String,
        /// Its secret.
        secret_key: Secret,
        /// Profile of the shared files.
        profile: String,
        /// Role to take.
        role_arn: String,
        /// Id that the role asks for.
        external_id: String,
    }
}

impl AwsSdConfig {
    /// Whose signature requests bear.
    pub fn identity(&self) -> SigV4Config {
        SigV4Config {
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            profile: self.profile.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            ..SigV4Config::default()
        }
    }
}

section! {
    /// Virtual machines of AWS EC2.
    pub struct Ec2SdConfig as "ec2_sd config" with check {
        /// How often machines are listed.
        refresh_interval: Duration = Duration::seconds(60),
        /// The targets' port.
        port: i64 = 80,
        /// Filters of the list.
        filters: Vec<FilterConfig>,
    }
    inline {
        /// Who asks AWS, and where.
        aws: AwsSdConfig,
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

impl Ec2SdConfig {
    fn check(&mut self, m: &MapReader) {
        if self.filters.iter().any(|f| f.values.is_empty()) {
            m.error("filters", "EC2 SD configuration filter values cannot be empty");
        }
    }
}

section! {
    /// Virtual machines of AWS Lightsail.
    pub struct LightsailSdConfig as "lightsail_sd config" {
        /// How often machines are listed.
        refresh_interval: Duration = Duration::seconds(60),
        /// The targets' port.
        port: i64 = 80,
    }
    inline {
        /// Who asks AWS, and where.
        aws: AwsSdConfig,
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

section! {
    /// Virtual machines of Google Compute Engine.
    pub struct GceSdConfig as "gce_sd config" with check {
        /// Project.
        project: String,
        /// Zone.
        zone: String,
        /// Filter of the list.
        filter: String,
        /// How often machines are listed.
        refresh_interval: Duration = Duration::seconds(60),
        /// The targets' port.
        port: i64 = 80,
        /// What joins tags.
        tag_separator: String = ",".into(),
    }
}

impl GceSdConfig {
    fn check(&mut self, m: &MapReader) {
        for (key, value) in [("project", &self.project), ("zone", &self.zone)] {
            if value.is_empty() {
                m.error(key, format!("GCE SD configuration requires a {key}"));
            }
        }
    }
}

section! {
    /// Virtual machines of Azure.
    pub struct AzureSdConfig as "azure_sd config" with check {
        /// Which of Azure's clouds.
        environment: String = "AzurePublicCloud".into(),
        /// The targets' port.
        port: i64 = 80,
        /// Subscription.
        subscription_id: String,
        /// Tenant.
        tenant_id: String,
        /// Client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// How often machines are listed.
        refresh_interval: Duration = Duration::seconds(300),
        /// `OAuth`, `ManagedIdentity`, `WorkloadIdentity` or `SDK`.
        authentication_method: String = "OAuth".into(),
        /// Only machines of this resource group.
        resource_group: String,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

impl AzureSdConfig {
    fn check(&mut self, m: &MapReader) {
        let mut required = vec![("subscription_id", self.subscription_id.is_empty())];
        match self.authentication_method.as_str() {
            "OAuth" => required.extend([
                ("tenant_id", self.tenant_id.is_empty()),
                ("client_id", self.client_id.is_empty()),
                ("client_secret", self.client_secret.is_empty()),
            ]),
            "ManagedIdentity" | "WorkloadIdentity" | "SDK" => {}
            other => m.error(
                "authentication_method",
                format!(
                    "unknown authentication_type {other:?}. Supported types are \"OAuth\", \"ManagedIdentity\", \
                     \"WorkloadIdentity\" or \"SDK\""
                ),
            ),
        }
        for (key, _) in required.into_iter().filter(|(_, missing)| *missing) {
            m.error(key, format!("azure SD configuration requires a {key}"));
        }
    }
}
