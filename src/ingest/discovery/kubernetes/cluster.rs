//! Where the cluster is and who we are there: as a configuration says, as a kubeconfig says, or as in a pod.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::config::HttpClientConfig;
use crate::config::discovery::KubernetesSdConfig;
use crate::config::http::{Authorization, BasicAuth};
use crate::config::secret::Secret;
use crate::net::HttpSettings;

/// Where a pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster and how to reach it.
pub(super) struct Cluster {
    /// Without a slash at its end.
    pub server: String,
    pub http: HttpSettings,
    /// The namespace that we run in, when that is asked for.
    pub own_namespace: Option<String>,
}

impl Cluster {
    /// # Errors
    /// A file that says so cannot be read, or we are in no pod.
    pub fn of(config: &KubernetesSdConfig) -> Result<Cluster, String> {
        let mut cluster = if !config.kubeconfig_file.is_empty() {
            of_kubeconfig(Path::new(&config.kubeconfig_file))?
        } else if !config.api_server.is_empty() {
            let server = match config.api_server.contains("://") {
                true => config.api_server.clone(),
                false => format!("http://{}", config.api_server),
            };
            Cluster { server, http: HttpSettings::from(&config.http), own_namespace: None }
        } else {
            let variable = |name: &str| std::env::var(name).ok();
            in_pod(Path::new(SERVICE_ACCOUNT), &variable, config.namespaces.own_namespace)?
        };
        cluster.server.truncate(cluster.server.trim_end_matches('/').len());
        Ok(cluster)
    }
}

