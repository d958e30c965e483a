//! Which of many lists of matchers speak of a label set, without asking each: lists are found by a value that one of
//! their matchers asks for, or by how it begins. Silences, inhibition rules and wide routes stand on this.

use std::sync::{Arc, OnceLock};

use regex::RegexSet;
use rustc_hash::FxHashMap;

use crate::model::{Labels, MatchOp, Matcher, re2};

/// Finds lists of matchers by the labels they could match.
#[derive(Clone, Debug, Default)]
pub struct MatcherIndex {
    by_name: FxHashMap<String, ByValue>,
    // Lists that could match a label set without any of the labels they name.
    anywhere: Vec<u32>,
}

/// The lists that need a label of one name.
#[derive(Clone, Debug, Default)]
struct ByValue {
    whole: FxHashMap<String, Vec<u32>>,
    beginning: FxHashMap<String, Vec<u32>>,
    // The lengths of the keys of `beginning`, ascending.
    lengths: Vec<usize>,
    present: Vec<u32>,
    /// Of those, the ones that want a pattern that may begin with anything.
    patterns: Vec<(u32, String)>,
    /// The patterns as one, in a list that gets no more of them.
    together: Option<OneOf>,
}

/// Patterns that are asked together, made when first asked.
#[derive(Clone, Debug, Default)]
struct OneOf(Arc<OnceLock<Option<RegexSet>>>);

/// Fewer patterns are as well asked one by one.
const WORTH_A_SET: usize = 4;

/// What a matcher needs of its label's value; less is better.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Whole(usize),
    Beginning(usize),
    Present,
}

impl MatcherIndex {
    /// Adds a list under the matcher that fewest others share.
    pub fn insert(&mut self, id: u32, matchers: &[Matcher]) {
        let needs = matchers.iter().filter_map(|m| Some((self.need(m)?, m)));
        let Some((need, matcher)) = needs.min_by(|(a, _), (b, _)| a.cmp(b)) else {
            self.anywhere.push(id);
            return;
        };
        let slot = self.by_name.entry(matcher.name.clone()).or_default();
        match need {
            Need::Whole(_) => {
                for value in whole_values(matcher).unwrap_or_default() {
                    slot.whole.entry(value.to_owned()).or_default().push(id);
                }
            }
            Need::Beginning(_) => {
                for prefix in beginnings(matcher) {
                    if let Err(at) = slot.lengths.binary_search(&prefix.len()) {
                        slot.lengths.insert(at, prefix.len());
                    }
                    slot.beginning.entry(prefix).or_default().push(id);
                }
            }
            Need::Present => match matcher.regex().filter(|_| matcher.op == MatchOp::Regex) {
                Some(regex) => {
                    slot.patterns.push((id, regex.as_str().to_owned()));
                    slot.together = None;
                }
                None => slot.present.push(id),
            },
        }
    }

    /// No list will be added: what can be asked together is.
    pub fn seal(&mut self) {
        for slot in self.by_name.values_mut().filter(|slot| slot.patterns.len() >= WORTH_A_SET) {
            slot.together = Some(OneOf::default());
        }
    }

