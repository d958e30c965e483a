//! Tokens of clouds: of Google and of Azure, for who a configuration, the environment or the machine says that we are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::assertion::Assertion;
use super::error::NetError;
use super::oauth2::{OAuth2Settings, TokenRequest};
use super::proxy::ProxySettings;
use super::secret::Credential;
use super::tls::TlsSettings;
use crate::config::identity::AzureAdConfig;

/// What remote write asks tokens of Google for.
pub const MONITORING: &str = "https://www.googleapis.com/auth/monitoring.write";

/// Where settings come from: the process' environment, or what a test says.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn given(variables: Variables<'_>, name: &str) -> Option<String> {
    variables(name).filter(|v| !v.is_empty())
}

fn settings(token_url: String) -> OAuth2Settings {
    OAuth2Settings {
        client_id: String::new(),
        client_secret: "".into(),
        scopes: Vec::new(),
        token_url,
        endpoint_params: BTreeMap::new(),
        tls: TlsSettings::default(),
        proxy: ProxySettings::default(),
        assertion: None,
        request: None,
    }
}

/// A token that one request gets: posted as a form, or asked for where there is none.
fn direct(
    url: String,
    form: impl IntoIterator<Item = (&'static str, Credential)>,
    headers: impl IntoIterator<Item = (&'static str, String)>,
) -> OAuth2Settings {
    let request = TokenRequest { form: form.into_iter().collect(), headers: headers.into_iter().collect() };
    OAuth2Settings { request: Some(request), ..settings(url) }
}

/// A file of Google's credentials.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GoogleFile {
    r#type: String,
    client_email: String,
    private_key: String,
    private_key_id: String,
    token_uri: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

/// Who we are for Google: by a file, by that of the environment, by `gcloud`'s, or as the machine is.
///
/// # Errors
/// A file cannot be read, or is of a kind that is not known.
pub fn google(file: &str, scope: &str, variables: Variables<'_>) -> Result<OAuth2Settings, NetError> {
    let of_gcloud = || {
        let home = given(variables, "HOME")?;
        let path = PathBuf::from(home).join(".config/gcloud/application_default_credentials.json");
        path.is_file().then(|| path.display().to_string())
    };
    let asked = Some(file.to_owned()).filter(|f| !f.is_empty());
    let path = asked.or_else(|| given(variables, "GOOGLE_APPLICATION_CREDENTIALS")).or_else(of_gcloud);
    let Some(path) = path else {
        let host = given(variables, "GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".into());
        let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
        return Ok(direct(url, [], [("Metadata-Flavor", "Google".to_owned())]));
    };
    let bad = |reason: String| NetError::File { what: "credentials", path: path.clone(), reason };
    let text = std::fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
    // The parser's own text would quote the file.
    let file: GoogleFile = serde_json::from_str(&text).map_err(|_| bad("not a file of Google's credentials".into()))?;
    let token_url =
        if file.token_uri.is_empty() { "https://oauth2.googleapis.com/token".into() } else { file.token_uri };
    match file.r#type.as_str() {
        "service_account" => {
            let assertion = Assertion {
                algorithm: "RS256".into(),
                key_id: file.private_key_id,
                issuer: file.client_email,
                audience: token_url.clone(),
                claims: [("scope".to_owned(), json!(scope))].into_iter().collect(),
            };
            Ok(OAuth2Settings {
                client_secret: Credential::Inline(file.private_key),
                assertion: Some(assertion),
                ..settings(token_url)
            })
        }
        "authorized_user" => {
            let form = [
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", file.client_id),
                ("client_secret", file.client_secret),
                ("refresh_token", file.refresh_token),
            ];
            Ok(direct(token_url, form.map(|(name, value)| (name, Credential::Inline(value))), []))
        }
        other => Err(bad(format!(
            "credentials of type {other:?} are not supported, expected service_account or authorized_user"
        ))),
    }
}

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AzureCloud {
    /// Where tokens are had.
    pub login: &'static str,
    /// Where resources are managed.
    pub management: &'static str,
    /// What monitoring asks tokens for.
    monitor: &'static str,
}

const PUBLIC: AzureCloud = AzureCloud {
    login: "https://login.microsoftonline.com",
    management: "https://management.azure.com",
    monitor: "https://monitor.azure.com//.default",
};
const CHINA: AzureCloud = AzureCloud {
    login: "https://login.chinacloudapi.cn",
    management: "https://management.chinacloudapi.cn",
    monitor: "https://monitor.azure.cn//.default",
};
const GOVERNMENT: AzureCloud = AzureCloud {
    login: "https://login.microsoftonline.us",
    management: "https://management.usgovcloudapi.net",
    monitor: "https://monitor.azure.us//.default",
};

impl AzureCloud {
    /// A cloud by one of its names, in any case.
    pub fn named(name: &str) -> Option<AzureCloud> {
        match name.to_ascii_uppercase().as_str() {
            "AZURECLOUD" | "AZUREPUBLIC" | "AZUREPUBLICCLOUD" | "AZUREGERMANCLOUD" => Some(PUBLIC),
            "AZURECHINA" | "AZURECHINACLOUD" => Some(CHINA),
            "AZUREGOVERNMENT" | "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => Some(GOVERNMENT),
            _ => None,
        }
    }
}

/// Who we are for Azure.
#[derive(Clone, Debug)]
pub enum AzureIdentity {
    /// An application with a secret.
    Application {
        /// Tenant.
        tenant: String,
        /// Client.
        client: String,
        /// Its secret.
        secret: Credential,
    },
    /// The machine, or one of its identities.
    Machine {
        /// Which; the only one when empty.
        client: String,
    },
    /// A workload of a cluster.
    Workload {
        /// Tenant.
        tenant: String,
        /// Client.
        client: String,
        /// The cluster's token.
        token: PathBuf,
    },
    /// What the environment says, else the machine.
    Environment {
        /// Tenant; the environment's when empty.
        tenant: String,
    },
}

/// Where workloads find the cluster's token.
const TOKEN_FILE: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// How an identity gets tokens for a scope.
pub fn azure(cloud: AzureCloud, identity: AzureIdentity, scope: &str, variables: Variables<'_>) -> OAuth2Settings {
    let authority = given(variables, "AZURE_AUTHORITY_HOST").unwrap_or_else(|| cloud.login.to_owned());
    let token_url = |tenant: &str| format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    match identity {
        AzureIdentity::Application { tenant, client, secret } => OAuth2Settings {
            client_id: client,
            client_secret: secret,
            scopes: vec![scope.to_owned()],
            ..settings(token_url(&tenant))
        },
        AzureIdentity::Workload { tenant, client, token } => {
            let form = [
                ("grant_type", "client_credentials".into()),
                ("client_id", Credential::Inline(client)),
                ("scope", scope.into()),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
                ("client_assertion", Credential::File(token)),
            ];
            direct(token_url(&tenant), form, [])
        }
        AzureIdentity::Machine { client } => of_machine(&client, scope, variables),
        AzureIdentity::Environment { tenant } => {
            let variable = |name: &str| given(variables, name).unwrap_or_default();
            let tenant = if tenant.is_empty() { variable("AZURE_TENANT_ID") } else { tenant };
            let client = variable("AZURE_CLIENT_ID");
            let known = if !variable("AZURE_CLIENT_SECRET").is_empty() {
                AzureIdentity::Application {
                    tenant,
                    client,
                    secret: Credential::Inline(variable("AZURE_CLIENT_SECRET")),
                }
            } else if let Some(token) = given(variables, "AZURE_FEDERATED_TOKEN_FILE") {
                AzureIdentity::Workload { tenant, client, token: token.into() }
            } else {
                AzureIdentity::Machine { client }
            };
            azure(cloud, known, scope, variables)
        }
    }
}

fn of_machine(client: &str, scope: &str, variables: Variables<'_>) -> OAuth2Settings {
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let query = |version: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", version).append_pair("resource", resource);
        if !client.is_empty() {
            query.append_pair("client_id", client);
        }
        query.finish()
    };
    // An application service tells its own place; a machine's is the same everywhere.
    match (given(variables, "IDENTITY_ENDPOINT"), given(variables, "IDENTITY_HEADER")) {
        (Some(endpoint), Some(header)) => {
            direct(format!("{endpoint}?{}", query("2019-08-01")), [], [("X-IDENTITY-HEADER", header)])
        }
        _ => {
            let url = format!("http://169.254.169.254/metadata/identity/oauth2/token?{}", query("2018-02-01"));
            direct(url, [], [("Metadata", "true".to_owned())])
        }
    }
}

