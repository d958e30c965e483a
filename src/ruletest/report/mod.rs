//! Reports of test outcomes: text for people, JUnit, TAP, JSON lines and GitHub annotations for machines.

mod github;
mod json;
mod junit;
mod tap;
mod text;

pub use github::annotations;
pub use json::json_lines;
pub use junit::junit;
pub use tap::tap;
pub use text::{Style, file_text, summary_line};

use crate::model::{Labels, Value, duration, number};

use super::case::{ExpectedAlert, ExpectedSample, TestedState};
use super::outcome::{Failure, FailureKind};
use super::told::Compared;
use super::wanted::Difference;

impl Failure {
    /// What the failure is about, on one line: `alert GPUHot at 5m`.
    pub fn subject(&self) -> String {
        let at = |time: &i64| duration::format(*time);
        match &self.kind {
            FailureKind::Alerts { alertname, time, .. } => format!("alert {alertname} at {}", at(time)),
            FailureKind::AlertsDiffer { alertname, time, state, .. } => {
                let state = match state {
                    TestedState::Pending => "pending ",
                    TestedState::Firing => "",
                    TestedState::Resolved => "resolved ",
                };
                format!("{state}alert {alertname} at {}", at(time))
            }
            FailureKind::Remarks { subject, time, .. } => format!("{} at {}", first_line(subject), at(time)),
            FailureKind::Samples { expr, time, .. } | FailureKind::Expression { expr, time, .. } => {
                format!("{} at {}", first_line(expr), at(time))
            }
            FailureKind::Rule { rule, time, .. } => format!("rule {rule} at {}", at(time)),
            FailureKind::Notifications { time, receiver: None, .. } => format!("notifications up to {}", at(time)),
            FailureKind::Notifications { time, receiver: Some(receiver), .. } => {
                format!("notifications to {receiver} up to {}", at(time))
            }
            FailureKind::Template(problem) => format!("template of receiver {}: {}", problem.receiver, problem.field),
            FailureKind::TooMany { .. } => "too many notifications".to_owned(),
        }
    }

    /// The whole of the failure without colours: what differs, line by line, and what may explain it.
    pub fn detail(&self) -> Vec<DetailLine> {
        let mut out = Vec::new();
        match &self.kind {
            FailureKind::Alerts { query, expected, got, near, .. } => {
                out.extend(query.iter().flat_map(|q| field("query", q)));
                out.extend(diff(&alert_lines(expected), &alert_lines(got)));
                out.extend(near.iter().map(|n| DetailLine::note("nearly", n)));
            }
            FailureKind::AlertsDiffer { query, compared, near, .. } => {
                out.extend(query.iter().flat_map(|q| field("query", q)));
                out.extend(compared.iter().flat_map(compared_lines));
                out.extend(near.iter().map(|n| DetailLine::note("nearly", n)));
            }
            FailureKind::Remarks { query, differences, .. } => {
                out.extend(field("query", query));
                out.extend(differences.iter().flat_map(|d| difference_lines(d, "")));
            }
            FailureKind::Samples { expr, expected, got, near, .. } => {
                out.extend(field("query", expr));
                out.extend(diff(&sample_lines(expected), &sample_lines(got)));
                out.extend(near.iter().map(|n| DetailLine::note("nearly", n)));
            }
            FailureKind::Expression { expr, error, .. } => {
                out.extend(field("query", expr));
                out.push(DetailLine::note("error", error));
            }
            FailureKind::Rule { error, times, .. } => {
                out.push(DetailLine::note("error", error));
                if *times > 1 {
                    out.push(DetailLine::note("failed", &format!("at {times} evaluations, the first of them here")));
                }
            }
            FailureKind::Notifications { compared, .. } => out.extend(compared.iter().flat_map(compared_lines)),
            FailureKind::Template(problem) => out.push(DetailLine::note("error", &problem.error)),
            FailureKind::TooMany { most, beyond } => {
                out.push(DetailLine::note(
                    "error",
                    &format!("{beyond} notifications beyond {most}, which are the most that are looked at"),
                ));
            }
        }
        out
    }
}

