//! What a configuration, and the command line, mean for the parts of a service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::alerting::schedule::Schedule;
use crate::alerting::world::RuleContext;
use crate::clock::Clock;
use crate::config::{Datasource, redact};
use crate::datasource::{
    FanoutQuerier, FanoutStorage, LocalQuerier, Querier, RemoteQuerier, RemoteReadSettings, RemoteSettings,
};
use crate::history;
use crate::ingest::otlp::OtlpSettings;
use crate::ingest::remote_write::send::{RemoteWriteSettings, RemoteWriters};
use crate::instrument::Registry;
use crate::net;
use crate::promql::{Common, CompileOptions, EvalEnv, Limits};
use crate::tsdb::{DEFAULT_RETENTION_MS, Retention, Tsdb};

use super::alertmanagers;
use super::error::ServiceError;
use super::heartbeat::Heartbeat;
use super::options::{ServiceOptions, Source};
use super::prepare::Prepared;
use super::traces::Exporter;

/// What storage takes and where it is sent on to, as a configuration states it.
pub(super) fn apply_storage(storage: &Tsdb, writers: &RemoteWriters, prepared: &Prepared) {
    let config = &prepared.config;
    storage.set_out_of_order_window(config.storage.tsdb.out_of_order_time_window.millis());
    storage.set_max_exemplars(usize::try_from(config.storage.exemplars.max_exemplars).unwrap_or(0));
    let labels = prepared.external_labels();
    let remotes = config.remote_write.iter().map(|c| RemoteWriteSettings::from_config(c, labels.clone())).collect();
    for error in writers.apply(remotes) {
        tracing::error!(error = %error, "a remote write endpoint cannot be started");
    }
}

/// How OTLP is taken.
pub(super) fn otlp_settings(options: &ServiceOptions, prepared: &Prepared) -> OtlpSettings {
    match &prepared.config.otlp {
        Some(config) => OtlpSettings::from_config(config, options.deltas),
        None => OtlpSettings { deltas: options.deltas, ..OtlpSettings::default() },
    }
}

/// How the service is reached from outside, where links lead: as told, else the address it listens at.
pub(super) fn external_url(options: &ServiceOptions, prepared: &Prepared, listen: SocketAddr) -> String {
    let configured = Some(&prepared.config.watchbell.external_url).filter(|url| !url.is_empty());
    let url = options.external_url.as_ref().or(configured).cloned();
    let url = url.unwrap_or_else(|| format!("http://{}", listen.to_string().replacen("0.0.0.0", "localhost", 1)));
    redact::without_user(url.trim_end_matches('/'))
}

/// Puts the heartbeat in force.
pub(super) fn beat_as_configured(heartbeat: &Heartbeat, prepared: &Prepared) -> Result<(), ServiceError> {
    heartbeat.apply(prepared.config.watchbell.heartbeat.as_ref()).map_err(|d| ServiceError::Config(vec![d]))
}

/// Puts the tracing in force.
pub(super) fn trace_as_configured(traces: &Exporter, prepared: &Prepared) -> Result<(), ServiceError> {
    traces.apply(prepared.tracing()).map_err(|d| ServiceError::Config(vec![d]))
}

/// When groups are evaluated.
pub(super) fn schedule(prepared: &Prepared) -> Schedule {
    match prepared.config.watchbell.datasource {
        Datasource::Local => Schedule::default(),
        // Nothing is shared, and a remote server is asked evenly.
        Datasource::Remote(_) => Schedule::Spread { tick: 1 },
    }
}

/// Where Prometheus' work is done, what is counted is exposed under its names too.
pub(super) fn registry(options: &ServiceOptions) -> Registry {
    match options.source {
        Source::Alertmanager(_) => Registry::new(),
        Source::File(_) | Source::BuiltIn | Source::Demo => Registry::as_prometheus(),
    }
}

/// How many evaluations run at once.
pub(super) fn workers(options: &ServiceOptions) -> usize {
    match options.workers {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        n => n,
    }
}