/// As a pod is told where its cluster is. The token is read anew at each request: it is replaced about every hour.
fn in_pod(dir: &Path, variable: &dyn Fn(&str) -> Option<String>, own_namespace: bool) -> Result<Cluster, String> {
    let given = |name: &str| variable(name).filter(|v| !v.is_empty());
    let (Some(host), Some(port)) = (given("KUBERNETES_SERVICE_HOST"), given("KUBERNETES_SERVICE_PORT")) else {
        return Err(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be \
                    defined"
                .into(),
        );
    };
    let file = |name: &str| dir.join(name).display().to_string();
    let mut http = HttpClientConfig {
        authorization: Some(Authorization {
            auth_type: "Bearer".into(),
            credentials_file: file("token"),
            ..Authorization::default()
        }),
        ..HttpClientConfig::default()
    };
    if Path::new(&file("ca.crt")).is_file() {
        http.tls_config.ca_file = file("ca.crt");
    }
    let own = match own_namespace {
        false => None,
        true => {
            let read = std::fs::read_to_string(file("namespace"));
            let name = read.map_err(|e| format!("could not determine the pod's namespace: {e}"))?;
            let name = name.trim();
            if name.is_empty() {
                return Err("could not read own namespace name (empty file)".into());
            }
            Some(name.to_owned())
        }
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(Cluster { server: format!("https://{host}:{port}"), http: HttpSettings::from(&http), own_namespace: own })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    contexts: Vec<Named<Context>>,
    #[serde(default)]
    clusters: Vec<Named<KubeCluster>>,
    #[serde(default)]
    users: Vec<Named<User>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    is: T,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct KubeCluster {
    server: String,
    certificate_authority: String,
    certificate_authority_data: String,
    insecure_skip_tls_verify: bool,
    tls_server_name: String,
    proxy_url: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    username: String,
    password: String,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

/// As `kubectl` is told where a cluster is.
fn of_kubeconfig(path: &Path) -> Result<Cluster, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    let file: Kubeconfig = serde_yaml::from_str(&text).map_err(|e| format!("{shown}: {e}"))?;
    let missing = |what: &str, name: &str| format!("{shown}: {what} {name:?} does not exist");
    let context = file.contexts.into_iter().find(|c| c.name == file.current_context);
    let context = context.ok_or_else(|| missing("context", &file.current_context))?.is;
    let cluster = file.clusters.into_iter().find(|c| c.name == context.cluster);
    let cluster = cluster.ok_or_else(|| missing("cluster", &context.cluster))?.is;
    let user = match context.user.as_str() {
        "" => User::default(),
        name => file.users.into_iter().find(|u| u.name == name).ok_or_else(|| missing("user", name))?.is,
    };
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(format!(
            "{shown}: user {:?}: exec and auth-provider are not supported, expected a token or a certificate",
            context.user
        ));
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    let beside = |file: &str| crate::config::secret::join_dir(dir, file);
    let decoded = |data: &str, what: &str| {
        let bytes = BASE64.decode(data.trim()).map_err(|_| format!("{shown}: {what} is not base64"))?;
        String::from_utf8(bytes).map_err(|_| format!("{shown}: {what} is not PEM"))
    };
    let mut http = HttpClientConfig::default();
    let tls = &mut http.tls_config;
    // Data goes before files.
    match cluster.certificate_authority_data.as_str() {
        "" => tls.ca_file = beside(&cluster.certificate_authority),
        data => tls.ca = decoded(data, "certificate-authority-data")?,
    }
    match user.client_certificate_data.as_str() {
        "" => tls.cert_file = beside(&user.client_certificate),
        data => tls.cert = decoded(data, "client-certificate-data")?,
    }
    match user.client_key_data.as_str() {
        "" => tls.key_file = beside(&user.client_key),
        data => tls.key = Secret::new(decoded(data, "client-key-data")?),
    }
    tls.insecure_skip_verify = cluster.insecure_skip_tls_verify;
    tls.server_name = cluster.tls_server_name;
    http.proxy.proxy_url = cluster.proxy_url;
    let bearer = |credentials: Secret, credentials_file: String| {
        Some(Authorization { auth_type: "Bearer".into(), credentials, credentials_file, ..Authorization::default() })
    };
    if !user.token_file.is_empty() {
        http.authorization = bearer(Secret::default(), beside(&user.token_file));
    } else if !user.token.is_empty() {
        http.authorization = bearer(Secret::new(user.token), String::new());
    } else if !user.username.is_empty() {
        let password = Secret::new(user.password);
        http.basic_auth = Some(BasicAuth { username: user.username, password, ..BasicAuth::default() });
    }
    if cluster.server.is_empty() {
        return Err(format!("{shown}: cluster {:?} has no server", context.cluster));
    }
    Ok(Cluster { server: cluster.server, http: HttpSettings::from(&http), own_namespace: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Auth, Credential};

    #[test]
    fn a_pod_knows_its_cluster_and_reads_its_token_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("namespace"), "monitoring\n").unwrap();
        let variable = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("6443".to_owned()),
            _ => None,
        };
        let cluster = in_pod(dir.path(), &variable, true).unwrap();
        assert_eq!(cluster.server, "https://[fd00::1]:6443");
        assert_eq!(cluster.own_namespace.as_deref(), Some("monitoring"));
        let token = Credential::File(dir.path().join("token"));
        assert_eq!(cluster.http.auth, Some(Auth::Authorization { scheme: "Bearer".into(), credentials: token }));
        assert!(in_pod(dir.path(), &|_| None, false).err().unwrap().contains("KUBERNETES_SERVICE_HOST"));
        std::fs::write(dir.path().join("namespace"), "").unwrap();
        assert!(in_pod(dir.path(), &variable, true).err().unwrap().contains("empty file"));
    }

    #[test]
    fn a_kubeconfig_says_which_cluster_and_who_we_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let text = "\
current-context: b
contexts:
- {name: a, context: {cluster: c1, user: u1}}
- {name: b, context: {cluster: c2, user: u2}}
clusters:
- {name: c1, cluster: {server: 'https://one'}}
- name: c2
  cluster: {server: 'https://two:6443/', certificate-authority: ca.pem, tls-server-name: k8s}
users:
- {name: u1, user: {exec: {command: aws}}}
- {name: u2, user: {token: secret}}
";
        std::fs::write(&path, text).unwrap();
        let config =
            KubernetesSdConfig { kubeconfig_file: path.display().to_string(), ..KubernetesSdConfig::default() };
        let cluster = Cluster::of(&config).unwrap();
        assert_eq!(cluster.server, "https://two:6443");
        let expected = Auth::Authorization { scheme: "Bearer".into(), credentials: "secret".into() };
        assert_eq!(cluster.http.auth, Some(expected));
        std::fs::write(&path, text.replace("current-context: b", "current-context: a")).unwrap();
        assert!(Cluster::of(&config).err().unwrap().contains("exec and auth-provider are not supported"));
        std::fs::write(&path, text.replace("current-context: b", "current-context: x")).unwrap();
        assert!(Cluster::of(&config).err().unwrap().contains("context \"x\" does not exist"));
    }
}
