//! Flags of the server, as Prometheus' exporter-toolkit has them.

use std::path::PathBuf;

use clap::Args;

/// How HTTP is served.
#[derive(Args, Debug)]
pub(super) struct WebFlags {
    /// File with TLS and users, as Prometheus' servers read it.
    #[arg(long = "web.config.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    web_config: String,
    /// Listen on the sockets that systemd hands over instead.
    #[arg(long = "web.systemd-socket", overrides_with = "no_systemd_socket")]
    systemd_socket: bool,
    #[arg(long = "no-web.systemd-socket", hide = true, overrides_with = "systemd_socket")]
    no_systemd_socket: bool,
}

impl WebFlags {
    /// The file, if there is one.
    pub fn config(&self) -> Option<PathBuf> {
        Some(&self.web_config).filter(|file| !file.is_empty()).map(PathBuf::from)
    }

    /// The file, for display.
    pub fn shown_config(&self) -> String {
        self.web_config.clone()
    }

    /// Whether systemd hands the sockets over.
    pub fn systemd_socket(&self) -> bool {
        self.systemd_socket && !self.no_systemd_socket
    }
}
