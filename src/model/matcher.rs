//! Label matchers: `=`, `!=`, `=~`, `!~`.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use super::labels::push_quoted;
use super::re2;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

/// Whose matchers a regular expression is read as: they differ in what a dot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus' `^(?s:...)$`: a dot is any character.
    Prometheus,
    /// Alertmanager's `^(?:...)$`: a dot is no newline.
    Alertmanager,
}

/// A regular expression that is to match the whole of a value, and what could be learnt from it beforehand.
#[derive(Clone)]
pub struct AnchoredRegex {
    source: Arc<str>,
    kind: Arc<RegexKind>,
}

enum RegexKind {
    /// Matches exactly these strings, sorted.
    Literals(Vec<String>),
    /// `.*`
    Anything,
    /// `.+`
    NonEmpty,
    /// `.*` or `.+` where a dot is no newline, and whether a value may be empty.
    OneLine {
        empty: bool,
    },
    General(Regex),
}

impl AnchoredRegex {
    /// Compiles `source`. Errors say what is wrong with it.
    pub fn new(source: &str, dialect: Dialect) -> Result<Self, String> {
        re2::check_len(source)?;
        let kind = match (source, dialect) {
            (".*", Dialect::Prometheus) => RegexKind::Anything,
            (".+", Dialect::Prometheus) => RegexKind::NonEmpty,
            (".*" | ".+", Dialect::Alertmanager) => RegexKind::OneLine { empty: source == ".*" },
            (_, dialect) => match literal_alternatives(source) {
                Some(mut all) => {
                    all.sort();
                    all.dedup();
                    RegexKind::Literals(all)
                }
                None => RegexKind::General(match dialect {
                    Dialect::Prometheus => re2::compile_anchored(source)?,
                    Dialect::Alertmanager => re2::compile_anchored_in_line(source)?,
                }),
            },
        };
        Ok(AnchoredRegex { source: Arc::from(source), kind: Arc::new(kind) })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole of `s` matches.
    pub fn is_match(&self, s: &str) -> bool {
        match &*self.kind {
            RegexKind::Literals(all) => all.binary_search_by(|l| l.as_str().cmp(s)).is_ok(),
            RegexKind::Anything => true,
            RegexKind::NonEmpty => !s.is_empty(),
            RegexKind::OneLine { empty } => (*empty || !s.is_empty()) && !s.contains('\n'),
            RegexKind::General(re) => re.is_match(s),
        }
    }

    /// When the pattern matches a fixed set of strings: that set, sorted. Lets an index look them up.
    pub fn literals(&self) -> Option<&[String]> {
        match &*self.kind {
            RegexKind::Literals(all) => Some(all),
            _ => None,
        }
    }
}

/// `a|b|c` of plain characters, optionally in one group: the alternatives.
fn literal_alternatives(source: &str) -> Option<Vec<String>> {
    let inner = match source.strip_prefix('(').and_then(|s| s.strip_suffix(')')) {
        Some(s) => s.strip_prefix("?:").unwrap_or(s),
        None => source,
    };
    let meta = |c: char| "\\.+*?()[]{}^$".contains(c);
    if inner.contains(meta) {
        return None;
    }
    Some(inner.split('|').map(str::to_owned).collect())
}

/// One condition on one label. A label that is absent counts as empty.
#[derive(Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// The comparison.
    pub op: MatchOp,
    /// The value or pattern as written.
    pub value: String,
    regex: Option<AnchoredRegex>,
}

impl Matcher {
    /// Makes a matcher as Prometheus has it; fails when the pattern of a regex matcher does not compile.
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, String> {
        Self::of(Dialect::Prometheus, op, name.into(), value.into())
    }

