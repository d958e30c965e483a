//! From text to trees: documents, anchors, aliases, merge keys, duplicate keys, limits.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libyaml_safer::{Error, Event, EventData, Mark, Parser, ScalarStyle};
use rustc_hash::{FxHashMap, FxHashSet};

use super::node::{Node, Style, Value};
use crate::model::Position;

/// What a file may cost. Configuration comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest file, bytes.
    pub bytes: usize,
    /// Deepest nesting.
    pub depth: usize,
    /// Most values, those that aliases repeat counted every time.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 64 << 20, depth: 100, nodes: 4_000_000 }
    }
}

/// The documents of a file and the defects that do not keep it from being read, such as duplicate keys.
#[derive(Debug, Default)]
pub struct Documents {
    /// One tree a document; empty documents are left out.
    pub roots: Vec<Node>,
    /// Defects, with their places.
    pub defects: Vec<Defect>,
}

/// What is wrong, and where.
pub type Defect = (Position, String);

/// Reads all documents of a text.
///
/// # Errors
/// The first defect of syntax, or a limit that is exceeded.
pub fn parse(text: &str, limits: Limits) -> Result<Documents, Defect> {
    if text.len() > limits.bytes {
        let message = format!("file of {} bytes is longer than {}", text.len(), limits.bytes);
        return Err((Position::default(), message));
    }
    let mut events = Parser::new();
    // The scanner asserts that a block scalar's last line is ended.
    events.set_input(text.as_bytes().chain(if text.ends_with('\n') { &b""[..] } else { b"\n" }));
    let mut builder = Builder {
        events,
        limits,
        text,
        length: text.len(),
        last_line: text.rsplit('\n').next().unwrap_or_default(),
        nodes: 0,
        anchors: FxHashMap::default(),
        defects: Vec::new(),
    };
    let mut roots = Vec::new();
    loop {
        let event = builder.next()?;
        match event.data {
            EventData::StreamEnd => break,
            EventData::StreamStart { .. } | EventData::DocumentEnd { .. } => {}
            EventData::DocumentStart { .. } => builder.anchors.clear(),
            _ => {
                let (root, _) = builder.node(event, 0)?;
                if !root.is_null() {
                    roots.push(root);
                }
            }
        }
    }
    Ok(Documents { roots, defects: builder.defects })
}

/// The file, and a line end where it lacks one.
type Input<'a> = io::Chain<&'a [u8], &'a [u8]>;

struct Builder<'a> {
    events: Parser<Input<'a>>,
    limits: Limits,
    text: &'a str,
    /// The file's length in bytes.
    length: usize,
    /// The file's last line.
    last_line: &'a str,
    nodes: usize,
    /// Anchored values and how many values each holds.
    anchors: FxHashMap<String, (Node, usize)>,
    defects: Vec<Defect>,
}

/// A value and how many values it holds, itself counted.
type Sized = (Node, usize);

