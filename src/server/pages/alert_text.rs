//! An alert as pages show it: what it says of itself, in the order people read it.

use serde_json::{Value, json};

pub(super) use crate::model::number::brief as number;
use crate::model::{Labels, cut};
use crate::routing::alerts::AlertRow;

use super::{links, zone};

/// Longest text of one annotation and one label in a list, characters. The alert's own page shows all.
const LONGEST_NOTE: usize = 400;
const LONGEST_LABEL: usize = 100;
/// Most labels and annotations of an alert in a list.
const MOST_LABELS: usize = 12;
const MOST_NOTES: usize = 6;

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum Severity {
    Critical,
    Warning,
    Info,
    Other,
}

impl Severity {
    /// By the label `severity`, in the words that rules use for it.
    pub fn of(labels: &Labels) -> Severity {
        match labels.value("severity").to_ascii_lowercase().as_str() {
            "critical" | "page" | "error" | "fatal" | "emergency" | "alert" | "high" => Severity::Critical,
            "warning" | "warn" | "major" | "minor" | "medium" | "ticket" => Severity::Warning,
            "info" | "information" | "notice" | "none" | "debug" | "low" => Severity::Info,
            _ => Severity::Other,
        }
    }

    /// Its name.
    pub fn class(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
            Severity::Other => "other",
        }
    }

    /// For a template: its shape's name and the word of the label.
    pub fn shown(labels: &Labels) -> Value {
        let word = Some(labels.value("severity")).filter(|w| !w.is_empty()).unwrap_or("no severity");
        json!({ "class": Severity::of(labels).class(), "word": cut(word, 24) })
    }
}

/// Labels as a template lists them, without those of these names.
pub(super) fn labels(labels: &Labels, without: &[&str], longest: usize) -> Vec<Value> {
    let shown = labels.iter().filter(|(name, _)| !without.contains(name));
    shown.map(|(name, value)| json!({ "name": name, "value": cut(value, longest) })).collect()
}

/// The annotation that sums an alert up.
fn summary_name(annotations: &Labels) -> Option<&'static str> {
    ["summary", "title", "message"].into_iter().find(|name| annotations.has(name))
}

/// What sums an alert up; empty where nothing does.
pub(in crate::server) fn summary(annotations: &Labels) -> &str {
    summary_name(annotations).map_or("", |name| annotations.value(name))
}

/// What annotations say: the summary, what else is to be read, and links.
struct Notes {
    summary: String,
    notes: Vec<Value>,
    links: Vec<Value>,
}

impl Notes {
    fn of(annotations: &Labels, longest: usize) -> Notes {
        let summary = summary_name(annotations);
        let mut all: Vec<(&str, &str)> = annotations.iter().filter(|(name, _)| Some(*name) != summary).collect();
        // The description is read next.
        all.sort_by_key(|(name, _)| *name != "description");
        let (mut notes, mut links) = (Vec::new(), Vec::new());
        for (name, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
            match links::safe(value) {
                Some(url) => links.push(json!({ "text": link_text(name), "url": url })),
                None => notes.push(json!({ "name": name, "value": cut(value, longest) })),
            }
        }
        Notes { summary: cut(self::summary(annotations), longest), notes, links }
    }
}

/// All that annotations say, uncut, for a template.
pub(super) fn says(annotations: &Labels) -> Value {
    let Notes { summary, notes, links } = Notes::of(annotations, usize::MAX);
    json!({ "summary": summary, "notes": notes, "links": links })
}

/// `runbook_url` is a runbook.
fn link_text(name: &str) -> String {
    let name = name.trim_end_matches("_url").trim_end_matches("_link").replace('_', " ");
    if name.is_empty() { "link".into() } else { name }
}

