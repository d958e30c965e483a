//! All that is checked together: rule files and Alertmanager configurations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::data::Data;
use super::finding::Spot;
use super::labels::Recorded;
use crate::config::alertmanager::SourceTree;
use crate::config::yaml::{Limits, Node, parse};
use crate::config::{AlertmanagerConfig, Config};
use crate::model::Position;
use crate::promql::{CompileOptions, Features, parse_and};
use crate::rules::{Rule, RuleGroup, RuleKind};

/// A file of rules that loads.
pub struct RuleFile {
    /// As the user named it.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// What it holds.
    pub groups: Vec<RuleGroup>,
    /// What its rules record.
    pub recorded: Recorded,
    /// The mapping of each rule, by its place.
    nodes: BTreeMap<Position, Node>,
}

/// An Alertmanager configuration that loads.
pub struct RoutingFile {
    /// As the user named it.
    pub name: Arc<str>,
    /// The configuration's own text, of an object's the part that holds it.
    pub text: Arc<str>,
    /// What it says.
    pub config: AlertmanagerConfig,
    /// Its tree.
    pub root: Node,
    /// It is in a Kubernetes object.
    pub is_object: bool,
}

/// Everything of one run.
#[derive(Default)]
pub struct Corpus {
    /// Rule files, in the order given.
    pub rules: Vec<RuleFile>,
    /// Alertmanager configurations.
    pub routing: Vec<RoutingFile>,
    /// The shortest scrape interval that a configuration among the files names, milliseconds.
    pub scrape_interval: Option<i64>,
    /// The evaluation interval that a configuration among the files names, milliseconds.
    pub evaluation_interval: Option<i64>,
    /// The names of the external labels of the configurations among the files; `None` where there is no configuration.
    pub external_labels: Option<BTreeSet<String>>,
    /// What the rules are held against, where that is given.
    pub data: Option<Data>,
    /// Features of the language that expressions may use.
    pub features: Features,
}

impl Corpus {
    /// Adds a file of rules; one that is there already is not added again.
    pub fn add_rules(&mut self, name: &str, text: &str, groups: Vec<RuleGroup>) {
        if self.rules.iter().any(|file| *file.name == *name) {
            return;
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut nodes = BTreeMap::new();
        for root in parse(text, Limits::default()).map(|documents| documents.roots).unwrap_or_default() {
            collect(&root, &mut nodes);
        }
        let mut file = RuleFile { name: name.into(), text: text.into(), groups, recorded: Recorded::default(), nodes };
        // Rules may read what rules further down record.
        for _ in 0..2 {
            file.recorded = recorded(&file, &self.options());
        }
        self.rules.push(file);
    }

    /// Adds an Alertmanager configuration.
    pub fn add_routing(&mut self, name: &str, text: &str, config: AlertmanagerConfig) {
        if self.routing.iter().any(|file| *file.name == *name) {
            return;
        }
        if let Some(SourceTree { file, text, root, is_object, .. }) = SourceTree::of(name, text) {
            self.routing.push(RoutingFile { name: file.into(), text: text.into(), config, root, is_object });
        }
    }

    /// Adds what a configuration says of intervals and external labels.
    pub fn add_config(&mut self, config: &Config) {
        let shortest = |known: Option<i64>, more: i64| Some(known.map_or(more, |known| known.min(more)));
        let scrapes = config.scrape_configs.iter().map(|scrape| scrape.scrape_interval.millis());
        self.scrape_interval = scrapes.filter(|ms| *ms > 0).fold(self.scrape_interval, shortest);
        let evaluation = config.global.evaluation_interval.millis();
        self.evaluation_interval = shortest(self.evaluation_interval, evaluation);
        self.external_labels.get_or_insert_default().extend(config.global.external_labels.keys().cloned());
    }

    /// How expressions are read.
    pub fn options(&self) -> CompileOptions {
        CompileOptions { features: self.features }
    }

    /// Every rule with its file and group.
    pub fn all(&self) -> impl Iterator<Item = (&RuleFile, &RuleGroup, &Rule)> {
        self.rules.iter().flat_map(|file| {
            file.groups.iter().flat_map(move |group| group.rules.iter().map(move |rule| (file, group, rule)))
        })
    }
}

impl RuleFile {
    /// A rule's mapping.
    pub fn node(&self, rule: &Rule) -> Option<&Node> {
        self.nodes.get(&rule.position)
    }

    /// Where a rule's name stands.
    pub fn head(&self, rule: &Rule) -> Spot {
        let Some(node) = self.node(rule) else { return Spot::point(&self.name, rule.position) };
        let named = ["alert", "record"].iter().find_map(|key| node.get(key)).unwrap_or(node);
        let mut spot = Spot { around: self.lines_of(node), ..Spot::point(&self.name, named.position) };
        let length = u32::try_from(rule.name.chars().count()).unwrap_or(0);
        spot.to.column = spot.from.column.saturating_add(length);
        spot
    }

    /// First and last line of a mapping.
    pub fn lines_of(&self, node: &Node) -> (u32, u32) {
        lines_of(&self.text, node)
    }
}

/// First and last line of a part of a text, up to the end of its last value.
pub fn lines_of(text: &str, node: &Node) -> (u32, u32) {
    let items = node.items().unwrap_or_default().iter();
    let values = node.entries().unwrap_or_default().iter().map(|(_, value)| value);
    let last = items.chain(values).map(|inner| lines_of(text, inner).1).max();
    let own = || {
        let inside = text.get(node.start..node.end).unwrap_or_default().trim_end();
        let more = u32::try_from(inside.bytes().filter(|b| *b == b'\n').count()).unwrap_or(0);
        node.position.line.saturating_add(more)
    };
    (node.position.line, last.unwrap_or_else(own))
}

/// Finds the mappings that have an expression.
fn collect(node: &Node, into: &mut BTreeMap<Position, Node>) {
    if node.get("expr").is_some() && (node.get("alert").is_some() || node.get("record").is_some()) {
        into.insert(node.position, node.clone());
        return;
    }
    for inner in node.items().unwrap_or_default() {
        collect(inner, into);
    }
    for (_, inner) in node.entries().unwrap_or_default() {
        collect(inner, into);
    }
}

/// What the rules of a file record, with what is known so far of what they read.
fn recorded(file: &RuleFile, options: &CompileOptions) -> Recorded {
    let mut recorded = Recorded::default();
    for group in &file.groups {
        for rule in group.rules.iter().filter(|rule| rule.kind == RuleKind::Recording) {
            let own = group.labels.iter().chain(&rule.labels).map(|(name, _)| name.as_str());
            if let Ok(labels) = parse_and(&rule.expr, options, |expr| file.recorded.labels_of(expr)) {
                recorded.add(&rule.name, labels.with(own));
            }
        }
    }
    recorded
}