/// One line of a failure's detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetailLine {
    /// Expected, and not there.
    Missing(String),
    /// There, and not expected.
    Unexpected(String),
    /// The same on both sides.
    Same(String),
    /// A name and a text: the query, an error, a near miss.
    Note(String, String),
}

impl DetailLine {
    fn note(name: &str, text: &str) -> Self {
        DetailLine::Note(name.to_owned(), text.to_owned())
    }

    /// The line without colours: `- ` expected, `+ ` got.
    pub fn plain(&self) -> String {
        match self {
            DetailLine::Missing(s) => format!("- {s}"),
            DetailLine::Unexpected(s) => format!("+ {s}"),
            DetailLine::Same(s) => format!("  {s}"),
            DetailLine::Note(name, text) => format!("{name}: {text}"),
        }
    }
}

/// A notification, or what was expected of one.
fn compared_lines(compared: &Compared) -> Vec<DetailLine> {
    match compared {
        Compared::Same(line) => vec![DetailLine::Same(line.clone())],
        Compared::Missing(line, at) => vec![DetailLine::Missing(format!("{line} (line {at})"))],
        Compared::Unexpected(line) => vec![DetailLine::Unexpected(line.clone())],
        Compared::Differs(line, at, differences) => {
            let mut out = vec![DetailLine::Same(format!("{line} (line {at})"))];
            out.extend(differences.iter().flat_map(|d| difference_lines(d, "    ")));
            out
        }
    }
}

fn difference_lines(d: &Difference, indent: &str) -> [DetailLine; 2] {
    let line = |value: &str| format!("{indent}{}: {value}", d.field);
    [DetailLine::Missing(line(&d.expected)), DetailLine::Unexpected(line(&d.got))]
}

fn field(name: &str, text: &str) -> Vec<DetailLine> {
    let text = text.trim();
    if !text.contains('\n') {
        return vec![DetailLine::note(name, text)];
    }
    let mut out = vec![DetailLine::note(name, "")];
    out.extend(text.lines().map(|l| DetailLine::Same(l.trim_end().to_owned())));
    out
}

fn first_line(expr: &str) -> String {
    let mut lines = expr.trim().lines();
    let first = lines.next().unwrap_or("").trim_end();
    if lines.next().is_some() { format!("{first} ...") } else { first.to_owned() }
}

fn diff(expected: &[String], got: &[String]) -> Vec<DetailLine> {
    let old: Vec<&str> = expected.iter().map(String::as_str).collect();
    let new: Vec<&str> = got.iter().map(String::as_str).collect();
    let line = |c: similar::Change<&str>| {
        let text = c.value().to_owned();
        match c.tag() {
            similar::ChangeTag::Delete => DetailLine::Missing(text),
            similar::ChangeTag::Insert => DetailLine::Unexpected(text),
            similar::ChangeTag::Equal => DetailLine::Same(text),
        }
    };
    similar::TextDiff::from_slices(&old, &new).iter_all_changes().map(line).collect()
}

fn alert_lines(alerts: &[ExpectedAlert]) -> Vec<String> {
    if alerts.is_empty() {
        return vec!["no alert".to_owned()];
    }
    let mut out = Vec::new();
    for alert in alerts {
        out.push(alert.labels.to_string());
        for (name, value) in &alert.annotations {
            let mut quoted = String::new();
            crate::model::labels::push_quoted(&mut quoted, value);
            out.push(format!("    {name}: {quoted}"));
        }
    }
    out
}

fn sample_lines(samples: &[ExpectedSample]) -> Vec<String> {
    if samples.is_empty() {
        return vec!["no sample".to_owned()];
    }
    samples.iter().map(|s| format!("{} {}", series_text(&s.labels), value_text(&s.value))).collect()
}

/// A series in PromQL's notation, `{}` for one without labels.
fn series_text(labels: &Labels) -> String {
    if labels.is_empty() { "{}".to_owned() } else { labels.to_series_string() }
}

/// A value in the notation of test files.
fn value_text(value: &Value) -> String {
    match value {
        Value::Float(v) => number::format_float_g(*v),
        Value::Histogram(h) => h.to_notation(),
    }
}
