//! Checkstyle's XML, which many CI servers read.

use std::io::{self, Write};

use crate::lint::finding::Finding;

pub(super) fn write(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"4.3\">")?;
    for of_file in found.chunk_by(|a, b| a.spot.file == b.spot.file) {
        let Some(first) = of_file.first() else { continue };
        writeln!(out, "  <file name=\"{}\">", escaped(&first.spot.file))?;
        for finding in of_file {
            let (at, severity) = (finding.spot.from, finding.severity);
            let (message, source) = (escaped(&finding.message), finding.check.name);
            write!(out, "    <error line=\"{}\" column=\"{}\" severity=\"{severity}\"", at.line, at.column)?;
            writeln!(out, " message=\"{message}\" source=\"{source}\"/>")?;
        }
        writeln!(out, "  </file>")?;
    }
    writeln!(out, "</checkstyle>")
}

/// XML has no way to write most control characters; they become blanks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
