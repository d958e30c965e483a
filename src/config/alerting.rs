//! The `alerting` section: alerts sent on to external Alertmanagers.

use std::path::Path;

use super::discovery::Discoveries;
use super::http::HttpClientConfig;
use super::identity::SigV4Config;
use super::relabel::RelabelConfig;
use super::yaml::{Duration, MapReader};
use crate::section;

section! {
    /// External Alertmanagers and what their alerts are relabelled to.
    pub struct AlertingConfig as "alerting config" {
        /// Steps over every alert's labels before it is sent.
        alert_relabel_configs: Vec<RelabelConfig>,
        /// Sets of Alertmanagers; each alert goes to all.
        alertmanagers: Vec<AlertmanagerClientConfig>,
    }
}

section! {
    /// A set of Alertmanagers and how to reach them.
    pub struct AlertmanagerClientConfig as "alertmanager config" with check {
        /// Prefix of the API's path.
        path_prefix: String = "/".into(),
        /// `http` or `https`.
        scheme: String = "http".into(),
        /// How long one request may take.
        timeout: Duration = Duration::seconds(10),
        /// `v2`.
        api_version: String = "v2".into(),
        /// Signed as AWS asks for.
        sigv4: Option<SigV4Config>,
        /// Steps over an Alertmanager's labels.
        relabel_configs: Vec<RelabelConfig>,
        /// Steps over the labels of the alerts sent to this set.
        alert_relabel_configs: Vec<RelabelConfig>,
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
        /// Where Alertmanagers are found.
        discovery: Discoveries,
    }
}

impl AlertmanagerClientConfig {
    fn check(&mut self, m: &MapReader) {
        if self.relabel_configs.is_empty() {
            Discoveries::check_unrelabelled(m);
        }
        let http = &self.http;
        let own = http.basic_auth.is_some() || http.authorization.is_some() || http.oauth2.is_some();
        if self.sigv4.is_some() && own {
            let message = "at most one of basic_auth, authorization, oauth2, or sigv4 must be configured";
            m.error("sigv4", message);
        }
        if self.api_version != "v2" {
            let message = format!("expected Alertmanager api version to be one of [v2] but got {}", self.api_version);
            m.error("api_version", message);
        }
        if !["http", "https"].contains(&self.scheme.as_str()) {
            m.error("scheme", format!("invalid scheme {:?}, expected http or https", self.scheme));
        }
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub(super) fn resolve_paths(&mut self, dir: &Path) {
        self.http.resolve_paths(dir);
        self.discovery.resolve_paths(dir);
    }
}
