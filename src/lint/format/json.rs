//! A list of objects, one a finding.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::lint::finding::Finding;

pub(super) fn write(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<Value> = found.iter().map(object).collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}

fn object(finding: &Finding) -> Value {
    let (from, to) = (finding.spot.from, finding.spot.to);
    json!({
        "file": &*finding.spot.file,
        "line": from.line,
        "column": from.column,
        "end_line": to.line,
        "end_column": to.column,
        "check": finding.check.name,
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "why": finding.check.why,
        "fix": finding.check.fix,
        "fixable": finding.edit.is_some(),
    })
}
