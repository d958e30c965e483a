//! Reading everything a configuration names, and reporting every defect of all of it.

use std::path::Path;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::spec::GroupDefaults;
use crate::config::alertmanager::{self, AlertmanagerConfig};
use crate::config::{self, Config, Datasource, TracingConfig, silences};
use crate::engine::{Outgoing, Relabel, Setup};
use crate::ingest::relabel;
use crate::model::{Diagnostic, Labels};
use crate::notify::receivers::check;
use crate::notify::templates;
use crate::promql::Features;
use crate::routing::{RoutingConfig, Silence};
use crate::rules::{self, LoadOptions, RuleGroup};
use crate::server::rule_tests::RuleTests;
use crate::template::alertmanager::{Templates, VALUE};

use super::checks;
use super::options::Source;
use super::packs::{self, Pack};

/// The configuration of a service started without one; `{listen}` is where it listens.
const BUILT_IN: &str = "\
global:
  scrape_interval: 5s
  evaluation_interval: 5s
scrape_configs:
  - job_name: watchbell
    static_configs:
      - targets: [\"{listen}\"]
";

/// A configuration with everything it names, read and checked.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The configuration.
    pub config: Config,
    /// Its text with secrets masked.
    pub masked: String,
    /// Rule groups of all rule files.
    pub groups: Vec<RuleGroup>,
    /// The routing configuration, if there is one, and its text with secrets masked.
    pub alertmanager: Option<(Arc<AlertmanagerConfig>, String)>,
    /// Message templates.
    pub templates: Arc<Templates>,
    /// Silences that the configuration keeps.
    pub silences: Vec<Silence>,
    /// Where rules are tested.
    pub tests: Arc<RuleTests>,
    /// What of the configuration has no effect, or will fail when it is used.
    pub notes: Vec<Diagnostic>,
}

