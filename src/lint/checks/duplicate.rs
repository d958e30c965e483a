//! Rules that are there twice.

use std::collections::BTreeMap;

use crate::lint::check::{Check, Severity};
use crate::lint::corpus::Corpus;
use crate::lint::look::{Findings, Look, Row};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/duplicate",
        severity: Severity::Warning,
        pint: &["rule/duplicate"],
        what: "A rule of one file has the name, labels and expression of another one.",
        why: "Two recording rules write the same series and two alerts are one to Alertmanager: what is changed in one of them is \
              undone by the other.",
        fix: "Take one out, or let labels tell them apart.",
        bad: "- record: job:up:sum\n  expr: sum by (job) (up)\n- record: job:up:sum\n  expr: sum by (job) (up)",
        good: "- record: job:up:sum\n  expr: sum by (job) (up)\n- record: job:up:count\n  expr: count by (job) (up)",
    },
    look: Look::Rules(look),
};

fn look(corpus: &Corpus, found: &mut Findings<'_>) {
    for file in &corpus.rules {
        let mut seen = BTreeMap::new();
        for (group, rule) in file.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule))) {
            let key = (rule.name.clone(), group.merged_labels(rule), rule.expr.split_whitespace().collect::<String>());
            match seen.get(&key) {
                None => {
                    seen.insert(key, rule.position.line);
                }
                Some(line) => found.add(file.head(rule), format!("{} is in line {line} already", rule.name)),
            }
        }
    }
}
