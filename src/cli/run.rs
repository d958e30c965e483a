//! `watchbell run`: the service.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config::alertmanager::matchers;
use crate::ingest::remote_write::Protocol;
use crate::model::duration;
use crate::net::descriptors;
use crate::server::{ConnectionLimits, QueryOptions, ReadLimits};
use crate::service::{
    Delivery, Parts, Prepared, Service, ServiceError, ServiceOptions, Source, data_dir, history_limits, retention,
};
use crate::service::{listen, owner};

use super::arguments::{count_arg, duration_arg, size_arg};
use super::exit::{fail, pointed_out};
use super::log::{self, LogFormat, LogLevel};
use super::prometheus_flags::PrometheusFlags;
use super::routing_flags::RoutingFlags;
use super::signals::{asked_to_end, hangups};
use super::web_flags::WebFlags;

/// Run the service.
///
/// Without a configuration file: it scrapes itself, evaluates its own rules over what it finds, and prints notifications.
#[derive(Args, Debug)]
pub struct Run {
    /// The configuration file: Prometheus' format with a `watchbell` section.
    #[arg(long = "config.file", alias = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the configuration anew when its files change; --enable-feature=auto-reload-config does the same.
    #[arg(long = "config.auto-reload", overrides_with = "no_auto_reload")]
    auto_reload: bool,
    #[arg(long = "no-config.auto-reload", hide = true, overrides_with = "auto_reload")]
    no_auto_reload: bool,
    /// How often they are looked at then [default: 30s].
    #[arg(long = "config.auto-reload-interval", value_name = "DURATION", value_parser = duration_arg)]
    auto_reload_interval: Option<i64>,
    /// Check the configuration and everything it names, then exit.
    #[arg(long = "config.check")]
    check: bool,
    /// Address to listen on; may be repeated [default: the configuration's, else 127.0.0.1:9095].
    #[arg(long = "web.listen-address", value_name = "HOST:PORT")]
    listen_addresses: Vec<String>,
    #[command(flatten)]
    web: WebFlags,
    /// URL under which users reach the service, for links.
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<String>,
    /// What stands before the paths of what is served [default: the path of the external URL].
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<String>,
    /// Allow reload and shutdown by HTTP.
    #[arg(long = "web.enable-lifecycle")]
    lifecycle: bool,
    /// Take in remote writes at /api/v1/write.
    #[arg(long = "web.enable-remote-write-receiver")]
    remote_write_receiver: bool,
    /// Take OpenTelemetry's metrics at /api/v1/otlp/v1/metrics
    #[arg(long = "web.enable-otlp-receiver")]
    otlp_receiver: bool,
    /// Which messages of remote write are taken in; may be repeated [default: all].
    #[arg(long = "web.remote-write-receiver.accepted-protobuf-messages", value_name = "MESSAGE", value_parser = message_arg)]
    write_protocols: Vec<Protocol>,
    /// Allow what deletes and copies series under /api/v1/admin.
    #[arg(long = "web.enable-admin-api")]
    admin_api: bool,
    /// How many clients may follow notifications at /api/v1/notifications/live, open pages among them.
    #[arg(long = "web.max-notifications-subscribers", value_name = "N", default_value_t = 16)]
    live_subscribers: usize,
    /// How many connections of clients may be open.
    #[arg(long = "web.max-connections", value_name = "N", default_value_t = ConnectionLimits::default().most)]
    max_connections: usize,
    /// How long a request may take to come, and an idle connection is kept.
    #[arg(long = "web.read-timeout", value_name = "DURATION", default_value = "5m", value_parser = duration_arg)]
    read_timeout: i64,
    /// Data directory [default: the configuration's, else data].
    #[arg(long = "storage.tsdb.path", visible_alias = "storage.path", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How long samples are kept, where the configuration does not say [default: 15d without a size].
    #[arg(long = "storage.tsdb.retention.time", value_name = "DURATION", value_parser = duration_arg)]
    retention: Option<i64>,
    /// How large files may be before the oldest blocks go, such as 512MB, where the configuration does not say.
    #[arg(long = "storage.tsdb.retention.size", value_name = "SIZE", value_parser = size_arg)]
    retention_bytes: Option<u64>,
    /// How many samples the answer to a remote read may have, unless it is streamed; 0 for any number.
    #[arg(long = "storage.remote.read-sample-limit", value_name = "N", default_value = "5e7", value_parser = count_arg)]
    read_samples: usize,
    /// How many remote reads are answered at once; 0 for any number.
    #[arg(long = "storage.remote.read-concurrent-limit", value_name = "N", default_value_t = 10)]
    read_concurrency: usize,
    #[command(flatten)]
    routing: RoutingFlags,
    #[command(flatten)]
    query: QueryFlags,
    #[command(flatten)]
    rules: RuleFlags,
    #[command(flatten)]
    prometheus: PrometheusFlags,
    /// Comma-separated names of features to switch on; may be repeated.
    #[arg(long = "enable-feature", value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
    /// Form of the log's lines.
    #[arg(long = "log.format", value_enum, default_value = "logfmt")]
    log_format: LogFormat,
    /// What is logged.
    #[arg(long = "log.level", value_enum, default_value = "info")]
    log_level: LogLevel,
}

