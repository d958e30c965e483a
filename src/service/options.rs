//! How a service is run, for its whole life: what flags decide.

use std::path::PathBuf;

use regex::Regex;

use crate::alerting::schedule::Schedule;
use crate::config::alertmanager::matchers::Syntax;
use crate::config::features;
use crate::engine::{DataAtStart, Options};
use crate::ingest::otlp::Deltas;
use crate::ingest::remote_write::Protocol;
use crate::ingest::scrape::settings::ScrapeFeatures;
use crate::server::{AlertmanagerLimits, ConnectionLimits, MetricLabels, QueryOptions, ReadLimits};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An Alertmanager's configuration: alerts are routed, no rules are evaluated and nothing is scraped.
    Alertmanager(PathBuf),
    /// Built-in defaults: our own rules and the shipped routing, scraping ourselves.
    BuiltIn,
    /// The same beside a demo's fleet, with the rules about it.
    Demo,
}

/// How a service is run.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Where the configuration comes from.
    pub source: Source,
    /// `--web.listen-address`; else, when there is none, the configuration's.
    pub listen_addresses: Vec<String>,
    /// `--web.systemd-socket`: the sockets that systemd hands over are listened on instead.
    pub systemd_socket: bool,
    /// `--web.config.file`: TLS, users, headers.
    pub web_config: Option<PathBuf>,
    /// `--web.external-url`; else the configuration's, else the listen address.
    pub external_url: Option<String>,
    /// `--web.route-prefix`; else the path of the external URL.
    pub route_prefix: Option<String>,
    /// `--cluster.listen-address` of Alertmanager: where a client that asks is told that the one member is.
    pub cluster_address: String,
    /// Bounds of what Alertmanager's clients may ask.
    pub alertmanager: AlertmanagerLimits,
    /// Which syntaxes of matchers are read.
    pub matchers: Syntax,
    /// Which labels Alertmanager's metrics have beyond their usual ones.
    pub metric_labels: MetricLabels,
    /// `--dispatch.start-delay`: how long after the start nothing is told, milliseconds.
    pub start_delay: i64,
    /// `--data.retention`: how long expired silences and the notification log are kept, milliseconds.
    pub state_retention: i64,
    /// `--alerts.per-alertname-limit`: how many posted alerts of one name are taken in; 0 for any number.
    pub alerts_per_name: usize,
    /// `--web.cors.origin`: pages of which origins may read answers and change things.
    pub cors_origin: Option<Regex>,
    /// `--web.enable-admin-api`
    pub admin_api: bool,
    /// `--web.max-notifications-subscribers`
    pub live_subscribers: usize,
    /// `--web.remote-write-receiver.accepted-protobuf-messages`; all when empty.
    pub write_protocols: Vec<Protocol>,
    /// `--storage.remote.read-sample-limit`, `--storage.remote.read-concurrent-limit`
    pub reads: ReadLimits,
    /// How often the files of the configuration are looked at, milliseconds; never when absent.
    pub auto_reload: Option<i64>,
    /// `--web.enable-lifecycle`
    pub lifecycle: bool,
    /// `--web.enable-remote-write-receiver`
    pub remote_write_receiver: bool,
    /// `--web.enable-otlp-receiver`
    pub otlp_receiver: bool,
    /// `--web.max-connections`, `--web.read-timeout`
    pub connections: ConnectionLimits,
    /// `--storage.tsdb.path`; else the configuration's.
    pub data_dir: Option<PathBuf>,
    /// `--storage.tsdb.retention.time`, milliseconds; what the configuration says counts before it.
    pub retention: Option<i64>,
    /// `--storage.tsdb.retention.size`, bytes; 0 for any size.
    pub retention_bytes: u64,
    /// `--query.*`
    pub query: QueryOptions,
    /// `--rules.alert.resend-delay`, milliseconds.
    pub resend_delay: i64,
    /// `--rules.max-concurrent-evals`: how many groups usually are evaluated side by side; 0 for as many as cores.
    pub workers: usize,
    /// `--alertmanager.notification-queue-capacity`
    pub queue_capacity: usize,
    /// `--alertmanager.notification-batch-size`
    pub batch: usize,
    /// `--alertmanager.drain-notification-queue-on-shutdown`
    pub drain_queue: bool,
    /// Switches of scraping.
    pub scrape_features: ScrapeFeatures,
    /// What becomes of OpenTelemetry's deltas.
    pub deltas: Deltas,
    /// How notifications are delivered.
    pub delivery: Delivery,
    /// Flags and their values, for display.
    pub flags: Vec<(String, String)>,
    /// What is told at start of options without effect.
    pub notes: Vec<String>,
}

/// The features of Alertmanager.
const OF_ALERTMANAGER: [&str; 5] =
    ["alert-names-in-metrics", "classic-mode", "group-key-in-metrics", "receiver-name-in-metrics", "utf8-strict-mode"];

