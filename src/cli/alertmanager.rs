//! `watchbell alertmanager`: the routing half alone, under Alertmanager's command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::config::alertmanager::matchers;
use crate::net::descriptors;
use crate::service::{Delivery, Parts, Prepared, ServiceOptions, Source, history_limits, owner};

use super::exit::{fail, pointed_out};
use super::log::{self, LogFormat, LogLevel};
use super::routing_flags::RoutingFlags;
use super::run::serve;
use super::web_flags::WebFlags;

/// Route, group, silence, inhibit and notify, as Alertmanager: its configuration, its API, its command line.
///
/// State is written as it changes, so that nothing waits for a maintenance; there is one member and no cluster.
#[derive(Args, Debug)]
pub struct Alertmanager {
    /// The Alertmanager configuration file.
    #[arg(long = "config.file", value_name = "FILE", default_value = "alertmanager.yml")]
    config: PathBuf,
    /// Where state is kept.
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data/")]
    storage: PathBuf,
    #[command(flatten)]
    routing: RoutingFlags,
    /// Address to listen on; may be repeated.
    #[arg(long = "web.listen-address", value_name = "HOST:PORT", default_value = ":9093")]
    listen_addresses: Vec<String>,
    #[command(flatten)]
    web: WebFlags,
    /// URL under which users reach the service, for links; a path in it stands before all paths.
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// What stands before the paths of what is served [default: the path of the external URL].
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Comma-separated names of features to switch on; may be repeated.
    #[arg(long = "enable-feature", value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    accepted: AcceptedFlags,
    /// Form of the log's lines.
    #[arg(long = "log.format", value_enum, default_value = "logfmt")]
    log_format: LogFormat,
    /// What is logged.
    #[arg(long = "log.level", value_enum, default_value = "info")]
    log_level: LogLevel,
}

/// Flags of Alertmanager's cluster. There is one member here: they are accepted with a warning.
#[derive(Args, Debug)]
#[command(next_help_heading = "Accepted, with a warning: there is no cluster")]
struct ClusterFlags {
    /// What clients are told of where the one member is; empty for no cluster.
    #[arg(long = "cluster.listen-address", value_name = "HOST:PORT", default_value = "0.0.0.0:9094")]
    listen_address: String,
    #[arg(long = "cluster.advertise-address", hide = true)]
    advertise_address: Option<String>,
    #[arg(long = "cluster.peer-name", hide = true)]
    peer_name: Option<String>,
    /// Other members.
    #[arg(long = "cluster.peer", value_name = "HOST:PORT")]
    peers: Vec<String>,
    #[arg(long = "cluster.peer-timeout", hide = true)]
    peer_timeout: Option<String>,
    #[arg(long = "cluster.peers-resolve-timeout", hide = true)]
    peers_resolve_timeout: Option<String>,
    #[arg(long = "cluster.gossip-interval", hide = true)]
    gossip_interval: Option<String>,
    #[arg(long = "cluster.pushpull-interval", hide = true)]
    pushpull_interval: Option<String>,
    #[arg(long = "cluster.tcp-timeout", hide = true)]
    tcp_timeout: Option<String>,
    #[arg(long = "cluster.probe-timeout", hide = true)]
    probe_timeout: Option<String>,
    #[arg(long = "cluster.probe-interval", hide = true)]
    probe_interval: Option<String>,
    #[arg(long = "cluster.settle-timeout", hide = true)]
    settle_timeout: Option<String>,
    #[arg(long = "cluster.reconnect-interval", hide = true)]
    reconnect_interval: Option<String>,
    #[arg(long = "cluster.reconnect-timeout", hide = true)]
    reconnect_timeout: Option<String>,
    #[arg(long = "cluster.tls-config", hide = true)]
    tls_config: Option<String>,
    #[arg(
        long = "cluster.allow-insecure-public-advertise-address-discovery",
        hide = true,
        overrides_with = "no_insecure_discovery"
    )]
    insecure_discovery: bool,
    #[arg(
        long = "no-cluster.allow-insecure-public-advertise-address-discovery",
        hide = true,
        overrides_with = "insecure_discovery"
    )]
    no_insecure_discovery: bool,
    #[arg(long = "cluster.label", hide = true)]
    label: Option<String>,
}

impl ClusterFlags {
    /// Whether something else is asked for than one member.
    fn asks_for_more(&self) -> bool {
        let texts = [
            &self.advertise_address,
            &self.peer_name,
            &self.peer_timeout,
            &self.peers_resolve_timeout,
            &self.gossip_interval,
            &self.pushpull_interval,
            &self.tcp_timeout,
            &self.probe_timeout,
            &self.probe_interval,
            &self.settle_timeout,
            &self.reconnect_interval,
            &self.reconnect_timeout,
            &self.tls_config,
            &self.label,
        ];
        let insecure = self.insecure_discovery && !self.no_insecure_discovery;
        !self.peers.is_empty() || insecure || texts.into_iter().any(Option::is_some)
    }
}

