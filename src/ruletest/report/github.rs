//! Annotations for GitHub Actions: workflow commands that mark the failing line in a pull request.

use super::DetailLine;
use crate::model::Position;
use crate::ruletest::outcome::FileOutcome;

/// The annotations of one file's outcome, a line each.
pub fn annotations(outcome: &FileOutcome) -> String {
    let mut out = String::new();
    for defect in &outcome.bad_input {
        out.push_str(&command(&defect.file, defect.position, "bad input", &defect.message));
    }
    for failure in &outcome.failures {
        let title = match failure.test.as_str() {
            "" => failure.subject(),
            test => format!("{test}: {}", failure.subject()),
        };
        let detail: Vec<String> = failure.detail().iter().map(DetailLine::plain).collect();
        out.push_str(&command(&outcome.file, failure.position, &title, &detail.join("\n")));
    }
    out
}

fn command(file: &str, position: Position, title: &str, message: &str) -> String {
    let line = position.line.max(1);
    let column = if position.column > 0 { format!(",col={}", position.column) } else { String::new() };
    format!("::error file={},line={line}{column},title={}::{}\n", property(file), property(title), data(message))
}

fn data(s: &str) -> String {
    s.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(s: &str) -> String {
    data(s).replace(':', "%3A").replace(',', "%2C")
}
