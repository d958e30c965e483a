//! What matchers say of each other, and of the labels that a rule's alerts have.

use std::collections::BTreeSet;

use super::corpus::Corpus;
use crate::model::{ALERT_NAME, MatchOp, Matcher};
use crate::rules::{Rule, RuleGroup, RuleKind};

/// Whether everything that the first matchers match is matched by the second ones too, as far as can be seen.
pub fn implies(narrow: &[Matcher], wide: &[Matcher]) -> bool {
    wide.iter().all(|want| narrow.iter().any(|have| have.name == want.name && implied(have, want)))
}

fn implied(have: &Matcher, want: &Matcher) -> bool {
    have == want || values(have).is_some_and(|all| all.iter().all(|value| want.matches(value)))
}

/// Whether nothing is matched by both, as far as can be seen.
pub fn exclude(some: &[Matcher], others: &[Matcher]) -> bool {
    let apart = |a: &Matcher, b: &Matcher| values(a).is_some_and(|all| !all.iter().any(|value| b.matches(value)));
    some.iter().any(|a| others.iter().any(|b| a.name == b.name && (apart(a, b) || apart(b, a))))
}

/// The only values that a matcher takes, where they are few.
fn values(matcher: &Matcher) -> Option<Vec<String>> {
    match matcher.op {
        MatchOp::Equal => Some(vec![matcher.value.clone()]),
        MatchOp::Regex => matcher.regex().and_then(|regex| regex.literals()).map(<[String]>::to_vec),
        MatchOp::NotEqual | MatchOp::NotRegex => None,
    }
}

/// The labels of a rule's alerts, as far as the rule says.
pub struct AlertLabels<'a> {
    /// Values that are known; `None` where a template decides.
    known: Vec<(String, Option<String>)>,
    /// Labels that some rule sets: an alert whose rule does not is taken to lack it.
    set: &'a BTreeSet<String>,
}

impl<'a> AlertLabels<'a> {
    /// The labels that some alerting rule sets.
    pub fn set_by(corpus: &Corpus) -> BTreeSet<String> {
        let rules = corpus.all().filter(|(_, _, rule)| rule.kind != RuleKind::Recording);
        rules.flat_map(|(_, group, rule)| group.merged_labels(rule)).map(|(name, _)| name).collect()
    }

    /// Those of one rule.
    pub fn of(group: &RuleGroup, rule: &Rule, set: &'a BTreeSet<String>) -> Self {
        let merged = group.merged_labels(rule).into_iter();
        let value = |text: String| (!text.contains("{{")).then_some(text);
        let mut known: Vec<_> = merged.map(|(name, text)| (name, value(text))).collect();
        known.push((ALERT_NAME.to_owned(), Some(rule.name.to_string())));
        AlertLabels { known, set }
    }

    /// Whether an alert of the rule may match all of these.
    pub fn may_match(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().all(|matcher| match self.known.iter().find(|(name, _)| *name == matcher.name) {
            Some((_, Some(value))) => matcher.matches(value),
            Some((_, None)) => true,
            None => !self.set.contains(&matcher.name) || matcher.matches(""),
        })
    }
}
