//! Where a section stood, for what is found wrong with it only when it is put to use.

use std::fmt;
use std::sync::Arc;

use super::decode::MapReader;
use super::shape::Section;
use crate::model::{Diagnostic, Position};

/// The file, place and keys of a section. Declared under `inline`. Two sections are equal wherever they stand.
#[derive(Clone, Default)]
pub struct Place {
    file: Arc<str>,
    at: Position,
    keys: Arc<[(Box<str>, Position)]>,
}

impl Place {
    /// The place of the mapping being read.
    pub fn read(m: &MapReader) -> Self {
        let (file, at) = m.decoder().spot(m.node().position);
        Place { file, at, keys: m.places().collect() }
    }

    /// No keys of its own.
    pub fn section() -> Section {
        Section { label: "", about: "", keys: Vec::new(), inline: Vec::new() }
    }

    /// Whether the section stands in a file and is no default.
    pub fn is_known(&self) -> bool {
        self.at.line > 0
    }

    /// Where it stands; line 0 for a default.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Whether the section has a key.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(k, _)| **k == *key)
    }

    /// A defect of a key's value, or of the section where it has no such key.
    pub fn error(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        let found = self.keys.iter().find(|(k, _)| **k == *key).map(|(_, at)| *at);
        Diagnostic::new(&self.file, found.unwrap_or(self.at), message)
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.at.line, self.at.column)
    }
}
