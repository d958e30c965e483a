//! For a person: the place, the line with the spot underlined, why it matters and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use crate::lint::check::Severity;
use crate::lint::finding::Finding;
use crate::model::excerpt;

/// The texts of files by name, of which findings show lines.
pub type Texts = BTreeMap<Arc<str>, Arc<str>>;

/// How the text looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// With colours.
    pub colour: bool,
}

pub(super) fn write(found: &[Finding], texts: &Texts, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut explained = BTreeSet::new();
    for finding in found {
        let is_new = explained.insert(finding.check.name);
        one(finding, texts, style, is_new, out)?;
    }
    if !found.is_empty() {
        writeln!(out, "{}", summary(found))?;
    }
    Ok(())
}

/// One finding; what its check is about is told the first time.
fn one(finding: &Finding, texts: &Texts, style: Style, is_new: bool, out: &mut dyn Write) -> io::Result<()> {
    let (file, from, to) = (&finding.spot.file, finding.spot.from, finding.spot.to);
    let (on, off) = colours(finding.severity, style);
    let place = match (from.line, from.column) {
        (0, _) => file.to_string(),
        (line, 0) => format!("{file}:{line}"),
        (line, column) => format!("{file}:{line}:{column}"),
    };
    writeln!(out, "{place}: {on}{}{off}: {} [{}]", finding.severity, finding.message, finding.check.name)?;
    if let Some(lines) = texts.get(file).and_then(|text| excerpt(text, from, to, (on, off))) {
        write!(out, "{lines}")?;
    }
    if is_new {
        if !finding.check.why.is_empty() {
            writeln!(out, "  = why: {}", finding.check.why)?;
        }
        if !finding.check.fix.is_empty() {
            writeln!(out, "  = fix: {}", finding.check.fix)?;
        }
    }
    writeln!(out)
}

fn colours(severity: Severity, style: Style) -> (&'static str, &'static str) {
    match (style.colour, severity) {
        (false, _) => ("", ""),
        (true, Severity::Error) => ("\u{1b}[31m", "\u{1b}[0m"),
        (true, Severity::Warning) => ("\u{1b}[33m", "\u{1b}[0m"),
        (true, Severity::Info) => ("\u{1b}[36m", "\u{1b}[0m"),
    }
}

/// How many findings there are of each severity: `1 error, 2 warnings, 3 remarks`.
pub fn summary(found: &[Finding]) -> String {
    let parts = [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Info, "remark", "remarks"),
    ];
    let count = |severity| found.iter().filter(|finding| finding.severity == severity).count();
    let told = parts.iter().map(|(severity, one, more)| match count(*severity) {
        0 => String::new(),
        1 => format!("1 {one}"),
        n => format!("{n} {more}"),
    });
    told.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
