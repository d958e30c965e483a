//! Relabelling, as Prometheus' `relabel_config`: targets, scraped series, alerts and what is sent by remote write.

use md5::{Digest, Md5};
use regex::Regex;

use crate::model::{Labels, LabelsBuilder};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Action {
    /// Sets the target label to the expanded replacement when the regex matches.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops unless the joined sources equal the target label.
    KeepEqual,
    /// Drops if the joined sources equal the target label.
    DropEqual,
    /// Sets the target label to the MD5 of the joined sources modulo `modulus`.
    HashMod,
    /// Copies labels whose name matches to the name the replacement gives.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Sets the target label to the joined sources in lower case.
    Lowercase,
    /// Sets the target label to the joined sources in upper case.
    Uppercase,
}

/// The actions by the names configuration files use (any case is accepted).
const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

impl Action {
    /// The action's name in configuration files.
    pub fn as_str(self) -> &'static str {
        ACTIONS.iter().find(|(_, a)| *a == self).map_or("", |(name, _)| name)
    }

    /// Reads an action's name, in any case.
    pub fn parse(name: &str) -> Option<Action> {
        ACTIONS.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, a)| *a)
    }
}

/// Why a rule is refused. The texts are Prometheus'.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No such action.
    #[error("unknown relabel action {0:?}")]
    UnknownAction(String),
    /// The pattern does not compile.
    #[error("invalid regex {pattern:?}: {reason}")]
    Regex {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `hashmod` without a modulus.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    Modulus,
    /// The action writes a label, and none is named.
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    TargetMissing(&'static str),
    /// The target cannot be a label's name.
    #[error("{0:?} is invalid 'target_label' for {1} action")]
    TargetInvalid(String, &'static str),
    /// The action takes no replacement, or not this one.
    #[error("{0}")]
    Replacement(String),
    /// A field is set that the action does not know.
    #[error("{0} action requires only {1}, and no other fields")]
    Superfluous(&'static str, &'static str),
}

/// A rule as configuration states it; `None` means the default. [`Rule::new`] checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSpec {
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// Joins the values; default `;`.
    pub separator: Option<String>,
    /// The label that is written.
    pub target_label: String,
    /// The pattern, anchored at both ends; default `(.*)`.
    pub regex: Option<String>,
    /// For `hashmod`.
    pub modulus: u64,
    /// What to write, with `$1` and `${name}`; default `$1`.
    pub replacement: Option<String>,
    /// What to do; default `replace`.
    pub action: Action,
}

/// One relabelling rule, checked and compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    spec: RuleSpec,
    regex: Regex,
}

/// Equal when stated equally.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";
const DEFAULT_SEPARATOR: &str = ";";

impl Rule {
    /// Checks and compiles a rule.
    ///
    /// # Errors
    /// What Prometheus refuses is refused, in its words.
    pub fn new(spec: RuleSpec) -> Result<Self, RuleError> {
        let pattern = spec.regex.as_deref().unwrap_or(DEFAULT_REGEX);
        let regex = regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(8 << 20)
            .build()
            .map_err(|e| RuleError::Regex { pattern: pattern.to_owned(), reason: e.to_string() })?;
        check(&spec)?;
        Ok(Rule { spec, regex })
    }

    /// The rule as it was stated.
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    fn separator(&self) -> &str {
        self.spec.separator.as_deref().unwrap_or(DEFAULT_SEPARATOR)
    }

    fn replacement(&self) -> &str {
        self.spec.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT)
    }

    /// Applies the rule; `false` means: drop it.
    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let target = &self.spec.target_label;
        match self.spec.action {
            Action::Keep => self.regex.is_match(&self.joined(labels)),
            Action::Drop => !self.regex.is_match(&self.joined(labels)),
            Action::KeepEqual => self.joined(labels) == labels.get(target).unwrap_or(""),
            Action::DropEqual => self.joined(labels) != labels.get(target).unwrap_or(""),
            Action::Replace => {
                self.replace(labels);
                true
            }
            Action::HashMod => {
                let value = hash_mod(&self.joined(labels), self.spec.modulus);
                labels.set(target, value.to_string());
                true
            }
            Action::Lowercase => {
                let value = self.joined(labels).to_lowercase();
                labels.set(target, value);
                true
            }
            Action::Uppercase => {
                let value = self.joined(labels).to_uppercase();
                labels.set(target, value);
                true
            }
            Action::LabelMap => {
                self.map_names(labels);
                true
            }
            Action::LabelDrop => {
                labels.retain(|name, _| !self.regex.is_match(name));
                true
            }
            Action::LabelKeep => {
                labels.retain(|name, _| self.regex.is_match(name));
                true
            }
        }
    }

    fn joined(&self, labels: &LabelsBuilder) -> String {
        let mut out = String::new();
        for (i, name) in self.spec.source_labels.iter().enumerate() {
            if i > 0 {
                out.push_str(self.separator());
            }
            out.push_str(labels.get(name).unwrap_or(""));
        }
        out
    }

    fn replace(&self, labels: &mut LabelsBuilder) {
        let value = self.joined(labels);
        let Some(captures) = self.regex.captures(&value) else { return };
        let (mut target, mut replacement) = (String::new(), String::new());
        captures.expand(&self.spec.target_label, &mut target);
        if target.is_empty() {
            return;
        }
        captures.expand(self.replacement(), &mut replacement);
        labels.set(target, replacement);
    }

    fn map_names(&self, labels: &mut LabelsBuilder) {
        let mapped: Vec<(String, String)> = labels
            .iter()
            .filter(|(name, _)| self.regex.is_match(name))
            .map(|(name, value)| (self.regex.replace_all(name, self.replacement()).into_owned(), value.to_owned()))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        for (name, value) in mapped {
            labels.set(name, value);
        }
    }
}

