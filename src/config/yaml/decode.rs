//! Strict decoding: sections out of trees, every defect collected.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::defaults::{Taken, complete};
use super::locate::{locate, offset_of};
use super::node::Node;
use super::parse::{Documents, Limits, parse};
use super::print::print;
use super::shape::Shape;
use crate::model::{Diagnostic, Position};

/// What a value of a file decodes into. A value that cannot be read reports why to the decoder and gives `None`.
pub trait Decode: Sized {
    /// Reads the value.
    fn decode(node: &Node, decoder: &Decoder) -> Option<Self>;

    /// How the value is shown where it stands for what a configuration leaves out; nothing for what is empty, and for what
    /// may not be shown.
    fn shown_default(&self) -> Option<Node> {
        None
    }

    /// What a file's author is to write; by default what the error says that a mapping is not.
    fn shape() -> Shape {
        expected::<Self>()
    }
}

/// What the reader of a value says that it expected when it meets a mapping, or a list where it takes mappings.
fn expected<T: Decode>() -> Shape {
    let said = ["{}", "[]"].into_iter().find_map(|other| {
        let decoder = Decoder::new("", other);
        decoder.documents().first().and_then(|node| T::decode(node, &decoder));
        decoder.into_diagnostics().into_iter().next().map(|d| d.message)
    });
    let said = said.unwrap_or_default();
    let expected = said.split_once("expected ").map_or(said.as_str(), |(_, expected)| expected);
    Shape::Value(expected.split(", found ").next().unwrap_or_default().to_owned())
}

/// What is no defect of a file and its owner has to hear all the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// What is well formed and cannot be done here: the file is not put in force.
    pub refused: Vec<Diagnostic>,
    /// What has no effect here, or will fail when it is used: the file is put in force.
    pub warnings: Vec<Diagnostic>,
}

impl Notes {
    /// Takes over what was noted of another file.
    pub fn extend(&mut self, more: Notes) {
        self.refused.extend(more.refused);
        self.warnings.extend(more.warnings);
    }
}

/// On which line of a text each of the files begins that it is made of.
pub type FirstLines = Vec<(u32, Arc<str>)>;

/// The file being read and the defects found so far.
#[derive(Debug)]
pub struct Decoder<'a> {
    file: Arc<str>,
    source: &'a str,
    /// The text is the value of a node of another file, where its places are.
    origin: Option<(&'a Decoder<'a>, &'a Node)>,
    /// The text is several files', each from this line on.
    files: FirstLines,
    ignore_unknown: bool,
    defects: RefCell<Vec<Diagnostic>>,
    notes: RefCell<Notes>,
    secrets: RefCell<Vec<Range<usize>>>,
    defaults: RefCell<Vec<Taken>>,
}

impl<'a> Decoder<'a> {
    /// A decoder of one file.
    pub fn new(file: impl Into<Arc<str>>, source: &'a str) -> Self {
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        Decoder {
            file: file.into(),
            source,
            origin: None,
            files: Vec::new(),
            ignore_unknown: false,
            defects: RefCell::default(),
            notes: RefCell::default(),
            secrets: RefCell::default(),
            defaults: RefCell::default(),
        }
    }

    /// A decoder of the text that stands in another file as the value of a node: defects get their places there.
    pub fn within(outer: &'a Decoder<'a>, node: &'a Node) -> Self {
        Decoder { origin: Some((outer, node)), ..Decoder::new(outer.file.clone(), node.text().unwrap_or_default()) }
    }

    /// A decoder of several files' documents as those of one file: `text` has them one after the other, and `files` says on
    /// which line each begins.
    pub fn of_files(files: FirstLines, text: &'a str) -> Self {
        let first = files.first().map(|(_, file)| file.clone()).unwrap_or_default();
        Decoder { files, ..Decoder::new(first, text) }
    }

    /// A place of the text as one of the file.
    pub fn place(&self, at: Position) -> Position {
        self.spot(at).1
    }

    /// A place of the text as a file and a place in it.
    pub fn spot(&self, at: Position) -> (Arc<str>, Position) {
        if let (Some((outer, _)), true) = (self.origin, at.line > 0) {
            return outer.spot(self.place_outside(at));
        }
        let file = self.files.iter().rev().find(|(from, _)| *from <= at.line);
        match file {
            Some((from, file)) => (file.clone(), Position { line: at.line - from + 1, ..at }),
            None => (self.file.clone(), at),
        }
    }

    /// A place of the text as one of the text in which it stands.
    pub fn place_outside(&self, at: Position) -> Position {
        self.origin.map_or(at, |(outer, node)| outer.locate(node, offset_of(self.source, at)))
    }

    /// Accepts keys nobody knows instead of reporting them.
    #[must_use]
    pub fn ignoring_unknown_fields(mut self, ignore: bool) -> Self {
        self.ignore_unknown = ignore;
        self
    }

