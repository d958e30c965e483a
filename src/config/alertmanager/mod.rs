//! Alertmanager's configuration, with its defaults and its checks: the verdicts are those of `amtool check-config`.

mod checks;
mod global;
mod kubernetes;
pub mod matchers;
pub mod receivers;
mod route;
mod time_interval;

use std::path::Path;

pub use self::global::{Global, HostPort};
use self::kubernetes::Carried;
pub use self::receivers::Receiver;
pub use self::route::{GroupBy, InhibitRule, InhibitSource, MatchEqual, MatchRegex, Matchers, RouteConfig};
pub use self::time_interval::{
    DayRange, Location, MonthRange, NamedTimeInterval, TimeIntervalConfig, TimeRange, WeekdayRange, YearRange,
};
use super::own::RoutingExtras;
use super::traces::TracingConfig;
use super::yaml::{Decode, Decoder, Node, Sparse, Value};
use super::{read_text, secret};
use crate::model::{Diagnostic, Position};
use crate::section;

section! {
    /// A configuration, with the global section's values filled into receivers.
    pub struct AlertmanagerConfig as "alertmanager configuration" with check {
        /// Defaults of receivers.
        global: Global,
        /// The root of the routing tree.
        route: Option<Box<RouteConfig>>,
        /// What mutes what.
        inhibit_rules: Sparse<InhibitRule>,
        /// Whom to tell, and how.
        receivers: Sparse<Receiver>,
        /// Globs of template files.
        templates: Vec<String>,
        /// Named intervals; those of the deprecated `mute_time_intervals` too.
        time_intervals: Sparse<NamedTimeInterval>,
        /// The deprecated name of that; empty once read.
        mute_time_intervals: Sparse<NamedTimeInterval>,
        /// Where spans go.
        tracing: Option<TracingConfig>,
        /// Refused where a service is built.
        event_recorder: Option<checks::EventRecorder>,
        /// Ours.
        watchbell: RoutingExtras,
    }
}

/// A configuration and its text for display.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: AlertmanagerConfig,
    /// What it says, and what it leaves out: no comments, secrets masked.
    pub masked: String,
}

impl AlertmanagerConfig {
    /// Reads a configuration, plain or in a Kubernetes object; relative paths in it start from the file's folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load_str(file: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
        let decoder = Decoder::new(file, text);
        let documents = decoder.documents();
        let dir = Path::new(file).parent().unwrap_or(Path::new(""));
        match kubernetes::find(&documents, &decoder) {
            None => {
                if decoder.defect_count() == 0 {
                    decoder.error(Position::default(), "no route provided in config");
                }
                decoder.finish(None)
            }
            Some(Carried::Plain(root)) => {
                let root = root.clone();
                load(decoder, Some(root), dir)
            }
            Some(Carried::Text(node)) => {
                let inner = Decoder::within(&decoder, node);
                let root = inner.document();
                load(inner, root, dir)
            }
            Some(Carried::Encoded(key, text)) => {
                let inner = Decoder::new(format!("{file}[{key}]"), &text);
                let root = inner.document();
                load(inner, root, dir)
            }
        }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// When the file cannot be read; else everything that is wrong with it.
    pub fn load_file(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
        AlertmanagerConfig::load_str(&path.to_string_lossy(), &read_text(path)?)
    }

    /// The template files that `templates` names now, sorted, each once.
    pub fn template_paths(&self) -> Vec<String> {
        super::expand_globs(&self.templates)
    }

    /// Where a field of an integration stands in a configuration's text: `path` leads from its list of integrations
    /// (`slack_configs`) to it. What is not written there is where what would hold it begins; unknown in a Secret.
    pub fn position_of(text: &str, receiver: &str, list: &str, index: usize, path: &str) -> Position {
        let Some(root) = Decoder::new("", text).document() else { return Position::default() };
        let receivers = root.get("receivers").and_then(Node::items).unwrap_or_default();
        let named = receivers.iter().find(|r| r.get("name").and_then(Node::text) == Some(receiver));
        let Some(mut node) = named.and_then(|r| r.get(list)?.items()?.get(index)) else { return Position::default() };
        for part in path.split('.') {
            let Some(inner) = node.get(part) else { break };
            node = inner;
        }
        node.position
    }

    fn resolve_paths(&mut self, dir: &Path) {
        self.templates.iter_mut().for_each(|t| *t = secret::join_dir(dir, t));
        self.global.http_config.resolve_paths(dir);
        if let Some(tls) = &mut self.global.smtp_tls_config {
            tls.resolve_paths(dir);
        }
        self.tracing.iter_mut().for_each(|t| t.resolve_paths(dir));
        self.watchbell.resolve_paths(dir);
        self.receivers.0.iter_mut().for_each(|r| r.resolve_paths(dir));
    }
}

/// A configuration's tree, for tools that look at it: every place is one of the file.
#[derive(Clone, Debug)]
pub struct SourceTree {
    /// The file, or the key of the object in it whose text was encoded.
    pub file: String,
    /// The configuration's own text, to which the nodes' bytes refer.
    pub text: String,
    /// The configuration.
    pub root: Node,
    /// It is in a Kubernetes object.
    pub is_object: bool,
}

impl SourceTree {
    /// The tree of a configuration, plain or in a Kubernetes object; `None` where there is none.
    pub fn of(file: &str, text: &str) -> Option<Self> {
        let decoder = Decoder::new(file, text);
        let documents = decoder.documents();
        match kubernetes::find(&documents, &decoder)? {
            Carried::Plain(root) => Some(SourceTree {
                file: file.into(),
                text: decoder.source().into(),
                root: root.clone(),
                is_object: false,
            }),
            Carried::Text(node) => {
                let inner = Decoder::within(&decoder, node);
                let root = placed(&inner.document()?, &inner);
                Some(SourceTree { file: file.into(), text: inner.source().into(), root, is_object: true })
            }
            Carried::Encoded(key, text) => {
                let root = Decoder::new("", &text).document()?;
                Some(SourceTree { file: format!("{file}[{key}]"), text, root, is_object: true })
            }
        }
    }
}

/// A tree with the places that a decoder makes of its own.
fn placed(node: &Node, decoder: &Decoder) -> Node {
    let value = match &node.value {
        Value::Scalar(..) => node.value.clone(),
        Value::Sequence(items) => Value::Sequence(items.iter().map(|item| placed(item, decoder)).collect()),
        Value::Mapping(entries) => {
            Value::Mapping(entries.iter().map(|(k, v)| (placed(k, decoder), placed(v, decoder))).collect())
        }
    };
    Node { value, position: decoder.place(node.position), ..node.clone() }
}

/// Reads a document.
fn load(decoder: Decoder, root: Option<Node>, dir: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let Some(root) = root else {
        if decoder.defect_count() == 0 {
            decoder.error(Position::default(), "no route provided in config");
        }
        return decoder.finish(None);
    };
    let mut config = AlertmanagerConfig::decode(&root, &decoder);
    if let Some(config) = &mut config {
        config.resolve_paths(dir);
    }
    let masked = decoder.shown_with_defaults(&root);
    decoder.finish(config).map(|config| Loaded { config, masked })
}