impl Default for ServiceOptions {
    fn default() -> Self {
        let engine = crate::engine::Options::default();
        ServiceOptions {
            source: Source::BuiltIn,
            listen_addresses: Vec::new(),
            systemd_socket: false,
            web_config: None,
            external_url: None,
            route_prefix: None,
            cluster_address: "0.0.0.0:9094".into(),
            alertmanager: AlertmanagerLimits::default(),
            matchers: Syntax::Both,
            metric_labels: MetricLabels::default(),
            start_delay: 0,
            state_retention: engine.retention,
            alerts_per_name: 0,
            cors_origin: None,
            admin_api: false,
            live_subscribers: 16,
            write_protocols: Vec::new(),
            reads: ReadLimits::default(),
            auto_reload: None,
            lifecycle: false,
            remote_write_receiver: false,
            otlp_receiver: false,
            connections: ConnectionLimits::default(),
            data_dir: None,
            retention: None,
            retention_bytes: 0,
            query: QueryOptions::default(),
            resend_delay: engine.resend_delay,
            workers: 0,
            queue_capacity: 10_000,
            batch: 256,
            drain_queue: true,
            scrape_features: ScrapeFeatures::default(),
            deltas: Deltas::default(),
            delivery: Delivery::Receivers,
            flags: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl ServiceOptions {
    /// How the engine is run.
    pub fn engine(&self, schedule: Schedule, data: Option<DataAtStart>) -> Options {
        Options {
            schedule,
            data,
            resend_delay: self.resend_delay,
            start_delay: self.start_delay,
            retention: self.state_retention,
            alerts_per_name: self.alerts_per_name,
            // Where routing is all there is, a reload is Alertmanager's.
            restart_groups: matches!(self.source, Source::Alertmanager(_)),
            ..Options::default()
        }
    }

    /// Switches features on by their `--enable-feature` names: Prometheus', and Alertmanager's. What is to be told of them
    /// is added to the notes.
    ///
    /// # Errors
    /// Two that contradict each other.
    pub fn enable<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        for name in names.into_iter().map(str::trim).filter(|n| !n.is_empty()) {
            if self.enable_of_alertmanager(name)? {
                continue;
            }
            self.notes.extend(features::note(name, &OF_ALERTMANAGER));
            self.query.features.enable(name);
            match name {
                "created-timestamp-zero-ingestion" | "st-storage" => self.scrape_features.start_timestamps = true,
                "type-and-unit-labels" => self.scrape_features.type_and_unit_labels = true,
                "extra-scrape-metrics" => self.scrape_features.extra_metrics = true,
                "otlp-deltatocumulative" => self.take_deltas(Deltas::AddUp)?,
                "otlp-native-delta-ingestion" => self.take_deltas(Deltas::Keep)?,
                "auto-reload-config" => _ = self.auto_reload.get_or_insert(0),
                _ => {}
            }
        }
        Ok(())
    }

    fn take_deltas(&mut self, deltas: Deltas) -> Result<(), String> {
        if self.deltas != Deltas::LeaveOut && self.deltas != deltas {
            let text = "otlp-deltatocumulative and otlp-native-delta-ingestion cannot be enabled together";
            return Err(format!("--enable-feature: {text}"));
        }
        self.deltas = deltas;
        Ok(())
    }

    /// Whether it is a feature of Alertmanager's.
    fn enable_of_alertmanager(&mut self, name: &str) -> Result<bool, String> {
        match name {
            "alert-names-in-metrics" => self.metric_labels.alert_names = true,
            "receiver-name-in-metrics" => self.metric_labels.receiver_names = true,
            "group-key-in-metrics" => self.metric_labels.group_keys = true,
            "classic-mode" => self.read_only(Syntax::Classic)?,
            "utf8-strict-mode" => self.read_only(Syntax::Utf8)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_only(&mut self, syntax: Syntax) -> Result<(), String> {
        if self.matchers != Syntax::Both && self.matchers != syntax {
            return Err("cannot enable both classic-mode and utf8-strict-mode".into());
        }
        self.matchers = syntax;
        Ok(())
    }
}

/// How notifications are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// To the configured receivers.
    Receivers,
    /// Printed on standard output.
    Print,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_both_programs_are_known() {
        let mut options = ServiceOptions::default();
        options.enable(["receiver-name-in-metrics", "native-histograms", "classic-mode", ""]).unwrap();
        assert_eq!((options.metric_labels.receiver_names, options.matchers), (true, Syntax::Classic));
        let both = options.enable(["utf8-strict-mode"]).unwrap_err();
        assert_eq!(both, "cannot enable both classic-mode and utf8-strict-mode");
        options.enable(["nosuch"]).unwrap();
        let unknown = options.notes.pop().unwrap();
        assert!(
            unknown.contains("group-key-in-metrics") && unknown.contains("promql-delayed-name-removal"),
            "{unknown}"
        );
        // Those of scraping are PromQL's too.
        options.enable(["type-and-unit-labels", "extra-scrape-metrics", "old-ui"]).unwrap();
        assert!(options.query.features.type_and_unit_labels && options.scrape_features.type_and_unit_labels);
        assert!(options.scrape_features.extra_metrics);
        assert_eq!(options.notes.len(), 2, "{:?}", options.notes);
    }
}