/// How `azuread` of remote write gets tokens.
///
/// # Errors
/// The configuration names no cloud or no identity.
pub fn azure_ad(config: &AzureAdConfig, variables: Variables<'_>) -> Result<OAuth2Settings, NetError> {
    let cloud = AzureCloud::named(&config.cloud).ok_or(NetError::Unsupported("this cloud of azuread"))?;
    let identity = if let Some(oauth) = &config.oauth {
        let secret = Credential::Inline(oauth.client_secret.expose().to_owned());
        AzureIdentity::Application { tenant: oauth.tenant_id.clone(), client: oauth.client_id.clone(), secret }
    } else if let Some(workload) = &config.workload_identity {
        let (tenant, client) = (workload.tenant_id.clone(), workload.client_id.clone());
        AzureIdentity::Workload { tenant, client, token: workload.token_file_path.clone().into() }
    } else if let Some(machine) = &config.managed_identity {
        AzureIdentity::Machine { client: machine.client_id.clone() }
    } else {
        AzureIdentity::Environment { tenant: config.sdk.as_ref().map(|s| s.tenant_id.clone()).unwrap_or_default() }
    };
    let scope = if config.scope.is_empty() { cloud.monitor } else { &config.scope };
    Ok(azure(cloud, identity, scope, variables))
}