/// Flags whose work is done without being asked for, and flags that are refused.
#[derive(Args, Debug)]
struct AcceptedFlags {
    // State is written as it changes, and what is over is dropped at every minute: there is nothing to schedule.
    #[arg(long = "data.maintenance-interval", hide = true)]
    maintenance_interval: Option<String>,
    #[arg(long = "alerts.gc-interval", hide = true)]
    gc_interval: Option<String>,
    #[arg(long = "dispatch.maintenance-interval", hide = true)]
    dispatch_maintenance: Option<String>,
    // Go's runtime.
    #[arg(long = "auto-gomemlimit.ratio", hide = true)]
    gomemlimit_ratio: Option<String>,
}

/// Alertmanager's features, and whether what each asks for is there.
const FEATURES: [(&str, bool); 8] = [
    ("alert-names-in-metrics", true),
    ("receiver-name-in-metrics", true),
    ("group-key-in-metrics", true),
    ("classic-mode", true),
    ("utf8-strict-mode", true),
    ("auto-gomemlimit", true),
    ("auto-gomaxprocs", true),
    ("event-recorder", false),
];

/// Refuses features that Alertmanager has not, or that are not there.
///
/// # Errors
/// The first one, by name.
pub(super) fn known_features(features: &[String]) -> Result<(), String> {
    for feature in features.iter().map(|f| f.trim()).filter(|f| !f.is_empty()) {
        match FEATURES.iter().find(|(name, _)| *name == feature) {
            Some((_, true)) => {}
            Some((_, false)) => return Err(format!("--enable-feature={feature} is not supported")),
            None => {
                let known: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).collect();
                return Err(format!("unknown option {feature:?} for --enable-feature; known: {}", known.join(", ")));
            }
        }
    }
    Ok(())
}

impl Alertmanager {
    /// Runs until it is told to end.
    pub fn execute(&self) -> ExitCode {
        log::init(self.log_format, self.log_level);
        owner::keep_new_files_to_owner();
        tracing::debug!(descriptors = descriptors::limit(), "descriptors");
        if let Err(e) = known_features(&self.features).and_then(|()| self.check_external_url()) {
            return fail(&e);
        }
        if self.cluster.asks_for_more() {
            tracing::warn!(
                "there is no cluster: flags that begin with --cluster. have no effect, this is the only member"
            );
        }
        let options = match self.options() {
            Ok(options) => options,
            Err(e) => return fail(&e),
        };
        // Before anything is read.
        matchers::read_only(options.matchers);
        let prepared = match Prepared::read(&options.source, options.query.features, None) {
            Ok(prepared) => prepared,
            Err(defects) => {
                defects.iter().for_each(|d| eprintln!("{}", pointed_out(d)));
                return ExitCode::FAILURE;
            }
        };
        let dir = self.storage.clone();
        let limits = history_limits(&prepared);
        serve(options, prepared, move || Parts::open_state(&dir, limits))
    }

    fn check_external_url(&self) -> Result<(), String> {
        let url = self.external_url.as_deref().unwrap_or("");
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match url.is_empty() || ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            true => Ok(()),
            false => Err(format!(
                "failed to determine external URL: {url:?}: invalid {scheme:?} scheme, only 'http' and 'https' are supported"
            )),
        }
    }

    fn options(&self) -> Result<ServiceOptions, String> {
        let mut options = ServiceOptions {
            source: Source::Alertmanager(self.config.clone()),
            delivery: Delivery::Receivers,
            listen_addresses: self.listen_addresses.clone(),
            systemd_socket: self.web.systemd_socket(),
            web_config: self.web.config(),
            cors_origin: self.web.cors_origin(),
            external_url: self.external_url.clone(),
            route_prefix: self.route_prefix.clone(),
            cluster_address: self.cluster.listen_address.clone(),
            // Alertmanager reloads whoever asks.
            lifecycle: true,
            data_dir: Some(self.storage.clone()),
            flags: self.flags(),
            ..ServiceOptions::default()
        };
        self.routing.apply(&mut options);
        options.enable(self.features.iter().map(String::as_str))?;
        Ok(options)
    }

    /// Flags and their values, for display; ascending by name.
    fn flags(&self) -> Vec<(String, String)> {
        let flag = |name: &str, value: String| (name.to_owned(), value);
        let mut flags = vec![
            flag("config.file", self.config.display().to_string()),
            flag("storage.path", self.storage.display().to_string()),
            flag("web.listen-address", self.listen_addresses.join(",")),
            flag("web.config.file", self.web.shown_config()),
            flag("web.systemd-socket", self.web.systemd_socket().to_string()),
            flag("web.external-url", self.external_url.clone().unwrap_or_default()),
            flag("web.route-prefix", self.route_prefix.clone().unwrap_or_default()),
            flag("cluster.listen-address", self.cluster.listen_address.clone()),
            flag("enable-feature", self.features.join(",")),
            flag("log.format", format!("{:?}", self.log_format).to_lowercase()),
            flag("log.level", format!("{:?}", self.log_level).to_lowercase()),
        ];
        flags.extend(self.routing.shown());
        flags.sort();
        flags
    }
}