impl Prepared {
    /// Reads a configuration and all files it names. `listen` is where the service listens, or will by default.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn read(source: &Source, features: Features, listen: Option<&str>) -> Result<Prepared, Vec<Diagnostic>> {
        match source {
            Source::File(path) => Prepared::from_file(path, features),
            Source::Alertmanager(path) => Prepared::alertmanager(path),
            Source::BuiltIn => Prepared::built_in(features, listen, &packs::RULES),
            Source::Demo => Prepared::built_in(features, listen, &packs::DEMO_RULES),
        }
    }

    fn from_file(path: &Path, features: Features) -> Result<Prepared, Vec<Diagnostic>> {
        let config::Loaded { mut config, masked, notes } = Config::load_file(path)?;
        let mut defects = notes.refused;
        let mut groups = Vec::new();
        for file in config.rule_paths() {
            let read = config::read_text(Path::new(&file));
            let options = LoadOptions { names: config.global.metric_name_validation_scheme, ..options(features) };
            match read.and_then(|text| rules::load_str(&file, &text, &options)) {
                Ok(more) => groups.extend(more),
                Err(more) => defects.extend(more),
            }
        }
        let routing = match config.watchbell.alertmanager_config.as_str() {
            "" => None,
            file => AlertmanagerConfig::load_file(Path::new(file)).map_err(|more| defects.extend(more)).ok(),
        };
        let templates = routing.as_ref().map(|r| templates::read(&r.config, &mut defects)).unwrap_or_default();
        defects.extend(routing.iter().flat_map(|r| r.config.refused()));
        defects.extend(config.tracing.iter().filter_map(TracingConfig::refused));
        routing.iter().for_each(|routing| config.watchbell.adopt(&routing.config.watchbell));
        let silences = read_silences(&config, &mut defects);
        if !defects.is_empty() {
            return Err(defects);
        }
        let mut prepared = Prepared::new(config, masked, groups, routing, templates);
        let (tests, unread) = RuleTests::read(&prepared.config.watchbell.test_files);
        prepared.notes.extend(notes.warnings.into_iter().chain(unread));
        Ok(Prepared { silences, tests: Arc::new(tests), ..prepared })
    }

    /// Routing alone.
    fn alertmanager(path: &Path) -> Result<Prepared, Vec<Diagnostic>> {
        let routing = AlertmanagerConfig::load_file(path)?;
        let mut defects = Vec::new();
        let templates = templates::read(&routing.config, &mut defects);
        defects.extend(routing.config.refused());
        defects.extend(checks::plots_without_rules(path, &routing.config));
        let mut config = Config::default();
        config.watchbell.adopt(&routing.config.watchbell);
        let silences = read_silences(&config, &mut defects);
        if !defects.is_empty() {
            return Err(defects);
        }
        let masked = routing.masked.clone();
        let prepared = Prepared::new(config, masked, Vec::new(), Some(routing), templates);
        Ok(Prepared { silences, ..prepared })
    }

    fn built_in(features: Features, listen: Option<&str>, packs: &[Pack]) -> Result<Prepared, Vec<Diagnostic>> {
        let listen = listen.unwrap_or(config::own::DEFAULT_LISTEN_ADDRESS);
        // Whoever listens everywhere can be scraped here.
        let target = listen.replacen("0.0.0.0", "127.0.0.1", 1);
        let text = BUILT_IN.replace("{listen}", &target);
        let config::Loaded { config, masked, .. } = Config::load_str("built-in configuration", &text, &|_| None)?;
        let (mut groups, mut defects) = (Vec::new(), Vec::new());
        for pack in packs {
            match rules::load_str(pack.name, pack.text, &options(features)) {
                Ok(more) => groups.extend(more),
                Err(more) => defects.extend(more),
            }
        }
        if !defects.is_empty() {
            return Err(defects);
        }
        let routing = AlertmanagerConfig::load_str(packs::MISSION_ROUTING.name, packs::MISSION_ROUTING.text)?;
        Ok(Prepared::new(config, masked, groups, Some(routing), Templates::default()))
    }

    fn new(
        config: Config,
        masked: String,
        groups: Vec<RuleGroup>,
        routing: Option<alertmanager::Loaded>,
        templates: Templates,
    ) -> Self {
        let notes = routing.iter().flat_map(|loaded| &loaded.notes).cloned().collect();
        let alertmanager = routing.map(|loaded| (Arc::new(loaded.config), loaded.masked));
        let templates = Arc::new(templates);
        let (silences, tests) = (Vec::new(), Arc::default());
        Prepared { config, masked, groups, alertmanager, templates, silences, tests, notes }
    }

    /// What a service with this configuration could not build, or would fail at each use of.
    pub fn unbuildable(&self) -> Vec<Diagnostic> {
        let mut defects = checks::unbuildable(&self.config);
        defects.extend(self.alertmanager.iter().flat_map(|(config, _)| checks::unbuildable_receivers(config)));
        defects
    }

    /// What does not keep the configuration from being used, and costs something all the same: keys of rules without
    /// effect, sections without effect, and templates of receivers that fail.
    pub fn warnings(&self, source: &Source) -> Vec<Diagnostic> {
        let mut notes = self.notes.clone();
        notes.extend(self.groups.iter().flat_map(|g| &g.notes).cloned());
        if matches!(self.config.watchbell.datasource, Datasource::Local) {
            let spoken = self.groups.iter().filter(|g| g.terms.is_some());
            notes.extend(spoken.map(|g| {
                let text = "params, headers, tenant and source_tenants have no effect: rules query the local database";
                Diagnostic::new(&g.file, g.position, text)
            }));
        }
        notes.extend(self.receiver_warnings(source));
        notes
    }

    fn receiver_warnings(&self, source: &Source) -> Vec<Diagnostic> {
        let Some((config, _)) = &self.alertmanager else { return Vec::new() };
        let file = match source {
            Source::Alertmanager(path) => path.to_string_lossy().into_owned(),
            _ => self.config.watchbell.alertmanager_config.clone(),
        };
        // It was read a moment ago; without it the warnings have no places.
        let text = config::read_text(Path::new(&file)).unwrap_or_default();
        check::warnings(&file, &text, config, &self.templates)
    }

    /// Where spans go: what the configuration says, else what the routing configuration does.
    pub fn tracing(&self) -> Option<&TracingConfig> {
        let of_routing = || self.alertmanager.as_ref().and_then(|(config, _)| config.tracing.as_ref());
        self.config.tracing.as_ref().or_else(of_routing)
    }

    /// Labels of everything that leaves this instance.
    pub fn external_labels(&self) -> Labels {
        Labels::from_pairs(self.config.global.external_labels.clone())
    }

    /// What the engine works on.
    pub fn setup(&self, external_url: &str) -> Setup {
        let global = &self.config.global;
        let defaults = GroupDefaults {
            interval: global.evaluation_interval.millis(),
            query_offset: global.rule_query_offset.millis(),
        };
        Setup {
            groups: self.groups.iter().map(|g| Arc::new(GroupSpec::of(g, &defaults))).collect(),
            routing: self.alertmanager.as_ref().map(|(config, _)| Arc::new(RoutingConfig::of(config))),
            silences: self.silences.clone(),
            outgoing: Outgoing { external_labels: self.external_labels(), relabel: self.relabelling() },
            tells_values: self.tells_values(),
            external_alertmanagers: !self.config.alerting.alertmanagers.is_empty(),
            external_url: external_url.into(),
        }
    }

    /// Whether a message tells what alerts measure.
    pub fn tells_values(&self) -> bool {
        self.alertmanager.iter().any(|(_, text)| text.contains(VALUE)) || self.templates.tell_values()
    }

    fn relabelling(&self) -> Option<Relabel> {
        let rules = self.config.alerting.alert_relabel_configs.clone();
        let relabel = move |labels: &Labels| relabel::process(labels, &rules);
        (!self.config.alerting.alert_relabel_configs.is_empty()).then(|| Arc::new(relabel) as Relabel)
    }
}

