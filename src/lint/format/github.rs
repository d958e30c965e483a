//! Commands to a GitHub workflow: `::warning file=a.yml,line=1,col=2::message`.

use std::io::{self, Write};

use crate::lint::check::Severity;
use crate::lint::finding::Finding;

pub(super) fn write(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in found {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let (from, to) = (finding.spot.from, finding.spot.to);
        write!(out, "::{command} file={}", property(&finding.spot.file))?;
        if from.line > 0 {
            write!(out, ",line={},endLine={}", from.line, to.line.max(from.line))?;
        }
        if from.column > 0 {
            write!(out, ",col={}", from.column)?;
            if to.line == from.line && to.column > from.column {
                write!(out, ",endColumn={}", to.column)?;
            }
        }
        writeln!(out, ",title={}::{}", property(finding.check.name), data(&finding.message))?;
    }
    Ok(())
}

/// What ends a command's text is written as GitHub reads it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
