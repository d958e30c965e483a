//! The kinds of discovery that Watchbell knows by name and does not speak. One kind, one row: its keys and what Prometheus
//! asks of them. What is well formed is refused with what to do instead.

use super::cloud::FilterConfig;
use super::simple::check_http_url;
use crate::config::http::{HttpClientConfig, TlsConfig};
use crate::config::secret::Secret;
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node};
use crate::model::Position;

/// What a key holds.
#[derive(Clone, Copy)]
enum Value {
    Text,
    Secret,
    Bool,
    Number,
    Duration,
    Texts,
    Filters,
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// A URL of http or https.
    HttpUrl,
}

/// A key of a kind. What is said when it is missing; nothing where it may be.
type Key = (&'static str, Value, &'static str);

/// What of an HTTP client stands beside the kind's own keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http {
    /// Nothing.
    None,
    /// `tls_config`.
    Tls,
    /// All of it.
    All,
}

struct Kind {
    /// `NAME_sd_configs`.
    key: &'static str,
    keys: &'static [Key],
    http: Http,
    /// More than these keys may be there.
    open: bool,
    /// What spans keys.
    check: fn(&MapReader),
}

const fn kind(key: &'static str, keys: &'static [Key], http: Http) -> Kind {
    Kind { key, keys, http, open: false, check: |_| {} }
}

use Value::{Bool, Filters, HttpUrl, Number, OneOf, Text, Texts};

const REFRESH: Key = ("refresh_interval", Value::Duration, "");
const PORT: Key = ("port", Number, "");

/// What the kinds of AWS have in common.
const AWS: &[Key] = &[
    ("region", Text, ""),
    ("endpoint", Text, ""),
    ("access_key", Text, ""),
    ("secret_key", Value::Secret, ""),
    ("profile", Text, ""),
    ("role_arn", Text, ""),
    ("external_id", Text, ""),
    ("clusters", Texts, ""),
    ("filters", Filters, ""),
    ("request_concurrency", Number, ""),
    REFRESH,
    PORT,
];

const ZOOKEEPER: &[Key] = &[
    ("servers", Texts, "SD config must contain at least one Zookeeper server"),
    ("paths", Texts, "SD config must contain at least one path"),
    ("timeout", Value::Duration, ""),
];

