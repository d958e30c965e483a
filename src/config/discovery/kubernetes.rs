//! `kubernetes_sd_configs`.

use crate::config::http::HttpClientConfig;
use crate::config::yaml::{Decode, Decoder, MapReader, Node};
use crate::section;

section! {
    /// Objects of a Kubernetes cluster.
    pub struct KubernetesSdConfig as "kubernetes_sd config" with check {
        /// The API server; empty inside the cluster.
        api_server: String,
        /// Which objects.
        role: Option<KubernetesRole>,
        /// A file that says how to reach the cluster.
        kubeconfig_file: String,
        /// Only in these namespaces.
        namespaces: NamespacesConfig,
        /// Only objects with these labels and fields.
        selectors: Vec<SelectorConfig>,
        /// What else becomes labels.
        attach_metadata: AttachMetadataConfig,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

section! {
    /// Namespaces; all when nothing is said.
    pub struct NamespacesConfig as "namespaces" {
        /// The namespace that we run in.
        own_namespace: bool,
        /// Names.
        names: Vec<String>,
    }
}

section! {
    /// Which objects of a role are looked at.
    pub struct SelectorConfig as "selector" {
        /// Of which role.
        role: Option<KubernetesRole>,
        /// Label selector.
        label: String,
        /// Field selector.
        field: String,
    }
}

section! {
    /// Labels and annotations of other objects that targets get.
    pub struct AttachMetadataConfig as "attach_metadata" {
        /// Of the node.
        node: bool,
        /// Of the namespace.
        namespace: bool,
        /// The name of the Deployment that a pod belongs to.
        deployment: bool,
        /// The name of the Job that a pod belongs to.
        job: bool,
        /// The name of the CronJob that a pod belongs to.
        cronjob: bool,
    }
}

/// Which objects of a cluster become targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KubernetesRole {
    /// One target a node.
    Node,
    /// One target a container port.
    Pod,
    /// One target a service port.
    Service,
    /// One target an address and port of endpoints.
    Endpoints,
    /// One target an address and port of an endpoint slice.
    EndpointSlice,
    /// One target a path of an ingress.
    Ingress,
}

const ROLES: [(&str, KubernetesRole); 6] = [
    ("pod", KubernetesRole::Pod),
    ("service", KubernetesRole::Service),
    ("endpoints", KubernetesRole::Endpoints),
    ("endpointslice", KubernetesRole::EndpointSlice),
    ("node", KubernetesRole::Node),
    ("ingress", KubernetesRole::Ingress),
];

impl KubernetesRole {
    /// Its name in a configuration.
    pub fn as_str(self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// The roles whose objects are looked at for this one, and may be selected.
    pub fn selectable(self) -> &'static [KubernetesRole] {
        use KubernetesRole::{EndpointSlice, Endpoints, Ingress, Node, Pod, Service};
        match self {
            Node => &[Node],
            Pod => &[Pod, Node],
            Service => &[Service],
            Endpoints => &[Pod, Service, Endpoints],
            EndpointSlice => &[Pod, Service, EndpointSlice],
            Ingress => &[Ingress],
        }
    }
}

impl Decode for KubernetesRole {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let found = ROLES.iter().find(|(name, _)| Some(*name) == node.text());
        match found {
            Some((_, role)) => Some(*role),
            None => d.mismatch(node, "a Kubernetes SD role (pod, service, endpoints, endpointslice, node, ingress)"),
        }
    }
}

impl KubernetesSdConfig {
    fn check(&mut self, m: &MapReader) {
        if !m.has("role") {
            m.error("role", "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)");
        }
        if let Err(e) = crate::config::url::check(&self.api_server) {
            m.error("api_server", e);
        }
        let (server, file) = (!self.api_server.is_empty(), !self.kubeconfig_file.is_empty());
        let own_client = self.http != HttpClientConfig::default();
        let own_namespace = self.namespaces.own_namespace;
        for (wrong, key, message) in [
            (server && file, "kubeconfig_file", "cannot use 'kubeconfig_file' and 'api_server' simultaneously"),
            (
                file && own_client,
                "kubeconfig_file",
                "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
            ),
            (
                !server && !file && own_client,
                "",
                "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
            ),
            (
                server && own_namespace,
                "namespaces",
                "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
            ),
            (
                file && own_namespace,
                "namespaces",
                "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
            ),
        ] {
            if wrong {
                m.error(key, message);
            }
        }
        self.check_selectors(m);
    }

