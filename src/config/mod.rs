//! The configuration file: a strict superset of Prometheus', with one section of our own, `watchbell`; and Alertmanager's
//! configuration as it is.
//!
//! Everything is read strictly. An unknown key, a wrong type or a bad duration is an error with file, line and column, and
//! all errors of a file are reported at once. Secrets are of type [`secret::Secret`], which does not print itself; what is
//! shown of a file is its tree written anew.

pub mod alerting;
pub mod alertmanager;
pub mod cron;
pub mod discovery;
pub mod features;
pub mod global;
pub mod heartbeat;
pub mod history;
pub mod http;
pub mod identity;
pub mod own;
pub mod protocol;
pub mod redact;
pub mod reference;
pub mod relabel;
pub mod remote;
pub mod scrape;
pub mod secret;
pub mod silences;
pub mod storage;
pub mod traces;
pub mod url;
pub mod web;
pub mod yaml;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

pub use self::alerting::{AlertingConfig, AlertmanagerClientConfig};
pub use self::alertmanager::AlertmanagerConfig;
pub use self::discovery::{Discoveries, FileSdConfig, StaticConfig};
pub use self::global::GlobalConfig;
pub use self::http::HttpClientConfig;
pub use self::own::{Datasource, ParamValues, QueryMethod, RemoteDatasource, WatchbellConfig};
pub use self::protocol::ScrapeProtocol;
pub use self::relabel::{RelabelAction, RelabelConfig};
pub use self::remote::{RemoteReadConfig, RemoteWriteConfig};
pub use self::scrape::ScrapeConfig;
pub use self::secret::Secret;
pub use self::storage::{OtlpConfig, StorageConfig};
pub use self::traces::TracingConfig;
use self::yaml::{Decode, Decoder, MapReader, Notes};
use crate::model::{Diagnostic, Position};
use crate::section;

section! {
    /// A configuration, with every default settled and every path made relative to the file's folder.
    pub struct Config as "configuration" with check {
        /// Defaults of jobs and groups.
        global: GlobalConfig,
        /// Accepted and without effect: settings of Go's run time.
        runtime: Option<RuntimeConfig>,
        /// Globs of rule files.
        rule_files: Vec<String>,
        /// Globs of files with more scrape configs.
        scrape_config_files: Vec<String>,
        /// What is scraped.
        scrape_configs: Vec<ScrapeConfig>,
        /// External Alertmanagers.
        alerting: AlertingConfig,
        /// Where samples are sent on to.
        remote_write: Vec<RemoteWriteConfig>,
        /// Where samples are read from besides.
        remote_read: Vec<RemoteReadConfig>,
        /// Storage.
        storage: StorageConfig,
        /// Where spans go.
        tracing: Option<TracingConfig>,
        /// How OpenTelemetry's metrics are stored.
        otlp: Option<OtlpConfig>,
        /// Our own section.
        watchbell: WatchbellConfig,
    }
}

section! {
    /// Settings of Go's run time.
    pub struct RuntimeConfig as "runtime config" {
        /// Garbage collection's target.
        gogc: i64,
    }
}

/// Where a configuration takes `$VAR` in external labels from.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A configuration and its text for display.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the file says: no comments, secrets masked.
    pub masked: String,
    /// What the files say that cannot be done here, or has no effect.
    pub notes: Notes,
}