#[derive(Args, Debug)]
struct QueryFlags {
    /// How far back a query looks for a sample.
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = duration_arg)]
    lookback: i64,
    /// How long a query may take.
    #[arg(long = "query.timeout", value_name = "DURATION", default_value = "2m", value_parser = duration_arg)]
    timeout: i64,
    /// How many queries may run at once.
    #[arg(long = "query.max-concurrency", value_name = "N", default_value_t = 20)]
    max_concurrency: usize,
    /// How many samples a query may hold in memory.
    #[arg(long = "query.max-samples", value_name = "N", default_value_t = 50_000_000)]
    max_samples: usize,
}

#[derive(Args, Debug)]
struct RuleFlags {
    /// The least time before an alert is sent to external Alertmanagers again.
    #[arg(long = "rules.alert.resend-delay", value_name = "DURATION", default_value = "1m", value_parser = duration_arg)]
    resend_delay: i64,
    /// How many groups are evaluated side by side [default: the number of cores].
    #[arg(long = "rules.max-concurrent-evals", value_name = "N", default_value_t = 0, hide_default_value = true)]
    max_concurrent: usize,
    /// How many alerts may wait for external Alertmanagers.
    #[arg(long = "alertmanager.notification-queue-capacity", value_name = "N", default_value_t = 10_000)]
    queue_capacity: usize,
    /// How many alerts an external Alertmanager is sent at once.
    #[arg(long = "alertmanager.notification-batch-size", value_name = "N", default_value_t = 256)]
    batch: usize,
    /// Send what waits for external Alertmanagers before the end [default].
    #[arg(long = "alertmanager.drain-notification-queue-on-shutdown", overrides_with = "no_drain")]
    drain: bool,
    #[arg(long = "no-alertmanager.drain-notification-queue-on-shutdown", hide = true, overrides_with = "drain")]
    no_drain: bool,
}

/// A message of remote write, by its full name.
fn message_arg(text: &str) -> Result<Protocol, String> {
    let known = [Protocol::V1, Protocol::V2].map(Protocol::message).join(", ");
    Protocol::parse(text).ok_or_else(|| format!("unknown message, expected one of {known}"))
}

/// How often the configuration's files are looked at where nobody says so, and how often at most, milliseconds.
const LOOK: i64 = 30_000;
const SHORTEST_LOOK: i64 = 1_000;

