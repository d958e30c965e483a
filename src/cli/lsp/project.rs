//! The files of a project: what rules record, which metrics and labels they name, receivers and templates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use lsp_types::Uri;
use regex::Regex;

use super::super::check_paths::{Kind, below, kind_of_text};
use crate::config::alertmanager::SourceTree;
use crate::config::read_text;
use crate::config::yaml::{Limits, Node, parse as parse_yaml};
use crate::lint::tree::{children, metric};
use crate::model::{METRIC_NAME, Position};
use crate::promql::ast::{Expr, ExprKind};
use crate::promql::{CompileOptions, Features, parse_and};

/// So many files of a project are read.
pub const MOST_FILES: usize = 2_000;
/// So many documents may be open.
const MOST_OPEN: usize = 1_000;
/// So many bytes all open documents may have.
const MOST_OPEN_BYTES: usize = 128 << 20;
/// The largest file that is read, bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// Something that is defined in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: Position,
    /// What it is: a recording rule's expression, else nothing.
    pub text: String,
}

/// What a file defines and names.
#[derive(Debug, Default)]
pub struct Facts {
    /// What rules record.
    pub records: Vec<Definition>,
    /// Receivers.
    pub receivers: Vec<Definition>,
    /// Templates.
    pub templates: Vec<Definition>,
    /// Metrics that expressions read.
    pub metrics: BTreeSet<String>,
    /// Labels that expressions name.
    pub labels: BTreeSet<String>,
}

impl Facts {
    /// Those of a text; nothing when it cannot be read, as while a line of it is being written.
    pub fn of(path: &Path, text: &str) -> Option<Facts> {
        let mut facts = Facts::default();
        match kind_of_text(path, text) {
            Kind::Template => facts.add_templates(text),
            Kind::Rules => {
                for root in parse_yaml(text, Limits::default()).ok()?.roots {
                    facts.collect(&root);
                }
            }
            Kind::Alertmanager => {
                facts.collect(&SourceTree::of("", text)?.root);
                // A Secret carries templates beside its configuration.
                facts.add_templates(text);
            }
            Kind::Unreadable(_) => return None,
            _ => {}
        }
        Some(facts)
    }

    fn collect(&mut self, node: &Node) {
        node.items().unwrap_or_default().iter().for_each(|item| self.collect(item));
        let named = |key: &str| node.get(key).and_then(|value| Some((value.text()?.to_owned(), value.position)));
        if let (Some((expr, _)), Some((name, at))) = (named("expr"), named("record")) {
            self.records.push(Definition { name, at, text: expr });
        }
        for (key, value) in node.entries().unwrap_or_default() {
            match (key.text(), value.text(), value.items()) {
                (Some("expr"), Some(expr), _) => self.add_expression(expr),
                (Some("receivers"), _, Some(receivers)) => {
                    for name in receivers.iter().filter_map(|receiver| receiver.get("name")) {
                        let text = String::new();
                        self.receivers.extend(name.text().map(|n| Definition {
                            name: n.to_owned(),
                            at: name.position,
                            text,
                        }));
                    }
                }
                _ => self.collect(value),
            }
        }
    }

    fn add_expression(&mut self, expr: &str) {
        let options = CompileOptions { features: Features::all() };
        let named = parse_and(expr, &options, |parsed| {
            let mut named = Facts::default();
            named.add_tree(parsed);
            named
        });
        // One that is wrong names nothing.
        if let Ok(named) = named {
            self.metrics.extend(named.metrics);
            self.labels.extend(named.labels);
        }
    }

    fn add_tree(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Vector(selector) | ExprKind::Matrix(selector, _) => {
                self.metrics.extend(metric(selector).map(str::to_owned));
                self.labels.extend(selector.matchers.iter().map(|m| m.name.clone()).filter(|n| n != METRIC_NAME));
            }
            ExprKind::Aggregate(aggregate) => self.labels.extend(aggregate.grouping.labels.iter().cloned()),
            ExprKind::Binary(b) => self.labels.extend(b.modifiers.matching.iter().flat_map(|on| on.labels.clone())),
            _ => {}
        }
        children(expr).into_iter().for_each(|child| self.add_tree(child));
    }

    fn add_templates(&mut self, text: &str) {
        static DEFINE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\{\{-?\s*define\s+"([^"]+)""#).ok());
        for found in DEFINE.iter().flat_map(|define| define.captures_iter(text)) {
            let Some(name) = found.get(1) else { continue };
            let before = text.get(..name.start()).unwrap_or_default();
            let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let at = Position { line: number(before.matches('\n').count()), column: number(column) };
            self.templates.push(Definition { name: name.as_str().to_owned(), at, text: String::new() });
        }
    }
}

/// A document as it is on the screen.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its address.
    pub uri: Uri,
    /// Its text.
    pub text: Arc<str>,
    /// How the client numbers this text.
    pub version: i32,
    /// Which of all texts of the session it is: another one never has the same.
    pub revision: u64,
    /// Its file, where it is one.
    pub path: Option<PathBuf>,
}

