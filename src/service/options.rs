//! How a service is run, for its whole life: what flags decide.

use std::path::PathBuf;

use crate::ingest::scrape::settings::ScrapeFeatures;
use crate::promql::Features;
use crate::server::{AlertmanagerLimits, ConnectionLimits, QueryOptions};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An Alertmanager's configuration: alerts are routed, no rules are evaluated and nothing is scraped.
    Alertmanager(PathBuf),
    /// Built-in defaults: the shipped rules and routing, scraping ourselves.
    BuiltIn,
}

/// How a service is run.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Where the configuration comes from.
    pub source: Source,
    /// `--web.listen-address`; else, when there is none, the configuration's.
    pub listen_addresses: Vec<String>,
    /// `--web.external-url`; else the configuration's, else the listen address.
    pub external_url: Option<String>,
    /// `--web.route-prefix`; else the path of the external URL.
    pub route_prefix: Option<String>,
    /// `--cluster.listen-address` of Alertmanager: where a client that asks is told that the one member is.
    pub cluster_address: String,
    /// Bounds of what Alertmanager's clients may ask.
    pub alertmanager: AlertmanagerLimits,
    /// `--web.enable-lifecycle`
    pub lifecycle: bool,
    /// `--web.enable-remote-write-receiver`
    pub remote_write_receiver: bool,
    /// `--web.max-connections`, `--web.read-timeout`
    pub connections: ConnectionLimits,
    /// `--storage.tsdb.path`; else the configuration's.
    pub data_dir: Option<PathBuf>,
    /// `--storage.tsdb.retention.time`, milliseconds; else the configuration's.
    pub retention: Option<i64>,
    /// `--query.*`
    pub query: QueryOptions,
    /// `--rules.alert.resend-delay`, milliseconds.
    pub resend_delay: i64,
    /// `--rules.max-concurrent-evals`: how many groups usually are evaluated side by side; 0 for as many as cores.
    pub workers: usize,
    /// `--alertmanager.notification-queue-capacity`
    pub queue_capacity: usize,
    /// Switches of scraping.
    pub scrape_features: ScrapeFeatures,
    /// How notifications are delivered.
    pub delivery: Delivery,
    /// Flags and their values, for display.
    pub flags: Vec<(String, String)>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        ServiceOptions {
            source: Source::BuiltIn,
            listen_addresses: Vec::new(),
            external_url: None,
            route_prefix: None,
            cluster_address: "0.0.0.0:9094".into(),
            alertmanager: AlertmanagerLimits::default(),
            lifecycle: false,
            remote_write_receiver: false,
            connections: ConnectionLimits::default(),
            data_dir: None,
            retention: None,
            query: QueryOptions::default(),
            resend_delay: 60_000,
            workers: 0,
            queue_capacity: 10_000,
            scrape_features: ScrapeFeatures::default(),
            delivery: Delivery::Receivers,
            flags: Vec::new(),
        }
    }
}

impl ServiceOptions {
    /// Switches features on by their `--enable-feature` names.
    ///
    /// # Errors
    /// The first name nobody knows.
    pub fn enable<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        for name in names.into_iter().map(str::trim).filter(|n| !n.is_empty()) {
            let scraping = match name {
                "created-timestamp-zero-ingestion" | "st-storage" => {
                    self.scrape_features.start_timestamps = true;
                    true
                }
                "type-and-unit-labels" => {
                    self.scrape_features.type_and_unit_labels = true;
                    true
                }
                // On without being asked for.
                "native-histograms" | "auto-gomaxprocs" | "auto-gomemlimit" | "memory-snapshot-on-shutdown" => true,
                _ => false,
            };
            let known: &mut Features = &mut self.query.features;
            if !known.enable(name) && !scraping {
                return Err(format!("unknown option {name:?} for --enable-feature"));
            }
        }
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
