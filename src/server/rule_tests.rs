//! Where rules are tested: the test files that the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::config::{expand_globs, read_text};
use crate::model::{Diagnostic, Position};
use crate::ruletest::case::TestFile;
use crate::ruletest::parse::parse;

/// Most files that are read, and the largest, bytes.
const MOST: usize = 2_000;
const LARGEST: u64 = 4 << 20;

/// What test files say of rules, by the rules' names.
#[derive(Clone, Debug, Default)]
pub struct RuleTests {
    /// Whether the configuration names test files: only then has a rule without a test something to answer for.
    pub are_named: bool,
    files: BTreeSet<Arc<str>>,
    alerts: Places,
    recorded: Places,
}

/// By name, the first place in each file.
#[derive(Clone, Debug, Default)]
struct Places(BTreeMap<String, BTreeMap<Arc<str>, u32>>);

impl Places {
    fn add(&mut self, name: &str, file: &Arc<str>, line: u32) {
        let of_name = self.0.entry(name.to_owned()).or_default();
        of_name.entry(file.clone()).and_modify(|first| *first = line.min(*first)).or_insert(line);
    }
}

impl RuleTests {
    /// Reads the files that match the patterns, and tells what of them cannot be read: the rest is known all the same.
    pub fn read(patterns: &[String]) -> (RuleTests, Vec<Diagnostic>) {
        let (mut tests, mut defects) =
            (RuleTests { are_named: !patterns.is_empty(), ..RuleTests::default() }, Vec::new());
        let files = expand_globs(patterns);
        if let Some(first) = files.get(MOST) {
            let why = format!("test_files: {} files match, those from here on are not read", files.len());
            defects.push(Diagnostic::new(&first.as_str().into(), Position::default(), why));
        }
        for file in files.iter().take(MOST) {
            match text_of(file).and_then(|text| parse(file, &text, false)) {
                Ok(parsed) => tests.add(&parsed),
                Err(more) => defects.extend(more),
            }
        }
        (tests, defects)
    }

    fn add(&mut self, parsed: &TestFile) {
        self.files.insert(parsed.file.clone());
        for test in &parsed.tests {
            for alert in &test.alert_tests {
                self.alerts.add(&alert.alertname, &parsed.file, alert.position.line);
            }
            for expr in &test.expr_tests {
                // A rule that records is tested where an expression has its name.
                let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
                let words = expr.expr.split(|c| !is_of_name(c)).filter(|word| !word.is_empty());
                words.for_each(|word| self.recorded.add(word, &parsed.file, expr.position.line));
            }
        }
    }

    /// Where a rule is tested: an alerting rule of this name, or a recording rule. Each file with a line, from 1.
    pub fn of(&self, is_alert: bool, name: &str) -> impl Iterator<Item = (&str, u32)> {
        let places = if is_alert { &self.alerts } else { &self.recorded };
        places.0.get(name).into_iter().flatten().map(|(file, line)| (&**file, *line))
    }

    /// The text of a test file.
    ///
    /// # Errors
    /// It is none of those that the configuration names, or cannot be read any more.
    pub fn text(&self, file: &str) -> Result<String, String> {
        if !self.files.contains(file) {
            return Err("The configuration names no such test file.".into());
        }
        text_of(file).map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

fn text_of(file: &str) -> Result<String, Vec<Diagnostic>> {
    let size = std::fs::metadata(file).map_or(0, |about| about.len());
    if size > LARGEST {
        let why = format!("expected a test file of at most {LARGEST} bytes, found {size}");
        return Err(vec![Diagnostic::new(&file.into(), Position::default(), why)]);
    }
    read_text(Path::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_name_and_files_that_cannot_be_read_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "a.yml",
            "rule_files: [r.yml]\ntests:\n- alert_rule_test:\n  - {eval_time: 1m, alertname: Down}\n  - {eval_time: 2m, alertname: Down}\n  \
             promql_expr_test:\n  - {expr: 'sum(job:up:sum)', eval_time: 1m}\n",
        );
        write("b.yml", "tests: [{alert_rule_test: [{eval_time: 1m, alertname: Down}]}]\n");
        write("c.yml", "tests: 5\n");
        let (tests, defects) = RuleTests::read(&[dir.path().join("*.yml").display().to_string()]);
        let of = |is_alert, name: &str| -> Vec<(String, u32)> {
            let short = |file: &str| file.rsplit('/').next().unwrap().to_owned();
            tests.of(is_alert, name).map(|(file, line)| (short(file), line)).collect()
        };
        assert_eq!(of(true, "Down"), [("a.yml".into(), 4), ("b.yml".into(), 1)]);
        assert_eq!(of(false, "job:up:sum"), [("a.yml".into(), 7)]);
        assert_eq!((of(true, "job:up:sum"), of(false, "Down")), (Vec::new(), Vec::new()));
        assert!(defects.len() == 1 && defects[0].to_string().contains("c.yml:1:"), "{defects:?}");
        let named = dir.path().join("b.yml").display().to_string();
        assert!(tests.text(&named).unwrap().starts_with("tests:"));
        write("secret", "x");
        assert!(tests.text(&dir.path().join("secret").display().to_string()).is_err());
        assert!(!RuleTests::read(&[]).0.are_named);
    }
}
