//! What is wrong with a file, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a file. Lines and columns count from 1; columns count characters. 0 means unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One defect of a file from outside: what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Where in the file.
    pub position: Position,
    /// What was found and what was expected.
    pub message: String,
}

impl Diagnostic {
    /// A defect at a place.
    pub fn new(file: &Arc<str>, position: Position, message: impl Into<String>) -> Self {
        Diagnostic { file: file.clone(), position, message: message.into() }
    }
}

/// `file:line:column: message`, the form editors and CI annotate from.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        match (line, column) {
            (0, _) => write!(f, "{}: {}", self.file, self.message),
            (_, 0) => write!(f, "{}:{line}: {}", self.file, self.message),
            _ => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for Diagnostic {}
