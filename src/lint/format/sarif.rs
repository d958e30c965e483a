//! SARIF 2.1.0, which GitHub's and GitLab's code scanning read.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::lint::check::{Check, Severity};
use crate::lint::finding::Finding;

pub(super) fn write(found: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let used: BTreeMap<&str, &Check> = found.iter().map(|finding| (finding.check.name, finding.check)).collect();
    let rules: Vec<Value> = used.values().map(|check| rule(check)).collect();
    let results: Vec<Value> = found.iter().map(|finding| result(finding, &used)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "watchbell", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(check: &Check) -> Value {
    json!({
        "id": check.name,
        "shortDescription": {"text": check.what},
        "fullDescription": {"text": check.why},
        "help": {"text": check.fix, "markdown": check.page()},
        "defaultConfiguration": {"level": level(check.severity)},
    })
}

fn result(finding: &Finding, used: &BTreeMap<&str, &Check>) -> Value {
    let (from, to) = (finding.spot.from, finding.spot.to);
    let mut place = json!({"artifactLocation": {"uri": uri(&finding.spot.file)}});
    if from.line > 0 {
        let mut region = json!({"startLine": from.line});
        if from.column > 0 {
            region["startColumn"] = from.column.into();
        }
        if to > from {
            region["endLine"] = to.line.into();
            region["endColumn"] = to.column.into();
        }
        place["region"] = region;
    }
    json!({
        "ruleId": finding.check.name,
        "ruleIndex": used.keys().position(|name| *name == finding.check.name),
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
    })
}

/// A path as a relative reference.
fn uri(file: &str) -> String {
    let mut out = String::with_capacity(file.len());
    for byte in file.strip_prefix("./").unwrap_or(file).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