/// The silences of the files that the configuration names.
fn read_silences(config: &Config, defects: &mut Vec<Diagnostic>) -> Vec<Silence> {
    match silences::load(&config.watchbell.silences) {
        Ok(silences) => silences.iter().map(|(file, silence)| Silence::configured(file, silence)).collect(),
        Err(more) => {
            defects.extend(more);
            Vec::new()
        }
    }
}

fn options(features: Features) -> LoadOptions {
    LoadOptions { features, ..LoadOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configurations_load_with_their_packs() {
        let prepared = Prepared::read(&Source::BuiltIn, Features::default(), Some("0.0.0.0:1234")).unwrap();
        let targets = &prepared.config.scrape_configs[0].discovery.static_configs[0].targets;
        assert_eq!(*targets, ["127.0.0.1:1234"]);
        let setup = prepared.setup("http://localhost");
        let has = |setup: &Setup, name: &str| setup.groups.iter().any(|g| &*g.key.name == name);
        assert!(has(&setup, "watchbell-alive") && !has(&setup, "inference-sla"), "there is nothing to infer");
        assert_eq!(setup.groups[0].interval, 5_000);
        let demo = Prepared::read(&Source::Demo, Features::default(), None).unwrap().setup("http://localhost");
        assert!(has(&demo, "watchbell-alive") && has(&demo, "inference-sla"));
        assert!(setup.routing.is_some());
    }

    #[test]
    fn defects_of_all_files_are_reported_together() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.yml", "groups: [{name: a, rules: [{record: x, expr: 'sum('}]}]");
        write("b.yml", "groups: [{name: b, rules: [{alert: y, expr: up, for: 5}]}]");
        write("am.yml", "route: {receiver: nobody}\nreceivers: []\n");
        let text = "rule_files: ['*.yml', 'am.yml']\nwatchbell: {alertmanager_config: am.yml}\n";
        write("w.yaml", &text.replace("'*.yml', 'am.yml'", "'[ab].yml'"));
        let source = Source::File(dir.path().join("w.yaml"));
        let defects = Prepared::read(&source, Features::default(), None).unwrap_err();
        let all: Vec<String> = defects.iter().map(ToString::to_string).collect();
        for file in ["a.yml", "b.yml", "am.yml"] {
            assert!(all.iter().any(|d| d.contains(file)), "{file}: {all:?}");
        }
    }
}
