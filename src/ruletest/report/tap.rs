//! TAP 13, the Test Anything Protocol: a line a test, and what failed of it as YAML.

use std::fmt::Write as _;

use super::DetailLine;
use crate::ruletest::outcome::{FileOutcome, TestOutcome};

/// The document for all files.
pub fn tap(outcomes: &[FileOutcome]) -> String {
    let lines = |o: &FileOutcome| o.tests.len() + usize::from(!o.bad_input.is_empty());
    let mut out = format!("TAP version 13\n1..{}\n", outcomes.iter().map(lines).sum::<usize>());
    let mut number = 0;
    for outcome in outcomes {
        if !outcome.bad_input.is_empty() {
            number += 1;
            let _ = writeln!(out, "not ok {number} - {}", escape(&outcome.file));
            let text: Vec<String> = outcome.bad_input.iter().map(ToString::to_string).collect();
            push_yaml(&mut out, "bad input", &text.join("\n"));
        }
        for test in &outcome.tests {
            number += 1;
            push_test(&mut out, number, outcome, test);
        }
    }
    out
}

fn push_test(out: &mut String, number: usize, outcome: &FileOutcome, test: &TestOutcome) {
    let failures = outcome.failures.get(test.failures.clone()).unwrap_or_default();
    let verdict = if failures.is_empty() { "ok" } else { "not ok" };
    let name = if test.name.is_empty() { format!("line {}", test.position.line) } else { test.name.clone() };
    let _ = writeln!(out, "{verdict} {number} - {}: {}", escape(&outcome.file), escape(&name));
    let text = |f: &crate::ruletest::outcome::Failure| {
        let detail: Vec<String> = f.detail().iter().map(DetailLine::plain).collect();
        format!("{}:{}: {}\n{}", outcome.file, f.position.line, f.subject(), detail.join("\n"))
    };
    if !failures.is_empty() {
        let all: Vec<String> = failures.iter().map(text).collect();
        push_yaml(out, &format!("{} failed", failures.len()), &all.join("\n"));
    }
}

fn push_yaml(out: &mut String, message: &str, text: &str) {
    let _ = writeln!(out, "  ---\n  message: {message}\n  detail: |2");
    for line in text.lines() {
        let _ = writeln!(out, "    {line}");
    }
    out.push_str("  ...\n");
}

/// A `#` would begin a directive.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ")
}
