//! Nodes that stand in no file: what objects are rewritten into.

use std::cell::Cell;

use crate::config::yaml::{Decoder, Node, Style, Value};

/// Makes nodes that are told apart by their bytes, as those of a file are: defaults and secrets are remembered by them. Each
/// has the place of a node of the file, so that what is wrong with it is told there.
pub struct Maker {
    /// Bytes beyond those of the text.
    next: Cell<usize>,
}

impl Maker {
    /// Makes nodes beside those of a text.
    pub fn beside(d: &Decoder) -> Self {
        // A text cannot be found there, so that nobody looks for a part of such a node in it.
        Maker { next: Cell::new(d.source().len().saturating_add(1)) }
    }

    /// So many bytes that no node has.
    pub fn reserve(&self, length: usize) -> usize {
        let start = self.next.get();
        self.next.set(start.saturating_add(length).saturating_add(1));
        start
    }

    fn node(&self, value: Value, at: &Node) -> Node {
        let start = self.reserve(1);
        Node { value, position: at.position, start, end: start.saturating_add(1), tag: None }
    }

    /// A text.
    pub fn text(&self, text: &str, at: &Node) -> Node {
        self.node(Value::Scalar(text.into(), Style::DoubleQuoted), at)
    }

    /// A scalar that is written without quotes: a key, a number, a truth value.
    pub fn plain(&self, text: &str, at: &Node) -> Node {
        self.node(Value::Scalar(text.into(), Style::Plain), at)
    }

    /// A list.
    pub fn sequence(&self, items: Vec<Node>, at: &Node) -> Node {
        self.node(Value::Sequence(items.into()), at)
    }

    /// A mapping.
    pub fn mapping(&self, entries: Vec<(Node, Node)>, at: &Node) -> Node {
        self.node(Value::Mapping(entries.into()), at)
    }

    /// A key and its value.
    pub fn entry(&self, key: &str, value: Node) -> (Node, Node) {
        (self.plain(key, &value), value)
    }

    /// A mapping with another value under a key.
    pub fn with(&self, node: &Node, key: &str, value: Node) -> Node {
        let others = node.entries().unwrap_or_default().iter().filter(|(k, _)| k.text() != Some(key));
        let mut entries: Vec<(Node, Node)> = others.cloned().collect();
        entries.push(self.entry(key, value));
        self.mapping(entries, node)
    }

    /// The tree of a text that another file holds, with places of that file; the bytes of its nodes are moved to `start`.
    pub fn moved(&self, node: &Node, start: usize, place: &dyn Fn(&Node) -> Node) -> Node {
        let value = match &node.value {
            Value::Scalar(..) => node.value.clone(),
            Value::Sequence(items) => {
                Value::Sequence(items.iter().map(|item| self.moved(item, start, place)).collect())
            }
            Value::Mapping(entries) => {
                let moved = |(k, v): &(Node, Node)| (self.moved(k, start, place), self.moved(v, start, place));
                Value::Mapping(entries.iter().map(moved).collect())
            }
        };
        let placed = place(node);
        let (from, to) = (node.start.saturating_add(start), node.end.saturating_add(start));
        Node { value, start: from, end: to, ..placed }
    }
}