fn hash_mod(value: &str, modulus: u64) -> u64 {
    let digest: [u8; 16] = Md5::digest(value.as_bytes()).into();
    // The lower half, as Prometheus takes it.
    (u128::from_be_bytes(digest) as u64).checked_rem(modulus).unwrap_or(0)
}

fn check(spec: &RuleSpec) -> Result<(), RuleError> {
    use Action::*;
    let action = spec.action.as_str();
    if spec.action == HashMod && spec.modulus == 0 {
        return Err(RuleError::Modulus);
    }
    let writes = matches!(spec.action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
    if writes && spec.target_label.is_empty() {
        return Err(RuleError::TargetMissing(action));
    }
    let replacement = spec.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
    let default_replacement = replacement == DEFAULT_REPLACEMENT;
    if matches!(spec.action, Lowercase | Uppercase | KeepEqual | DropEqual) && !default_replacement {
        return Err(RuleError::Replacement(format!("'replacement' can not be set for {action} action")));
    }
    if spec.action == LabelMap && replacement.is_empty() {
        return Err(RuleError::Replacement(format!("{replacement:?} is invalid 'replacement' for {action} action")));
    }
    let default_separator = spec.separator.as_deref().is_none_or(|s| s == DEFAULT_SEPARATOR);
    let default_regex = spec.regex.as_deref().is_none_or(|r| r == DEFAULT_REGEX);
    if matches!(spec.action, KeepEqual | DropEqual) && !(default_regex && spec.modulus == 0 && default_separator) {
        return Err(RuleError::Superfluous(action, "'source_labels' and `target_label`"));
    }
    let only_regex = spec.source_labels.is_empty()
        && spec.target_label.is_empty()
        && spec.modulus == 0
        && default_separator
        && default_replacement;
    if matches!(spec.action, LabelDrop | LabelKeep) && !only_regex {
        return Err(RuleError::Superfluous(action, "'regex'"));
    }
    Ok(())
}

/// Applies rules in order to labels under construction; `false` means: drop it.
pub fn process_builder(labels: &mut LabelsBuilder, rules: &[Rule]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

/// Applies rules in order; `None` means: drop it.
pub fn process(labels: &Labels, rules: &[Rule]) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = labels.to_builder();
    process_builder(&mut builder, rules).then(|| builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: Action, sources: &[&str], regex: Option<&str>, target: &str, replacement: Option<&str>) -> Rule {
        Rule::new(RuleSpec {
            source_labels: sources.iter().map(|s| (*s).to_owned()).collect(),
            regex: regex.map(str::to_owned),
            target_label: target.to_owned(),
            replacement: replacement.map(str::to_owned),
            modulus: if action == Action::HashMod { 1000 } else { 0 },
            ..RuleSpec { action, ..RuleSpec::default() }
        })
        .unwrap()
    }

    fn run(input: &[(&str, &str)], rules: &[Rule]) -> Option<String> {
        process(&Labels::from_pairs(input.iter().copied()), rules).map(|l| l.to_string())
    }

    #[test]
    fn every_action_does_what_prometheus_does() {
        use Action::*;
        let abc = [("a", "foo"), ("b", "bar"), ("c", "baz")];
        let cases: Vec<(&str, Vec<Rule>, Option<&str>)> = vec![
            (
                "replace with groups",
                vec![rule(Replace, &["a"], Some("f(.*)"), "d", Some("ch${1}-ch${1}"))],
                Some(r#"{a="foo", b="bar", c="baz", d="choo-choo"}"#),
            ),
            (
                "sources are joined",
                vec![rule(Replace, &["a", "b"], Some("f(.*);(.*)r"), "a", Some("b${1}${2}m"))],
                Some(r#"{a="boobam", b="bar", c="baz"}"#),
            ),
            (
                "the regex is anchored",
                vec![rule(Replace, &["a"], Some("o"), "d", Some("x"))],
                Some(r#"{a="foo", b="bar", c="baz"}"#),
            ),
            (
                "an empty replacement removes",
                vec![rule(Replace, &["a"], Some("f(.*)"), "c", Some(""))],
                Some(r#"{a="foo", b="bar"}"#),
            ),
            (
                "the target is expanded",
                vec![rule(Replace, &["a"], Some("(?P<n>f)(.*)"), "${n}_l", Some("$2"))],
                Some(r#"{a="foo", b="bar", c="baz", f_l="oo"}"#),
            ),
            (
                "an empty expanded target is left alone",
                vec![rule(Replace, &["a"], Some("(x?)foo"), "$1", Some("v"))],
                Some(r#"{a="foo", b="bar", c="baz"}"#),
            ),
            ("drop", vec![rule(Drop, &["a"], Some("foo"), "", None)], None),
            (
                "drop without match",
                vec![rule(Drop, &["a"], Some("fo"), "", None)],
                Some(r#"{a="foo", b="bar", c="baz"}"#),
            ),
            ("keep", vec![rule(Keep, &["a"], Some("no-match"), "", None)], None),
            (
                "keep of an absent label",
                vec![rule(Keep, &["x"], Some(""), "", None)],
                Some(r#"{a="foo", b="bar", c="baz"}"#),
            ),
            ("keepequal", vec![rule(KeepEqual, &["a"], None, "b", None)], None),
            ("dropequal", vec![rule(DropEqual, &["a"], None, "b", None)], Some(r#"{a="foo", b="bar", c="baz"}"#)),
            ("hashmod", vec![rule(HashMod, &["c"], None, "d", None)], Some(r#"{a="foo", b="bar", c="baz", d="976"}"#)),
            (
                "labelmap",
                vec![rule(LabelMap, &[], Some("(a|b)"), "", Some("bar_${1}"))],
                Some(r#"{a="foo", b="bar", bar_a="foo", bar_b="bar", c="baz"}"#),
            ),
            ("labeldrop", vec![rule(LabelDrop, &[], Some("(b|c)"), "", None)], Some(r#"{a="foo"}"#)),
            ("labelkeep", vec![rule(LabelKeep, &[], Some("a"), "", None)], Some(r#"{a="foo"}"#)),
            ("uppercase", vec![rule(Uppercase, &["a"], None, "a", None)], Some(r#"{a="FOO", b="bar", c="baz"}"#)),
            (
                "lowercase",
                vec![rule(Lowercase, &["a"], None, "A", None)],
                Some(r#"{A="foo", a="foo", b="bar", c="baz"}"#),
            ),
            ("in order", vec![rule(Replace, &["a"], None, "d", None), rule(Drop, &["d"], Some("foo"), "", None)], None),
        ];
        for (what, rules, want) in cases {
            assert_eq!(run(&abc, &rules).as_deref(), want, "{what}");
        }
    }

    #[test]
    fn impossible_rules_are_refused_in_prometheus_words() {
        let spec = |action| RuleSpec { action, ..RuleSpec::default() };
        for (spec, want) in [
            (spec(Action::HashMod), "relabel configuration for hashmod requires non-zero modulus"),
            (spec(Action::Replace), "relabel configuration for replace action requires 'target_label' value"),
            (
                RuleSpec { target_label: "a".into(), replacement: Some("x".into()), ..spec(Action::Lowercase) },
                "'replacement' can not be set for lowercase action",
            ),
            (
                RuleSpec { source_labels: vec!["a".into()], ..spec(Action::LabelDrop) },
                "labeldrop action requires only 'regex', and no other fields",
            ),
            (
                RuleSpec { target_label: "a".into(), regex: Some("x".into()), ..spec(Action::KeepEqual) },
                "keepequal action requires only 'source_labels' and `target_label`, and no other fields",
            ),
        ] {
            assert_eq!(Rule::new(spec).unwrap_err().to_string(), want);
        }
        let bad = RuleSpec { regex: Some("(".into()), target_label: "a".into(), ..RuleSpec::default() };
        assert!(matches!(Rule::new(bad), Err(RuleError::Regex { .. })));
        assert_eq!(Action::parse("LabelMap"), Some(Action::LabelMap));
        assert_eq!(Action::parse("nope"), None);
    }
}
