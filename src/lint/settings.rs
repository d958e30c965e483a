//! What a repository says of checks: which are on, how grave, for which files; and what it requires of its rules.
//!
//! ```yaml
//! fail_on: warning
//! min_severity: info
//! checks:
//!   rule/name: off
//!   alert/raw-value: {severity: warning, exclude: ["vendor/**"]}
//! require:
//!   alerts:
//!     labels: {severity: critical|warning}
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use glob::Pattern;

use super::check::{Check, Severity};
use super::checks;
use super::finding::Finding;
use super::required::Required;
use crate::config::read_text;
use crate::config::yaml::{Decoder, Node};
use crate::model::Diagnostic;

/// The file that is read when none is named, from the current folder.
pub const FILE: &str = ".watchbell-lint.yaml";

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Findings of this severity and above fail the run.
    pub fail_on: Severity,
    /// Findings below are not told.
    pub min_severity: Severity,
    /// What rules must have.
    pub required: Required,
    checks: BTreeMap<&'static str, Of>,
}

/// What is said of one check.
#[derive(Clone, Debug, Default)]
struct Of {
    off: bool,
    severity: Option<Severity>,
    paths: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            fail_on: Severity::Error,
            min_severity: Severity::Info,
            required: Required::default(),
            checks: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read; else everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        Settings::parse(&path.to_string_lossy(), &read_text(path)?)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let decoder = Decoder::new(file, text);
        let mut settings = Settings::default();
        if let Some(root) = decoder.document()
            && let Some(m) = decoder.mapping(&root, "settings of the linter")
        {
            for (key, slot) in [("fail_on", &mut settings.fail_on), ("min_severity", &mut settings.min_severity)] {
                if let Some(node) = m.node_at(key) {
                    *slot = severity(node, &decoder).unwrap_or(*slot);
                }
            }
            for (key, value) in m.node_at("checks").and_then(Node::entries).unwrap_or_default() {
                let name = key.text().unwrap_or_default();
                match checks::find(name) {
                    Some(check) => {
                        settings.checks.insert(check.name, of(value, &decoder));
                    }
                    None => decoder.error(key.position, format!("expected the name of a check, found {name:?}")),
                }
            }
            if let Some(node) = m.node_at("require") {
                settings.required = Required::read(node, &decoder);
            }
            m.finish();
        }
        decoder.finish(Some(settings))
    }

    /// Whether a check is to be run at all.
    pub fn is_on(&self, check: &Check) -> bool {
        self.checks.get(check.name).is_none_or(|of| !of.off)
    }

    /// Gives a finding its severity; whether it is told.
    pub fn apply(&self, finding: &mut Finding) -> bool {
        if let Some(of) = self.checks.get(finding.check.name) {
            let matches = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(plain(&finding.spot.file)));
            if of.off || (!of.paths.is_empty() && !matches(&of.paths)) || matches(&of.exclude) {
                return false;
            }
            finding.severity = of.severity.unwrap_or(finding.severity);
        }
        finding.severity >= self.min_severity
    }
}

/// `./a/b` is `a/b`.
fn plain(file: &str) -> &str {
    file.strip_prefix("./").unwrap_or(file)
}

fn severity(node: &Node, decoder: &Decoder) -> Option<Severity> {
    let found = node.text().and_then(Severity::parse);
    found.or_else(|| decoder.mismatch(node, "info, warning or error"))
}

fn of(node: &Node, decoder: &Decoder) -> Of {
    let off = |node: &Node| node.text() == Some("off");
    if off(node) {
        return Of { off: true, ..Of::default() };
    }
    if node.text().is_some() {
        return Of { severity: severity(node, decoder), ..Of::default() };
    }
    let Some(m) = decoder.mapping(node, "settings of a check") else { return Of::default() };
    let patterns = |key: &'static str| {
        let items = m.node_at(key).and_then(Node::items).unwrap_or_default();
        let pattern = |item: &Node| match Pattern::new(item.text().unwrap_or_default()) {
            Ok(pattern) => Some(pattern),
            Err(e) => decoder.mismatch(item, &format!("a pattern of paths ({e})")),
        };
        items.iter().filter_map(pattern).collect()
    };
    let mut of = Of { paths: patterns("paths"), exclude: patterns("exclude"), ..Of::default() };
    if let Some(node) = m.node_at("severity") {
        of.off = off(node);
        of.severity = if of.off { None } else { severity(node, decoder) };
    }
    m.finish();
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_say_which_checks_are_on_and_how_grave() {
        let text = "fail_on: warning\nchecks:\n  promql/rate-on-gauge: off\n  alert/raw-value: {severity: error, exclude: ['v/*']}\n";
        let settings = Settings::parse("s.yaml", text).unwrap();
        assert_eq!(settings.fail_on, Severity::Warning);
        assert!(!settings.is_on(checks::find("promql/rate-on-gauge").unwrap()));
        let check = checks::find("alert/raw-value").unwrap();
        let told = |file: &str| {
            let spot = super::super::Spot::point(&file.into(), Default::default());
            let mut finding = Finding::new(check, spot, "");
            settings.apply(&mut finding).then_some(finding.severity)
        };
        assert_eq!((told("a.yml"), told("./v/a.yml")), (Some(Severity::Error), None));
    }

    #[test]
    fn what_is_wrong_with_them_has_its_place() {
        for (text, want) in [
            ("fail_on: loud", "s.yaml:1:10: expected info, warning or error, found string \"loud\""),
            ("checks: {nosuch: off}", "s.yaml:1:10: expected the name of a check, found \"nosuch\""),
            ("checks: {rule/duplicate: {path: []}}", "s.yaml:1:27: field path not found"),
            ("require: {alert: {}}", "s.yaml:1:11: field alert not found"),
            ("require: {alerts: {name: '('}}", "s.yaml:1:26: expected a regular expression ("),
            ("require: {alerts: {labels: [a]}}", "s.yaml:1:28: expected names and patterns, found"),
            ("require: {alerts: {for: {min: soon}}}", "s.yaml:1:31: "),
            ("require: {records: {annotations: {a: b}}}", "s.yaml:1:21: field annotations not found"),
        ] {
            let found = Settings::parse("s.yaml", text).unwrap_err()[0].to_string();
            assert!(found.starts_with(want), "{text}: {found}");
        }
    }
}
