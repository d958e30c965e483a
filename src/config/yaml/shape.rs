//! What sections are made of, for the reference of the configuration: told by the code that reads them.

use super::node::Node;

/// What an author is to write.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A value, in the words of the errors that its absence gives: `a duration such as 1h30m`.
    Value(String),
    /// A list.
    List(Box<Shape>),
    /// A mapping of names that the author chooses.
    Map(Box<Shape>),
    /// One of two.
    Either(Box<Shape>, Box<Shape>),
    /// A mapping of known keys. Sections may hold themselves.
    Section(fn() -> Section),
}

/// A mapping of known keys.
#[derive(Clone, Debug)]
pub struct Section {
    /// What errors call it.
    pub label: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its keys.
    pub keys: Vec<Key>,
    /// Sections whose keys stand in the same mapping.
    pub inline: Vec<fn() -> Section>,
}

/// A key of a section.
#[derive(Clone, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What counts where it is absent; nothing for what is empty, off or 0.
    pub default: Option<Node>,
    /// What stands there.
    pub shape: fn() -> Shape,
}
