//! JSON lines: one object a test, one a failure, one a defect of the input.

use serde_json::json;

use super::DetailLine;
use crate::ruletest::outcome::FileOutcome;

/// The lines of one file's outcome.
pub fn json_lines(outcome: &FileOutcome) -> String {
    let mut out = String::new();
    let mut push = |value: serde_json::Value| {
        out.push_str(&value.to_string());
        out.push('\n');
    };
    for defect in &outcome.bad_input {
        push(json!({
            "event": "bad_input", "file": &*defect.file, "line": defect.position.line,
            "column": defect.position.column, "message": defect.message,
        }));
    }
    for test in &outcome.tests {
        let failed = test.failures.len();
        push(json!({
            "event": "test", "file": &*outcome.file, "line": test.position.line, "test": test.name,
            "status": if failed == 0 { "passed" } else { "failed" }, "passed": test.passed, "failed": failed,
        }));
    }
    for failure in &outcome.failures {
        let detail: Vec<String> = failure.detail().iter().map(DetailLine::plain).collect();
        push(json!({
            "event": "failure", "file": &*outcome.file, "line": failure.position.line,
            "column": failure.position.column, "test": failure.test, "subject": failure.subject(), "detail": detail,
        }));
    }
    let status = if outcome.is_success() { "passed" } else { "failed" };
    push(json!({
        "event": "file", "file": &*outcome.file, "status": status, "passed": outcome.passed,
        "failed": outcome.failures.len(),
    }));
    out
}