    /// Reads the file's documents into trees; a defect of syntax is reported and leaves none.
    pub fn documents(&self) -> Vec<Node> {
        match parse(self.source, Limits::default()) {
            Ok(Documents { roots, defects }) => {
                defects.into_iter().for_each(|(at, message)| self.error(at, message));
                roots
            }
            Err((at, message)) => {
                self.error(at, format!("yaml: {message}"));
                Vec::new()
            }
        }
    }

    /// Reads a file's first document, as Go's readers do; none gives `None`.
    pub fn document(&self) -> Option<Node> {
        self.documents().into_iter().next()
    }

    /// The file's name.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// On which line of the text each file begins, where it is several files'.
    pub fn files(&self) -> &FirstLines {
        &self.files
    }

    /// The file's text.
    pub fn source(&self) -> &'a str {
        self.source
    }

    fn diagnostic(&self, at: Position, message: impl Into<String>) -> Diagnostic {
        let (file, position) = self.spot(at);
        Diagnostic::new(&file, position, message)
    }

    /// Reports what another decoder found in a part of the text.
    pub fn adopt(&self, defects: Vec<Diagnostic>) {
        self.defects.borrow_mut().extend(defects);
    }

    /// Reports a defect.
    pub fn error(&self, at: Position, message: impl Into<String>) {
        self.defects.borrow_mut().push(self.diagnostic(at, message));
    }

    /// Notes what is well formed and cannot be done here.
    pub fn refuse(&self, at: Position, message: impl Into<String>) {
        let note = self.diagnostic(at, message);
        self.notes.borrow_mut().refused.push(note);
    }

    /// Notes what has no effect, or will fail when it is used.
    pub fn warn(&self, at: Position, message: impl Into<String>) {
        let note = self.diagnostic(at, message);
        self.notes.borrow_mut().warnings.push(note);
    }

    /// Everything that was noted, in the order of places.
    pub fn take_notes(&self) -> Notes {
        let mut notes = self.notes.take();
        notes.refused.sort_by(by_place);
        notes.warnings.sort_by(by_place);
        notes
    }

    /// Reports that a value is not of the kind wanted; gives `None` for the caller to return.
    pub fn mismatch<T>(&self, node: &Node, expected: &str) -> Option<T> {
        self.error(node.position, format!("expected {expected}, found {}", node.describe()));
        None
    }

    /// Notes that a value is a secret, so that [`Decoder::shown`] hides it.
    pub fn note_secret(&self, node: &Node) {
        self.secrets.borrow_mut().push(node.start..node.end);
    }

    /// What a tree of the file says, for display: no comments, every secret decoded from it masked, URLs redacted.
    pub fn shown(&self, root: &Node) -> String {
        print(root, &self.secrets.borrow())
    }

    /// A section that was read from a mapping has more now, taken from elsewhere in the file: that is shown, too.
    pub fn filled(&self, node: &Node, section: &impl Decode) {
        let shown = section.shown_default();
        let place = (node.start, node.end);
        let taken = shown.iter().filter_map(Node::entries).flatten();
        let taken = taken.filter_map(|(key, value)| Some((place, key.text()?.into(), value.clone())));
        self.defaults.borrow_mut().extend(taken);
    }

    /// The same with the defaults of what the file leaves out, as Alertmanager shows its configuration.
    pub fn shown_with_defaults(&self, root: &Node) -> String {
        self.shown(&complete(root, &self.defaults.borrow()))
    }

    /// How many defects were reported so far.
    pub fn defect_count(&self) -> usize {
        self.defects.borrow().len()
    }

    /// All defects, in the order of their places, each once.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut all = self.defects.into_inner();
        all.sort_by(by_place);
        let mut told = HashSet::new();
        all.retain(|d| told.insert((d.file.clone(), d.position, d.message.clone())));
        all
    }

    /// The decoded value, or all defects.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        let file = self.file.clone();
        let defects = self.into_diagnostics();
        match value {
            Some(value) if defects.is_empty() => Ok(value),
            _ if !defects.is_empty() => Err(defects),
            _ => Err(vec![Diagnostic::new(&file, Position::default(), "the file is empty")]),
        }
    }

    /// The place in the file of a byte of a scalar's value.
    pub fn locate(&self, node: &Node, offset: usize) -> Position {
        locate(self.source, node, offset)
    }

    /// Opens a mapping for reading; `section` names it in messages.
    pub fn mapping<'n>(&'n self, node: &'n Node, section: &'static str) -> Option<MapReader<'n>> {
        let Some(entries) = node.entries() else {
            return self.mismatch(node, &format!("a mapping ({section})"));
        };
        Some(MapReader { decoder: self, node, entries, section, known: RefCell::default() })
    }
}

fn by_place(one: &Diagnostic, other: &Diagnostic) -> Ordering {
    (&one.file, one.position).cmp(&(&other.file, other.position))
}

