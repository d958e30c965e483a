//! What a configuration leaves out, as it would be written: for display.

use std::sync::Arc;

use super::node::{Node, Scalar, Style, Value, resolve};
use crate::model::Position;

/// A default that was taken: of the mapping at these bytes, the key, and the value.
pub(super) type Taken = ((usize, usize), Arc<str>, Node);

fn node(value: Value) -> Node {
    Node { value, position: Position::default(), start: 0, end: 0, tag: None }
}

/// A scalar as it is: a number, a truth value, a duration.
pub fn shown(text: &str) -> Node {
    node(Value::Scalar(text.into(), Style::Plain))
}

/// A text, in quotes where it must be.
pub fn shown_text(text: &str) -> Option<Node> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:-".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !text.ends_with(':')
        && resolve(text) == Scalar::Text;
    let style = if is_plain { Style::Plain } else { Style::SingleQuoted };
    (!text.is_empty()).then(|| node(Value::Scalar(text.into(), style)))
}

/// A section by its keys; nothing when no key has a default.
pub fn shown_section(keys: Vec<(&str, Option<Node>)>) -> Option<Node> {
    let entries = keys.into_iter().filter_map(|(key, value)| Some((shown(key), value?)));
    let entries: Vec<(Node, Node)> = entries.collect();
    (!entries.is_empty()).then(|| node(Value::Mapping(entries.into())))
}

/// A tree with the defaults that were taken while it was read.
pub(super) fn complete(root: &Node, taken: &[Taken]) -> Node {
    let value = match &root.value {
        Value::Scalar(..) => return root.clone(),
        Value::Sequence(items) => Value::Sequence(items.iter().map(|item| complete(item, taken)).collect()),
        Value::Mapping(entries) => {
            let mut all: Vec<(Node, Node)> =
                entries.iter().map(|(key, value)| (key.clone(), complete(value, taken))).collect();
            for (_, key, value) in taken.iter().filter(|(place, ..)| *place == (root.start, root.end)) {
                // A mapping that an alias repeats is read more than once.
                if all.iter().all(|(known, _)| known.text() != Some(&**key)) {
                    all.push((shown(key), value.clone()));
                }
            }
            Value::Mapping(Arc::from(all))
        }
    };
    Node { value, ..root.clone() }
}
