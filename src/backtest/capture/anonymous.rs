//! Series without the names of what they are about: values of labels are replaced, the same by the same everywhere. What
//! the rules name stays, and what decides whether they find a series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::rule::{RuleKind, RuleSpec};
use crate::alerting::timeline;
use crate::model::{BUCKET_LABEL, Labels, METRIC_NAME, MatchOp, Matcher, QUANTILE_LABEL};

use super::contents::Sampled;

/// Replaces the values of the series' labels.
pub fn replace(series: &mut [Sampled], groups: &[Arc<GroupSpec>]) {
    let named = Named::of(groups);
    let mut names = Names { named, known: BTreeMap::new(), counts: BTreeMap::new(), taken: BTreeSet::new() };
    // No new name is one that something has.
    let values = series.iter().flat_map(|s| s.labels.iter().map(|(_, value)| value.to_owned()));
    names.taken = values.collect();
    for one in series {
        let pairs: Vec<(String, String)> =
            one.labels.iter().map(|(name, value)| (name.to_owned(), names.of(name, value))).collect();
        one.labels = Labels::from_pairs(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    }
}

/// The new names of values.
struct Names {
    named: Named,
    known: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
    taken: BTreeSet<String>,
}

impl Names {
    fn of(&mut self, label: &str, value: &str) -> String {
        if [METRIC_NAME, BUCKET_LABEL, QUANTILE_LABEL].contains(&label) || self.named.names(value) {
            return value.to_owned();
        }
        if let Some(known) = self.known.get(value) {
            return known.clone();
        }
        let count = self.counts.entry(label.to_owned()).or_default();
        let new = loop {
            *count += 1;
            let new = format!("{label}-{count}");
            if !self.taken.contains(&new) {
                break new;
            }
        };
        let new = match self.named.tells_apart(value, &new) {
            true => {
                // The name is free for the next one.
                *count -= 1;
                value.to_owned()
            }
            false => new,
        };
        self.known.insert(value.to_owned(), new.clone());
        new
    }
}

/// What the rules name.
struct Named {
    /// All that rules say: expressions, labels, annotations.
    texts: Vec<String>,
    /// Conditions of selectors, and texts of expressions that may be patterns (`label_replace`).
    patterns: Vec<Matcher>,
}

impl Named {
    fn of(groups: &[Arc<GroupSpec>]) -> Self {
        let mut out = Named { texts: Vec::new(), patterns: Vec::new() };
        for rule in groups.iter().flat_map(|g| &g.rules) {
            out.add(rule);
        }
        out
    }

    fn add(&mut self, rule: &RuleSpec) {
        self.texts.push(rule.expr.to_string());
        self.texts.extend(rule.labels.iter().map(|(_, text)| text.clone()));
        if let RuleKind::Alerting { annotations, .. } = &rule.kind {
            self.texts.extend(annotations.iter().map(|(_, text)| text.clone()));
        }
        self.patterns.extend(timeline::selectors(rule).into_iter().flatten());
        for text in strings(&rule.expr) {
            self.patterns.extend(Matcher::new(MatchOp::Regex, "", text));
        }
    }

    /// Whether the rules say a value, as a word.
    fn names(&self, value: &str) -> bool {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let says = |text: &String| {
            text.match_indices(value).any(|(at, _)| {
                let (before, after) = (text.get(..at), text.get(at + value.len()..));
                !is_part(before.and_then(|t| t.chars().next_back())) && !is_part(after.and_then(|t| t.chars().next()))
            })
        };
        value.is_empty() || self.texts.iter().any(says)
    }

    /// Whether a condition holds for one of two values and not for the other.
    fn tells_apart(&self, value: &str, new: &str) -> bool {
        self.patterns.iter().filter(|m| m.name != METRIC_NAME).any(|m| m.matches(value) != m.matches(new))
    }
}

/// The quoted texts of an expression.
fn strings(expr: &str) -> Vec<String> {
    let (mut out, mut rest) = (Vec::new(), expr);
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let (_, quoted) = rest.split_at(at);
        let mut chars = quoted.char_indices();
        let Some((_, quote)) = chars.next() else { break };
        let (mut text, mut end) = (String::new(), quoted.len());
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    end = at + c.len_utf8();
                    break;
                }
                '\\' if quote != '`' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        out.push(text);
        rest = quoted.get(end..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_texts_are_found() {
        assert_eq!(strings(r#"a{b="c\\.d"} + label_replace(e, 'f', `\w`, "", "")"#), [r"c\.d", "f", r"\w", "", ""]);
    }
}