/// A mapping being read, key by key. [`MapReader::finish`] reports the keys that nobody asked for.
pub struct MapReader<'n> {
    decoder: &'n Decoder<'n>,
    node: &'n Node,
    entries: &'n [(Node, Node)],
    section: &'static str,
    known: RefCell<Vec<&'static str>>,
}

impl<'n> MapReader<'n> {
    /// The decoder that collects the defects.
    pub fn decoder(&self) -> &'n Decoder<'n> {
        self.decoder
    }

    /// The mapping itself.
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// The value under a key, null included.
    pub fn raw(&self, key: &'static str) -> Option<&'n Node> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// The value under a key; null counts as absent.
    pub fn node_at(&self, key: &'static str) -> Option<&'n Node> {
        self.raw(key).filter(|v| !v.is_null())
    }

    /// Reads the value under a key; absent, null and unreadable give `None`.
    pub fn get<T: Decode>(&self, key: &'static str) -> Option<T> {
        T::decode(self.node_at(key)?, self.decoder)
    }

    /// Reads the value under a key into `slot`, which keeps its default when the key is absent or unreadable.
    pub fn read<T: Decode>(&self, key: &'static str, slot: &mut T) {
        if let Some(value) = self.get(key) {
            *slot = value;
        } else if let Some(shown) = slot.shown_default() {
            self.decoder.defaults.borrow_mut().push(((self.node.start, self.node.end), key.into(), shown));
        }
    }

    /// Whether a key is there and not null.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, v)| k.text() == Some(key) && !v.is_null())
    }

    /// Whether a key has a value other than null and the empty string.
    pub fn is_set(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, v)| k.text() == Some(key) && !v.is_null() && v.text() != Some(""))
    }

    /// Reports a key that is set although another one is.
    pub fn at_most_one(&self, one: &str, other: &str) {
        if self.is_set(one) && self.is_set(other) {
            self.error(other, format!("at most one of {one} & {other} must be configured"));
        }
    }

    /// Where a key's value stands; the mapping's place when it is absent.
    pub fn at(&self, key: &str) -> Position {
        let found = self.entries.iter().find(|(k, _)| k.text() == Some(key));
        found.map_or(self.node.position, |(_, v)| if v.is_null() { self.node.position } else { v.position })
    }

    /// Where in the file the mapping begins.
    pub fn place(&self) -> Position {
        self.decoder.place(self.node.position)
    }

    /// The keys, with the places of their values in the file.
    pub fn places(&self) -> impl Iterator<Item = (Box<str>, Position)> {
        let place = |(k, v): &(Node, Node)| Some((k.text()?.into(), self.decoder.place(v.position)));
        self.entries.iter().filter_map(place)
    }

    /// Warns of a key that is set.
    pub fn warn(&self, key: &str, message: impl Into<String>) {
        if self.has(key) {
            self.decoder.warn(self.at(key), message);
        }
    }

    /// Reports a defect of a key's value, or of the mapping when the key is absent.
    pub fn error(&self, key: &str, message: impl Into<String>) {
        self.decoder.error(self.at(key), message);
    }

    /// Reports keys that were never asked for.
    pub fn finish(&self) {
        if self.decoder.ignore_unknown {
            return;
        }
        let known = self.known.borrow();
        for (key, _) in self.entries {
            let name = key.text().unwrap_or_default();
            if !known.contains(&name) {
                self.decoder.error(key.position, self.unknown(name, &known));
            }
        }
    }

    fn unknown(&self, name: &str, known: &[&'static str]) -> String {
        let mut message = format!("field {name} not found in {}", self.section);
        match nearest(name, known) {
            Some(near) => message.push_str(&format!(", did you mean {near}?")),
            None => message.push_str(&format!(", expected one of {}", known.join(", "))),
        }
        message
    }
}

/// The known name a misspelt one was probably meant to be.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let ranked = known.iter().map(|k| (distance(name, k), *k)).min()?;
    // Names that have no character in common are not alike, however short they are.
    (ranked.0 <= name.len().div_ceil(4) && ranked.0 < name.chars().count()).then_some(ranked.1)
}

/// Levenshtein's distance: how many characters have to be put in, left out or exchanged.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_defect_is_told_once() {
        let decoder = Decoder::new("f", "{}");
        let at = |line| Position { line, column: 1 };
        for (line, message) in [(2, "a"), (1, "b"), (2, "c"), (2, "a"), (1, "a")] {
            decoder.error(at(line), message);
        }
        let told: Vec<String> = decoder.into_diagnostics().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["f:1:1: b", "f:1:1: a", "f:2:1: a", "f:2:1: c"]);
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let known = ["scrape_interval", "scrape_timeout", "job_name"];
        assert_eq!(nearest("scrape_intervall", &known), Some("scrape_interval"));
        assert_eq!(nearest("scrap_timeout", &known), Some("scrape_timeout"));
        assert_eq!(nearest("jobname", &known), Some("job_name"));
        assert_eq!(nearest("static", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