/// The identity of a workload, by the environment where the configuration does not say.
pub fn workload(tenant: &str, client: &str, variables: Variables<'_>) -> AzureIdentity {
    let or = |own: &str, name: &str| {
        if own.is_empty() { given(variables, name).unwrap_or_default() } else { own.to_owned() }
    };
    let token = given(variables, "AZURE_FEDERATED_TOKEN_FILE").unwrap_or_else(|| TOKEN_FILE.into());
    AzureIdentity::Workload {
        tenant: or(tenant, "AZURE_TENANT_ID"),
        client: or(client, "AZURE_CLIENT_ID"),
        token: token.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_is_asked_as_the_first_that_says_who_we_are() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.json");
        let account =
            r#"{"type": "service_account", "client_email": "a@b", "private_key": "K", "private_key_id": "1"}"#;
        std::fs::write(&file, account).unwrap();
        let found = google(&file.display().to_string(), "scope", &|_| None).unwrap();
        assert_eq!(found.token_url, "https://oauth2.googleapis.com/token");
        let assertion = found.assertion.unwrap();
        assert_eq!((assertion.issuer.as_str(), &assertion.claims["scope"]), ("a@b", &json!("scope")));
        std::fs::write(&file, r#"{"type": "authorized_user", "refresh_token": "R"}"#).unwrap();
        let path = file.display().to_string();
        let of_environment = move |name: &str| (name == "GOOGLE_APPLICATION_CREDENTIALS").then(|| path.clone());
        let found = google("", "scope", &of_environment).unwrap();
        assert!(found.request.unwrap().form.contains(&("refresh_token", "R".into())));
        let found = google("", "scope", &|_| None).unwrap();
        assert!(found.token_url.starts_with("http://metadata.google.internal/"));
        assert_eq!(found.request.unwrap().headers, [("Metadata-Flavor", "Google".to_owned())]);
        std::fs::write(&file, r#"{"type": "external_account"}"#).unwrap();
        let error = google(&file.display().to_string(), "scope", &|_| None).unwrap_err();
        assert!(error.to_string().contains("\"external_account\" are not supported"), "{error}");
    }

    #[test]
    fn azure_is_asked_as_configured_or_as_the_environment_says() {
        let none = |_: &str| None;
        let machine = azure(PUBLIC, AzureIdentity::Machine { client: "c".into() }, "https://m//.default", &none);
        let want = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fm%2F&client_id=c";
        assert_eq!(machine.token_url, want);
        let environment = |name: &str| match name {
            "AZURE_TENANT_ID" => Some("t".to_owned()),
            "AZURE_CLIENT_ID" => Some("c".to_owned()),
            "AZURE_FEDERATED_TOKEN_FILE" => Some("/t".to_owned()),
            _ => None,
        };
        let found = azure(CHINA, AzureIdentity::Environment { tenant: String::new() }, "s", &environment);
        assert_eq!(found.token_url, "https://login.chinacloudapi.cn/t/oauth2/v2.0/token");
        assert!(found.request.unwrap().form.contains(&("client_assertion", Credential::File("/t".into()))));
        assert_eq!(AzureCloud::named("AzurePublicCloud"), Some(PUBLIC));
        assert_eq!(AzureCloud::named("AzureMoon"), None);
    }
}