impl Builder<'_> {
    /// The scanner asserts on some malformed tags; the fence makes that an error of the file.
    fn next(&mut self) -> Result<Event, Defect> {
        let events = &mut self.events;
        match catch_unwind(AssertUnwindSafe(|| events.parse())) {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => Err(syntax(&error, self.text)),
            Err(_) => Err((Position::default(), "malformed YAML".into())),
        }
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Sized, Defect> {
        let (start, end) = (event.start_mark, event.end_mark);
        if depth > self.limits.depth {
            return Err((place(start), format!("nested deeper than {} levels", self.limits.depth)));
        }
        self.count(1, start)?;
        let (anchor, tag, value, size) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, start),
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                if end.index as usize > self.length {
                    take_back_line_end(&mut value, self.last_line);
                }
                (anchor, tag, Value::Scalar(value.into(), style_of(style)), 1)
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let (items, size) = self.sequence(depth)?;
                (anchor, tag, Value::Sequence(items.into()), size)
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let (entries, size) = self.mapping(depth)?;
                (anchor, tag, Value::Mapping(entries.into()), size)
            }
            _ => return Err((place(start), "did not find a value".into())),
        };
        let node = Node {
            value,
            position: place(start),
            start: start.index as usize,
            end: self.length.min(end.index as usize),
            tag: tag.map(Into::into),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok((node, size))
    }

    fn count(&mut self, more: usize, at: Mark) -> Result<(), Defect> {
        self.nodes = self.nodes.saturating_add(more);
        match self.nodes > self.limits.nodes {
            true => Err((place(at), format!("more than {} values, aliases expanded", self.limits.nodes))),
            false => Ok(()),
        }
    }

    /// An anchor is known only once its value is complete, so a value cannot hold itself.
    fn alias(&mut self, anchor: &str, at: Mark) -> Result<Sized, Defect> {
        let Some((node, size)) = self.anchors.get(anchor).cloned() else {
            return Err((place(at), format!("unknown anchor {anchor:?} referenced")));
        };
        self.count(size, at)?;
        Ok((node, size))
    }

    fn sequence(&mut self, depth: usize) -> Result<(Vec<Node>, usize), Defect> {
        let (mut items, mut size) = (Vec::new(), 1);
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::SequenceEnd) {
                return Ok((items, size));
            }
            let (node, n) = self.node(event, depth + 1)?;
            size += n;
            items.push(node);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<(Vec<(Node, Node)>, usize), Defect> {
        let (mut entries, mut merges, mut size) = (Vec::new(), Vec::new(), 1);
        let mut seen: FxHashMap<Arc<str>, Position> = FxHashMap::default();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                break;
            }
            let (key, n) = self.node(event, depth + 1)?;
            let event = self.next()?;
            let (value, m) = self.node(event, depth + 1)?;
            size += n + m;
            match &key.value {
                Value::Scalar(text, Style::Plain) if &**text == "<<" => merges.push(value),
                Value::Scalar(text, _) => match seen.get(text) {
                    Some(first) => {
                        let message = format!("mapping key {text:?} already defined at line {}", first.line);
                        self.defects.push((key.position, message));
                    }
                    None => {
                        seen.insert(text.clone(), key.position);
                        entries.push((key, value));
                    }
                },
                _ => self.defects.push((key.position, format!("a key must be a scalar, found {}", key.describe()))),
            }
        }
        for merge in merges {
            self.merge(merge, &mut entries);
        }
        Ok((entries, size))
    }

    /// `<<: *a` and `<<: [*a, *b]`: what the mapping does not say itself; earlier sources win.
    fn merge(&mut self, source: Node, entries: &mut Vec<(Node, Node)>) {
        let sources = match source.items() {
            Some(items) => items.to_vec(),
            None => vec![source],
        };
        let mut have: FxHashSet<Arc<str>> = entries.iter().filter_map(|(k, _)| k.text()).map(Into::into).collect();
        for source in &sources {
            let Some(merged) = source.entries() else {
                let message =
                    format!("map merge requires a mapping or a sequence of mappings, found {}", source.describe());
                self.defects.push((source.position, message));
                continue;
            };
            let new = merged.iter().filter(|(k, _)| k.text().is_some_and(|k| have.insert(k.into())));
            entries.extend(new.cloned());
        }
    }
}

/// Removes the line end that was added to the file from a block scalar that goes up to the file's end. A last line of
/// mere indentation is not the scalar's, so its line end was not either.
fn take_back_line_end(value: &mut String, source_last: &str) {
    let Some(body) = value.strip_suffix('\n') else { return };
    let last = body.rsplit('\n').next().unwrap_or_default();
    let blank = source_last.trim().is_empty();
    // Content is indented, so it is shorter than its line in the file.
    let is_content = !blank || (last.trim().is_empty() && last.len() < source_last.len());
    if is_content && !last.is_empty() {
        value.truncate(body.len());
    }
}

fn place(mark: Mark) -> Position {
    let from_one = |n: u64| u32::try_from(n + 1).unwrap_or(u32::MAX);
    Position { line: from_one(mark.line), column: from_one(mark.column) }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        _ => Style::Plain,
    }
}

fn syntax(error: &Error, text: &str) -> Defect {
    let at = error.problem_mark().or(error.context_mark()).map(place).unwrap_or_default();
    let index = |n: u32| (n as usize).checked_sub(1);
    let found = index(at.line).and_then(|line| text.lines().nth(line)?.chars().nth(index(at.column)?));
    let problem = match error.problem() {
        "found character that cannot start any token" if found == Some('\t') => "found a tab where YAML wants spaces",
        problem => problem,
    };
    let message = match error.context() {
        Some(context) if !context.is_empty() => format!("{context}: {problem}"),
        _ => problem.to_owned(),
    };
    (at, message)
}
