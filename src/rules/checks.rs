//! What Prometheus' rule format asks of a rule beyond its types (its `rulefmt` package).

use std::fmt;

use crate::config::protocol::NameScheme;
use crate::config::yaml::MapReader;
use crate::model::{METRIC_NAME, Position};
use crate::template;

/// A rule as messages name it.
pub struct RuleHead<'a> {
    /// `record`, empty when missing.
    pub record: &'a str,
    /// `alert`, empty when missing.
    pub alert: &'a str,
    /// The group's name.
    pub group: &'a str,
    /// The rule's place in the group, from 1.
    pub number: usize,
    /// Which names are valid.
    pub names: NameScheme,
}

impl RuleHead<'_> {
    fn name(&self) -> &str {
        if self.alert.is_empty() { self.record } else { self.alert }
    }
}

/// `group "a", rule 2, "x"`: Prometheus' way to name a rule.
impl fmt::Display for RuleHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {:?}, rule {}, {:?}", self.group, self.number, self.name())
    }
}

/// Reports everything that is wrong with a rule.
pub fn rule(
    m: &MapReader,
    head: &RuleHead,
    labels: &[(String, String)],
    annotations: &[(String, String)],
    hold: i64,
    keep_firing: i64,
) {
    match (head.record.is_empty(), head.alert.is_empty()) {
        (true, true) => {
            m.decoder().error(m.node().position, format!("{head}: one of 'record' or 'alert' must be set"));
        }
        (false, false) => m.error("alert", format!("{head}: only one of 'record' and 'alert' must be set")),
        (false, true) => recording(m, head, annotations, hold, keep_firing),
        (true, false) => templates(m, head, labels, annotations),
    }
    for (label, _) in labels {
        if let Some(message) = label_name(label, head.names) {
            m.decoder().error(entry(m, "labels", label), format!("{head}: {message}"));
        }
    }
    for (annotation, _) in annotations {
        if !head.names.is_label_name(annotation) {
            let message = format!("{head}: invalid annotation name: {annotation}");
            m.decoder().error(entry(m, "annotations", annotation), message);
        }
    }
}

fn recording(m: &MapReader, head: &RuleHead, annotations: &[(String, String)], hold: i64, keep_firing: i64) {
    let forbidden =
        [("annotations", !annotations.is_empty()), ("for", hold != 0), ("keep_firing_for", keep_firing != 0)];
    for (key, present) in forbidden {
        if present {
            m.error(key, format!("{head}: invalid field '{key}' in recording rule"));
        }
    }
    if !head.names.is_metric_name(head.record) {
        m.error("record", format!("{head}: invalid recording rule name: {}", head.record));
    }
    // With UTF-8 names only a name that would read as a selector is refused.
    if head.record.contains(['{', '}']) {
        m.error(
            "record",
            format!("{head}: braces present in the recording rule name; should it be in expr?: {}", head.record),
        );
    }
}

fn templates(m: &MapReader, head: &RuleHead, labels: &[(String, String)], annotations: &[(String, String)]) {
    for (key, kind, pairs) in [("labels", "label", labels), ("annotations", "annotation", annotations)] {
        for (field, text) in pairs {
            if let Err(e) = template::prometheus::check(head.alert, text) {
                m.decoder().error(entry(m, key, field), format!("{head}: {kind} {field:?}: {e}"));
            }
        }
    }
}

/// What is wrong with a label's name, if anything.
pub fn label_name(name: &str, names: NameScheme) -> Option<String> {
    (!names.is_label_name(name) || name == METRIC_NAME).then(|| format!("invalid label name: {name}"))
}

/// Where the value of one entry of a nested mapping stands.
fn entry(m: &MapReader, key: &str, field: &str) -> Position {
    m.node().get(key).and_then(|n| n.get(field)).map_or_else(|| m.at(key), |v| v.position)
}
