//! Regular expressions as Go reads them (RE2's syntax), compiled by the `regex` crate.
//!
//! The two dialects differ in a few places, which [`translate`] bridges: a brace that begins no repetition is a brace;
//! `\d`, `\w`, `\s` and `\b` are ASCII; brackets inside a class nest nothing; `\Q...\E` quotes; `\<` and `\>` are the
//! characters. See <https://github.com/google/re2/wiki/Syntax>.

use std::borrow::Cow;

use regex::Regex;

/// The longest regular expression that is compiled, in bytes.
pub const MAX_LEN: usize = 64 * 1024;
/// The largest compiled form, in bytes.
const SIZE_LIMIT: usize = 8 << 20;

/// Compiles a pattern that may match anywhere.
///
/// # Errors
/// What is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    check_len(pattern)?;
    build(&translate(pattern))
}

/// Compiles a pattern that must match the whole text, its dots newlines too: Prometheus' `^(?s:...)$`.
///
/// # Errors
/// What is wrong with it.
pub fn compile_anchored(pattern: &str) -> Result<Regex, String> {
    check_len(pattern)?;
    build(&format!("^(?s:{})$", translate(pattern)))
}

/// Refuses a pattern that is too long to be looked at.
///
/// # Errors
/// How long it is.
pub fn check_len(pattern: &str) -> Result<(), String> {
    match pattern.len() > MAX_LEN {
        true => Err(format!("regular expression of {} bytes is longer than {MAX_LEN}", pattern.len())),
        false => Ok(()),
    }
}

fn build(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|e| e.to_string())
}

/// The pattern in the `regex` crate's dialect.
pub fn translate(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['\\', '{', '[']) {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or("");
        rest = match c {
            '\\' => escape(tail, &mut out),
            '{' if !begins_repetition(tail) => {
                out.push_str("\\{");
                tail
            }
            '[' => class(tail, &mut out),
            c => {
                out.push(c);
                tail
            }
        };
    }
    Cow::Owned(out)
}

/// `n}`, `n,}` or `n,m}`
fn begins_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else { return false };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    !least.is_empty() && digits(least) && digits(most)
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\x0c\\r ";

/// The members of a Perl class, and whether it is negated.
fn perl_class(c: char) -> Option<(&'static str, bool)> {
    match c {
        'd' => Some((DIGIT, false)),
        'D' => Some((DIGIT, true)),
        'w' => Some((WORD, false)),
        'W' => Some((WORD, true)),
        's' => Some((SPACE, false)),
        'S' => Some((SPACE, true)),
        _ => None,
    }
}

/// What follows a backslash outside a class. Gives what is left.
fn escape<'a>(tail: &'a str, out: &mut String) -> &'a str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let rest = tail.get(c.len_utf8()..).unwrap_or("");
    match (c, perl_class(c)) {
        (_, Some((members, negated))) => {
            out.push_str(if negated { "[^" } else { "[" });
            out.push_str(members);
            out.push(']');
        }
        ('Q', _) => {
            let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return after;
        }
        ('b', _) => out.push_str("(?-u:\\b)"),
        ('B', _) => out.push_str("(?-u:\\B)"),
        ('<' | '>', _) => out.push(c),
        _ => out.extend(['\\', c]),
    }
    rest
}

/// A class, from after its opening bracket. Gives what is left.
fn class<'a>(tail: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let mut rest = tail;
    if let Some(r) = rest.strip_prefix('^') {
        out.push('^');
        rest = r;
    }
    // A bracket that closes at once is a member.
    if let Some(r) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = r;
    }
    let mut after_dash = false;
    while let Some(c) = rest.chars().next() {
        let r = rest.get(c.len_utf8()..).unwrap_or("");
        let dash = std::mem::replace(&mut after_dash, c == '-');
        rest = match c {
            ']' => {
                out.push(']');
                return r;
            }
            '\\' => class_escape(r, out),
            '[' => match r.strip_prefix(':').and_then(|name| name.split_once(":]")) {
                Some((name, after)) => {
                    out.push_str(&format!("[:{name}:]"));
                    after
                }
                None => {
                    out.push_str("\\[");
                    r
                }
            },
            // Alone they are members; doubled they would be set operations.
            '&' | '~' => {
                out.extend(['\\', c]);
                r
            }
            '-' if dash => {
                out.push_str("\\-");
                r
            }
            c => {
                out.push(c);
                r
            }
        };
    }
    rest
}

fn class_escape<'a>(tail: &'a str, out: &mut String) -> &'a str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    match (c, perl_class(c)) {
        (_, Some((members, false))) => out.push_str(members),
        (_, Some((members, true))) => out.push_str(&format!("[^{members}]")),
        ('<' | '>', _) => out.push(c),
        _ => out.extend(['\\', c]),
    }
    tail.get(c.len_utf8()..).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, want) in [
            (" {.*}$", "Peering (x) {#cable}", true),
            ("{", "{", true),
            ("a{,2}", "a{,2}", true),
            ("a{2}", "aa", true),
            ("a{2,}b{1,3}", "aaabb", true),
            ("{{ .x }}", "{{ .x }}", true),
            ("^\\d+$", "123", true),
            ("^\\d+$", "١٢٣", false),
            ("^\\w+$", "زمن", false),
            ("^[\\w.]+$", "a.b_1", true),
            ("^[^\\s]+$", "a b", false),
            ("^[\\D]$", "x", true),
            ("^[\\D]$", "1", false),
            ("\\Qa.b\\E", "a.b", true),
            ("\\Qa.b\\E", "axb", false),
            ("^[[]$", "[", true),
            ("^[]a]$", "]", true),
            ("^[a&&b]$", "&", true),
            ("^[a~~b]$", "~", true),
            ("^[[:alpha:]]+$", "abc", true),
            ("^[+--]$", ",", true),
            ("\\<a\\>", "<a>", true),
            ("\\ba\\b", "x a y", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), want, "{pattern} on {text}");
        }
        assert!(compile("(").is_err());
        assert!(compile(&"a".repeat(MAX_LEN + 1)).is_err());
    }

    #[test]
    fn plain_patterns_are_left_alone() {
        assert!(matches!(translate("a.*|b+"), Cow::Borrowed(_)));
    }
}