    /// Makes a matcher as Alertmanager's routes, inhibition rules, silences and filters have it; fails as [`Self::new`].
    pub fn of_alerts(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, String> {
        Self::of(Dialect::Alertmanager, op, name.into(), value.into())
    }

    fn of(dialect: Dialect, op: MatchOp, name: String, value: String) -> Result<Self, String> {
        let regex = match op {
            MatchOp::Regex | MatchOp::NotRegex => Some(AnchoredRegex::new(&value, dialect)?),
            MatchOp::Equal | MatchOp::NotEqual => None,
        };
        Ok(Matcher { name, op, value, regex })
    }

    /// An equality matcher.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// Whether a label's value (empty: absent) satisfies the matcher.
    pub fn matches(&self, value: &str) -> bool {
        let regex = |v: &str| self.regex.as_ref().is_some_and(|r| r.is_match(v));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => regex(value),
            MatchOp::NotRegex => !regex(value),
        }
    }

    /// Whether the matcher accepts a series that lacks the label.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The compiled pattern of a regex matcher.
    pub fn regex(&self) -> Option<&AnchoredRegex> {
        self.regex.as_ref()
    }
}

/// Equal when written equally.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.op, &self.name, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        if super::labels::is_legacy_label_name(&self.name) {
            out.push_str(&self.name);
        } else {
            push_quoted(&mut out, &self.name);
        }
        out.push_str(self.op.as_str());
        push_quoted(&mut out, &self.value);
        f.write_str(&out)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A selector of these conditions: `{__name__="up",job="a"}`.
pub fn selector_text(matchers: &[Matcher]) -> String {
    let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", matchers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_of_alertmanagers_matchers_is_no_newline() {
        for (pattern, value, want) in [
            (".*", "", true),
            (".*", "a b", true),
            (".*", "\n", false),
            (".*", "one\nerror", false),
            (".+", "", false),
            (".+", "a", true),
            (".+", "a\n", false),
            (".*error.*", "an error", true),
            (".*error.*", "one\nerror", false),
            ("a.c", "a\nc", false),
            ("(?s:.*)error", "one\nerror", true),
            ("(?s).+", "\n", true),
            ("a[^b]c", "a\nc", true),
            ("one\nerror|x", "one\nerror", true),
            ("a", "a\n", false),
        ] {
            let m = Matcher::of_alerts(MatchOp::Regex, "l", pattern).unwrap();
            assert_eq!(m.matches(value), want, "{pattern} on {value:?}");
            let not = Matcher::of_alerts(MatchOp::NotRegex, "l", pattern).unwrap();
            assert_eq!(not.matches(value), !want, "not {pattern} on {value:?}");
        }
    }

    #[test]
    fn patterns_are_anchored_and_a_dot_matches_a_newline() {
        for (pattern, value, want) in [
            ("a|b", "a", true),
            ("a|b", "ab", false),
            ("(?:a|b|)", "", true),
            ("a.c", "a\nc", true),
            (".+", "", false),
            (".*", "", true),
            ("(?i)abc", "ABC", true),
            // Letters are folded as Go folds them: the long s, and the sign of the kelvin.
            ("(?i)S.*", "ſx", true),
            ("(?i:K).*", "\u{212a}", true),
            ("(?i)[a-z]+", "ſ\u{212a}", true),
            ("(?i)\\w", "ſ", true),
            ("(?i)[^\\w]", "ſ", false),
            ("(?i)É", "é", true),
            ("(?i)ß", "ss", false),
            ("(?i)ſ", "S", true),
            ("S.*", "ſx", false),
            ("a", "xa", false),
        ] {
            let m = Matcher::new(MatchOp::Regex, "l", pattern).unwrap();
            assert_eq!(m.matches(value), want, "{pattern} on {value:?}");
            let not = Matcher::new(MatchOp::NotRegex, "l", pattern).unwrap();
            assert_eq!(not.matches(value), !want, "not {pattern} on {value:?}");
        }
        assert!(Matcher::new(MatchOp::Regex, "l", "(").is_err());
        assert!(Matcher::of_alerts(MatchOp::Regex, "l", "(").is_err());
        assert!(Matcher::new(MatchOp::Regex, "l", "a".repeat(re2::MAX_LEN + 1)).is_err());
    }
}
