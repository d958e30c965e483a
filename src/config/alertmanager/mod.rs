//! Alertmanager's configuration, with its defaults and its checks: the verdicts are those of `amtool check-config`.

mod checks;
mod global;
mod kubernetes;
pub mod matchers;
mod operator;
pub mod receivers;
mod route;
mod time_interval;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::global::{Global, HostPort};
use self::kubernetes::Carried;
use self::operator::Maker;
pub use self::operator::{Beside, Secrets};
pub use self::receivers::Receiver;
pub use self::route::{GroupBy, InhibitRule, InhibitSource, MatchEqual, MatchRegex, Matchers, RouteConfig};
pub use self::time_interval::{
    DayRange, Location, MonthRange, NamedTimeInterval, TimeIntervalConfig, TimeRange, WeekdayRange, YearRange,
};
use super::own::RoutingExtras;
use super::traces::TracingConfig;
use super::yaml::{Decode, Decoder, FirstLines, Node, Sparse, Value};
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
    /// What AlertmanagerConfig objects say without effect, or count on without being in the files.
    pub notes: Vec<Diagnostic>,
}

impl AlertmanagerConfig {
    /// Reads a configuration, plain or in a Kubernetes object; relative paths in it start from the file's folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load_str(file: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
        AlertmanagerConfig::load(file, text, Secrets::Needed)
    }

    /// The same, saying what becomes of Secrets that AlertmanagerConfig objects name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(file: &str, text: &str, secrets: Secrets<'_>) -> Result<Loaded, Vec<Diagnostic>> {
        AlertmanagerConfig::load_with(Decoder::new(file, text), secrets, None)
    }

    /// Reads the objects of several files as if they were in one.
    ///
    /// # Errors
    /// When a file cannot be read; else everything that is wrong with them.
    pub fn load_files(paths: &[PathBuf], secrets: Secrets<'_>) -> Result<Loaded, Vec<Diagnostic>> {
        let (files, text) = joined(paths)?;
        AlertmanagerConfig::load_with(Decoder::of_files(files, &text), secrets, paths.get(1).map(PathBuf::as_path))
    }

    /// `second` is the second of several files.
    fn load_with(decoder: Decoder, secrets: Secrets<'_>, second: Option<&Path>) -> Result<Loaded, Vec<Diagnostic>> {
        let documents = decoder.documents();
        let file = decoder.file().clone();
        let dir = Path::new(&*file).parent().unwrap_or(Path::new(""));
        let objects = operator::objects(&documents);
        if objects.iter().any(|object| operator::is_config(object)) {
            let root = of_objects(&objects, &decoder, secrets);
            return load(decoder, root, dir);
        }
        if let (Some(second), 0) = (second, decoder.defect_count()) {
            let message = "expected one file, or AlertmanagerConfig objects among several, found none";
            return Err(vec![Diagnostic::new(&second.to_string_lossy().into(), Position::default(), message)]);
        }
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

    /// The same, saying what becomes of Secrets that AlertmanagerConfig objects name.
    ///
    /// # Errors
    /// As [`AlertmanagerConfig::load_file`].
    pub fn load_file_with(path: &Path, secrets: Secrets<'_>) -> Result<Loaded, Vec<Diagnostic>> {
        AlertmanagerConfig::load(&path.to_string_lossy(), &read_text(path)?, secrets)
    }

    /// The template files that `templates` names now, sorted, each once.
    pub fn template_paths(&self) -> Vec<String> {
        super::expand_globs(&self.templates)
    }

    /// Where a field of an integration stands in a configuration's text: `path` leads from its list of integrations
    /// (`slack_configs`) to it. What is not written there is where what would hold it begins; unknown in a text that is
    /// encoded in an object.
    pub fn position_of(text: &str, receiver: &str, list: &str, index: usize, path: &str) -> Position {
        let Some(SourceTree { root, .. }) = SourceTree::of("", text).filter(|tree| tree.file.is_empty()) else {
            return Position::default();
        };
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
    /// On which line of the text each of several files begins; the places are those of the text.
    files: FirstLines,
}

impl SourceTree {
    /// The tree of a configuration, plain or in Kubernetes objects; `None` where there is none.
    pub fn of(file: &str, text: &str) -> Option<Self> {
        SourceTree::read(&Decoder::new(file, text))
    }

    /// The same of several files.
    pub fn of_files(paths: &[PathBuf]) -> Option<Self> {
        let (files, text) = joined(paths).ok()?;
        SourceTree::read(&Decoder::of_files(files, &text))
    }

    /// The file and the line in it of a line of the text.
    pub fn line(&self, line: u32) -> (Arc<str>, u32) {
        let (file, at) = Decoder::of_files(self.files.clone(), "").spot(Position { line, column: 1 });
        if self.files.is_empty() { (self.file.as_str().into(), line) } else { (file, at.line) }
    }

    fn read(d: &Decoder) -> Option<Self> {
        let documents = d.documents();
        let objects = operator::objects(&documents);
        let tree = |file: String, text: &str, root: Node, is_object: bool| {
            Some(SourceTree { file, text: text.into(), root, is_object, files: d.files().clone() })
        };
        let file = d.file().to_string();
        if objects.iter().any(|object| operator::is_config(object)) {
            let root = of_objects(&objects, d, Secrets::Unread(&Beside::default()))?;
            return tree(file, d.source(), root, true);
        }
        match kubernetes::find(&documents, d)? {
            Carried::Plain(root) => tree(file, d.source(), root.clone(), false),
            Carried::Text(node) => {
                let inner = Decoder::within(d, node);
                let root = placed(&inner.document()?, &inner);
                tree(file, inner.source(), root, true)
            }
            Carried::Encoded(key, text) => {
                let root = Decoder::new("", &text).document()?;
                tree(format!("{file}[{key}]"), &text, root, true)
            }
        }
    }
}

/// The documents of several files as one text, and on which line of it each file begins.
fn joined(paths: &[PathBuf]) -> Result<(FirstLines, String), Vec<Diagnostic>> {
    let (mut text, mut files, mut line) = (String::new(), Vec::new(), 1u32);
    for path in paths {
        let one = read_text(path)?;
        let one = one.strip_prefix('\u{feff}').unwrap_or(&one);
        if !text.is_empty() {
            text.push_str("\n---\n");
            line = line.saturating_add(2);
        }
        files.push((line, Arc::from(path.to_string_lossy())));
        text.push_str(one);
        line = line.saturating_add(u32::try_from(one.matches('\n').count()).unwrap_or(u32::MAX));
    }
    Ok((files, text))
}

/// What AlertmanagerConfig objects come to, with the configuration beside them.
fn of_objects(objects: &[&Node], d: &Decoder, secrets: Secrets<'_>) -> Option<Node> {
    let make = Maker::beside(d);
    let before = d.defect_count();
    let base = base(objects, d, &make);
    let root = operator::configuration(objects, base, d, &make, secrets);
    root.filter(|_| d.defect_count() == before)
}

/// The configuration to which AlertmanagerConfig objects are added, where the file has one. Its places are the file's, and
/// those of its value where it is encoded.
fn base(objects: &[&Node], d: &Decoder, make: &Maker) -> Option<Node> {
    let (carrier, carried) = kubernetes::among(objects, d)?;
    let moved = |root: Node, length: usize, place: &dyn Fn(&Node) -> Position| {
        make.moved(&root, make.reserve(length), &|node| Node { position: place(node), ..node.clone() })
    };
    match carried {
        Carried::Plain(root) => Some(root.clone()),
        Carried::Text(node) => {
            let inner = Decoder::within(d, node);
            let root = inner.document();
            let length = inner.source().len();
            let root = root.map(|root| moved(root, length, &|node| inner.place_outside(node.position)));
            d.adopt(inner.into_diagnostics());
            root
        }
        Carried::Encoded(key, text) => {
            let inner = Decoder::new("", &text);
            let root = inner.document();
            for defect in inner.into_diagnostics() {
                d.error(carrier.position, format!("{key}, line {}: {}", defect.position.line, defect.message));
            }
            root.map(|root| moved(root, text.len(), &|_| carrier.position))
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
    let notes = decoder.take_notes().warnings;
    decoder.finish(config).map(|config| Loaded { config, masked, notes })
}
