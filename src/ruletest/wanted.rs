//! How what a test expects is compared with what came: labels, and texts.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde_json::Value as Json;

use crate::config::yaml::{Decode, Decoder, MapReader, Node, nearest};
use crate::model::{Labels, MatchOp, Matcher, re2};
use crate::section;

/// How expected labels and annotations are compared with those that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Match {
    /// They are the same.
    #[default]
    Exact,
    /// What is expected is there, whatever else is. An empty value: the label is not there.
    Subset,
    /// As a subset, and values are regular expressions over the whole of a value.
    Regex,
}

/// A type whose values are words of a fixed list.
macro_rules! words {
    ($type:ty, $expected:literal, { $($word:literal => $value:expr),* $(,)? }) => {
        impl Decode for $type {
            fn decode(node: &Node, d: &Decoder) -> Option<Self> {
                match node.text() {
                    $(Some($word) => Some($value),)*
                    Some(other) if let Some(near) = nearest(other, &[$($word),*]) => {
                        d.error(node.position, format!(concat!("expected ", $expected, ", found {:?}, did you mean {}?"), other, near));
                        None
                    }
                    _ => d.mismatch(node, $expected),
                }
            }
        }
    };
}
pub(super) use words;

words!(Match, "exact, subset or regex", { "exact" => Match::Exact, "subset" => Match::Subset, "regex" => Match::Regex });

/// Labels or annotations as they are expected.
pub type Expected = BTreeMap<String, String>;

impl Match {
    /// What is wrong with expected labels: a regular expression that is none.
    pub fn defect(self, expected: &Expected) -> Option<String> {
        let broken = |(name, value): (&String, &String)| {
            let e = Matcher::new(MatchOp::Regex, name.clone(), value.clone()).err()?;
            // The first lines draw the place.
            Some(format!("{name}: {}", e.lines().last().unwrap_or_default()))
        };
        if self == Match::Regex { expected.iter().find_map(broken) } else { None }
    }

    /// In what labels differ from those expected; nothing where they match.
    pub fn differences(self, what: &str, expected: &Expected, got: &Labels) -> Vec<Difference> {
        let mut out = Vec::new();
        for (name, wanted) in expected {
            let value = got.value(name);
            let agrees = match self {
                Match::Exact => got.get(name) == Some(wanted.as_str()),
                Match::Subset => value == wanted,
                Match::Regex => {
                    Matcher::new(MatchOp::Regex, name.clone(), wanted.clone()).is_ok_and(|m| m.matches(value))
                }
            };
            if !agrees {
                let expected = if self == Match::Regex { format!("=~ {wanted:?}") } else { shown(Some(wanted)) };
                out.push(Difference { field: format!("{what}.{name}"), expected, got: shown(got.get(name)) });
            }
        }
        if self == Match::Exact {
            let extra = got.iter().filter(|(name, _)| !expected.contains_key(*name));
            out.extend(extra.map(|(name, value)| Difference {
                field: format!("{what}.{name}"),
                expected: shown(None),
                got: shown(Some(value)),
            }));
        }
        out
    }
}

/// A value as failures show it.
pub fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"))
}

/// One field that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// A regular expression, anywhere in a text.
#[derive(Clone)]
pub struct Pattern(Regex, String);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.fmt(f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl Decode for Pattern {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a regular expression") };
        match re2::compile(text) {
            Ok(regex) => Some(Pattern(regex, text.to_owned())),
            Err(e) => {
                d.error(node.position, e);
                None
            }
        }
    }
}

/// A text, or several of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts(Vec<String>);

impl Decode for Texts {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.items() {
            Some(_) => Vec::decode(node, d).map(Texts),
            None => String::decode(node, d).map(|text| Texts(vec![text])),
        }
    }
}

section! {
    /// What a text is expected to be. All that is said must hold.
    pub struct TextWanted as "expected text" with check {
        /// This and nothing else.
        exact: Option<String>,
        /// All of these are somewhere in it.
        contains: Texts,
        /// None of these is in it.
        not_contains: Texts,
        /// This is found in it.
        regex: Option<Pattern>,
        /// It is JSON that has all of this: the keys of objects, the items of lists one by one.
        json: Option<Json>,
    }
}

impl TextWanted {
    fn check(&mut self, m: &MapReader) {
        if m.node().entries().is_some_and(<[_]>::is_empty) {
            m.decoder().error(m.node().position, "expected one of exact, contains, not_contains, regex, json");
        }
    }
}

/// What a text is expected to be: a plain text stands for all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted(pub TextWanted);

impl Decode for Wanted {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some(text) => Some(Wanted(TextWanted { exact: Some(text.to_owned()), ..TextWanted::default() })),
            None => TextWanted::decode(node, d).map(Wanted),
        }
    }
}

