//! What a check found: where, how grave, in words.

use std::sync::Arc;

use super::check::{Check, Severity};
use crate::model::Position;

/// A place that a finding speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Where it begins.
    pub from: Position,
    /// One past its last character; the same as `from` where only a point is known.
    pub to: Position,
    /// First and last line of the rule, route or receiver around it: comments there speak of the finding.
    pub around: (u32, u32),
}

impl Spot {
    /// A point of a file with nothing around it.
    pub fn point(file: &Arc<str>, at: Position) -> Self {
        Spot { file: file.clone(), from: at, to: at, around: (at.line, at.line) }
    }
}

/// A change of a file's text that puts a finding right without changing what the file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where the text begins.
    pub at: Position,
    /// What stands there; nothing is changed where something else does.
    pub old: String,
    /// What is to stand there.
    pub new: String,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What found it.
    pub check: &'static Check,
    /// The check's severity, or what the configuration makes of it.
    pub severity: Severity,
    /// Where.
    pub spot: Spot,
    /// What was found.
    pub message: String,
    /// How to put it right without thinking.
    pub edit: Option<Edit>,
}

impl Finding {
    /// A finding of a check, with its severity.
    pub fn new(check: &'static Check, spot: Spot, message: impl Into<String>) -> Self {
        Finding { check, severity: check.severity, spot, message: message.into(), edit: None }
    }
}
