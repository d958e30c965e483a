//! What is asked for: an alert's name, matchers, or a fingerprint.

use crate::config::alertmanager::matchers::parse_matchers;
use crate::history::Query;
use crate::model::labels::parse_fingerprint;
use crate::model::{ALERT_NAME, Labels, MatchOp, Matcher};
use crate::routing::matching::all_match;

/// Most matchers that are asked for.
const MOST_MATCHERS: usize = 100;

/// Which alerts are asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Those that match.
    Matchers(Vec<Matcher>),
    /// The one with Alertmanager's fingerprint.
    Fingerprint(u64),
}

impl Asked {
    /// Reads `NAME`, `NAME{label="value"}`, `{label="value"}`, `label=value` or a fingerprint of 16 hexadecimal digits.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Asked, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("expected an alert's name, matchers or a fingerprint, found nothing".into());
        }
        if let Some(fingerprint) = parse_fingerprint(text) {
            return Ok(Asked::Fingerprint(fingerprint));
        }
        let (name, rest) = match text.find('{') {
            Some(at) => text.split_at(at),
            None if text.contains(['=', '~']) => ("", text),
            None => (text, ""),
        };
        let mut matchers = Vec::new();
        if !name.trim().is_empty() {
            matchers.push(Matcher::equal(ALERT_NAME, name.trim()));
        }
        if !rest.is_empty() {
            matchers.extend(parse_matchers(rest)?);
        }
        match matchers.len() {
            0 => Err(format!("expected an alert's name, matchers or a fingerprint, found {text:?}")),
            n if n > MOST_MATCHERS => Err(format!("{n} matchers are more than {MOST_MATCHERS}")),
            _ => Ok(Asked::Matchers(matchers)),
        }
    }

    /// The alert with these labels.
    pub(super) fn of(labels: &Labels) -> Asked {
        Asked::Matchers(labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect())
    }

    /// Whether an alert is asked for.
    pub fn wants(&self, labels: &Labels) -> bool {
        match self {
            Asked::Matchers(matchers) => all_match(matchers, labels),
            Asked::Fingerprint(fingerprint) => labels.fingerprint() == *fingerprint,
        }
    }

    /// Whether rules of a name are asked for: only a name asks for rules.
    pub fn wants_rule(&self, name: &str) -> bool {
        let of_name = |m: &&Matcher| m.name == ALERT_NAME;
        match self {
            Asked::Matchers(matchers) => {
                let mut of_name = matchers.iter().filter(of_name).peekable();
                of_name.peek().is_some() && of_name.all(|m| m.matches(name))
            }
            Asked::Fingerprint(_) => false,
        }
    }

    /// The name that is asked for.
    pub fn name(&self) -> Option<&str> {
        self.equal().find(|m| m.name == ALERT_NAME).map(|m| m.value.as_str())
    }

    /// The labels that are asked for with one value.
    pub fn labels(&self) -> Labels {
        Labels::from_pairs(self.equal().map(|m| (m.name.as_str(), m.value.as_str())))
    }

    fn equal(&self) -> impl Iterator<Item = &Matcher> {
        let matchers = match self {
            Asked::Matchers(matchers) => matchers.as_slice(),
            Asked::Fingerprint(_) => &[],
        };
        matchers.iter().filter(|m| m.op == MatchOp::Equal)
    }

    /// What is asked of the history.
    pub(super) fn query(&self) -> Query {
        match self {
            Asked::Matchers(matchers) => Query { selectors: vec![matchers.clone()], ..Query::default() },
            Asked::Fingerprint(fingerprint) => Query { fingerprint: Some(*fingerprint), ..Query::default() },
        }
    }

    /// As it is told.
    pub fn text(&self) -> String {
        match self {
            Asked::Fingerprint(fingerprint) => format!("{fingerprint:016x}"),
            Asked::Matchers(matchers) => {
                let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
                format!("{{{}}}", texts.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_asked_for_in_several_ways() {
        for (text, want) in [
            ("Down", r#"{alertname="Down"}"#),
            (r#"Down{job="a", x!="b"}"#, r#"{alertname="Down", job="a", x!="b"}"#),
            (r#"{job=~"a.*"}"#, r#"{job=~"a.*"}"#),
            ("job=a", r#"{job="a"}"#),
            ("00ff00ff00ff00ff", "00ff00ff00ff00ff"),
            ("حرارة", r#"{alertname="حرارة"}"#),
        ] {
            assert_eq!(Asked::parse(text).unwrap().text(), want, "{text}");
        }
        for text in ["", "  ", "{}", "a{b", "a=~("] {
            assert!(Asked::parse(text).is_err(), "{text}");
        }
        let asked = Asked::parse("alertname=~\"Down|Up\",job=\"a\"").unwrap();
        assert!(asked.wants_rule("Down") && !asked.wants_rule("Other"));
        assert!(!Asked::parse("job=a").unwrap().wants_rule("Down"), "a label alone asks for no rule");
        assert_eq!(asked.labels(), Labels::from_pairs([("job", "a")]));
    }
}
