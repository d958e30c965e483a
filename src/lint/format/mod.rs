//! How findings are told.

mod checkstyle;
mod github;
mod json;
mod sarif;
mod text;

use std::io::{self, Write};

use super::finding::Finding;

pub use text::{Style, Texts, summary};

/// For a person, with the lines of the source.
///
/// # Errors
/// When it cannot be written.
pub fn text(found: &[Finding], texts: &Texts, style: Style, out: &mut dyn Write) -> io::Result<()> {
    text::write(found, texts, style, out)
}

/// A list of objects with `file`, `line`, `column`, `check`, `severity` and `message`, and more.
///
/// # Errors
/// When it cannot be written.
pub fn json(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    json::write(found, out)
}

/// SARIF 2.1.0.
///
/// # Errors
/// When it cannot be written.
pub fn sarif(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    sarif::write(found, out)
}

/// Commands to a GitHub workflow, which annotates the lines.
///
/// # Errors
/// When it cannot be written.
pub fn github(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    github::write(found, out)
}

/// Checkstyle's XML.
///
/// # Errors
/// When it cannot be written.
pub fn checkstyle(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    checkstyle::write(found, out)
}
