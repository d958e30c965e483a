//! Who we are for a cloud: `sigv4`, `azuread` and `google_iam`.

use super::secret::Secret;
use super::yaml::MapReader;
use crate::section;

section! {
    /// How requests to AWS are signed.
    pub struct SigV4Config as "sigv4 config" with check {
        /// Region.
        region: String,
        /// Access key.
        access_key: String,
        /// Its secret.
        secret_key: Secret,
        /// Profile of the credentials file.
        profile: String,
        /// Role to take.
        role_arn: String,
        /// Id that the role asks for.
        external_id: String,
        /// Use FIPS endpoints.
        use_fips_sts_endpoint: bool,
        /// Service that is signed for.
        service_name: String,
    }
}

impl Eq for SigV4Config {}
impl Eq for AzureAdConfig {}
impl Eq for GoogleIamConfig {}

impl SigV4Config {
    fn check(&mut self, m: &MapReader) {
        if self.access_key.is_empty() != self.secret_key.is_empty() {
            m.decoder().error(
                m.node().position,
                "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
            );
        }
    }
}

section! {
    /// With which identity tokens of Azure are had.
    pub struct AzureAdConfig as "azuread config" with check {
        /// `AzurePublic`, `AzureChina` or `AzureGovernment`.
        cloud: String = "AzurePublic".into(),
        /// That of the machine.
        managed_identity: Option<ManagedIdentityConfig>,
        /// That of a workload in a cluster.
        workload_identity: Option<WorkloadIdentityConfig>,
        /// That of an application.
        oauth: Option<AzureOAuthConfig>,
        /// What the environment says.
        sdk: Option<AzureSdkConfig>,
        /// What tokens are asked for; the cloud's monitoring when empty.
        scope: String,
    }
}

section! {
    /// The identity of a machine of Azure.
    pub struct ManagedIdentityConfig as "managed_identity" {
        /// Which, when it has several.
        client_id: String,
    }
}

section! {
    /// The identity of a workload.
    pub struct WorkloadIdentityConfig as "workload_identity" {
        /// Client.
        client_id: String,
        /// Tenant.
        tenant_id: String,
        /// File with the cluster's token.
        token_file_path: String = "/var/run/secrets/azure/tokens/azure-identity-token".into(),
    }
}

section! {
    /// The identity of an application.
    pub struct AzureOAuthConfig as "azuread oauth" {
        /// Client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// Tenant.
        tenant_id: String,
    }
}

section! {
    /// The identity that the environment names.
    pub struct AzureSdkConfig as "azuread sdk" {
        /// Tenant.
        tenant_id: String,
    }
}

impl AzureAdConfig {
    fn check(&mut self, m: &MapReader) {
        if !["AzurePublic", "AzureChina", "AzureGovernment"].contains(&self.cloud.as_str()) {
            m.error("cloud", "must provide a cloud in the Azure AD config");
        }
        let set = ["managed_identity", "workload_identity", "oauth", "sdk"].iter().filter(|key| m.has(key)).count();
        match set {
            0 => m.decoder().error(
                m.node().position,
                "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure SDK in the Azure AD config",
            ),
            1 => {}
            _ => m.decoder().error(
                m.node().position,
                "cannot provide multiple authentication methods in the Azure AD config",
            ),
        }
        let oauth = self.oauth.iter().flat_map(|o| {
            [
                ("client_id", o.client_id.is_empty()),
                ("client_secret", o.client_secret.is_empty()),
                ("tenant_id", o.tenant_id.is_empty()),
            ]
        });
        let workload = self
            .workload_identity
            .iter()
            .flat_map(|w| [("client_id", w.client_id.is_empty()), ("tenant_id", w.tenant_id.is_empty())]);
        for (key, _) in oauth.chain(workload).filter(|(_, missing)| *missing) {
            m.decoder().error(m.node().position, format!("must provide an Azure {key} in the Azure AD config"));
        }
    }
}

section! {
    /// With which identity tokens of Google Cloud are had.
    pub struct GoogleIamConfig as "google_iam config" {
        /// File with a service account's key; what the environment says when empty.
        credentials_file: String,
    }
}
