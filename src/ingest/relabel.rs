//! Relabelling, as Prometheus' `relabel_config`: targets, scraped series, alerts and what is sent by remote write.

use std::borrow::Cow;
use std::sync::LazyLock;

use md5::{Digest, Md5};
use regex::Regex;

use crate::config::{RelabelAction, RelabelConfig};
use crate::model::{Labels, LabelsBuilder};

/// The default pattern, `(.*)`.
static ANYTHING: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^(?s:(.*))$").ok());

/// Applies rules in order to labels under construction; `false` means: drop it.
pub fn process_builder(labels: &mut LabelsBuilder, rules: &[RelabelConfig]) -> bool {
    rules.iter().all(|rule| apply(rule, labels))
}

/// Applies rules in order; `None` means: drop it.
pub fn process(labels: &Labels, rules: &[RelabelConfig]) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut builder = labels.to_builder();
    process_builder(&mut builder, rules).then(|| builder.build())
}

fn apply(rule: &RelabelConfig, labels: &mut LabelsBuilder) -> bool {
    let equal = |labels: &LabelsBuilder| joined(rule, labels) == labels.get(&rule.target_label).unwrap_or("");
    match rule.action {
        RelabelAction::Keep => return is_match(rule, &joined(rule, labels)),
        RelabelAction::Drop => return !is_match(rule, &joined(rule, labels)),
        RelabelAction::KeepEqual => return equal(labels),
        RelabelAction::DropEqual => return !equal(labels),
        RelabelAction::Replace => replace(rule, labels),
        RelabelAction::HashMod => {
            let value = hash_mod(&joined(rule, labels), rule.modulus);
            labels.set(&rule.target_label, value.to_string());
        }
        RelabelAction::Lowercase => {
            let value = joined(rule, labels).to_lowercase();
            labels.set(&rule.target_label, value);
        }
        RelabelAction::Uppercase => {
            let value = joined(rule, labels).to_uppercase();
            labels.set(&rule.target_label, value);
        }
        RelabelAction::LabelMap => map_names(rule, labels),
        RelabelAction::LabelDrop => {
            labels.retain(|name, _| !is_match(rule, name));
        }
        RelabelAction::LabelKeep => {
            labels.retain(|name, _| is_match(rule, name));
        }
    }
    true
}

fn regex(rule: &RelabelConfig) -> Option<&Regex> {
    rule.regex.compiled().or_else(|| ANYTHING.as_ref())
}

fn is_match(rule: &RelabelConfig, text: &str) -> bool {
    rule.regex.compiled().is_none_or(|regex| regex.is_match(text))
}

fn joined(rule: &RelabelConfig, labels: &LabelsBuilder) -> String {
    let mut out = String::new();
    for (i, name) in rule.source_labels.iter().enumerate() {
        if i > 0 {
            out.push_str(&rule.separator);
        }
        out.push_str(labels.get(name).unwrap_or(""));
    }
    out
}

fn replace(rule: &RelabelConfig, labels: &mut LabelsBuilder) {
    let value = joined(rule, labels);
    let Some(captures) = regex(rule).and_then(|regex| regex.captures(&value)) else { return };
    let expand = |template: &str| {
        let mut out = String::new();
        captures.expand(template, &mut out);
        out
    };
    let target = expand(&rule.target_label);
    if !target.is_empty() {
        labels.set(target, expand(&rule.replacement));
    }
}

fn map_names(rule: &RelabelConfig, labels: &mut LabelsBuilder) {
    let Some(regex) = regex(rule) else { return };
    let renamed = |name: &str| match regex.replace_all(name, rule.replacement.as_str()) {
        Cow::Borrowed(_) if !regex.is_match(name) => None,
        new => Some(new.into_owned()).filter(|new| !new.is_empty()),
    };
    let mapped: Vec<(String, String)> =
        labels.iter().filter_map(|(name, value)| Some((renamed(name)?, value.to_owned()))).collect();
    for (name, value) in mapped {
        labels.set(name, value);
    }
}

fn hash_mod(value: &str, modulus: u64) -> u64 {
    let digest: [u8; 16] = Md5::digest(value.as_bytes()).into();
    // The lower half, as Prometheus takes it.
    (u128::from_be_bytes(digest) as u64).checked_rem(modulus).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::relabel::RelabelRegex;

    fn rule(
        action: RelabelAction,
        sources: &[&str],
        regex: Option<&str>,
        target: &str,
        replacement: Option<&str>,
    ) -> RelabelConfig {
        let mut rule = RelabelConfig {
            source_labels: sources.iter().map(|s| (*s).to_owned()).collect(),
            target_label: target.to_owned(),
            modulus: 1000,
            action,
            ..RelabelConfig::default()
        };
        if let Some(regex) = regex {
            rule.regex = RelabelRegex::new(regex).unwrap();
        }
        if let Some(replacement) = replacement {
            rule.replacement = replacement.to_owned();
        }
        rule
    }

    fn run(input: &[(&str, &str)], rules: &[RelabelConfig]) -> Option<String> {
        process(&Labels::from_pairs(input.iter().copied()), rules).map(|l| l.to_string())
    }

    #[test]
    fn every_action_does_what_prometheus_does() {
        use RelabelAction::*;
        let abc = [("a", "foo"), ("b", "bar"), ("c", "baz")];
        let cases: Vec<(&str, Vec<RelabelConfig>, Option<&str>)> = vec![
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
}