/// The link to what raised an alert: ours is asked for here, wherever users usually reach us.
pub(super) fn generator(url: &str, external_url: &str) -> Option<String> {
    let ours = url.strip_prefix(external_url).and_then(|rest| rest.strip_prefix("/graph?"));
    match ours {
        Some(query) => Some(format!("query?{query}")),
        None => links::safe(url),
    }
}

/// Whether what an alert says of itself has the text, which is in lower case.
pub(super) fn has_text(labels: &Labels, annotations: &Labels, text: &str) -> bool {
    let both = labels.iter().chain(annotations);
    text.is_empty() || both.into_iter().any(|(_, value)| value.to_lowercase().contains(text))
}

/// An alert for a list. `without` names labels that are shown elsewhere.
pub(super) fn row(row: &AlertRow, external_url: &str, without: &[&str], now: i64) -> Value {
    let alert = &row.alert;
    let Notes { summary, mut notes, links } = Notes::of(&alert.annotations, LONGEST_NOTE);
    let mut shown = labels(&alert.labels, without, LONGEST_LABEL);
    let more = shown.len().saturating_sub(MOST_LABELS) + notes.len().saturating_sub(MOST_NOTES);
    shown.truncate(MOST_LABELS);
    notes.truncate(MOST_NOTES);
    json!({
        "id": format!("{:016x}", row.known.fingerprint),
        "name": cut(alert.labels.value("alertname"), LONGEST_LABEL),
        "severity": Severity::shown(&alert.labels),
        "summary": summary,
        "notes": notes,
        "links": links,
        "generator": generator(&alert.generator_url, external_url),
        "labels": shown,
        "more": more,
        "value": alert.value.map(|v| number(v.get())),
        "since": zone::time(alert.starts_at, now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_comes_first_and_addresses_are_links_if_they_are_safe() {
        let annotations = Labels::from_pairs([
            ("action", "<b>drain</b>"),
            ("dashboard_url", "https://grafana.test/d/1"),
            ("description", "long"),
            ("runbook_url", "javascript:alert(1)"),
            ("summary", "hot"),
        ]);
        let Notes { summary, notes, links } = Notes::of(&annotations, 100);
        assert_eq!(summary, "hot");
        let names: Vec<&str> = notes.iter().filter_map(|n| n["name"].as_str()).collect();
        assert_eq!(names, ["description", "action", "runbook_url"]);
        assert_eq!(links, [json!({ "text": "dashboard", "url": "https://grafana.test/d/1" })]);
        assert_eq!(Notes::of(&Labels::from_pairs([("summary", "زمن طويل")]), 3).summary, "زمن…");
    }

    #[test]
    fn what_raised_an_alert_is_asked_here_if_it_was_us() {
        let ours = generator("http://us.test/graph?g0.expr=up&g0.tab=1", "http://us.test");
        assert_eq!(ours.as_deref(), Some("query?g0.expr=up&g0.tab=1"));
        let theirs = generator("http://prometheus.test/graph?g0.expr=up", "http://us.test");
        assert_eq!(theirs.as_deref(), Some("http://prometheus.test/graph?g0.expr=up"));
        assert_eq!(generator("javascript:alert(1)", "http://us.test"), None);
    }

    #[test]
    fn values_have_as_many_digits_as_say_something() {
        for (value, want) in [(1.4870214639181518, "1.48702"), (79.0, "79"), (0.1 + 0.2, "0.3"), (f64::NAN, "NaN")] {
            assert_eq!(number(value), want);
        }
        assert_eq!(number(123_456_789.0), "123456789");
    }

    #[test]
    fn severities_are_known_by_the_words_that_rules_use() {
        let of = |word: &str| Severity::of(&Labels::from_pairs([("severity", word)]));
        assert_eq!((of("page"), of("Warn"), of("info"), of("sev-9")).0, Severity::Critical);
        assert!(of("critical") < of("warning") && of("warning") < of("info") && of("info") < of(""));
        assert_eq!(Severity::shown(&Labels::empty()), json!({ "class": "other", "word": "no severity" }));
    }
}
