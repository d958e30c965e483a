//! Flags of the server, as Prometheus' exporter-toolkit has them.

use std::path::PathBuf;

use clap::Args;
use regex::Regex;

use super::arguments::{Anchored, anchored_arg};

/// How HTTP is served.
#[derive(Args, Debug)]
pub(super) struct WebFlags {
    /// File with TLS and users, as Prometheus' servers read it.
    #[arg(long = "web.config.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    web_config: String,
    /// Listen on the sockets that systemd hands over instead.
    #[arg(long = "web.systemd-socket", overrides_with = "no_systemd_socket")]
    systemd_socket: bool,
    /// Regular expression of origins whose pages may read answers and change things, anchored [default: any may read, none may change anything].
    #[arg(long = "web.cors.origin", value_name = "REGEX", value_parser = anchored_arg)]
    cors_origin: Option<Anchored>,
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

    /// Whose pages may read answers and change things.
    pub fn cors_origin(&self) -> Option<Regex> {
        self.cors_origin.as_ref().map(|origin| origin.regex.clone())
    }

    /// The same, for display.
    pub fn shown_cors_origin(&self) -> String {
        self.cors_origin.as_ref().map_or_else(|| ".*".into(), |origin| origin.text.clone())
    }

    /// Whether systemd hands the sockets over.
    pub fn systemd_socket(&self) -> bool {
        self.systemd_socket && !self.no_systemd_socket
    }
}