/// What rules are evaluated with.
pub(super) fn rule_context(
    options: &ServiceOptions,
    prepared: &Prepared,
    storage: &Tsdb,
    (external_url, clock): (&str, &Arc<dyn Clock>),
) -> Result<RuleContext, ServiceError> {
    let (querier, common): (Arc<dyn Querier>, _) = match &prepared.config.watchbell.datasource {
        Datasource::Local => {
            let plans = prepared.groups.iter().flat_map(|g| &g.rules).map(|r| &*r.plan);
            (local_querier(prepared, storage, clock)?, Some(Arc::new(Common::of(plans))))
        }
        Datasource::Remote(remote) => {
            let runtime = Handle::current();
            let querier = RemoteQuerier::new(RemoteSettings::from(&**remote), runtime);
            let querier = querier.map_err(|e| ServiceError::Config(vec![net::describe(&remote.http, &e)]))?;
            (Arc::new(querier), None)
        }
    };
    let env = EvalEnv {
        lookback_ms: options.query.lookback,
        default_step_ms: prepared.config.global.evaluation_interval.millis(),
        limits: Limits { max_samples: options.query.max_samples, ..Limits::default() },
        ..EvalEnv::default()
    };
    Ok(RuleContext {
        querier,
        env,
        timeout: Duration::from_millis(u64::try_from(options.query.timeout).unwrap_or(0)),
        options: CompileOptions { features: options.query.features },
        external_labels: prepared.external_labels(),
        external_url: external_url.into(),
        common,
        tells_values: prepared.tells_values(),
    })
}

/// Answers from our own series, and from those that are read from elsewhere.
fn local_querier(
    prepared: &Prepared,
    storage: &Tsdb,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Querier>, ServiceError> {
    let endpoints = &prepared.config.remote_read;
    if endpoints.is_empty() {
        return Ok(Arc::new(LocalQuerier::new(Arc::new(storage.clone()))));
    }
    let labels = prepared.external_labels();
    let settings = endpoints.iter().map(|c| RemoteReadSettings::from_config(c, labels.clone())).collect();
    let fanout = FanoutStorage::new(storage.clone(), settings, clock.clone(), &Handle::current());
    let fanout = fanout.map_err(|(i, e)| {
        let defect = endpoints.get(i).map(|endpoint| net::describe(&endpoint.http, &e));
        ServiceError::Config(defect.into_iter().collect())
    })?;
    Ok(Arc::new(FanoutQuerier::new(fanout)))
}

/// The external Alertmanagers.
pub(super) fn alertmanager_sets(prepared: &Prepared) -> Result<Vec<alertmanagers::Set>, ServiceError> {
    alertmanagers::sets(&prepared.config.alerting.alertmanagers).map_err(|d| ServiceError::Config(vec![d]))
}

/// How much is kept: what `storage.tsdb.retention` says counts before flags, as in Prometheus, and these before
/// `watchbell.retention`.
pub fn retention(options: &ServiceOptions, prepared: &Prepared) -> Retention {
    let (config, own) = (&prepared.config.storage.tsdb.retention, prepared.config.watchbell.retention);
    let set = |time: &i64| *time > 0;
    let time = config.time.map(|time| time.millis()).filter(set).or(options.retention.filter(set));
    let time = time.or(own.map(|time| time.millis()));
    let bytes = if config.size.0 > 0 { config.size.0 } else { options.retention_bytes };
    let is_bounded = bytes > 0 || config.percentage > 0.0;
    // Whoever bounds the size alone keeps what fits, however old.
    let time = time.unwrap_or(if is_bounded { 0 } else { DEFAULT_RETENTION_MS });
    Retention { time, bytes, percentage: config.percentage }
}

/// How much of the history is kept.
pub fn history_limits(prepared: &Prepared) -> history::Limits {
    let config = &prepared.config.watchbell.history;
    history::Limits { retention: config.retention.millis(), size: config.size.0 }
}

/// The data directory.
pub fn data_dir(options: &ServiceOptions, prepared: &Prepared) -> PathBuf {
    options.data_dir.clone().unwrap_or_else(|| PathBuf::from(&prepared.config.watchbell.data_dir))
}