    fn check_selectors(&self, m: &MapReader) {
        let Some(role) = self.role else { return };
        let selects_nodes = self.selectors.iter().any(|s| s.role == Some(KubernetesRole::Node));
        if role == KubernetesRole::Pod && selects_nodes && !self.attach_metadata.node {
            m.warn("selectors", "a node selector of role pod has no effect without attach_metadata: {node: true}");
        }
        let mut seen = Vec::new();
        for selector in &self.selectors {
            let name = selector.role.map_or("", KubernetesRole::as_str);
            if seen.contains(&selector.role) {
                m.error("selectors", format!("duplicated selector role: {name}"));
            }
            seen.push(selector.role);
            if !selector.role.is_some_and(|r| role.selectable().contains(&r)) {
                let allowed: Vec<&str> = role.selectable().iter().map(|r| r.as_str()).collect();
                let message = format!("{} role supports only {} selectors", role.as_str(), allowed.join(", "));
                m.error("selectors", message);
            }
            for checked in [check_fields(&selector.field), check_labels(&selector.label)] {
                if let Err(e) = checked {
                    m.error("selectors", e);
                }
            }
        }
    }
}

/// A field selector: `a=b`, `a==b`, `a!=b`, joined by commas.
fn check_fields(selector: &str) -> Result<(), String> {
    let mut terms = selector.split(',').filter(|term| !term.is_empty());
    match terms.find(|term| !term.contains('=')) {
        Some(term) => Err(format!("invalid selector: '{selector}'; can't understand '{term}'")),
        None => Ok(()),
    }
}

/// A label selector: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a>1`, `a<1`, joined by commas.
fn check_labels(selector: &str) -> Result<(), String> {
    let wrong = |term: &str| Err(format!("unable to parse requirement: found {term:?} in label selector {selector:?}"));
    for term in requirements(selector) {
        let term = term.trim();
        let is_name = |text: &str| {
            let text = text.trim();
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        };
        let good = if let Some((key, set)) = term.split_once('(') {
            let mut words = key.split_whitespace();
            let (name, operator) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            is_name(name) && ["in", "notin"].contains(&operator) && words.next().is_none() && set.ends_with(')')
        } else if let Some((key, value)) = term.split_once(['=', '<', '>']) {
            let value = value.strip_prefix('=').unwrap_or(value);
            let key = key.strip_suffix('!').unwrap_or(key);
            is_name(key) && (value.trim().is_empty() || is_name(value))
        } else {
            is_name(term.strip_prefix('!').unwrap_or(term))
        };
        if !good {
            return wrong(term);
        }
    }
    Ok(())
}

/// The parts of a label selector: commas inside of parentheses part nothing.
fn requirements(selector: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (i, c) in selector.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(selector.get(start..i));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.extend(selector.get(start..).filter(|rest| !rest.trim().is_empty()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_as_kubernetes_reads_them() {
        for good in ["", "a=b", "a==b,c!=d", "metadata.name=x"] {
            assert_eq!(check_fields(good), Ok(()), "{good}");
        }
        let error = check_fields("metadata.status-Running").unwrap_err();
        assert_eq!(error, "invalid selector: 'metadata.status-Running'; can't understand 'metadata.status-Running'");
        for good in ["", "a", "!a", "a=b", "a = b", "a!=b,c", "x.io/a in (b,c),d notin (e)", "a>1", "a="] {
            assert_eq!(check_labels(good), Ok(()), "{good}");
        }
        for bad in ["a b", "a in b", "=b", "a=b c", "a within (b)"] {
            assert!(check_labels(bad).is_err(), "{bad}");
        }
    }
}