const KINDS: [Kind; 26] = [
    Kind { open: true, check: check_aws, ..kind("aws_sd_configs", AWS, Http::All) },
    kind("digitalocean_sd_configs", &[("role", Text, ""), PORT, REFRESH], Http::All),
    kind(
        "dockerswarm_sd_configs",
        &[
            ("host", Text, "host missing"),
            ("role", OneOf(&["tasks", "services", "nodes"]), "role missing (one of: tasks, services, nodes)"),
            ("filters", Filters, ""),
            PORT,
            REFRESH,
        ],
        Http::All,
    ),
    Kind { open: true, ..kind("ecs_sd_configs", AWS, Http::All) },
    Kind { open: true, ..kind("elasticache_sd_configs", AWS, Http::All) },
    Kind {
        check: check_eureka,
        ..kind("eureka_sd_configs", &[("server", Text, "empty or null eureka server"), REFRESH], Http::All)
    },
    kind(
        "hetzner_sd_configs",
        &[
            ("role", OneOf(&["hcloud", "robot"]), "role missing (one of: robot, hcloud)"),
            ("label_selector", Text, ""),
            PORT,
            REFRESH,
        ],
        Http::All,
    ),
    kind("ionos_sd_configs", &[("datacenter_id", Text, "datacenter id can't be empty"), PORT, REFRESH], Http::All),
    kind(
        "kuma_sd_configs",
        &[
            ("server", HttpUrl, "kuma SD server must not be empty"),
            ("client_id", Text, ""),
            ("fetch_timeout", Value::Duration, ""),
            REFRESH,
        ],
        Http::All,
    ),
    kind("linode_sd_configs", &[("region", Text, ""), ("tag_separator", Text, ""), PORT, REFRESH], Http::All),
    Kind {
        check: check_marathon,
        ..kind(
            "marathon_sd_configs",
            &[
                ("servers", Texts, "marathon_sd: must contain at least one Marathon server"),
                ("auth_token", Value::Secret, ""),
                ("auth_token_file", Text, ""),
                REFRESH,
            ],
            Http::All,
        )
    },
    Kind { open: true, ..kind("msk_sd_configs", AWS, Http::All) },
    Kind { check: check_paths, ..kind("nerve_sd_configs", ZOOKEEPER, Http::None) },
    kind(
        "nomad_sd_configs",
        &[
            ("server", Text, ""),
            ("allow_stale", Bool, ""),
            ("namespace", Text, ""),
            ("region", Text, ""),
            ("tag_separator", Text, ""),
            REFRESH,
        ],
        Http::All,
    ),
    Kind {
        open: true,
        ..kind(
            "oci_sd_configs",
            &[
                ("region", Text, ""),
                ("tenancy", Text, ""),
                ("user", Text, ""),
                ("fingerprint", Text, ""),
                ("key_file", Text, ""),
                ("key_passphrase", Value::Secret, ""),
                ("compartments", Texts, ""),
                PORT,
                REFRESH,
            ],
            Http::All,
        )
    },
    kind(
        "openstack_sd_configs",
        &[
            (
                "role",
                OneOf(&["instance", "hypervisor", "loadbalancer"]),
                "role missing (one of: instance, hypervisor, loadbalancer)",
            ),
            ("region", Text, "openstack SD configuration requires a region"),
            ("identity_endpoint", Text, ""),
            ("username", Text, ""),
            ("userid", Text, ""),
            ("password", Value::Secret, ""),
            ("project_name", Text, ""),
            ("project_id", Text, ""),
            ("domain_name", Text, ""),
            ("domain_id", Text, ""),
            ("application_credential_name", Text, ""),
            ("application_credential_id", Text, ""),
            ("application_credential_secret", Value::Secret, ""),
            ("all_tenants", Bool, ""),
            ("availability", OneOf(&["public", "internal", "admin"]), ""),
            PORT,
            REFRESH,
        ],
        Http::Tls,
    ),
    Kind {
        check: check_outscale,
        ..kind(
            "outscale_sd_configs",
            &[
                ("endpoint", Text, ""),
                ("region", Text, ""),
                ("access_key", Text, "outscale SD configuration requires access_key and secret_key"),
                ("secret_key", Value::Secret, ""),
                ("secret_key_file", Text, ""),
                PORT,
                REFRESH,
            ],
            Http::All,
        )
    },
    kind(
        "ovhcloud_sd_configs",
        &[
            ("endpoint", Text, ""),
            ("application_key", Text, "application key can not be empty"),
            ("application_secret", Value::Secret, "application secret can not be empty"),
            ("consumer_key", Value::Secret, "consumer key can not be empty"),
            ("service", OneOf(&["vps", "dedicated_server"]), "unknown service: "),
            REFRESH,
        ],
        Http::None,
    ),
    kind(
        "puppetdb_sd_configs",
        &[
            ("url", HttpUrl, "URL is missing"),
            ("query", Text, "query missing"),
            ("include_parameters", Bool, ""),
            PORT,
            REFRESH,
        ],
        Http::All,
    ),
    Kind { open: true, ..kind("rds_sd_configs", AWS, Http::All) },
    Kind {
        check: check_scaleway,
        ..kind(
            "scaleway_sd_configs",
            &[
                ("role", OneOf(&["instance", "baremetal"]), "role missing (one of: instance, baremetal)"),
                ("access_key", Text, "access_key is mandatory"),
                ("secret_key", Value::Secret, ""),
                ("secret_key_file", Text, ""),
                ("project_id", Text, "project_id is mandatory"),
                ("api_url", Text, ""),
                ("zone", Text, ""),
                ("name_filter", Text, ""),
                ("tags_filter", Texts, ""),
                PORT,
                REFRESH,
            ],
            Http::All,
        )
    },
    Kind { check: check_paths, ..kind("serverset_sd_configs", ZOOKEEPER, Http::None) },
    Kind {
        check: check_stackit,
        ..kind(
            "stackit_sd_configs",
            &[
                ("project", Text, ""),
                ("region", Text, ""),
                ("endpoint", Text, ""),
                ("private_key", Value::Secret, ""),
                ("private_key_path", Text, ""),
                ("service_account_key", Value::Secret, ""),
                ("service_account_key_path", Text, ""),
                ("credentials_file_path", Text, ""),
                PORT,
                REFRESH,
            ],
            Http::All,
        )
    },
    kind(
        "triton_sd_configs",
        &[
            ("account", Text, "triton SD configuration requires an account"),
            ("dns_suffix", Text, "triton SD configuration requires a dns_suffix"),
            ("endpoint", Text, "triton SD configuration requires an endpoint"),
            ("role", Text, ""),
            ("groups", Texts, ""),
            ("version", Number, ""),
            PORT,
            REFRESH,
        ],
        Http::Tls,
    ),
    kind(
        "uyuni_sd_configs",
        &[
            ("server", Text, "Uyuni SD configuration requires server host"),
            ("username", Text, "Uyuni SD configuration requires a username"),
            ("password", Value::Secret, "Uyuni SD configuration requires a password"),
            ("entitlement", Text, ""),
            ("separator", Text, ""),
            REFRESH,
        ],
        Http::All,
    ),
    kind("vultr_sd_configs", &[PORT, REFRESH], Http::All),
];

/// Checks and refuses the discoveries of these kinds in a mapping, which then knows their keys.
pub(super) fn read(m: &MapReader) {
    for kind in &KINDS {
        let Some(node) = m.node_at(kind.key) else { continue };
        match node.items() {
            Some(items) => items.iter().for_each(|item| kind.read(item, m.decoder())),
            None => drop(m.decoder().mismatch::<()>(node, "a list")),
        }
    }
}