impl Wanted {
    /// In what a text is not as expected. `None` where there is no text at all.
    pub fn differences(&self, field: &str, got: Option<&str>) -> Vec<Difference> {
        let TextWanted { exact, contains, not_contains, regex, json } = &self.0;
        let mut out = Vec::new();
        let mut differs = |expected: String| {
            out.push(Difference { field: field.to_owned(), expected, got: shown(got) });
        };
        let text = got.unwrap_or_default();
        if let Some(exact) = exact.as_ref().filter(|e| Some(e.as_str()) != got) {
            differs(shown(Some(exact)));
        }
        contains.0.iter().filter(|t| !text.contains(t.as_str())).for_each(|t| differs(format!("contains {t:?}")));
        let unwanted = not_contains.0.iter().filter(|t| text.contains(t.as_str()));
        unwanted.for_each(|t| differs(format!("does not contain {t:?}")));
        if let Some(Pattern(_, pattern)) = regex.as_ref().filter(|r| !r.0.is_match(text)) {
            differs(format!("matches {pattern:?}"));
        }
        if let Some(json) = json {
            match serde_json::from_str(text) {
                Ok(value) => out.extend(json_differences(field, json, &value)),
                Err(_) => differs("JSON".to_owned()),
            }
        }
        out
    }

    /// The same for a message that is JSON: `exact` is compared as JSON where it is that.
    pub fn json_differences(&self, field: &str, got: &Json) -> Vec<Difference> {
        let mut wanted = self.clone();
        let exact = wanted.0.exact.as_ref().and_then(|text| serde_json::from_str::<Json>(text).ok());
        if exact.is_some_and(|exact| exact == *got) {
            wanted.0.exact = None;
        }
        let json = wanted.0.json.take();
        let mut out = wanted.differences(field, Some(&got.to_string()));
        out.extend(json.iter().flat_map(|json| json_differences(field, json, got)));
        out
    }
}

/// Where JSON lacks something of what is expected.
fn json_differences(path: &str, expected: &Json, got: &Json) -> Vec<Difference> {
    let differs = || vec![Difference { field: path.to_owned(), expected: expected.to_string(), got: got.to_string() }];
    match (expected, got) {
        (Json::Object(expected), Json::Object(got)) => {
            let one = |(key, wanted): (&String, &Json)| match got.get(key) {
                Some(value) => json_differences(&format!("{path}.{key}"), wanted, value),
                None => {
                    vec![Difference { field: format!("{path}.{key}"), expected: wanted.to_string(), got: shown(None) }]
                }
            };
            expected.iter().flat_map(one).collect()
        }
        (Json::Array(expected), Json::Array(got)) if expected.len() == got.len() => {
            let pairs = expected.iter().zip(got).enumerate();
            pairs.flat_map(|(i, (e, g))| json_differences(&format!("{path}[{i}]"), e, g)).collect()
        }
        (Json::Number(e), Json::Number(g)) if e.as_f64() == g.as_f64() => Vec::new(),
        _ if expected == got => Vec::new(),
        _ => differs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expected(pairs: &[(&str, &str)]) -> Expected {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn labels_are_compared_in_three_ways() {
        let got = Labels::from_pairs([("gpu", "3"), ("severity", "page")]);
        for (how, wanted, agrees) in [
            (Match::Exact, &[("gpu", "3"), ("severity", "page")][..], true),
            (Match::Exact, &[("gpu", "3")], false),
            (Match::Subset, &[("gpu", "3")], true),
            (Match::Subset, &[("gpu", "3"), ("team", "")], true),
            (Match::Subset, &[("team", "ml")], false),
            (Match::Regex, &[("gpu", "[0-7]"), ("severity", "page|warning")], true),
            (Match::Regex, &[("severity", "pag")], false),
        ] {
            assert_eq!(how.differences("labels", &expected(wanted), &got).is_empty(), agrees, "{how:?} {wanted:?}");
        }
        assert!(Match::Regex.defect(&expected(&[("gpu", "(")])).is_some());
        assert_eq!(Match::Subset.defect(&expected(&[("gpu", "(")])), None);
    }

    fn wanted(yaml: &str) -> Wanted {
        let d = Decoder::new("t.yml", yaml);
        let wanted = d.document().and_then(|n| Wanted::decode(&n, &d));
        d.finish(wanted).unwrap()
    }

    #[test]
    fn texts_are_compared_as_the_test_says() {
        for (yaml, agrees) in [
            ("a GPU is hot", true),
            ("a GPU", false),
            ("{contains: GPU}", true),
            ("{contains: [GPU, cold]}", false),
            ("{not_contains: cold}", true),
            ("{not_contains: [hot]}", false),
            ("{regex: '^a .* hot$'}", true),
            ("{regex: GPU$}", false),
            ("{json: {}}", false),
        ] {
            assert_eq!(wanted(yaml).differences("title", Some("a GPU is hot")).is_empty(), agrees, "{yaml}");
        }
        assert!(!wanted("{contains: x}").differences("title", None).is_empty());
    }

    #[test]
    fn json_is_compared_key_by_key() {
        let got = json!({"event": "trigger", "payload": {"severity": "critical", "n": 1}, "list": [{"a": 1, "b": 2}]});
        for (yaml, differing) in [
            ("{json: {event: trigger, payload: {n: 1.0}}}", &[][..]),
            ("{json: {list: [{a: 1}]}}", &[]),
            ("{json: {list: []}}", &["payload.list"]),
            ("{json: {payload: {severity: page, class: x}}}", &["payload.payload.severity", "payload.payload.class"]),
            ("{contains: '\"severity\":\"critical\"'}", &[]),
            (r#"'{"list":[{"b":2,"a":1}],"event":"trigger","payload":{"n":1,"severity":"critical"}}'"#, &[]),
        ] {
            let found: Vec<String> =
                wanted(yaml).json_differences("payload", &got).into_iter().map(|d| d.field).collect();
            assert_eq!(found, differing, "{yaml}");
        }
    }
}