    /// The lists that may match, ascending, each once: all that do match are among them.
    pub fn candidates(&self, labels: &Labels) -> Vec<u32> {
        let mut found = self.anywhere.clone();
        for (name, value) in labels {
            let Some(slot) = self.by_name.get(name) else { continue };
            found.extend(slot.whole.get(value).into_iter().flatten());
            let starts = slot.lengths.iter().map_while(|n| (*n <= value.len()).then(|| value.get(..*n)));
            found.extend(starts.flatten().filter_map(|start| slot.beginning.get(start)).flatten());
            found.extend(&slot.present);
            slot.ask_patterns(value, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// `None`: the matcher is content with a label that is absent.
    fn need(&self, m: &Matcher) -> Option<Need> {
        if m.matches_empty() {
            return None;
        }
        let slot = self.by_name.get(&m.name);
        let share = |of: &FxHashMap<String, Vec<u32>>, key: &str| of.get(key).map_or(0, Vec::len);
        if let Some(values) = whole_values(m) {
            return Some(Need::Whole(values.iter().map(|v| slot.map_or(0, |s| share(&s.whole, v))).sum()));
        }
        let prefixes = beginnings(m);
        if prefixes.is_empty() {
            return Some(Need::Present);
        }
        Some(Need::Beginning(prefixes.iter().map(|p| slot.map_or(0, |s| share(&s.beginning, p))).sum()))
    }
}

impl ByValue {
    /// The lists whose pattern a value matches, or could.
    fn ask_patterns(&self, value: &str, found: &mut Vec<u32>) {
        let set = || re2::set_anchored(self.patterns.iter().map(|(_, pattern)| pattern.as_str()));
        // A set that cannot be made, for its size, is no set.
        let set = self.together.as_ref().and_then(|together| together.0.get_or_init(set).as_ref());
        match set {
            Some(set) => found.extend(set.matches(value).iter().filter_map(|i| Some(self.patterns.get(i)?.0))),
            None => found.extend(self.patterns.iter().map(|(id, _)| id)),
        }
    }
}

/// The only values that a matcher accepts, where they are few.
fn whole_values(m: &Matcher) -> Option<Vec<&str>> {
    match m.op {
        MatchOp::Equal => Some(vec![&m.value]),
        MatchOp::Regex => m.regex()?.literals().map(|all| all.iter().map(String::as_str).collect()),
        MatchOp::NotEqual | MatchOp::NotRegex => None,
    }
}

/// How every value that a matcher accepts begins; empty when that is not known.
fn beginnings(m: &Matcher) -> Vec<String> {
    match (m.op, m.regex()) {
        (MatchOp::Regex, Some(regex)) => prefixes(regex.as_str()),
        _ => Vec::new(),
    }
}

/// Whether all of some matchers match.
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|m| m.matches(labels.value(&m.name)))
}

/// The strings with which every match of an anchored pattern begins; empty when there need be none. Only what is plain
/// to see is used: a run of characters, or alternatives that each begin with one, the whole pattern or its first group.
fn prefixes(pattern: &str) -> Vec<String> {
    let alternatives: Vec<&str> = if pattern.contains('(') {
        let Some((first, rest)) = pattern.strip_prefix('(').and_then(|p| p.split_once(')')) else {
            // An alternative at the top would begin otherwise.
            let head = pattern.split('(').next().unwrap_or("");
            return if is_one_branch(pattern) { run(head).into_iter().collect() } else { Vec::new() };
        };
        let first = first.strip_prefix("?:").unwrap_or(first);
        let repeated = rest.starts_with(['*', '?', '{']);
        if first.starts_with('?') || first.contains(['(', '[', '\\']) || repeated || !is_one_branch(rest) {
            return Vec::new();
        }
        first.split('|').collect()
    } else if pattern.contains(['[', '\\']) && pattern.contains('|') {
        return Vec::new();
    } else {
        pattern.split('|').collect()
    };
    let all: Option<Vec<String>> = alternatives.into_iter().map(run).collect();
    all.unwrap_or_default()
}

/// Whether a pattern surely has no `|` outside of groups: none after its last closing parenthesis, none before its first
/// opening one, none between groups.
fn is_one_branch(pattern: &str) -> bool {
    if pattern.contains(['[', '\\']) && pattern.contains('|') {
        return false;
    }
    let mut depth = 0i32;
    for c in pattern.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '|' if depth == 0 => return false,
            _ => {}
        }
    }
    true
}

/// The plain characters a pattern begins with, without one that may be missing; `None` when there are none.
fn run(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => match chars.next() {
                Some(escaped) if escaped.is_ascii_punctuation() => escaped,
                _ => break,
            },
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|' => break,
            plain => plain,
        };
        // What follows may make it one that need not be there.
        if matches!(chars.peek(), Some('*' | '?' | '{')) {
            break;
        }
        out.push(literal);
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_matches_of_a_pattern_begins_as_it_is_said_to() {
        for (pattern, want) in [
            ("host-1[0-9]{2}", vec!["host-1"]),
            ("web-.*", vec!["web-"]),
            ("ab?c", vec!["a"]),
            ("ab{0,2}", vec!["a"]),
            ("(foo|bar).*", vec!["foo", "bar"]),
            ("(?:foo|b*)x", vec![]),
            ("(foo|bar)?x", vec![]),
            ("a.*|b.*", vec!["a", "b"]),
            ("a(b|c)d", vec!["a"]),
            ("a(b)|c", vec![]),
            ("(?i)abc", vec![]),
            (r"10\.0\..*", vec!["10.0."]),
            (r"\d+a", vec![]),
            (".*x", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(prefixes(pattern), want, "{pattern}");
        }
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        let ops = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
        let values = prop::sample::select(vec![
            "",
            "a",
            "ab",
            "b",
            "a|b",
            "a.*",
            "(a|b)b?",
            ".*b",
            ".+",
            "a?b",
            "(?:ab|b).*",
            "a|.*b",
            "(a)|b",
            "[ab]",
            "a+b*",
        ]);
        (ops, prop::sample::select(vec!["x", "y", "z"]), values)
            .prop_map(|(op, n, v)| Matcher::of_alerts(op, n, v).unwrap())
    }

    fn labels() -> impl Strategy<Value = Labels> {
        let value = || prop::sample::select(vec!["", "a", "b", "ab", "bb", "abb", "ba"]);
        (value(), value(), value()).prop_map(|(x, y, z)| Labels::from_pairs([("x", x), ("y", y), ("z", z)]))
    }

    proptest! {
        #[test]
        fn all_lists_that_match_are_found(
            lists in prop::collection::vec(prop::collection::vec(matcher(), 1..3), 0..30),
            asked in prop::collection::vec(labels(), 1..8),
            sealed: bool,
        ) {
            let mut index = MatcherIndex::default();
            for (id, list) in lists.iter().enumerate() {
                index.insert(id as u32, list);
            }
            if sealed {
                index.seal();
            }
            for labels in asked {
                let found = index.candidates(&labels);
                prop_assert!(found.is_sorted());
                for (id, list) in lists.iter().enumerate() {
                    prop_assert!(!all_match(list, &labels) || found.contains(&(id as u32)), "{list:?} of {labels}");
                }
            }
        }
    }
}
