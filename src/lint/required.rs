//! What a repository asks of its rules: their names, labels, annotations and times.
//!
//! ```yaml
//! require:
//!   alerts:
//!     name: '[A-Z]\w+'
//!     labels: {severity: critical|warning|info}
//!     annotations: {runbook_url: 'https://.+'}
//!     for: {min: 1m, max: 1h}
//!   records:
//!     name: '\w+:\w+:\w+'
//! ```

use std::fmt;

use regex::Regex;

use crate::config::yaml::{Decoder, Duration, MapReader, Node};
use crate::model::re2::compile_anchored;
use crate::rules::RuleKind;

/// A regular expression that all of a value must match.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    written: String,
}

/// What is asked of rules of one kind.
#[derive(Clone, Debug, Default)]
pub struct OfKind {
    /// Their names.
    pub name: Option<Pattern>,
    /// Labels that each has, by name.
    pub labels: Vec<(String, Pattern)>,
    /// Annotations that each has, by name.
    pub annotations: Vec<(String, Pattern)>,
    /// The shortest and the longest `for`, milliseconds.
    pub hold: (Option<i64>, Option<i64>),
}

/// What is asked of rules.
#[derive(Clone, Debug, Default)]
pub struct Required {
    alerts: OfKind,
    records: OfKind,
}

impl Pattern {
    /// Whether a value is as it should be. What a template makes is not known.
    pub fn meets(&self, value: &str) -> bool {
        self.regex.is_match(value) || value.contains("{{")
    }

    fn read(node: &Node, decoder: &Decoder) -> Option<Self> {
        let Some(written) = node.text() else { return decoder.mismatch(node, "a regular expression") };
        match compile_anchored(written) {
            Ok(regex) => Some(Pattern { regex, written: written.to_owned() }),
            Err(why) => decoder.mismatch(node, &format!("a regular expression ({why})")),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Required {
    /// What is asked of rules of a kind.
    pub fn of(&self, kind: &RuleKind) -> &OfKind {
        if *kind == RuleKind::Recording { &self.records } else { &self.alerts }
    }

    /// Reads it from settings; what is wrong goes to the decoder.
    pub fn read(node: &Node, decoder: &Decoder) -> Self {
        let mut required = Required::default();
        let Some(m) = decoder.mapping(node, "what is required of rules") else { return required };
        if let Some(m) = m.node_at("alerts").and_then(|node| decoder.mapping(node, "what is required of alerts")) {
            required.alerts = of_both(&m);
            required.alerts.annotations = patterns(&m, "annotations");
            if let Some(times) = m.node_at("for").and_then(|node| decoder.mapping(node, "what is required of for")) {
                let millis = |key: &'static str| times.get::<Duration>(key).map(|duration| duration.millis());
                required.alerts.hold = (millis("min"), millis("max"));
                times.finish();
            }
            m.finish();
        }
        if let Some(m) = m.node_at("records").and_then(|node| decoder.mapping(node, "what is required of records")) {
            required.records = of_both(&m);
            m.finish();
        }
        m.finish();
        required
    }
}

fn of_both(m: &MapReader<'_>) -> OfKind {
    let name = m.node_at("name").and_then(|node| Pattern::read(node, m.decoder()));
    OfKind { name, labels: patterns(m, "labels"), ..OfKind::default() }
}

fn patterns(m: &MapReader<'_>, key: &'static str) -> Vec<(String, Pattern)> {
    let Some(node) = m.node_at(key) else { return Vec::new() };
    let Some(entries) = node.entries() else {
        return m.decoder().mismatch(node, "names and patterns").unwrap_or_default();
    };
    let read = |(name, value): &(Node, Node)| Some((name.text()?.to_owned(), Pattern::read(value, m.decoder())?));
    entries.iter().filter_map(read).collect()
}