impl Kind {
    fn read(&self, item: &Node, d: &Decoder) {
        let Some(m) = d.mapping(item, self.key) else { return };
        for (key, value, missing) in self.keys {
            value.read(key, &m);
            if !missing.is_empty() && !is_filled(key, &m) {
                m.error(key, *missing);
            }
        }
        match self.http {
            Http::None => {}
            Http::Tls => drop(m.get::<TlsConfig>("tls_config")),
            Http::All => drop(HttpClientConfig::read(&m)),
        }
        (self.check)(&m);
        if !self.open {
            m.finish();
        }
        refuse(self.key, item.position, d);
    }
}

/// Refuses a kind by name with what to do instead.
pub(super) fn refuse(kind: &str, at: Position, d: &Decoder) {
    d.refuse(
        at,
        format!(
            "{kind} is not supported: let a program list these targets and give them to file_sd_configs or \
             http_sd_configs"
        ),
    );
}

impl Value {
    fn read(self, key: &'static str, m: &MapReader) {
        fn check<T: Decode>(key: &'static str, m: &MapReader) {
            let _ = m.get::<T>(key);
        }
        match self {
            Text => check::<String>(key, m),
            Value::Secret => check::<Secret>(key, m),
            Bool => check::<bool>(key, m),
            Number => check::<i64>(key, m),
            Value::Duration => check::<Duration>(key, m),
            Texts => check::<Vec<String>>(key, m),
            Filters => check::<Vec<FilterConfig>>(key, m),
            OneOf(names) => {
                let text: Option<String> = m.get(key);
                if let Some(found) = text.filter(|t| !t.is_empty() && !names.contains(&t.as_str())) {
                    m.error(key, format!("unknown {key} {found:?}, must be one of {}", names.join(", ")));
                }
            }
            HttpUrl => {
                let text: Option<String> = m.get(key);
                if let Some(url) = text.filter(|t| !t.is_empty()) {
                    check_http_url(m, key, &url);
                }
            }
        }
    }
}

/// Whether a key is there, and neither null, empty text nor an empty list.
fn is_filled(key: &'static str, m: &MapReader) -> bool {
    m.node_at(key).is_some_and(|node| node.text() != Some("") && node.items().is_none_or(|items| !items.is_empty()))
}

fn check_aws(m: &MapReader) {
    const ROLES: [&str; 7] = ["ec2", "ecs", "lightsail", "msk", "rds", "elasticache", "mq"];
    let role: String = m.get("role").unwrap_or_default();
    if !ROLES.contains(&role.as_str()) {
        m.error("role", format!("unknown AWS SD role {role:?}"));
    }
}

fn check_eureka(m: &MapReader) {
    let server: String = m.get("server").unwrap_or_default();
    let rest = server.split_once("://").map(|(_, rest)| rest);
    if !server.is_empty() && rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        m.error("server", "invalid eureka server URL");
    }
}

fn check_marathon(m: &MapReader) {
    let (token, file) = (is_filled("auth_token", m), is_filled("auth_token_file", m));
    if token && file {
        m.error("auth_token_file", "marathon_sd: at most one of auth_token & auth_token_file must be configured");
    }
    if !token && !file {
        return;
    }
    for (keys, message) in [
        (&["basic_auth"][..], "basic_auth, auth_token & auth_token_file"),
        (&["bearer_token", "bearer_token_file"], "bearer_token, bearer_token_file, auth_token & auth_token_file"),
        (&["authorization"], "auth_token, auth_token_file & authorization"),
    ] {
        if let Some(key) = keys.iter().find(|key| m.has(key)) {
            m.error(key, format!("marathon_sd: at most one of {message} must be configured"));
        }
    }
}

fn check_outscale(m: &MapReader) {
    match (is_filled("secret_key", m), is_filled("secret_key_file", m)) {
        (false, false) => m.error("secret_key", "outscale SD configuration requires access_key and secret_key"),
        (true, true) => m.error("secret_key_file", "at most one of secret_key & secret_key_file must be configured"),
        _ => {}
    }
}

fn check_paths(m: &MapReader) {
    let paths: Vec<String> = m.get("paths").unwrap_or_default();
    if let Some(path) = paths.iter().find(|path| !path.starts_with('/')) {
        m.error("paths", format!("SD config paths must begin with '/': {path}"));
    }
}

fn check_scaleway(m: &MapReader) {
    match (is_filled("secret_key", m), is_filled("secret_key_file", m)) {
        (false, false) => m.error("secret_key", "one of secret_key & secret_key_file must be configured"),
        (true, true) => m.error("secret_key_file", "at most one of secret_key & secret_key_file must be configured"),
        _ => {}
    }
}

fn check_stackit(m: &MapReader) {
    let endpoint: String = m.get("endpoint").unwrap_or_default();
    if !endpoint.is_empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        m.error("endpoint", format!("invalid endpoint: {endpoint:?}"));
    }
}