impl Config {
    /// Reads a configuration; `file` names it in messages, and relative paths in it start from its folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load_str(file: &str, text: &str, env: Env) -> Result<Loaded, Vec<Diagnostic>> {
        let decoder = Decoder::new(file, text);
        let document = decoder.document();
        let mut config = match &document {
            Some(node) => Config::decode(node, &decoder),
            // An empty file is a configuration of defaults, as in Prometheus.
            None => (decoder.defect_count() == 0).then(Config::default),
        };
        let dir = Path::new(file).parent().unwrap_or(Path::new(""));
        if let Some(config) = &mut config {
            config.resolve_paths(dir);
            config.global.external_labels.values_mut().for_each(|v| *v = global::expand(v, env));
        }
        let masked = document.map(|node| decoder.shown(&node)).unwrap_or_default();
        let mut notes = decoder.take_notes();
        let mut config = decoder.finish(config)?;
        let more = load_scrape_config_files(&config, &mut notes)?;
        config.scrape_configs.extend(more);
        Ok(Loaded { config, masked, notes })
    }

    /// Reads a configuration file, with variables from the environment.
    ///
    /// # Errors
    /// When the file cannot be read; else everything that is wrong with it.
    pub fn load_file(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
        let text = read_text(path)?;
        Config::load_str(&path.to_string_lossy(), &text, &|name| std::env::var(name).ok())
    }

    fn check(&mut self, m: &MapReader) {
        m.warn("runtime", "runtime has no effect: Watchbell has no garbage collector");
        if let Some(tracing) = &self.tracing {
            tracing.check_of_prometheus(m);
        }
        for pattern in self.rule_files.iter().filter(|p| !is_rule_path(p)) {
            m.error("rule_files", format!("invalid rule file path {pattern:?}"));
        }
        for pattern in self.scrape_config_files.iter().filter(|p| !is_rule_path(p)) {
            m.error("scrape_config_files", format!("invalid scrape config file path {pattern:?}"));
        }
        let nodes = m.node_at("scrape_configs").and_then(|n| n.items()).unwrap_or_default();
        let mut names = HashSet::new();
        // Unreadable jobs are left out of the list, so jobs are found again by name.
        for job in &mut self.scrape_configs {
            let mut named = nodes.iter().filter(|n| n.get("job_name").and_then(|v| v.text()) == Some(&job.job_name));
            let repeated = !job.job_name.is_empty() && !names.insert(job.job_name.clone());
            let Some(node) = (if repeated { named.next_back() } else { named.next() }) else { continue };
            job.inherit(&self.global, node, m.decoder());
            if repeated {
                let message = format!("found multiple scrape configs with job name {:?}", job.job_name);
                m.decoder().error(node.get("job_name").unwrap_or(node).position, message);
            }
        }
        let mut names = HashSet::new();
        for remote in &self.remote_read {
            if !remote.name.is_empty() && !names.insert(&remote.name) {
                m.error("remote_read", format!("found multiple remote read configs with job name {:?}", remote.name));
            }
        }
        let mut names = HashSet::new();
        for remote in &self.remote_write {
            if !remote.name.is_empty() && !names.insert(&remote.name) {
                let message = format!("found multiple remote write configs with job name {:?}", remote.name);
                m.error("remote_write", message);
            }
        }
        let names = self.global.metric_name_validation_scheme;
        let alerts = m.node_at("alerting").and_then(|n| n.get("alert_relabel_configs"));
        relabel::check_names(&self.alerting.alert_relabel_configs, alerts, names, m.decoder());
        let nodes = m.node_at("remote_write").and_then(|n| n.items()).unwrap_or_default();
        for (remote, node) in self.remote_write.iter().zip(nodes) {
            let list = node.get("write_relabel_configs");
            relabel::check_names(&remote.write_relabel_configs, list, names, m.decoder());
        }
    }

    fn resolve_paths(&mut self, dir: &Path) {
        let join = |path: &mut String| *path = secret::join_dir(dir, path);
        self.rule_files.iter_mut().for_each(join);
        self.scrape_config_files.iter_mut().for_each(join);
        self.scrape_configs.iter_mut().for_each(|c| c.resolve_paths(dir));
        self.alerting.alertmanagers.iter_mut().for_each(|c| c.resolve_paths(dir));
        self.remote_write.iter_mut().for_each(|c| c.resolve_paths(dir));
        self.remote_read.iter_mut().for_each(|c| c.http.resolve_paths(dir));
        self.watchbell.resolve_paths(dir);
        self.tracing.iter_mut().for_each(|t| t.resolve_paths(dir));
        for log in [&mut self.global.query_log_file, &mut self.global.scrape_failure_log_file] {
            join(log);
        }
    }

    /// The files that `rule_files` names now, sorted, each once.
    pub fn rule_paths(&self) -> Vec<String> {
        expand_globs(&self.rule_files)
    }
}

/// A glob whose wildcards stand in the last part of the path, as Prometheus asks of rule files.
fn is_rule_path(pattern: &str) -> bool {
    let stars_end = pattern.split_once('*').is_none_or(|(_, rest)| !rest.contains(['/', '*']));
    stars_end && glob::Pattern::new(pattern).is_ok()
}

/// The files that match the patterns, sorted, each once.
pub fn expand_globs(patterns: &[String]) -> Vec<String> {
    let matches = patterns.iter().filter_map(|p| glob::glob(p).ok()).flatten().filter_map(Result::ok);
    let mut paths: Vec<String> = matches.map(|p| p.to_string_lossy().into_owned()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Reads a text file.
///
/// # Errors
/// One diagnostic that names the file.
pub fn read_text(path: &Path) -> Result<String, Vec<Diagnostic>> {
    let name: Arc<str> = path.to_string_lossy().into();
    let fail = |message: String| vec![Diagnostic::new(&name, Position::default(), message)];
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        fail(format!("byte {valid} is not UTF-8"))
    })
}

section! {
    /// A file of more scrape configs.
    pub struct ScrapeConfigFile as "scrape config file" {
        /// What is scraped.
        scrape_configs: Vec<ScrapeConfig>,
    }
}

fn load_scrape_config_files(config: &Config, notes: &mut Notes) -> Result<Vec<ScrapeConfig>, Vec<Diagnostic>> {
    let mut names: HashSet<String> = config.scrape_configs.iter().map(|c| c.job_name.clone()).collect();
    let (mut all, mut defects) = (Vec::new(), Vec::new());
    for path in expand_globs(&config.scrape_config_files) {
        match load_scrape_config_file(Path::new(&path), &config.global, &mut names, notes) {
            Ok(jobs) => all.extend(jobs),
            Err(more) => defects.extend(more),
        }
    }
    if defects.is_empty() { Ok(all) } else { Err(defects) }
}

fn load_scrape_config_file(
    path: &Path,
    global: &GlobalConfig,
    names: &mut HashSet<String>,
    notes: &mut Notes,
) -> Result<Vec<ScrapeConfig>, Vec<Diagnostic>> {
    let text = read_text(path)?;
    let decoder = Decoder::new(&*path.to_string_lossy(), &text);
    let Some(node) = decoder.document() else { return decoder.finish(None) };
    let mut file = ScrapeConfigFile::decode(&node, &decoder);
    for job in file.iter_mut().flat_map(|f| &mut f.scrape_configs) {
        // What it inherits is relative to the main file, and settled.
        job.resolve_paths(path.parent().unwrap_or(Path::new("")));
        job.inherit(global, &node, &decoder);
        if !names.insert(job.job_name.clone()) {
            let message = format!("found multiple scrape configs with job name {:?}", job.job_name);
            decoder.error(node.position, message);
        }
    }
    notes.extend(decoder.take_notes());
    decoder.finish(file.map(|f| f.scrape_configs))
}
