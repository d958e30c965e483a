//! The report for people: a line a file, and for every failure what differs.

use std::fmt::Write as _;

use super::DetailLine;
use crate::ruletest::outcome::{Failure, FileOutcome};

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// One file's verdict and its failures.
pub fn file_text(outcome: &FileOutcome, style: Style) -> String {
    let mut out = String::new();
    let word = match (outcome.bad_input.is_empty(), outcome.failures.is_empty()) {
        (false, _) => style.red("BAD "),
        (true, true) => style.green("PASS"),
        (true, false) => style.red("FAIL"),
    };
    let _ = writeln!(out, "{word}  {}  {}", outcome.file, style.dim(&counts(outcome)));
    for defect in &outcome.bad_input {
        let _ = writeln!(out, "  {defect}");
    }
    for warning in &outcome.warnings {
        let _ = writeln!(out, "  warning: {warning}");
    }
    for failure in &outcome.failures {
        push_failure(&mut out, outcome, failure, style);
    }
    out
}

fn counts(outcome: &FileOutcome) -> String {
    match outcome.failures.len() {
        0 => format!("{} passed", outcome.passed),
        n => format!("{} passed, {n} failed", outcome.passed),
    }
}

fn push_failure(out: &mut String, outcome: &FileOutcome, failure: &Failure, style: Style) {
    let test = if failure.test.is_empty() { String::new() } else { format!("{} > ", failure.test) };
    let place = match failure.position.line {
        0 => outcome.file.to_string(),
        line => format!("{}:{line}", outcome.file),
    };
    let _ = writeln!(out, "\n  {}  {}", style.bold(&format!("{test}{}", failure.subject())), style.dim(&place));
    let detail = failure.detail();
    if detail.iter().any(|l| matches!(l, DetailLine::Missing(_) | DetailLine::Unexpected(_))) {
        let _ = writeln!(out, "    {} {}", style.red("- expected"), style.green("+ got"));
    }
    for line in &detail {
        let plain = line.plain();
        let painted = match line {
            DetailLine::Missing(_) => style.red(&plain),
            DetailLine::Unexpected(_) => style.green(&plain),
            DetailLine::Same(_) => style.dim(&plain),
            DetailLine::Note(..) => plain,
        };
        let _ = writeln!(out, "    {painted}");
    }
    out.push('\n');
}

/// `N passed, N failed`: assertions over all files. A file that could not be read counts as one failure.
pub fn summary_line(outcomes: &[FileOutcome]) -> String {
    let passed: usize = outcomes.iter().map(|o| o.passed).sum();
    let failed: usize = outcomes.iter().map(|o| o.failures.len() + usize::from(!o.bad_input.is_empty())).sum();
    format!("{passed} passed, {failed} failed")
}
