//! JUnit XML: a suite a file, a case a test.

use std::fmt::Write as _;

use super::DetailLine;
use crate::ruletest::outcome::{FileOutcome, TestOutcome};

/// The document for all files.
pub fn junit(outcomes: &[FileOutcome]) -> String {
    let cases = |o: &FileOutcome| o.tests.len() + usize::from(!o.bad_input.is_empty());
    let failing = |o: &FileOutcome| o.tests.iter().filter(|t| !t.failures.is_empty()).count();
    let bad = |o: &FileOutcome| usize::from(!o.bad_input.is_empty());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"watchbell\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        outcomes.iter().map(cases).sum::<usize>(),
        outcomes.iter().map(failing).sum::<usize>(),
        outcomes.iter().map(bad).sum::<usize>()
    );
    for o in outcomes {
        let file = escape(&o.file);
        let (tests, failures, errors) = (cases(o), failing(o), bad(o));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
        );
        if !o.bad_input.is_empty() {
            let text: Vec<String> = o.bad_input.iter().map(ToString::to_string).collect();
            let _ = writeln!(out, "    <testcase classname=\"{file}\" name=\"the file\">");
            let _ = writeln!(out, "      <error message=\"bad input\">{}</error>", escape(&text.join("\n")));
            out.push_str("    </testcase>\n");
        }
        for test in &o.tests {
            push_case(&mut out, o, test, &file);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn push_case(out: &mut String, outcome: &FileOutcome, test: &TestOutcome, file: &str) {
    let name = if test.name.is_empty() { format!("line {}", test.position.line) } else { test.name.clone() };
    let _ = write!(out, "    <testcase classname=\"{file}\" name=\"{}\"", escape(&name));
    let failures = outcome.failures.get(test.failures.clone()).unwrap_or_default();
    if failures.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for failure in failures {
        let detail: Vec<String> = failure.detail().iter().map(DetailLine::plain).collect();
        let _ = writeln!(
            out,
            "      <failure message=\"{}\">{}:{}\n{}</failure>",
            escape(&failure.subject()),
            file,
            failure.position.line,
            escape(&detail.join("\n"))
        );
    }
    out.push_str("    </testcase>\n");
}

/// Escapes text for XML; characters XML cannot carry become spaces.
fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if (c as u32) < 0x20 || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