impl Run {
    /// Runs until it is told to end.
    pub fn execute(&self) -> ExitCode {
        log::init(self.log_format, self.log_level);
        owner::keep_new_files_to_owner();
        if let Err(e) = self.prometheus.check() {
            return fail(&e);
        }
        self.prometheus.warn();
        // Before anything is opened: what may be open decides how much of it clients and scrapes get.
        tracing::debug!(descriptors = descriptors::limit(), "descriptors");
        let options = match self.options() {
            Ok(options) => options,
            Err(e) => return fail(&e),
        };
        // Before anything is read.
        matchers::read_only(options.matchers);
        let prepared = Prepared::read(
            &options.source,
            options.query.features,
            options.listen_addresses.first().map(String::as_str),
        );
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(defects) => {
                defects.iter().for_each(|d| eprintln!("{}", pointed_out(d)));
                return ExitCode::FAILURE;
            }
        };
        if self.check {
            let defects = prepared.unbuildable();
            if !defects.is_empty() {
                defects.iter().for_each(|d| eprintln!("{}", pointed_out(d)));
                return ExitCode::FAILURE;
            }
            let rules: usize = prepared.groups.iter().map(|g| g.rules.len()).sum();
            for warning in prepared.warnings(&options.source) {
                println!("WARNING: {warning}");
            }
            println!("SUCCESS: {} rule groups with {rules} rules", prepared.groups.len());
            return ExitCode::SUCCESS;
        }
        let (dir, retention) = (data_dir(&options, &prepared), retention(&options, &prepared));
        let limits = history_limits(&prepared);
        serve(options, prepared, move || Parts::open(&dir, retention, limits))
    }

    fn options(&self) -> Result<ServiceOptions, String> {
        let source = self.config.clone().map_or(Source::BuiltIn, Source::File);
        let delivery = match source {
            Source::File(_) | Source::Alertmanager(_) => Delivery::Receivers,
            // Nobody configured the shipped receivers: their addresses are examples.
            Source::BuiltIn | Source::Demo => Delivery::Print,
        };
        let mut options = ServiceOptions {
            source,
            delivery,
            listen_addresses: self.listen_addresses.clone(),
            route_prefix: self.route_prefix.clone(),
            systemd_socket: self.web.systemd_socket(),
            web_config: self.web.config(),
            cors_origin: self.web.cors_origin(),
            admin_api: self.admin_api,
            live_subscribers: self.live_subscribers,
            write_protocols: self.write_protocols.clone(),
            reads: ReadLimits { samples: self.read_samples, concurrent: self.read_concurrency },
            external_url: self.external_url.clone(),
            lifecycle: self.lifecycle,
            remote_write_receiver: self.remote_write_receiver,
            otlp_receiver: self.otlp_receiver,
            connections: ConnectionLimits {
                most: self.max_connections,
                read_timeout: Duration::from_millis(self.read_timeout.unsigned_abs()),
                ..ConnectionLimits::default()
            },
            data_dir: self.data_dir.clone(),
            retention: self.retention,
            retention_bytes: self.retention_bytes.unwrap_or(0),
            query: QueryOptions {
                concurrency: self.query.max_concurrency,
                timeout: self.query.timeout,
                max_samples: self.query.max_samples,
                lookback: self.query.lookback,
                ..QueryOptions::default()
            },
            resend_delay: self.rules.resend_delay,
            workers: self.rules.max_concurrent,
            queue_capacity: self.rules.queue_capacity,
            batch: self.rules.batch,
            drain_queue: !self.rules.no_drain,
            flags: self.flags(),
            ..ServiceOptions::default()
        };
        self.routing.apply(&mut options);
        options.enable(self.features.iter().map(String::as_str))?;
        // Either switch switches it on, as in Prometheus.
        let reloads = self.auto_reload || options.auto_reload.is_some();
        options.auto_reload = reloads.then(|| self.auto_reload_interval.unwrap_or(LOOK).max(SHORTEST_LOOK));
        if !reloads && self.auto_reload_interval.is_some() {
            let note = "--config.auto-reload-interval has no effect without --config.auto-reload";
            options.notes.push(note.into());
        }
        Ok(options)
    }

    /// Flags and their values, for display; ascending by name.
    fn flags(&self) -> Vec<(String, String)> {
        let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        let flag = |name: &str, value: String| (name.to_owned(), value);
        let mut flags = vec![
            flag("config.file", path(&self.config)),
            flag("web.listen-address", self.listen_addresses.join(",")),
            flag("web.route-prefix", self.route_prefix.clone().unwrap_or_default()),
            flag("web.config.file", self.web.shown_config()),
            flag("web.systemd-socket", self.web.systemd_socket().to_string()),
            flag("web.external-url", self.external_url.clone().unwrap_or_default()),
            flag("web.enable-lifecycle", self.lifecycle.to_string()),
            flag("web.enable-admin-api", self.admin_api.to_string()),
            flag("web.max-notifications-subscribers", self.live_subscribers.to_string()),
            flag("web.cors.origin", self.web.shown_cors_origin()),
            flag("config.auto-reload", self.auto_reload.to_string()),
            flag("config.auto-reload-interval", duration::format(self.auto_reload_interval.unwrap_or(LOOK))),
            flag("web.enable-remote-write-receiver", self.remote_write_receiver.to_string()),
            flag(
                "web.remote-write-receiver.accepted-protobuf-messages",
                self.write_protocols.iter().map(|p| p.message()).collect::<Vec<_>>().join(","),
            ),
            flag("web.enable-otlp-receiver", self.otlp_receiver.to_string()),
            flag("web.max-connections", self.max_connections.to_string()),
            flag("web.read-timeout", duration::format(self.read_timeout)),
            flag("storage.tsdb.path", path(&self.data_dir)),
            flag("storage.tsdb.retention.time", self.retention.map(duration::format).unwrap_or_default()),
            flag("storage.tsdb.retention.size", self.retention_bytes.map(|n| format!("{n}B")).unwrap_or_default()),
            flag("storage.remote.read-sample-limit", self.read_samples.to_string()),
            flag("storage.remote.read-concurrent-limit", self.read_concurrency.to_string()),
            flag("query.lookback-delta", duration::format(self.query.lookback)),
            flag("query.timeout", duration::format(self.query.timeout)),
            flag("query.max-concurrency", self.query.max_concurrency.to_string()),
            flag("query.max-samples", self.query.max_samples.to_string()),
            flag("rules.alert.resend-delay", duration::format(self.rules.resend_delay)),
            flag("rules.max-concurrent-evals", self.rules.max_concurrent.to_string()),
            flag("alertmanager.notification-queue-capacity", self.rules.queue_capacity.to_string()),
            flag("alertmanager.notification-batch-size", self.rules.batch.to_string()),
            flag("alertmanager.drain-notification-queue-on-shutdown", (!self.rules.no_drain).to_string()),
            flag("enable-feature", self.features.join(",")),
            flag("log.format", format!("{:?}", self.log_format).to_lowercase()),
            flag("log.level", format!("{:?}", self.log_level).to_lowercase()),
        ];
        flags.extend(self.routing.shown());
        flags.sort();
        flags
    }
}

/// Serves until the process is told to end, over what `open` opens.
pub(super) fn serve(
    options: ServiceOptions,
    prepared: Prepared,
    open: impl FnOnce() -> Result<Parts, ServiceError> + Send + 'static,
) -> ExitCode {
    // Before a large database is read for nothing.
    if let Err(e) = listen::probe(listen::addresses(&options, &prepared).iter().map(String::as_str)) {
        return fail(&e);
    }
    let served = async {
        // Signals are taken from the beginning: whoever sees the service ready may ask it to end.
        let (end, reload) = (asked_to_end()?, hangups()?);
        let parts = tokio::task::spawn_blocking(open).await;
        let parts = parts.map_err(std::io::Error::other)??;
        let service = Service::start(options, prepared, parts).await?;
        service.run(end, reload).await
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e),
    };
    runtime.block_on(served).map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS)
}