/// A project, and what is open of it.
#[derive(Debug, Default)]
pub struct Project {
    /// Its folders: settings of the linter are in the first that has some.
    pub roots: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Facts>,
    /// By address.
    open: BTreeMap<String, Document>,
    revisions: u64,
}

/// What was read of a project's files: facts, or nothing where a file is gone or cannot be read.
pub type FilesRead = Vec<(PathBuf, Option<Facts>)>;

/// Reads files.
pub fn read_files(paths: impl IntoIterator<Item = PathBuf>) -> FilesRead {
    let read = |path: PathBuf| {
        let facts = read_file(&path).and_then(|text| Facts::of(&path, &text));
        (path, facts)
    };
    paths.into_iter().map(read).collect()
}

/// Reads the files of folders, as many as are read of a project, and counts how many there are.
pub fn read_folders(roots: &[PathBuf]) -> (FilesRead, usize) {
    let mut found = Vec::new();
    roots.iter().for_each(|root| below(root, &mut found, 0));
    let count = found.len();
    (read_files(found.into_iter().take(MOST_FILES)), count)
}

impl Project {
    /// Takes what was read of files; of those that are open the screen's text holds.
    pub fn take(&mut self, read: FilesRead) {
        for (path, facts) in read {
            if self.open.values().any(|document| document.path.as_ref() == Some(&path)) {
                continue;
            }
            match facts {
                Some(facts) => self.learn(path, facts),
                None => drop(self.files.remove(&path)),
            }
        }
    }

    fn learn(&mut self, path: PathBuf, facts: Facts) {
        if self.files.len() < MOST_FILES || self.files.contains_key(&path) {
            self.files.insert(path, facts);
        }
    }

    /// Takes a document's text, as it is on the screen; whether there is room for it.
    pub fn open(&mut self, uri: &Uri, version: i32, text: String) -> bool {
        let others = || self.open.iter().filter(|(other, _)| *other != uri.as_str());
        let bytes: usize = others().map(|(_, document)| document.text.len()).sum();
        if others().count() >= MOST_OPEN || bytes.saturating_add(text.len()) > MOST_OPEN_BYTES {
            return false;
        }
        self.revisions += 1;
        let (uri, path) = (uri.clone(), path_of(uri));
        let document = Document { uri, text: text.into(), version, revision: self.revisions, path };
        self.open.insert(document.uri.as_str().to_owned(), document);
        true
    }

    /// Takes what an open document defines and names; of one that cannot be read, what was known holds on.
    pub fn take_facts(&mut self, uri: &str, facts: Option<Facts>) {
        if let (Some(path), Some(facts)) = (self.open.get(uri).and_then(|document| document.path.clone()), facts) {
            self.learn(path, facts);
        }
    }

    /// Forgets a document's text: its file holds again, if it is one of the project. Whether it was open.
    pub fn close(&mut self, uri: &Uri) -> bool {
        let Some(document) = self.open.remove(uri.as_str()) else { return false };
        if let Some(path) = document.path {
            self.files.remove(&path);
            if self.is_own(&path) {
                self.take(read_files([path]));
            }
        }
        true
    }

    /// A file's path from the project's folder on; nothing of a file elsewhere.
    pub fn inside<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        self.roots.iter().find_map(|root| path.strip_prefix(root).ok())
    }

    /// Whether a file is one of the project's: in its folders, and in none that is hidden.
    pub fn is_own(&self, path: &Path) -> bool {
        let is_hidden = |part: Component<'_>| part.as_os_str().to_string_lossy().starts_with('.');
        self.inside(path).is_some_and(|inside| !inside.components().any(is_hidden))
    }

    /// An open document, by its address.
    pub fn document(&self, uri: &str) -> Option<&Document> {
        self.open.get(uri)
    }

    /// The addresses of all open documents.
    pub fn all_open(&self) -> impl Iterator<Item = &String> {
        self.open.keys()
    }

    /// The text of any file, as it is on the screen where it is open.
    pub fn text_of(&self, path: &Path) -> Arc<str> {
        let shown = self.open.values().find(|document| document.path.as_deref() == Some(path));
        shown.map(|document| document.text.clone()).or_else(|| Some(read_file(path)?.into())).unwrap_or_default()
    }

    /// What each file defines and names.
    pub fn facts(&self) -> impl Iterator<Item = (&PathBuf, &Facts)> {
        self.files.iter()
    }
}

/// The text of a file that is none of a device or a pipe, and not too large.
fn read_file(path: &Path) -> Option<String> {
    let about = path.metadata().ok()?;
    if !about.is_file() || about.len() > LARGEST_FILE {
        return None;
    }
    read_text(path).ok()
}

/// The file of an address.
pub fn path_of(uri: &Uri) -> Option<PathBuf> {
    url::Url::parse(uri.as_str()).ok()?.to_file_path().ok()
}

/// The address of a file.
pub fn uri_of(path: &Path) -> Option<Uri> {
    url::Url::from_file_path(path).ok()?.as_str().parse().ok()
}
