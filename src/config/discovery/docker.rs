//! `docker_sd_configs`.

use super::cloud::FilterConfig;
use crate::config::http::HttpClientConfig;
use crate::config::yaml::{Duration, MapReader};
use crate::section;

section! {
    /// Containers of a Docker daemon.
    pub struct DockerSdConfig as "docker_sd config" with check {
        /// The daemon: `unix:///var/run/docker.sock`, `tcp://`, `http://` or `https://`.
        host: String,
        /// Port of containers that expose none.
        port: i64 = 80,
        /// Filters of the daemon's list.
        filters: Vec<FilterConfig>,
        /// The host of containers in its network.
        host_networking_host: String = "localhost".into(),
        /// How often containers are listed.
        refresh_interval: Duration = Duration::seconds(60),
        /// Of a container in several networks take the first by name.
        match_first_network: bool = true,
    }
    inline {
        /// The HTTP client, for `http` and `https`.
        http: HttpClientConfig,
    }
}

impl DockerSdConfig {
    fn check(&mut self, m: &MapReader) {
        if self.host.is_empty() {
            m.error("host", "host missing");
        } else if let Err(e) = crate::config::url::check(&self.host) {
            m.error("host", e);
        }
    }
}
