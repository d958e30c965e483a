//! `consul_sd_configs`.

use std::collections::BTreeMap;

use crate::config::http::{BasicAuth, HttpClientConfig};
use crate::config::secret::Secret;
use crate::config::yaml::{Duration, MapReader};
use crate::section;

section! {
    /// Services of Consul.
    pub struct ConsulSdConfig as "consul_sd config" with check {
        /// The agent, `host:port`.
        server: String = "localhost:8500".into(),
        /// Prefix of the API's path.
        path_prefix: String,
        /// Token of the access control list.
        token: Secret,
        /// Datacenter; the agent's own when empty.
        datacenter: String,
        /// Namespace (Consul Enterprise).
        namespace: String,
        /// Admin partition (Consul Enterprise).
        partition: String,
        /// What joins tags.
        tag_separator: String = ",".into(),
        /// `http` or `https`.
        scheme: String = "http".into(),
        /// Old form of `basic_auth`; empty once read.
        username: String,
        /// Old form of `basic_auth`; empty once read.
        password: Secret,
        /// Take what a server knows that is no leader.
        allow_stale: bool = true,
        /// How often at most an answer is asked for again.
        refresh_interval: Duration = Duration::seconds(30),
        /// Services that are looked for; all when empty.
        services: Vec<String>,
        /// Tags that a service must have, all of them.
        tags: Vec<String>,
        /// Metadata that a node must have.
        node_meta: BTreeMap<String, String>,
        /// Filter expression for the list of services.
        filter: String,
        /// Filter expression for the instances of a service.
        health_filter: String,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

impl ConsulSdConfig {
    fn check(&mut self, m: &MapReader) {
        if self.server.trim().is_empty() {
            m.error("server", "consul SD configuration requires a server address");
        }
        if !self.username.is_empty() || !self.password.is_empty() {
            if self.http.basic_auth.is_some() {
                let message =
                    "at most one of consul SD configuration username and password and basic auth can be configured";
                m.error("username", message);
            }
            let (username, password) = (std::mem::take(&mut self.username), std::mem::take(&mut self.password));
            self.http.basic_auth = Some(BasicAuth { username, password, ..BasicAuth::default() });
        }
        let http = &self.http;
        if !self.token.is_empty() && (http.authorization.is_some() || http.oauth2.is_some()) {
            m.error("token", "at most one of consul SD token, authorization, or oauth2 can be configured");
        }
    }
}
